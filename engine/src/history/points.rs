//! Finds the entry that people mean by a number, a time or heads.
//!
//! A point that matches no entry, or several, is reported with the nearest ones.

use std::fmt;
use std::str::FromStr;

use super::archive::{Archive, one};
use crate::id::{Epoch, Hash, LogPlace, Seq};
use crate::ledger::EntryKind;
use crate::time::Timestamp;

/// A point in an entity's past: the state after one entry of its log.
///
/// Written `now`, `12`, `2:12` (epoch and seq), `2026-03-02T09:00:00Z`, or heads as hex, separated
/// by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// After the last entry.
    Now,
    /// After this entry; of the last epoch, if none is named.
    Entry(Option<Epoch>, Seq),
    /// After the last entry that was committed by that time, by the server's clock.
    Time(Timestamp),
    /// After the last entry that left the document at these heads and the entity undeleted; if there
    /// is none, after the last that left the document at these heads.
    Heads(Vec<Hash>),
}

/// A text that is not a point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    /// It has none of the forms of a point.
    #[error("a point is now, a seq, EPOCH:SEQ, a time such as 2026-03-02T09:00:00Z, or heads")]
    Form,
    /// It is a day.
    #[error("a day has many points: say the hour and the zone too, as {0}T00:00:00Z")]
    Day(String),
    /// It begins with a day that no time follows.
    #[error(
        "a time has seconds and a zone, as {0}T09:00:00Z for UTC or {0}T09:00:00+01:00 for a zone that \
         is ahead"
    )]
    Time(String),
}

impl PointError {
    fn of(text: &str) -> Self {
        let day = text.get(..10).unwrap_or_default();
        match format!("{day}T00:00:00Z").parse::<Timestamp>() {
            Err(_) => Self::Form,
            Ok(_) if text == day => Self::Day(day.to_owned()),
            Ok(_) => Self::Time(day.to_owned()),
        }
    }
}

impl FromStr for Point {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        if text == "now" {
            return Ok(Self::Now);
        }
        let number = |text: &str| text.parse::<u64>().ok();
        if let Some(seq) = number(text) {
            return Ok(Self::Entry(None, Seq(seq)));
        }
        if let Ok(at) = text.parse() {
            return Ok(Self::Time(at));
        }
        if let Some((epoch, seq)) = text.split_once(':') {
            let named = number(epoch).zip(number(seq));
            let named = named.ok_or_else(|| PointError::of(text))?;
            return Ok(Self::Entry(Some(Epoch(named.0)), Seq(named.1)));
        }
        let heads: Result<Vec<Hash>, _> = text.split(',').map(str::parse).collect();
        heads.map(Self::Heads).map_err(|_| PointError::of(text))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Entry(None, seq) => seq.fmt(f),
            Self::Entry(Some(epoch), seq) => write!(f, "{epoch}:{seq}"),
            Self::Time(at) => at.fmt(f),
            Self::Heads(heads) => {
                let texts: Vec<String> = heads.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
}

/// Why a point cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError<E> {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Archive(#[source] E),
    /// There is no log.
    #[error("there is no entry")]
    Empty,
    /// The entry does not exist.
    #[error("there is no entry {wanted}; the last is {last}")]
    Entry {
        /// What was asked for.
        wanted: LogPlace,
        /// The last entry.
        last: LogPlace,
    },
    /// The log began later.
    #[error("there was nothing at {wanted}; the first entry is of {first}")]
    Before {
        /// What was asked for.
        wanted: Timestamp,
        /// When the first entry was committed.
        first: Timestamp,
    },
    /// A change is not in the log.
    #[error("the change {0} is not in the log")]
    Change(Hash),
    /// The changes are in the log, but no entry left the document at exactly these heads.
    #[error("no entry ends at these heads; all of them are there after {complete}")]
    Between {
        /// The first entry after which all of them are in the document.
        complete: LogPlace,
    },
}

/// The entry that a point names.
///
/// Looks at one record for an entry, at one per doubling of an epoch's length for a time, and for
/// heads at one per head and one per entry that left the document as it was.
///
/// # Errors
/// [`FindError`] when it names none.
pub fn find<A: Archive + ?Sized>(
    archive: &mut A,
    point: &Point,
) -> Result<LogPlace, FindError<A::Error>> {
    let last = archive.last().map_err(FindError::Archive)?;
    let last = last.ok_or(FindError::Empty)?;
    match point {
        Point::Now => Ok(last),
        Point::Entry(epoch, seq) => {
            let wanted = LogPlace::new(epoch.unwrap_or(last.epoch), *seq);
            match one(archive, wanted).map_err(FindError::Archive)? {
                Some(_) => Ok(wanted),
                None => Err(FindError::Entry { wanted, last }),
            }
        }
        Point::Time(at) => by_time(archive, last, *at),
        Point::Heads(heads) => by_heads(archive, last, heads),
    }
}

fn time_of<A: Archive + ?Sized>(
    archive: &mut A,
    place: LogPlace,
) -> Result<Timestamp, FindError<A::Error>> {
    let record = one(archive, place).map_err(FindError::Archive)?;
    let record = record.ok_or(FindError::Entry {
        wanted: place,
        last: place,
    })?;
    Ok(record.header.at)
}

/// Times never go back within a log.
fn by_time<A: Archive + ?Sized>(
    archive: &mut A,
    last: LogPlace,
    at: Timestamp,
) -> Result<LogPlace, FindError<A::Error>> {
    let LogPlace {
        mut epoch,
        seq: mut end,
    } = last;
    let first = loop {
        let first = time_of(archive, LogPlace::start_of(epoch))?;
        if first <= at {
            break None;
        }
        match archive.last_before(epoch).map_err(FindError::Archive)? {
            Some(before) => (epoch, end) = (before.epoch, before.seq),
            None => break Some(first),
        }
    };
    if let Some(first) = first {
        return Err(FindError::Before { wanted: at, first });
    }
    let (mut by_then, mut later) = (0, end.0 + 1);
    while later - by_then > 1 {
        let middle = by_then + (later - by_then) / 2;
        if time_of(archive, LogPlace::new(epoch, Seq(middle)))? <= at {
            by_then = middle;
        } else {
            later = middle;
        }
    }
    Ok(LogPlace::new(epoch, Seq(by_then)))
}

fn by_heads<A: Archive + ?Sized>(
    archive: &mut A,
    last: LogPlace,
    heads: &[Hash],
) -> Result<LogPlace, FindError<A::Error>> {
    let mut wanted = heads.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let mut complete = None;
    for &head in &wanted {
        let place = match archive.bringing(head).map_err(FindError::Archive)? {
            Some(place) => place,
            None => beginning(archive, last, head)?.ok_or(FindError::Change(head))?,
        };
        complete = complete.max(Some(place));
    }
    let complete = complete.ok_or(FindError::Empty)?;
    let mut there = None;
    let mut last = None;
    let mut deleted = false;
    let mut place = complete;
    while let Some(record) = one(archive, place).map_err(FindError::Archive)? {
        if record.heads != wanted {
            break;
        }
        deleted = match record.kind {
            EntryKind::Deleted => true,
            EntryKind::Changes | EntryKind::Undeleted => false,
            EntryKind::Genesis | EntryKind::Epoch | EntryKind::Policy => deleted,
        };
        if !deleted {
            there = Some(place);
        }
        last = Some(place);
        place = place.next();
    }
    there.or(last).ok_or(FindError::Between { complete })
}

/// The first entry of the epoch that begins with a change.
fn beginning<A: Archive + ?Sized>(
    archive: &mut A,
    last: LogPlace,
    change: Hash,
) -> Result<Option<LogPlace>, FindError<A::Error>> {
    let mut place = LogPlace::start_of(last.epoch);
    loop {
        let first = one(archive, place).map_err(FindError::Archive)?;
        if first.is_some_and(|first| first.heads == [change]) {
            return Ok(Some(place));
        }
        let before = archive.last_before(place.epoch);
        match before.map_err(FindError::Archive)? {
            Some(before) => place = LogPlace::start_of(before.epoch),
            None => return Ok(None),
        }
    }
}
