//! Who changed what, and when, page by page.
//!
//! Pages follow one another without gaps or repeats, the latest entry first. The cost of a page is
//! the records that it read, and it says how many those were.

use super::archive::Archive;
use super::record::Record;
use crate::id::{LogPlace, Seq};
use crate::pointer::Pointer;

/// What of a log is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineQuery {
    /// Entries before this one: the `next` of the page before. None: from the last on.
    pub before: Option<LogPlace>,
    /// How many entries at most.
    pub entries_max: usize,
    /// How many entries to look at, at most, in search of those that are wanted.
    pub looked_max: usize,
    /// Only entries that changed something at, in or around this place (items of keyed lists by
    /// id), or wrote there beside others; and of their effects and conflicts only those.
    pub within: Option<Pointer>,
    /// Its former names, the last one first: see [`former_names`](super::former_names). Entries
    /// before the one that gave it the next name are looked for under these.
    pub formerly: Vec<(LogPlace, Pointer)>,
    /// Only entries by the principal with this id.
    pub author: Option<String>,
}

impl Default for TimelineQuery {
    fn default() -> Self {
        Self {
            before: None,
            entries_max: 50,
            looked_max: 1_000,
            within: None,
            formerly: Vec::new(),
            author: None,
        }
    }
}

/// A page of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelinePage {
    /// The entries, the latest first: who, when, what from what to what, and with which message.
    pub records: Vec<Record>,
    /// Where to go on; none where the log begins. With filters, a page may end early because it
    /// looked far enough; then there may be more entries although it is short.
    pub next: Option<LogPlace>,
    /// How many entries were looked at, those left out included.
    pub looked: usize,
}

/// Records read at once while searching.
const SEARCHED_AT_ONCE: usize = 100;

/// Reads one page of the timeline of an entity.
///
/// # Errors
/// Those of the archive.
pub fn timeline<A: Archive + ?Sized>(
    archive: &mut A,
    query: &TimelineQuery,
) -> Result<TimelinePage, A::Error> {
    let mut page = TimelinePage {
        records: Vec::new(),
        next: None,
        looked: 0,
    };
    let mut before = start(archive, query.before)?;
    let is_filtered = query.within.is_some() || query.author.is_some();
    while let Some(LogPlace { epoch, seq }) = before {
        let missing = query.entries_max - page.records.len();
        let may_look = query.looked_max.saturating_sub(page.looked);
        if missing == 0 || may_look == 0 {
            page.next = before;
            break;
        }
        if seq == Seq(0) {
            let last = archive.last_before(epoch)?;
            before = last.map(LogPlace::next);
            continue;
        }
        let wanted = if is_filtered {
            SEARCHED_AT_ONCE
        } else {
            missing
        };
        let count = (wanted.min(may_look) as u64).min(seq.0);
        let from = LogPlace::new(epoch, Seq(seq.0 - count));
        let mut records = archive.records(from, usize::try_from(count).unwrap_or(wanted))?;
        before = Some(from);
        while let Some(record) = records.pop() {
            page.looked += 1;
            let place = record.place();
            page.records.extend(chosen(query, record));
            if page.records.len() == query.entries_max {
                before = Some(place);
                break;
            }
        }
    }
    if let Some(LogPlace { epoch, seq: Seq(0) }) = page.next {
        let last = archive.last_before(epoch)?;
        page.next = last.map(LogPlace::next);
    }
    Ok(page)
}

/// Where to begin: at the end of the log, or of the epoch, where the wanted place is beyond it.
fn start<A: Archive + ?Sized>(
    archive: &mut A,
    wanted: Option<LogPlace>,
) -> Result<Option<LogPlace>, A::Error> {
    let Some(last) = archive.last()? else {
        return Ok(None);
    };
    let end = match wanted {
        Some(wanted) if wanted.epoch < last.epoch => archive.last_before(wanted.epoch.next())?,
        _ => Some(last),
    };
    let end = end.map(LogPlace::next);
    Ok(end.map(|end| wanted.map_or(end, |wanted| wanted.min(end))))
}

/// The record as far as it is wanted.
fn chosen(query: &TimelineQuery, mut record: Record) -> Option<Record> {
    if query
        .author
        .as_ref()
        .is_some_and(|id| *id != record.header.author.id)
    {
        return None;
    }
    if let Some(within) = &query.within {
        let names = names_at(within, &query.formerly, record.place());
        let touches = |pointer: &Pointer| {
            let mut names = names.iter();
            names.any(|name| name.contains(pointer) || pointer.contains(name))
        };
        record.effects.retain(|effect| touches(&effect.pointer));
        record
            .conflicts
            .retain(|conflict| touches(&conflict.pointer));
        if record.effects.is_empty() && record.conflicts.is_empty() {
            return None;
        }
    }
    Some(record)
}

/// The name of a place in an entry; both names if the entry renamed it.
fn names_at<'q>(
    within: &'q Pointer,
    formerly: &'q [(LogPlace, Pointer)],
    place: LogPlace,
) -> Vec<&'q Pointer> {
    let mut names = vec![within];
    for (until, name) in formerly {
        if place > *until {
            break;
        }
        if place < *until {
            names.clear();
        }
        names.push(name);
    }
    names
}
