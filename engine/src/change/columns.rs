//! The columns in which a change keeps its operations: run-length encoded, one row per operation.
//!
//! Invariant: a run is looked at once, however long it says it is; nothing is expanded.

use super::reader::Reader;
use super::{Bounded, ChangeError, OPERATION_COUNTER_END, Operations};
use crate::limits::Limits;

pub(super) const ACTION: &str = "action";

/// A column's number in the format (its id shifted by four, plus its type) and its name in errors,
/// in the order in which they must come.
const SPECIFICATIONS: [(u64, &str); COUNT] = [
    (0x01, "object actor"),
    (0x02, "object counter"),
    (0x11, "key actor"),
    (0x13, "key counter"),
    (0x15, "key string"),
    (0x34, "insert"),
    (0x42, ACTION),
    (0x56, "value metadata"),
    (0x57, "value"),
    (0x70, "predecessor count"),
    (0x71, "predecessor actor"),
    (0x73, "predecessor counter"),
    (0x94, "expand"),
    (0xa5, "mark name"),
];
const COUNT: usize = 14;

// Indices into SPECIFICATIONS.
const OBJECT_ACTOR: usize = 0;
const OBJECT_COUNTER: usize = 1;
const KEY_ACTOR: usize = 2;
const KEY_COUNTER: usize = 3;
const KEY_STRING: usize = 4;
const INSERT: usize = 5;
const ACTION_INDEX: usize = 6;
const VALUE_METADATA: usize = 7;
const VALUE: usize = 8;
const PREDECESSOR_COUNT: usize = 9;
const PREDECESSOR_ACTOR: usize = 10;
const PREDECESSOR_COUNTER: usize = 11;
const EXPAND: usize = 12;
const MARK_NAME: usize = 13;

/// The number of the action that deletes.
const ACTION_DELETE: u64 = 3;
/// The largest number of an action that Automerge knows.
const ACTION_MAX: u64 = 7;
/// The largest type of a value that Automerge knows (the low four bits of its metadata).
const VALUE_TYPE_MAX: u64 = 9;

/// Which rows a column may leave out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// Every row has a value.
    Every,
    /// Rows may have none, and a column of only such rows is left out.
    Sparse,
}

#[derive(Debug)]
pub(super) struct Columns<'a> {
    data: [&'a [u8]; COUNT],
}

/// Reads the list of columns and cuts their data apart.
pub(super) fn split<'a>(reader: &mut Reader<'a>) -> Result<Columns<'a>, ChangeError> {
    let count = reader.unsigned()?;
    let mut lengths = [0u64; COUNT];
    let mut next = 0;
    for _ in 0..count {
        let number = reader.unsigned()?;
        let found = SPECIFICATIONS[next..]
            .iter()
            .position(|(known, _)| *known == number);
        let index = next + found.ok_or(ChangeError::UnexpectedColumn(number))?;
        lengths[index] = reader.unsigned()?;
        next = index + 1;
    }
    let mut columns = Columns { data: [&[]; COUNT] };
    for (data, length) in columns.data.iter_mut().zip(lengths) {
        *data = reader.take(length)?;
    }
    Ok(columns)
}

impl<'a> Columns<'a> {
    /// Checks that all columns agree on the number of operations and hold possible values, and gives
    /// that number, with what kinds of operations they are.
    pub(super) fn check(&self, actors: u64, limits: &Limits) -> Result<Operations, ChangeError> {
        let mut counted = self.count_operations(limits)?;
        let operations = counted.all;
        let actor = |value: u64| value < actors;
        let counter = |value: u64| value < OPERATION_COUNTER_END;
        let every = Presence::Every;
        let sparse = Presence::Sparse;
        self.check_numbers(OBJECT_ACTOR, operations, sparse, actor)?;
        self.check_numbers(OBJECT_COUNTER, operations, sparse, counter)?;
        self.check_numbers(KEY_ACTOR, operations, sparse, actor)?;
        self.check_deltas(KEY_COUNTER, operations, sparse)?;
        self.check_strings(KEY_STRING, operations, limits)?;
        counted.insertions = self.check_booleans(INSERT, operations, every)?;
        let weightless = self.check_values(operations)?;
        counted.weightless = weightless.saturating_sub(counted.deletions);
        let predecessors = self.count_predecessors(operations, limits)?;
        self.check_numbers(PREDECESSOR_ACTOR, predecessors, every, actor)?;
        self.check_deltas(PREDECESSOR_COUNTER, predecessors, every)?;
        self.check_booleans(EXPAND, operations, sparse)?;
        self.check_strings(MARK_NAME, operations, limits)?;
        Ok(counted)
    }

    fn name(column: usize) -> &'static str {
        SPECIFICATIONS[column].1
    }

    fn reader(&self, column: usize) -> Reader<'a> {
        Reader::new(self.data[column], Self::name(column))
    }

    fn value_error(column: usize) -> ChangeError {
        ChangeError::ColumnValue(Self::name(column))
    }

    /// The action column has a row for every operation; how many, nothing else says.
    fn count_operations(&self, limits: &Limits) -> Result<Operations, ChangeError> {
        let max = limits.operations_per_change_max as u64;
        let (mut operations, mut deletions) = (0u64, 0u64);
        runs(
            self.reader(ACTION_INDEX),
            Reader::unsigned,
            |count, action| {
                operations = operations.saturating_add(count);
                if operations > max {
                    let what = Bounded::Operations;
                    return Err(ChangeError::TooMany {
                        what,
                        found: operations,
                        max,
                    });
                }
                if action == Some(ACTION_DELETE) {
                    deletions += count;
                }
                match action {
                    Some(action) if action <= ACTION_MAX => Ok(()),
                    _ => Err(Self::value_error(ACTION_INDEX)),
                }
            },
        )?;
        if operations == 0 {
            Err(ChangeError::NoOperations)
        } else {
            Ok(Operations {
                all: operations,
                deletions,
                ..Operations::default()
            })
        }
    }

    /// Goes through the runs of a column that has `rows` rows, or none if it may be left out.
    fn check_rows<V>(
        &self,
        column: usize,
        rows: u64,
        presence: Presence,
        read: impl FnMut(&mut Reader<'a>) -> Result<V, ChangeError>,
        mut check: impl FnMut(u64, V) -> Result<(), ChangeError>,
    ) -> Result<(), ChangeError> {
        if presence == Presence::Sparse && self.data[column].is_empty() {
            return Ok(());
        }
        let mut found = 0u64;
        runs(self.reader(column), read, |count, value| {
            found = found.saturating_add(count);
            if found > rows {
                return Err(Self::rows_error(column, found, rows));
            }
            match value {
                Some(value) => check(count, value),
                None if presence == Presence::Sparse => Ok(()),
                None => Err(Self::value_error(column)),
            }
        })?;
        if found == rows {
            Ok(())
        } else {
            Err(Self::rows_error(column, found, rows))
        }
    }

    fn rows_error(column: usize, found: u64, expected: u64) -> ChangeError {
        ChangeError::Rows {
            column: Self::name(column),
            found,
            expected,
        }
    }

    fn check_numbers(
        &self,
        column: usize,
        rows: u64,
        presence: Presence,
        good: impl Fn(u64) -> bool,
    ) -> Result<(), ChangeError> {
        self.check_rows(column, rows, presence, Reader::unsigned, |_, value| {
            if good(value) {
                Ok(())
            } else {
                Err(Self::value_error(column))
            }
        })
    }

    /// A delta column holds differences; what they add up to must stay an operation counter. Within
    /// a run the sum moves in one direction, so its end tells about all of it.
    fn check_deltas(
        &self,
        column: usize,
        rows: u64,
        presence: Presence,
    ) -> Result<(), ChangeError> {
        let mut sum = 0i64;
        self.check_rows(column, rows, presence, Reader::signed, |count, delta| {
            let end = i64::try_from(count)
                .ok()
                .and_then(|count| delta.checked_mul(count))
                .and_then(|difference| sum.checked_add(difference))
                .filter(|end| u64::try_from(*end).is_ok_and(|end| end < OPERATION_COUNTER_END));
            sum = end.ok_or(Self::value_error(column))?;
            Ok(())
        })
    }

    fn check_strings(&self, column: usize, rows: u64, limits: &Limits) -> Result<(), ChangeError> {
        let max = limits.key_bytes_max as u64;
        let read = |reader: &mut Reader<'a>| {
            let found = reader.unsigned()?;
            if found > max {
                return Err(ChangeError::TooMany {
                    what: Bounded::KeyBytes,
                    found,
                    max,
                });
            }
            reader.take(found)
        };
        self.check_rows(column, rows, Presence::Sparse, read, |_, text| {
            std::str::from_utf8(text)
                .map(drop)
                .map_err(|_| Self::value_error(column))
        })
    }

    /// A boolean column holds the lengths of alternating runs, beginning with `false`. Gives how many
    /// rows are `true`.
    fn check_booleans(
        &self,
        column: usize,
        rows: u64,
        presence: Presence,
    ) -> Result<u64, ChangeError> {
        let mut reader = self.reader(column);
        if presence == Presence::Sparse && reader.is_empty() {
            return Ok(0);
        }
        let (mut found, mut set, mut is_set) = (0u64, 0u64, false);
        while !reader.is_empty() {
            let run = reader.unsigned()?;
            found = found.saturating_add(run);
            if is_set {
                set = set.saturating_add(run);
            }
            is_set = !is_set;
        }
        if found == rows {
            Ok(set)
        } else {
            Err(Self::rows_error(column, found, rows))
        }
    }

    /// The metadata of a value are its type and its length; the lengths must share out the value
    /// column exactly. Gives how many values have no length.
    fn check_values(&self, operations: u64) -> Result<u64, ChangeError> {
        let (mut used, mut weightless) = (0u64, 0u64);
        let length = self.data[VALUE].len() as u64;
        self.check_rows(
            VALUE_METADATA,
            operations,
            Presence::Every,
            Reader::unsigned,
            |count, metadata| {
                used = used.saturating_add((metadata >> 4).saturating_mul(count));
                if metadata >> 4 == 0 {
                    weightless = weightless.saturating_add(count);
                }
                if metadata & 0xf > VALUE_TYPE_MAX || used > length {
                    return Err(Self::value_error(VALUE_METADATA));
                }
                Ok(())
            },
        )?;
        if used == length {
            Ok(weightless)
        } else {
            Err(Self::value_error(VALUE))
        }
    }

    fn count_predecessors(&self, operations: u64, limits: &Limits) -> Result<u64, ChangeError> {
        let max = limits.predecessors_per_change_max as u64;
        let mut found = 0u64;
        let (every, read) = (Presence::Every, Reader::unsigned);
        self.check_rows(
            PREDECESSOR_COUNT,
            operations,
            every,
            read,
            |count, predecessors| {
                found = found.saturating_add(count.saturating_mul(predecessors));
                if found > max {
                    return Err(ChangeError::TooMany {
                        what: Bounded::Predecessors,
                        found,
                        max,
                    });
                }
                Ok(())
            },
        )?;
        Ok(found)
    }
}

/// Goes through the runs of a run-length encoded column: `n > 0`, then a value that stands `n`
/// times; `-n`, then `n` values; 0, then how many rows are without value.
fn runs<'a, V>(
    mut reader: Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<V, ChangeError>,
    mut visit: impl FnMut(u64, Option<V>) -> Result<(), ChangeError>,
) -> Result<(), ChangeError> {
    while !reader.is_empty() {
        match reader.signed()? {
            0 => match reader.unsigned()? {
                0 => return Err(reader.malformed()),
                count => visit(count, None)?,
            },
            count @ 1.. => visit(count.unsigned_abs(), Some(read(&mut reader)?))?,
            count => {
                for _ in 0..count.unsigned_abs() {
                    visit(1, Some(read(&mut reader)?))?;
                }
            }
        }
    }
    Ok(())
}
