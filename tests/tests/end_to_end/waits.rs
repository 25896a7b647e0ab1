//! Guards against waits without an end: for what a request needs, for a start that is not wanted
//! any more.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::harness::{PATIENCE, Running};
use super::http_form::assert_problem;
use super::raw_socket::{half_a_put, raw};

const SHORT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_a_request_waits_for_is_not_waited_for_without_end() {
    let server = Running::with(|config| config.connections.request_timeout = SHORT).await;
    let answer = raw(&server.authority, &[half_a_put(&server).as_bytes()]).await;
    assert_problem(&answer, 503, "unavailable");
}

/// The key is read from a pipe that nobody writes to, so the start would never end.
#[test]
fn a_start_that_hangs_ends_with_a_signal() {
    let data = tempfile::tempdir().unwrap();
    let pipe = data.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path().join("data"))
        .arg("--token-key")
        .arg(&pipe)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(SHORT * 2);
    let id = child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(told.success());
    let until = std::time::Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if std::time::Instant::now() > until {
            child.kill().unwrap();
            panic!("the start did not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}");
}
