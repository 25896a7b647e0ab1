//! Guards against edits that are acknowledged into a file that nobody will open again, since it was
//! removed or replaced under the server, and against two servers on one directory.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::harness::{self, Http};
use super::process::{self, Process};

const STORE_FILE: &str = "indelible.redb";

/// Starts a second server on a directory; gives what it says when it is refused.
fn refused(data: &Path) -> String {
    let mut command = Command::new("sh");
    // Where it listens goes to standard output, why it does not to standard error.
    command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]);
    command.arg(env!("CARGO_BIN_EXE_indelible-under-test"));
    let mut second = process::start(command, data, &harness::schema());
    let mut said = String::new();
    second
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(!second.wait().unwrap().success());
    said
}

#[tokio::test]
async fn a_store_that_was_replaced_takes_no_writes_and_its_directory_no_second_server() {
    let data = tempfile::tempdir().unwrap();
    let (file, aside) = (data.path().join(STORE_FILE), data.path().join("aside"));
    let server = Process::start(data.path(), &harness::schema());
    let token = harness::token(data.path(), "ada", &["editor"], Duration::from_secs(3600));
    let http = Http::to(&server.authority, Some(token));
    let put = async |title: &str| {
        http.put("/api/site", json!({ "title": title }))
            .await
            .status
    };
    let ready = async || http.get("/readyz").await.status;
    assert_eq!((put("Before").await, ready().await), (200, 200));
    let copy = || {
        std::fs::copy(&aside, &file).unwrap();
    };
    let replacements: [&dyn Fn(); 3] = [&|| {}, &copy, &|| std::fs::write(&file, "").unwrap()];
    for (round, replace) in replacements.iter().enumerate() {
        std::fs::rename(&file, &aside).unwrap();
        replace();
        let there = std::fs::read(&file).ok();
        assert_eq!((put("After").await, ready().await), (503, 503));
        let said = refused(data.path());
        assert!(
            said.contains("another indelible is serving this directory"),
            "{said}"
        );
        assert_eq!(std::fs::read(&file).ok(), there, "nobody wrote to it");
        // Reading goes on.
        let title = &http.get("/api/site").await.body["title"];
        assert_eq!(*title, json!(if round == 0 { "Before" } else { "Again" }));
        std::fs::rename(&aside, &file).unwrap();
        assert_eq!((ready().await, put("Again").await), (200, 200));
    }
}
