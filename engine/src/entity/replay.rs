//! Advancing an entity by entries of its own log.
//!
//! Owns what each kind of entry means for a document and for what is derived from it.
//! Invariant: the entries follow one another; when one does not, or does not apply, the entity is
//! as it was.

use std::sync::Arc;

use automerge::{Change, ChangeHash, ReadDoc};

use super::{Document, Entity, LoadError, Standing};
use crate::document::Reader;
use crate::genesis;
use crate::id::{Epoch, Hash, LogPlace, Seq};
use crate::ledger::{EntryKind, Logged};
use crate::policy::{Policy, PolicySource};

impl Entity {
    /// The entity that a log begins with: what its first entry (a genesis, or the first of a later
    /// epoch whose predecessors are not at hand) leaves.
    ///
    /// # Errors
    /// [`LoadError`] when that entry begins no log or its policy is not known.
    pub fn begin(
        id: &crate::id::EntityId,
        first: Logged<'_>,
        policies: &dyn PolicySource,
    ) -> Result<Self, LoadError> {
        let policy = policies
            .policy(first.policy_hash)
            .ok_or_else(|| LoadError::Policy {
                entity: id.clone(),
                seq: first.place.seq,
                policy: first.policy_hash,
            })?;
        // An epoch entry begins a log when it is taken for the one after the epoch before.
        let before = match first.kind {
            EntryKind::Epoch => Epoch(first.place.epoch.0.saturating_sub(1)),
            _ => first.place.epoch,
        };
        let mut entity = Self::genesis(id, before, &policy);
        entity.replay([first], policies)?;
        Ok(entity)
    }

    /// Advances by entries of the entity's own log, in order, as long as they name no policy but
    /// the entity's; the genesis entry (seq 0) is known.
    ///
    /// # Errors
    /// [`LoadError`] when an entry does not follow or does not apply; the entity is unchanged then.
    pub fn apply_log<'a>(
        &mut self,
        entries: impl IntoIterator<Item = Logged<'a>>,
    ) -> Result<(), LoadError> {
        let policy = Arc::clone(self.policy());
        self.replay(entries, &policy)
    }

    /// Advances by entries of the entity's own log, in order, through changes of policy and epoch.
    ///
    /// # Errors
    /// [`LoadError`] when an entry does not follow or does not apply, or names a policy that is not
    /// known; the entity is unchanged then.
    pub fn replay<'a>(
        &mut self,
        entries: impl IntoIterator<Item = Logged<'a>>,
        policies: &dyn PolicySource,
    ) -> Result<(), LoadError> {
        let mut replay = Replay::of(self);
        for entry in entries {
            replay.take(entry, policies)?;
        }
        replay.finish()
    }

    /// Takes over where the commit put one of the entity's own entries, and when; those of one
    /// commit in order.
    pub fn confirm(&mut self, entry: Logged<'_>) {
        self.stand_at(entry.place.seq, entry.hash);
        if !entry.kind.is_stamped() {
            return;
        }
        if entry.place == LogPlace::FIRST.next() {
            let claimed = entry.claimed.and_then(|claimed| claimed.created_at);
            self.standing.stamps.created_at = claimed.or(Some(entry.at));
        }
        self.standing.stamps.updated_at = Some(entry.at);
    }

    /// Takes a place in the log that is known from elsewhere.
    pub fn stand_at(&mut self, seq: Seq, hash: Hash) {
        (self.standing.place.seq, self.standing.hash) = (seq, hash);
    }
}

/// An entity on its way; the changes are applied in one go at the end.
struct Replay<'a> {
    entity: &'a mut Entity,
    standing: Standing,
    /// The document that the changes go into, where that is not the entity's own.
    fresh: Option<Document>,
    /// Changes and their authors.
    changes: Vec<(String, Change)>,
}

impl<'a> Replay<'a> {
    fn of(entity: &'a mut Entity) -> Self {
        Self {
            standing: entity.standing.clone(),
            fresh: None,
            changes: Vec::new(),
            entity,
        }
    }

    fn take(&mut self, entry: Logged<'_>, policies: &dyn PolicySource) -> Result<(), LoadError> {
        let (place, here) = (entry.place, self.standing.place);
        let first = place.seq == Seq(0);
        let follows = match entry.kind {
            EntryKind::Genesis => first && place == here,
            EntryKind::Epoch => first && place.epoch > here.epoch,
            _ => place == here.next(),
        };
        if !follows {
            return Err(LoadError::Order {
                entity: self.standing.id.clone(),
                after: here.seq,
                found: place.seq,
            });
        }
        let changes = match entry.kind {
            EntryKind::Genesis | EntryKind::Epoch => self.begin(&entry, policies)?,
            EntryKind::Policy => {
                self.standing.policy = self.find(&entry, policies)?;
                entry.changes
            }
            EntryKind::Changes | EntryKind::Deleted | EntryKind::Undeleted => entry.changes,
        };
        for bytes in changes {
            let change = Change::try_from(bytes.as_slice())
                .map_err(|error| self.fault(place.seq, error.to_string()))?;
            self.changes.push((entry.author.to_owned(), change));
        }
        self.standing.follow(&entry);
        Ok(())
    }

    /// Starts over from a genesis; gives the changes that the entry holds besides.
    fn begin<'b>(
        &mut self,
        entry: &Logged<'b>,
        policies: &dyn PolicySource,
    ) -> Result<&'b [Vec<u8>], LoadError> {
        let known = entry.kind == EntryKind::Genesis;
        if !known || entry.policy_hash != self.standing.policy.hash() {
            self.standing.policy = self.find(entry, policies)?;
            let (id, policy) = (&self.standing.id, &self.standing.policy);
            let doc = genesis::document(id, entry.place.epoch, policy);
            self.fresh = Some(Document::new(doc));
            self.changes.clear();
        }
        // Older stores left the genesis out, since it can be made again.
        let Some((first, rest)) = entry.changes.split_first() else {
            return Ok(&[]);
        };
        let document = self.fresh.as_ref().unwrap_or(&self.entity.document);
        let made = document.doc().get_changes(&[]);
        if made.first().is_some_and(|made| made.raw_bytes() == first) {
            Ok(rest)
        } else {
            let reason = "it begins with another genesis".to_owned();
            Err(self.fault(entry.place.seq, reason))
        }
    }

    fn find(
        &self,
        entry: &Logged<'_>,
        policies: &dyn PolicySource,
    ) -> Result<Arc<Policy>, LoadError> {
        if entry.policy_hash == self.standing.policy.hash() {
            return Ok(Arc::clone(&self.standing.policy));
        }
        policies
            .policy(entry.policy_hash)
            .ok_or_else(|| LoadError::Policy {
                entity: self.standing.id.clone(),
                seq: entry.place.seq,
                policy: entry.policy_hash,
            })
    }

    fn fault(&self, seq: Seq, reason: String) -> LoadError {
        LoadError::Change {
            entity: self.standing.id.clone(),
            seq,
            reason,
        }
    }

    fn finish(mut self) -> Result<(), LoadError> {
        let fresh = self.fresh.take();
        let policy = Arc::clone(&self.standing.policy);
        let renewed = fresh.is_some() || policy.hash() != self.entity.policy().hash();
        if renewed || !self.changes.is_empty() {
            let mut document = fresh.unwrap_or_else(|| self.entity.document.clone());
            apply(&mut document, std::mem::take(&mut self.changes))
                .map_err(|reason| self.fault(self.standing.place.seq, reason))?;
            self.standing.value = Arc::new(Reader::now(document.doc(), &policy).root());
            self.entity.document = document;
        }
        self.entity.standing = self.standing;
        Ok(())
    }
}

/// Applies changes, each with its author.
fn apply(document: &mut Document, changes: Vec<(String, Change)>) -> Result<(), String> {
    let raw = changes.iter().map(|(_, change)| change.clone());
    if !changes.is_empty() {
        let doc = document.doc_mut();
        doc.apply_changes(raw).map_err(|error| error.to_string())?;
    }
    let hashes: Vec<ChangeHash> = changes.iter().map(|(_, change)| change.hash()).collect();
    if !document.doc().get_missing_deps(&hashes).is_empty() {
        return Err("it depends on changes that are not in the log".to_owned());
    }
    for (author, change) in &changes {
        document.note(author, change);
    }
    Ok(())
}
