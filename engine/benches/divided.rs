//! What it costs to take values of a million elements: merging, judging, and what a client would do.
//!
//! Prints times; `cargo bench -p indelible-engine --bench divided`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people to look at"
)]

use std::sync::Arc;
use std::time::Instant;

use indelible_engine::admission::{Origin, Proposal, admit};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{Epoch, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::schema::SchemaSource;
use indelible_engine::time::Timestamp;
use serde_json::{Value, json};

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
    let source = SchemaSource {
        file: "case.json".to_owned(),
        text: schema.to_string(),
    };
    Arc::new(Policy::compile(&source).unwrap())
}

fn put(entity: &Entity, body: &Value, origin: Origin) -> Entity {
    let author = Principal::new("alice", ["editor"]);
    let actor = server_actor(entity.id(), entity.epoch(), &author.id);
    let options = MergeOptions {
        creation: origin == Origin::Creation,
        ..MergeOptions::default()
    };
    let start = Instant::now();
    let merged = merge(entity, &author, &actor, body, &options).unwrap();
    let made = start.elapsed();
    let (changes, bytes) = (
        merged.changes.len(),
        merged.changes.iter().map(Vec::len).sum::<usize>(),
    );
    let proposal = Proposal {
        id: ProposalId([1; 16]),
        author,
        session: None,
        origin,
        changes: merged.changes,
        claimed: None,
    };
    let start = Instant::now();
    let verdict = admit(entity, &proposal, Timestamp(0), &Limits::default());
    let judged = start.elapsed();
    assert_eq!(verdict.refused, None);
    println!(
        "  merged in {made:>8.2?}, judged in {judged:>8.2?}: {changes} changes, {bytes} bytes"
    );
    verdict.admitted.unwrap().into_parts().0
}

fn main() {
    // Test runners start benches too, to see what is in them: nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for count in [10_000, 100_000, 1_000_000] {
        println!("{count} elements");
        let genesis = Entity::genesis(&"case/one".parse().unwrap(), Epoch::FIRST, &policy());
        print!("  text, created     ");
        let entity = put(
            &genesis,
            &json!({ "body": "a".repeat(count) }),
            Origin::Creation,
        );
        print!("  text, replaced    ");
        put(
            &entity,
            &json!({ "body": "b".repeat(count) }),
            Origin::Server,
        );
        print!("  text, one letter  ");
        let mut text = "a".repeat(count);
        text.replace_range(count / 2..=count / 2, "x");
        put(&entity, &json!({ "body": text }), Origin::Server);
        print!("  emoji, create-only");
        put(
            &genesis,
            &json!({ "origin": "😀".repeat(count) }),
            Origin::Creation,
        );
        print!("  list, created     ");
        let list: Vec<usize> = (0..count).collect();
        put(&genesis, &json!({ "tags": list }), Origin::Creation);
    }
}
