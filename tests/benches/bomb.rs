//! The run-length bomb against an honest change of the same length: time and memory until it is
//! refused or admitted. `cargo xtask bench` runs this.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]

#[allow(dead_code, reason = "each measurement needs a part of it")]
mod figures;
mod ground;

use automerge::transaction::Transactable;
use automerge::{ActorId, Change, ROOT};
use figures::{Times, aim, timed};
use ground::{Ground, Whole};
use indelible_engine::admission::{Proposal, Verdict};
use indelible_tests::chunk::{self, signed, unsigned};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const AIM: f64 = 10.0;

fn main() {
    if !figures::are_wanted() {
        return;
    }
    let ground = Ground::new(100, Whole::Free);
    let honest = honest(&ground);
    let bomb = bomb();
    let real = Change::try_from(bomb.as_slice()).unwrap();
    assert_eq!(real.len() as u64, OPERATIONS, "Automerge would take it");
    println!(
        "bomb ({} bytes, {OPERATIONS} operations) against an honest change of {} bytes",
        bomb.len(),
        honest.len()
    );
    let (honest, bomb) = (ground.proposal(honest), ground.proposal(bomb));
    let (fair_time, fair_bytes) = cost(&ground, &honest, |verdict| verdict.refused.is_none());
    let (time, bytes) = cost(&ground, &bomb, |verdict| verdict.admitted.is_none());
    let (slower, larger) = (time / fair_time, bytes / fair_bytes);
    println!(
        "  time   honest {fair_time:>9.1} µs   bomb {time:>9.1} µs   ratio {slower:.2} {}",
        aim(slower, AIM),
    );
    println!(
        "  memory honest {fair_bytes:>9.1} KB   bomb {bytes:>9.1} KB   ratio {larger:.2} {}",
        aim(larger, AIM),
    );
}

/// Median time in µs, and how far memory rises above where it stood, in KB.
fn cost(ground: &Ground, proposal: &Proposal, expected: fn(&Verdict) -> bool) -> (f64, f64) {
    let mut times = Times::default();
    let mut peak: f64 = 0.0;
    for _ in 0..500 {
        let before = MEMORY.current_usage_as_kb();
        MEMORY.reset_peak_usage();
        let (time, verdict) = timed(|| ground.admit(proposal));
        times.push(time);
        assert!(expected(&verdict));
        peak = peak.max(f64::from(MEMORY.peak_usage_as_kb() - before));
    }
    (times.median(), peak)
}

const OPERATIONS: u64 = 1_000_000;

/// The smallest honest change: one field, with a value that brings it to 81 bytes or a little over.
fn honest(ground: &Ground) -> Vec<u8> {
    ground.change(|tx| tx.put(ROOT, "field-07", "x").unwrap())
}

/// A change whose columns repeat one row a million times.
fn bomb() -> Vec<u8> {
    let template = {
        let mut doc = automerge::Automerge::new().with_actor(ActorId::from([8; 16]));
        let mut tx = doc.transaction();
        tx.put(ROOT, "a", true).unwrap();
        tx.put(ROOT, "a", false).unwrap();
        tx.commit();
        doc.get_changes(&[]).remove(0)
    };
    let header = header_length(&template);
    let body = &template.raw_bytes()[10..10 + header];
    // Columns by specification and content: a key, a value of type "true", and the action "put",
    // each once for all rows; `insert` is false in all.
    let rows = signed(OPERATIONS.cast_signed());
    let columns: [(u8, Vec<u8>); 4] = [
        (0x15, [&rows[..], &[1, b'a']].concat()),
        (0x34, unsigned(OPERATIONS)),
        (0x42, [&rows[..], &[0]].concat()),
        (0x56, [&rows[..], &[2]].concat()),
    ];
    let mut content = body.to_vec();
    content.push(5);
    for (specification, data) in &columns {
        content.push(*specification);
        content.push(u8::try_from(data.len()).unwrap());
    }
    content.extend([0x70, u8::try_from(rows.len() + 1).unwrap()]);
    for (_, data) in &columns {
        content.extend(data);
    }
    content.extend(&rows);
    content.push(0);
    chunk::change(&content)
}

/// How long the part before the columns is: all but the columns' descriptions and data.
fn header_length(change: &Change) -> usize {
    // Dependencies (none), actor, seq, first counter, time, message (none), other actors (none).
    1 + 1 + change.actor_id().to_bytes().len() + 1 + 1 + 1 + 1 + 1
}
