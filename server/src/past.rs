//! The past of one entity, read from the store of a stopped server.
//!
//! Owns the way from stored entries to what history in the engine works on.
//! Invariant: entries are checked against their chain before anything is told of them. Effects come
//! from the store's cache, or are made again where that lacks them or is not to be believed; whether
//! a ledger's changes were allowed is told by checking a bundle, not here.
//! Must never know: how anything is shown, who may see it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::convert::Infallible;

use indelible_engine::effects::Effect;
use indelible_engine::entity::{Entity, LoadError, Logged};
use indelible_engine::history::words::{self, Telling};
use indelible_engine::history::{
    self, Blame, FindError, InMemory, Place, Point, Race, ReachError, Record, State, effects_of,
};
use indelible_engine::id::{EntityId, Epoch, Hash, Seq};
use indelible_engine::ledger::{Chain, ChainError, Entry, EntryKind};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{PolicyBook, Shape};
use serde_json::Value;

use crate::known_policies;
use crate::storage::{self, Store, StoreError, Stored};

const ENTRIES_AT_ONCE: usize = 1_000;

/// Why the past cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PastError {
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
    #[error("the log of {entity} is broken")]
    Chain {
        /// Which entity.
        entity: EntityId,
        /// How one can tell.
        source: ChainError,
    },
    /// The store has other effects of an entry than its changes have.
    #[error(
        "what the store keeps as the effects of entry {epoch}:{seq} of {entity} does not follow \
         from its changes",
        epoch = .place.0, seq = .place.1
    )]
    Effects {
        /// Which entity.
        entity: EntityId,
        /// The entry.
        place: Place,
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
    /// [`PastError`] when there is none or it is not whole.
    pub(crate) fn read(
        store: &dyn Store,
        id: &EntityId,
        effects: Effects,
    ) -> Result<Self, PastError> {
        let entries = entries(store, id)?;
        let mut past = Self {
            id: id.clone(),
            records: Vec::with_capacity(entries.len()),
            entries,
            policies: known_policies::compile(&store.policies()?),
        };
        past.records = past.make_records(kept_effects(store, id, &past.entries)?, effects)?;
        Ok(past)
    }

    fn make_records(
        &self,
        mut kept: HashMap<Place, Vec<Effect>>,
        trust: Effects,
    ) -> Result<Vec<Record>, PastError> {
        let mut records = Vec::with_capacity(self.entries.len());
        let mut entity = self.begun()?;
        // Entries that the entity has not taken yet.
        let mut behind = 1;
        for (index, (entry, hash)) in self.entries.iter().enumerate() {
            let place = (entry.epoch, entry.seq);
            let kept = kept.remove(&place);
            let effects = match (kept, entry.kind) {
                (Some(effects), _) if trust == Effects::Kept => effects,
                (None, EntryKind::Deleted | EntryKind::Undeleted) => Vec::new(),
                (kept, _) => {
                    let between = self.entries[behind..index.max(behind)].iter();
                    let between = between.map(|(entry, hash)| Logged::of(entry, *hash));
                    entity.replay(between, &self.policies)?;
                    behind = index + 1;
                    let made = effects_of(&mut entity, Logged::of(entry, *hash), &self.policies)?;
                    if kept.is_some_and(|kept| kept != made) {
                        let entity = self.id.clone();
                        return Err(PastError::Effects { entity, place });
                    }
                    made
                }
            };
            records.push(Record::of(entry, *hash, effects));
        }
        Ok(records)
    }

    /// The entity after its first entry.
    fn begun(&self) -> Result<Entity, PastError> {
        let (first, hash) = self
            .entries
            .first()
            .ok_or_else(|| PastError::Unknown(self.id.clone()))?;
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
    /// [`PastError::Point`] when it names none.
    pub(crate) fn find(&self, point: &Point) -> Result<Place, PastError> {
        history::find(&mut self.archive(), point).map_err(|source| PastError::Point {
            entity: self.id.clone(),
            source,
        })
    }

    /// The record at a place that [`Self::find`] gave.
    pub(crate) fn record(&self, place: Place) -> Option<&Record> {
        self.records.iter().find(|record| record.place() == place)
    }

    /// The records up to a place.
    fn until(&self, place: Place) -> &[Record] {
        let end = self
            .records
            .partition_point(|record| record.place() <= place);
        &self.records[..end]
    }

    /// Asks the engine; what it says does not fit is told with the entity.
    fn reach<T>(
        &self,
        ask: impl FnOnce(&mut history::Past<'_, InMemory<'_>>) -> Result<T, ReachError<Infallible>>,
    ) -> Result<T, PastError> {
        let mut past = history::Past {
            archive: &mut self.archive(),
            checkpoints: &mut (),
            policies: &self.policies,
        };
        ask(&mut past).map_err(|source| PastError::Reach {
            entity: self.id.clone(),
            source,
        })
    }

    /// What the entity was after the entry at `place`.
    ///
    /// # Errors
    /// [`PastError`] when the records do not lead there.
    pub(crate) fn state(&self, place: Place) -> Result<State, PastError> {
        self.reach(|past| past.state(place, None))
    }

    /// Who set what stood after the entry at `place`.
    ///
    /// # Errors
    /// [`PastError`] when the records do not lead there.
    pub(crate) fn blame(&self, place: Place) -> Result<Blame, PastError> {
        self.reach(|past| past.blame(place))
    }

    /// The values that stood or lost after the entry at `place`, where several were written at the
    /// same time. What a change of the schema has given another name since is told under that.
    ///
    /// # Errors
    /// [`PastError::Load`] when the entries make no document.
    pub(crate) fn races(&self, place: Place) -> Result<Vec<Race>, PastError> {
        let mut races = self.kept_races(place)?;
        let mut former: HashMap<Place, Vec<Race>> = HashMap::new();
        for field in self.blame(place)?.fields() {
            // The server wrote the one value that stood, so the document has forgotten the others.
            let Some(first) = field.formerly.last() else {
                continue;
            };
            let renaming = (first.until.epoch, first.until.seq);
            let Some(before) = self.before(renaming) else {
                continue;
            };
            let kept = match former.entry(before) {
                Slot::Occupied(known) => known.into_mut(),
                Slot::Vacant(unknown) => unknown.insert(self.kept_races(before)?),
            };
            if let Some(race) = kept.iter().find(|race| race.pointer == first.pointer) {
                let pointer = field.pointer;
                let race = race.clone();
                races.push(Race { pointer, ..race });
            }
        }
        Ok(races)
    }

    /// The entry before another one.
    fn before(&self, place: Place) -> Option<Place> {
        let index = self
            .records
            .iter()
            .position(|record| record.place() == place)?;
        Some(self.records.get(index.checked_sub(1)?)?.place())
    }

    /// The races that the document knows of.
    fn kept_races(&self, place: Place) -> Result<Vec<Race>, PastError> {
        let records = self.until(place);
        let mut entity = self.begun()?;
        let entries = self.entries[..records.len()].iter().skip(1);
        let logged = entries.map(|(entry, hash)| Logged::of(entry, *hash));
        entity.replay(logged, &self.policies)?;
        Ok(history::races(&entity, records))
    }

    /// What each of these records changed, in words, as far as they have the log's effects; a
    /// genesis is not told.
    ///
    /// # Errors
    /// [`PastError`] when the records do not lead there.
    pub(crate) fn tell(
        &self,
        wanted: &[Record],
    ) -> Result<HashMap<Place, Vec<Telling>>, PastError> {
        let mut told: HashMap<Place, Vec<Telling>> = HashMap::new();
        let wanted: HashMap<Place, &Record> = wanted
            .iter()
            .filter(|record| record.kind != EntryKind::Genesis)
            .map(|record| (record.place(), record))
            .collect();
        let mut state = self.state((Epoch::FIRST, Seq(0)))?;
        for record in self.records.iter().skip(1) {
            if told.len() == wanted.len() {
                break;
            }
            let before = wanted
                .contains_key(&record.place())
                .then(|| state.value().clone());
            self.reach(|past| Ok(state.forward([record], past.policies)?))?;
            if let (Some(wanted), Some(before)) = (wanted.get(&record.place()), before) {
                // Each effect is told in what those before it made, so all of them are.
                let mut tellings = words::tell(state.policy(), &record.effects, Some(&before));
                tellings.retain(|telling| {
                    let mut effects = wanted.effects.iter();
                    effects.any(|effect| effect.pointer == telling.pointer)
                });
                told.insert(record.place(), tellings);
            }
        }
        Ok(told)
    }
}

/// All entries of an entity, their chain checked.
fn entries(store: &dyn Store, id: &EntityId) -> Result<Vec<(Entry, Hash)>, PastError> {
    let head = store
        .head(id)?
        .ok_or_else(|| PastError::Unknown(id.clone()))?;
    let mut entries = Vec::new();
    let mut chain = Chain::new();
    let mut next = storage::Place {
        entity: id.clone(),
        epoch: Epoch::FIRST,
        seq: Seq(0),
    };
    while next.epoch <= head.epoch {
        let page = store.entries(&next, ENTRIES_AT_ONCE)?;
        for Stored { hash, bytes } in &page {
            let entry = chain
                .check(bytes, *hash)
                .map_err(|source| PastError::Chain {
                    entity: id.clone(),
                    source,
                })?;
            next.seq = entry.seq.next();
            entries.push((entry, *hash));
        }
        if page.is_empty() {
            (next.epoch, next.seq) = (next.epoch.next(), Seq(0));
        }
    }
    Ok(entries)
}

/// The effects that the store has of these entries. Those that cannot be read count as lost.
fn kept_effects(
    store: &dyn Store,
    id: &EntityId,
    entries: &[(Entry, Hash)],
) -> Result<HashMap<Place, Vec<Effect>>, PastError> {
    let mut kept = HashMap::new();
    let last = entries
        .last()
        .map_or(Epoch::FIRST, |(entry, _)| entry.epoch);
    let mut next = storage::Place {
        entity: id.clone(),
        epoch: Epoch::FIRST,
        seq: Seq(0),
    };
    while next.epoch <= last {
        let page = store.effects(&next, ENTRIES_AT_ONCE)?;
        for (seq, bytes) in &page {
            if let Ok(effects) = serde_json::from_slice(bytes) {
                kept.insert((next.epoch, *seq), effects);
            }
        }
        match page.last() {
            Some((seq, _)) => next.seq = seq.next(),
            None => (next.epoch, next.seq) = (next.epoch.next(), Seq(0)),
        }
    }
    Ok(kept)
}

/// What stood at a place, if anything; items of keyed lists by id.
pub(crate) fn value_at<'a>(state: &'a State, place: &Pointer) -> Option<&'a Value> {
    let policy = state.policy();
    let (first, rest) = place.tokens().split_first()?;
    let mut value = state.value().get(first)?;
    let mut node = policy.child(policy.root(), first);
    for token in rest {
        value = match value {
            Value::Object(map) => map.get(token)?,
            Value::Array(items) => {
                let Shape::Keyed { key, .. } = &policy.node(node?).shape else {
                    return None;
                };
                let own = |item: &&Value| item.get(key).and_then(Value::as_str) == Some(token);
                items.iter().find(own)?
            }
            _ => return None,
        };
        node = node.and_then(|node| policy.child(node, token));
    }
    Some(value)
}
