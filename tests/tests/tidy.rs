//! Guards the architecture by what must *not* be there, so that `docs/architecture.md` stays true.
//!
//! Each test is one rule over the text of the repository, and its failure lists the places and the
//! reason. Where a comment may well name the forbidden thing, a rule reads only the code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Products, data and other people's code, by name or by path from the root.
const NOT_OURS: [&str; 6] = [
    ".git",
    "node_modules",
    "dist",
    "target",
    "indelible-data",
    "client-wasm/ts/wasm",
];

const LINES_MAX: usize = 600;

/// A file of the repository, by its path from the root with `/` between names.
struct File {
    path: String,
    text: String,
}

impl File {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, own)| extensions.contains(&own))
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The lines without their comments. A `//` inside a string counts as one; that only ever
    /// hides the rest of its line.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines()
            .map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
    }

    /// The places where the code has one of `words`, each standing by itself.
    fn code_with(&self, words: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (number, line) in self.code() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                found.push(format!("{}:{number}: {word}", self.path));
            }
        }
        found
    }
}

/// Whether `word` occurs with no letter, digit or underscore right before or after it.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part_of_name);
        let after = line[at + word.len()..]
            .chars()
            .next()
            .is_some_and(part_of_name);
        !(before && word.starts_with(part_of_name) || after && word.ends_with(part_of_name))
    })
}

fn root() -> PathBuf {
    // Asked at run time: a build folder that several clones share would keep the `env!` of one.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&package)
        .parent()
        .expect("the tests lie in the repository")
        .to_owned()
}

/// All text files whose path begins with `prefix`.
fn files(prefix: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.retain(|file| file.path.starts_with(prefix));
    assert!(
        !found.is_empty(),
        "nothing begins with {prefix}: has it moved?"
    );
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder)
        .expect("the repository is readable")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if NOT_OURS
            .iter()
            .any(|other| *other == name || *other == path)
        {
            continue;
        }
        let kind = entry.file_type().expect("the repository is readable");
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), found);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(File { path, text });
        }
    }
}

fn rust(prefix: &str) -> Vec<File> {
    let mut found = files(prefix);
    found.retain(|file| file.has_extension(&["rs"]));
    found
}

/// Fails with every place and the reason.
fn expect_none(places: impl IntoIterator<Item = String>, why: &str) {
    let mut list = String::new();
    for place in places {
        writeln!(list, "  {place}").expect("writing to a string cannot fail");
    }
    assert!(list.is_empty(), "\n{list}why: {why}\n");
}

#[test]
fn engine_is_pure() {
    let mut sources = rust("engine/src/");
    sources.retain(|file| !file.path.ends_with("/tests.rs") && !file.path.contains("/tests/"));
    let words = [
        "tokio",
        "axum",
        "redb",
        "wasm_bindgen",
        "std::time",
        "SystemTime",
        "Instant",
        "rand",
        "getrandom",
        "std::thread",
        "thread_local!",
        "static mut",
        "std::fs",
        "std::net",
        "std::env",
        "OnceLock",
        "LazyLock",
    ];
    expect_none(
        sources.iter().flat_map(|file| file.code_with(&words)),
        "a verdict is a function of the log and one proposal; I/O, clocks, randomness and shared \
         state would make it depend on something nobody can check later (pass them in)",
    );
    let statics = sources.iter().flat_map(|file| {
        let places = file.code().filter(|(_, line)| {
            line.trim_start()
                .trim_start_matches("pub ")
                .starts_with("static ")
        });
        places
            .map(|(number, line)| format!("{}:{number}:{line}", file.path))
            .collect::<Vec<_>>()
    });
    expect_none(
        statics,
        "the engine keeps no state of its own: use a const or pass it in",
    );
}

#[test]
fn dependencies_point_at_the_engine() {
    let forbidden = [
        (
            "engine/Cargo.toml",
            [
                "indelible-server",
                "indelible-client",
                "tokio",
                "redb",
                "axum",
            ],
        ),
        (
            "client-wasm/Cargo.toml",
            ["indelible-server", "tokio", "redb", "axum", "jsonschema"],
        ),
        (
            "server/Cargo.toml",
            [
                "indelible-client",
                "wasm-bindgen",
                "js-sys",
                "web-sys",
                "sled",
            ],
        ),
    ];
    let places = forbidden.iter().flat_map(|(path, names)| {
        let manifest = files(path).remove(0);
        let found = names.iter().filter(move |name| {
            let declares = |line: &str| {
                line.split(['.', ' ', '='])
                    .next()
                    .is_some_and(|first| first == **name)
            };
            manifest.text.lines().any(declares)
        });
        found
            .map(|name| format!("{path}: {name}"))
            .collect::<Vec<_>>()
    });
    expect_none(
        places,
        "server → engine ← client; anything else would tie the parts together",
    );
}

#[test]
fn redb_stays_in_storage() {
    let outside = rust("server/src/").into_iter().filter(|file| {
        !file.path.starts_with("server/src/storage/") && file.path != "server/src/storage.rs"
    });
    expect_none(
        outside.flat_map(|mut file| {
            // Our own store of that name may be opened by anybody.
            file.text = file.text.replace("storage::redb::", "storage::");
            file.code_with(&["redb::", "use redb"])
        }),
        "another store will stand behind the same trait, so nobody else may know this one",
    );
}

#[test]
fn status_codes_stay_in_http_and_auth() {
    let allowed = ["server/src/http/", "server/src/http.rs", "server/src/auth"];
    let outside = rust("server/src/")
        .into_iter()
        .filter(|file| !allowed.iter().any(|prefix| file.path.starts_with(prefix)));
    expect_none(
        outside.flat_map(|file| file.code_with(&["StatusCode"])),
        "what goes out over HTTP is decided in one place; elsewhere return an error of your own",
    );
}

#[test]
fn dangerous_calls_are_absent() {
    let words = ["receive_sync_message", "load_incremental", "transaction_at"];
    let crates = ["engine/", "server/", "client-wasm/"]
        .into_iter()
        .flat_map(rust);
    expect_none(
        crates.flat_map(|file| file.code_with(&words)),
        "the first two apply what nobody has checked (docs/architecture.md, admission); the third \
         takes a new actor at each call, which makes documents many times larger",
    );
}

#[test]
fn react_stays_out_of_the_client_core() {
    let core = files("client-wasm/ts/").into_iter().filter(|file| {
        file.has_extension(&["ts", "tsx"]) && !file.path.starts_with("client-wasm/ts/react/")
    });
    expect_none(
        core.flat_map(|file| file.code_with(&["from 'react'", "from 'react-dom'"])),
        "the client serves any framework and Node; React goes into ts/react",
    );
}

#[test]
fn files_are_short() {
    let long = files("").into_iter().filter(|file| {
        file.has_extension(&["rs", "ts", "tsx", "js", "mjs", "css"])
            && file.text.lines().count() > LINES_MAX
    });
    expect_none(
        long.map(|file| format!("{}: {} lines", file.path, file.text.lines().count())),
        "more than 600 lines hide more than one noun: split along it",
    );
}

#[test]
fn module_names_say_something() {
    let vague = [
        "util", "utils", "helper", "helpers", "common", "manager", "misc", "shared",
    ];
    let sources = files("")
        .into_iter()
        .filter(|file| file.has_extension(&["rs", "ts", "tsx", "js", "mjs"]))
        .filter(|file| file.path.split('/').any(|part| vague.contains(&stem(part))));
    expect_none(
        sources.map(|file| file.path),
        "a module is a noun of the domain; such a name collects what nobody has thought about",
    );
}

fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[test]
fn top_level_is_short() {
    let allowed: BTreeSet<&str> = BTreeSet::from([
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "engine",
        "server",
        "client-wasm",
        "docs",
        "tests",
        "target",
        "indelible-data",
    ]);
    let entries = fs::read_dir(root())
        .expect("the repository is readable")
        .flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    expect_none(
        names.filter(|name| !name.starts_with('.') && !allowed.contains(&**name)),
        "the first thing a newcomer sees is the map: put it into one of the folders",
    );
}

#[test]
fn modules_say_what_they_are() {
    let bare = rust("")
        .into_iter()
        .filter(|file| !file.text.starts_with("//!"));
    expect_none(
        bare.map(|file| file.path),
        "a module's header says what it owns, its invariant and what it must not know",
    );
}

#[test]
fn nothing_is_left_half_done() {
    let marks = [
        "TODO",
        "FIXME",
        "XXX",
        "todo!",
        "unimplemented!",
        "#[ignore]",
        "#[ignore =",
    ];
    let marks_of_typescript = [
        "it.only",
        "test.only",
        "describe.only",
        "it.skip",
        "describe.skip",
    ];
    let places = files("")
        .into_iter()
        .filter(is_not_this_file)
        .flat_map(|file| {
            if !file.has_extension(&["rs", "ts", "tsx", "js", "mjs"]) {
                return Vec::new();
            }
            let words = marks.iter().chain(&marks_of_typescript);
            let found = file
                .lines()
                .filter(|(_, line)| words.clone().any(|word| has_word(line, word)));
            found
                .map(|(number, line)| format!("{}:{number}:{line}", file.path))
                .collect()
        });
    expect_none(
        places,
        "what is merged is finished; what is wished for is an issue",
    );
}

#[test]
fn nothing_names_what_readers_do_not_have() {
    let words = [
        "../shared",
        "/work/",
        "registry.npmjs",
        "static.crates.io",
        "index.crates.io",
        "files.pythonhosted",
        "deb.debian.org",
        "design.md",
        "design §",
        "hostile-changes.md",
        "CONTRACT.md",
    ];
    let places = files("")
        .into_iter()
        .filter(is_not_this_file)
        .flat_map(|file| {
            let found = file
                .lines()
                .filter(|(_, line)| words.iter().any(|word| line.contains(word)));
            found
                .map(|(number, line)| format!("{}:{number}:{line}", file.path))
                .collect::<Vec<_>>()
        });
    expect_none(
        places,
        "machine paths, package hosts and private papers mean nothing to others",
    );
}

/// This file has to name what it forbids.
fn is_not_this_file(file: &File) -> bool {
    file.path != "tests/tests/tidy.rs"
}

#[test]
fn crates_take_the_workspace_lints() {
    let members = ["engine", "server", "client-wasm", "tests", "tests/xtask"];
    let manifests = members.map(|member| files(&format!("{member}/Cargo.toml")).remove(0));
    let lax = manifests
        .iter()
        .filter(|manifest| !manifest.text.contains("[lints]\nworkspace = true"));
    expect_none(
        lax.map(|manifest| manifest.path.clone()),
        "the lints are the same for all",
    );
}

/// The last cells of the tables of a page, from a heading on: they name tests.
fn tests_named(page: &str, heading: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).expect("the page is there");
    let (_, part) = text.split_once(heading).expect("the heading is there");
    let part = part.split("\n## ").next().unwrap_or_default();
    let cells = part.lines().filter_map(|line| {
        let row = line.strip_prefix('|')?.strip_suffix('|')?;
        row.rsplit('|').next()
    });
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names
        .filter(|name| name.contains('_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn tests_that_pages_name_are_there() {
    let sources = rust("");
    let mut missing = Vec::new();
    for (page, heading) in [
        ("docs/security.md", "## Threats"),
        ("docs/security.md", "## OWASP ASVS 5.0"),
        ("docs/operations.md", "## What is waited for"),
    ] {
        let named = tests_named(page, heading);
        assert!(named.len() > 10, "{page} names tests under {heading:?}");
        for name in named {
            let declared = format!("fn {name}(");
            if !sources.iter().any(|file| file.text.contains(&declared)) {
                missing.push(format!("{page}: {name}"));
            }
        }
    }
    expect_none(
        missing,
        "pages say what shows what they claim: name a test that there is",
    );
}

#[test]
fn every_rust_file_is_compiled() {
    let all: BTreeSet<PathBuf> = rust("")
        .into_iter()
        .map(|file| root().join(file.path))
        .collect();
    let mut reached = BTreeSet::new();
    for file in all.iter().filter(|file| is_crate_root(file)) {
        reach(file, true, &mut reached);
    }
    expect_none(
        all.difference(&reached).map(|file| {
            file.strip_prefix(root())
                .unwrap_or(file)
                .display()
                .to_string()
        }),
        "no `mod` leads here, so the compiler never sees it: delete it or declare it",
    );
}

/// What cargo compiles by itself: libraries, programs, build scripts, tests.
fn is_crate_root(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    let folder = file.parent().unwrap_or(file);
    let package = |folder: Option<&Path>| folder.is_some_and(|f| f.join("Cargo.toml").is_file());
    let in_targets = |folder: &Path| {
        let kind = folder.file_name().unwrap_or_default();
        ["tests", "examples", "benches"]
            .iter()
            .any(|target| kind == *target)
            && package(folder.parent())
    };
    let main_of_target = name == "main.rs" && folder.parent().is_some_and(in_targets);
    let declared = folder.parent().is_some_and(|package| {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap_or_default();
        manifest.contains(&format!("path = \"src/{}\"", name.to_string_lossy()))
    });
    let main_or_lib = (name == "main.rs" || name == "lib.rs") && package(folder.parent());
    let build_script = name == "build.rs" && package(Some(folder));
    main_or_lib || declared || build_script || in_targets(folder) || main_of_target
}

/// Follows the `mod` items of a file, as the compiler would.
fn reach(file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    if !reached.insert(file.to_owned()) {
        return;
    }
    let folder = file.parent().unwrap_or(file);
    let owns_folder = is_root || file.file_name().is_some_and(|name| name == "mod.rs");
    let children = if owns_folder {
        folder.to_owned()
    } else {
        file.with_extension("")
    };
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(|relative| folder.join(relative));
        }
        let visible = line.strip_prefix("pub").map_or(line, |rest| {
            rest.trim_start_matches(|c| c == '(' || c == ')' || char::is_alphabetic(c))
                .trim_start()
        });
        let Some(name) = visible
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'))
        else {
            continue;
        };
        let plain = children.join(format!("{name}.rs"));
        let nested = children.join(name).join("mod.rs");
        for candidate in path.take().into_iter().chain([plain, nested]) {
            reach(&candidate, false, reached);
        }
    }
}
