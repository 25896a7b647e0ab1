//! The commands that read the ledger of a stopped server, as an auditor uses them.
//!
//! Guards against a file that is called good although it was altered, against figures that cannot
//! be read or trusted, and against a directory that a server is using being read half-way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use indelible_server::config::RefusalSettings;
use indelible_server::storage::redb::RedbStore;

fn indelible(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_indelible"))
        .current_dir(dir)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What is printed by a command that succeeds.
fn done(dir: &Path, arguments: &[&str]) -> String {
    let output = indelible(dir, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout).to_owned()
}

/// What a command that fails says.
fn failed(dir: &Path, arguments: &[&str]) -> String {
    let output = indelible(dir, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr).to_owned()
}

fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fixture::team(dir.path());
    dir
}

#[test]
fn what_is_exported_is_good() {
    let dir = data();
    let dir = dir.path();
    let exported = done(dir, &["export", "--data", ".", "--out", "ledger.ndjson"]);
    let root = exported.trim().rsplit_once("root ").unwrap().1;
    assert_eq!(
        exported,
        format!("ledger.ndjson with 1 policy, 8 entries and 2 refusals\nroot {root}\n")
    );
    let verified = done(dir, &["verify", "ledger.ndjson", "--root", root]);
    let expected = "good: 8 entries of 2 entities (judged again), 2 refusals, 1 policy; made 20";
    assert!(verified.starts_with(expected), "{verified}");
    assert!(verified.ends_with(&format!("root {root}\n")), "{verified}");
    let records = done(dir, &["verify", "ledger.ndjson", "--records-only"]);
    assert!(records.contains("(not judged again)"), "{records}");

    let wrong = failed(dir, &["verify", "ledger.ndjson", "--root", &"0".repeat(64)]);
    assert!(
        wrong.contains("is not the ledger that this hash was made of"),
        "{wrong}"
    );
    let names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("ledger"))
        .collect();
    assert_eq!(names, ["ledger.ndjson"]);
}

#[test]
fn a_fault_is_told_with_its_place() {
    let dir = data();
    let dir = dir.path();
    done(dir, &["export", "--data", ".", "--out", "good.ndjson"]);
    let good = fs::read_to_string(dir.join("good.ndjson")).unwrap();
    let verify = |text: &str| {
        fs::write(dir.join("bad.ndjson"), text).unwrap();
        failed(dir, &["verify", "bad.ndjson"])
    };
    let altered = verify(&good.replacen("\"by\":\"bob\"", "\"by\":\"eve\"", 1));
    assert!(
        altered.starts_with("bad.ndjson: line 7 (team/jane, epoch 1, seq 2): "),
        "{altered}"
    );
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
    let dropped = verify(&without(4));
    assert!(
        dropped.starts_with("bad.ndjson: line 5 (team/joe, epoch 1, seq 1): "),
        "{dropped}"
    );
    let refusal = verify(&without(10));
    assert!(
        refusal.starts_with("bad.ndjson: line 11 (team/jane, refusal 1): "),
        "{refusal}"
    );
    let cut = verify(&good[..good.len() - 1]);
    assert!(cut.contains("cut off in the middle of the line"), "{cut}");
    let short = verify(&lines[..6].concat());
    assert_eq!(
        short,
        "bad.ndjson: line 7: the file is cut off: a record or a tail should follow\n"
    );
    assert!(verify("").contains("line 1: the file is cut off: the header should follow"));
    assert!(verify("hello\n").contains("line 1: not a line of a bundle"));
    assert!(failed(dir, &["verify", "gone.ndjson"]).contains("cannot read gone.ndjson"));
}

#[test]
fn a_live_or_empty_directory_says_so() {
    let dir = data();
    let export = ["export", "--data", ".", "--out", "ledger.ndjson"];
    let refusals = RefusalSettings {
        kept_per_principal_max: 1,
    };
    let store = RedbStore::open(dir.path(), refusals).unwrap();
    let live = failed(dir.path(), &export);
    assert!(
        live.contains("a server is running on .: stop it first"),
        "{live}"
    );
    drop(store);
    let empty = tempfile::tempdir().unwrap();
    let nothing = failed(empty.path(), &export);
    assert_eq!(nothing, "indelible: there is no store in .\n");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn refusals_are_told_in_a_table() {
    let dir = data();
    let refused = done(dir.path(), &["refusals", "--data", "."]);
    let expected = "\
TIME (UTC)           ENTITY     BY     FIELD        RULE    TRIED  STANDS
2026-03-02 09:03:03  team/jane  bob    /employeeId  create  \"E-2\"  \"E-1\"
2026-03-02 09:08:08  team/jane  alice  /employeeId  create  \"E-3\"  \"E-1\"
                                       /rating      system  5
";
    assert_eq!(refused, expected);
    let jane = done(dir.path(), &["refusals", "team/jane", "--data", "."]);
    assert_eq!(jane, expected);
    let joe = done(dir.path(), &["refusals", "team/joe", "--data", "."]);
    assert_eq!(joe, "nothing was refused\n");

    let lines = done(dir.path(), &["refusals", "--json", "--data", "."]);
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["by"]["name"], "Alice Ångström");
    assert_eq!(lines[1]["violations"][1]["attempted"], 5);
    assert_eq!(lines[1]["violations"][0]["kept"], "E-1");
    assert_eq!(lines[1]["at"], "2026-03-02T09:08:08.008Z");
}
