//! The past of one entity, read from a store: that of a running server, or of a stopped one.
//!
//! Invariant: entries are checked against their chain before anything is reported of them. Effects come
//! from the store's cache, or are made again where that lacks them or is not to be trusted. Whether a
//! ledger's changes were allowed is found by checking a bundle, not here.

mod fields;
mod gone;
mod stamped;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::history::words::{self, Description};
use indelible_engine::history::{
    self, Blame, Derived, FindError, InMemory, Kept, Later, Point, ReachError, Record, State,
    is_sequential,
};
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use indelible_engine::ledger::{Chain, Entry, EntryKind, Logged};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, PolicyBook, PolicySource};

pub(crate) use self::fields::Known;
pub(crate) use self::gone::Gone;
pub(crate) use self::stamped::Stamped;
use crate::policy_archive;
use crate::storage::chained::{BrokenLog, read_chained};
use crate::storage::{self, Ledger, Store, StoreError};

/// Effects that are read at a time.
const EFFECTS_AT_ONCE: usize = 1_000;

/// Why the past cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// There never was such an entity.
    #[error("{0} was never there")]
    Unknown(EntityId),
    /// A point names no entry.
    #[error("no such point in the past of {entity}")]
    Point {
        /// Which entity.
        entity: EntityId,
        /// What is near.
        source: FindError<Infallible>,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entries are not what was written.
    #[error(transparent)]
    Chain(#[from] BrokenLog),
    /// The store has other effects of an entry than its changes have.
    #[error(
        "what the store keeps as the effects of entry {place} of {entity} does not follow from its \
         changes"
    )]
    Effects {
        /// Which entity.
        entity: EntityId,
        /// The entry.
        place: LogPlace,
    },
    /// The entries do not make a document.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The records do not lead to a state.
    #[error("what the store says of the past of {entity} does not fit together")]
    Reach {
        /// Which entity.
        entity: EntityId,
        /// What does not fit.
        source: ReachError<Infallible>,
    },
}

/// Whether the store is believed what entries changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effects {
    /// As the store has them; only those that it has lost are made again.
    Kept,
    /// All are made again from the changes, and compared with what the store has.
    Checked,
}

/// The whole log of one entity.
#[derive(Debug)]
pub(crate) struct Past {
    id: EntityId,
    entries: Vec<(Entry, Hash)>,
    records: Vec<Record>,
    policies: PolicyBook,
}

impl Past {
    /// Reads and checks the log of an entity.
    ///
    /// # Errors
    /// [`HistoryError`] when there is none or it is incomplete.
    pub(crate) fn read(
        store: &dyn Store,
        id: &EntityId,
        effects: Effects,
    ) -> Result<Self, HistoryError> {
        let policies = policy_archive::compile(&store.policies()?);
        Self::read_under(store, id, effects, policies)
    }

    /// The same, with all the policies of the store.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_under(
        store: &dyn Ledger,
        id: &EntityId,
        effects: Effects,
        policies: PolicyBook,
    ) -> Result<Self, HistoryError> {
        let entries = entries(store, id)?;
        let mut past = Self {
            id: id.clone(),
            records: Vec::with_capacity(entries.len()),
            entries,
            policies,
        };
        past.records = past.make_records(kept_effects(store, id, &past.entries)?, effects)?;
        history::name_former_authors(&mut past.records, &past.policies);
        Ok(past)
    }

    fn make_records(
        &self,
        mut kept: HashMap<LogPlace, Kept>,
        trust: Effects,
    ) -> Result<Vec<Record>, HistoryError> {
        let mut records = Vec::with_capacity(self.entries.len());
        let mut entity = self.begun()?;
        // Entries that the entity has not taken yet.
        let mut behind = 1;
        for (index, (entry, hash)) in self.entries.iter().enumerate() {
            let place = entry.header.place;
            let kept = kept.remove(&place);
            let believed = match trust {
                Effects::Kept => kept.clone().and_then(|kept| self.whole(index, kept)),
                Effects::Checked => None,
            };
            let derived = match (believed, &kept, entry.kind) {
                (Some(derived), ..) => derived,
                (None, None, EntryKind::Deleted | EntryKind::Undeleted) => Derived::default(),
                _ => {
                    let between = self.entries[behind..index.max(behind)].iter();
                    let between = between.map(|(entry, hash)| Logged::of(entry, *hash));
                    entity.replay(between, &self.policies)?;
                    behind = index + 1;
                    let made = Derived::of(&mut entity, Logged::of(entry, *hash), &self.policies)?;
                    if kept.is_some_and(|kept| !kept.agrees(&made)) {
                        let entity = self.id.clone();
                        return Err(HistoryError::Effects { entity, place });
                    }
                    made
                }
            };
            records.push(Record::with(entry, *hash, derived));
        }
        Ok(records)
    }

    /// All that follows from an entry, where the store has kept it. Earlier versions kept no
    /// conflicts, which only an entry has that was written without everything before it in sight.
    fn whole(&self, index: usize, kept: Kept) -> Option<Derived> {
        if matches!(kept, Kept::All(_)) {
            return Some(kept.derived());
        }
        let (entry, _) = &self.entries[index];
        let before = index.checked_sub(1).map(|before| &self.entries[before].0);
        let before = before.map_or(&[][..], |before| &before.heads);
        let has_none = entry.kind != EntryKind::Changes || is_sequential(before, &entry.changes);
        has_none.then(|| kept.derived())
    }

    /// The entity after its first entry.
    fn begun(&self) -> Result<Entity, HistoryError> {
        let (first, hash) = self
            .entries
            .first()
            .ok_or_else(|| HistoryError::Unknown(self.id.clone()))?;
        let first = Logged::of(first, *hash);
        Ok(Entity::begin(&self.id, first, &self.policies)?)
    }

    /// The log, for what the engine reads from it.
    pub(crate) fn archive(&self) -> InMemory<'_> {
        InMemory(&self.records)
    }

    /// The entry that a point names.
    ///
    /// # Errors
    /// [`HistoryError::Point`] when it names none.
    pub(crate) fn find(&self, point: &Point) -> Result<LogPlace, HistoryError> {
        history::find(&mut self.archive(), point).map_err(|source| HistoryError::Point {
            entity: self.id.clone(),
            source,
        })
    }

    /// The last entry of the log.
    pub(crate) fn end(&self) -> Option<LogPlace> {
        self.records.last().map(Record::place)
    }

    /// Every entry of the log, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    /// The policies that entries of the log name, the latest first.
    fn named_policies(&self) -> Vec<Arc<Policy>> {
        let mut hashes: Vec<Hash> = Vec::new();
        for record in self.records.iter().rev() {
            if !hashes.contains(&record.header.policy_hash) {
                hashes.push(record.header.policy_hash);
            }
        }
        let found = hashes.into_iter();
        found
            .filter_map(|hash| self.policies.policy(hash))
            .collect()
    }

    /// The record at a place that [`Self::find`] gave.
    pub(crate) fn record(&self, place: LogPlace) -> Option<&Record> {
        self.records.iter().find(|record| record.place() == place)
    }

    /// Asks the engine; a mismatch that it reports is reported with the entity.
    fn reach<T>(
        &self,
        ask: impl FnOnce(&mut history::Past<'_, InMemory<'_>>) -> Result<T, ReachError<Infallible>>,
    ) -> Result<T, HistoryError> {
        let mut past = history::Past {
            archive: &mut self.archive(),
            checkpoints: &mut (),
            policies: &self.policies,
        };
        ask(&mut past).map_err(|source| HistoryError::Reach {
            entity: self.id.clone(),
            source,
        })
    }

    /// What the entity was after the entry at `place`.
    ///
    /// # Errors
    /// [`HistoryError`] when the records do not lead there.
    pub(crate) fn state(&self, place: LogPlace) -> Result<State, HistoryError> {
        self.reach(|past| past.state(place, None))
    }

    /// Who set what stood after the entry at `place`.
    ///
    /// # Errors
    /// [`HistoryError`] when the records do not lead there.
    pub(crate) fn blame(&self, place: LogPlace) -> Result<Blame, HistoryError> {
        self.reach(|past| past.blame(place))
    }

    /// The names that a place had before the one it has after the entry at `place`; where there was
    /// no such field yet, before the one that a later entry gave it.
    ///
    /// # Errors
    /// [`HistoryError`] when a policy is not known.
    pub(crate) fn former_names(
        &self,
        place: LogPlace,
        field: &Pointer,
    ) -> Result<Vec<(LogPlace, Pointer)>, HistoryError> {
        let upto = || self.records().take_while(|record| record.place() <= place);
        if self.ever_had(upto(), field) {
            return self.reach(|past| Ok(history::former_names(upto(), past.policies, field)?));
        }
        self.reach(|past| Ok(history::former_names(self.records(), past.policies, field)?))
    }

    /// The name that a field has after the entry at `place`: where a later entry gave it the one that
    /// was asked for, the one before that.
    ///
    /// # Errors
    /// [`HistoryError`] when a policy is not known.
    pub(crate) fn name_at(
        &self,
        place: LogPlace,
        field: &Pointer,
    ) -> Result<Pointer, HistoryError> {
        let formerly = self.former_names(place, field)?;
        Ok(named_at(&formerly, place, field).clone())
    }

    /// Whether a schema of these records has a field.
    fn ever_had<'r>(&self, records: impl Iterator<Item = &'r Record>, field: &Pointer) -> bool {
        let hashes: HashSet<Hash> = records.map(|record| record.header.policy_hash).collect();
        let policies = hashes.into_iter().map(|hash| self.policies.policy(hash));
        policies
            .flatten()
            .any(|policy| policy.find(field).is_some())
    }

    /// Where what a place held went to, by the entry at `place`, as changes of the schema took it
    /// there; `None` where none did.
    ///
    /// # Errors
    /// [`HistoryError`] when a policy is not known.
    pub(crate) fn later_name(
        &self,
        place: LogPlace,
        field: &Pointer,
    ) -> Result<Option<(LogPlace, Later)>, HistoryError> {
        let records = self.records().take_while(|record| record.place() <= place);
        self.reach(|past| Ok(history::later_name(records, past.policies, field)?))
    }

    /// What each of these records changed, in words, as far as they have the log's effects; a
    /// genesis is left out.
    ///
    /// # Errors
    /// [`HistoryError`] when the records do not lead there.
    pub(crate) fn tell(
        &self,
        wanted: &[Record],
    ) -> Result<HashMap<LogPlace, Vec<Description>>, HistoryError> {
        let mut told: HashMap<LogPlace, Vec<Description>> = HashMap::new();
        let wanted: HashMap<LogPlace, &Record> = wanted
            .iter()
            .filter(|record| record.kind != EntryKind::Genesis)
            .map(|record| (record.place(), record))
            .collect();
        let mut state = self.state(LogPlace::FIRST)?;
        let mut behind = 1;
        for (index, record) in self.records.iter().enumerate().skip(1) {
            let Some(wanted) = wanted.get(&record.place()) else {
                continue;
            };
            let between = &self.records[behind..index];
            self.reach(|past| Ok(state.forward(between, past.policies)?))?;
            behind = index + 1;
            let (policy, before) = (Arc::clone(state.policy()), state.value().clone());
            self.reach(|past| Ok(state.forward([record], past.policies)?))?;
            // Each effect is described in the value that those before it made, so all of them are.
            let mut descriptions = match record.kind {
                EntryKind::Policy => {
                    let policies = (&policy, state.policy());
                    words::describe_migration(policies, &record.effects, &before, state.value())
                }
                _ => words::describe(state.policy(), &record.effects, Some(before)),
            };
            let asked: HashSet<&Pointer> = wanted.effects.iter().map(|one| &one.pointer).collect();
            descriptions.retain(|Description { pointer, .. }| match record.kind {
                // What changed under a new name has effects at both names.
                EntryKind::Policy => asked
                    .iter()
                    .any(|at| pointer.contains(at) || at.contains(pointer)),
                _ => asked.contains(pointer),
            });
            let after = Some(state.value());
            let beside = words::describe_conflicts(state.policy(), &wanted.conflicts, after);
            descriptions.extend(beside);
            told.insert(record.place(), descriptions);
        }
        Ok(told)
    }
}

/// The name that a field had after the entry at `place`, of its former names, the last one first.
fn named_at<'a>(
    formerly: &'a [(LogPlace, Pointer)],
    place: LogPlace,
    field: &'a Pointer,
) -> &'a Pointer {
    let later = formerly.iter().take_while(|(until, _)| place < *until);
    later.last().map_or(field, |(_, name)| name)
}

/// All entries of an entity, their chain checked.
fn entries(store: &dyn Ledger, id: &EntityId) -> Result<Vec<(Entry, Hash)>, HistoryError> {
    let head = store
        .head(id)?
        .ok_or_else(|| HistoryError::Unknown(id.clone()))?;
    let mut entries = Vec::new();
    let mut chain = Chain::new();
    let mut next = storage::Place {
        entity: id.clone(),
        epoch: Epoch::FIRST,
        seq: Seq(0),
    };
    while next.epoch <= head.epoch {
        read_chained(store, next.clone(), &mut chain, |page| {
            entries.extend(page);
            Ok::<_, HistoryError>(())
        })?;
        next.epoch = next.epoch.next();
    }
    Ok(entries)
}

/// The effects that the store has of these entries. Those that cannot be read count as lost.
fn kept_effects(
    store: &dyn Ledger,
    id: &EntityId,
    entries: &[(Entry, Hash)],
) -> Result<HashMap<LogPlace, Kept>, HistoryError> {
    let mut kept = HashMap::new();
    let last = entries
        .last()
        .map_or(Epoch::FIRST, |(entry, _)| entry.header.place.epoch);
    let mut next = storage::Place {
        entity: id.clone(),
        epoch: Epoch::FIRST,
        seq: Seq(0),
    };
    while next.epoch <= last {
        let page = store.effects(&next, EFFECTS_AT_ONCE)?;
        for (seq, bytes) in &page {
            if let Some(derived) = Derived::decode(bytes) {
                kept.insert(LogPlace::new(next.epoch, *seq), derived);
            }
        }
        match page.last() {
            Some((seq, _)) => next.seq = seq.next(),
            None => (next.epoch, next.seq) = (next.epoch.next(), Seq(0)),
        }
    }
    Ok(kept)
}
