//! Points that a caller names, and what is said of those that lie behind the last entry.

use indelible_engine::history::Point;
use indelible_engine::id::LogPlace;

use super::tables;
use crate::clock;
use crate::past::{HistoryError, Past};

/// The entry that a point names. A time behind the last entry is one of the state of now, which is
/// said beside the results: who slipped by a month would read it as an answer about that time.
pub(super) fn find(past: &Past, point: &Point) -> Result<LogPlace, HistoryError> {
    let found = past.find(point)?;
    let last = past.records().last();
    if let (Point::Time(at), Some(last)) = (point, last)
        && last.place() == found
        && last.header.at < *at
    {
        let (entry, time) = (found, tables::time(last.header.at));
        super::note(&match *at > clock::now() {
            true => format!("{at} is in the future: the last entry is {entry}, of {time}"),
            false => format!("nothing was written from {entry} ({time}) to {at}, nor since"),
        });
    }
    Ok(found)
}

/// What is said of a point behind that there is nothing: later entries were not looked at.
pub(super) fn bound(point: &Point, found: LogPlace) -> String {
    match point {
        Point::Now => String::new(),
        _ => format!(" up to {}", found),
    }
}
