//! Guards against a copy of the document for every proposal of a commit.

use automerge::transaction::Transactable;
use std::sync::Arc;

use automerge::{ActorId, Automerge, ROOT, ReadDoc};
use serde_json::json;

use super::*;
use crate::admission::Origin;
use crate::id::{EntityId, Epoch, ProposalId};
use crate::ledger::EntryKind;
use crate::principal::Principal;
use crate::schema;

fn entity() -> Entity {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "note", "edit": ["editor"] },
        "required": ["name"],
        "properties": { "name": { "type": "string" }, "no": { "type": "integer" } },
    });
    let policy = Arc::new(schema::compile("note.json", &schema.to_string()).unwrap());
    let id: EntityId = "note/one".parse().unwrap();
    Entity::genesis(&id, Epoch::FIRST, &policy)
}

/// What a client on `entity` proposes that puts these fields, each in a change of its own.
fn puts(entity: &Entity, actor: u8, fields: &[(&str, &str)]) -> Proposal {
    let mut doc = Automerge::clone(entity.doc());
    doc.set_actor(ActorId::from([actor; 16]));
    let changes = fields.iter().map(|(name, value)| {
        let mut tx = doc.transaction();
        tx.put(ROOT, *name, *value).unwrap();
        let hash = tx.commit().0.unwrap();
        let change = doc.get_change_by_hash(&hash).unwrap();
        change.raw_bytes().to_vec()
    });
    Proposal::new(
        ProposalId([1; 16]),
        Principal::new("bob", ["editor"]),
        Origin::Client,
        changes.collect(),
    )
}

/// Decides on a proposal, takes over what is admitted of it, and returns where the document is then.
fn place(staging: &mut Staging, proposal: &Proposal) -> *const Automerge {
    let verdict = staging.admit(proposal, Timestamp(1), &Limits::default());
    if let Some(admitted) = verdict.admitted {
        assert_eq!(admitted.draft().kind, EntryKind::Changes);
        staging.advance(admitted);
    }
    std::ptr::from_ref(staging.entity().doc())
}

#[test]
fn the_document_is_copied_once_unless_something_of_a_proposal_is_taken_back() {
    let first = entity();
    let mut staging = Staging::new(first.clone());
    let copy = place(&mut staging, &puts(&first, 1, &[("name", "one")]));
    assert_ne!(copy, std::ptr::from_ref(first.doc()));
    for actor in 2..20 {
        let more = puts(staging.entity(), actor, &[("name", &actor.to_string())]);
        assert_eq!(place(&mut staging, &more), copy);
        // Refused before anything is applied.
        let bad = puts(staging.entity(), actor + 100, &[("no", "not a number")]);
        assert_eq!(place(&mut staging, &bad), copy);
    }
    let before = staging.entity().heads();
    let mut whole = puts(staging.entity(), 200, &[("name", "x"), ("no", "y")]);
    whole.changes.swap(0, 1);
    assert_eq!(place(&mut staging, &whole), copy);
    assert_eq!(staging.entity().heads(), before);
}
