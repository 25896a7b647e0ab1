//! Entries of a log, read some at a time and checked against their chain of hashes.

use indelible_engine::id::{EntityId, Hash};
use indelible_engine::ledger::{Chain, ChainError, Entry};

use super::{Ledger, Place, StoreError, Stored};

/// Entries that are read and checked at a time.
const ENTRIES_AT_ONCE: usize = 1_000;

/// The entries of a log are not what was written.
#[derive(Debug, thiserror::Error)]
#[error("the log of {entity} is broken")]
pub struct BrokenLog {
    /// Which entity.
    pub entity: EntityId,
    /// What does not match.
    pub source: ChainError,
}

/// Goes through the entries of an epoch from a place on; `chain` has checked those before it.
///
/// # Errors
/// When the store cannot be read, the chain is broken, or `each` fails.
pub fn read_chained<E: From<StoreError> + From<BrokenLog>>(
    store: &dyn Ledger,
    mut from: Place,
    chain: &mut Chain,
    mut each: impl FnMut(Vec<(Entry, Hash)>) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let stored = store.entries(&from, ENTRIES_AT_ONCE)?;
        let mut entries = Vec::with_capacity(stored.len());
        for Stored { hash, bytes } in &stored {
            let entry = chain.check(bytes, *hash).map_err(|source| BrokenLog {
                entity: from.entity.clone(),
                source,
            })?;
            entries.push((entry, *hash));
        }
        let Some((last, _)) = entries.last() else {
            return Ok(());
        };
        from.seq = last.header.place.seq.next();
        each(entries)?;
    }
}
