//! Loads an entity, or its value alone, from the store: its snapshot, then the entries after it.
//!
//! Invariant: every entry that is replayed is checked against the chain of hashes. A snapshot is a
//! cache: one that cannot be used is ignored, and the log is replayed from its beginning.

use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::history::{Checkpoints, Past, State, checkpoint};
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use indelible_engine::ledger::{self, Chain, Entry, Logged, Sealed};
use indelible_engine::policy::PolicySource;

use super::log::StoredLog;
use crate::storage::chained::{BrokenLog, read_chained};
use crate::storage::{Ledger, Place, Presence, Snapshot, StoreError, Stored};
use crate::versions::Opened;
use crate::work::Weight;

/// Entries behind a snapshot by which a value is brought up to date; beyond, loading is quicker.
const BEHIND_MAX: u64 = 2_000;
/// Entries that are read at a time while their bytes are counted.
const ENTRIES_TO_SEND_AT_ONCE: usize = 32;

/// An entity as it was loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The entity at the end of its log.
    pub(crate) entity: Entity,
    /// What was replayed behind the snapshot.
    pub(crate) since: Since,
}

/// What lies behind the snapshot of an entity, and how long that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// Changes behind it.
    pub(crate) changes: u64,
    /// Their bytes.
    pub(crate) bytes: usize,
    /// Bytes of the snapshot; 0 when there is none.
    pub(crate) snapshot_bytes: usize,
}

impl Since {
    /// Goes on by an entry.
    pub(crate) fn count(&mut self, entry: &Entry) {
        self.changes += entry.changes.len() as u64;
        self.bytes += entry.changes.iter().map(Vec::len).sum::<usize>();
    }

    /// Takes in what was behind an earlier one.
    pub(crate) fn add(&mut self, earlier: Self) {
        self.changes += earlier.changes;
        self.bytes += earlier.bytes;
    }
}

/// Why an entity cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadingError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entries are not what was written.
    #[error(transparent)]
    Chain(#[from] BrokenLog),
    /// The entries do not make a document.
    #[error(transparent)]
    Entity(#[from] LoadError),
}

/// What an entity is loaded from.
#[derive(Debug)]
pub(crate) struct Found {
    epoch: Epoch,
    snapshot: Option<Snapshot>,
    last_bytes: usize,
}

impl Found {
    /// How long loading it takes: by the bytes of the snapshot and the last entry. What lies between
    /// them is less than what makes a snapshot due.
    pub(crate) fn weight(&self) -> Weight {
        let snapshot = self.snapshot.as_ref();
        Weight::of_stored(self.last_bytes + snapshot.map_or(0, |stored| stored.document.len()))
    }

    /// Makes the entity, under the policy that its log says, deleted or not.
    ///
    /// # Errors
    /// [`LoadingError`]; the log is as it was.
    pub(crate) fn load(
        self,
        store: &dyn Ledger,
        id: &EntityId,
        policies: &dyn PolicySource,
    ) -> Result<Option<Loaded>, LoadingError> {
        if let Some(stored) = self.snapshot {
            match from_snapshot(store, id, policies, &stored) {
                Ok(loaded) => return Ok(Some(loaded)),
                Err(error) => {
                    tracing::warn!(entity = %id, %error, "a snapshot cannot be used; replaying");
                }
            }
        }
        from_log(store, id, policies, self.epoch)
    }
}

/// What there is of an entity; `None` when it was never there.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn find(store: &dyn Ledger, id: &EntityId) -> Result<Option<Found>, StoreError> {
    let Some(head) = store
        .head(id)?
        .filter(|head| head.presence != Presence::Unborn)
    else {
        return Ok(None);
    };
    let last = store.entry(&Place {
        entity: id.clone(),
        epoch: head.epoch,
        seq: head.seq,
    })?;
    Ok(Some(Found {
        epoch: head.epoch,
        snapshot: store.snapshot(id, head.epoch)?,
        last_bytes: last.map_or(0, |last| last.bytes.len()),
    }))
}

/// Loads an entity; `None` when it was never there.
///
/// # Errors
/// [`LoadingError`]; the log is as it was.
pub(crate) fn load(
    store: &dyn Ledger,
    id: &EntityId,
    policies: &dyn PolicySource,
) -> Result<Option<Loaded>, LoadingError> {
    match find(store, id)? {
        Some(found) => found.load(store, id, policies),
        None => Ok(None),
    }
}

fn from_snapshot(
    store: &dyn Ledger,
    id: &EntityId,
    policies: &dyn PolicySource,
    stored: &Snapshot,
) -> Result<Loaded, LoadingError> {
    let mut since = Since {
        snapshot_bytes: stored.document.len() + stored.state.len(),
        ..Since::default()
    };
    let mut entity = Entity::from_snapshot(id, stored.epoch, policies, &stored.document)?;
    let mut chain = Chain::after(entity.hash());
    let next = Place {
        entity: id.clone(),
        epoch: stored.epoch,
        seq: entity.seq().next(),
    };
    read_chained(store, next, &mut chain, |entries| {
        entries.iter().for_each(|(entry, _)| since.count(entry));
        let logged = entries.iter().map(|(entry, hash)| Logged::of(entry, *hash));
        Ok::<_, LoadingError>(entity.replay(logged, policies)?)
    })?;
    Ok(Loaded { entity, since })
}

/// The entity after all entries of its log, through all epochs; `None` when there is none.
fn from_log(
    store: &dyn Ledger,
    id: &EntityId,
    policies: &dyn PolicySource,
    last: Epoch,
) -> Result<Option<Loaded>, LoadingError> {
    let (mut entity, mut since): (Option<Entity>, _) = (None, Since::default());
    let mut chain = Chain::new();
    let mut epoch = Epoch::FIRST;
    while epoch <= last {
        let start = Place {
            entity: id.clone(),
            epoch,
            seq: Seq(0),
        };
        read_chained(store, start, &mut chain, |entries| {
            entries.iter().for_each(|(entry, _)| since.count(entry));
            let mut logged = entries.iter().map(|(entry, hash)| Logged::of(entry, *hash));
            if let (None, Some(first)) = (&entity, entries.first()) {
                let first = Logged::of(&first.0, first.1);
                entity = Some(Entity::begin(id, first, policies)?);
                logged.next();
            }
            if let Some(entity) = &mut entity {
                entity.replay(logged, policies)?;
            }
            Ok::<_, LoadingError>(())
        })?;
        epoch = epoch.next();
    }
    Ok(entity.map(|entity| Loaded { entity, since }))
}

/// What the value of an entity is read from, without its document.
#[derive(Debug)]
pub(crate) struct FoundValue {
    /// The end of the log.
    last: LogPlace,
    hash: Hash,
    checkpoint: AtSnapshot,
    /// Entries behind the snapshot.
    behind: u64,
}

/// What there is of a value; `None` where there is none, or too much lies behind the snapshot:
/// [`load`] answers then.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn find_value(
    store: &dyn Ledger,
    id: &EntityId,
) -> Result<Option<FoundValue>, StoreError> {
    let Some(head) = store.head(id)? else {
        return Ok(None);
    };
    let last = LogPlace::new(head.epoch, head.seq);
    let mut checkpoint = AtSnapshot(store.snapshot(id, head.epoch)?);
    let start = checkpoint.nearest(last).map(|(place, _)| place);
    let behind = match (start, head.epoch) {
        (Some(start), _) => head.seq.0 - start.seq.0,
        (None, Epoch::FIRST) => head.seq.0,
        // Earlier epochs may be long.
        (None, _) => return Ok(None),
    };
    let hash = head.hash;
    Ok((behind <= BEHIND_MAX).then_some(FoundValue {
        last,
        hash,
        checkpoint,
        behind,
    }))
}

impl FoundValue {
    /// How long reading it takes: by the bytes of the state that is kept, and the entries behind it.
    pub(crate) fn weight(&self) -> Weight {
        let kept = self.checkpoint.0.as_ref();
        let kept = Weight::of_stored(kept.map_or(0, |stored| stored.state.len()));
        kept.max(Weight::of_entries(self.behind))
    }

    /// What the entity is as readers see it, by what its entries changed: no document is made, which
    /// costs what the whole history is long. `None` where something of it is not in the store's
    /// caches; [`load`] answers then.
    pub(crate) fn state(
        mut self,
        store: &dyn Ledger,
        id: &EntityId,
        policies: &dyn PolicySource,
    ) -> Option<(State, Hash)> {
        let mut past = Past {
            archive: &mut StoredLog {
                store,
                entity: id,
                last: self.last,
                policies,
            },
            checkpoints: &mut self.checkpoint,
            policies,
        };
        match past.state(self.last, None) {
            Ok(state) => Some((state, self.hash)),
            Err(error) => {
                tracing::debug!(entity = %id, %error, "the value is read from the document instead");
                None
            }
        }
    }
}

/// A snapshot as the one state that is kept.
#[derive(Debug)]
struct AtSnapshot(Option<Snapshot>);

impl Checkpoints for AtSnapshot {
    fn nearest(&mut self, place: LogPlace) -> Option<(LogPlace, Vec<u8>)> {
        let snapshot = self.0.as_ref()?;
        let at = LogPlace::new(snapshot.epoch, snapshot.seq);
        let known = at <= place && !snapshot.state.is_empty();
        known.then(|| (at, snapshot.state.clone()))
    }

    fn keep(&mut self, _: LogPlace, _: Vec<u8>) {}

    fn forget(&mut self, _: LogPlace) {
        self.0 = None;
    }
}

/// The entity as a snapshot for the store.
///
/// # Errors
/// [`LoadError`] when what was saved would not load again.
pub(crate) fn snapshot(entity: &Entity) -> Result<Snapshot, LoadError> {
    Ok(Snapshot {
        epoch: entity.epoch(),
        seq: entity.seq(),
        document: entity.to_snapshot()?,
        state: checkpoint(entity).unwrap_or_default(),
    })
}

/// One entry of the log.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn entry(
    store: &dyn Ledger,
    id: &EntityId,
    epoch: Epoch,
    seq: Seq,
) -> Result<Option<Entry>, StoreError> {
    Ok(sealed(store, id, epoch, seq)?.map(|(entry, _)| entry))
}

/// One entry of the log, with its hash.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn sealed(
    store: &dyn Ledger,
    id: &EntityId,
    epoch: Epoch,
    seq: Seq,
) -> Result<Option<(Entry, Hash)>, StoreError> {
    let place = Place {
        entity: id.clone(),
        epoch,
        seq,
    };
    let Some(stored) = store.entry(&place)? else {
        return Ok(None);
    };
    Ok(Some((ledger::decode(&stored.bytes)?, stored.hash)))
}

/// The entries after the one at a place that has this hash; `None` when there is no such entry, or
/// when they are more than `bytes_max` together.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn after(
    store: &dyn Ledger,
    id: &EntityId,
    (at, hash): (LogPlace, Hash),
    bytes_max: usize,
) -> Result<Option<Vec<Sealed>>, StoreError> {
    let mut from = Place {
        entity: id.clone(),
        epoch: at.epoch,
        seq: at.seq,
    };
    // The one read that shows whether the others are worth reading.
    if store.entry(&from)?.is_none_or(|known| known.hash != hash) {
        return Ok(None);
    }
    from.seq = at.seq.next();
    let (mut sealed, mut bytes_read) = (Vec::new(), 0);
    loop {
        let stored = store.entries(&from, ENTRIES_TO_SEND_AT_ONCE)?;
        if stored.is_empty() {
            return Ok(Some(sealed));
        }
        for Stored { hash, bytes } in stored {
            bytes_read += bytes.len();
            if bytes_read > bytes_max {
                return Ok(None);
            }
            let entry = ledger::decode(&bytes)?;
            from.seq = entry.header.place.seq.next();
            sealed.push(Sealed { entry, bytes, hash });
        }
    }
}

/// Whether a place is the beginning of an epoch that followed a version's entry.
pub(crate) fn begins_after(
    store: &dyn Ledger,
    id: &EntityId,
    place: LogPlace,
    version: &Opened,
) -> bool {
    let LogPlace { epoch, seq } = place;
    if seq != Seq(0) || version.epoch >= epoch {
        return false;
    }
    let first = entry(store, id, epoch, seq);
    first.is_ok_and(|first| first.is_some_and(|first| version.is_of(&first.previous_hash)))
}
