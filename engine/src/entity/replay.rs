//! Advancing an entity by entries of its own log.
//!
//! Owns what each kind of entry means for a document and for what is derived from it.
//! Invariant: the entries follow one another; when one does not, or does not apply, the entity is
//! as it was.
//! Must never know: where entries lie, whether they should have been admitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::{ActorId, Automerge, Change, ChangeHash, ReadDoc};

use super::{ActorState, Entity, LoadError, max_op};
use crate::document::Reader;
use crate::genesis;
use crate::id::{Epoch, Hash, LogPlace, Seq};
use crate::ledger::{EntryKind, Logged, Presence, Stamps};
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
        let policy = Arc::clone(&self.policy);
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
        (self.seq, self.hash) = (entry.place.seq, entry.hash);
        if !entry.kind.is_stamped() {
            return;
        }
        if entry.place == LogPlace::FIRST.next() {
            let claimed = entry.claimed.and_then(|claimed| claimed.created_at);
            self.stamps.created_at = claimed.or(Some(entry.at));
        }
        self.stamps.updated_at = Some(entry.at);
    }

    /// Takes a place in the log that is known from elsewhere.
    pub fn stand_at(&mut self, seq: Seq, hash: Hash) {
        (self.seq, self.hash) = (seq, hash);
    }
}

/// An entity on its way; the changes are applied in one go at the end.
struct Replay<'a> {
    entity: &'a mut Entity,
    /// The document that the changes go into, where that is not the entity's own.
    fresh: Option<Automerge>,
    changes: Vec<Change>,
    policy: Arc<Policy>,
    presence: Presence,
    actors: BTreeMap<ActorId, ActorState>,
    stamps: Stamps,
    epoch: Epoch,
    seq: Seq,
    hash: Hash,
}

impl<'a> Replay<'a> {
    fn of(entity: &'a mut Entity) -> Self {
        Self {
            fresh: None,
            changes: Vec::new(),
            policy: Arc::clone(&entity.policy),
            presence: entity.presence,
            actors: BTreeMap::clone(&entity.actors),
            stamps: entity.stamps.clone(),
            epoch: entity.epoch,
            seq: entity.seq,
            hash: entity.hash,
            entity,
        }
    }

    fn take(&mut self, entry: Logged<'_>, policies: &dyn PolicySource) -> Result<(), LoadError> {
        let (place, here) = (entry.place, LogPlace::new(self.epoch, self.seq));
        let first = place.seq == Seq(0);
        let follows = match entry.kind {
            EntryKind::Genesis => first && place == here,
            EntryKind::Epoch => first && place.epoch > here.epoch,
            _ => place == here.next(),
        };
        if !follows {
            return Err(LoadError::Order {
                entity: self.entity.id.clone(),
                after: self.seq,
                found: entry.place.seq,
            });
        }
        let changes = match entry.kind {
            EntryKind::Genesis | EntryKind::Epoch => self.begin(&entry, policies)?,
            EntryKind::Policy => {
                self.policy = self.find(&entry, policies)?;
                entry.changes
            }
            EntryKind::Changes | EntryKind::Deleted | EntryKind::Undeleted => entry.changes,
        };
        for bytes in changes {
            let change = Change::try_from(bytes.as_slice())
                .map_err(|error| self.fault(entry.place.seq, error.to_string()))?;
            let state = ActorState {
                principal: entry.author.to_owned(),
                seq: change.seq(),
                last: change.hash().into(),
            };
            self.actors.insert(change.actor_id().clone(), state);
            self.changes.push(change);
        }
        self.stamps = self.stamps.after(&entry);
        self.presence = Presence::after(Some(self.presence), entry.kind);
        (self.epoch, self.seq, self.hash) = (place.epoch, place.seq, entry.hash);
        Ok(())
    }

    /// Starts over from a genesis; gives the changes that the entry holds besides.
    fn begin<'b>(
        &mut self,
        entry: &Logged<'b>,
        policies: &dyn PolicySource,
    ) -> Result<&'b [Vec<u8>], LoadError> {
        let known = entry.kind == EntryKind::Genesis;
        if !known || entry.policy_hash != self.policy.hash() {
            self.policy = self.find(entry, policies)?;
            self.fresh = Some(genesis::document(
                &self.entity.id,
                entry.place.epoch,
                &self.policy,
            ));
            self.changes.clear();
            self.actors.clear();
        }
        // Older stores left the genesis out, since it can be made again.
        let Some((first, rest)) = entry.changes.split_first() else {
            return Ok(&[]);
        };
        let doc = self.fresh.as_ref().unwrap_or(&self.entity.doc);
        let made = doc.get_changes(&[]);
        if made.first().is_some_and(|made| made.raw_bytes() == first) {
            Ok(rest)
        } else {
            Err(self.fault(entry.place.seq, "it begins with another genesis".to_owned()))
        }
    }

    fn find(
        &self,
        entry: &Logged<'_>,
        policies: &dyn PolicySource,
    ) -> Result<Arc<Policy>, LoadError> {
        if entry.policy_hash == self.policy.hash() {
            return Ok(Arc::clone(&self.policy));
        }
        policies
            .policy(entry.policy_hash)
            .ok_or_else(|| LoadError::Policy {
                entity: self.entity.id.clone(),
                seq: entry.place.seq,
                policy: entry.policy_hash,
            })
    }

    fn fault(&self, seq: Seq, reason: String) -> LoadError {
        LoadError::Change {
            entity: self.entity.id.clone(),
            seq,
            reason,
        }
    }

    fn finish(mut self) -> Result<(), LoadError> {
        let fresh = self.fresh.take();
        let renewed = fresh.is_some() || self.policy.hash() != self.entity.policy.hash();
        let mut max = match &fresh {
            Some(doc) => max_op(doc),
            None => self.entity.max_op,
        };
        if renewed || !self.changes.is_empty() {
            let mut doc = fresh.unwrap_or_else(|| Automerge::clone(&self.entity.doc));
            let changes = std::mem::take(&mut self.changes);
            max = changes.iter().map(Change::max_op).fold(max, u64::max);
            self.apply(&mut doc, changes)
                .map_err(|reason| self.fault(self.seq, reason))?;
            self.entity.value = Arc::new(Reader::now(&doc, &self.policy).root());
            self.entity.doc = Arc::new(doc);
        }
        let entity = self.entity;
        entity.policy = self.policy;
        entity.presence = self.presence;
        entity.actors = Arc::new(self.actors);
        entity.stamps = self.stamps;
        entity.max_op = max;
        (entity.epoch, entity.seq, entity.hash) = (self.epoch, self.seq, self.hash);
        Ok(())
    }

    fn apply(&self, doc: &mut Automerge, changes: Vec<Change>) -> Result<(), String> {
        let hashes: Vec<ChangeHash> = changes.iter().map(Change::hash).collect();
        doc.apply_changes(changes)
            .map_err(|error| error.to_string())?;
        if doc.get_missing_deps(&hashes).is_empty() {
            Ok(())
        } else {
            Err("it depends on changes that are not in the log".to_owned())
        }
    }
}
