//! What admission costs beside Automerge's own work: ratios, medians of paired runs.
//!
//! Each pair measures both sides one after the other, so that a slow moment of the machine meets
//! both. `cargo xtask bench` runs this.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]

#[allow(dead_code, reason = "each measurement needs a part of it")]
mod figures;
mod ground;

use automerge::ReadDoc as _;
use automerge::transaction::Transactable;
use automerge::{Change, ROOT};
use figures::{Times, aim, timed};
use ground::{Ground, NOW, Whole};
use indelible_engine::admission::{Staging, Verdict, admit};
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
    for history in [100, 10_000, 100_000] {
        many_changes(history);
    }
    println!();
    for history in [100, 10_000, 100_000] {
        one_commit(history);
    }
    println!();
    checks_alone();
}

/// Proposals of one edit each that are judged for one commit, against the same with a copy of the
/// document for each, and against `apply_changes` of each.
fn one_commit(history: usize) {
    const COUNT: usize = 50;
    let ground = Ground::new(history, Whole::Constrained);
    let mut client = ground.doc.clone();
    let proposals: Vec<_> = (0..COUNT)
        .map(|index| {
            let mut tx = client.transaction();
            tx.put(ROOT, "field-07", format!("v{index}")).unwrap();
            let hash = tx.commit().0.unwrap();
            let change = client.get_change_by_hash(&hash).unwrap();
            ground.proposal(change.raw_bytes().to_vec())
        })
        .collect();
    let limits = Limits::default();
    let (mut bare, mut copied, mut staged) = (Times::default(), Times::default(), Times::default());
    for _ in 0..if history > 50_000 { 5 } else { 30 } {
        let mut doc = ground.doc.clone();
        let raw: Vec<Change> = proposals
            .iter()
            .map(|proposal| Change::try_from(proposal.changes[0].as_slice()).unwrap())
            .collect();
        let (time, _kept) = timed(|| {
            for change in raw {
                doc.apply_changes([change]).unwrap();
            }
            doc
        });
        bare.push(time);
        let mut entity = ground.entity.clone();
        let (time, ()) = timed(|| {
            for proposal in &proposals {
                let verdict = admit(&entity, proposal, NOW, &limits);
                entity = verdict.admitted.unwrap().into_parts().0;
            }
        });
        copied.push(time);
        let mut staging = Staging::new(ground.entity.clone());
        let (time, ()) = timed(|| {
            for proposal in &proposals {
                let verdict = staging.admit(proposal, NOW, &limits);
                staging.advance(verdict.admitted.unwrap());
            }
        });
        staged.push(time);
        assert_eq!(staging.into_entity().heads(), entity.heads());
    }
    let [bare, copied, staged] =
        [&bare, &copied, &staged].map(|times| times.median() / COUNT as f64);
    println!(
        "  history {history:>6}, {COUNT} proposals of one commit, each: apply_changes {bare:>8.1} µs   \
         admit {staged:>8.1} µs   ratio {:.2}   with a copy for each {copied:>8.1} µs, {:.2} times \
         as long",
        staged / bare,
        copied / staged,
    );
}

/// Admitting a proposal of 1,000 edits against `apply_changes` of them at once, and against the same
/// edits as proposals of their own (a hundred of them, times ten).
fn many_changes(history: usize) {
    let ground = Ground::new(history, Whole::Constrained);
    let mut client = ground.doc.clone();
    let changes: Vec<Vec<u8>> = (0..1_000)
        .map(|index| {
            let mut tx = client.transaction();
            if index % 2 == 0 {
                tx.splice_text(&ground.text, 0, 0, "x").unwrap();
            } else {
                tx.put(
                    ROOT,
                    format!("field-{:02}", index % 16),
                    format!("v{index}"),
                )
                .unwrap();
            }
            let (hash, _) = tx.commit();
            let change = client.get_change_by_hash(&hash.unwrap()).unwrap();
            change.raw_bytes().to_vec()
        })
        .collect();
    let raw: Vec<Change> = changes
        .iter()
        .map(|bytes| Change::try_from(bytes.as_slice()).unwrap())
        .collect();
    let (mut bare, mut ours, mut singly) = (Times::default(), Times::default(), Times::default());
    for round in 0..5 {
        let (mut doc, changes_of_it) = (ground.doc.clone(), raw.clone());
        let (time, _kept) = timed(|| {
            doc.apply_changes(changes_of_it).unwrap();
            doc
        });
        bare.push(time);
        let mut proposal = ground.proposal(Vec::new());
        proposal.changes.clone_from(&changes);
        let (time, verdict) = timed(|| ground.admit(&proposal));
        assert!(verdict.refused.is_none());
        ours.push(time);
        if round < 3 {
            let mut entity = ground.entity.clone();
            let (time, ()) = timed(|| {
                for change in &changes[..100] {
                    let proposal = ground.proposal(change.clone());
                    let verdict = admit(&entity, &proposal, NOW, &Limits::default());
                    entity = verdict.admitted.unwrap().into_parts().0;
                }
            });
            singly.push(time * 10);
        }
    }
    let [bare, ours, singly] = [&bare, &ours, &singly].map(|times| times.median() / 1_000.0);
    println!(
        "  history {history:>6}, 1,000 edits in one proposal: apply_changes {bare:>8.1} ms   admit \
         {ours:>8.1} ms   ratio {:.2}   as proposals of one edit {singly:>8.1} ms, {:.1} times as \
         long",
        ours / bare,
        singly / ours,
    );
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
