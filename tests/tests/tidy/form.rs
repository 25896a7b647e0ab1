//! The form of files and folders: lengths, names, headers, and what is left behind in them.

use std::collections::BTreeSet;
use std::fs;

use crate::repository::{File, expect_none, files, has_word, root, rust};

const LINES_MAX: usize = 600;

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
        .filter(is_not_a_rule)
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
        .filter(is_not_a_rule)
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

/// These rules have to name what they forbid.
fn is_not_a_rule(file: &File) -> bool {
    !file.path.starts_with("tests/tests/tidy/")
}

#[test]
fn the_npm_package_has_the_same_licence() {
    let [ours, shipped] = ["LICENSE", "client-wasm/LICENSE"].map(|path| files(path).remove(0).text);
    assert!(
        ours == shipped,
        "client-wasm/LICENSE is packed with the npm package: copy LICENSE there"
    );
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
