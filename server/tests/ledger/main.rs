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
use indelible_server::storage::Store;
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

#[test]
fn the_past_is_told_entry_by_entry() {
    let dir = data();
    let dir = dir.path();
    let jane = done(dir, &["history", "team/jane", "--data", "."]);
    let lines: Vec<&str> = jane.lines().collect();
    assert_eq!(lines.len(), 8, "{jane}");
    assert!(
        lines[0].starts_with("ENTRY  TIME (UTC)           BY      WHAT     "),
        "{jane}"
    );
    assert!(
        lines[1].starts_with("1:4    2026-03-02 09:07:07  bob     /skills/"),
        "{jane}"
    );
    assert!(lines[1].ends_with("\"label\":\"xxxxxxxxx…"), "{jane}");
    let name = "1:3    2026-03-02 09:06:06  alice   /name";
    assert!(lines[2].starts_with(name), "{jane}");
    // What a value holds is shown, and does nothing.
    assert!(
        lines[2].ends_with(r#""Jane"  "Jane 東京 \u{202e}Doe\u001b[31m""#),
        "{jane}"
    );
    assert!(lines[3].contains("bob     /bio at 6"), "{jane}");
    assert!(
        lines[5].starts_with("                                    /employeeId"),
        "{jane}"
    );
    assert_eq!(lines[7], "1:0    2026-03-02 09:01:01  system  (genesis)");
    let column = lines[0].find("TO").unwrap();
    assert_eq!(lines[3].find("\"old \""), Some(column), "{jane}");

    let joe = done(dir, &["history", "team/joe", "--data", ".", "--limit", "1"]);
    let expected = "\
ENTRY  TIME (UTC)           BY     WHAT       FROM  TO
1:2    2026-03-02 09:05:05  alice  (deleted)
(2 entries before; --limit 0 shows all)
";
    assert_eq!(joe, expected);

    let until = [
        "history",
        "team/jane",
        "--data",
        ".",
        "--until",
        "2",
        "--json",
    ];
    let until: Vec<serde_json::Value> = done(dir, &until)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seqs: Vec<_> = until
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [2, 1, 0]);
    assert_eq!(until[0]["by"]["id"], "bob");
    assert_eq!(until[0]["effects"][0]["inserted"], "old ");
}

#[test]
fn past_states_are_shown_and_compared() {
    let dir = data();
    let dir = dir.path();
    let expected = r#"{
  "bio": "Likes old maps.",
  "employeeId": "E-1",
  "name": "Jane",
  "updatedAt": "2026-03-02T09:04:04.004Z"
}
"#;
    for point in ["2", "1:2", "2026-03-02T09:05:00Z"] {
        assert_eq!(
            done(dir, &["at", "team/jane", point, "--data", "."]),
            expected
        );
    }
    let value = done(dir, &["at", "team/jane", "3", "--data", "."]);
    assert!(value.contains(r"Jane 東京 \u202eDoe\u001b[31m"), "{value}");

    let differs = done(dir, &["diff", "team/jane", "1", "3", "--data", "."]);
    let expected = r#"FIELD      FROM    TO
/bio at 6  ""      "old "
/name      "Jane"  "Jane 東京 \u{202e}Doe\u001b[31m"
"#;
    assert_eq!(differs, expected);
    let same = done(dir, &["diff", "team/jane", "2", "2", "--data", "."]);
    assert_eq!(same, "nothing differs\n");
    let patch = done(
        dir,
        &["diff", "team/jane", "2", "1", "--data", ".", "--json"],
    );
    let patch: serde_json::Value = serde_json::from_str(&patch).unwrap();
    assert_eq!(patch[0]["path"], "/bio");

    let say = |words: &[&str]| failed(dir, words);
    let deleted = say(&["at", "team/joe", "2", "--data", "."]);
    assert_eq!(deleted, "indelible: team/joe was deleted at that point\n");
    let unborn = say(&["at", "team/joe", "0", "--data", "."]);
    assert_eq!(
        unborn,
        "indelible: team/joe was not created yet at that point\n"
    );
    let beyond = say(&["at", "team/jane", "9", "--data", "."]);
    assert_eq!(
        beyond,
        "indelible: team/jane has no entry 9; its last is 1:4\n"
    );
    let never = say(&["history", "team/nobody", "--data", "."]);
    assert_eq!(never, "indelible: team/nobody was never there\n");
    let odd = indelible(dir, &["at", "team/jane", "yesterday", "--data", "."]);
    assert_eq!(odd.status.code(), Some(2));
    assert!(text(&odd.stderr).contains("a point is a seq, EPOCH:SEQ, or a time"));
}

#[test]
fn effects_that_were_dropped_are_made_again() {
    let dir = data();
    let dir = dir.path();
    let history = || done(dir, &["history", "team/jane", "--data", "."]);
    let before = history();
    let refusals = RefusalSettings {
        kept_per_principal_max: 1,
    };
    let store = RedbStore::open(dir, refusals).unwrap();
    store.rebuild_caches().unwrap();
    drop(store);
    assert_eq!(history(), before);
}
