//! What admission costs beside Automerge's own work: ratios, medians of paired runs.
//!
//! Each pair measures both sides one after the other, so that a slow moment of the machine meets
//! both. `cargo xtask bench` runs this.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]

#[allow(dead_code, reason = "each measurement needs a part of it")]
mod figures;
mod ground;

use automerge::transaction::Transactable;
use automerge::{Change, ROOT};
use figures::{Times, aim, timed};
use ground::{Ground, Whole};
use indelible_engine::admission::Verdict;
use indelible_engine::change::parse;
use indelible_engine::limits::Limits;

fn main() {
    if !figures::are_wanted() {
        return;
    }
    println!("admission");
    for (history, aim) in [(100, 2.5), (10_000, 1.4), (100_000, 1.4)] {
        one_change(history, aim);
    }
    println!();
    checks_alone();
}

/// Admitting one small change against bare `apply_changes` of it.
fn one_change(history: usize, most: f64) {
    let ground = Ground::new(history, Whole::Free);
    let constrained = Ground::new(history, Whole::Constrained);
    let bytes = ground.change(|tx| tx.put(ROOT, "field-07", "another value").unwrap());
    let change = Change::try_from(bytes.as_slice()).unwrap();
    let proposal = ground.proposal(bytes);
    let rounds = if history > 50_000 { 60 } else { 600 };
    let (mut bare, mut ours, mut whole) = (Times::default(), Times::default(), Times::default());
    for _ in 0..rounds {
        let mut doc = ground.doc.clone();
        let change = change.clone();
        // Documents are dropped outside of what is timed, on both sides.
        let (time, _kept) = timed(|| {
            doc.apply_changes([change]).unwrap();
            doc
        });
        bare.push(time);
        let (time, verdict) = timed(|| ground.admit(&proposal));
        assert!(verdict.refused.is_none());
        ours.push(time);
        let value = constrained.entity.presented();
        let (time, faults) = timed(|| constrained.entity.policy().check_whole(&value));
        assert!(faults.is_empty());
        whole.push(time);
    }
    for (name, part) in [("median", 0.5), ("quietest tenth", 0.1)] {
        let [bare, ours, whole] = [&bare, &ours, &whole].map(|times| times.quantile(part));
        let ratio = ours / bare;
        println!(
            "  history {history:>6}, {name:<14}: apply_changes {bare:>8.1} µs   admit {ours:>8.1} µs   \
             ratio {ratio:.2} {}   whole-entity check apart {whole:.1} µs",
            aim(ratio, most),
        );
    }
}

/// The checks without the trial: changes whose last operation is refused, so that everything is
/// checked and nothing applied. This includes making the violation.
fn checks_alone() {
    for history in [100, 10_000] {
        let ground = Ground::new(history, Whole::Free);
        let one = ground.change(|tx| tx.put(ROOT, "protected", "mine").unwrap());
        checks(&ground, history, "one operation", one, 10.0);
        let edits = ground.change(|tx| {
            for index in 0..999 {
                tx.put(&ground.map, format!("key-{index:04}"), index)
                    .unwrap();
            }
            tx.put(ROOT, "protected", "mine").unwrap();
        });
        checks(&ground, history, "1,000 edits of a map", edits, 1.0);
        let text = "Lorem ipsum dolor sit amet, consectetur adipiscing ".repeat(20);
        let typed = ground.change(|tx| {
            tx.splice_text(&ground.text, 3, 0, &text[..999]).unwrap();
            tx.put(ROOT, "protected", "mine").unwrap();
        });
        checks(&ground, history, "1,000 characters typed", typed, 1.0);
    }
}

/// `most`: microseconds per operation.
fn checks(ground: &Ground, history: usize, what: &str, bytes: Vec<u8>, most: f64) {
    let limits = Limits::default();
    let operations = parse(&bytes, &limits).unwrap().ops().len();
    let proposal = ground.proposal(bytes.clone());
    let rounds = if operations > 1 { 300 } else { 3_000 };
    let (mut parsing, mut all) = (Times::default(), Times::default());
    for _ in 0..rounds {
        parsing.push(timed(|| parse(&bytes, &limits)).0);
        let (time, Verdict { refused, .. }) = timed(|| ground.admit(&proposal));
        assert_eq!(refused.unwrap().violations.len(), 1);
        all.push(time);
    }
    let each = all.median() / operations as f64;
    println!(
        "  checks alone, history {history:>6}, {what:<24} {:>7.1} µs, of which parsing {:>7.1} µs; \
         per operation {each:.2} µs {}",
        all.median(),
        parsing.median(),
        aim(each, most),
    );
}
