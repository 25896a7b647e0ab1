//! `token` with roles that nothing asks for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{indelible, path, text};

const TEAM: &str = r#"{ "type": "object",
    "x-indelible": { "kind": "team", "read": ["public"], "edit": ["editor"] },
    "properties": { "rank": { "type": "integer", "x-indelible": { "write": ["chief"] } } } }"#;

fn token(data: &Path, more: &[&str]) -> Result<(), String> {
    let words = ["token", "--sub", "alice", "--data", path(data)];
    let output = indelible(&[&words, more].concat());
    match output.status.success() {
        true => Ok(()),
        false => {
            assert_eq!(text(&output.stdout), "");
            Err(text(&output.stderr).to_owned())
        }
    }
}

/// Serves the schema on the directory until it listens, then `while_running`, then stops it.
fn serve(data: &Path, schema: &Path, while_running: impl FnOnce()) {
    serve_with(data, schema, &[], while_running);
}

fn serve_with(data: &Path, schema: &Path, more: &[&str], while_running: impl FnOnce()) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_indelible"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", path(data)])
        .args(["--schema", path(schema)])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    while_running();
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.unwrap().success());
    assert!(child.wait().unwrap().success());
}

fn check_roles(data: &Path, more: &[&str]) {
    let with = |roles: &[&str]| {
        let roles: Vec<&str> = roles.iter().flat_map(|role| ["--role", role]).collect();
        token(data, &[&roles, more].concat())
    };
    assert_eq!(with(&["editor"]), Ok(()));
    assert_eq!(with(&["editor", "chief"]), Ok(()));
    for (roles, reason) in [
        (
            &["edtor"][..],
            "no schema names the role \"edtor\"; is it \"editor\"? (they name chief, editor). \
             --any-role takes it all the same",
        ),
        (&["chief", "Editor"], "is it \"editor\"?"),
        (&["editor", "editors"], "is it \"editor\"?"),
        (&["editor,chief"], "name each of them by itself"),
        (&["pubilc"], "everybody has \"public\" without a token"),
        (&["System"], "\"system\" is the server itself"),
        (
            &["public"],
            "everybody has the role \"public\": leave it out",
        ),
        (&["system"], "\"system\" is not a role"),
        (&[""], "no schema names the role \"\""),
        (
            &["cook"],
            "no schema names the role \"cook\" (they name chief, editor)",
        ),
    ] {
        let told = with(roles).unwrap_err();
        assert!(told.contains(reason), "{roles:?}: {told}");
    }
}

#[test]
fn a_directory_that_no_server_has_used_is_reported_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("typo");
    for told in ["there was no key yet", "no server has been started on"] {
        let output = indelible(&[
            "token",
            "--sub",
            "a",
            "--role",
            "cook",
            "--data",
            path(&data),
        ]);
        assert!(output.status.success());
        let said = text(&output.stderr);
        assert!(said.contains(told), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains("which roles there are is not known"),
            "{said}"
        );
    }
}

#[test]
fn a_token_without_a_role_is_said_to_do_little() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["token", "--sub", "joe", "--data", path(dir.path())];
    let output = indelible(&words);
    assert!(output.status.success());
    let said = text(&output.stderr);
    assert!(
        said.contains("without --role, joe may do only what everybody may"),
        "{said}"
    );
    let output = indelible(&[&words[..], &["--role", "cook"]].concat());
    assert!(!text(&output.stderr).contains("without --role"));
}

#[test]
fn a_role_that_no_schema_names_is_refused() {
    let (dir, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    fs::write(schema.path().join("team.json"), TEAM).unwrap();
    // Nothing is known yet, but what --schema says; and what can never be a role.
    assert_eq!(token(&data, &["--role", "edtor"]), Ok(()));
    assert!(token(&data, &["--role", "public"]).is_err());
    assert!(token(&data, &["--role", ""]).is_err());
    check_roles(&data, &["--schema", path(schema.path())]);
    // While a server has the store, and after it.
    serve(&data, schema.path(), || check_roles(&data, &[]));
    check_roles(&data, &[]);
    assert_eq!(token(&data, &["--role", "edtor", "--any-role"]), Ok(()));
    // A store that an earlier version left has no names beside it, but its schemas.
    fs::remove_file(data.join("roles")).unwrap();
    check_roles(&data, &[]);
    // The next schema has other roles.
    let later = TEAM.replace("editor", "author");
    fs::write(schema.path().join("team.json"), later).unwrap();
    serve(&data, schema.path(), || {
        assert_eq!(token(&data, &["--role", "author"]), Ok(()));
        assert!(token(&data, &["--role", "editor"]).is_err());
    });
}

/// Who can put files into the data directory can replace the key and the store.
#[test]
fn a_directory_that_everybody_may_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (mode, refused) in [(0o777, true), (0o1777, true), (0o702, true), (0o755, false)] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let words = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            path(dir.path()),
        ];
        match token(dir.path(), &[]) {
            Err(told) => {
                assert!(refused, "{mode:o}: {told}");
                assert!(
                    told.contains("everybody on this machine can write to"),
                    "{told}"
                );
                assert!(
                    told.contains(&format!("chmod 700 {}", path(dir.path()))),
                    "{told}"
                );
                let output = indelible(&words);
                assert_eq!(output.status.code(), Some(1), "{mode:o}");
                assert!(text(&output.stderr).contains("chmod 700"));
                assert_eq!(
                    fs::read_dir(dir.path()).unwrap().count(),
                    0,
                    "nothing may be made"
                );
            }
            Ok(()) => assert!(!refused, "{mode:o}"),
        }
    }
}

/// What people would take for another id.
#[test]
fn ids_that_look_like_others_get_no_token() {
    let dir = tempfile::tempdir().unwrap();
    for id in [
        "System",
        "SYSTEM",
        "anonymous ",
        "ada lovelace",
        "ada\u{200b}",
        "\u{202e}ada",
    ] {
        let words = ["token", "--sub", id, "--data", path(dir.path())];
        let output = indelible(&words);
        assert_eq!(output.status.code(), Some(1), "{id:?}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_token_that_is_refused_leaves_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new");
    // Each of these takes two bytes in the token.
    let long = "\"".repeat(61);
    let many: Vec<String> = (0..64).map(|n| format!("{n:03}{long}")).collect();
    let many: Vec<&str> = many.iter().flat_map(|role| ["--role", role]).collect();
    let lifetime = "--ttl: a token lives between one second and 366 days";
    for (more, said) in [
        (&["--sub", "bo b"][..], "holds a blank"),
        (&["--sub", ""], "sub must not be empty"),
        (&["--sub", "system"], "is reserved"),
        (&["--sub", "bob", "--name", ""], "name must not be empty"),
        (&["--sub", "bob", "--ttl", "999d"], lifetime),
        (&["--sub", "bob", "--ttl", "0s"], lifetime),
        (
            &[&["--sub", "bob"][..], &many].concat(),
            "the token would be longer",
        ),
    ] {
        let output = indelible(&[&["token", "--data", path(&data)], more].concat());
        assert_eq!(output.status.code(), Some(1), "{said}");
        let told = text(&output.stderr);
        assert!(told.contains(said), "{said}: {told}");
        assert!(!data.exists(), "{said}");
    }
}

#[test]
fn a_schema_folder_is_not_taken_for_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("team.json"), TEAM).unwrap();
    let said = token(dir.path(), &["--any-role"]).unwrap_err();
    assert!(said.contains("it looks like a schema folder"), "{said}");
    let folder = path(dir.path());
    let served = indelible(&["serve", "--listen", "127.0.0.1:0", "--data", folder]);
    assert!(!served.status.success());
    assert!(text(&served.stderr).contains("it looks like a schema folder"));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing was made there: {left:?}");
}

#[test]
fn a_server_with_a_key_elsewhere_makes_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, data) = (dir.path().join("schema"), dir.path().join("new/data"));
    fs::create_dir(&schema).unwrap();
    fs::write(schema.join("team.json"), TEAM).unwrap();
    let key = dir.path().join("key");
    fs::write(&key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let is_made = || assert!(data.is_dir() && !data.join("token.key").exists());
    serve_with(&data, &schema, &["--token-key", path(&key)], is_made);
}
