//! Bringing an entity back from the store: a snapshot where there is one, then its entries.
//!
//! Invariant: every entry that is replayed is checked against the chain of hashes. A snapshot is a
//! cache: one that cannot be used is passed over, and the log is replayed from its beginning.
//!
//! Must not know: followers, frames, who asks.

use std::sync::Arc;

use indelible_engine::entity::{Entity, LoadError, Logged};
use indelible_engine::id::{EntityId, Epoch, Seq};
use indelible_engine::ledger::{self, Chain, ChainError, Entry, Sealed};
use indelible_engine::policy::Policy;

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

/// Loads an entity; `None` when it does not exist.
///
/// # Errors
/// [`LoadingError`]; the log is as it was.
pub(crate) fn load(
    store: &dyn Store,
    id: &EntityId,
    policy: &Arc<Policy>,
) -> Result<Option<Loaded>, LoadingError> {
    let Some(head) = store
        .head(id)?
        .filter(|head| head.presence == Presence::Present)
    else {
        return Ok(None);
    };
    let stored = store.snapshot(id, head.epoch)?;
    if let Some(stored) = stored {
        match from_snapshot(store, id, policy, &stored) {
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
    let mut entity = Entity::genesis(id, head.epoch, policy);
    replay(store, &mut entity, Chain::new(), Seq(0))?;
    Ok(Some(Loaded {
        entity,
        snapshot: Seq(0),
    }))
}

fn from_snapshot(
    store: &dyn Store,
    id: &EntityId,
    policy: &Arc<Policy>,
    stored: &Snapshot,
) -> Result<Entity, LoadingError> {
    let mut entity = Entity::from_snapshot(id, stored.epoch, policy, &stored.document)?;
    let chain = Chain::after(entity.hash());
    let next = entity.seq().next();
    replay(store, &mut entity, chain, next)?;
    Ok(entity)
}

fn replay(
    store: &dyn Store,
    entity: &mut Entity,
    mut chain: Chain,
    mut from: Seq,
) -> Result<(), LoadingError> {
    loop {
        let place = Place {
            entity: entity.id().clone(),
            epoch: entity.epoch(),
            seq: from,
        };
        let stored = store.entries(&place, ENTRIES_AT_ONCE)?;
        let Some(last) = stored.len().checked_sub(1) else {
            return Ok(());
        };
        let mut entries = Vec::with_capacity(stored.len());
        for Stored { hash, bytes } in &stored {
            let entry = chain
                .check(bytes, *hash)
                .map_err(|source| LoadingError::Chain {
                    entity: entity.id().clone(),
                    source,
                })?;
            entries.push((entry, *hash));
        }
        from = entries[last].0.seq.next();
        let logged = entries.iter().map(|(entry, hash)| Logged::of(entry, *hash));
        entity.apply_log(logged)?;
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
    let place = Place {
        entity: id.clone(),
        epoch,
        seq,
    };
    let Some(stored) = store.entry(&place)? else {
        return Ok(None);
    };
    Ok(Some(ledger::decode(&stored.bytes)?))
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
