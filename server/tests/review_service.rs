//! Runs the commands of `docs/review-service.md`, one after the other, as the page shows them.
//!
//! Guards against a page whose commands do not do what it says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const PAGE: &str = include_str!("../../docs/review-service.md");
const BINARY: &str = env!("CARGO_BIN_EXE_indelible");
/// Where the page says that the server is.
const ADDRESS: &str = "127.0.0.1:4000";

/// The commands of the page, block by block.
fn commands() -> Vec<&'static str> {
    let blocks = PAGE.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Does what `indelible serve --data ./data` does, on a free port.
    fn start(folder: &Path, command: &str) -> Self {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words, ["indelible", "serve", "--data", "./data"]);
        let mut child = Command::new(BINARY)
            .args(&words[1..])
            .args(["--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap().1.to_owned();
        Self { child, address }
    }

    fn stop(mut self) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(killed.unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

/// What a block prints, run by a shell that finds `indelible` and the server.
fn run(folder: &Path, block: &str, address: &str) -> String {
    let output = Command::new("sh")
        .args(["-euc", &block.replace(ADDRESS, address)])
        .current_dir(folder)
        .env("PATH", {
            let folder = Path::new(BINARY).parent().unwrap();
            let path = std::env::var_os("PATH").unwrap();
            let all = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
            std::env::join_paths(all).unwrap()
        })
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{block}\n{told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let blocks = commands();
    let [serve, token, rate, too_much, strict, afterwards] = blocks[..] else {
        panic!("the page has {} blocks of commands", blocks.len());
    };
    let server = Server::start(folder, serve);
    let answer = |block: &str| -> Value {
        serde_json::from_str(&run(folder, block, &server.address)).unwrap()
    };
    run(folder, token, &server.address);
    let rated = answer(rate);
    assert_eq!(rated["changed"], json!(["/rating"]), "{rated}");
    assert_eq!(rated["value"]["rating"], 4.5);
    let refused = answer(too_much);
    assert_eq!(
        (&refused["status"], &refused["violations"][0]["rule"]),
        (&json!(422), &json!("maximum"))
    );
    let refused = answer(strict);
    assert_eq!(refused["violations"][0]["pointer"], "/title", "{refused}");
    assert_eq!(refused["violations"][0]["rule"], "write");
    server.stop();
    let told = run(folder, afterwards, "");
    let has = |words: &[&str]| {
        let line = told
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        assert!(line.is_some(), "no line with {words:?}:\n{told}");
    };
    has(&["review-service", "4.5"]);
    has(&["review-service", "/rating", "maximum"]);
    has(&["/title", "write", "The best"]);
}
