//! The past of one entity, read from the store of a stopped server.
//!
//! Invariant: entries are checked against their chain before anything is told of them; a past state
//! is what the log up to there makes, under the policies that it names.
//! Must never know: how anything is shown, who may see it.

use indelible_engine::change;
use indelible_engine::effects::{Effect, effects};
use indelible_engine::entity::{Entity, LoadError, Logged};
use indelible_engine::id::{EntityId, Epoch, Hash, Seq};
use indelible_engine::ledger::{Chain, ChainError, Entry};
use indelible_engine::limits::Limits;
use indelible_engine::policy::PolicyBook;
use indelible_engine::time::Timestamp;
use serde_json::{Map, Value};

use crate::known_policies;
use crate::storage::{Place, Store, StoreError, Stored};

const ENTRIES_AT_ONCE: usize = 1_000;

/// Why the past cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PastError {
    /// There never was such an entity.
    #[error("{0} was never there")]
    Unknown(EntityId),
    /// There is no entry there.
    #[error("{entity} has no entry {place}; its last is {last}")]
    NoEntry {
        /// Which entity.
        entity: EntityId,
        /// What was asked for.
        place: String,
        /// The last entry that there is.
        last: String,
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
    /// The entries do not make a document.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// A point in an entity's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// After this entry; of the last epoch, if none is named.
    Entry(Option<Epoch>, Seq),
    /// After the last entry that was committed by then.
    Time(Timestamp),
}

/// One entry, and what it changed.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) entry: Entry,
    pub(crate) hash: Hash,
    pub(crate) effects: Vec<Effect>,
}

impl Event {
    /// What the changes say of themselves.
    pub(crate) fn messages(&self) -> impl Iterator<Item = String> {
        let limits = Limits::default();
        self.entry.changes.iter().filter_map(move |bytes| {
            let change = change::parse(bytes, &limits).ok()?;
            change.message().map(str::to_owned)
        })
    }
}

/// All entries of one entity.
#[derive(Debug)]
pub(crate) struct Past {
    id: EntityId,
    entries: Vec<(Entry, Hash)>,
    policies: PolicyBook,
}

impl Past {
    /// Reads and checks the log of an entity.
    ///
    /// # Errors
    /// [`PastError`] when there is none or it is not whole.
    pub(crate) fn read(store: &dyn Store, id: &EntityId) -> Result<Self, PastError> {
        let head = store
            .head(id)?
            .ok_or_else(|| PastError::Unknown(id.clone()))?;
        let mut entries = Vec::new();
        let mut chain = Chain::new();
        let mut next = Place {
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
        Ok(Self {
            id: id.clone(),
            entries,
            policies: known_policies::compile(&store.policies()?),
        })
    }

    /// How many entries there are up to a point.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn count_at(&self, point: Point) -> Result<usize, PastError> {
        let last = self.entries.last().map(|(entry, _)| entry);
        let epoch = last.map_or(Epoch::FIRST, |entry| entry.epoch);
        let found = match point {
            Point::Entry(wanted, seq) => {
                let wanted = (wanted.unwrap_or(epoch), seq);
                let mut entries = self.entries.iter();
                entries.position(|(entry, _)| (entry.epoch, entry.seq) == wanted)
            }
            Point::Time(at) => self.entries.iter().rposition(|(entry, _)| entry.at <= at),
        };
        found
            .map(|index| index + 1)
            .ok_or_else(|| PastError::NoEntry {
                entity: self.id.clone(),
                place: match point {
                    Point::Entry(Some(epoch), seq) => format!("{epoch}:{seq}"),
                    Point::Entry(None, seq) => seq.to_string(),
                    Point::Time(at) => format!("of {at} or before"),
                },
                last: last.map_or_else(String::new, |entry| {
                    format!("{}:{}", entry.epoch, entry.seq)
                }),
            })
    }

    /// The entity after its first `count` entries.
    ///
    /// # Errors
    /// [`PastError::Load`] when they make no document.
    pub(crate) fn state(&self, count: usize) -> Result<Entity, PastError> {
        let mut logged = self.entries[..count.max(1)]
            .iter()
            .map(|(entry, hash)| Logged::of(entry, *hash));
        let first = logged
            .next()
            .ok_or_else(|| PastError::Unknown(self.id.clone()))?;
        let mut entity = Entity::begin(&self.id, first, &self.policies)?;
        entity.replay(logged, &self.policies)?;
        Ok(entity)
    }

    /// The last `limit` of the first `count` entries, the latest first, with their effects: those
    /// kept in the store, or, where they are missing, made again.
    ///
    /// # Errors
    /// [`PastError`] when the store cannot be read or the entries make no document.
    pub(crate) fn events(
        &self,
        store: &dyn Store,
        count: usize,
        limit: usize,
    ) -> Result<Vec<Event>, PastError> {
        let first = count.saturating_sub(limit);
        let mut events = Vec::new();
        let mut before: Option<Entity> = None;
        for (index, (entry, hash)) in self.entries[..count].iter().enumerate().skip(first) {
            let kept = self.kept_effects(store, entry)?;
            let effects = match kept {
                Some(effects) => {
                    before = None;
                    effects
                }
                None if index == 0 || entry.changes.is_empty() => Vec::new(),
                None => {
                    let mut entity = match before.take() {
                        Some(entity) => entity,
                        None => self.state(index)?,
                    };
                    let old = without_stamps(&entity);
                    entity.replay([Logged::of(entry, *hash)], &self.policies)?;
                    let made = effects(entity.policy(), &old, &without_stamps(&entity));
                    before = Some(entity);
                    made
                }
            };
            events.push(Event {
                entry: entry.clone(),
                hash: *hash,
                effects,
            });
        }
        events.reverse();
        Ok(events)
    }

    fn kept_effects(
        &self,
        store: &dyn Store,
        entry: &Entry,
    ) -> Result<Option<Vec<Effect>>, PastError> {
        let place = Place {
            entity: self.id.clone(),
            epoch: entry.epoch,
            seq: entry.seq,
        };
        let found = store.effects(&place, 1)?.into_iter().next();
        let own = found.filter(|(seq, _)| *seq == entry.seq);
        Ok(own.and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok()))
    }
}

/// The value without what is derived from the log.
fn without_stamps(entity: &Entity) -> Map<String, Value> {
    let mut value = match entity.presented() {
        Value::Object(value) => value,
        _ => Map::new(),
    };
    for name in entity.stamp_fields().keys() {
        value.remove(name);
    }
    value
}

/// What is different between two states, as a reader of the later one sees it.
pub(crate) fn differences(before: &Entity, after: &Entity) -> Vec<Effect> {
    effects(
        after.policy(),
        &without_stamps(before),
        &without_stamps(after),
    )
}
