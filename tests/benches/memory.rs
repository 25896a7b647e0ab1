//! What the server process holds for those who do nothing: a WebSocket on which nothing comes, an
//! entity that is loaded, a reader who takes nothing. `cargo xtask bench memory`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and fails where something is not as it should be"
)]

#[allow(dead_code, reason = "times are not what is measured here")]
mod figures;
#[path = "../tests/end_to_end/harness.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod harness;
#[path = "../tests/end_to_end/process.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use indelible_engine::id::EntityId;
use indelible_engine::protocol::{Mode, ServerFrame};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use harness::{Client, Http, connect_to, token};
use process::Process;

const IDLE: usize = 2_000;
const ENTITIES: usize = 2_000;
/// Entities that one connection opens.
const OPENED: usize = 500;
const READERS: usize = 100;
/// Entities of half a megabyte in the page that they ask for.
const LONG: usize = 16;
/// Entities whose values are read once.
const READ_ONCE: usize = 20_000;
/// After which values have left that nobody asked for.
const IDLE_TIME: Duration = Duration::from_secs(190);
/// Connections or entities before the first look, so that what is needed once is there.
const WARM: usize = 200;
/// How long the process may take to give back what it is about to give back.
const SETTLING: Duration = Duration::from_secs(8);

const IDLE_AIM_KIB: f64 = 20.0;
const ENTITY_AIM_KIB: f64 = 120.0;

/// The demo's schema.
fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/demo")
}

/// What the process holds now.
async fn held_kib(server: &Process) -> f64 {
    tokio::time::sleep(SETTLING).await;
    figures::memory_kib(server.id(), "VmRSS") as f64
}

fn editor(data: &Path) -> String {
    token(data, "ada", &["editor", "admin"], Duration::from_secs(3600))
}

async fn connect_many(server: &Process, count: usize) -> Vec<Client> {
    let connecting = (0..count).map(|_| connect_to(&server.authority, None));
    let connecting = futures_util::stream::iter(connecting).buffered(50);
    connecting.collect().await
}

async fn idle_sockets(data: &Path) {
    let server = Process::start(data, &demo());
    let warm = connect_many(&server, WARM).await;
    let before = held_kib(&server).await;
    let idle = connect_many(&server, IDLE).await;
    let each = (held_kib(&server).await - before) / IDLE as f64;
    println!("a WebSocket on which nothing comes   {each:8.1} KiB   aim ≤ {IDLE_AIM_KIB}");
    drop((warm, idle));
    let left = (held_kib(&server).await - before).max(0.0) / IDLE as f64;
    println!("  after it was closed                {left:8.1} KiB");
}

/// The first entity of the demo's content for a kind, without what distinguishes it from others.
fn value(kind: &str) -> Value {
    let path = demo().join(format!("content/{kind}.json"));
    let content: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    content
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .clone()
}

async fn create(http: &Http, path: &str, value: Value) {
    let post = http.post(path, value).await;
    assert_eq!(post.status, 201, "{post:?}");
}

async fn open(server: &Process, data: &Path, ids: &[String], mode: Mode) -> Vec<Client> {
    let mut clients = Vec::new();
    for ids in ids.chunks(OPENED) {
        let mut client = connect_to(&server.authority, Some(editor(data))).await;
        for id in ids {
            let entity: EntityId = format!("team/{id}").parse().unwrap();
            client.open(&entity, mode).await;
            loop {
                match client.next().await {
                    ServerFrame::Schema { .. } => {}
                    ServerFrame::Snapshot { .. } | ServerFrame::Value { .. } => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        clients.push(client);
    }
    clients
}

async fn loaded_entities(data: &Path) {
    let ids: Vec<String> = (0..WARM + ENTITIES)
        .map(|n| format!("person-{n}"))
        .collect();
    {
        let server = Process::start(data, &demo());
        let http = Http::to(&server.authority, Some(editor(data)));
        let value = value("team");
        for (n, id) in ids.iter().enumerate() {
            let mut value = value.clone();
            value["employeeId"] = format!("E-{:04}", n + 1_000).into();
            create(&http, &format!("/api/team?id={id}"), value).await;
        }
    }
    let (warm, others) = ids.split_at(WARM);
    for (mode, name) in [(Mode::Replica, "replica"), (Mode::Value, "value")] {
        let server = Process::start(data, &demo());
        let clients = open(&server, data, warm, mode).await;
        let before = held_kib(&server).await;
        let opened = open(&server, data, others, mode).await;
        let each = (held_kib(&server).await - before) / ENTITIES as f64;
        println!("an entity of the demo, {name:12}  {each:8.1} KiB   aim ≤ {ENTITY_AIM_KIB}");
        drop((clients, opened));
    }
}

/// What the values of many entities take that were read once, and whether it is given back.
async fn values_read_once(data: &Path) {
    {
        let server = Process::start(data, &harness::schema());
        let http = Http::to(&server.authority, Some(editor(data)));
        for n in 0..READ_ONCE {
            let value = json!({ "slug": "s", "title": "T", "notes": "n".repeat(2_000) });
            create(&http, &format!("/api/page?id=p-{n}"), value).await;
        }
    }
    let server = Process::start(data, &harness::schema());
    let http = Http::to(&server.authority, None);
    let read = async |number: usize| {
        let path = format!("/api/page/p-{number}");
        assert_eq!(http.get(&path).await.status, 200);
    };
    // The store keeps pages: those that it will have kept are not what is measured.
    for number in 0..READ_ONCE {
        read(number).await;
    }
    let most = held_kib(&server).await;
    tokio::time::sleep(IDLE_TIME).await;
    let after = held_kib(&server).await;
    let mut reader = connect_to(&server.authority, None).await;
    for number in 0..1_000 {
        reader.value(&format!("page/p-{number}")).await;
    }
    drop(reader);
    tokio::time::sleep(IDLE_TIME).await;
    let again = held_kib(&server).await;
    let mib = |kib: f64| kib / 1_024.0;
    println!(
        "{READ_ONCE} values read once over HTTP       {:8.1} MiB, after a rest {:.1} MiB, after 1,000 over a \
         WebSocket and a rest {:.1} MiB",
        mib(most),
        mib(after),
        mib(again)
    );
}

/// Asks for a page and takes nothing of it but the first byte.
async fn slow_reader(server: &Process) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let authority = &server.authority;
    let mut stream = socket.connect(authority.parse().unwrap()).await.unwrap();
    let ask = format!("GET /api/page?limit=1000 HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    stream
}

async fn slow_readers(data: &Path) {
    let server = Process::start(data, &harness::schema());
    let http = Http::to(&server.authority, Some(editor(data)));
    for n in 0..LONG {
        let value = json!({ "slug": "long", "title": "Long", "notes": "x".repeat(500_000) });
        create(&http, &format!("/api/page?id=a-{n}"), value).await;
    }
    let page = http.get("/api/page?limit=1000").await;
    let bytes: f64 = page.header("content-length").parse().unwrap();
    let before = held_kib(&server).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(slow_reader(&server).await);
    }
    let each = (held_kib(&server).await - before) / READERS as f64;
    let page = bytes / 1_024.0;
    println!("a slow reader of a page of {page:.0} KiB  {each:8.1} KiB   a copy each: {page:.0}");
    drop(readers);
}

fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let current = limits.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limits }).unwrap();
}

fn main() {
    if !figures::are_wanted() {
        return;
    }
    raise_open_files();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // `cargo bench --bench memory -- values` takes only these.
        let named = std::env::args()
            .skip(1)
            .find(|word| !word.starts_with("--"));
        let wanted = |part: &&str| named.as_deref().is_none_or(|named| named == *part);
        for part in ["sockets", "entities", "readers", "values"]
            .into_iter()
            .filter(wanted)
        {
            let data = tempfile::tempdir().unwrap();
            match part {
                "sockets" => idle_sockets(data.path()).await,
                "entities" => loaded_entities(data.path()).await,
                "readers" => slow_readers(data.path()).await,
                _ => values_read_once(data.path()).await,
            }
        }
    });
}
