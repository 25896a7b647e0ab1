//! A session and its server, and what the session reported to a program.

use indelible_client::{CallError, EditOptions, Event, Session, Status, SyncState};
use indelible_engine::limits::Limits;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_engine::splice::{self, Splice};
use indelible_engine::time::Timestamp;
use serde_json::{Value, json};

use crate::server::{Server, entity};

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const JANE: &str = "team/jane";

/// A session and its server, with what the session reported.
pub(crate) struct Pair {
    pub(crate) session: Session,
    pub(crate) server: Server,
    pub(crate) value: Value,
    pub(crate) revision: Option<u64>,
    pub(crate) events: Vec<Event>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(Server::new())
    }

    pub(crate) fn with(server: Server) -> Self {
        let session = Session::new([3; 32], "test");
        Self {
            session,
            server,
            value: Value::Null,
            revision: None,
            events: Vec::new(),
        }
    }

    pub(crate) fn opened() -> Self {
        let mut pair = Self::new();
        pair.session.open(JANE).expect("a good name");
        pair.connect();
        pair
    }

    pub(crate) fn connect(&mut self) {
        self.session.connecting();
        self.session.connected(Some("token".to_owned()));
        self.run();
    }

    pub(crate) fn sent(&mut self) -> Vec<ClientFrame> {
        std::iter::from_fn(|| self.session.poll_transmit(NOW))
            .map(|bytes| ClientFrame::decode(&bytes, &Limits::default()).expect("a frame"))
            .collect()
    }

    /// Lets both talk until neither has anything to say.
    pub(crate) fn run(&mut self) {
        loop {
            let frames = self.sent();
            if frames.is_empty() {
                break;
            }
            for frame in frames {
                for answer in self.server.answer(&frame) {
                    self.receive(&answer);
                }
            }
        }
        self.listen();
    }

    pub(crate) fn receive(&mut self, frame: &ServerFrame) {
        self.session
            .handle_frame(&frame.encode(), NOW)
            .expect("a frame");
    }

    pub(crate) fn listen(&mut self) {
        for event in self.session.poll_events() {
            match &event {
                Event::Value {
                    value, revision, ..
                } => {
                    self.value = value.clone();
                    self.revision = *revision;
                }
                Event::Patch {
                    patch, revision, ..
                } => {
                    patch_value(&mut self.value, patch);
                    self.revision = *revision;
                }
                _ => {}
            }
            self.events.push(event);
        }
    }

    pub(crate) fn edit(&mut self, body: &Value) -> Result<(), CallError> {
        let result = self
            .session
            .edit(JANE, &body.to_string(), &EditOptions::default(), NOW);
        self.listen();
        result.map(|_| ())
    }

    pub(crate) fn status(&self) -> Status {
        let of_jane = self.events.iter().rev().find_map(|event| match event {
            Event::Status {
                entity: Some(_),
                status,
            } => Some(status.clone()),
            _ => None,
        });
        of_jane.expect("a status was told")
    }

    pub(crate) fn state(&self) -> (SyncState, usize) {
        let status = self.status();
        (status.state, status.pending)
    }

    pub(crate) fn saved(&self) -> u64 {
        let saved = self.events.iter().filter_map(|event| match event {
            Event::Saved { edit, .. } => Some(*edit),
            _ => None,
        });
        saved.max().unwrap_or(0)
    }

    pub(crate) fn on_server(&self) -> Value {
        self.server.logs[&entity(JANE)].entity.presented()
    }

    pub(crate) fn entries_on_server(&self) -> usize {
        self.server.logs[&entity(JANE)].entries.len()
    }
}

/// Just enough of RFC 6902 for what the engine writes.
fn patch_value(value: &mut Value, patch: &Value) {
    for op in patch.as_array().expect("a patch is an array") {
        let path = op["path"].as_str().expect("a path");
        match op["op"].as_str() {
            Some("add" | "replace") => put(value, path, op["value"].clone(), op["op"] == "add"),
            Some("remove") => {
                take(value, path);
            }
            Some("move") => {
                let moved = take(value, op["from"].as_str().expect("a source"));
                put(value, path, moved, true);
            }
            Some("splice") => {
                let splice: Splice = serde_json::from_value(op.clone()).expect("a splice");
                let text = value.pointer_mut(path).expect("the text is there");
                let before = text.as_str().expect("a text");
                let after = splice::apply(before, &[splice]).expect("it fits the text");
                *text = json!(after);
            }
            other => panic!("operation {other:?}"),
        }
    }
}

fn parent<'a>(value: &'a mut Value, path: &str) -> (&'a mut Value, String) {
    let (parent, name) = path.rsplit_once('/').expect("no patch replaces the root");
    (
        value.pointer_mut(parent).expect("the parent is there"),
        name.to_owned(),
    )
}

fn put(value: &mut Value, path: &str, new: Value, insert: bool) {
    match parent(value, path) {
        (Value::Object(map), name) => {
            map.insert(name, new);
        }
        (Value::Array(list), index) if insert => list.insert(index.parse().expect("index"), new),
        (Value::Array(list), index) => list[index.parse::<usize>().expect("index")] = new,
        (other, _) => panic!("{other} holds nothing"),
    }
}

fn take(value: &mut Value, path: &str) -> Value {
    match parent(value, path) {
        (Value::Object(map), name) => map.remove(&name).expect("the member is there"),
        (Value::Array(list), index) => list.remove(index.parse().expect("index")),
        (other, _) => panic!("{other} holds nothing"),
    }
}
