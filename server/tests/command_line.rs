//! The built binary, as an operator uses it.
//!
//! Guards against output that scripts cannot use, exit codes that lie, and messages that do not
//! say what to do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

fn indelible(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_indelible"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_token_is_all_that_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let token = |more: &[&str]| {
        let words = [
            "token",
            "--sub",
            "alice",
            "--role",
            "editor",
            "--data",
            path(&data),
        ];
        indelible(&[&words, more].concat())
    };
    let first = token(&["--role", "admin", "--name", "Alice", "--ttl", "30m"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let line = text(&first.stdout).strip_suffix('\n').unwrap();
    assert_eq!(line.split('.').count(), 3, "{line}");
    assert!(!line.contains(char::is_whitespace));
    // A directory misspelt would get a key of its own without a word.
    let said = text(&first.stderr);
    let file = data.join("token.key");
    assert!(said.contains(&format!("made {}", path(&file))), "{said}");
    let again = token(&[]);
    let said = text(&again.stderr);
    assert!(said.contains("no server has been started on"), "{said}");
    assert!(!said.contains("made "), "{said}");

    let keys = indelible_server::keys::Keys::open_or_create(&data).unwrap();
    let found = indelible_server::auth::Auth::new(&keys)
        .verify(line)
        .unwrap();
    assert_eq!(found.principal.id, "alice");
    assert_eq!(found.principal.name.as_deref(), Some("Alice"));
    assert_eq!(Vec::from_iter(&found.principal.roles), ["admin", "editor"]);

    let names: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(names, ["token.key"], "a token must not touch the store");
}

#[test]
fn tokens_that_cannot_be_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |words: &[&str]| {
        let output = indelible(&[&["token", "--data", path(dir.path())], words].concat());
        assert_eq!(text(&output.stdout), "");
        (output.status.code(), text(&output.stderr).to_owned())
    };
    let (code, reason) = refused(&["--sub", "system"]);
    assert_eq!(
        (code, reason.contains("\"system\" is reserved")),
        (Some(1), true),
        "{reason}"
    );
    let (code, reason) = refused(&["--sub", "a", "--ttl", "1w"]);
    assert_eq!(
        (code, reason.contains("such as 90s, 30m")),
        (Some(2), true),
        "{reason}"
    );
    let (code, reason) = refused(&["--sub", "a", "--ttl", "9999d"]);
    assert_eq!(
        (code, reason.contains("366 days")),
        (Some(1), true),
        "{reason}"
    );
    fs::write(dir.path().join("token.key"), "secret").unwrap();
    let (code, reason) = refused(&["--sub", "a"]);
    assert_eq!(
        (code, reason.contains("openssl rand -hex 32")),
        (Some(1), true),
        "{reason}"
    );
    assert!(!reason.contains("secret"));
}

const ROOM: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "x-indelible": { "kind": "room", "read": ["public"], "edit": ["curator"], "delete": ["curator"] },
  "properties": { "name": { "type": "string" } }
}"#;

#[test]
fn a_good_schema_folder_is_summed_up() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("content")).unwrap();
    fs::write(dir.path().join("room.json"), ROOM).unwrap();
    fs::write(
        dir.path().join("content/room.json"),
        r#"{"east": {"name": "East"}}"#,
    )
    .unwrap();
    let output = indelible(&["schema", "check", path(dir.path())]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = format!(
        "room: many entities, 1 in the initial content\n  \
         ROLE     READ  CREATE  EDIT  DELETE  HISTORY  RESTORE  SYSTEM\n  \
         curator  yes   -       yes   yes     -        -        -\n  \
         public   yes   -       -     -       -        -        -\n\
         room: constraints\n  \
         PLACE  CONSTRAINT   DECIDED            BECAUSE\n  \
         /name  type string  on each operation  each write brings a whole value\n\
         no mistakes in {}\n",
        path(dir.path())
    );
    assert_eq!(text(&output.stdout), expected);

    let output = indelible(&["schema", "check", path(dir.path()), "--json"]);
    let told: serde_json::Value = serde_json::from_str(text(&output.stdout)).unwrap();
    assert_eq!(told["mistakes"], serde_json::json!([]));
    let constraint = &told["kinds"][0]["constraints"][0];
    assert_eq!(constraint["pointer"], "/name");
    assert_eq!(constraint["decided"], "operation");
}

/// Whoever writes a schema sees who writes what the system writes, and that nobody does.
#[test]
fn a_check_says_who_writes_for_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let fields =
        r#""stars": { "type": "integer", "readOnly": true }, "name": { "type": "string" }"#;
    let nobody = ROOM.replace(r#""name": { "type": "string" }"#, fields);
    let check = |schema: &str, more: &[&str]| {
        fs::write(dir.path().join("room.json"), schema).unwrap();
        let output = indelible(&[&["schema", "check", path(dir.path())], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let told = check(&nobody, &[]);
    assert!(told.contains("  /stars  the server only "), "{told}");
    let robot = nobody.replace(r#""edit""#, r#""system": ["robot"], "edit""#);
    let told = check(&robot, &[]);
    assert!(
        told.contains("  /stars  robot, for the system  readers"),
        "{told}"
    );
    assert!(
        told.contains("  robot    yes   -       -     -       -        -        yes\n"),
        "{told}"
    );
    let told: serde_json::Value = serde_json::from_str(&check(&robot, &["--json"])).unwrap();
    let expected = serde_json::json!({ "roles": ["robot"], "fields": ["/stars"] });
    assert_eq!(told["kinds"][0]["system"], expected);
}

/// A role that is misspelt lets nobody in, or everybody's pages stay empty, without any mistake.
#[test]
fn roles_that_are_named_once_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let check = |schema: &str| {
        fs::write(dir.path().join("room.json"), schema).unwrap();
        let output = indelible(&["schema", "check", path(dir.path())]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        let told = text(&output.stdout).lines();
        let told = told.filter_map(|line| line.strip_prefix("warning: "));
        told.map(ToOwned::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(check(ROOM), [""; 0]);
    assert_eq!(
        check(&ROOM.replace("public", "pubilc")),
        [
            "room at /x-indelible/read/0: the role \"pubilc\" is named nowhere else in the folder; \
          is it \"public\"? [role]"
        ]
    );
    let twice = ROOM
        .replace("public", "Public")
        .replace("\"read\"", "\"history\": [\"Public\"], \"read\"");
    assert_eq!(
        check(&twice),
        [
            "room at /x-indelible/history/0: the role \"Public\" looks like another one; is it \
          \"public\"? [role]"
        ]
    );
    let field = r#""string", "x-indelible": { "write": ["curators"] }"#;
    assert_eq!(
        check(&ROOM.replace("\"string\"", field)),
        [
            "room at /properties/name/x-indelible/write/0: the role \"curators\" is named nowhere \
          else in the folder; is it \"curator\"? [role]"
        ]
    );
    let other = ROOM.replace("\"delete\": [\"curator\"]", "\"delete\": [\"janitor\"]");
    let told = check(&other);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|line| !line.contains("; is it")),
        "{told:?}"
    );
    // Who is named in two files is no slip of the pen.
    fs::write(dir.path().join("hall.json"), other.replace("room", "hall")).unwrap();
    assert_eq!(check(&other), [""; 0]);
}

#[test]
fn the_schema_of_schemas_is_printed() {
    let output = indelible(&["schema", "meta"]);
    assert!(output.status.success());
    let meta: serde_json::Value = serde_json::from_str(text(&output.stdout)).unwrap();
    let read = &meta["$defs"]["kind"]["properties"]["read"]["description"];
    assert!(read.as_str().unwrap().contains("public"), "{read}");
}

#[test]
fn bounds_that_nothing_can_reach_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let check = |bounds: &str, more: &[&str]| {
        let name = format!("\"string\", {bounds}");
        let schema = ROOM.replace("\"string\"", &name);
        fs::write(dir.path().join("room.json"), schema).unwrap();
        let output = indelible(&[&["schema", "check", path(dir.path())], more].concat());
        assert_eq!(text(&output.stderr), "");
        (output.status.code(), text(&output.stdout).to_owned())
    };
    let (code, out) = check("\"maxLength\": 5000000", &[]);
    assert_eq!(code, Some(0), "a warning is no mistake");
    let begins = "\nwarning: room at /properties/name/maxLength: may be out of reach";
    assert!(
        out.contains(begins) && out.contains(" [unreachable]\n"),
        "{out}"
    );
    let (code, out) = check("\"maxLength\": 5000000", &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, told["mistakes"].as_array().unwrap().len()),
        (Some(0), 0)
    );
    assert_eq!(told["warnings"][0]["code"], "unreachable");
    assert_eq!(told["warnings"][0]["pointer"], "/properties/name/maxLength");
    let (code, out) = check("\"minLength\": 9000000", &[]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("room at /properties/name/minLength: nothing is that long"),
        "{out}"
    );
    let (code, out) = check("\"maxLength\": 1000000", &[]);
    assert_eq!((code, out.contains("warning")), (Some(0), false), "{out}");
}

#[test]
fn every_mistake_in_a_schema_folder_is_shown_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let output = indelible(&["schema", "check", path(dir.path())]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("there is no schema (*.json)"));
    // What was found is the result, so it is where pipes find it.
    let check = || {
        let output = indelible(&["schema", "check", path(dir.path())]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), ""));
        text(&output.stdout).to_owned()
    };

    let bad = ROOM
        .replace("\"edit\": [", "\"editt\": [")
        .replace("\"string\"", "\"strin\"");
    fs::write(dir.path().join("room.json"), bad).unwrap();
    let found = check();
    assert!(
        found.contains("room.json at /x-indelible/editt: "),
        "{found}"
    );
    assert!(
        found.contains("room.json at /properties/name/type: "),
        "{found}"
    );
    assert!(found.contains(" mistakes in "), "{found}");

    assert!(found.contains("\"edit\"? [unknown-word]\n"), "{found}");
    let output = indelible(&["schema", "check", path(dir.path()), "--json"]);
    let told: serde_json::Value = serde_json::from_str(text(&output.stdout)).unwrap();
    let told = &told["mistakes"][2];
    assert_eq!(
        (&told["file"], &told["pointer"], &told["code"]),
        (
            &serde_json::json!("room.json"),
            &serde_json::json!("/x-indelible/editt"),
            &serde_json::json!("unknown-word")
        )
    );
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.starts_with("unknown word"), "{reason}");

    // A schema with mistakes does not hide those of content files.
    fs::create_dir(dir.path().join("content")).unwrap();
    fs::write(dir.path().join("hall.json"), ROOM.replace("room", "hall")).unwrap();
    fs::write(dir.path().join("content/hall.json"), r#"{"east": 1}"#).unwrap();
    fs::write(dir.path().join("content/room.json"), "{").unwrap();
    let found = check();
    let codes: Vec<&str> = found
        .lines()
        .filter_map(|line| line.rsplit_once(" ["))
        .map(|(_, code)| code)
        .collect();
    assert_eq!(
        codes,
        ["type]", "value]", "unknown-word]", "json]", "content]"],
        "{found}"
    );
    for place in [
        "room.json at /x-indelible/editt: ",
        "content/hall.json at /east: ",
        "content/room.json is not JSON: ",
    ] {
        assert!(found.contains(place), "{found}");
    }
    fs::remove_file(dir.path().join("hall.json")).unwrap();
    fs::remove_file(dir.path().join("content/hall.json")).unwrap();

    fs::write(dir.path().join("room.json"), ROOM).unwrap();
    fs::write(
        dir.path().join("content/room.json"),
        r#"{"-x": {}, "east": 1}"#,
    )
    .unwrap();
    fs::write(dir.path().join("content/rom.json"), "{}").unwrap();
    let found = check();
    assert!(
        found.contains("content/rom.json: no schema describes this kind"),
        "{found}"
    );
    assert!(found.contains("content/room.json at /-x: "), "{found}");
    assert!(
        found.contains("content/room.json at /east: must be an object"),
        "{found}"
    );
}

/// Starts a server on a free port and waits until it says where it is.
fn serve(data: &Path, more: &[&str]) -> (Child, String, BufReader<ChildStdout>) {
    serve_logging(data, more, Stdio::piped())
}

fn serve_logging(
    data: &Path,
    more: &[&str],
    log: Stdio,
) -> (Child, String, BufReader<ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_indelible"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", path(data)])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("http://").unwrap().1.to_owned();
    (child, address, stdout)
}

fn signal(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-s", signal, &id]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn a_server_ends_in_order_and_a_second_one_says_why_it_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    for end in ["TERM", "INT", "HUP", "QUIT"] {
        let (child, _address, _stdout) = serve(dir.path(), &[]);
        let second = indelible(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            path(dir.path()),
        ]);
        assert_eq!(second.status.code(), Some(1));
        let reason = text(&second.stderr).to_owned();
        assert!(
            reason.contains("another indelible is serving this directory"),
            "{reason}"
        );
        // A token can be made all the same.
        assert!(
            indelible(&["token", "--sub", "a", "--data", path(dir.path())])
                .status
                .success()
        );
        signal(&child, end);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

/// As after `| head`, which goes away when it has seen enough.
#[test]
fn nothing_is_said_to_a_reader_that_went_away() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("room.json"), ROOM).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_indelible"))
        .args(["schema", "check", path(dir.path())])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0), "it has seen enough");
}

#[test]
fn a_server_goes_on_when_nobody_reads_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (mut child, _address, _stdout) = serve_logging(dir.path(), &["--dev"], writer.into());
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_public_address_is_served_only_on_purpose() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |more: &[&str]| {
        let words = ["serve", "--listen", "0.0.0.0:0", "--data", path(dir.path())];
        let output = indelible(&[&words, more].concat());
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr).to_owned()
    };
    assert!(refused(&[]).contains("--token-key"));
    assert!(refused(&["--dev"]).contains("--dev"));
    assert!(refused(&["--public"]).contains("token.key does not exist"));
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing may be made for it"
    );
}

#[test]
fn help_shows_the_way() {
    for words in [
        &["--help"][..],
        &["serve", "--help"],
        &["token", "--help"],
        &["schema", "check", "--help"],
        &["schema", "diff", "--help"],
        &["schema", "replay", "--help"],
        &["schema", "meta", "--help"],
        &["export", "--help"],
        &["verify", "--help"],
        &["refusals", "--help"],
        &["history", "--help"],
        &["at", "--help"],
        &["diff", "--help"],
        &["blame", "--help"],
    ] {
        let output = indelible(words);
        assert!(output.status.success());
        let help = text(&output.stdout);
        assert!(help.contains("Example"), "{words:?} shows no example");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{words:?} is too wide"
        );
    }
}

#[test]
fn what_a_new_schema_changes_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    for folder in [&old, &new] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(old.join("room.json"), ROOM).unwrap();
    let later = ROOM.replace("[\"curator\"]", "[\"warden\"]").replace(
        "\"name\": {",
        "\"title\": { \"x-indelible\": { \"was\": \"name\" },",
    );
    fs::write(new.join("room.json"), later).unwrap();
    let diff = |more: &[&str]| {
        let words = ["schema", "diff", path(&old), path(&new)];
        let output = indelible(&[&words, more].concat());
        (output.status.code(), text(&output.stdout).to_owned())
    };
    let (code, told) = diff(&[]);
    assert_eq!(code, Some(0), "{told}");
    for line in [
        "  room    gained   warden   may edit room",
        "  room    lost     curator  may not edit room",
        "  /title  renamed           was /name",
    ] {
        assert!(told.lines().any(|found| found == line), "{line:?}:\n{told}");
    }
    let (_, told) = diff(&["--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["kinds"][0]["kind"], "room");

    let data = dir.path().join("data");
    let output = indelible(&[
        "schema",
        "diff",
        path(&old),
        path(&new),
        "--data",
        path(&data),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no store in"));

    // What cannot follow is no error of the command, but nothing to go on with either.
    let text_now = ROOM.replace(
        "\"string\"",
        "\"string\", \"x-indelible\": {\"merge\": \"text\"}",
    );
    fs::write(new.join("room.json"), text_now).unwrap();
    let (code, told) = diff(&[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("/name  refused"), "{told}");
}
