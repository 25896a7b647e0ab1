//! Guards against answers that rest on what is not on disk: after a commit failed, another write of
//! its batch answered as saved, as not found, as taken or as refused for good; refusals of which
//! nothing is left where the disk is full; an entity that is served as it was before a commit of
//! which it is unknown whether it happened.

mod crowded;
mod epochs;
mod kept;
mod together;

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use indelible_engine::id::{ProposalId, SessionId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{self, MergeOptions, Protected};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::ServerFrame;
use indelible_engine::schema::{self, SchemaSource};
use indelible_engine::time::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::super::answer::{self, Answer, InFlight};
use super::super::loading;
use super::super::writes::{Merging, Precondition, Task, WriterSession};
use super::*;
use crate::commit::{CommitThread, Health};
use crate::config::{BudgetSettings, CommitSettings, RateSettings, RelaySettings};
use crate::context::Parts;
use crate::directory::Directory;
use crate::keys::Keys;
use crate::memory::Memory;
use crate::outbox::Outbox;
use crate::policy_archive;
use crate::room::Room;
use crate::storage::faulty::{Fault, Faulty};

const SCHEMA: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "team", "read": ["public"], "create": ["editor"],
                     "edit": ["editor"], "delete": ["editor"] },
    "additionalProperties": false,
    "properties": {
        "name": { "type": "string", "maxLength": 10 },
        "bio": { "type": "string" },
        "state": { "type": "string", "default": "open" },
        "visits": { "type": "integer", "x-indelible": { "merge": "counter" } }
    }
}"#;

/// Who reads.
fn ada() -> Principal {
    Principal::new("ada", ["editor"])
}

struct Fixture {
    _dir: TempDir,
    store: Arc<Faulty>,
    directory: Directory,
    thread: CommitThread,
    writes: u64,
}

/// What came of a write, in a word.
fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Written(_) => "written".to_owned(),
        Outcome::Unchanged(_) => "unchanged".to_owned(),
        Outcome::Refused(refusal) => refusal.code.to_string(),
        Outcome::Failed(error) => error.code().to_owned(),
    }
}

impl Fixture {
    fn new() -> Self {
        Self::with(BudgetSettings::default())
    }

    fn with(budgets: BudgetSettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Faulty::open(dir.path()));
        let source = SchemaSource::new("team.json", SCHEMA);
        let policies = schema::compile_all(&[source]).unwrap();
        let known = policy_archive::keep(&*store, &policies).unwrap();
        let shared: Arc<dyn crate::storage::Store> = Arc::<Faulty>::clone(&store);
        let thread = CommitThread::start(shared.clone(), &CommitSettings::default()).unwrap();
        let context = Context::new(Parts {
            policies,
            known,
            limits: Limits::default(),
            settings: RelaySettings::default(),
            budgets,
            rates: RateSettings::default(),
            store: shared,
            commit: thread.handle(),
            keys: Keys::open_or_create(dir.path()).unwrap(),
            room: Room::new(1 << 20, 1 << 20),
            memory: Memory::new(usize::MAX),
        });
        let directory = Directory::new(context);
        Self {
            _dir: dir,
            store,
            directory,
            thread,
            writes: 0,
        }
    }

    /// A write under an id of its own.
    fn write(&mut self, author: &str, task: Task) -> Asked {
        self.writes += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.writes.to_be_bytes());
        Asked {
            id: ProposalId(id),
            author: Principal::new(author, ["editor"]),
            task,
        }
    }

    /// Asks for all at once: on the test's one thread, all wait before the first is judged.
    async fn ask(&self, entity: &str, asked: Vec<Asked>) -> Vec<String> {
        let entity: EntityId = entity.parse().unwrap();
        let outcomes = asked.into_iter().map(|Asked { id, author, task }| {
            self.directory.write(&entity, move |reply| Write {
                id,
                author,
                session: None,
                address: None,
                task,
                answer: Answer::Waiting(reply),
            })
        });
        join_all(outcomes).await.iter().map(said).collect()
    }

    /// The same over a socket.
    async fn propose(&self, entity: &str, asked: Vec<Asked>) -> Vec<String> {
        let entity: EntityId = entity.parse().unwrap();
        let outbox = Arc::new(Outbox::new(
            1 << 20,
            Memory::new(usize::MAX).consumer("ada"),
        ));
        let places = Arc::new(Semaphore::new(asked.len()));
        let count = asked.len();
        for Asked { id, author, task } in asked {
            let in_flight = InFlight {
                place: Arc::clone(&places).acquire_owned().await.unwrap(),
                room: self.directory.context().room.of(""),
            };
            let write = Write {
                id,
                author,
                session: None,
                address: None,
                task,
                answer: Answer::Socket {
                    outbox: Arc::clone(&outbox),
                    in_flight,
                },
            };
            let message = Message::Write(Box::new(write));
            self.directory.send(&entity, message).await;
        }
        // Each is answered when its place is free again.
        let all = places.acquire_many(count.try_into().unwrap()).await;
        drop(all.unwrap());
        let frames = std::iter::from_fn(|| outbox.pop(usize::MAX).map(|frame| frame.bytes));
        let codes = frames.map(|frame| match ServerFrame::decode(&frame).unwrap() {
            ServerFrame::Admitted { .. } => "written".to_owned(),
            ServerFrame::Refused { code, .. } | ServerFrame::Error { code, .. } => code,
            other => panic!("{other:?}"),
        });
        codes.collect()
    }

    /// The same for one write, in a session that has ended in the meantime or has not.
    async fn write_until(&self, asked: Asked, end: Timestamp) -> String {
        let session = WriterSession::new(SessionId([0; 16]), 0);
        session.ends_at(end);
        let Asked { id, author, task } = asked;
        let entity = "team/ada".parse().unwrap();
        let outcome = self.directory.write(&entity, move |reply| Write {
            id,
            author,
            session: Some(Arc::new(session)),
            address: None,
            task,
            answer: Answer::Waiting(reply),
        });
        said(&outcome.await)
    }

    async fn name(&self, entity: &str) -> Option<String> {
        let entity = entity.parse().unwrap();
        let present = self.directory.present(&entity, &ada()).await.unwrap()?;
        Some(present.value["name"].as_str().unwrap().to_owned())
    }
}

struct Asked {
    id: ProposalId,
    author: Principal,
    task: Task,
}

impl Asked {
    fn again(&self) -> Self {
        let task = match &self.task {
            Task::Propose {
                epoch,
                changes,
                whole,
            } => Task::Propose {
                epoch: *epoch,
                changes: changes.clone(),
                whole: *whole,
            },
            Task::Create { value, claimed } => Task::Create {
                value: value.clone(),
                claimed: claimed.clone(),
            },
            Task::Merge(merging) => put(merging.body.clone()),
            Task::Delete { precondition } => Task::Delete {
                precondition: precondition.clone(),
            },
            Task::Undelete => Task::Undelete,
        };
        Self {
            id: self.id,
            author: self.author.clone(),
            task,
        }
    }
}

fn create(name: &str) -> Task {
    Task::Create {
        value: json!({ "name": name }),
        claimed: None,
    }
}

fn put(body: Value) -> Task {
    Task::Merge(Merging {
        body,
        protected: Protected::Refuse,
        preserve: Vec::new(),
        remove: Vec::new(),
        base: None,
        precondition: None,
        repeats: true,
    })
}

fn put_at(body: Value, version: &str) -> Task {
    let Task::Merge(mut merging) = put(body) else {
        unreachable!()
    };
    merging.precondition = Some(Precondition::AtVersion(vec![version.to_owned()]));
    Task::Merge(merging)
}

fn delete() -> Task {
    Task::Delete { precondition: None }
}

/// Writes to an entity that are judged together, the outcome of each, and the name afterwards.
type Together<'a> = (&'a str, Vec<Task>, Vec<&'a str>, Option<&'a str>);

#[tokio::test]
async fn what_waited_until_its_token_ended_is_not_written() {
    let mut fixture = Fixture::new();
    let now = crate::clock::now();
    let late = fixture.write("ada", create("Late"));
    assert_eq!(
        fixture.write_until(late, Timestamp(now.0 - 1)).await,
        "busy"
    );
    assert_eq!(fixture.name("team/ada").await, None);
    let good = fixture.write("ada", create("Ada"));
    let end = Timestamp(now.0 + 3_600_000);
    assert_eq!(fixture.write_until(good, end).await, "written");
    assert_eq!(fixture.name("team/ada").await.as_deref(), Some("Ada"));
}

#[tokio::test]
async fn what_rests_on_a_failed_commit_is_unavailable() {
    let mut world = Fixture::new();
    let first = world.write("ada", create("one"));
    assert_eq!(world.ask("team/a", vec![first]).await, ["written"]);
    let version = {
        let present = world
            .directory
            .present(&"team/a".parse().unwrap(), &ada())
            .await
            .unwrap();
        present.unwrap().version.clone()
    };
    let change = proposal(&world, "bob", json!({ "name": "theirs" }));
    let unavailable = "unavailable".to_owned();
    let two = || json!({ "name": "two" });
    let long = || json!({ "name": "longer than it may be" });
    // Each batch, its outcomes when the disk takes it, and the name afterwards.
    let batches: Vec<Together> = vec![
        // A value that is there already, which is to be remembered.
        (
            "team/a",
            vec![put(json!({ "name": "one" })), put(long())],
            vec!["unchanged", "policy"],
            Some("one"),
        ),
        // A value that is "there already".
        (
            "team/a",
            vec![put(two()), put(two())],
            vec!["written", "unchanged"],
            Some("two"),
        ),
        // A version that is over, and rules that are broken beside it.
        (
            "team/a",
            vec![
                put(json!({ "name": "three" })),
                put_at(two(), &version),
                put(long()),
            ],
            vec!["written", "precondition-failed", "policy"],
            Some("three"),
        ),
        // A name that is taken.
        (
            "team/b",
            vec![create("b"), create("c")],
            vec!["written", "exists"],
            Some("b"),
        ),
        // An entity that is not there, and changes to one that is deleted.
        (
            "team/a",
            vec![delete(), put(two()), change, delete()],
            vec!["written", "not-found", "not-found", "not-found"],
            None,
        ),
        // One that is there again.
        (
            "team/a",
            vec![Task::Undelete, Task::Undelete],
            vec!["written", "exists"],
            Some("three"),
        ),
    ];
    for (entity, tasks, expected, name) in batches {
        let asked: Vec<_> = tasks
            .into_iter()
            .zip(["ada", "bob", "cleo", "dan"])
            .map(|(task, author)| world.write(author, task))
            .collect();
        let before = world.name(entity).await;
        let again = |asked: &[Asked]| -> Vec<Asked> {
            asked
                .iter()
                .map(|asked| match &asked.task {
                    Task::Merge(merging) if merging.precondition.is_some() => Asked {
                        task: put_at(merging.body.clone(), &version),
                        ..asked.again()
                    },
                    _ => asked.again(),
                })
                .collect()
        };
        for full in [false, true] {
            if full {
                world.store.free_bytes.store(0, Ordering::Relaxed);
            } else {
                world.store.set(Fault::BeforeCommit);
            }
            let answers = match full {
                false => world.ask(entity, again(&asked)).await,
                true => world.propose(entity, again(&asked)).await,
            };
            assert_eq!(
                answers,
                vec![unavailable.clone(); asked.len()],
                "{expected:?}"
            );
            world.store.free_bytes.store(u64::MAX, Ordering::Relaxed);
            assert_eq!(world.name(entity).await, before);
        }
        // The same writes, under the same ids, once the disk takes them.
        assert_eq!(world.ask(entity, again(&asked)).await, expected);
        assert_eq!(world.name(entity).await.as_deref(), name);
    }
    world.directory.end().await;
    world.thread.stop().await;
}

/// Changes that a replica of `team/a` makes on its present state.
fn proposal(world: &Fixture, author: &str, body: Value) -> Task {
    let id = "team/a".parse().unwrap();
    let loaded = loading::load(&*world.store, &id, &*world.directory.context().known);
    let entity = loaded.unwrap().unwrap().entity;
    let author = Principal::new(author, ["editor"]);
    let actor = indelible_engine::change::server_actor(&id, entity.epoch(), "a replica");
    let options = MergeOptions::default();
    let merged = merge::merge(&entity, &author, &actor, &body, &options).unwrap();
    Task::Propose {
        epoch: entity.epoch(),
        changes: merged.changes,
        whole: false,
    }
}

#[tokio::test]
async fn a_refusal_that_cannot_be_recorded_is_answered_and_logged() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || lines.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let mut world = Fixture::new();
    let first = world.write("ada", create("one"));
    world.ask("team/a", vec![first]).await;
    world.store.free_bytes.store(0, Ordering::Relaxed);
    let before = world.store.heads_read.load(Ordering::Relaxed);
    let long = "longer than it may be";
    let bad = world.write("eve", put(json!({ "name": long })));
    assert_eq!(world.ask("team/a", vec![bad]).await, ["policy"]);
    let text = log.text();
    let line = text
        .lines()
        .find(|line| line.contains("could not be recorded"));
    let line = line.expect("the log has a line about it");
    for part in ["team/a", "eve", "policy", "/name", "maxLength"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!text.contains(long), "no values: {text}");
    // Nothing was tried, so there is nothing to be read back.
    assert_eq!(world.store.heads_read.load(Ordering::Relaxed), before);
    assert_eq!(
        world.thread.handle().health(),
        Health::ReadOnly { free_bytes: 0 }
    );
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn nothing_is_judged_or_shown_while_nobody_knows_what_was_written() {
    let mut world = Fixture::new();
    let first = world.write("ada", create("one"));
    world.ask("team/a", vec![first]).await;
    world.store.set(Fault::AfterCommit);
    world.store.reopens.store(false, Ordering::Relaxed);
    let two = world.write("ada", put(json!({ "name": "two" })));
    let one = world.write("bob", put(json!({ "name": "one" })));
    let bad = world.write("eve", put(json!({ "name": "longer than it may be" })));
    // The refusal comes first, and rests on nothing but what was on disk; but is it still?
    let asked = vec![bad.again(), two.again()];
    assert_eq!(
        world.ask("team/a", asked).await,
        ["unavailable", "unavailable"]
    );
    for _ in 0..2 {
        let asked = vec![one.again(), bad.again()];
        assert_eq!(
            world.ask("team/a", asked).await,
            ["unavailable", "unavailable"]
        );
        let (reply, loaded) = oneshot::channel();
        let id = "team/a".parse().unwrap();
        world
            .directory
            .send(
                &id,
                Message::Load {
                    asker: "ada".to_owned(),
                    reply,
                },
            )
            .await;
        assert_eq!(loaded.await.unwrap().err(), Some(WriteError::Storage));
    }
    world.store.reopens.store(true, Ordering::Relaxed);
    assert_eq!(world.thread.handle().check().await, Health::Ready);
    // It was written.
    let asked = vec![one, two.again(), bad];
    assert_eq!(
        world.ask("team/a", asked).await,
        ["written", "unchanged", "policy"]
    );
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn a_kind_is_not_complete_without_what_a_closed_store_holds() {
    let mut world = Fixture::new();
    let first = world.write("ada", create("one"));
    world.ask("team/a", vec![first]).await;
    world.store.set(Fault::AfterCommit);
    world.store.reopens.store(false, Ordering::Relaxed);
    let lost = world.write("ada", create("two"));
    assert_eq!(world.ask("team/b", vec![lost]).await, ["unavailable"]);
    let kind = "team/b".parse::<EntityId>().unwrap().kind().clone();
    let gathered = world.directory.gather(&kind, &ada()).await;
    assert_eq!(gathered.err(), Some(WriteError::Storage));
    let page = world
        .directory
        .page(&kind, None, (10, usize::MAX), &ada())
        .await;
    assert_eq!(page.err(), Some(WriteError::Storage));
    world.store.reopens.store(true, Ordering::Relaxed);
    assert_eq!(world.thread.handle().check().await, Health::Ready);
    let gathered = world.directory.gather(&kind, &ada()).await;
    assert_eq!(gathered.err(), None);
    let page = world
        .directory
        .page(&kind, None, (10, usize::MAX), &ada())
        .await
        .unwrap();
    let names: Vec<_> = page.iter().map(|one| one.entity.to_string()).collect();
    assert_eq!(names, ["team/a", "team/b"]);
    world.directory.end().await;
    world.thread.stop().await;
}

/// A refusal is for good; what was not judged is asked again.
#[test]
fn what_was_not_judged_is_no_refusal() {
    let (entity, id) = ("team/a".parse().unwrap(), ProposalId([7; 16]));
    for (error, expected) in [
        (WriteError::Busy, "busy"),
        (WriteError::Storage, "unavailable"),
    ] {
        let frame = answer::frame(&entity, id, &Outcome::Failed(error));
        match ServerFrame::decode(&frame).unwrap() {
            ServerFrame::Error {
                code,
                id: of,
                retry,
                ..
            } => {
                let told = (code.as_str(), of, retry);
                assert_eq!(told, (expected, Some(id), Some(1_000)));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
