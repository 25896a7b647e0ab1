//! From a schema to an admitted change, and to one that is refused.
//!
//! `cargo run -p indelible-engine --example first_edit` is silent if all of it holds.

use std::error::Error;
use std::sync::Arc;

use indelible_engine::admission::{Origin, Proposal, admit};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{Epoch, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeError, MergeOptions, merge};
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use serde_json::json;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let text = r#"{
        "type": "object",
        "x-indelible": { "kind": "team", "create": ["editor"], "edit": ["editor"] },
        "properties": {
            "name": { "type": "string" },
            "employeeId": { "type": "string", "x-indelible": { "write": "create" } }
        }
    }"#;
    let policy = Arc::new(schema::compile("team.json", text).expect("the schema has no mistakes"));

    // Before its first edit an entity is what its name and policy say.
    let id = "team/jane".parse()?;
    let genesis = Entity::genesis(&id, Epoch::FIRST, &policy);
    let alice = Principal::new("alice", ["editor"]);
    let actor = server_actor(&id, Epoch::FIRST, &alice.id);

    // Alice creates Jane: a JSON value becomes a change, and the change is judged.
    let body = json!({ "name": "Jane", "employeeId": "E-1" });
    let creating = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let merged = merge(&genesis, &alice, &actor, &body, &creating)?;
    let first = ProposalId([1; 16]);
    let proposal = Proposal::new(first, alice.clone(), Origin::Creation, merged.changes);
    let verdict = admit(&genesis, &proposal, Timestamp(0), &Limits::default());
    let admitted = verdict.admitted.expect("an editor may create");

    // What was admitted is the entity after it, an entry to be committed, and what changed.
    let (jane, entry, effects) = admitted.into_parts();
    assert_eq!(jane.presented()["name"], "Jane");
    assert_eq!((entry.header.place.seq.0, effects.len()), (1, 2));

    // `employeeId` may be written at creation only, so a second value is refused.
    let body = json!({ "employeeId": "E-2" });
    let refused = merge(&jane, &alice, &actor, &body, &MergeOptions::default());
    let Err(MergeError::Refused(violations)) = refused else {
        panic!("a second id was accepted");
    };
    assert_eq!(violations[0].rule.code(), "create");
    Ok(())
}
