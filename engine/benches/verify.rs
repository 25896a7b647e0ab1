//! What it takes to check a bundle: the records alone, and with admission run again, beside
//! applying the same changes one by one.
//!
//! `cargo bench -p indelible-engine --bench verify` runs it.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(
    clippy::print_stdout,
    reason = "the figures are for whoever asked for them"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use automerge::transaction::Transactable;
use automerge::{Automerge, Change, LoadOptions, ROOT, ReadDoc, TextEncoding};
use indelible_engine::admission::{Origin, admit};
use indelible_engine::bundle::{Depth, Verifier, Writer};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, GlobalSeq};
use indelible_engine::ledger::{EntryDraft, Logged, Sealed};
use indelible_engine::lifecycle;
use indelible_engine::limits::Limits;
use indelible_engine::merge::MergeOptions;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::testing::{Client, editor, merged, proposal, sixteen_fields_and_a_text};
use indelible_engine::time::Timestamp;
use serde_json::json;

const ENTITIES: usize = 20;
const EDITS: usize = 500;
const ROUNDS: usize = 5;

/// Entries whose records can be checked in a second, at least.
const RECORDS_AIM: f64 = 50_000.0;
/// The part of the rate of applying that is left with admission, at least.
const ADMISSION_AIM: f64 = 0.5;

/// One entity, and the client that edits it.
struct Edited {
    entity: Entity,
    doc: Automerge,
}

#[derive(Default)]
struct Ledger {
    entries: Vec<Sealed>,
}

impl Ledger {
    fn seal(&mut self, entity: &mut Entity, draft: EntryDraft) {
        let global = GlobalSeq(self.entries.len() as u64 + 1);
        let sealed = draft.seal(global, Timestamp(0), entity.hash());
        entity.confirm(Logged::of(&sealed.entry, sealed.hash));
        self.entries.push(sealed);
    }

    fn admit(
        &mut self,
        entity: &Entity,
        author: &Principal,
        origin: Origin,
        changes: Vec<Vec<u8>>,
    ) -> Entity {
        let proposal = proposal(author, origin, changes);
        let verdict = admit(entity, &proposal, Timestamp(0), &Limits::default());
        assert_eq!(verdict.refused, None);
        let (mut entity, draft, _) = verdict.admitted.unwrap().into_parts();
        self.seal(&mut entity, draft);
        entity
    }
}

/// Entities that are edited in turn.
fn ledger(policy: &Arc<Policy>) -> Ledger {
    let author = editor("bob");
    let mut ledger = Ledger::default();
    let mut edited: Vec<Edited> = (0..ENTITIES)
        .map(|index| {
            let id: EntityId = format!("thing/e{index:02}").parse().unwrap();
            let mut entity = Entity::genesis(&id, Epoch::FIRST, policy);
            let genesis = lifecycle::genesis(&entity, Timestamp(0));
            ledger.seal(&mut entity, genesis);
            let options = MergeOptions {
                creation: true,
                ..MergeOptions::default()
            };
            let body = json!({ "field-00": "one", "body": "A text to begin with." });
            let changes = merged(&entity, &author, &body, &options).unwrap();
            let entity = ledger.admit(&entity, &author, Origin::Creation, changes);
            let Client { doc, .. } = Client::on(&entity, "bob", 9);
            Edited { entity, doc }
        })
        .collect();
    for edit in 0..EDITS {
        for Edited { entity, doc } in &mut edited {
            let body = doc.get(ROOT, "body").unwrap().unwrap().1;
            let length = doc.length(&body);
            let mut tx = doc.transaction();
            if edit % 4 == 3 {
                tx.splice_text(&body, edit % (length + 1), 0, "some words ")
                    .unwrap();
            } else {
                let field = format!("field-{:02}", edit % 16);
                tx.put(ROOT, field, format!("value {edit}")).unwrap();
            }
            let hash = tx.commit().0.unwrap();
            let change = doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec();
            *entity = ledger.admit(entity, &author, Origin::Client, vec![change]);
        }
    }
    ledger
}

fn bundle(policy: &Policy, entries: &[Sealed]) -> String {
    let (mut writer, mut text) = Writer::new(1);
    text += &writer.policy(policy.hash(), &policy.record());
    for sealed in entries {
        text += &writer.entry(&sealed.bytes, sealed.hash).unwrap();
    }
    text + &writer.finish(Timestamp(0))
}

fn verify(depth: Depth, text: &str) -> Duration {
    let start = Instant::now();
    let mut verifier = Verifier::new(depth, Limits::default());
    for line in text.split_inclusive('\n') {
        verifier.line(line.as_bytes()).unwrap();
    }
    verifier.finish().unwrap();
    start.elapsed()
}

/// The same changes, one by one, by Automerge alone.
fn apply(policy: &Arc<Policy>, entries: &[Sealed]) -> Duration {
    let mut docs: BTreeMap<&EntityId, Automerge> = BTreeMap::new();
    for sealed in entries {
        let id = &sealed.entry.header.entity;
        docs.entry(id).or_insert_with(|| {
            let genesis = Entity::genesis(id, Epoch::FIRST, policy);
            let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
            Automerge::load_with_options(&genesis.document(), options).unwrap()
        });
    }
    let start = Instant::now();
    for sealed in entries
        .iter()
        .filter(|sealed| sealed.entry.header.place.seq.0 > 0)
    {
        let doc = docs.get_mut(&sealed.entry.header.entity).unwrap();
        for change in &sealed.entry.changes {
            let change = Change::try_from(change.as_slice()).unwrap();
            doc.apply_changes([change]).unwrap();
        }
    }
    start.elapsed()
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
    let policy = sixteen_fields_and_a_text();
    let Ledger { entries } = ledger(&policy);
    let text = bundle(&policy, &entries);
    let (mut records, mut admission, mut applied) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        records.push(verify(Depth::Records, &text));
        admission.push(verify(Depth::Admission, &text));
        applied.push(apply(&policy, &entries));
    }
    let count = entries.len() as f64;
    let [records, admission, applied] = [records, admission, applied].map(median);
    println!(
        "  {count} entries of {ENTITIES} entities, {} bytes, median of {ROUNDS} rounds",
        text.len()
    );
    let rate = count / records;
    println!(
        "  records            {rate:>9.0} entries/s  (aim ≥ {RECORDS_AIM:.0}: {})",
        word(rate >= RECORDS_AIM)
    );
    println!("  with admission     {:>9.0} entries/s", count / admission);
    println!("  applying alone     {:>9.0} entries/s", count / applied);
    let ratio = applied / admission;
    println!(
        "  admission/applying {ratio:>9.2}            (aim ≥ {ADMISSION_AIM}: {})",
        word(ratio >= ADMISSION_AIM)
    );
}
