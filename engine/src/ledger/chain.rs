//! The hash chain through an entity's entries.

use super::codec::RecordError;
use super::entry::{Entry, decode};
use crate::id::{EntityId, GlobalSeq, Hash, LogPlace, Seq};
use crate::time::Timestamp;

/// Why records do not form a chain. `index` counts the records given, from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The bytes are not a record.
    #[error("record {index} cannot be read")]
    Record {
        /// Which record.
        index: usize,
        /// Why.
        source: RecordError,
    },
    /// The stored hash is not that of the stored bytes.
    #[error("record {index} does not have the hash stored beside it")]
    Hash {
        /// Which record.
        index: usize,
    },
    /// The record names a different predecessor.
    #[error("record {index} does not follow the record before it")]
    Previous {
        /// Which record.
        index: usize,
    },
    /// The record is not the next in number (epoch and seq, global seq).
    #[error("record {index} is out of order")]
    Order {
        /// Which record.
        index: usize,
    },
    /// The record belongs to a different entity.
    #[error("record {index} belongs to another entity")]
    Entity {
        /// Which record.
        index: usize,
    },
    /// The record is older than its predecessor.
    #[error("record {index} is older than the record before it")]
    Time {
        /// Which record.
        index: usize,
    },
}

#[derive(Debug, Clone)]
struct Link {
    entity: EntityId,
    place: LogPlace,
    global: GlobalSeq,
    at: Timestamp,
}

/// Checks one entity's entries one by one, in the order of the log.
#[derive(Debug, Clone)]
pub struct Chain {
    checked: usize,
    previous_hash: Hash,
    last: Option<Link>,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// A chain that begins with an entity's very first entry.
    pub fn new() -> Self {
        Self::after(Hash::ZERO)
    }

    /// A chain that begins after the entry with this hash, which is not at hand or not needed.
    pub fn after(previous_hash: Hash) -> Self {
        Self {
            checked: 0,
            previous_hash,
            last: None,
        }
    }

    /// The hash of the last entry checked.
    pub fn hash(&self) -> Hash {
        self.previous_hash
    }

    /// Checks the next entry: its encoding, its hash, that it names its predecessor, that its seq is
    /// the next (or the first of a later epoch), and that global order and time do not run back.
    ///
    /// # Errors
    ///
    /// [`ChainError`]; the chain is unchanged then.
    pub fn check(&mut self, bytes: &[u8], hash: Hash) -> Result<Entry, ChainError> {
        let index = self.checked;
        let entry = decode(bytes).map_err(|source| ChainError::Record { index, source })?;
        self.check_decoded(&entry, bytes, hash)?;
        Ok(entry)
    }

    /// Checks the next entry, which was decoded from these bytes.
    pub(crate) fn check_decoded(
        &mut self,
        entry: &Entry,
        bytes: &[u8],
        hash: Hash,
    ) -> Result<(), ChainError> {
        let index = self.checked;
        if Entry::hash_of(bytes) != hash {
            return Err(ChainError::Hash { index });
        }
        if entry.previous_hash != self.previous_hash {
            return Err(ChainError::Previous { index });
        }
        let header = &entry.header;
        match &self.last {
            Some(last) => {
                if header.entity != last.entity {
                    return Err(ChainError::Entity { index });
                }
                let (place, before) = (header.place, last.place);
                let next =
                    place.epoch == before.epoch && Some(place.seq.0) == before.seq.0.checked_add(1);
                let later_epoch = place.epoch > before.epoch && place.seq == Seq(0);
                if !(next || later_epoch) || entry.global <= last.global {
                    return Err(ChainError::Order { index });
                }
                if header.at < last.at {
                    return Err(ChainError::Time { index });
                }
            }
            None if self.previous_hash == Hash::ZERO && header.place.seq != Seq(0) => {
                return Err(ChainError::Order { index });
            }
            None => {}
        }
        self.checked += 1;
        self.previous_hash = hash;
        self.last = Some(Link {
            entity: header.entity.clone(),
            place: header.place,
            global: entry.global,
            at: header.at,
        });
        Ok(())
    }
}

/// Checks all entries of an entity, as (encoding, stored hash), in the order of the log.
/// Returns the hash of the last one, `None` if there is none.
///
/// # Errors
///
/// [`ChainError`] for the first entry that does not fit.
pub fn verify_chain<B: AsRef<[u8]>>(
    entries: impl IntoIterator<Item = (B, Hash)>,
) -> Result<Option<Hash>, ChainError> {
    let mut chain = Chain::new();
    for (bytes, hash) in entries {
        chain.check(bytes.as_ref(), hash)?;
    }
    Ok((chain.checked > 0).then_some(chain.previous_hash))
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Sealed, tests::draft};
    use super::*;
    use crate::id::Epoch;

    fn chain(entries: &[&Sealed]) -> Result<Option<Hash>, ChainError> {
        verify_chain(
            entries
                .iter()
                .map(|sealed| (sealed.bytes.clone(), sealed.hash)),
        )
    }

    #[test]
    fn a_chain_breaks_where_it_was_tampered_with() {
        let now = draft(0).header.at;
        let e0 = draft(0).seal(GlobalSeq(1), now, Hash::ZERO);
        let e1 = draft(1).seal(GlobalSeq(4), now, e0.hash);
        let e2 = draft(2).seal(GlobalSeq(5), now, e1.hash);
        assert_eq!(chain(&[]), Ok(None));
        assert_eq!(chain(&[&e0, &e1, &e2]), Ok(Some(e2.hash)));
        assert_eq!(chain(&[&e0, &e2]), Err(ChainError::Previous { index: 1 }));
        assert_eq!(chain(&[&e1, &e2]), Err(ChainError::Previous { index: 0 }));

        let mut forged = e1.clone();
        *forged.bytes.last_mut().unwrap() ^= 1;
        assert_eq!(chain(&[&e0, &forged]), Err(ChainError::Hash { index: 1 }));
        forged.hash = Entry::hash_of(&forged.bytes);
        assert_eq!(
            chain(&[&e0, &forged]),
            Err(ChainError::Previous { index: 1 })
        );

        let skipped = draft(3).seal(GlobalSeq(6), now, e1.hash);
        assert_eq!(
            chain(&[&e0, &e1, &skipped]),
            Err(ChainError::Order { index: 2 })
        );
        let back = draft(2).seal(GlobalSeq(4), now, e1.hash);
        assert_eq!(
            chain(&[&e0, &e1, &back]),
            Err(ChainError::Order { index: 2 })
        );
        let mut other = draft(1);
        other.header.entity = "team/joe".parse().unwrap();
        let other = other.seal(GlobalSeq(2), now, e0.hash);
        assert_eq!(chain(&[&e0, &other]), Err(ChainError::Entity { index: 1 }));
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_goes_on_the_chain() {
        let e0 = draft(0).seal(GlobalSeq(1), Timestamp(0), Hash::ZERO);
        let mut next = draft(0);
        next.header.place.epoch = Epoch(2);
        let next = next.seal(GlobalSeq(2), Timestamp(0), e0.hash);
        assert_eq!(chain(&[&e0, &next]), Ok(Some(next.hash)));
        let mut resumed = Chain::after(e0.hash);
        assert!(resumed.check(&next.bytes, next.hash).is_ok());
        assert_eq!(resumed.hash(), next.hash);
    }
}
