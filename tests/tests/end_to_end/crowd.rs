//! A server that many are asking for as much work as one request can make, and those beside them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{self, Http};
use super::process::Process;

const LISTS: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "lists", "read": ["public"], "create": ["editor"], "edit": ["editor"] },
    "properties": { "list": { "type": "array", "items": { "type": "integer" } } }
}"#;

const NOTES: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "notes", "read": ["public"], "create": ["editor"], "edit": ["editor"] },
    "properties": { "text": { "type": "string" } }
}"#;

/// The server, and what lies below it.
pub(crate) struct Crowd {
    data: tempfile::TempDir,
    _schema: tempfile::TempDir,
    pub(crate) process: Process,
}

impl Crowd {
    pub(crate) fn start() -> Self {
        let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, text) in [("lists.json", LISTS), ("notes.json", NOTES)] {
            fs::write(schema.path().join(name), text).unwrap();
        }
        let process = Process::start(data.path(), schema.path());
        Self {
            data,
            _schema: schema,
            process,
        }
    }

    pub(crate) fn http(&self, id: &str) -> Http {
        let day = Duration::from_secs(24 * 3600);
        let token = harness::token(self.data.path(), id, &["editor"], day);
        Http::to(&self.process.authority, Some(token))
    }
}

/// As many dear requests at once as make four for each processor.
pub(crate) fn many() -> usize {
    4 * thread::available_parallelism().map_or(1, usize::from)
}

/// A body that takes long to be read, merged, judged, stored and sent back.
pub(crate) fn dear(elements: usize) -> Value {
    json!({ "list": (0..elements).collect::<Vec<_>>() })
}

/// Somebody who has nothing to do with it: asks whether the server runs, reads a value and edits
/// it. How long each of these took.
pub(crate) async fn stand_by(http: &Http, turn: usize) -> [Duration; 3] {
    let began = Instant::now();
    assert_eq!(http.get("/healthz").await.status, 200);
    let alive = began.elapsed();
    let began = Instant::now();
    assert_eq!(http.get("/api/notes/beside").await.status, 200);
    let read = began.elapsed();
    let began = Instant::now();
    let body = json!({ "text": turn.to_string() });
    let answer = http.put("/api/notes/beside", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    [alive, read, began.elapsed()]
}
