//! Guards against a store or bundle that is cut off, empty or something else being answered with the
//! words of a library, with a trace, or as if all were well.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use indelible_server::storage::redb::STORE_FILE;

use super::{data, done, export, failed, indelible, text};

/// What nobody but the author of a library says.
fn assert_plain(told: &str) {
    for word in [
        "DB corrupted",
        "Corrupted",
        "panicked",
        "RUST_BACKTRACE",
        "os error",
        "unwrap",
        "Error {",
        "Some(",
        "EOF while",
    ] {
        assert!(!told.contains(word), "{word}: {told}");
    }
    assert!(
        told.starts_with("indelible: ") && told.ends_with('\n'),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
}

/// Everything that opens a store, and the server.
fn everything(dir: &Path, schema: &str) -> Vec<String> {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("ledger.ndjson");
    let commands: [&[&str]; 9] = [
        &["history", "team/jane"],
        &["at", "team/jane", "now"],
        &["diff", "team/jane", "1", "now"],
        &["blame", "team/jane"],
        &["refusals"],
        &["export", "--out", file.to_str().unwrap()],
        &["schema", "diff", schema, schema],
        &["schema", "replay", schema],
        &["serve", "--listen", "127.0.0.1:0", "--schema", schema],
    ];
    let run = |words: &&[&str]| failed(dir, &[words, &["--data", "."][..]].concat());
    let told = commands.iter().map(run).collect();
    assert!(!file.exists());
    told
}

#[test]
fn a_damaged_store_is_told_with_its_file_and_what_to_do() {
    let whole = data();
    let bytes = fs::read(whole.path().join(STORE_FILE)).unwrap();
    let schema = tempfile::tempdir().unwrap();
    let team = r#"{ "type": "object", "x-indelible": { "kind": "team" }, "properties": {} }"#;
    fs::write(schema.path().join("team.json"), team).unwrap();
    let mut garbled = bytes.clone();
    garbled[20..200].fill(0x5a);
    let half = &bytes[..bytes.len() / 2];
    for (what, bytes, told) in [
        ("empty", &b""[..], "the file is empty"),
        ("text", b"no store at all", "it begins as no store does"),
        ("zeros", &[0; 70_000], "it begins as no store does"),
        ("first bytes", &bytes[..100], "cut off in its first page"),
        ("half", half, ""),
        ("a page", &bytes[..4096], ""),
        ("garbled", &garbled, ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(STORE_FILE);
        fs::write(&file, bytes).unwrap();
        for said in everything(dir.path(), schema.path().to_str().unwrap()) {
            assert_plain(&said);
            assert!(said.contains("the store is damaged: "), "{what}: {said}");
            assert!(said.contains(STORE_FILE), "{what}: {said}");
            assert!(
                said.contains("restore the data directory from a backup"),
                "{said}"
            );
            assert!(said.contains(told), "{what}: {said}");
        }
        assert_eq!(fs::read(&file).unwrap(), bytes, "{what} was altered");
    }
}

#[test]
fn a_directory_in_the_place_of_the_store_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(STORE_FILE)).unwrap();
    let told = failed(dir.path(), &["history", "team/jane", "--data", "."]);
    assert_plain(&told);
    let told = failed(
        dir.path(),
        &["serve", "--listen", "127.0.0.1:0", "--data", "."],
    );
    assert_plain(&told);
}

#[test]
fn a_bundle_that_is_none_is_told_in_our_words() {
    let (data, dir) = (data(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    export(data.path(), dir, "good.ndjson");
    let good = fs::read(dir.join("good.ndjson")).unwrap();
    let mut cuts: Vec<Vec<u8>> = (0..good.len())
        .step_by(good.len() / 40)
        .map(|at| good[..at].to_vec())
        .collect();
    cuts.push(vec![0xff; 1000]);
    cuts.push([&good[..], b"x"].concat());
    cuts.push(b"{\"line\":\"header\",\"format\":7}\n".to_vec());
    cuts.push(b"{\"line\":7}\n".to_vec());
    cuts.push(b"{\"line\":\"header\"\n".to_vec());
    for bytes in cuts {
        fs::write(dir.join("bad.ndjson"), &bytes).unwrap();
        let told = failed(dir, &["verify", "bad.ndjson"]);
        assert!(told.starts_with("bad.ndjson: line "), "{told}");
        assert_plain(&format!("indelible: {told}"));
        for word in [
            "missing field",
            "invalid type",
            "expected",
            "trailing characters",
        ] {
            assert!(!told.contains(word), "{told}");
        }
    }
    done(dir, &["verify", "good.ndjson"]);
}

/// A disk that is full must not look like success, and a pipe that is closed like trouble.
#[test]
fn output_that_cannot_be_written_is_told_once() {
    let (data, out) = (data(), tempfile::tempdir().unwrap());
    let (dir, out) = (data.path(), out.path());
    export(dir, out, "good.ndjson");
    let good = out.join("good.ndjson");
    let new = out.join("new.ndjson");
    let (good, new) = (good.to_str().unwrap(), new.to_str().unwrap());
    let schema = tempfile::tempdir().unwrap();
    let schema = schema.path();
    let team = r#"{ "type": "object", "x-indelible": { "kind": "team" }, "properties": {} }"#;
    fs::write(schema.join("team.json"), team).unwrap();
    let schema = schema.to_str().unwrap();
    let run = |words: &[&str], output: Stdio| {
        let run = Command::new(env!("CARGO_BIN_EXE_indelible"))
            .current_dir(dir)
            .args(words)
            .stdout(output)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        (run.status.code(), text(&run.stderr).to_owned())
    };
    let token = [
        "token",
        "--sub",
        "ann",
        "--role",
        "cook",
        "--any-role",
        "--data",
        ".",
    ];
    let full = "standard output cannot be written: No space left on device\n";
    for words in [
        &token[..],
        &token,
        &["verify", good],
        &["history", "team/jane", "--data", "."],
        &["history", "team/jane", "--json", "--data", "."],
        &["at", "team/jane", "now", "--data", "."],
        &["diff", "team/jane", "1", "now", "--data", "."],
        &["blame", "team/jane", "--data", "."],
        &["refusals", "--data", "."],
        &["refusals", "--json", "--data", "."],
        &["schema", "check", schema],
        &["schema", "check", schema, "--json"],
        &["schema", "diff", schema, schema],
        &["schema", "replay", schema, "--data", "."],
        &["schema", "meta"],
        &["export", "--data", ".", "--out", new],
        &["--help"],
        &["history", "--help"],
        &["--version"],
    ] {
        let sink = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let (code, told) = run(words, sink.into());
        let last = told.lines().last().unwrap_or_default();
        assert_eq!(code, Some(1), "{words:?}: {told}");
        assert!(format!("{last}\n").ends_with(full), "{words:?}: {told}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let words: Vec<&str> = match words[0] {
            "export" => [words, &["--force"]].concat(),
            _ => words.to_vec(),
        };
        let (_, told) = run(&words, writer.into());
        assert_eq!(told, "", "{words:?}");
    }
    // The file was written all the same, and this was said.
    let output = indelible(dir, &["verify", new]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
