//! Reading the store's tables at one point in time.

use std::ops::Bound;

use ::redb::ReadTransaction;

use super::{Definition, Reading, StoreResult, backend, get};

/// One point in time.
pub(super) struct Reader(ReadTransaction);

impl Reader {
    pub(super) fn new(transaction: ReadTransaction) -> Self {
        Self(transaction)
    }

    pub(super) fn table(&self, definition: Definition) -> StoreResult<Reading> {
        self.0.open_table(definition).map_err(backend("open"))
    }

    pub(super) fn get(&self, definition: Definition, key: &[u8]) -> StoreResult<Option<Vec<u8>>> {
        get(&self.table(definition)?, key)
    }

    /// Calls `each` for the keys from `from` up to but without `to`, until it returns false.
    pub(super) fn scan(
        &self,
        definition: Definition,
        (from, to): (Bound<&[u8]>, &[u8]),
        mut each: impl FnMut(&[u8], &[u8]) -> StoreResult<bool>,
    ) -> StoreResult<()> {
        // An empty or reversed range is nothing, where `range` might take offence.
        if matches!(from, Bound::Included(from) | Bound::Excluded(from) if from >= to) {
            return Ok(());
        }
        let table = self.table(definition)?;
        let range = (from, Bound::Excluded(to));
        for item in table.range::<&[u8]>(range).map_err(backend("read"))? {
            let (key, value) = item.map_err(backend("read"))?;
            if !each(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }

    /// Up to `limit` things made of the keys from `from` up to but without `to`.
    pub(super) fn collect<T>(
        &self,
        definition: Definition,
        range: (&[u8], &[u8]),
        limit: usize,
        mut make: impl FnMut(&[u8], &[u8]) -> StoreResult<T>,
    ) -> StoreResult<Vec<T>> {
        let mut made = Vec::new();
        if limit > 0 {
            self.scan(
                definition,
                (Bound::Included(range.0), range.1),
                |key, value| {
                    made.push(make(key, value)?);
                    Ok(made.len() < limit)
                },
            )?;
        }
        Ok(made)
    }
}
