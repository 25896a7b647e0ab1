//! Guards against a copy of a value for each who reads it, against followers who are ended without a
//! word, and against kinds that cannot be watched since they are long.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use indelible_engine::id::Kind;
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::harness::{self, Http, PATIENCE};
use super::process::{Process, arguments};

/// The bytes of a page, more than the system takes of an answer that nobody reads.
const BYTES: usize = 6_000_000;
const BUDGET_MIB: usize = 48;

const SCHEMA: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"], "edit": ["editor"],
                     "history": ["editor"] },
    "properties": {
        "title": { "type": "string" },
        "notes": { "type": "string", "maxLength": 7000000 }
    }
}"#;

fn start(data: &Path, schema: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"));
    arguments(&mut command, data, schema);
    command.args(["--memory", &BUDGET_MIB.to_string()]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    Process::ready(command.spawn().unwrap())
}

fn as_editor(server: &Process, data: &Path, name: &str) -> Http {
    let token = harness::token(data, name, &["editor"], Duration::from_secs(3_600));
    Http::to(&server.authority, Some(token))
}

fn held_mib(server: &Process) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().split_whitespace().next().unwrap();
    kib.parse::<usize>().unwrap() / 1_024
}

/// What it holds once it has given back what it does not need any more.
async fn held_at_rest_mib(server: &Process) -> usize {
    let mut held = held_mib(server);
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = held_mib(server);
        if now >= held {
            return now;
        }
        held = now;
    }
}

fn path(page: usize) -> String {
    format!("/api/page/p-{page}")
}

/// Makes that many pages, by a server that ends then.
async fn make_pages(data: &Path, schema: &Path, pages: usize) {
    fs::write(schema.join("page.json"), SCHEMA).unwrap();
    let server = start(data, schema);
    let http = as_editor(&server, data, "ada");
    for page in 0..pages {
        let letter = char::from(b'a' + u8::try_from(page % 26).unwrap());
        let notes = letter.to_string().repeat(BYTES);
        let body = json!({ "title": page.to_string(), "notes": notes });
        let post = http.post(&format!("/api/page?id=p-{page}"), body).await;
        assert_eq!(post.status, 201, "{:?}", post.body);
    }
}

/// Asks for a page and takes nothing of it but its first byte.
async fn slow_reader(server: &Process, page: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let host = &server.authority;
    let mut stream = socket.connect(host.parse().unwrap()).await.unwrap();
    let ask = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", path(page));
    stream.write_all(ask.as_bytes()).await.unwrap();
    let first = timeout(PATIENCE, stream.read_u8()).await;
    first.expect("an answer begins").unwrap();
    stream
}

/// How many bytes of an answer still come.
async fn rest(mut stream: TcpStream) -> usize {
    let (mut all, mut bytes) = (0, vec![0; 64 << 10]);
    loop {
        match timeout(Duration::from_secs(3), stream.read(&mut bytes)).await {
            Ok(Ok(more @ 1..)) => all += more,
            _ => return all,
        }
    }
}

/// Slow readers of one value.
const CROWD: usize = 100;
/// What the process may take more for them: less than a fifth of a MiB each.
const CROWD_MIB: usize = 16;
/// Reads of one value, and those at a time.
const READS: usize = 20_000;
const READS_AT_ONCE: usize = 50;
/// What the process may take more after them.
const READS_MIB: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_held_once_however_many_read_it() {
    let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_pages(data.path(), schema.path(), 1).await;
    let server = start(data.path(), schema.path());
    let strangers = Http::to(&server.authority, None);
    let bob = as_editor(&server, data.path(), "bob");
    let small = bob
        .post("/api/page?id=small", json!({ "title": "x".repeat(3_000) }))
        .await;
    assert_eq!(small.status, 201, "{small:?}");

    let read = async |count: usize| {
        let reads = (0..count).map(async |_| {
            let (status, _) = strangers.send_blindly("GET", "/api/page/small", None).await;
            assert_eq!(status, 200);
        });
        let reads = futures_util::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        reads.collect::<Vec<()>>().await;
    };
    // What is needed once is there then.
    read(READS / 10).await;
    let before = held_at_rest_mib(&server).await;
    read(READS).await;
    let more = held_at_rest_mib(&server).await.saturating_sub(before);
    assert!(more <= READS_MIB, "{more} MiB more after {READS} reads");

    assert_eq!(strangers.get(&path(0)).await.status, 200);
    let first = slow_reader(&server, 0).await;
    let before = held_mib(&server);
    let mut readers = Vec::new();
    for _ in 0..CROWD {
        readers.push(slow_reader(&server, 0).await);
    }
    let more = held_mib(&server).saturating_sub(before);
    assert!(
        more <= CROWD_MIB,
        "{more} MiB more for {CROWD} slow readers"
    );
    for reader in [first].into_iter().chain(readers.drain(CROWD - 2..)) {
        assert!(rest(reader).await > BYTES, "a slow reader was ended");
    }
}

/// The longest notes in the schema of these tests.
const LONG: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_ended_is_told_to_come_back() {
    let server = harness::Running::with(|config| {
        config.memory_bytes_max = 5 << 20;
        config.connections.send_queue_bytes_max = 64 << 20;
        config.budgets.epoch_bytes_min = u64::MAX;
    })
    .await;
    let http = server.http_as("ada", &["editor"]);
    for page in 0..8 {
        let body = json!({ "slug": "p", "title": "P", "notes": "x".repeat(LONG) });
        let post = http.post(&format!("/api/page?id=p-{page}"), body).await;
        assert_eq!(post.status, 201, "{:?}", post.body);
    }
    let mut reads =
        harness::connect_to(&server.authority, Some(server.token("bob", &["editor"]))).await;
    let mut slow = server.connect_anonymously().await;
    for page in 0..8 {
        // Patches as long as the values wait for it.
        slow.open(&format!("page/p-{page}").parse().unwrap(), Mode::Value)
            .await;
        match slow.next().await {
            ServerFrame::Value { .. } => {}
            other => panic!("{other:?}"),
        }
        reads.value(&format!("page/p-{page}")).await;
    }
    for round in 0..40 {
        let letter = char::from(b'a' + u8::try_from(round % 26).unwrap());
        let notes = letter.to_string().repeat(LONG);
        let put = http
            .put(
                &format!("/api/page/p-{}", round % 8),
                json!({ "notes": notes }),
            )
            .await;
        assert_eq!(put.status, 200, "{:?}", put.body);
        match reads.next().await {
            ServerFrame::Patch { .. } => {}
            other => panic!("who takes what comes stays: {other:?}"),
        }
    }
    assert_eq!(slow.closed().await, Some(1013));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_longer_than_the_budget_can_be_watched() {
    let server = harness::Running::with(|config| config.memory_bytes_max = 3 << 20).await;
    let http = server.http_as("ada", &["editor"]);
    let mut lengths = 0;
    for page in 0..12 {
        let body = json!({ "slug": "p", "title": "P", "notes": "x".repeat(LONG) });
        let post = http.post(&format!("/api/page?id=p-{page}"), body).await;
        assert_eq!(post.status, 201, "{:?}", post.body);
        lengths += LONG;
    }
    let mut watcher = server.connect_anonymously().await;
    let kind = Kind::new("page").unwrap();
    watcher.send(&ClientFrame::Watch { kind }).await;
    let mut came = 0;
    loop {
        match watcher.next().await {
            ServerFrame::Value { value, .. } => came += value.len(),
            ServerFrame::Watched { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(came >= lengths, "{came}");
    watcher.hears_nothing().await;
}
