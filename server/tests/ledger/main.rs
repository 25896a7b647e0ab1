//! The commands that read the ledger of a stopped server, as an auditor uses them.
//!
//! Guards against a file that is called good although it was altered, against figures that cannot
//! be read or trusted, and against a directory that a server is using being read half-way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calm;
mod damage;
mod fixture;
mod gone;
mod names;
mod races;
mod renamed;
mod untouched;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use indelible_server::config::RefusalSettings;
use indelible_server::storage::Upkeep;
use indelible_server::storage::redb::RedbStore;

fn indelible(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_indelible"))
        .current_dir(dir)
        .env_remove("COLUMNS")
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

/// Exports the ledger of a directory to a file elsewhere: none may lie in it.
fn export(data: &Path, dir: &Path, file: &str) -> String {
    let data = data.to_str().unwrap();
    done(dir, &["export", "--data", data, "--out", file])
}

#[test]
fn what_is_exported_is_good() {
    let (data, dir) = (data(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    let exported = export(data.path(), dir, "ledger.ndjson");
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
    let (data, dir) = (data(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    export(data.path(), dir, "good.ndjson");
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
    // The tail names the file's records, so that even a whole record that was added is found.
    let inserted = verify(&[&lines[..5], &lines[4..]].concat().concat());
    assert!(
        inserted.starts_with("bad.ndjson: line 6 (team/joe, epoch 1, seq 0): "),
        "{inserted}"
    );
    let reordered = verify(
        &[&lines[..4], &[lines[5], lines[4]], &lines[6..]]
            .concat()
            .concat(),
    );
    assert!(
        reordered.starts_with("bad.ndjson: line 5 (team/joe, epoch 1, seq 1): "),
        "{reordered}"
    );
    let cut = verify(&good[..good.len() - 2]);
    assert!(cut.contains("cut off in the middle of the line"), "{cut}");
    let bare = verify(good.trim_end());
    let told = "bad.ndjson: line 15: the line feed that has to end the line is missing";
    assert!(bare.starts_with(told), "{bare}");
    let windows = verify(&good.replace('\n', "\r\n"));
    let told = "bad.ndjson: line 1: the line ends with a carriage return";
    assert!(windows.starts_with(told), "{windows}");
    let marked = verify(&format!("\u{feff}{good}"));
    let told = "bad.ndjson: line 1: the file begins with a byte order mark (UTF-8)";
    assert!(marked.starts_with(told), "{marked}");
    let short = verify(&lines[..6].concat());
    assert_eq!(
        short,
        "bad.ndjson: line 7: the file is cut off: a record or a tail should follow\n"
    );
    assert_eq!(verify(""), "bad.ndjson: line 1: the file is empty\n");
    for other in ["hello\n", "{\"entries\":[]}", "{\n}\n"] {
        assert!(verify(other).contains("line 1: the file is not a bundle"));
    }
    assert!(failed(dir, &["verify", "."]).contains("cannot read .: "));
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
    let expected =
        "indelible: there is no store in . (--data names the data directory of a server)\n";
    assert_eq!(nothing, expected);
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    fs::write(empty.path().join("indelible.redb"), "no store").unwrap();
    let other = failed(empty.path(), &export);
    assert!(
        other.starts_with("indelible: cannot read the store in .: "),
        "{other}"
    );
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
    // What a value holds is shown, and does nothing.
    let expected = "\
ENTRY  TIME (UTC)           BY      MESSAGE
1:4    2026-03-02 09:07:07  bob
       Skills: item 1 added: label “xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…xxxxxxxxxxxxxxxxxxxx”
1:3    2026-03-02 09:06:06  alice
       Name changed from “Jane” to “Jane 東京 \\u{202e}Doe\\u{1b}[31m”
1:2    2026-03-02 09:04:04  bob
       Bio: “old ” added after “Likes ”
1:1    2026-03-02 09:01:01  alice
       Bio: “Likes maps.” added at the beginning
       Employee id set to “E-1”
       Name set to “Jane”
1:0    2026-03-02 09:01:01  system  (prepared)
";
    assert_eq!(jane, expected);

    let joe = done(dir, &["history", "team/joe", "--data", ".", "--limit", "1"]);
    let expected = "\
ENTRY  TIME (UTC)           BY     MESSAGE
1:2    2026-03-02 09:05:05  alice  (deleted)
(there are earlier entries; --limit 0 shows all)
";
    assert_eq!(joe, expected);

    let bio = [
        "history",
        "team/jane",
        "--data",
        ".",
        "--field",
        "/bio",
        "--by",
    ];
    let by = |id| done(dir, &[&bio[..], &[id]].concat());
    let expected = "\
ENTRY  TIME (UTC)           BY     MESSAGE
1:1    2026-03-02 09:01:01  alice
       Bio: “Likes maps.” added at the beginning
";
    assert_eq!(by("alice"), expected);
    assert_eq!(by("system"), "system has changed nothing at /bio\n");

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

    let line = done(dir, &["at", "team/jane", "2", "--json", "--data", "."]);
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line.lines().count(), 1);
    assert_eq!(
        (&told["entity"], &told["seq"]),
        (&"team/jane".into(), &2.into())
    );
    assert_eq!(
        told["value"],
        serde_json::from_str::<serde_json::Value>(expected).unwrap()
    );

    let heads = history_heads(dir, "team/jane", 2);
    assert_eq!(
        done(dir, &["at", "team/jane", &heads, "--data", "."]),
        expected
    );

    let differs = done(dir, &["diff", "team/jane", "1", "3", "--data", "."]);
    let expected = "      ENTRY  TIME (UTC)           BY
from  1:1    2026-03-02 09:01:01  alice
to    1:3    2026-03-02 09:06:06  alice

Bio: “old ” added after “Likes ”
Name changed from “Jane” to “Jane 東京 \\u{202e}Doe\\u{1b}[31m”
";
    assert_eq!(differs, expected);
    let same = done(dir, &["diff", "team/jane", "2", "2", "--data", "."]);
    assert!(same.ends_with("\n\nnothing differs\n"), "{same}");
    let gone = done(dir, &["diff", "team/joe", "0", "now", "--data", "."]);
    let expected = "      ENTRY  TIME (UTC)           BY
from  1:0    2026-03-02 09:02:02  system
      (it was not created yet)
to    1:2    2026-03-02 09:05:05  alice
      (it was deleted)

Name set to “Joe”\nteam/joe was deleted
";
    assert_eq!(gone, expected);
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
    for (point, reason) in [
        ("9", "there is no entry 1:9; the last is 1:4"),
        ("2:0", "there is no entry 2:0; the last is 1:4"),
        (
            "2026-01-01T00:00:00Z",
            "there was nothing at 2026-01-01T00:00:00.000Z; the first entry is of \
             2026-03-02T09:01:01.001Z",
        ),
        (
            &"ab".repeat(32),
            &format!("the change {} is not in the log", "ab".repeat(32)),
        ),
    ] {
        let said = say(&["at", "team/jane", point, "--data", "."]);
        let expected = format!("indelible: no such point in the past of team/jane: {reason}\n");
        assert_eq!(said, expected);
    }
    let never = say(&["history", "team/nobody", "--data", "."]);
    let expected = "indelible: team/nobody was never there; there is team/jane, team/joe\n";
    assert_eq!(never, expected);
    let odd = indelible(dir, &["at", "team/jane", "yesterday", "--data", "."]);
    assert_eq!(odd.status.code(), Some(2));
    assert!(text(&odd.stderr).contains("a point is now, a seq, EPOCH:SEQ, a time"));
}

/// The heads of the document after an entry, as history tells them.
fn history_heads(dir: &Path, entity: &str, seq: u64) -> String {
    let words = ["history", entity, "--data", ".", "--json", "--until"];
    let told = done(dir, &[&words[..], &[&seq.to_string()]].concat());
    let last: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    last["heads"][0].as_str().unwrap().to_owned()
}

#[test]
fn who_set_what_stands_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fixture::race(dir.path());
    let dir = dir.path();
    let blame = |more: &[&str]| {
        let told = done(dir, &[&["blame", "team/kim", "--data", "."], more].concat());
        let skill = told.find("/skills/").map(|at| &told[at + 8..at + 28]);
        match skill {
            Some(id) => told.replace(id, "IIIIIIIIIIIIIIIIIIII"),
            None => told,
        }
    };
    let expected = "\
FIELD                         VALUE          BY      TIME (UTC)           ENTRY
/bio                          \"Sings well.\"  alice   2026-03-02 09:02:02  1:2
  0–5                         \"Sings\"        system  2026-03-02 09:01:01  1:1
  5–10                        \" well\"        alice   2026-03-02 09:02:02  1:2
  10–11                       \".\"            system  2026-03-02 09:01:01  1:1
/name                         \"Kim A.\"       alice   2026-03-02 09:02:02  1:2
  lost                        \"Kim B.\"       bob     2026-03-02 09:03:03  1:3
/skills/IIIIIIIIIIIIIIIIIIII  (made)         system  2026-03-02 09:01:01  1:1
  /label                      \"Alto\"         system  2026-03-02 09:01:01  1:1
";
    assert_eq!(blame(&[]), expected);
    let raced = blame(&["--races"]);
    let lines: Vec<&str> = raced.lines().map(str::trim_start).collect();
    assert!(lines[1].starts_with("/name"), "{raced}");
    assert!(lines[2].starts_with("lost "), "{raced}");
    assert_eq!(lines.len(), 3, "{raced}");
    assert_eq!(
        blame(&["--races", "--at", "2"]),
        "no field was written by several at the same time up to 1:2\n"
    );
    assert_eq!(blame(&["/rating"]), "nobody has set that field\n");

    let told: serde_json::Value = serde_json::from_str(&blame(&["/name", "--json"])).unwrap();
    assert_eq!(told["value"], "Kim A.");
    assert_eq!(told["set"]["by"], "alice");
    assert_eq!(told["lost"][0]["value"], "Kim B.");
    assert_eq!(told["lost"][0]["set"]["seq"], 3);
    let told: serde_json::Value = serde_json::from_str(&blame(&["/bio", "--json"])).unwrap();
    assert_eq!(told["runs"][1]["start"], 5);
    assert_eq!(told["runs"][1]["set"]["by"], "alice");
}

#[test]
fn a_renamed_field_was_set_by_whoever_set_it() {
    let dir = tempfile::tempdir().unwrap();
    fixture::renamed(dir.path());
    let dir = dir.path();
    let told = done(dir, &["blame", "team/lee", "--data", "."]);
    let at = told.find("/talents/").unwrap() + "/talents/".len();
    let told = told.replace(&told[at..at + 20].to_owned(), "IIIIIIIIIIIIIIIIIIII");
    let expected = "\
FIELD                          VALUE                 BY     TIME (UTC)           ENTRY
/about                         \"Sings well, often.\"  bob    2026-03-02 09:04:04  1:4
  was /bio until 1:3 (system)
  0–5                          \"Sings\"               alice  2026-03-02 09:01:01  1:1
  5–10                         \" well\"               bob    2026-03-02 09:02:02  1:2
  10–17                        \", often\"             bob    2026-03-02 09:04:04  1:4
  17–18                        \".\"                   alice  2026-03-02 09:01:01  1:1
/name                          \"Lee\"                 alice  2026-03-02 09:01:01  1:1
/talents/IIIIIIIIIIIIIIIIIIII  (made)                alice  2026-03-02 09:01:01  1:1
  was /skills/IIIIIIIIIIIIIIIIIIII until 1:3 (system)
  /label                       \"Alto\"                alice  2026-03-02 09:01:01  1:1
";
    assert_eq!(told, expected);
    let told = done(
        dir,
        &["blame", "team/lee", "/about", "--data", ".", "--json"],
    );
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["runs"][0]["set"]["by"], "alice");
    assert_eq!(told["formerly"][0]["pointer"], "/bio");
    assert_eq!(told["formerly"][0]["until"]["by"], "system");
    assert_eq!(told["formerly"][0]["until"]["seq"], 3);
    for (at, expected) in [
        (
            "now",
            "nobody has set that field under this name; /about was /bio until 1:3\n",
        ),
        ("1", "/bio   \"Sings.\"  alice"),
    ] {
        let told = done(
            dir,
            &["blame", "team/lee", "/bio", "--at", at, "--data", "."],
        );
        assert!(told.contains(expected), "{told}");
    }
    let out = tempfile::tempdir().unwrap();
    let exported = export(dir, out.path(), "ledger.ndjson");
    assert!(exported.contains("root "), "{exported}");
    done(out.path(), &["verify", "ledger.ndjson"]);
}

#[test]
fn a_narrow_terminal_is_not_overrun() {
    let dir = data();
    for words in [
        &["history", "team/jane"][..],
        &["blame", "team/jane"],
        &["diff", "team/jane", "0", "now"],
        &["refusals"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_indelible"))
            .current_dir(dir.path())
            .env("COLUMNS", "80")
            .args(words)
            .args(["--data", "."])
            .output()
            .unwrap();
        let told = text(&output.stdout);
        // Two of the characters in there take two columns each.
        let fits = |line: &str| line.chars().count() <= 80;
        assert!(!told.is_empty() && told.lines().all(fits), "{told}");
    }
}

/// Whatever the store has lost of its effects, the past is told as before.
fn check_made_again(dir: &Path, entity: &str) {
    let told = || -> String {
        let of = |words: &[&str]| done(dir, &[words, &["--data", "."]].concat());
        [
            of(&["history", entity]),
            of(&["blame", entity]),
            of(&["at", entity, "now"]),
            of(&["diff", entity, "0", "now"]),
        ]
        .concat()
    };
    let before = told();
    let refusals = RefusalSettings {
        kept_per_principal_max: 1,
    };
    let store = RedbStore::open(dir, refusals).unwrap();
    store.rebuild_caches().unwrap();
    drop(store);
    assert_eq!(told(), before);
}

#[test]
fn effects_that_were_dropped_are_made_again() {
    check_made_again(data().path(), "team/jane");
    for (fill, entity) in [
        (fixture::renamed as fn(&Path), "team/lee"),
        (fixture::removed, "team/max"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path());
        check_made_again(dir.path(), entity);
    }
}

#[test]
fn effects_are_believed_unless_they_are_to_be_checked() {
    let dir = tempfile::tempdir().unwrap();
    fixture::forged(dir.path());
    let dir = dir.path();
    for command in ["history", "at", "blame"] {
        let words = [command, "team/uma", "--data", "."];
        let more: &[&str] = if command == "at" { &["now"] } else { &[] };
        let told = done(dir, &[&words[..], more].concat());
        assert!(told.contains("Mad") && !told.contains("Bad"), "{told}");
        let checked = failed(dir, &[&words[..], more, &["--check"]].concat());
        let expected = "indelible: what the store keeps as the effects of entry 1:2 of team/uma \
                        does not follow from its changes\n";
        assert_eq!(checked, expected);
    }
    // What is exported holds no effects.
    let out = tempfile::tempdir().unwrap();
    export(dir, out.path(), "ledger.ndjson");
    done(out.path(), &["verify", "ledger.ndjson"]);

    let dir = data();
    let dir = dir.path();
    for command in ["history", "blame"] {
        let words = [command, "team/jane", "--data", "."];
        let checked = done(dir, &[&words[..], &["--check"]].concat());
        assert_eq!(checked, done(dir, &words));
    }
}
