//! Bringing an entity back from the store: a snapshot where there is one, then its entries.
//!
//! Invariant: every entry that is replayed is checked against the chain of hashes. A snapshot is a
//! cache: one that cannot be used is passed over, and the log is replayed from its beginning.
//!
//! Must not know: followers, frames, who asks.

use indelible_engine::entity::{Entity, LoadError, Logged};
use indelible_engine::id::{EntityId, Epoch, Hash, Seq};
use indelible_engine::ledger::{self, Chain, ChainError, Entry, Sealed};
use indelible_engine::policy::PolicySource;

use crate::storage::{Place, Presence, Snapshot, Store, StoreError, Stored};

/// Entries that are read and applied at a time.
const ENTRIES_AT_ONCE: usize = 1_000;
/// Entries that are read at a time while their bytes are counted.
const ENTRIES_TO_SEND_AT_ONCE: usize = 32;

/// An entity as it was loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The entity at the end of its log.
    pub(crate) entity: Entity,
    /// The seq of the snapshot in the store; 0 when there is none.
    pub(crate) snapshot: Seq,
}

/// Why an entity cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadingError {
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
    Entity(#[from] LoadError),
}

/// Loads an entity, under the policy that its log says, deleted or not; `None` when it was never
/// there.
///
/// # Errors
/// [`LoadingError`]; the log is as it was.
pub(crate) fn load(
    store: &dyn Store,
    id: &EntityId,
    policies: &dyn PolicySource,
) -> Result<Option<Loaded>, LoadingError> {
    let Some(head) = store
        .head(id)?
        .filter(|head| head.presence != Presence::Unborn)
    else {
        return Ok(None);
    };
    let stored = store.snapshot(id, head.epoch)?;
    if let Some(stored) = stored {
        match from_snapshot(store, id, policies, &stored) {
            Ok(entity) => {
                return Ok(Some(Loaded {
                    entity,
                    snapshot: stored.seq,
                }));
            }
            Err(error) => {
                tracing::warn!(entity = %id, %error, "a snapshot cannot be used; replaying");
            }
        }
    }
    let entity = from_log(store, id, policies, head.epoch)?;
    Ok(entity.map(|entity| Loaded {
        entity,
        snapshot: Seq(0),
    }))
}

fn from_snapshot(
    store: &dyn Store,
    id: &EntityId,
    policies: &dyn PolicySource,
    stored: &Snapshot,
) -> Result<Entity, LoadingError> {
    let mut entity = Entity::from_snapshot(id, stored.epoch, policies, &stored.document)?;
    let mut chain = Chain::after(entity.hash());
    let next = Place {
        entity: id.clone(),
        epoch: stored.epoch,
        seq: entity.seq().next(),
    };
    log(store, next, &mut chain, |entries| {
        let logged = entries.iter().map(|(entry, hash)| Logged::of(entry, *hash));
        Ok(entity.replay(logged, policies)?)
    })?;
    Ok(entity)
}

/// The entity after all entries of its log, through all epochs; `None` when there is none.
fn from_log(
    store: &dyn Store,
    id: &EntityId,
    policies: &dyn PolicySource,
    last: Epoch,
) -> Result<Option<Entity>, LoadingError> {
    let mut entity: Option<Entity> = None;
    let mut chain = Chain::new();
    let mut epoch = Epoch::FIRST;
    while epoch <= last {
        let start = Place {
            entity: id.clone(),
            epoch,
            seq: Seq(0),
        };
        log(store, start, &mut chain, |entries| {
            let mut logged = entries.iter().map(|(entry, hash)| Logged::of(entry, *hash));
            if let (None, Some(first)) = (&entity, entries.first()) {
                let first = Logged::of(&first.0, first.1);
                entity = Some(Entity::begin(id, first, policies)?);
                logged.next();
            }
            if let Some(entity) = &mut entity {
                entity.replay(logged, policies)?;
            }
            Ok(())
        })?;
        epoch = epoch.next();
    }
    Ok(entity)
}

/// Goes through the entries of an epoch, checked against the chain, some at a time.
fn log(
    store: &dyn Store,
    mut from: Place,
    chain: &mut Chain,
    mut each: impl FnMut(&[(Entry, Hash)]) -> Result<(), LoadingError>,
) -> Result<(), LoadingError> {
    loop {
        let stored = store.entries(&from, ENTRIES_AT_ONCE)?;
        let mut entries = Vec::with_capacity(stored.len());
        for Stored { hash, bytes } in &stored {
            let entry = chain
                .check(bytes, *hash)
                .map_err(|source| LoadingError::Chain {
                    entity: from.entity.clone(),
                    source,
                })?;
            entries.push((entry, *hash));
        }
        let Some((last, _)) = entries.last() else {
            return Ok(());
        };
        from.seq = last.seq.next();
        each(&entries)?;
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
        state: Vec::new(),
    })
}

/// One entry of the log.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn entry(
    store: &dyn Store,
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
    store: &dyn Store,
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

/// The entries from a place on; `None` when they are more than `bytes_max` together.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn entries(
    store: &dyn Store,
    id: &EntityId,
    (epoch, mut seq): (Epoch, Seq),
    bytes_max: usize,
) -> Result<Option<Vec<Sealed>>, StoreError> {
    let (mut sealed, mut bytes_read) = (Vec::new(), 0);
    loop {
        let place = Place {
            entity: id.clone(),
            epoch,
            seq,
        };
        let stored = store.entries(&place, ENTRIES_TO_SEND_AT_ONCE)?;
        if stored.is_empty() {
            return Ok(Some(sealed));
        }
        for Stored { hash, bytes } in stored {
            bytes_read += bytes.len();
            if bytes_read > bytes_max {
                return Ok(None);
            }
            let entry = ledger::decode(&bytes)?;
            seq = entry.seq.next();
            sealed.push(Sealed { entry, bytes, hash });
        }
    }
}
