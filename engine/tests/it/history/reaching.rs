//! Guards against a state that depends on the way by which it was reached: by checkpoints, good and
//! bad ones, back from the present, or from the beginning.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use indelible_engine::history::{
    Archive, Blame, Checkpoints, InMemory, Past, PastError, ReachError, Record, State,
};
use indelible_engine::id::{Epoch, Hash, LogPlace, Seq};
use indelible_engine::policy::PolicySource;

use super::log::{Dice, Log, log_of, random_log, run_all};

type Kept = BTreeMap<LogPlace, Vec<u8>>;

fn reach(
    log: &Log,
    checkpoints: &mut dyn Checkpoints,
    present: Option<&State>,
    place: LogPlace,
) -> Result<State, ReachError<std::convert::Infallible>> {
    let mut past = Past {
        archive: &mut InMemory(&log.records),
        checkpoints,
        policies: &log.policies,
    };
    past.state(place, present)
}

/// A log that is long enough to be worth checkpoints, with epochs and a change of the schema.
fn long_log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let mut dice = Dice(1);
        let steps = (0..260).map(|step| {
            let first = match step {
                90 => 23,
                170 => 24,
                215 => 25,
                _ => 28,
            };
            let rest = (0..5).map(|_| u8::try_from(dice.below(256)).unwrap());
            std::iter::once(first).chain(rest).collect()
        });
        log_of(&steps.collect::<Vec<Vec<u8>>>())
    })
}

fn kept(log: &Log) -> Kept {
    let mut kept = Kept::new();
    let last = log.records.last().unwrap().place();
    reach(log, &mut kept, None, last).unwrap();
    assert!(kept.len() >= 2, "{:?}", kept.keys());
    kept
}

#[test]
fn every_way_leads_to_the_same_state() {
    run_all(|seed| {
        let log = random_log(seed);
        let present = State::of(log.now());
        for (record, entity) in log.records.iter().zip(&log.entities) {
            for present in [None, Some(&present)] {
                let state = reach(&log, &mut (), present, record.place()).unwrap();
                super::is_state(&state, entity);
            }
        }
    });
}

#[test]
fn checkpoints_lead_to_the_same_state() {
    let log = long_log();
    let kept = kept(log);
    let present = State::of(log.now());
    let mut cold = Kept::new();
    for (record, entity) in log.records.iter().zip(&log.entities).rev().step_by(3) {
        for present in [None, Some(&present)] {
            for kept in [&mut kept.clone(), &mut cold] {
                let state = reach(log, kept, present, record.place()).unwrap();
                super::is_state(&state, entity);
            }
        }
    }
}

/// Counts the records that it gives out.
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

#[test]
fn a_way_from_a_checkpoint_is_short() {
    let log = long_log();
    let mut kept = kept(log);
    let last = log.records.last().unwrap().place();
    let (nearest, _) = kept.nearest(last).unwrap();
    let behind = log.records.iter().filter(|record| record.place() > nearest);
    let mut archive = Counted(InMemory(&log.records), 0);
    let mut past = Past {
        archive: &mut archive,
        checkpoints: &mut kept,
        policies: &log.policies,
    };
    past.state(last, None).unwrap();
    // And the one that the checkpoint stands after.
    assert_eq!(archive.1, behind.count() + 1);
}

#[test]
fn bad_checkpoints_are_not_used() {
    let log = long_log();
    let good = kept(log);
    let mut places = good.keys();
    let (&first, &second) = (places.next().unwrap(), places.next().unwrap());
    let mut altered = good.clone();
    for bytes in altered.values_mut() {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let mut swapped = good.clone();
    swapped.insert(second, good[&first].clone());
    let cut = Kept::from([(first, good[&first][..20].to_vec()), (second, Vec::new())]);
    for bad in [altered, swapped, cut] {
        let mut kept = bad.clone();
        for index in [log.records.len() - 1, log.records.len() / 2] {
            let place = log.records[index].place();
            let state = reach(log, &mut kept, None, place).unwrap();
            super::is_state(&state, &log.entities[index]);
        }
        assert!(!kept.contains_key(&second) || kept[&second] == good[&second]);
    }
    // One of another log of the same entity.
    let steps: Vec<Vec<u8>> = (0..90).map(|number| vec![18, number, 1]).collect();
    let other = log_of(&steps);
    let index = usize::try_from(first.seq.0).unwrap();
    let mut kept = Kept::from([(first, good[&first].clone())]);
    let state = reach(&other, &mut kept, None, first).unwrap();
    super::is_state(&state, &other.entities[index]);
}

#[test]
fn a_place_that_is_not_there_is_told() {
    let log = long_log();
    let last = log.records.last().unwrap().place();
    for place in [
        last.next(),
        LogPlace::start_of(last.epoch.next()),
        LogPlace::new(Epoch(0), Seq(3)),
    ] {
        let found = reach(log, &mut Kept::new(), Some(&State::of(log.now())), place);
        let missing = ReachError::Past(PastError::Records { wanted: place });
        assert_eq!(found.unwrap_err(), missing);
    }
}

#[test]
fn blame_reads_the_whole_log() {
    let log = long_log();
    let mut blame = Blame::new();
    for record in &log.records {
        let policy = log.policies.policy(record.header.policy_hash).unwrap();
        blame.take(record, &policy).unwrap();
    }
    let mut past = Past {
        archive: &mut InMemory(&log.records),
        checkpoints: &mut (),
        policies: &log.policies,
    };
    let last = log.records.last().unwrap().place();
    assert_eq!(past.blame(last).unwrap().fields(), blame.fields());
}
