//! Guards against a command that reads a store and alters it, that cannot read a store which
//! nobody may write or which was not closed in the ordinary way, and against an export that
//! destroys what it is made of.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use indelible_server::config::RefusalSettings;
use indelible_server::storage::redb::{RedbStore, STORE_FILE};
use indelible_server::storage::{Append, Ledger};
use serde_json::json;

use super::fixture::{Filling, alice};
use super::{data, done, failed};

/// Everything that reading alters: the bytes of each file, its times, and which files there are.
fn state(dir: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let written = entry.metadata().unwrap().modified().unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap(), written)
        })
        .collect();
    files.sort();
    files
}

fn read_everything(dir: &Path) -> Vec<String> {
    let commands: [&[&str]; 7] = [
        &["history", "team/jane"],
        &["history", "team/jane", "--check"],
        &["at", "team/jane", "1"],
        &["diff", "team/jane", "1", "now"],
        &["blame", "team/jane"],
        &["refusals"],
        &["refusals", "team/jane", "--json"],
    ];
    let run = |words: &&[&str]| done(dir, &[words, &["--data", "."][..]].concat());
    commands.iter().map(run).collect()
}

#[test]
fn reading_leaves_every_byte() {
    let dir = data();
    fs::set_permissions(
        dir.path().join(STORE_FILE),
        fs::Permissions::from_mode(0o400),
    )
    .unwrap();
    let before = state(dir.path());
    read_everything(dir.path());
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("ledger.ndjson");
    done(
        dir.path(),
        &["export", "--data", ".", "--out", file.to_str().unwrap()],
    );
    assert_eq!(state(dir.path()), before);
}

#[test]
fn a_store_that_was_not_closed_is_read_from_a_copy() {
    let (closed, copy) = (data(), tempfile::tempdir().unwrap());
    let expected = read_everything(closed.path());
    let refusals = RefusalSettings {
        kept_per_principal_max: 100,
    };
    // What a server that was killed leaves: the file as it is while a store has it.
    let store = RedbStore::open(closed.path(), refusals).unwrap();
    let nothing = Append::new("team/jane".parse().unwrap());
    store.append(&[nothing]).unwrap()[0].as_ref().unwrap();
    fs::copy(closed.path().join(STORE_FILE), copy.path().join(STORE_FILE)).unwrap();
    assert!(RedbStore::open_to_read(copy.path(), refusals).is_err());
    let before = state(copy.path());
    assert_eq!(read_everything(copy.path()), expected);
    assert_eq!(state(copy.path()), before);
}

/// What a server that was killed leaves: a store that has to be repaired before it is read, of more
/// bytes than a pipe holds.
fn unclean() -> tempfile::TempDir {
    let (data, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let refusals = RefusalSettings {
        kept_per_principal_max: 100,
    };
    let mut filling = Filling::new(data.path());
    let lee = filling.unborn("team/lee");
    let bio = "x".repeat(400_000);
    filling.merge(lee, &alice(), json!({ "name": "Lee", "bio": bio }));
    drop(filling);
    let store = RedbStore::open(data.path(), refusals).unwrap();
    let nothing = Append::new("team/lee".parse().unwrap());
    store.append(&[nothing]).unwrap()[0].as_ref().unwrap();
    fs::copy(data.path().join(STORE_FILE), copy.path().join(STORE_FILE)).unwrap();
    assert!(RedbStore::open_to_read(copy.path(), refusals).is_err());
    copy
}

fn assert_nothing_is_left(temporary: &Path) {
    let left: Vec<_> = fs::read_dir(temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_copy_does_not_outlive_a_reader_that_is_ended() {
    let copy = unclean();
    let temporary = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT", "-HUP", "-PIPE", "-KILL"] {
        let mut reader = Command::new(env!("CARGO_BIN_EXE_indelible"))
            .args(["history", "team/lee", "--json", "--data", "."])
            .current_dir(copy.path())
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0];
        let stdout = reader.stdout.as_mut().unwrap();
        stdout.read_exact(&mut first).unwrap();
        assert_eq!(reader.try_wait().unwrap(), None, "it has ended by itself");
        let id = reader.id().to_string();
        let ended = Command::new("kill").args([signal, &id]).status();
        assert!(ended.unwrap().success());
        // A command that ignores the signal is at an end with its output, and that is no failure.
        drop(reader.stdout.take());
        let is_ignored = signal == "-PIPE";
        assert_eq!(reader.wait().unwrap().success(), is_ignored, "{signal}");
        assert_nothing_is_left(temporary.path());
    }
}

/// The system ends a process by a signal where it writes more than it may: in the middle of the copy,
/// whichever machine this runs on.
#[test]
fn a_copy_that_is_cut_short_leaves_nothing() {
    let copy = unclean();
    let temporary = tempfile::tempdir().unwrap();
    let bytes = fs::metadata(copy.path().join(STORE_FILE)).unwrap().len();
    // In the units that POSIX counts file sizes in for `ulimit`.
    for blocks in [0, 8, bytes / 512 / 2, bytes / 512 - 1] {
        let script = format!("ulimit -f {blocks}; exec \"$@\"");
        for words in [
            &["history", "team/lee"][..],
            &["at", "team/lee", "1"],
            &["blame", "team/lee"],
            &["refusals"],
        ] {
            let ended = Command::new("sh")
                .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_indelible")])
                .args([words, &["--data", "."]].concat())
                .current_dir(copy.path())
                .env("TMPDIR", temporary.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert!(!ended.success(), "{blocks} {words:?}: {ended}");
            assert_nothing_is_left(temporary.path());
        }
    }
}

/// As above: in the middle of the file.
#[test]
fn an_export_that_is_cut_short_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut filling = Filling::new(data.path());
    let lee = filling.unborn("team/lee");
    filling.merge(
        lee,
        &alice(),
        json!({ "name": "Lee", "bio": "x".repeat(400_000) }),
    );
    drop(filling);
    let out = tempfile::tempdir().unwrap();
    for existing in [&[][..], &["--force"]] {
        let script = "ulimit -f 100; exec \"$@\"";
        let ended = Command::new("sh")
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_indelible")])
            .args(["export", "--out", "ledger.ndjson", "--data"])
            .arg(data.path())
            .args(existing)
            .current_dir(out.path())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!ended.success(), "{ended}");
        assert_nothing_is_left(out.path());
    }
}

#[test]
fn an_export_does_not_replace_what_it_is_made_of() {
    let dir = data();
    let dir = dir.path();
    fs::write(dir.join("token.key"), "0".repeat(64)).unwrap();
    symlink(STORE_FILE, dir.join("link")).unwrap();
    fs::hard_link(dir.join(STORE_FILE), dir.join("twin")).unwrap();
    fs::create_dir(dir.join("below")).unwrap();
    let before = state(dir);
    let absolute = dir.join("new.ndjson");
    for out in [
        STORE_FILE,
        "./indelible.redb",
        "link",
        "twin",
        "token.key",
        "roles",
        "new.ndjson",
        "below/new.ndjson",
        absolute.to_str().unwrap(),
    ] {
        for force in [&[][..], &["--force"]] {
            let words = [&["export", "--data", ".", "--out", out], force].concat();
            let reason = failed(dir, &words);
            assert!(
                reason.contains("belongs to a data directory"),
                "{out}: {reason}"
            );
        }
    }
    assert_eq!(state(dir), before);
    // Nor is the directory of another server written to, nor what is no file.
    let other = data();
    let key = other.path().join("token.key");
    fs::write(&key, "1".repeat(64)).unwrap();
    let new = other.path().join("new.ndjson");
    // `indelible token` makes the key before there is a store.
    let early = tempfile::tempdir().unwrap();
    let early_key = early.path().join("token.key");
    fs::write(&early_key, "1".repeat(64)).unwrap();
    for (out, why) in [
        (key.to_str().unwrap(), "a data directory"),
        (new.to_str().unwrap(), "a data directory"),
        (early_key.to_str().unwrap(), "a data directory"),
        ("/dev/null", "a device or a pipe"),
    ] {
        let reason = failed(dir, &["export", "--data", ".", "--out", out, "--force"]);
        assert!(reason.contains(why), "{out}: {reason}");
    }
    assert_eq!(state(dir), before);
}

#[test]
fn an_export_replaces_a_file_only_if_asked() {
    let (data, dir) = (data(), tempfile::tempdir().unwrap());
    let (data, dir) = (data.path().to_str().unwrap(), dir.path());
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    let export = ["export", "--data", data, "--out", "notes.txt"];
    let reason = failed(dir, &export);
    assert!(reason.contains("--force replaces it"), "{reason}");
    assert_eq!(fs::read(dir.join("notes.txt")).unwrap(), b"mine");
    done(dir, &[&export[..], &["--force"]].concat());
    done(dir, &["verify", "notes.txt"]);
    let mode = fs::metadata(dir.join("notes.txt")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Where others print, nobody expects a file of that name.
    let reason = failed(dir, &["export", "--data", data, "--out", "-"]);
    assert!(reason.contains("not to standard output"), "{reason}");
    assert!(!dir.join("-").exists());
}

#[test]
fn an_export_goes_into_a_file_in_a_directory_that_there_is() {
    let (data, dir) = (data(), tempfile::tempdir().unwrap());
    let (data, dir) = (data.path().to_str().unwrap(), dir.path());
    let fifo = dir.join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let no_file = "is a directory, a device or a pipe, or stands for an open file";
    for (out, said) in [
        ("nodir/ledger.ndjson", "there is no directory nodir\n"),
        ("/dev/stdout", no_file),
        ("/dev/null", no_file),
        ("/proc/self/fd/1", no_file),
        ("fifo", no_file),
        (".", no_file),
    ] {
        for force in [&[][..], &["--force"]] {
            // Standard output as a file: its name is no place for another one.
            let stdout = fs::File::create(dir.join("stdout")).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_indelible"))
                .args([&["export", "--data", data, "--out", out], force].concat())
                .current_dir(dir)
                .stdout(stdout)
                .output()
                .unwrap();
            let reason = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{out}: {reason}");
            assert!(reason.contains(said) && reason.contains(out), "{reason}");
            assert!(!reason.contains(".tmp"), "{reason}");
        }
    }
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
}
