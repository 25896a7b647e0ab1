//! What it takes to look back: a state at a random point and the blame of all fields beside loading
//! the document, and a page of the timeline of a long history beside one of a short.
//!
//! `cargo bench -p indelible-engine --bench history` runs it.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(
    clippy::print_stdout,
    reason = "the figures are for whoever asked for them"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, LoadOptions, ObjId, ROOT, ReadDoc, TextEncoding};
use indelible_engine::effects::{Effect, EffectChange};
use indelible_engine::entity::Entity;
use indelible_engine::history::{
    Archive, Checkpoints, Past, Record, State, TimelineQuery, timeline,
};
use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, LogPlace, ProposalId, Seq};
use indelible_engine::ledger::{EntryDraft, EntryKind, Header, Logged, Sealed, decode};
use indelible_engine::lifecycle;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::testing::sixteen_fields_and_a_text;
use indelible_engine::time::Timestamp;
use serde_json::Value;

const ROUNDS: usize = 5;
/// Random points in a round.
const POINTS: usize = 40;
const PAGES: usize = 200;

/// A state at a random point, of the time that loading the document takes.
const STATE_AIM: f64 = 0.12;
/// Blame of all fields, of the same.
const BLAME_AIM: f64 = 1.0;
/// A page of a history a hundred times as long.
const PAGE_AIM: f64 = 1.2;

/// Characters of the text, about.
const TEXT_CHARS: usize = 4_000;

/// A log as a store holds it: the bytes of entries, and of effects as JSON.
struct Stored {
    entries: Vec<(Vec<u8>, Hash, Vec<u8>)>,
}

impl Archive for Stored {
    type Error = Infallible;

    fn last(&mut self) -> Result<Option<LogPlace>, Infallible> {
        let last = self.entries.len().checked_sub(1);
        Ok(last.map(|last| LogPlace::new(Epoch::FIRST, Seq(last as u64))))
    }

    fn records(&mut self, from: LogPlace, count: usize) -> Result<Vec<Record>, Infallible> {
        let start = usize::try_from(from.seq.0).unwrap().min(self.entries.len());
        let end = (start + count).min(self.entries.len());
        let read = self.entries[start..end].iter();
        Ok(read
            .filter(|_| from.epoch == Epoch::FIRST)
            .map(|(bytes, hash, effects)| {
                let effects = serde_json::from_slice(effects).unwrap();
                Record::of(&decode(bytes).unwrap(), *hash, effects)
            })
            .collect())
    }

    fn bringing(&mut self, _: Hash) -> Result<Option<LogPlace>, Infallible> {
        Ok(None)
    }
}

/// A document with its log; the log is made beside it, not by admission, which would take an hour.
struct History {
    policy: Arc<Policy>,
    doc: Automerge,
    body: ObjId,
    text: String,
    fields: BTreeMap<String, String>,
    sealed: Vec<Sealed>,
    effects: Vec<Vec<Effect>>,
    dice: Dice,
}

/// Numbers that look random and are the same in every run (Knuth's linear congruences).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        self.0 = self
            .0
            .wrapping_mul(FACTOR)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

impl History {
    fn new(edits: usize) -> Self {
        let policy = sixteen_fields_and_a_text();
        let id: EntityId = "thing/one".parse().unwrap();
        let genesis = Entity::genesis(&id, Epoch::FIRST, &policy);
        let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        let mut doc = Automerge::load_with_options(&genesis.document(), options).unwrap();
        doc.set_actor(ActorId::from([9; 16]));
        let draft = lifecycle::genesis(&genesis, Timestamp(0));
        let mut history = Self {
            body: doc.get(ROOT, "body").unwrap().unwrap().1,
            policy,
            doc,
            text: String::new(),
            fields: BTreeMap::new(),
            sealed: vec![draft.seal(GlobalSeq(1), Timestamp(0), Hash::ZERO)],
            effects: vec![Vec::new()],
            dice: Dice(1),
        };
        for edit in 0..edits {
            history.edit(edit);
        }
        history
    }

    fn edit(&mut self, edit: usize) {
        let effect = if edit % 4 == 3 {
            let at = self.dice.below(self.text.len() + 1);
            let gone = if self.text.len() > TEXT_CHARS { 13 } else { 0 };
            self.splice(at.min(self.text.len() - gone), gone, "another word ")
        } else {
            let field = format!("field-{:02}", self.dice.below(16));
            self.put(&field, format!("value {edit} of the field"))
        };
        self.seal(effect);
    }

    fn put(&mut self, field: &str, value: String) -> Effect {
        let mut tx = self.doc.transaction();
        tx.put(ROOT, field, value.as_str()).unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        let from = self.fields.insert(field.to_owned(), value.clone());
        Effect {
            pointer: [field].into_iter().collect(),
            made: 0,
            emptied: 0,
            change: EffectChange::Put {
                from: from.map(Value::String),
                to: Some(Value::String(value)),
                index: None,
            },
        }
    }

    fn splice(&mut self, at: usize, gone: usize, new: &str) -> Effect {
        let mut tx = self.doc.transaction();
        let count = isize::try_from(gone).unwrap();
        tx.splice_text(&self.body, at, count, new).unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        let made = u32::from(self.text.is_empty());
        let removed = self.text[at..at + gone].to_owned();
        self.text.replace_range(at..at + gone, new);
        Effect {
            pointer: ["body"].into_iter().collect(),
            made,
            emptied: 0,
            change: EffectChange::Splice {
                at,
                removed: Value::String(removed),
                inserted: Value::String(new.to_owned()),
            },
        }
    }

    fn seal(&mut self, effect: Effect) {
        let previous = self.sealed.last().unwrap();
        let seq = previous.entry.header.place.seq.next();
        let (hash, at) = (previous.hash, Timestamp(i64::try_from(seq.0).unwrap()));
        let change = self.doc.get_last_local_change().unwrap();
        let draft = EntryDraft {
            kind: EntryKind::Changes,
            header: Header {
                entity: previous.entry.header.entity.clone(),
                place: LogPlace::new(Epoch::FIRST, seq),
                proposal: Some(ProposalId([7; 16])),
                author: Principal::new(
                    ["alice", "bob"][usize::from(seq.0.is_multiple_of(2))],
                    ["editor"],
                ),
                session: None,
                at,
                policy_hash: self.policy.hash(),
            },
            changes: vec![change.raw_bytes().to_vec()],
            heads: self.doc.get_heads().into_iter().map(Hash::from).collect(),
            claimed: None,
        };
        self.sealed.push(draft.seal(GlobalSeq(seq.0 + 1), at, hash));
        self.effects.push(vec![effect]);
    }

    fn stored(&self) -> Stored {
        let both = self.sealed.iter().zip(&self.effects);
        let entries = both.map(|(sealed, effects)| {
            let effects = serde_json::to_vec(effects).unwrap();
            (sealed.bytes.clone(), sealed.hash, effects)
        });
        Stored {
            entries: entries.collect(),
        }
    }

    /// The present entity, from the entries themselves.
    fn entity(&self) -> Entity {
        let mut logged = self
            .sealed
            .iter()
            .map(|sealed| Logged::of(&sealed.entry, sealed.hash));
        let first = logged.next().unwrap();
        let id = &self.sealed[0].entry.header.entity;
        let mut entity = Entity::begin(id, first, &self.policy).unwrap();
        entity.replay(logged, &self.policy).unwrap();
        entity
    }
}

fn load(bytes: &[u8]) -> Duration {
    let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    let start = Instant::now();
    let doc = Automerge::load_with_options(bytes, options).unwrap();
    let took = start.elapsed();
    assert!(!doc.is_empty());
    took
}

/// The figures of one history.
struct Looked {
    load: f64,
    state: f64,
    cold: f64,
    first: f64,
    kept: (usize, usize),
    blame: f64,
}

fn look(history: &History) -> Looked {
    let entity = history.entity();
    let (bytes, present) = (entity.document(), State::of(&entity));
    let mut stored = history.stored();
    let last = present.place().seq.0;
    let mut kept: BTreeMap<LogPlace, Vec<u8>> = BTreeMap::new();
    let mut take = |checkpoints: &mut dyn Checkpoints, present, seq| {
        let start = Instant::now();
        let mut past = Past {
            archive: &mut stored,
            checkpoints,
            policies: &history.policy,
        };
        let state = past
            .state(LogPlace::new(Epoch::FIRST, Seq(seq)), present)
            .unwrap();
        (state, start.elapsed())
    };
    let (state, first) = take(&mut kept, None, last);
    assert_eq!(state.value(), present.value());
    let mut dice = Dice(5);
    let points: Vec<u64> = (0..POINTS)
        .map(|_| 1 + dice.below(last as usize - 1) as u64)
        .collect();
    for &seq in points.iter().take(3) {
        let heads = &history.sealed[usize::try_from(seq).unwrap()].entry.heads;
        let then = entity.presented_at(heads).unwrap();
        assert_eq!(take(&mut kept, Some(&present), seq).0.presented(), then);
        assert_eq!(take(&mut (), Some(&present), seq).0.presented(), then);
    }
    let (mut loads, mut states, mut colds) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        loads.push(load(&bytes));
        let all: Duration = points
            .iter()
            .map(|&seq| take(&mut kept, Some(&present), seq).1)
            .sum();
        states.push(all / u32::try_from(POINTS).unwrap());
        colds.push(take(&mut (), Some(&present), points[round]).1);
    }
    let mut blames = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut past = Past {
            archive: &mut stored,
            checkpoints: &mut (),
            policies: &history.policy,
        };
        let blame = past.blame(LogPlace::new(Epoch::FIRST, Seq(last))).unwrap();
        assert_eq!(blame.fields().len(), present.value().len());
        blames.push(start.elapsed());
    }
    Looked {
        load: median(loads),
        state: median(states),
        cold: median(colds),
        first: first.as_secs_f64(),
        kept: (kept.len(), kept.values().map(Vec::len).sum()),
        blame: median(blames),
    }
}

/// The time of a page at a random place, and of one at a random place of the other, in turn.
fn pages(long: &mut Stored, short: &mut Stored) -> (f64, f64) {
    let mut dice = Dice(7);
    let mut page = |stored: &mut Stored| {
        let seq = 50 + dice.below(stored.entries.len() - 50);
        let query = TimelineQuery {
            before: Some(LogPlace::new(Epoch::FIRST, Seq(seq as u64))),
            ..TimelineQuery::default()
        };
        let start = Instant::now();
        let page = timeline(stored, &query).unwrap();
        assert_eq!(page.records.len(), 50);
        start.elapsed()
    };
    let taken = (0..PAGES).map(|_| (page(long), page(short)));
    let (long, short) = taken.unzip();
    (median(long), median(short))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn main() {
    // Test runners start this program too, to ask for tests, of which there are none.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let ms = |seconds: f64| seconds * 1000.0;
    for edits in [10_000, 100_000] {
        let history = History::new(edits);
        let looked = look(&history);
        let (count, bytes) = looked.kept;
        println!("  {edits} changes, load {:.2} ms", ms(looked.load));
        let ratio = looked.state / looked.load;
        println!(
            "  state at a random point {:>9.2} ms  {ratio:.4} of load (aim ≤ {STATE_AIM}: {})",
            ms(looked.state),
            word(ratio <= STATE_AIM)
        );
        println!(
            "  by {count} checkpoints of {bytes} bytes in all; making them took {:.0} ms",
            ms(looked.first)
        );
        let ratio = looked.cold / looked.load;
        println!(
            "  without checkpoints     {:>9.2} ms  {ratio:.3} of load",
            ms(looked.cold)
        );
        let ratio = looked.blame / looked.load;
        println!(
            "  blame of all fields     {:>9.2} ms  {ratio:.2} of load (aim ≤ {BLAME_AIM}: {})",
            ms(looked.blame),
            word(ratio <= BLAME_AIM)
        );
        if edits == 100_000 {
            let (long, short) = pages(&mut history.stored(), &mut History::new(1_000).stored());
            let ratio = long / short;
            println!(
                "  a page of 50 entries    {:>9.2} ms  {ratio:.2} of one of 1000 (aim ≤ {PAGE_AIM}: {})",
                ms(long),
                word(ratio <= PAGE_AIM)
            );
        }
    }
}
