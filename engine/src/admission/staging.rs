//! Judging the proposals of one commit, one after the other.
//!
//! The document on disk stays as it is until the commit, so the first change is applied to a copy.
//! Later proposals are applied to that same copy. A refused proposal leaves no trace: where
//! something of it was applied, the copy is made again from the document that it was made from and
//! the changes admitted since.

use automerge::Change;

use super::trial::Trial;
use super::{Admitted, Proposal, Verdict, barred};
use crate::effects::Effect;
use crate::entity::{Document, Entity, Standing};
use crate::ledger::{EntryDraft, EntryKind};
use crate::limits::Limits;
use crate::time::Timestamp;

/// An entity to which several proposals are made in turn before any of them is committed.
#[derive(Debug)]
pub struct Staging {
    standing: Standing,
    /// `None` while the document is in a verdict that was not taken over yet.
    entity: Option<Entity>,
    backup: Backup,
}

impl Staging {
    /// Starts at a state of the entity.
    #[must_use]
    pub fn new(entity: Entity) -> Self {
        Self {
            standing: entity.standing().clone(),
            backup: Backup::of(&entity),
            entity: Some(entity),
        }
    }

    /// The entity after what was taken over so far. Forgets a verdict that was not taken over.
    pub fn entity(&mut self) -> &Entity {
        let (standing, backup) = (&self.standing, &mut self.backup);
        self.entity
            .get_or_insert_with(|| Entity::new(standing.clone(), backup.restore()))
    }

    /// Decides on a proposal as [`admit`](super::admit) does, without another copy of the document.
    ///
    /// What is admitted counts once it is given to [`advance`](Self::advance).
    pub fn admit(&mut self, proposal: &Proposal, now: Timestamp, limits: &Limits) -> Verdict {
        if let Some(refusal) = barred(self.entity(), proposal, limits) {
            return Verdict::refusal(refusal);
        }
        let document = match self.entity.take() {
            Some(entity) => entity.into_parts().1,
            None => self.backup.restore(),
        };
        let (standing, backup) = (&self.standing, &mut self.backup);
        let trial = Trial::staged(standing, (document, backup), proposal, limits);
        let verdict = trial.decide(now);
        if let Some(document) = self.backup.returned.take() {
            self.entity = Some(Entity::new(self.standing.clone(), document));
        }
        verdict
    }

    /// Takes over what was admitted for this entity, here or elsewhere. Returns the entry to commit
    /// and what it changes.
    pub fn advance(&mut self, admitted: Admitted) -> (EntryDraft, Vec<Effect>) {
        let (next, draft, effects) = admitted.into_parts();
        if self.entity.is_none() && draft.kind == EntryKind::Changes {
            let author = draft.header.author.id.clone();
            self.backup.since.push((author, draft.changes.clone()));
        } else {
            self.backup = Backup::of(&next);
        }
        self.standing = next.standing().clone();
        self.entity = Some(next);
        (draft, effects)
    }

    /// The entity after everything that was taken over.
    #[must_use]
    pub fn into_entity(mut self) -> Entity {
        match self.entity {
            Some(entity) => entity,
            None => Entity::new(self.standing, self.backup.restore()),
        }
    }
}

/// A document that is not written to, and the changes that bring it to where a copy of it is.
#[derive(Debug)]
pub(super) struct Backup {
    document: Document,
    /// Authors and their changes.
    since: Vec<(String, Vec<Vec<u8>>)>,
    /// What a trial borrowed that admitted nothing.
    pub(super) returned: Option<Document>,
}

impl Backup {
    fn of(entity: &Entity) -> Self {
        Self {
            document: entity.live_document().clone(),
            since: Vec::new(),
            returned: None,
        }
    }

    /// The document with all changes since. They are applied once, however often this is asked.
    pub(super) fn restore(&mut self) -> Document {
        let mut changes = Vec::new();
        for (author, bytes) in std::mem::take(&mut self.since) {
            for bytes in bytes {
                let change = Change::try_from(bytes.as_slice()).expect("it was admitted");
                self.document.note(&author, &change);
                changes.push(change);
            }
        }
        if !changes.is_empty() {
            let doc = self.document.doc_mut();
            doc.apply_changes(changes)
                .expect("a document like it took them");
        }
        self.document.clone()
    }
}

#[cfg(test)]
mod tests;
