//! Guards against pages whose name is made to resolve to this server (DNS rebinding), and against a
//! key that lies on a disk after a crash.

use std::process::{Child, Command, Stdio};

use indelible_server::config::Mode;

use super::harness::{Answer, Running};
use super::process::Process;
use super::raw_socket::{ask, raw};

async fn get(server: &Running, path: &str, host: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    raw(&server.authority, &[head.as_bytes()]).await
}

async fn upgrade(server: &Running, host: &str) -> u16 {
    let head = format!(
        "GET /sync HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: indelible.v1\r\n\r\n"
    );
    let (_, answer) = ask(&server.authority, &head).await;
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn check_refused(answer: &Answer, host: &str) {
    assert_eq!(answer.status, 421, "{host}: {answer:?}");
    assert_eq!(answer.body["code"], "host", "{host}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("is not a name of this server"), "{detail}");
}

#[tokio::test]
async fn where_names_are_listed_no_other_host_is_served() {
    let server = Running::with(|config| {
        config.hosts = vec!["site.example".parse().unwrap()];
    })
    .await;
    for host in [
        "site.example",
        "SITE.example:8443",
        "localhost:1",
        "[::1]",
        &server.authority,
    ] {
        for path in ["/healthz", "/api/page", "/"] {
            let answer = get(&server, path, host).await;
            assert_eq!(answer.status, 200, "{host} {path}: {answer:?}");
        }
        assert_eq!(upgrade(&server, host).await, 101, "{host}");
    }
    for host in [
        "evil.example",
        "site.example.evil.example",
        "a.site.example",
        "192.0.2.1",
    ] {
        for path in ["/healthz", "/api/page", "/", "/nowhere"] {
            check_refused(&get(&server, path, host).await, host);
        }
        assert_eq!(upgrade(&server, host).await, 421, "{host}");
    }
    // What is not a host name is reported as that, whether names are listed or not.
    for host in [
        "",
        "a b",
        "a:99999",
        "[::1",
        "a,b",
        "site.example\r\nHost: site.example",
    ] {
        for path in ["/api/page", "/sync"] {
            let answer = get(&server, path, host).await;
            assert_eq!(answer.status, 400, "{host:?} {path}: {answer:?}");
        }
    }
    // The address of the request line counts before the header.
    let answer = get(&server, "http://evil.example/api/page", "site.example").await;
    check_refused(&answer, "evil.example");
}

#[tokio::test]
async fn development_is_for_this_machine_and_a_server_without_a_list_for_every_host() {
    let server = Running::with(|config| config.mode = Mode::Development).await;
    assert_eq!(
        get(&server, "/api/page", "localhost:4000").await.status,
        200
    );
    assert_eq!(upgrade(&server, "127.0.0.1").await, 101);
    check_refused(
        &get(&server, "/api/page", "evil.example").await,
        "evil.example",
    );
    assert_eq!(upgrade(&server, "evil.example").await, 421);

    let server = Running::start().await;
    assert_eq!(get(&server, "/api/page", "any.example").await.status, 200);
    assert_eq!(upgrade(&server, "any.example").await, 101);
}

/// Starts the binary with a soft limit for core dumps of 64 blocks.
fn with_core_dumps(data: &std::path::Path, more: &[&str]) -> Child {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -S -c 64 && exec \"$0\" serve --listen 127.0.0.1:0 --data \"$@\"")
        .arg(env!("CARGO_BIN_EXE_indelible-under-test"))
        .arg(data)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

fn core_limit(process: &Process) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    words[4].to_owned()
}

#[test]
fn no_core_dump_holds_the_key_unless_that_is_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::ready(with_core_dumps(data.path(), &[]));
    assert_eq!(core_limit(&server), "0");
    drop(server);
    let server = Process::ready(with_core_dumps(data.path(), &["--core-dumps"]));
    assert_ne!(core_limit(&server), "0");
}
