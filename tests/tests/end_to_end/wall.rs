//! The wall: the hostile catalogue against the real server process, through its sockets.
//!
//! Guards against one client's input that harms the process, what is on disk, or anybody else's
//! edits, and against answers that tell what their reader may not know. What each case must be
//! answered stands in `tests/vectors/hostile/*.json`; the engine is held to the same files in
//! `hostile/engine.rs`.

mod changes;
mod frames;

use std::fs;
use std::time::Duration;

use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_tests::hostile;

use super::harness::{self, Client, Http, Replica};
use super::process::Process;

/// What the server may hold in memory, whatever is sent to it.
const MEMORY_KIB_MAX: u64 = 256 << 10;

/// A server process of its own on the catalogue's schema.
struct Fortress {
    data: tempfile::TempDir,
    process: Process,
}

impl Fortress {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let process = Process::start(data.path(), &hostile::schema_folder());
        Self { data, process }
    }

    /// Kills the process and starts another on the same data.
    fn restart(&mut self) {
        self.process.kill();
        self.process = Process::start(self.data.path(), &hostile::schema_folder());
    }

    fn token(&self, id: &str) -> String {
        let principal = hostile::principal(id);
        let roles: Vec<&str> = principal.roles.iter().map(String::as_str).collect();
        harness::token(self.data.path(), id, &roles, Duration::from_secs(3600))
    }

    async fn connect(&self, id: &str) -> Client {
        harness::connect_to(&self.process.authority, Some(self.token(id))).await
    }

    fn http(&self, id: &str) -> Http {
        Http::to(&self.process.authority, Some(self.token(id)))
    }

    /// The most memory that the process ever held.
    fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("Linux tells it").parse().unwrap()
    }

    #[track_caller]
    fn assert_memory_is_bounded(&self) {
        let held = self.memory_kib();
        assert!(held < MEMORY_KIB_MAX, "the server held {held} KiB");
    }
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    code: String,
    /// Rule and pointer of each violation, when the policy decided.
    violations: Vec<String>,
    /// How many changes before the refused one were admitted.
    admitted: usize,
}

/// Reads until a proposal is answered; entries on the way go to the replica, if there is one.
async fn answer(client: &mut Client, id: ProposalId, mut replica: Option<&mut Replica>) -> Answer {
    loop {
        match client.next().await {
            frame @ ServerFrame::Entries { .. } => match &mut replica {
                Some(replica) => replica.apply(&frame),
                None => panic!("entries for somebody who follows nothing"),
            },
            ServerFrame::Admitted { id: of, .. } if of == id => {
                return Answer {
                    code: hostile::ADMITTED.to_owned(),
                    violations: Vec::new(),
                    admitted: 0,
                };
            }
            ServerFrame::Refused {
                id: of,
                code,
                admitted,
                violations,
                ..
            } if of == id => {
                let place = |pointer: String| match pointer.is_empty() {
                    true => "/".to_owned(),
                    false => pointer,
                };
                let all = violations.into_iter();
                let all = all.map(|v| format!("{} {}", v.rule, place(v.pointer.to_string())));
                let violations = match code.as_str() {
                    "policy" => all.collect(),
                    _ => Vec::new(),
                };
                return Answer {
                    code,
                    violations,
                    admitted: admitted as usize,
                };
            }
            other => panic!("no answer to the proposal: {other:?}"),
        }
    }
}

/// Creates an entity of the catalogue.
async fn create(creator: &mut Client, entity: &EntityId) {
    let id = creator.next_id();
    let value = hostile::content().to_string();
    let entity = entity.clone();
    creator
        .send(&ClientFrame::Create { id, entity, value })
        .await;
    assert_eq!(answer(creator, id, None).await.code, hostile::ADMITTED);
}
