//! The shapes of requests whose price is looked for, each with two sizes.

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use automerge::ROOT;
use automerge::transaction::Transactable;
use indelible_engine::protocol::Mode;
use serde_json::{Value, json};

use super::super::harness::{self, Client, Http};
use super::super::process::Process;
use super::Load;

const SCHEMA: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "things", "read": ["public"], "create": ["editor"],
                     "edit": ["editor"], "delete": ["editor"] },
    "properties": {
        "name": { "type": "string" },
        "text": { "type": "string", "x-indelible": { "merge": "text" } },
        "list": { "type": "array", "items": { "type": "integer" } },
        "code": { "type": "string", "pattern": "^([a-z]+ ?)*$" },
        "map": { "type": "object", "additionalProperties": { "type": "integer" } },
        "items": {
            "type": "array", "x-indelible": { "merge": "keyed" },
            "items": {
                "type": "object",
                "properties": { "id": { "type": "string" }, "a": { "type": "integer" } }
            }
        }
    }
}"#;

/// A server, and somebody who asks it.
pub(crate) struct Ground {
    data: tempfile::TempDir,
    schema: tempfile::TempDir,
    server: Process,
    http: Http,
    made: usize,
}

impl Ground {
    pub(super) fn start() -> Self {
        let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(schema.path().join("things.json"), SCHEMA).unwrap();
        let server = Process::start(data.path(), schema.path());
        let http = Http::to(&server.authority, Some(token(&data)));
        Self {
            data,
            schema,
            server,
            http,
            made: 0,
        }
    }

    pub(super) fn process(&self) -> u32 {
        self.server.id()
    }

    /// Kills the server and starts it again: nothing is in memory then.
    fn restart(&mut self) {
        self.server.kill();
        self.server = Process::start(self.data.path(), self.schema.path());
        self.http = Http::to(&self.server.authority, Some(token(&self.data)));
    }

    fn path(&mut self) -> String {
        self.made += 1;
        format!("/api/things/{}", self.made)
    }

    /// A new entity with this value: its path and version.
    async fn create(&mut self, value: &Value) -> (String, String) {
        let path = self.path();
        let create = format!("/api/things?id={}", self.made);
        let answer = self.http.post(&create, value.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let version = answer.body["version"].as_str().unwrap().to_owned();
        (path, version)
    }

    async fn connect(&self) -> Client {
        harness::connect_to(&self.server.authority, Some(token(&self.data))).await
    }
}

fn token(data: &tempfile::TempDir) -> String {
    let day = Duration::from_secs(24 * 3600);
    harness::token(data.path(), "ada", &["editor"], day)
}

/// A request that is ready to be sent.
pub(super) enum Request {
    Http {
        method: &'static str,
        path: String,
        body: Option<String>,
        loads: Load,
        operations: usize,
    },
    /// Changes to the entity at a path.
    Propose {
        client: Box<Client>,
        entity: String,
        changes: Vec<Vec<u8>>,
        operations: usize,
        loads: Load,
    },
    /// A replica joins.
    Join { entity: String, loads: Load },
}

impl Request {
    /// Sends it, and waits for its end; what it brought and what had to be at hand.
    pub(super) async fn send(self, ground: &mut Ground) -> Load {
        let (brought, loads) = match self {
            Self::Http {
                method,
                path,
                body,
                loads,
                operations,
            } => {
                let bytes = body.as_ref().map_or(0, String::len);
                let (status, _) = ground.http.send_blindly(method, &path, body).await;
                assert!(status < 300, "{method} {path}: {status}");
                (Load { operations, bytes }, loads)
            }
            Self::Propose {
                mut client,
                entity,
                changes,
                operations,
                loads,
            } => {
                let bytes = changes.iter().map(Vec::len).sum();
                let id = client.propose(&entity.parse().unwrap(), changes).await;
                client.admitted(id).await;
                (Load { operations, bytes }, loads)
            }
            Self::Join { entity, loads } => {
                let mut client = ground.connect().await;
                client.open(&entity.parse().unwrap(), Mode::Replica).await;
                client.next().await;
                client.next().await;
                (Load::default(), loads)
            }
        };
        Load {
            operations: brought.operations + loads.operations,
            bytes: brought.bytes + loads.bytes,
        }
    }
}

fn http(method: &'static str, path: String, body: &Value, loads: &Value) -> Request {
    let loads = Load {
        operations: operations(loads),
        bytes: loads.to_string().len(),
    };
    Request::Http {
        method,
        path,
        operations: operations(body),
        body: (!body.is_null()).then(|| body.to_string()),
        loads,
    }
}

/// About the operations that make a value: one for each element, character or field.
fn operations(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Array(items) => items.len() + items.iter().map(operations).sum::<usize>(),
        Value::Object(map) => {
            let text = map.get("text").and_then(Value::as_str);
            let inner: usize = map.values().map(operations).sum();
            map.len() + inner + text.map_or(0, |text| text.chars().count())
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

type Prepared<'a> = Pin<Box<dyn Future<Output = Request> + 'a>>;

/// One shape of requests.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) start: [usize; 2],
    pub(super) least: [usize; 2],
    pub(super) most: [usize; 2],
    pub(super) prepare: for<'a> fn(&'a mut Ground, [usize; 2]) -> Prepared<'a>,
}

/// A text of so many characters that repeats itself after a while, or hardly ever.
fn text(length: usize, period: usize) -> String {
    let period = period.max(1);
    let letter = |n: usize| {
        let n = (n % period).wrapping_mul(2_654_435_761) >> 7;
        char::from(b'a' + (n % 26) as u8)
    };
    (0..length).map(letter).collect()
}

fn keyed(ids: impl Iterator<Item = usize>, a: usize) -> Value {
    let items = ids.map(|id| json!({ "id": format!("i{id}"), "a": a }));
    json!({ "items": items.collect::<Vec<_>>() })
}

macro_rules! shape {
    ($name:literal, $start:expr, $least:expr, $most:expr, $prepare:expr) => {
        Shape {
            name: $name,
            start: $start,
            least: $least,
            most: $most,
            prepare: |ground, at| Box::pin(async move { $prepare(ground, at).await }),
        }
    };
}

pub(super) const SHAPES: &[Shape] = &[
    shape!(
        "POST a list",
        [20_000, 1],
        [1_000, 1],
        [900_000, 1_000_000],
        post_list
    ),
    shape!(
        "POST a text",
        [20_000, 26],
        [1_000, 1],
        [900_000, 900_000],
        post_text
    ),
    shape!(
        "POST a keyed list",
        [2_000, 1],
        [100, 1],
        [60_000, 1],
        post_keyed
    ),
    shape!(
        "POST an open map",
        [2_000, 4],
        [100, 4],
        [100_000, 64],
        post_map
    ),
    shape!(
        "POST a string with a pattern",
        [50_000, 26],
        [1_000, 1],
        [7_000_000, 1_000],
        post_code
    ),
    shape!(
        "PUT a list in another order",
        [10_000, 2],
        [500, 1],
        [400_000, 4_096],
        put_list
    ),
    shape!(
        "PUT a keyed list in another order",
        [2_000, 2],
        [100, 1],
        [40_000, 4_096],
        put_keyed
    ),
    shape!(
        "PUT a keyed list unchanged",
        [4_000, 1],
        [100, 1],
        [40_000, 1],
        put_keyed_same
    ),
    shape!(
        "PUT a text changed all over",
        [10_000, 8],
        [500, 1],
        [400_000, 4_096],
        put_text
    ),
    shape!(
        "PUT ?base= of a text changed since",
        [10_000, 8],
        [500, 1],
        [400_000, 4_096],
        put_base
    ),
    shape!(
        "PUT one item where all were deleted",
        [4_000, 1],
        [100, 1],
        [40_000, 1],
        put_after
    ),
    shape!(
        "GET a page, cold",
        [100, 1_000],
        [1, 1],
        [1_000, 8_000],
        get_page
    ),
    shape!(
        "GET one of many changes, cold",
        [500, 1],
        [10, 1],
        [4_000, 16],
        get_cold
    ),
    shape!(
        "a replica joins one of many changes, cold",
        [500, 1],
        [10, 1],
        [4_000, 16],
        join_cold
    ),
    shape!(
        "propose many changes",
        [100, 4],
        [1, 1],
        [1_000, 1_000],
        propose
    ),
    shape!(
        "propose what joins a long history",
        [2, 2_000],
        [1, 10],
        [1_000, 8_000],
        propose_late
    ),
];

async fn post(ground: &mut Ground, value: Value) -> Request {
    let path = ground.path();
    let id = path.rsplit('/').next().unwrap();
    http("POST", format!("/api/things?id={id}"), &value, &Value::Null)
}

async fn post_list(ground: &mut Ground, [length, step]: [usize; 2]) -> Request {
    let list: Vec<usize> = (0..length).map(|n| n.wrapping_mul(step)).collect();
    post(ground, json!({ "list": list })).await
}

async fn post_text(ground: &mut Ground, [length, period]: [usize; 2]) -> Request {
    post(ground, json!({ "text": text(length, period) })).await
}

async fn post_keyed(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    post(ground, keyed(0..length, a)).await
}

async fn post_map(ground: &mut Ground, [length, width]: [usize; 2]) -> Request {
    let entry = |n: usize| (format!("{n:0width$}"), Value::from(n));
    let map: serde_json::Map<String, Value> = (0..length).map(entry).collect();
    post(ground, json!({ "map": map })).await
}

async fn post_code(ground: &mut Ground, [length, period]: [usize; 2]) -> Request {
    post(ground, json!({ "code": text(length, period) })).await
}

/// Every block of so many is turned round.
fn turned(length: usize, block: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..length).collect();
    let blocks = all.chunks(block.max(2));
    blocks
        .flat_map(|block| block.iter().rev().copied())
        .collect()
}

async fn put_list(ground: &mut Ground, [length, block]: [usize; 2]) -> Request {
    let before = json!({ "list": (0..length).collect::<Vec<_>>() });
    let (path, _) = ground.create(&before).await;
    http(
        "PUT",
        path,
        &json!({ "list": turned(length, block) }),
        &before,
    )
}

async fn put_keyed(ground: &mut Ground, [length, block]: [usize; 2]) -> Request {
    let before = keyed(0..length, 1);
    let (path, _) = ground.create(&before).await;
    let after = keyed(turned(length, block).into_iter(), 1);
    http("PUT", path, &after, &before)
}

async fn put_keyed_same(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let before = keyed(0..length, a);
    let (path, _) = ground.create(&before).await;
    http("PUT", path, &before, &before)
}

/// A text with every so-manieth character replaced.
fn changed(before: &str, every: usize, by: char) -> String {
    let replace = |(n, letter): (usize, char)| if n % every.max(1) == 0 { by } else { letter };
    before.chars().enumerate().map(replace).collect()
}

async fn put_text(ground: &mut Ground, [length, every]: [usize; 2]) -> Request {
    let before = text(length, length);
    let value = json!({ "text": before });
    let (path, _) = ground.create(&value).await;
    http(
        "PUT",
        path,
        &json!({ "text": changed(&before, every, 'X') }),
        &value,
    )
}

async fn put_base(ground: &mut Ground, [length, every]: [usize; 2]) -> Request {
    let before = text(length, length);
    let value = json!({ "text": before });
    let (path, version) = ground.create(&value).await;
    let since = json!({ "text": changed(&before, every + 1, 'Y') });
    assert_eq!(ground.http.put(&path, since).await.status, 200);
    let path = format!("{path}?base={version}");
    http(
        "PUT",
        path,
        &json!({ "text": changed(&before, every, 'X') }),
        &value,
    )
}

async fn put_after(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let before = keyed(0..length, a);
    let (path, _) = ground.create(&before).await;
    let none = json!({ "items": [] });
    assert_eq!(ground.http.put(&path, none).await.status, 200);
    http("PUT", path, &keyed(0..1, a), &before)
}

async fn get_page(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let value = json!({ "name": text(length, length) });
    // Others were made before; a page holds those that come first.
    while ground.made < count {
        ground.create(&value).await;
    }
    ground.restart();
    let page = format!("/api/things?limit={count}");
    let all = Value::Array(vec![value; count]);
    http("GET", page, &Value::Null, &all)
}

/// An entity with so many entries, each of so many edits; gives its name.
async fn long(ground: &mut Ground, [entries, edits]: [usize; 2]) -> String {
    let (path, _) = ground.create(&json!({ "name": "" })).await;
    let entity = path.trim_start_matches("/api/").to_owned();
    let mut client = ground.connect().await;
    let mut replica = client.replica(&entity).await;
    for n in 0..entries {
        let edit = |m: usize| format!("{n} {m}");
        let changes = (0..edits).map(|m| replica.put("name", &edit(m))).collect();
        client.write(&mut replica, changes).await;
    }
    ground.restart();
    entity
}

/// About what a small change takes.
const CHANGE_BYTES: usize = 150;

async fn get_cold(ground: &mut Ground, at: [usize; 2]) -> Request {
    let entity = long(ground, at).await;
    let changes = at[0] * at[1];
    Request::Http {
        method: "GET",
        path: format!("/api/{entity}"),
        body: None,
        operations: 0,
        loads: Load {
            operations: changes,
            bytes: changes * CHANGE_BYTES,
        },
    }
}

async fn join_cold(ground: &mut Ground, at: [usize; 2]) -> Request {
    let entity = long(ground, at).await;
    let changes = at[0] * at[1];
    let loads = Load {
        operations: changes,
        bytes: changes * CHANGE_BYTES,
    };
    Request::Join { entity, loads }
}

async fn changes_of(ground: &mut Ground, before: Value, [count, width]: [usize; 2]) -> Request {
    let (path, _) = ground.create(&before).await;
    let entity = path.trim_start_matches("/api/").to_owned();
    let mut maker = ground.connect().await;
    let mut replica = maker.replica(&entity).await;
    let list = replica.object("list");
    let make = |n: usize| {
        replica.change(|doc| {
            for m in 0..width {
                let element = i64::try_from(n * width + m).unwrap();
                doc.insert(&list, 0, element).unwrap();
            }
            doc.put(ROOT, "name", n.to_string()).unwrap();
        })
    };
    let changes = (0..count).map(make).collect();
    let client = Box::new(ground.connect().await);
    Request::Propose {
        client,
        entity,
        changes,
        operations: count * (width + 1),
        loads: Load {
            operations: operations(&before),
            bytes: before.to_string().len(),
        },
    }
}

async fn propose(ground: &mut Ground, [count, width]: [usize; 2]) -> Request {
    let width = width.min(200_000 / count.max(1)).max(1);
    changes_of(ground, json!({ "list": [] }), [count, width]).await
}

async fn propose_late(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let before = json!({ "list": (0..length * 10).collect::<Vec<_>>() });
    changes_of(ground, before, [count, 1]).await
}
