//! What somebody asks an entity's actor to write, and what becomes of it.
//!
//! Invariant: HTTP, WebSocket and the server itself ask in the same words and meet in the same
//! mailbox; every write is answered exactly once, after its commit.
//!
//! Must not know: how an answer is encoded, admission, the store.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indelible_engine::id::{EntityId, Epoch, Hash, ProposalId, Seq, SessionId};
use indelible_engine::ledger::Claimed;
use indelible_engine::merge::Protected;
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Refusal, RefusalCode};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::fanout::Outbox;
use super::frames;
use super::values::Present;
use crate::clock;
use crate::room::Taken;
use crate::work::{Busy, Weight};

/// One connection as the log knows it.
#[derive(Debug)]
pub(crate) struct Session {
    /// Recorded with what is written.
    pub(crate) id: SessionId,
    refused: Mutex<HashSet<Hash>>,
    refused_max: usize,
    /// When the right to write ends, in milliseconds: what waits until then is not judged any more.
    ends: AtomicI64,
}

impl Session {
    /// A session in which nothing was refused yet.
    pub(crate) fn new(id: SessionId, refused_max: usize) -> Self {
        Self {
            id,
            refused: Mutex::default(),
            refused_max,
            ends: AtomicI64::new(i64::MAX),
        }
    }

    /// Says until when what the session writes is judged.
    pub(crate) fn ends_at(&self, end: Timestamp) {
        self.ends.store(end.0, Ordering::Relaxed);
    }

    /// Whether its token has ended.
    pub(crate) fn is_over(&self) -> bool {
        clock::until(Timestamp(self.ends.load(Ordering::Relaxed))).is_zero()
    }

    /// Remembers changes that were refused.
    pub(crate) fn remember_refused(&self, changes: &[Hash]) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() + changes.len() <= self.refused_max {
            refused.extend(changes);
        }
    }

    /// Whether a change was refused in this session.
    pub(crate) fn has_refused(&self, change: Hash) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.contains(&change)
    }
}

/// One write on its way to an entity's actor.
#[derive(Debug)]
pub(crate) struct Write {
    /// Chosen by whoever asks; a repeat is recognised by it.
    pub(crate) id: ProposalId,
    /// Who asks.
    pub(crate) author: Principal,
    /// The connection it came by.
    pub(crate) session: Option<Arc<Session>>,
    /// The address it came from, as far as that tells anybody apart.
    pub(crate) address: Option<IpAddr>,
    /// What is to be written.
    pub(crate) task: Task,
    /// Where the outcome goes.
    pub(crate) answer: Answer,
}

/// What is to be written.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Changes that a replica made.
    Propose {
        /// The epoch the replica is in.
        epoch: Epoch,
        /// Automerge change chunks.
        changes: Vec<Vec<u8>>,
        /// Whether they are one edit.
        whole: bool,
    },
    /// A new entity with this value.
    Create {
        /// The value, without stamps.
        value: Value,
        /// What an import claims.
        claimed: Option<Claimed>,
    },
    /// A value to be merged into the present one.
    Merge(Merging),
    /// The entity is to be deleted.
    Delete {
        /// Versions one of which must be the present one.
        if_match: Option<IfMatch>,
    },
    /// Its deletion is to be undone.
    Undelete,
}

impl Task {
    /// How long it takes to judge, as far as that follows from what came.
    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::Propose { changes, .. } => Weight::of_bytes(changes.iter().map(Vec::len).sum()),
            Self::Create { value, .. } => Weight::of_value(value),
            Self::Merge(merging) => Weight::of_value(&merging.body),
            Self::Delete { .. } | Self::Undelete => Weight::Light,
        }
    }
}

/// A value that somebody wants an entity to have.
#[derive(Debug, PartialEq)]
pub struct Merging {
    /// The value, in whole or in part.
    pub body: Value,
    /// What becomes of fields that the author may not write.
    pub protected: Protected,
    /// Places to be left as they are.
    pub preserve: Vec<Pointer>,
    /// Places to be emptied, or removed where they can be.
    pub remove: Vec<Pointer>,
    /// The version that the body was made from.
    pub base: Option<String>,
    /// Versions one of which must be the present one.
    pub if_match: Option<IfMatch>,
    /// Whether it may come again under its id, and is remembered even if it changes nothing.
    pub repeats: bool,
}

/// The condition of an `If-Match` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: the entity exists.
    Any,
    /// The entity is at one of these versions.
    Versions(Vec<String>),
}

/// What a write of a connection takes until it is answered.
#[derive(Debug)]
#[allow(dead_code, reason = "held")]
pub(crate) struct Place {
    /// Among the writes that the connection may have on their way.
    pub(crate) place: OwnedSemaphorePermit,
    /// For what came.
    pub(crate) room: Taken,
}

/// Where the outcome of a write goes.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Onto the socket it came from, behind the entries it caused.
    Socket {
        /// The queue of that socket.
        outbox: Arc<Outbox>,
        /// Free again with the answer.
        place: Place,
    },
    /// To whoever waits for it.
    Waiting(oneshot::Sender<Outcome>),
}

/// Who sends an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Whoever has it, before anything else: its author alone waits.
    Now,
    /// The connection's own task, while the answers behind it are given.
    Soon,
}

/// What became of a write.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It is in the log, on disk.
    Written(Written),
    /// Nothing of it was new.
    Unchanged(Written),
    /// It, or its rest, was refused.
    Refused(Refusal),
    /// It could not be judged or stored.
    Failed(WriteError),
}

/// Where a write stands in the log and what it did.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The epoch of the entry.
    pub(crate) epoch: Epoch,
    /// The entry that holds the write; when nothing was new, the entity's last.
    pub(crate) seq: Seq,
    /// Which places a merge changed.
    pub(crate) changed: Vec<Pointer>,
    /// Which places a merge left as they were although the body differed.
    pub(crate) preserved: Vec<Pointer>,
    /// The value after it.
    pub(crate) present: Option<Arc<Present>>,
}

/// Why a write was not judged, or could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// There is no such entity.
    #[error("there is no such entity")]
    NotFound,
    /// The proposal was made in an epoch that is over.
    #[error("the entity is in another epoch")]
    Epoch,
    /// The entity is not at the version that `If-Match` asks for.
    #[error("the entity is at another version")]
    Precondition,
    /// The base is no version of this entity.
    #[error("the base is not a known version of this entity")]
    UnknownBase,
    /// The body cannot be merged.
    #[error("{0}")]
    Body(String),
    /// The name of the new entity cannot be used.
    #[error("{0}")]
    Name(String),
    /// The id of the write was used for something else.
    #[error("the id of this write was used for another one")]
    IdReused,
    /// The server failed on this very write.
    #[error("the server failed on this")]
    Internal,
    /// Too much is waiting: to be judged, to be loaded, or to be sent.
    #[error("too much is waiting; try again later")]
    Busy,
    /// The store failed; whether it was written will be known when the write is repeated.
    #[error("the store cannot take writes now")]
    Storage,
}

impl WriteError {
    /// Whether the same may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Storage)
    }

    /// The stable code for frames.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Epoch => "epoch",
            Self::Precondition => "precondition-failed",
            Self::UnknownBase => "unknown-base",
            Self::Body(_) => "malformed",
            Self::Name(_) => "bad-id",
            Self::IdReused => "id-reused",
            Self::Internal => "internal",
            Self::Busy => "busy",
            Self::Storage => "unavailable",
        }
    }

    /// The code of a refusal for this reason.
    pub(crate) fn refusal(&self) -> RefusalCode {
        match self {
            Self::NotFound => RefusalCode::NotFound,
            Self::Epoch => RefusalCode::Epoch,
            Self::Body(_) => RefusalCode::Malformed,
            Self::Name(_) => RefusalCode::BadId,
            Self::IdReused => RefusalCode::IdReused,
            Self::Internal => RefusalCode::Internal,
            Self::Precondition | Self::UnknownBase | Self::Busy | Self::Storage => {
                RefusalCode::Unknown(self.code().into())
            }
        }
    }
}

/// What asks for an entity while too many others wait to be loaded.
pub(super) fn too_many(Busy: Busy) -> WriteError {
    tracing::warn!("too many entities wait to be loaded");
    WriteError::Busy
}

impl Answer {
    /// Tells the outcome of the write `id` to `entity`.
    pub(crate) fn give(self, entity: &EntityId, id: ProposalId, outcome: Outcome, haste: Haste) {
        match self {
            Self::Socket { outbox, place } => {
                let frame = frames::outcome(entity, id, &outcome);
                match haste {
                    Haste::Now => outbox.answer_now(frame),
                    Haste::Soon => outbox.answer(frame),
                }
                drop(place);
            }
            // Whoever asked may have gone: the write stands all the same.
            Self::Waiting(sender) => drop(sender.send(outcome)),
        }
    }
}
