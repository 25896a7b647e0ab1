//! What it costs to take values of a million elements, by the element, beside values of ten thousand:
//! merging and judging, each edit divided into as many changes as it needs.
//!
//! `cargo bench -p indelible-engine --bench divided` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people to look at"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;
use indelible_engine::id::Epoch;
use indelible_engine::merge::MergeOptions;
use indelible_engine::policy::Policy;
use indelible_engine::testing;
use serde_json::{Value, json};

/// The time for each element beside that in a short value.
const AIM: f64 = 3.0;

fn policy() -> Arc<Policy> {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "case", "create": ["editor"], "edit": ["editor"] },
        "properties": {
            "body": { "type": "string", "x-indelible": { "merge": "text" } },
            "origin": { "type": "string", "x-indelible": { "merge": "text", "write": "create" } },
            "tags": { "type": "array", "items": { "type": "integer" } }
        }
    });
    testing::compiled(&schema)
}

/// What it took to merge and to judge an edit, and in how many changes it is.
struct Taken {
    merged: Duration,
    judged: Duration,
    changes: usize,
}

fn put(entity: &Entity, body: &Value, origin: Origin) -> (Entity, Taken) {
    let author = testing::editor("alice");
    let options = MergeOptions {
        creation: origin == Origin::Creation,
        ..MergeOptions::default()
    };
    let start = Instant::now();
    let merged = testing::merged(entity, &author, body, &options).unwrap();
    let made = start.elapsed();
    let changes = merged.len();
    let start = Instant::now();
    let verdict = testing::judge(entity, &author, merged, origin);
    let judged = start.elapsed();
    let taken = Taken {
        merged: made,
        judged,
        changes,
    };
    (testing::next(verdict), taken)
}

/// The edits of a value of so many elements.
fn edits(count: usize) -> Vec<(&'static str, Taken)> {
    let genesis = Entity::genesis(&"case/one".parse().unwrap(), Epoch::FIRST, &policy());
    let text = json!({ "body": "a".repeat(count) });
    let (entity, created) = put(&genesis, &text, Origin::Creation);
    let replaced = put(
        &entity,
        &json!({ "body": "b".repeat(count) }),
        Origin::Server,
    )
    .1;
    let mut text = "a".repeat(count);
    text.replace_range(count / 2..=count / 2, "x");
    let letter = put(&entity, &json!({ "body": text }), Origin::Server).1;
    let emoji = json!({ "origin": "😀".repeat(count) });
    let list: Vec<usize> = (0..count).collect();
    vec![
        ("text, created", created),
        ("text, replaced", replaced),
        ("text, one letter", letter),
        (
            "emoji, create-only",
            put(&genesis, &emoji, Origin::Creation).1,
        ),
        (
            "list, created",
            put(&genesis, &json!({ "tags": list }), Origin::Creation).1,
        ),
    ]
}

fn main() {
    // Test runners start benches too, to see what is in them: nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (short, long) = (10_000, 1_000_000);
    let times = long as f64 / short as f64;
    println!("  {long} elements, each beside one of {short}:");
    for ((name, taken), (_, few)) in edits(long).into_iter().zip(edits(short)) {
        let each = |long: Duration, short: Duration| {
            let ratio = long.as_secs_f64() / short.as_secs_f64() / times;
            let word = if ratio <= AIM { "met" } else { "MISSED" };
            format!("{long:>8.2?}, {ratio:.2} (aim ≤ {AIM}: {word})")
        };
        println!(
            "  {name:<19} {:>3} changes; merged in {}; judged in {}",
            taken.changes,
            each(taken.merged, few.merged),
            each(taken.judged, few.judged)
        );
    }
}
