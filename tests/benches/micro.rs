//! What the parts of admission take by themselves, and what they allocate.
//!
//! The ratios of `admission` say whether an aim is met; this says where the time goes.
//! `cargo xtask bench micro` runs it.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]

#[allow(dead_code, reason = "divan takes the times here")]
mod figures;
mod ground;

use automerge::transaction::Transactable;
use automerge::{Change, ROOT, ReadDoc};
use divan::{AllocProfiler, Bencher};
use ground::{Ground, Whole};
use indelible_engine::change::parse;
use indelible_engine::limits::Limits;

#[global_allocator]
static MEMORY: AllocProfiler = AllocProfiler::system();

const HISTORIES: [usize; 2] = [100, 10_000];

fn main() {
    if figures::are_wanted() {
        divan::main();
    }
}

fn small(ground: &Ground) -> Vec<u8> {
    ground.change(|tx| tx.put(ROOT, "field-07", "another value").unwrap())
}

/// Bytes to a checked change.
#[divan::bench(args = HISTORIES)]
fn parsing(bencher: Bencher<'_, '_>, history: usize) {
    let bytes = small(&Ground::new(history, Whole::Free));
    let limits = Limits::default();
    bencher.bench_local(|| parse(&bytes, &limits).unwrap());
}

/// The copy that the trial works on.
#[divan::bench(args = HISTORIES)]
fn cloning(bencher: Bencher<'_, '_>, history: usize) {
    let ground = Ground::new(history, Whole::Free);
    bencher.bench_local(|| ground.doc.clone());
}

/// Automerge's own work.
#[divan::bench(args = HISTORIES)]
fn applying(bencher: Bencher<'_, '_>, history: usize) {
    let ground = Ground::new(history, Whole::Free);
    let change = Change::try_from(small(&ground).as_slice()).unwrap();
    bencher
        .with_inputs(|| (ground.doc.clone(), change.clone()))
        .bench_local_values(|(mut doc, change)| {
            doc.apply_changes([change]).unwrap();
            doc
        });
}

/// Getting the change back out of the document.
#[divan::bench(args = HISTORIES)]
fn proving(bencher: Bencher<'_, '_>, history: usize) {
    let ground = Ground::new(history, Whole::Free);
    let change = Change::try_from(small(&ground).as_slice()).unwrap();
    let mut doc = ground.doc.clone();
    let hash = change.hash();
    doc.apply_changes([change]).unwrap();
    bencher.bench_local(|| doc.get_change_by_hash(&hash).unwrap());
}

/// All of it.
#[divan::bench(args = HISTORIES)]
fn admitting(bencher: Bencher<'_, '_>, history: usize) {
    let ground = Ground::new(history, Whole::Free);
    let proposal = ground.proposal(small(&ground));
    bencher.bench_local(|| ground.admit(&proposal));
}
