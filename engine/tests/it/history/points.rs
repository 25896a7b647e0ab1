//! Guards against pages that leave something out and points that name another entry.

use indelible_engine::history::{
    Archive, FindError, InMemory, Point, Record, TimelineQuery, find, timeline,
};
use indelible_engine::id::{Epoch, Hash, LogPlace, Seq};
use indelible_engine::ledger::Presence;
use indelible_engine::pointer::Pointer;
use indelible_engine::time::Timestamp;

use super::log::{Dice, random_log, run_all};

/// Counts what it is asked for.
struct Counted<'a>(InMemory<'a>, usize);

impl Archive for Counted<'_> {
    type Error = std::convert::Infallible;

    fn last(&mut self) -> Result<Option<LogPlace>, Self::Error> {
        self.0.last()
    }

    fn records(&mut self, from: LogPlace, count: usize) -> Result<Vec<Record>, Self::Error> {
        let records = self.0.records(from, count)?;
        self.1 += records.len();
        Ok(records)
    }

    fn bringing(&mut self, change: Hash) -> Result<Option<LogPlace>, Self::Error> {
        self.0.bringing(change)
    }
}

/// All pages of a query, one after the other.
fn pages(records: &[Record], mut query: TimelineQuery) -> Vec<Record> {
    let mut found = Vec::new();
    loop {
        let page = timeline(&mut InMemory(records), &query).unwrap();
        assert!(page.records.len() <= query.entries_max && page.looked <= query.looked_max);
        found.extend(page.records);
        match page.next {
            Some(next) => query.before = Some(next),
            None => return found,
        }
    }
}

#[test]
fn pages_tell_everything_once() {
    run_all(|seed| {
        let log = random_log(seed);
        let mut dice = Dice(seed);
        let query = TimelineQuery {
            entries_max: 1 + dice.below(6),
            looked_max: 1 + dice.below(9),
            ..TimelineQuery::default()
        };
        let all: Vec<Record> = log.records.iter().rev().cloned().collect();
        assert_eq!(pages(&log.records, query.clone()), all);

        let author = ["alice", "bob", "carol"][dice.below(3)].to_owned();
        let own = all
            .iter()
            .filter(|record| record.header.author.id == author);
        let query = TimelineQuery {
            author: Some(author.clone()),
            ..query
        };
        assert_eq!(
            pages(&log.records, query.clone()),
            own.cloned().collect::<Vec<_>>()
        );

        let within: Pointer = ["/items", "/body", "/place/city"][dice.below(3)]
            .parse()
            .unwrap();
        let touched = all.iter().filter(|record| {
            let near = |at: &Pointer| at.contains(&within) || within.contains(at);
            record.effects.iter().any(|effect| near(&effect.pointer))
        });
        let places: Vec<LogPlace> = touched.map(Record::place).collect();
        let query = TimelineQuery {
            author: None,
            within: Some(within.clone()),
            ..query
        };
        let found = pages(&log.records, query);
        assert_eq!(found.iter().map(Record::place).collect::<Vec<_>>(), places);
        for effect in found.iter().flat_map(|record| &record.effects) {
            assert!(effect.pointer.contains(&within) || within.contains(&effect.pointer));
        }
    });
}

#[test]
fn a_page_reads_no_more_than_it_shows() {
    let log = super::log_of(&(0..40).map(|hits| vec![18, hits, 1]).collect::<Vec<_>>());
    for before in [
        None,
        Some(LogPlace::new(Epoch::FIRST, Seq(20))),
        Some(LogPlace::new(Epoch::FIRST, Seq(u64::MAX))),
    ] {
        let mut archive = Counted(InMemory(&log.records), 0);
        let query = TimelineQuery {
            before,
            entries_max: 5,
            ..TimelineQuery::default()
        };
        let page = timeline(&mut archive, &query).unwrap();
        assert_eq!((page.records.len(), page.looked, archive.1), (5, 5, 5));
    }
}

#[test]
fn points_name_their_entries() {
    run_all(|seed| {
        let log = random_log(seed);
        let mut archive = InMemory(&log.records);
        let last = log.records.last().unwrap().place();
        assert_eq!(find(&mut archive, &Point::Now), Ok(last));
        let mut presence = None;
        let mut present = Vec::new();
        for record in &log.records {
            presence = Some(Presence::after(presence, record.kind));
            if presence == Some(Presence::Present) {
                present.push(record.place());
            }
        }
        for (index, record) in log.records.iter().enumerate() {
            let place = record.place();
            let point: Point = place.to_string().parse().unwrap();
            assert_eq!(find(&mut archive, &point), Ok(place));
            let later = log
                .records
                .get(index + 1)
                .map_or(record.header.at, |next| next.header.at);
            for at in [
                record.header.at,
                Timestamp((record.header.at.0 + later.0) / 2),
            ] {
                assert_eq!(find(&mut archive, &Point::Time(at)), Ok(place));
            }
            let like = log
                .records
                .iter()
                .filter(|other| other.heads == record.heads);
            let like: Vec<LogPlace> = like.map(Record::place).collect();
            let there = like.iter().rfind(|place| present.contains(place));
            let mut heads = record.heads.clone();
            heads.reverse();
            let found = find(&mut archive, &Point::Heads(heads)).unwrap();
            match there {
                Some(&there) => assert_eq!(found, there),
                None => assert!(like.contains(&found)),
            }
        }
    });
}

#[test]
fn what_names_no_entry_is_told() {
    let mut log = super::log_of(&[]);
    super::concurrent(&mut log);
    let mut archive = InMemory(&log.records);
    let last = log.records.last().unwrap();
    let wanted = last.header.place.next();
    let point = Point::Entry(None, wanted.seq);
    let missing = FindError::Entry {
        wanted,
        last: last.place(),
    };
    assert_eq!(find(&mut archive, &point), Err(missing));

    let first = log.records[0].header.at;
    let wanted = Timestamp(first.0 - 1);
    assert_eq!(
        find(&mut archive, &Point::Time(wanted)),
        Err(FindError::Before { wanted, first })
    );
    assert_eq!(
        find(&mut archive, &Point::Heads(vec![Hash([9; 32])])),
        Err(FindError::Change(Hash([9; 32])))
    );
    // Of two heads one, when both had come.
    assert_eq!(last.heads.len(), 2);
    let before = &log.records[log.records.len() - 2];
    let newer = last
        .heads
        .iter()
        .find(|head| !before.heads.contains(head))
        .unwrap();
    assert_eq!(
        find(&mut archive, &Point::Heads(vec![*newer])),
        Err(FindError::Between {
            complete: last.place()
        })
    );
    assert_eq!(find(&mut InMemory(&[]), &Point::Now), Err(FindError::Empty));
}

#[test]
fn points_are_written_as_people_write_them() {
    let head = "ab".repeat(32);
    for text in [
        "now",
        "12",
        "2:12",
        "2026-03-02T09:00:00.000Z",
        &head,
        &format!("{head},{head}"),
    ] {
        let point: Point = text.parse().unwrap();
        assert_eq!(point.to_string(), text);
    }
    for text in ["", "later", "1:", ":2", "-1", "abc"] {
        assert!(text.parse::<Point>().is_err(), "{text}");
    }
}
