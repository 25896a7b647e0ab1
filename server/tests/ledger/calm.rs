//! Answers about less than was asked for say so.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::fixture::{Filling, compiled};
use super::{data, indelible, text};

/// A folder with a schema of each of these kinds.
fn schemas(kinds: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for kind in kinds {
        let schema = format!(
            r#"{{ "type": "object", "x-indelible": {{ "kind": "{kind}" }}, "properties": {{}} }}"#
        );
        fs::write(dir.path().join(format!("{kind}.json")), schema).unwrap();
    }
    dir
}

/// Exit code, results and what is said beside them.
fn run(dir: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = indelible(dir, &[words, &["--data", "."][..]].concat());
    let [told, said] = [&output.stdout, &output.stderr].map(|bytes| text(bytes).to_owned());
    (output.status.code(), told, said)
}

#[test]
fn a_folder_of_another_store_is_not_judged() {
    let data = data();
    let folder = schemas(&["teams"]);
    let folder = folder.path().to_str().unwrap();
    for words in [
        &["schema", "replay", folder][..],
        &["schema", "replay", folder, "--json"],
        &["schema", "diff", folder, folder],
        &["schema", "diff", folder, folder, "--json"],
    ] {
        let (code, told, said) = run(data.path(), words);
        assert_eq!((code, &*told), (Some(1), ""), "{words:?}: {said}");
        let expected =
            format!("the store has none of the kinds in {folder} (teams); it has team\n");
        assert!(said.ends_with(&expected), "{words:?}: {said}");
    }
}

#[test]
fn kinds_that_the_folder_has_not_are_told() {
    let data = data();
    let page = json!({ "type": "object", "x-indelible": { "kind": "page" }, "properties": {} });
    drop(Filling::with(data.path(), compiled(&page)));
    let folder = schemas(&["page", "teams"]);
    let folder = folder.path().to_str().unwrap();
    let expected = format!(
        "indelible: the store has entities of the kind \"team\", and {folder} has no schema of it: \
         they are not looked at; is it \"teams\"?\n"
    );
    for words in [
        &["schema", "replay", folder][..],
        &["schema", "replay", folder, "--json"],
        &["schema", "diff", folder, folder],
        &["schema", "diff", folder, folder, "--json"],
    ] {
        let (code, told, said) = run(data.path(), words);
        assert_eq!((code, &*said), (Some(0), &*expected), "{words:?}: {told}");
        assert!(!told.contains("every entity can migrate"), "{told}");
    }
}

#[test]
fn json_that_is_cut_says_so() {
    let data = data();
    let history = ["history", "team/jane", "--json", "--limit"];
    let told = |limit| run(data.path(), &[&history[..], &[limit]].concat());
    let (code, entries, said) = told("2");
    assert_eq!((code, entries.lines().count()), (Some(0), 2));
    assert_eq!(
        said,
        "indelible: there are earlier entries; --limit 0 shows all\n"
    );
    let (code, entries, said) = told("0");
    assert_eq!((code, entries.lines().count(), &*said), (Some(0), 5, ""));
}
