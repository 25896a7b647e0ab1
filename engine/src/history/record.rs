//! What history reads of one entry: its header, its hash and its effects, without its changes.

use super::derived::Derived;
use crate::change::{self, ChangeHead};
use crate::conflicts::{Conflict, is_seen_message};
use crate::effects::Effect;
use crate::entity::{Entity, LoadError};
use crate::id::{GlobalSeq, Hash, LogPlace};
use crate::ledger::{Claimed, Entry, EntryKind, Header, Logged, Sealed};
use crate::policy::PolicySource;

/// One entry as history reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What the entry records.
    pub kind: EntryKind,
    /// The entry's header.
    pub header: Header,
    /// The place among all entries.
    pub global: GlobalSeq,
    /// The entry's hash.
    pub hash: Hash,
    /// The heads of the document after it, sorted.
    pub heads: Vec<Hash>,
    /// Claims of an import.
    pub claimed: Option<Claimed>,
    /// Its changes, in order: who made them and what they say of themselves.
    pub changes: Vec<ChangeHead>,
    /// What it changed, as values.
    pub effects: Vec<Effect>,
    /// Which of its writes were made at the same time as another write.
    pub conflicts: Vec<Conflict>,
}

impl Record {
    /// The record of an entry with its hash and its effects.
    #[must_use]
    pub fn of(entry: &Entry, hash: Hash, effects: Vec<Effect>) -> Self {
        Self {
            kind: entry.kind,
            header: entry.header.clone(),
            global: entry.global,
            hash,
            heads: entry.heads.clone(),
            claimed: entry.claimed.clone(),
            changes: entry
                .changes
                .iter()
                .filter_map(|bytes| change::head(bytes))
                .collect(),
            effects,
            conflicts: Vec::new(),
        }
    }

    /// The record of an entry with its hash and what follows from it.
    #[must_use]
    pub fn with(entry: &Entry, hash: Hash, derived: Derived) -> Self {
        Self {
            conflicts: derived.conflicts,
            ..Self::of(entry, hash, derived.effects)
        }
    }

    /// The record of an entry that was just sealed.
    #[must_use]
    pub fn of_sealed(sealed: &Sealed, effects: Vec<Effect>) -> Self {
        Self::of(&sealed.entry, sealed.hash, effects)
    }

    /// The entry as an entity takes it, without its changes.
    pub(super) fn logged(&self) -> Logged<'_> {
        Logged {
            kind: self.kind,
            place: self.header.place,
            hash: self.hash,
            at: self.header.at,
            author: &self.header.author.id,
            policy_hash: self.header.policy_hash,
            claimed: self.claimed.as_ref(),
            changes: &[],
        }
    }

    /// The place of the entry in its log.
    #[must_use]
    pub fn place(&self) -> LogPlace {
        self.header.place
    }

    /// What its changes say of themselves, in order; those that say nothing are left out, as is
    /// from which earlier value a change was made.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.changes
            .iter()
            .filter_map(|change| change.message.as_deref())
            .filter(|message| !is_seen_message(message))
    }
}

/// Advances `entity` by one entry of its log and returns the entry's effects: those that admission
/// returned when the entry was made.
///
/// A genesis, at an entity that is at it, has the effects that lead to it from nothing.
///
/// # Errors
/// [`LoadError`] when the entry does not follow or does not apply; the entity is unchanged then.
pub fn effects_of(
    entity: &mut Entity,
    entry: Logged<'_>,
    policies: &dyn PolicySource,
) -> Result<Vec<Effect>, LoadError> {
    Derived::of(entity, entry, policies).map(|derived| derived.effects)
}
