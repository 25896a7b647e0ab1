//! The few questions by which history reads the records of one log.
//!
//! Nothing asks for more records than its answer needs. The cost of a question is that of the
//! caller's store, and does not grow with the log.

use std::convert::Infallible;

use super::record::Record;
use crate::id::{Epoch, Hash, LogPlace, Seq};

/// The log of one entity, read piece by piece.
pub trait Archive {
    /// Why a piece cannot be read.
    type Error;

    /// The place of the last entry; `None` if there is no log.
    ///
    /// # Errors
    /// When reading fails.
    fn last(&mut self) -> Result<Option<LogPlace>, Self::Error>;

    /// The records from `from` on, ascending and without gaps, of that epoch alone: `count` of
    /// them, fewer only where the epoch ends.
    ///
    /// A record's effects are those of its entry; where a cache has lost them,
    /// [`effects_of`](super::effects_of) makes them again.
    ///
    /// # Errors
    /// When reading fails.
    fn records(&mut self, from: LogPlace, count: usize) -> Result<Vec<Record>, Self::Error>;

    /// The entry that brought a change, named by its Automerge hash; none where it is not known.
    /// That of a genesis need not be known.
    ///
    /// # Errors
    /// When reading fails.
    fn bringing(&mut self, change: Hash) -> Result<Option<LogPlace>, Self::Error>;

    /// The last entry before an epoch began; none for the first.
    ///
    /// As given, it looks at one record per doubling of that epoch's length.
    ///
    /// # Errors
    /// When reading fails.
    fn last_before(&mut self, epoch: Epoch) -> Result<Option<LogPlace>, Self::Error> {
        for number in (Epoch::FIRST.0..epoch.0).rev() {
            if let Some(seq) = end_of(self, Epoch(number))? {
                return Ok(Some(LogPlace::new(Epoch(number), seq)));
            }
        }
        Ok(None)
    }
}

/// The last seq of an epoch; none where the log has no such epoch.
fn end_of<A: Archive + ?Sized>(archive: &mut A, epoch: Epoch) -> Result<Option<Seq>, A::Error> {
    let mut is_there = |seq: u64| {
        let place = LogPlace::new(epoch, Seq(seq));
        Ok(!archive.records(place, 1)?.is_empty())
    };
    if !is_there(0)? {
        return Ok(None);
    }
    let (mut there, mut beyond) = (0, 1);
    while is_there(beyond)? {
        (there, beyond) = (beyond, beyond.saturating_mul(2));
    }
    while beyond - there > 1 {
        let middle = there + (beyond - there) / 2;
        if is_there(middle)? {
            there = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(Some(Seq(there)))
}

/// One record, where there is one.
pub(super) fn one<A: Archive + ?Sized>(
    archive: &mut A,
    place: LogPlace,
) -> Result<Option<Record>, A::Error> {
    Ok(archive.records(place, 1)?.into_iter().next())
}

/// A whole log in memory, in its order.
#[derive(Debug, Clone, Copy)]
pub struct InMemory<'a>(pub &'a [Record]);

impl Archive for InMemory<'_> {
    type Error = Infallible;

    fn last(&mut self) -> Result<Option<LogPlace>, Infallible> {
        Ok(self.0.last().map(Record::place))
    }

    fn records(&mut self, from: LogPlace, count: usize) -> Result<Vec<Record>, Infallible> {
        let start = self.0.partition_point(|record| record.place() < from);
        let own = self.0[start..].iter().take(count);
        Ok(own
            .take_while(|record| record.header.place.epoch == from.epoch)
            .cloned()
            .collect())
    }

    fn bringing(&mut self, change: Hash) -> Result<Option<LogPlace>, Infallible> {
        let first = self.0.iter().find(|record| record.heads.contains(&change));
        Ok(first.map(Record::place))
    }
}
