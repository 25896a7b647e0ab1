//! Judging the proposals of one commit, one after the other.
//!
//! The document on disk stays as it is until the commit, so the first change is applied to a copy.
//! Later proposals are applied to that same copy. A refused proposal leaves no trace: where
//! something of it was applied, the copy is made again from the document that it was made from and
//! the changes admitted since.

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::{ActorId, Automerge, Change};

use super::trial::Trial;
use super::{Admitted, Proposal, Verdict, barred};
use crate::effects::Effect;
use crate::entity::{ActorState, Entity};
use crate::ledger::{EntryDraft, EntryKind};
use crate::limits::Limits;
use crate::time::Timestamp;

/// A document and the actors that write to it.
pub(super) type Working = (Arc<Automerge>, Arc<BTreeMap<ActorId, ActorState>>);

/// An entity to which several proposals are made in turn before any of them is committed.
#[derive(Debug)]
pub struct Staging {
    /// Its document is a stale one while it is lent.
    entity: Entity,
    backup: Backup,
    /// Whether the document went into a verdict that was not taken over yet.
    is_lent: bool,
}

impl Staging {
    /// Starts at a state of the entity.
    #[must_use]
    pub fn new(entity: Entity) -> Self {
        Self {
            backup: Backup::of(&entity),
            entity,
            is_lent: false,
        }
    }

    /// The entity after what was taken over so far. Forgets a verdict that was not taken over.
    pub fn entity(&mut self) -> &Entity {
        if self.is_lent {
            (self.entity.doc, self.entity.actors) = self.backup.restore();
            self.is_lent = false;
        }
        &self.entity
    }

    /// Decides on a proposal as [`admit`](super::admit) does, without another copy of the document.
    ///
    /// What is admitted counts once it is given to [`advance`](Self::advance).
    pub fn admit(&mut self, proposal: &Proposal, now: Timestamp, limits: &Limits) -> Verdict {
        if let Some(refusal) = barred(self.entity(), proposal, limits) {
            return Verdict::refusal(refusal);
        }
        let doc = std::mem::replace(&mut self.entity.doc, Arc::clone(&self.backup.doc));
        let actors = std::mem::take(&mut self.entity.actors);
        self.is_lent = true;
        let trial = Trial::staged(
            &self.entity,
            (doc, actors),
            &mut self.backup,
            proposal,
            limits,
        );
        let verdict = trial.decide(now);
        if let Some(returned) = self.backup.returned.take() {
            (self.entity.doc, self.entity.actors) = returned;
            self.is_lent = false;
        }
        verdict
    }

    /// Takes over what was admitted for this entity, here or elsewhere. Returns the entry to commit
    /// and what it changes.
    pub fn advance(&mut self, admitted: Admitted) -> (EntryDraft, Vec<Effect>) {
        let (next, draft, effects) = admitted.into_parts();
        if self.is_lent && draft.kind == EntryKind::Changes {
            let author = draft.header.author.id.clone();
            self.backup.since.push((author, draft.changes.clone()));
        } else {
            self.backup = Backup::of(&next);
        }
        self.entity = next;
        self.is_lent = false;
        (draft, effects)
    }

    /// The entity after everything that was taken over.
    #[must_use]
    pub fn into_entity(mut self) -> Entity {
        self.entity();
        self.entity
    }
}

/// A document that is not written to, and the changes that bring it to where a copy of it is.
#[derive(Debug)]
pub(super) struct Backup {
    doc: Arc<Automerge>,
    actors: Arc<BTreeMap<ActorId, ActorState>>,
    /// Authors and their changes.
    since: Vec<(String, Vec<Vec<u8>>)>,
    /// What a trial borrowed that admitted nothing.
    pub(super) returned: Option<Working>,
}

impl Backup {
    fn of(entity: &Entity) -> Self {
        Self {
            doc: Arc::clone(&entity.doc),
            actors: Arc::clone(&entity.actors),
            since: Vec::new(),
            returned: None,
        }
    }

    /// The document with all changes since. They are applied once, however often this is asked.
    pub(super) fn restore(&mut self) -> Working {
        let mut changes = Vec::new();
        for (author, bytes) in std::mem::take(&mut self.since) {
            for bytes in bytes {
                let change = Change::try_from(bytes.as_slice()).expect("it was admitted");
                let state = ActorState {
                    principal: author.clone(),
                    seq: change.seq(),
                    last: change.hash().into(),
                };
                Arc::make_mut(&mut self.actors).insert(change.actor_id().clone(), state);
                changes.push(change);
            }
        }
        if !changes.is_empty() {
            let doc = Arc::make_mut(&mut self.doc);
            doc.apply_changes(changes)
                .expect("a document like it took them");
        }
        (Arc::clone(&self.doc), Arc::clone(&self.actors))
    }
}

#[cfg(test)]
mod tests;
