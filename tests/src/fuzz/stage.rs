//! An entity of the hostile catalogue for a target to act on, and what must hold of it afterwards.
//!
//! Invariant: the same for every run, so that an input means the same for ever; what a target makes
//! of an entity is never seen by the next.

use std::sync::{Arc, LazyLock};

use automerge::transaction::{Transactable, Transaction};
use automerge::{ObjId, ROOT};
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::entity::Entity;
use indelible_engine::id::EntityId;
use indelible_engine::policy::Policy;
pub(crate) use indelible_engine::testing::judge;
use indelible_engine::testing::{self, Client};

use crate::hostile::{self, CREATOR};

/// Who edits honestly.
pub(crate) const HONEST: &str = "bob";

/// The policy of the catalogue's entities.
pub(crate) static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let file = hostile::schema_folder().join("thing.json");
    testing::compiled(&hostile::read(&file))
});

/// The entity as its creator made it.
pub(crate) fn created(id: &EntityId) -> Entity {
    let creator = hostile::principal(CREATOR);
    testing::created(id, &POLICY, &creator, &hostile::content())
}

/// The entity with what was admitted, if anything was.
pub(crate) fn after(verdict: Verdict) -> Option<Entity> {
    verdict.admitted.map(|admitted| admitted.into_parts().0)
}

/// Honest edits, each on the entity as it is, by an actor of its own.
pub(crate) fn honest_changes(entity: &Entity) -> Vec<Vec<u8>> {
    let edits: [fn(&mut Transaction<'_>, &Client); 9] = [
        |tx, _| done(tx.put(ROOT, "title", "Two")),
        |tx, client| done(tx.splice_text(client.object(&["body"]), 3, 4, "é🦀")),
        |tx, client| {
            let tags = client.object(&["tags"]);
            done(tx.insert(&tags, 1, "x"));
            done(tx.put(&tags, 0, "y"));
            done(tx.delete(&tags, 2));
        },
        |tx, _| done(tx.increment(ROOT, "hits", 5)),
        |tx, client| {
            use automerge::ObjType::{List, Map, Text};
            let item = made(tx.put_object(client.object(&["items"]), "new", Map));
            done(tx.put(&item, "$position", "n"));
            let note = made(tx.put_object(&item, "note", Text));
            done(tx.splice_text(&note, 0, 0, "hi"));
            made(tx.put_object(&item, "tags", List));
            made(tx.put_object(&item, "parts", Map));
            done(tx.put(&item, "count", automerge::ScalarValue::counter(0)));
            done(tx.put(&item, "serial", "s9"));
        },
        |tx, client| {
            done(tx.put(client.object(&["items", "i1"]), "$position", "zz"));
            done(tx.put(client.object(&["items", "i3"]), "$deleted", true));
        },
        |tx, client| {
            done(tx.put(client.object(&["prices"]), "net", 8.5));
            done(tx.put(ROOT, "shape", r#"{"w":3}"#));
            done(tx.put(ROOT, "number", -1));
        },
        |tx, client| {
            let label = client.object(&["labels"]);
            let label = made(tx.put_object(label, "y", automerge::ObjType::Map));
            done(tx.put(&label, "text", "why"));
        },
        |tx, client| {
            done(tx.delete(ROOT, "number"));
            done(tx.put(client.object(&["place"]), "street", "Gasse 1"));
        },
    ];
    let changes = edits.iter().zip(1..).map(|(edit, actor)| {
        let mut client = Client::on(entity, HONEST, actor);
        let twin = client.clone();
        client.change(|tx| edit(tx, &twin))
    });
    changes.collect()
}

fn done(result: Result<(), automerge::AutomergeError>) {
    result.expect("an honest edit");
}

fn made(result: Result<ObjId, automerge::AutomergeError>) -> ObjId {
    result.expect("an honest edit")
}

/// The entity saves and loads, and an honest client can write to it.
pub(crate) fn lives(entity: &Entity) {
    let snapshot = entity.to_snapshot().expect("it saves");
    let back = Entity::from_snapshot(entity.id(), entity.epoch(), entity.policy(), &snapshot)
        .expect("it loads");
    assert_eq!(back.heads(), entity.heads());
    assert_eq!(back.presented(), entity.presented());
    let change = Client::on(entity, HONEST, 99).change(|tx| {
        done(tx.put(ROOT, "tagline", "after"));
    });
    let verdict = judge(
        entity,
        &hostile::principal(HONEST),
        vec![change],
        Origin::Client,
    );
    assert_eq!(verdict.refused, None, "an honest edit after it");
}
