//! A server, and requests to it that are ready to be sent.

use std::fs;
use std::path::Path;
use std::time::Duration;

use indelible_engine::id::{EntityId, Epoch, ProposalId, Seq};
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::{Value, json};

use super::super::harness::{self, Answer, Client, Http, Replica};
use super::super::process::Process;
use super::load::{Load, of, operations};

pub(crate) const SCHEMA: &str = r#"{
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

/// What the server said of a write, by which it is found again.
#[derive(Debug)]
pub(crate) enum Said {
    /// Its answer to a write over HTTP.
    Version { entity: EntityId, version: String },
    /// Its answer to a proposal.
    Admitted {
        entity: EntityId,
        epoch: Epoch,
        seq: Seq,
        id: ProposalId,
    },
    /// That an entity is deleted. Nothing was asked for that entity afterwards.
    Deleted(EntityId),
}

/// A server of one's own.
struct Own {
    data: tempfile::TempDir,
    schema: tempfile::TempDir,
    process: Process,
}

/// A server, and somebody who asks it.
pub(super) struct Ground {
    /// None where others use the server, too.
    own: Option<Own>,
    authority: String,
    token: String,
    http: Http,
    /// What the ids of one's entities begin with.
    prefix: String,
    pub(super) made: usize,
    /// How many of these, from the first on, were deleted again.
    gone: usize,
    said: Vec<Said>,
}

impl Ground {
    pub(super) fn start() -> Self {
        let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(schema.path().join("things.json"), SCHEMA).unwrap();
        let process = Process::start(data.path(), schema.path());
        let mut ground = Self::beside(&process.authority, data.path(), "ada");
        ground.prefix.clear();
        ground.own = Some(Own {
            data,
            schema,
            process,
        });
        ground
    }

    /// At a server that others use, too, whose schemas contain [`SCHEMA`].
    pub(super) fn beside(authority: &str, data: &Path, who: &str) -> Self {
        let day = Duration::from_secs(24 * 3600);
        let token = harness::token(data, who, &["editor"], day);
        Self {
            own: None,
            authority: authority.to_owned(),
            http: Http::to(authority, Some(token.clone())),
            token,
            prefix: format!("{who}-"),
            made: 0,
            gone: 0,
            said: Vec::new(),
        }
    }

    /// The process of a server of one's own.
    pub(super) fn process(&self) -> u32 {
        let own = self.own.as_ref().expect("only one's own is measured");
        own.process.id()
    }

    /// Kills a server of one's own and starts it again: nothing is in memory then.
    pub(super) fn restart(&mut self) {
        let Some(own) = &mut self.own else { return };
        own.process.kill();
        own.process = Process::start(own.data.path(), own.schema.path());
        self.authority.clone_from(&own.process.authority);
        self.http = Http::to(&self.authority, Some(self.token.clone()));
    }

    /// The id of the entity that was made as that number.
    pub(super) fn id(&self, number: usize) -> String {
        format!("{}{number}", self.prefix)
    }

    /// The id for a new entity.
    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        self.id(self.made)
    }

    /// A new entity with this value: its path and version.
    pub(super) async fn create(&mut self, value: &Value) -> (String, String) {
        let id = self.new_id();
        let create = format!("/api/things?id={id}");
        let answer = self.must("POST", &create, Some(value)).await;
        let version = answer.body["version"].as_str().unwrap().to_owned();
        (format!("/api/things/{id}"), version)
    }

    /// Asks for what has to be done, again where the server has too much to do.
    pub(super) async fn must(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let headers: &[_] = match method {
            "DELETE" => &[("if-match", "*")],
            _ => &[],
        };
        loop {
            let body = body.map(Value::to_string);
            let answer = self.http.send_text(method, path, headers, body).await;
            match answer.status {
                200..300 => {
                    self.note(method, path, &answer);
                    return answer;
                }
                429 | 503 => tokio::time::sleep(BUSY_PAUSE).await,
                _ => panic!("{method} {path}: {} {}", answer.status, answer.body),
            }
        }
    }

    /// Notes what was said of a write over HTTP.
    fn note(&mut self, method: &str, path: &str, answer: &Answer) {
        let (name, query) = path.split_once('?').unwrap_or((path, ""));
        let name = name.trim_start_matches("/api/");
        let name = name.trim_end_matches("/undelete");
        let name = match query.strip_prefix("id=") {
            Some(id) => format!("{name}/{id}"),
            None => name.to_owned(),
        };
        let version = answer.body["version"].as_str();
        if let (Ok(entity), Some(version), true) = (name.parse(), version, method != "GET") {
            let version = version.to_owned();
            self.said.push(Said::Version { entity, version });
        }
    }

    /// What was said of the writes since this was asked for.
    pub(super) fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// A connection that has said nothing yet.
    pub(super) async fn raw(&self) -> Client {
        Client::raw(&self.authority, None).await.unwrap()
    }

    pub(super) fn token(&self) -> String {
        self.token.clone()
    }

    /// How many entities there are.
    pub(super) fn there(&self) -> usize {
        self.made - self.gone
    }

    /// Makes so many entities with this value, unless they are there, and forgets them from memory.
    pub(super) async fn populate(&mut self, count: usize, value: &Value) {
        while self.there() < count {
            self.create(value).await;
        }
        self.restart();
    }

    /// Deletes all that was made.
    pub(super) async fn clear(&mut self) {
        for number in self.gone + 1..=self.made {
            let path = format!("/api/things/{}", self.id(number));
            // What is sought may have been to delete it.
            if self.http.get(&path).await.status != 404 {
                self.must("DELETE", &path, None).await;
                let entity = path.trim_start_matches("/api/").parse().unwrap();
                self.said.push(Said::Deleted(entity));
            }
        }
        self.gone = self.made;
    }

    pub(super) async fn connect(&self) -> Client {
        harness::connect_to(&self.authority, Some(self.token())).await
    }
}

/// How long a client waits after the answer that the server is busy.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

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

/// An entity that a request writes.
pub(super) struct Written {
    /// Its name.
    pub(super) entity: String,
    /// Whether it is there before.
    pub(super) is_there: bool,
}

impl Request {
    /// What it writes, if it is a body over HTTP.
    pub(super) fn written(&self) -> Option<Written> {
        let Self::Http {
            method,
            path,
            body: Some(_),
            ..
        } = self
        else {
            return None;
        };
        let path = path.trim_start_matches("/api/");
        Some(Written {
            entity: match path.split_once("?id=") {
                Some((kind, id)) => format!("{kind}/{id}"),
                None => path.split('?').next()?.to_owned(),
            },
            is_there: *method == "PUT",
        })
    }

    /// Sends it, and waits for its end: what it brought and what had to be at hand, and whether it
    /// was taken.
    pub(super) async fn send(self, ground: &mut Ground) -> (Load, bool) {
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
                let answer = answer.await;
                ground.note(method, &path, &answer);
                (Load { operations, bytes } + loads, answer.status < 400)
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
                    ground.said.extend(admission(&answer));
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

/// What an answer to a proposal says, where it was admitted.
fn admission(answer: &ServerFrame) -> Option<Said> {
    let ServerFrame::Admitted {
        id,
        entity,
        epoch,
        seq,
    } = answer
    else {
        return None;
    };
    Some(Said::Admitted {
        entity: entity.clone(),
        epoch: *epoch,
        seq: *seq,
        id: *id,
    })
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
        client.propose(&replica.entity, changes).await;
        loop {
            match client.next().await {
                ServerFrame::Admitted { .. } => break,
                // Its own entries come before.
                ServerFrame::Entries { .. } => {}
                other => panic!("not admitted: {other:?}"),
            }
        }
    }
}
