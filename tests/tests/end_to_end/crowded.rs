//! Guards against strangers who keep those with a token out, against connections that the system
//! drops because they come at once, and against a log that they fill.

use std::fs::File;
use std::process::{Command, Stdio};

use indelible_server::config::LOG_LINES_PER_SECOND_MAX;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::harness::{Client, PATIENCE, Running, schema};
use super::http_form::assert_problem;
use super::process::{Process, arguments, start};
use super::raw_socket::raw;

const TRY_AGAIN: u16 = 1013;

/// A server of ten seats, of which two are kept, with eight strangers.
async fn crowded() -> (Running, Vec<Client>) {
    let server = Running::with(|config| {
        config.connections.connections_max = 10;
        config.connections.token_seats_percent = 20;
    })
    .await;
    let mut strangers = Vec::new();
    for _ in 0..8 {
        strangers.push(server.connect_anonymously().await);
    }
    (server, strangers)
}

fn get(server: &Running, path: &str, token: Option<String>) -> Vec<u8> {
    let token = token.map_or(String::new(), |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let host = &server.authority;
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{token}\r\n").into_bytes()
}

#[tokio::test]
async fn strangers_keep_nobody_with_a_token_out() {
    let (server, strangers) = crowded().await;
    let mut late = Client::raw(&server.authority, None).await.unwrap();
    late.hello(None).await;
    assert_eq!(late.closed().await, Some(TRY_AGAIN));
    let answer = raw(&server.authority, &[&get(&server, "/api/site", None)]).await;
    assert_problem(&answer, 503, "busy");
    let bad = Some("no.such.token".to_owned());
    let answer = raw(&server.authority, &[&get(&server, "/api/site", bad)]).await;
    assert_problem(&answer, 503, "busy");
    let health = raw(&server.authority, &[&get(&server, "/healthz", None)]).await;
    assert_eq!((health.status, health.header("connection")), (200, "close"));

    // Strangers who say nothing hold the kept seats, too, and make room.
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(&server.authority).await.unwrap());
    }
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("page/home").await;
    let change = hers.put("notes", "in spite of them");
    ada.write(&mut hers, vec![change]).await;
    let http = server.http_as("bob", &["editor"]);
    assert_eq!(http.get("/api/site").await.status, 200);
    drop((strangers, silent));
}

#[tokio::test]
async fn whoever_has_shown_a_token_is_not_put_out() {
    let (server, _strangers) = crowded().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    for _ in 0..5 {
        let mut silent = TcpStream::connect(&server.authority).await.unwrap();
        silent.write_all(b"GET /").await.unwrap();
    }
    ada.hears_nothing().await;
}

#[tokio::test]
async fn a_thousand_come_at_once_and_the_log_stays_short() {
    const COMING: usize = 1_000;
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"));
    arguments(&mut command, &data.path().join("data"), &schema());
    command
        .env("INDELIBLE_LOG", "info")
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap());
    let server = Process::ready(command.spawn().unwrap());
    let began = std::time::Instant::now();
    let connecting = (0..COMING).map(|_| async {
        let mut client = Client::raw(&server.authority, None).await.unwrap();
        client.hello(None).await;
        client.next().await;
        client
    });
    let clients = futures_util::future::join_all(connecting).await;
    assert_eq!(clients.len(), COMING);
    drop(clients);
    // They are all gone once the server has ended in order.
    let id = rustix::process::Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    rustix::process::waitid(
        rustix::process::WaitId::Pid(id),
        rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
    )
    .unwrap();
    let seconds = began.elapsed().as_secs() + 1;
    assert!(seconds < PATIENCE.as_secs());
    let log = std::fs::read_to_string(&log).unwrap();
    let (mut written, mut counted) = (0, 0);
    for line in log.lines().filter(|line| line.contains("disconnected")) {
        match line.split_once("lines=") {
            Some((_, rest)) => {
                let digits = rest.split(' ').next().unwrap();
                counted += digits.parse::<usize>().unwrap();
            }
            None => written += 1,
        }
    }
    assert_eq!(written + counted, COMING, "{log}");
    let bound = usize::try_from(seconds).unwrap() * LOG_LINES_PER_SECOND_MAX as usize;
    assert!(written <= bound, "{written} lines in {seconds} s");
    assert!(counted > 0, "{seconds} s");
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    const COMING: usize = 300;
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -Sn 100; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_indelible-under-test"),
    ]);
    let server = Process::ready(start(command, data.path(), &schema()));
    let mut clients = Vec::new();
    for _ in 0..COMING {
        let mut client = Client::raw(&server.authority, None).await.unwrap();
        client.hello(None).await;
        client.next().await;
        clients.push(client);
    }
    assert_eq!(clients.len(), COMING);
}
