//! The Automerge document of an entity, and who writes to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::{ActorId, Automerge, AutomergeError, Change};
use serde::{Deserialize, Serialize};

use crate::id::Hash;

/// What an entity remembers of an actor id: whose it is, and its last change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActorState {
    pub(crate) principal: String,
    pub(crate) seq: u64,
    pub(crate) last: Hash,
}

/// A document with the actors of its changes. Clones share it until one of them is written to:
/// copying it costs as much as its history is long.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    doc: Arc<Automerge>,
    actors: Arc<BTreeMap<ActorId, ActorState>>,
    max_op: u64,
}

impl Document {
    /// A document whose actors are not known.
    pub(crate) fn new(doc: Automerge) -> Self {
        Self {
            max_op: max_op(&doc),
            doc: Arc::new(doc),
            actors: Arc::default(),
        }
    }

    pub(crate) fn doc(&self) -> &Automerge {
        &self.doc
    }

    /// The document to be written to; copied first where it is shared.
    pub(crate) fn doc_mut(&mut self) -> &mut Automerge {
        Arc::make_mut(&mut self.doc)
    }

    pub(crate) fn actors(&self) -> &BTreeMap<ActorId, ActorState> {
        &self.actors
    }

    pub(super) fn set_actors(&mut self, actors: BTreeMap<ActorId, ActorState>) {
        self.actors = Arc::new(actors);
    }

    /// The highest operation counter.
    pub(crate) fn max_op(&self) -> u64 {
        self.max_op
    }

    /// Adds changes without their actors.
    pub(super) fn extend(&mut self, changes: Vec<Change>) -> Result<(), AutomergeError> {
        let max_op = changes.iter().map(Change::max_op).max();
        self.doc_mut().apply_changes(changes)?;
        self.max_op = self.max_op.max(max_op.unwrap_or(0));
        Ok(())
    }

    /// Remembers who made a change that the document holds.
    pub(crate) fn note(&mut self, author: &str, change: &Change) {
        let state = ActorState {
            principal: author.to_owned(),
            seq: change.seq(),
            last: change.hash().into(),
        };
        Arc::make_mut(&mut self.actors).insert(change.actor_id().clone(), state);
        self.max_op = self.max_op.max(change.max_op());
    }
}

/// The highest operation counter in a document: no change exceeds that of its dependents.
fn max_op(doc: &Automerge) -> u64 {
    doc.get_heads()
        .iter()
        .filter_map(|head| doc.get_change_meta_by_hash(head))
        .map(|meta| meta.max_op)
        .max()
        .unwrap_or(0)
}
