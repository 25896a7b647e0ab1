//! What it takes to look back at a keyed list that was shuffled, emptied and filled again, by the
//! item, in a long list beside a short one.
//!
//! `cargo bench -p indelible-engine --bench lists` runs it.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(
    clippy::print_stdout,
    reason = "the figures are for whoever asked for them"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible_engine::effects::effects;
use indelible_engine::history::words::describe;
use indelible_engine::history::{apply, undo};
use indelible_engine::policy::Policy;
use indelible_engine::testing;
use serde_json::{Map, Value, json};

const ROUNDS: usize = 5;
const LENGTHS: [usize; 3] = [10_000, 20_000, 100_000];
/// The time for each item, in a list that is so many times as long as the shortest.
const AIM: f64 = 3.0;

fn policy() -> Arc<Policy> {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "edit": ["editor"] },
        "properties": { "items": { "type": "array", "items": {
            "type": "object", "properties": { "name": { "type": "string" } } } } },
    });
    testing::compiled(&schema)
}

/// The states that the list goes through.
fn states(length: usize) -> Vec<Map<String, Value>> {
    let item = |n: usize| json!({ "id": format!("i{n}"), "name": format!("item {n}") });
    // A step that has no divisor in common with the length goes through all places.
    let shuffled: Vec<Value> = (0..length).map(|n| item(n * 7_919 % length)).collect();
    let renamed = |items: &[Value]| {
        let mut items = items.to_vec();
        for item in &mut items {
            item["name"] = format!("{}!", item["name"].as_str().unwrap()).into();
        }
        items
    };
    let items: Vec<Value> = (0..length).map(item).collect();
    let backwards: Vec<Value> = items.iter().rev().cloned().collect();
    let states = [
        items,
        renamed(&shuffled),
        Vec::new(),
        shuffled,
        backwards,
        Vec::new(),
    ];
    let state = |items| Map::from_iter([("items".to_owned(), Value::Array(items))]);
    states.map(state).into()
}

/// The time for each item: of forward, back, and words.
fn look(policy: &Policy, length: usize) -> [f64; 3] {
    let states = states(length);
    let mut took = [const { Vec::new() }; 3];
    let steps: Vec<_> = states
        .windows(2)
        .map(|pair| (&pair[0], &pair[1], effects(policy, &pair[0], &pair[1])))
        .collect();
    for _ in 0..ROUNDS {
        let mut sums = [Duration::ZERO; 3];
        for (before, after, effects) in &steps {
            let mut value = (*before).clone();
            let start = Instant::now();
            apply(policy, &mut value, effects).unwrap();
            sums[0] += start.elapsed();
            assert!(value == **after);
            let start = Instant::now();
            undo(policy, &mut value, effects).unwrap();
            sums[1] += start.elapsed();
            assert!(value == **before);
            let start = Instant::now();
            let descriptions = describe(policy, effects, Some(value));
            sums[2] += start.elapsed();
            assert_eq!(descriptions.len(), effects.len());
        }
        for (took, sum) in took.iter_mut().zip(sums) {
            took.push(sum.as_secs_f64());
        }
    }
    took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        took[took.len() / 2] / length as f64
    })
}

fn main() {
    // Test runners start this program too, to ask for tests, of which there are none.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let policy = policy();
    let [short, longer @ ..] = LENGTHS.map(|length| (length, look(&policy, length)));
    println!(
        "  each item of {} items, through five edits of all:",
        short.0
    );
    for (name, at) in [("forward", 0), ("back", 1), ("in words", 2)] {
        print!("  {name:<9} {:>6.2} µs", short.1[at] * 1e6);
        for (length, took) in &longer {
            let ratio = took[at] / short.1[at];
            let word = if ratio <= AIM { "met" } else { "MISSED" };
            print!("  of {length}: {ratio:.2} of that (aim ≤ {AIM}: {word})");
        }
        println!();
    }
}
