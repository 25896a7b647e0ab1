//! What once brought the server down, sent again: long values that are replaced, operations that take
//! no bytes, creations without a name, bodies that are announced.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use automerge::ScalarValue;
use automerge::transaction::Transactable;
use futures_util::future::join_all;
use indelible_engine::protocol::{Mode, ServerFrame};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::figures::{aim, memory_kib};
use super::harness::{self, Client, Http};
use super::process::Process;

const SCHEMA: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "note", "read": ["public"], "create": ["public"],
                     "edit": ["editor"], "history": ["editor"] },
    "properties": {
        "title": { "type": "string" },
        "flags": { "type": "array", "items": { "type": "boolean" } }
    }
}"#;

const TITLE_BYTES: usize = 3_900_000;
const TITLES: usize = 40;
/// Longer than it has to be quiet before a new epoch begins.
const QUIET: Duration = Duration::from_secs(12);
const CREATORS: usize = 16;
const CREATING: Duration = Duration::from_secs(10);

struct Site {
    data: tempfile::TempDir,
    schema: tempfile::TempDir,
    server: Process,
}

impl Site {
    fn start() -> Self {
        let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(schema.path().join("note.json"), SCHEMA).unwrap();
        let server = Process::start(data.path(), schema.path());
        Self {
            data,
            schema,
            server,
        }
    }

    fn restart(&mut self) {
        self.server.kill();
        self.server = Process::start(self.data.path(), self.schema.path());
    }

    fn token(&self) -> String {
        let day = Duration::from_secs(24 * 3_600);
        harness::token(self.data.path(), "ada", &["editor"], day)
    }

    fn editor(&self) -> Http {
        Http::to(&self.server.authority, Some(self.token()))
    }

    async fn client(&self) -> Client {
        harness::connect_to(&self.server.authority, Some(self.token())).await
    }

    fn held_mib(&self) -> f64 {
        memory_kib(self.server.id(), "VmRSS") as f64 / 1_024.0
    }
}

fn disk_mib(dir: &Path) -> f64 {
    let files = fs::read_dir(dir).unwrap().flatten();
    let bytes = files.map(|file| file.metadata().map_or(0, |data| data.len()));
    bytes.sum::<u64>() as f64 / 1_048_576.0
}

/// Letters that cannot be packed.
fn letters(seed: usize, count: usize) -> String {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + (state % 64) as u8)
    };
    (0..count).map(letter).collect()
}

async fn snapshot_mib(client: &mut Client) -> (f64, Duration) {
    let began = Instant::now();
    client
        .open(&"note/long".parse().unwrap(), Mode::Replica)
        .await;
    loop {
        match client.next().await {
            ServerFrame::Schema { .. } => {}
            ServerFrame::Snapshot { document, .. } => {
                return (document.len() as f64 / 1_048_576.0, began.elapsed());
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn long_titles() {
    let mut site = Site::start();
    let http = site.editor();
    let created = http.post("/api/note?id=long", json!({ "title": "" })).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let mut taken = 0;
    for n in 0..TITLES {
        let body = json!({ "title": letters(n, TITLE_BYTES) });
        taken += usize::from(http.put("/api/note/long", body).await.status == 200);
    }
    tokio::time::sleep(QUIET).await;
    let disk = disk_mib(site.data.path());
    let (whole, _) = snapshot_mib(&mut site.client().await).await;
    site.restart();
    let (_, cold) = snapshot_mib(&mut site.client().await).await;
    println!(
        "{taken} of {TITLES} titles of 3.9 MB taken: {disk:.0} MiB on disk; a replica is sent {whole:.1} MiB \
         {}, in {} ms when cold",
        aim(whole, 8.0),
        cold.as_millis()
    );
}

async fn weightless_operations() {
    let mut site = Site::start();
    let http = site.editor();
    let created = http
        .post("/api/note?id=flags", json!({ "flags": [] }))
        .await;
    assert_eq!(created.status, 201, "{}", created.body);
    let mut ada = site.client().await;
    let mut replica = ada.replica("note/flags").await;
    let entity = replica.entity.clone();
    let list = replica.object("flags");
    let mut bomb = Vec::new();
    for turn in 0..1_000 {
        bomb.push(replica.change(|doc| {
            let (count, values) = match turn % 2 {
                0 => (0, 10_000),
                _ => (10_000, 0),
            };
            let values = std::iter::repeat_n(ScalarValue::Boolean(true), values);
            doc.splice(&list, 0, count, values).unwrap();
        }));
    }
    let bytes: usize = bomb.iter().map(Vec::len).sum();
    let before = site.held_mib();
    let began = Instant::now();
    let id = ada.propose(&entity, bomb).await;
    let (code, _) = ada.refused(id).await;
    let took = began.elapsed().as_secs_f64() * 1e3;
    let more = site.held_mib() - before;
    site.restart();
    let began = Instant::now();
    site.client().await.replica("note/flags").await;
    println!(
        "1,000 changes of 10,000 operations in {bytes} bytes: {code} in {took:.0} ms {}, {more:+.0} MiB {}, \
         and loaded in {} ms",
        aim(took, 250.0),
        aim(more, 16.0),
        began.elapsed().as_millis()
    );
}

async fn creations() {
    let site = Site::start();
    let until = Instant::now() + CREATING;
    let http = Http::to(&site.server.authority, None);
    let create = async || {
        let (mut made, mut early) = (0, 0);
        while Instant::now() < until {
            match http
                .post("/api/note", json!({ "title": "spam" }))
                .await
                .status
            {
                201 => made += 1,
                429 => early += 1,
                other => panic!("{other}"),
            }
        }
        (made, early)
    };
    let all = join_all((0..CREATORS).map(|_| create())).await;
    let made: usize = all.iter().map(|(made, _)| made).sum();
    let early: usize = all.iter().map(|(_, early)| early).sum();
    println!(
        "creations without a name in {} s: {made} made {}, {early} came too early",
        CREATING.as_secs(),
        // What may be made in a minute, and again what comes due meanwhile.
        aim(made as f64, 700.0)
    );
}

async fn announced_bodies() {
    let site = Site::start();
    let mut announced = Vec::new();
    for _ in 0..2 {
        let host = &site.server.authority;
        let mut stream = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "POST /api/note HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            16 << 20
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.read_u8().await.unwrap();
        announced.push(stream);
    }
    let began = Instant::now();
    let made = site
        .editor()
        .post("/api/note", json!({ "title": "Ada" }))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let took = began.elapsed().as_secs_f64() * 1e3;
    println!(
        "beside two announced bodies of 16 MiB, a write takes {took:.0} ms {}",
        aim(took, 250.0)
    );
}

/// Sends all of it.
pub(super) async fn list() {
    long_titles().await;
    weightless_operations().await;
    creations().await;
    announced_bodies().await;
}
