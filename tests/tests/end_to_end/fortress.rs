//! A server process on the schema of the hostile catalogue, and what it answers its clients.

use std::fs;
use std::time::Duration;

use indelible_engine::id::{EntityId, Epoch, ProposalId};
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_tests::hostile::{self, Step};
use serde_bytes::ByteBuf;

use super::harness::{self, Client, Http, Replica};
use super::process::Process;

/// What the server may hold in memory, whatever is sent to it.
const MEMORY_KIB_MAX: u64 = 256 << 10;

/// A server process of its own on the catalogue's schema.
pub(crate) struct Fortress {
    pub(crate) data: tempfile::TempDir,
    pub(crate) process: Process,
}

impl Fortress {
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let process = Process::start(data.path(), &hostile::schema_folder());
        Self { data, process }
    }

    /// Kills the process and starts another on the same data.
    pub(crate) fn restart(&mut self) {
        self.process.kill();
        self.process = Process::start(self.data.path(), &hostile::schema_folder());
    }

    pub(crate) fn token(&self, id: &str) -> String {
        let principal = hostile::principal(id);
        let roles: Vec<&str> = principal.roles.iter().map(String::as_str).collect();
        harness::token(self.data.path(), id, &roles, Duration::from_secs(3600))
    }

    pub(crate) async fn connect(&self, id: &str) -> Client {
        harness::connect_to(&self.process.authority, Some(self.token(id))).await
    }

    pub(crate) fn http(&self, id: &str) -> Http {
        Http::to(&self.process.authority, Some(self.token(id)))
    }

    /// The most memory that the process ever held.
    pub(crate) fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("Linux tells it").parse().unwrap()
    }

    #[track_caller]
    pub(crate) fn assert_memory_is_bounded(&self) {
        let held = self.memory_kib();
        assert!(held < MEMORY_KIB_MAX, "the server held {held} KiB");
    }
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: String,
    /// Rule and pointer of each violation, when the policy decided.
    pub(crate) violations: Vec<String>,
    /// How many changes before the refused one were admitted.
    pub(crate) admitted: usize,
}

/// Reads until a proposal is answered; entries on the way go to the replica, if there is one.
pub(crate) async fn answer(
    client: &mut Client,
    id: ProposalId,
    mut replica: Option<&mut Replica>,
) -> Answer {
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
pub(crate) async fn create(creator: &mut Client, entity: &EntityId) {
    let id = creator.next_id();
    let value = hostile::content().to_string();
    let entity = entity.clone();
    creator
        .send(&ClientFrame::Create { id, entity, value })
        .await;
    assert_eq!(answer(creator, id, None).await.code, hostile::ADMITTED);
}

/// How long the frame of a step is.
pub(crate) fn frame_bytes(entity: &EntityId, step: &Step) -> usize {
    let frame = ClientFrame::Propose {
        id: ProposalId([0; 16]),
        entity: entity.clone(),
        epoch: Epoch::FIRST,
        changes: step.bytes().into_iter().map(ByteBuf::from).collect(),
        whole: step.whole,
    };
    frame.encode().len()
}
