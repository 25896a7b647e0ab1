//! Guards against what was admitted and shows nowhere without its author hearing of it.

use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::rebase::{DropReason, Dropped, gone};
use serde_json::{Value, json};

use crate::fixture::{editor, judge, thing};

/// The change that brings a body into an entity, unjudged.
fn change(entity: &Entity, who: &str, body: &Value) -> Vec<u8> {
    let actor = server_actor(entity.id(), entity.epoch(), who);
    let merged = merge(entity, &editor(who), &actor, body, &MergeOptions::default());
    merged.unwrap().changes.remove(0)
}

fn admitted(entity: &Entity, who: &str, changes: Vec<Vec<u8>>) -> Entity {
    let verdict = judge(entity, &editor(who), changes, Origin::Server);
    assert_eq!(verdict.refused, None);
    verdict.admitted.unwrap().into_parts().0
}

fn told(dropped: &[Dropped]) -> Vec<(String, Option<Value>)> {
    assert!(dropped.iter().all(|one| one.why == DropReason::Gone));
    dropped
        .iter()
        .map(|one| (one.pointer.to_string(), one.attempted.clone()))
        .collect()
}

fn one(at: &str, value: Value) -> (String, Option<Value>) {
    (at.to_owned(), Some(value))
}

#[test]
fn what_was_written_into_what_others_deleted_is_found_with_its_values() {
    let entity = thing();
    let hers = json!({
        "title": "Hers",
        "labels": { "x": { "text": "mine" } },
        "items": [
            { "id": "i1", "name": "mine", "note": "ab", "tags": ["t"] }, { "id": "i2" },
            { "id": "i3", "name": "kept" },
        ],
    });
    let hers = change(&entity, "alice", &hers);
    let deletion = json!({ "labels": { "x": null }, "items": [{ "id": "i2" }, { "id": "i3" }] });
    let entity = admitted(&entity, "bob", vec![change(&entity, "bob", &deletion)]);
    let entity = admitted(&entity, "alice", vec![hers.clone()]);
    let value = entity.presented();
    assert_eq!(
        (&value["title"], value.get("labels")),
        (&json!("Hers"), None)
    );
    let mut found = told(&gone(&entity, &[hers], &Limits::default()));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        found,
        [
            one("/items/i1/name", json!("mine")),
            one("/items/i1/note", json!("a")),
            one("/items/i1/note", json!("b")),
            one("/items/i1/tags", json!("t")),
            one("/labels/x/text", json!("mine")),
        ]
    );
}

#[test]
fn what_one_deleted_or_brought_back_oneself_is_not_gone() {
    let entity = thing();
    let without = json!({ "items": [{ "id": "i2" }, { "id": "i3" }] });
    let edit = change(
        &entity,
        "alice",
        &json!({ "items": [{ "id": "i1", "name": "mine" },
        { "id": "i2" }, { "id": "i3" }] }),
    );
    let edited = admitted(&entity, "alice", vec![edit.clone()]);
    let deletion = change(&edited, "alice", &without);
    let entity = admitted(&edited, "alice", vec![deletion.clone()]);
    assert_eq!(gone(&entity, &[edit, deletion], &Limits::default()), []);
    let back = change(
        &entity,
        "alice",
        &json!({ "items": [{ "id": "i1", "name": "again" },
        { "id": "i2" }, { "id": "i3" }] }),
    );
    let entity = admitted(&entity, "alice", vec![back.clone()]);
    assert_eq!(entity.presented()["items"][0]["name"], "again");
    assert_eq!(gone(&entity, &[back], &Limits::default()), []);
    assert_eq!(gone(&entity, &[vec![1, 2]], &Limits::default()), []);
}
