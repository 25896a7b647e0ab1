//! What an entity's actor is asked to write.
//!
//! HTTP, WebSocket and the server itself make the same requests, and send them to the same mailbox.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indelible_engine::id::{Epoch, Hash, ProposalId, SessionId};
use indelible_engine::ledger::Claimed;
use indelible_engine::merge::Protected;
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use serde_json::Value;

use super::answer::Answer;
use crate::clock;
use crate::work::Weight;

/// The connection that a write came by: its id in the log, and what later writes of it are judged by.
#[derive(Debug)]
pub(crate) struct WriterSession {
    /// Recorded with what is written.
    pub(crate) id: SessionId,
    refused: Mutex<HashSet<Hash>>,
    refused_max: usize,
    /// When the right to write ends, in milliseconds: what waits until then is not judged any more.
    ends: AtomicI64,
}

impl WriterSession {
    /// A session in which nothing was refused yet.
    pub(crate) fn new(id: SessionId, refused_max: usize) -> Self {
        Self {
            id,
            refused: Mutex::default(),
            refused_max,
            ends: AtomicI64::new(i64::MAX),
        }
    }

    /// Sets until when writes of the session are judged.
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
    /// Chosen by the caller; a repeat is recognised by it.
    pub(crate) id: ProposalId,
    /// Who writes.
    pub(crate) author: Principal,
    /// The connection it came by.
    pub(crate) session: Option<Arc<WriterSession>>,
    /// The address it came from, if callers have different ones.
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
        /// What must hold before it.
        precondition: Option<Precondition>,
    },
    /// Its deletion is to be undone.
    Undelete,
}

impl Task {
    /// How long it takes to judge, estimated from its size.
    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::Propose { changes, .. } => Weight::of_bytes(changes.iter().map(Vec::len).sum()),
            Self::Create { value, .. } => Weight::of_value(value),
            Self::Merge(merging) => Weight::of_value(&merging.body),
            Self::Delete { .. } | Self::Undelete => Weight::Light,
        }
    }
}

/// A value that an entity is to have.
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
    /// What must hold before it.
    pub precondition: Option<Precondition>,
    /// Whether it may come again under its id, and is remembered even if it changes nothing.
    pub repeats: bool,
}

/// What must hold of an entity for a write to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// It exists.
    Exists,
    /// It is at one of these versions.
    AtVersion(Vec<String>),
}
