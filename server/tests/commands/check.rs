//! `schema check` of folders in which something is wrong, or probably is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{indelible, path, text};

fn check(dir: &Path) -> (Option<i32>, String) {
    let output = indelible(&["schema", "check", path(dir)]);
    assert_eq!(text(&output.stderr), "");
    (output.status.code(), text(&output.stdout).to_owned())
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn kind(name: &str, words: &str, properties: &str) -> String {
    format!(
        r#"{{ "type": "object", "x-indelible": {{ "kind": "{name}", {words} }},
             "properties": {{ {properties} }} }}"#
    )
}

fn warnings(found: &str) -> Vec<&str> {
    let lines = found.lines();
    lines
        .filter_map(|line| line.strip_prefix("warning: "))
        .collect()
}

/// Half a schema must not be taken for the whole.
#[test]
fn a_link_to_nothing_and_a_directory_are_mistakes() {
    let team = kind("team", r#""read": ["public"], "edit": ["editor"]"#, "");
    let good = folder(&[("team.json", team.as_bytes())]);
    let dir = folder(&[("team.json", team.as_bytes())]);
    symlink("gone.json", dir.path().join("k.json")).unwrap();
    let link = "k.json cannot be read: it is a symbolic link to gone.json: No such file";
    let (code, found) = check(dir.path());
    assert_eq!(code, Some(1));
    assert!(found.contains(link) && found.contains("[json]"), "{found}");
    for words in [
        &["schema", "diff", path(dir.path()), path(good.path())][..],
        &["schema", "diff", path(good.path()), path(dir.path())],
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--schema",
            path(dir.path()),
        ],
    ] {
        let data = tempfile::tempdir().unwrap();
        let data = ["--data", path(data.path())];
        let data = &data[..if words[0] == "serve" { 2 } else { 0 }];
        let output = indelible(&[words, data].concat());
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(text(&output.stderr).contains(link), "{words:?}");
    }
    fs::create_dir(dir.path().join("dir.json")).unwrap();
    let (_, found) = check(dir.path());
    let is_directory = "dir.json cannot be read: it is a directory, not a file [json]";
    assert!(
        found.contains(is_directory) && found.contains(link),
        "{found}"
    );
}

/// Who has a mistake somewhere wants to see all the same who may do what.
#[test]
fn mistakes_hide_neither_tables_nor_warnings() {
    let words = r#""read": ["pubilc"], "edit": ["editor"], "create": ["editor"]"#;
    let properties = r#"
        "name": { "type": "strin" },
        "rank": { "type": "integer", "x-indelible": { "write": ["chief"] }, "unqiue": true },
        "notes": { "type": "array", "items": { "type": "object", "properties": {
            "by": { "type": "string", "x-indelible": { "write": "create" } },
            "bad": { "type": "what" } } } }"#;
    let dir = folder(&[
        ("team.json", kind("team", words, properties).as_bytes()),
        ("broken.json", b"{ \"x-indelible\": "),
        ("latin.json", b"{ \"title\": \"caf\xe9\" }"),
    ]);
    let (code, found) = check(dir.path());
    assert_eq!(code, Some(1));
    let at = |line: &str| {
        let place = found.lines().position(|found| found.starts_with(line));
        place.unwrap_or_else(|| panic!("{line:?} is missing:\n{found}"))
    };
    let table = [
        at("team: with mistakes (in team.json); as far as it can be read"),
        at("  editor  yes   yes     yes"),
        at("  /notes/*/by"),
        at("  /rank        editors of the kind with chief  readers of the kind"),
    ];
    assert!(table.is_sorted(), "{found}");
    at("broken.json: nothing can be read of it");
    let warned = [
        at("warning: team at /x-indelible/read/0: the role \"pubilc\""),
        at(
            "warning: team at /properties/rank/unqiue: the keyword \"unqiue\" has no effect; is it \
            \"unique\" inside \"x-indelible\"? [keyword]",
        ),
    ];
    let mistakes = [
        at("team.json at /properties/name/type: "),
        at("latin.json is not UTF-8: the byte at 15 begins no character"),
    ];
    assert!(table[3] < warned[0] && warned[1] < mistakes[0], "{found}");
    assert!(found.contains("is it \"string\"? [value]\n"), "{found}");
    let last = found.lines().last().unwrap();
    assert!(
        last.ends_with(&format!("mistakes in {}", path(dir.path()))),
        "{found}"
    );

    let output = indelible(&["schema", "check", path(dir.path()), "--json"]);
    let told: serde_json::Value = serde_json::from_str(text(&output.stdout)).unwrap();
    assert_eq!(told["kinds"][0]["complete"], false);
    assert_eq!(told["kinds"][0]["roles"]["editor"][0], "read");
    assert_eq!(told["warnings"][0]["code"], "role");
}

#[test]
fn what_looks_like_something_else_is_told() {
    let words = r#""read": ["public"], "edit": ["Editor", "editor"], "history": ["Editor", "editor"],
        "create": ["everyone", "Sytem"], "delete": ["everyone", "Sytem"]"#;
    let properties = r#"
        "createdAt": { "type": "string", "enumm": ["a"] },
        "created_at": { "type": "string", "note": "plain" },
        "image": { "type": "string" }, "images": { "type": "string" },
        "size": { "type": "integer", "exclusiveMax": 3 }"#;
    let dir = folder(&[
        ("a.json", kind("review", words, properties).as_bytes()),
        ("b.json", kind("reviews", words, "").as_bytes()),
    ]);
    let (code, found) = check(dir.path());
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(
        warnings(&found),
        [
            "review at /x-indelible/edit/0: the roles \"Editor\" and \"editor\" look alike; are both \
             meant? [role]",
            "review at /x-indelible/create/1: the role \"Sytem\" looks like \"system\", which is not a \
             role: the server may do everything anyway [role]",
            "review at /x-indelible/create/0: the role \"everyone\" is had by nobody but by token; \
             everybody has \"public\" [role]",
            "review at /properties/createdAt/enumm: the keyword \"enumm\" has no effect; is it \
             \"enum\"? [keyword]",
            "review at /properties/size/exclusiveMax: the keyword \"exclusiveMax\" has no effect; is it \
             \"exclusiveMaximum\"? [keyword]",
            "reviews at /x-indelible/kind: the kind \"reviews\" looks like the kind \"review\"; are \
             both meant? [lookalike]",
            "review at /properties/created_at: the field \"created_at\" looks like the field \
             \"createdAt\"; are both meant? [lookalike]",
        ]
    );
}

#[test]
fn a_pattern_for_strings_of_any_length_is_told() {
    let properties = r#"
        "slug": { "type": "string", "pattern": "^[a-z-]*$" },
        "anywhere": { "type": "string", "pattern": "[a-z]" },
        "either": { "type": "string", "pattern": "^a$|b" },
        "code": { "type": "string", "pattern": "^E-[0-9]{4}$" },
        "short": { "type": "string", "pattern": "^[a-z-]*$", "maxLength": 100 },
        "one": { "enum": ["a"], "type": "string", "pattern": "^[a-z-]*$" },
        "nested": { "type": "string", "anyOf": [{ "pattern": "^a" }, { "pattern": "z$" }] },
        "around": { "type": "string", "maxLength": 9, "not": { "pattern": "^a" } },
        "box": { "type": "object", "x-indelible": { "merge": "atomic" },
                 "properties": { "free": { "pattern": "^a" }, "code": { "pattern": "^a{3}$" },
                                 "short": { "pattern": "^a", "maxLength": 9 } },
                 "patternProperties": { "^x": { "pattern": "^b" } },
                 "propertyNames": { "pattern": "^[a-z]*$" } },
        "rows": { "type": "array", "contains": { "properties": { "n": { "pattern": "^a" },
                                                               "m": { "pattern": "^a" } } },
                  "items": { "type": "object", "properties": {
                      "n": { "type": "string" }, "m": { "type": "string", "maxLength": 9 } } } }"#;
    let words = r#""edit": ["editor"], "history": ["editor"]"#;
    let dir = folder(&[("a.json", kind("page", words, properties).as_bytes())]);
    let (code, found) = check(dir.path());
    assert_eq!(code, Some(0), "{found}");
    let text = ": the pattern matches strings of any length, and no \"maxLength\" is stated: at most \
                100000 characters are taken; state the \"maxLength\" that is meant [unbounded]";
    let places = [
        "anywhere/pattern",
        "box/patternProperties/^x/pattern",
        "box/properties/free/pattern",
        "box/propertyNames/pattern",
        "either/pattern",
        "nested",
        "rows/contains/properties/n/pattern",
        "slug/pattern",
    ];
    let expected = places.map(|name| format!("page at /properties/{name}{text}"));
    let mut told = warnings(&found);
    told.sort_unstable();
    assert_eq!(told, expected);
}

/// Content that is lost without a word is missed when the store is there already.
#[test]
fn files_that_are_not_read_are_told() {
    let words = r#""read": ["public"], "edit": ["editor"], "create": ["editor"]"#;
    let dir = folder(&[("page.json", kind("page", words, "").as_bytes())]);
    let quiet = [
        "README",
        "README.md",
        ".git/config.json",
        "page.json~",
        "#page.json#",
        ".page.json.swp",
        "page.json.bak",
        "page.json.orig",
        "notes.txt",
        "pictures/a.png",
    ];
    let told = [
        "other.json.txt",
        "other.json5",
        "other.jsonc",
        "other.jsn",
        "initial/page.json",
        "sub/a.json",
        "sub/b.json",
        "content/other.json.TXT",
        "content/other.jsn",
        "content/page/home.json",
    ];
    for name in quiet.iter().chain(&told) {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "{}").unwrap();
    }
    let (code, found) = check(dir.path());
    assert_eq!(code, Some(0), "{found}");
    let name = |file: &str| {
        format!("{file}: is not read: the name of a schema or content file ends in .json [file]")
    };
    let place = |folder: &str, files: &str| {
        format!(
            "{folder}: is not read: {files} in it would have to lie beside the schemas, or as \
             content/KIND.json [file]"
        )
    };
    let expected = [
        name("other.jsn"),
        name("other.json.txt"),
        name("other.json5"),
        name("other.jsonc"),
        place("initial/", "page.json"),
        place("sub/", "a.json and 1 more"),
        name("content/other.jsn"),
        name("content/other.json.TXT"),
        place("content/page/", "home.json"),
    ];
    assert_eq!(warnings(&found), expected);
}

#[test]
fn a_word_that_is_written_as_a_list_is_told() {
    let words = r#""read": ["public"], "edit": ["editor"], "create": ["editor"]"#;
    for (role, properties) in [("create", 1), ("creat", 1), ("create", 2)] {
        let one = |name: &str| {
            format!(r#""{name}": {{ "type": "string", "x-indelible": {{ "write": ["{role}"] }} }}"#)
        };
        let properties = [one("slug"), one("code")][..properties].join(", ");
        let dir = folder(&[("page.json", kind("page", words, &properties).as_bytes())]);
        let (code, found) = check(dir.path());
        assert_eq!(code, Some(0), "{found}");
        let expected = format!(
            "the role \"{role}\" is named by \"write\" alone; \"write\": \"create\", without \
             brackets, is probably meant [role]"
        );
        let told = warnings(&found);
        assert!(told.len() == 1 && told[0].ends_with(&expected), "{found}");
    }
    // A role that creates elsewhere too is a role.
    let words = r#""read": ["public"], "edit": ["create"], "create": ["create"]"#;
    let slug = r#""slug": { "type": "string", "x-indelible": { "write": ["create"] } }"#;
    let dir = folder(&[("page.json", kind("page", words, slug).as_bytes())]);
    assert_eq!(warnings(&check(dir.path()).1), [""; 0]);
}

#[test]
fn names_are_suggested_however_they_are_misspelt() {
    let properties = r#""reviews": { "type": "string" }, "createdAt": { "type": "string" }"#;
    for (required, meant) in [
        ("revews", "reviews"),
        ("reveiws", "reviews"),
        ("review", "reviews"),
        ("Reviews", "reviews"),
        ("created_at", "createdAt"),
        ("CREATEDAT", "createdAt"),
    ] {
        let schema = kind("team", r#""edit": ["editor"]"#, properties);
        let schema = schema.replace(
            r#""properties""#,
            &format!(r#""required": ["{required}"], "properties""#),
        );
        let dir = folder(&[("team.json", schema.as_bytes())]);
        let (_, found) = check(dir.path());
        assert!(found.contains(&format!("is it {meant:?}?")), "{found}");
    }
    let dir = folder(&[(
        "team.json",
        kind("team", r#""edit": ["editor"]"#, "").as_bytes(),
    )]);
    fs::create_dir(dir.path().join("content")).unwrap();
    fs::write(dir.path().join("content/teams.json"), "{}").unwrap();
    let (_, found) = check(dir.path());
    let expected = "content/teams.json: no schema describes this kind; is it team? [content]";
    assert!(found.contains(expected), "{found}");
}
