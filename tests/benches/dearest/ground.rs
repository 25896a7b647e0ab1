//! A server, and requests to it that are ready to be sent.

use std::fs;
use std::time::Duration;

use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::{Value, json};

use super::super::harness::{self, Client, Http, Replica};
use super::super::process::Process;
use super::load::{Load, of, operations};

const SCHEMA: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "things", "read": ["public"], "create": ["editor"],
                     "edit": ["editor"], "delete": ["editor"], "history": ["editor"] },
    "properties": {
        "name": { "type": "string" },
        "secret": { "type": "string", "x-indelible": { "write": ["admin"] } },
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
pub(super) struct Ground {
    data: tempfile::TempDir,
    schema: tempfile::TempDir,
    server: Process,
    pub(super) http: Http,
    pub(super) made: usize,
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
    pub(super) fn restart(&mut self) {
        self.server.kill();
        self.server = Process::start(self.data.path(), self.schema.path());
        self.http = Http::to(&self.server.authority, Some(token(&self.data)));
    }

    pub(super) fn path(&mut self) -> String {
        self.made += 1;
        format!("/api/things/{}", self.made)
    }

    /// A new entity with this value: its path and version.
    pub(super) async fn create(&mut self, value: &Value) -> (String, String) {
        let path = self.path();
        let create = format!("/api/things?id={}", self.made);
        let answer = self.http.post(&create, value.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let version = answer.body["version"].as_str().unwrap().to_owned();
        (path, version)
    }

    /// A connection that has said nothing yet.
    pub(super) async fn raw(&self) -> Client {
        let connected = Client::raw(&self.server.authority, None).await;
        connected.unwrap()
    }

    pub(super) fn token(&self) -> String {
        token(&self.data)
    }

    /// Makes so many entities with this value, unless they are there, and forgets them from memory.
    pub(super) async fn populate(&mut self, count: usize, value: &Value) {
        while self.made < count {
            self.create(value).await;
        }
        self.restart();
    }

    pub(super) async fn connect(&self) -> Client {
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
        headers: Vec<(&'static str, &'static str)>,
        body: Option<String>,
        loads: Load,
        operations: usize,
    },
    Frame {
        client: Box<Client>,
        /// One, and what makes the server answer where it has no answer of its own.
        frames: Vec<ClientFrame>,
        /// Whether an answer is the last one.
        is_last: fn(&ServerFrame) -> bool,
        /// What the frame brings, and what it must load.
        load: Load,
        /// Who follows what it changes.
        followers: Vec<Client>,
    },
}

impl Request {
    /// Sends it, and waits for its end: what it brought and what had to be at hand, and whether it
    /// was taken.
    pub(super) async fn send(self, ground: &Ground) -> (Load, bool) {
        match self {
            Self::Http {
                method,
                path,
                headers,
                body,
                loads,
                operations,
            } => {
                let bytes = body.as_ref().map_or(0, String::len);
                let answer = ground.http.send_text(method, &path, &headers, body);
                let is_taken = answer.await.status < 400;
                (Load { operations, bytes } + loads, is_taken)
            }
            Self::Frame {
                mut client,
                frames,
                is_last,
                load,
                followers: _followers,
            } => {
                for frame in &frames {
                    client.send(frame).await;
                }
                loop {
                    let answer = client.next().await;
                    let is_refused = matches!(
                        answer,
                        ServerFrame::Refused { .. } | ServerFrame::Error { .. }
                    );
                    if is_refused || is_last(&answer) {
                        return (load, !is_refused);
                    }
                }
            }
        }
    }
}

/// A request over HTTP with a body, or none where that is null.
pub(super) fn http(method: &'static str, path: String, body: &Value, loads: &Value) -> Request {
    Request::Http {
        method,
        path,
        headers: Vec::new(),
        operations: operations(body),
        body: (!body.is_null()).then(|| body.to_string()),
        loads: of(loads),
    }
}

/// A text of so many characters that repeats itself after a while, or hardly ever.
pub(super) fn text(length: usize, period: usize) -> String {
    let period = period.max(1);
    let letter = |n: usize| {
        let n = (n % period).wrapping_mul(2_654_435_761) >> 7;
        char::from(b'a' + (n % 26) as u8)
    };
    (0..length).map(letter).collect()
}

pub(super) fn keyed(ids: impl Iterator<Item = usize>, a: usize) -> Value {
    let items = ids.map(|id| json!({ "id": format!("i{id}"), "a": a }));
    json!({ "items": items.collect::<Vec<_>>() })
}

/// An entity with so many entries, each of so many edits; gives its name.
pub(super) async fn long(ground: &mut Ground, [entries, edits]: [usize; 2]) -> String {
    let (path, _) = ground.create(&json!({ "name": "" })).await;
    let entity = path.trim_start_matches("/api/").to_owned();
    let mut client = ground.connect().await;
    let mut replica = client.replica(&entity).await;
    lengthen(&mut client, &mut replica, [entries, edits]).await;
    entity
}

/// Writes so many entries more, each of so many edits.
pub(super) async fn lengthen(
    client: &mut Client,
    replica: &mut Replica,
    [entries, edits]: [usize; 2],
) {
    for n in 0..entries {
        let edit = |m: usize| format!("{n} {m}");
        let changes = (0..edits).map(|m| replica.put("name", &edit(m))).collect();
        let id = client.propose(&replica.entity, changes).await;
        // Its own entries come before.
        while !matches!(client.next().await, ServerFrame::Admitted { id: of, .. } if of == id) {}
    }
}
