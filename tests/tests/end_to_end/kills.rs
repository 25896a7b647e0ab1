//! Twenty writers on five entities, and a server that is killed again and again.
//!
//! Guards against an acknowledged change that is gone, a relayed one that never came to disk, a
//! chain that breaks at a crash, an answer that is lost for good, and a change that is applied twice
//! because its author had to ask again.
//!
//! The moments of the kills follow from a seed that is printed; `INDELIBLE_SEED=N` takes another,
//! `INDELIBLE_LONG=1` kills a hundred times.

#![allow(
    clippy::print_stdout,
    reason = "the figures of a run are for whoever asked for it"
)]

mod record;
mod restart;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indelible_engine::id::{EntityId, Hash, Seq};
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::harness;
use super::process::{self, Process};
use record::Record;
use writer::Writer;

const QUICK_KILLS: usize = 5;
const LONG_KILLS: usize = 100;
const ENTITIES: usize = 5;
const WRITERS: usize = 20;
/// The most edits that a server acknowledges before it is killed. (Not the time that it lives: a
/// busy machine would have done nothing by that time.)
const LIFE_EDITS_MAX: u64 = 300;

/// One entry as a follower received it.
pub(super) struct Relayed {
    entity: EntityId,
    seq: Seq,
    hash: Hash,
}

/// The result of a run.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    kills_while_starting: usize,
    acknowledged: usize,
    refused: usize,
    relayed: usize,
    /// Proposals whose answer the kill swallowed and that were in the log all the same.
    answers_regained: usize,
    /// Proposals that the kill kept from the log, and that went in when they came again.
    sent_again: usize,
}

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/kills/schema")
}

pub(super) fn entity(number: usize) -> EntityId {
    format!("board/b{number}").parse().unwrap()
}

/// `SplitMix64`.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Counts what happens, and wakes who waits for enough of it.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    count: AtomicU64,
    beaten: Notify,
}

impl Pulse {
    fn beat(&self, times: usize) {
        self.count.fetch_add(times as u64, Ordering::SeqCst);
        self.beaten.notify_waiters();
    }

    async fn reaches(&self, count: u64) {
        loop {
            let beaten = self.beaten.notified();
            if self.count.load(Ordering::SeqCst) >= count {
                return;
            }
            beaten.await;
        }
    }
}

/// Follows all entities and notes every entry that it receives, until the server is gone.
async fn follow(authority: String, token: String, pulse: Arc<Pulse>) -> Vec<Relayed> {
    let mut relayed = Vec::new();
    let Some(mut client) = writer::connect(&authority, token).await else {
        return relayed;
    };
    for number in 0..ENTITIES {
        let open = ClientFrame::Open {
            entity: entity(number),
            mode: Mode::Replica,
            epoch: None,
            seq: None,
            hash: None,
            version: None,
        };
        if !client.try_send(&open).await {
            return relayed;
        }
    }
    while let Some(frame) = client.try_next().await {
        let ServerFrame::Entries {
            entity, entries, ..
        } = frame
        else {
            continue;
        };
        pulse.beat(entries.len());
        relayed.extend(entries.into_iter().map(|entry| Relayed {
            entity: entity.clone(),
            seq: entry.seq,
            hash: entry.hash,
        }));
    }
    relayed
}

/// Lets everybody write until the server is killed, after it acknowledged so many edits and relayed
/// half of them, and gives back what they know then.
async fn round(data: &Path, writers: Vec<Writer>, edits: u64) -> (Vec<Writer>, Vec<Relayed>) {
    let mut server = Process::start(data, &schema());
    let token = |id: &str| harness::token(data, id, &["editor"], Duration::from_secs(3600));
    let (acknowledged, relayed) = (Arc::new(Pulse::default()), Arc::new(Pulse::default()));
    let follower = follow(
        server.authority.clone(),
        token("follower"),
        Arc::clone(&relayed),
    );
    let follower = tokio::spawn(follower);
    let mut writing = JoinSet::new();
    for writer in writers {
        let (authority, token) = (server.authority.clone(), token(&writer.name));
        writing.spawn(writer.write(authority, token, Arc::clone(&acknowledged)));
    }
    let enough = async {
        tokio::join!(acknowledged.reaches(edits), relayed.reaches(edits / 2));
    };
    let enough = tokio::time::timeout(harness::PATIENCE, enough).await;
    enough.expect("so many edits are acknowledged and relayed");
    server.kill();
    let mut writers = writing.join_all().await;
    writers.sort_by_key(|writer| writer.number);
    (writers, follower.await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_there_after_every_kill() {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let kills = set("INDELIBLE_LONG").map_or(QUICK_KILLS, |_| LONG_KILLS);
    let clock = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let seed = set("INDELIBLE_SEED").map_or(clock, |seed| seed.parse().unwrap());
    println!("seed {seed}; again: INDELIBLE_SEED={seed}");
    let mut chance = Chance::new(seed);
    let data = tempfile::tempdir().unwrap();
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let mut record = Record::default();
    let mut figures = Figures::default();
    for kill in 0..kills {
        if kill % 10 == 3 {
            let mut child = process::spawn(data.path(), &schema());
            std::thread::sleep(Duration::from_millis(chance.below(120)));
            child.kill().unwrap();
            child.wait().unwrap();
            figures.kills_while_starting += 1;
        }
        let edits = 1 + chance.below(LIFE_EDITS_MAX);
        let (after, relayed) = round(data.path(), writers, edits).await;
        writers = after;
        figures.kills += 1;
        figures.relayed += relayed.len();
        record.check(data.path(), &mut writers, &relayed);
    }
    settle(data.path(), writers, &mut figures).await;
    println!("{figures:#?}");
    assert!(figures.acknowledged > kills * 10, "{figures:?}");
    assert!(figures.relayed > kills * 10, "{figures:?}");
    assert!(figures.refused > 0, "{figures:?}");
    assert!(
        figures.answers_regained + figures.sent_again > 0,
        "{figures:?}"
    );
}

/// Everybody gets the answers that are still missing; then each edit is there exactly once.
async fn settle(data: &Path, mut writers: Vec<Writer>, figures: &mut Figures) {
    let server = Process::start(data, &schema());
    for writer in &mut writers {
        let token = harness::token(data, &writer.name, &["editor"], Duration::from_secs(3600));
        writer.settle(&server.authority, token).await;
        figures.acknowledged += writer.acknowledged.len();
        figures.refused += writer.refused;
        figures.answers_regained += writer.answers_regained;
        figures.sent_again += writer.sent_again;
    }
    let http = harness::Http::to(&server.authority, None);
    for number in 0..ENTITIES {
        let value = http.get(&format!("/api/{}", entity(number))).await.body;
        let mut expected: Vec<&str> = writers
            .iter()
            .filter(|writer| writer.entity == entity(number))
            .flat_map(|writer| writer.tokens.iter().map(String::as_str))
            .collect();
        let mut found: Vec<&str> = value["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token.as_str().unwrap())
            .collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "every edit of board b{number}, once");
        assert_eq!(value["edits"], expected.len(), "and counted once");
        assert_eq!(value["owner"], "nobody", "what was refused is not there");
    }
}
