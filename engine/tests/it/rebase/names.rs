//! Guards against a body that is refused, or loses what it says, because it has a field under its
//! former name and its present one, and against refusals that name places no body has.

use std::sync::Arc;

use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::merge::{MergeError, MergeOptions, merge};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::Policy;
use indelible_engine::rebase::{Followed, Read};
use serde_json::{Value, json};

use super::schemas::under;
use crate::fixture::{compiled, created, editor, judge, next};

fn kind(properties: &Value) -> Arc<Policy> {
    compiled(&json!({
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"] },
        "properties": properties,
    }))
}

fn first() -> Arc<Policy> {
    let row = json!({ "type": "object", "properties": {
        "name": { "type": "string" }, "gone": { "type": "string" } } });
    kind(&json!({
        "title": { "type": "string" },
        "body": { "type": "string", "x-indelible": { "merge": "text" } },
        "size": { "type": "number" },
        "gone": { "type": "string" },
        "address": { "type": "object", "properties": {
            "town": { "type": "string" }, "zip": { "type": "string" } } },
        "items": { "type": "array", "items": row },
        "places": { "type": "object", "additionalProperties": row },
    }))
}

fn second() -> Arc<Policy> {
    let row = json!({ "type": "object", "properties": {
        "label": { "type": "string", "x-indelible": { "was": "name" } } } });
    kind(&json!({
        "headline": { "type": "string", "x-indelible": { "was": "title" } },
        "story": { "type": "string", "x-indelible": { "merge": "text", "was": "body" } },
        "extent": { "type": "number", "x-indelible": { "was": "size" } },
        "at": { "type": "object", "x-indelible": { "was": "address" }, "properties": {
            "city": { "type": "string", "x-indelible": { "was": "town" } },
            "zip": { "type": "string" } } },
        "rows": { "type": "array", "x-indelible": { "was": "items", "key": "key" }, "items": row },
        "map": { "type": "object", "x-indelible": { "was": "places" },
                 "additionalProperties": row },
    }))
}

fn read() -> Entity {
    created(
        &first(),
        &json!({
            "title": "T", "body": "Once", "size": 2, "gone": "g",
            "address": { "town": "Bern", "zip": "3000" },
            "items": [ { "id": "a", "name": "A", "gone": "ga" }, { "id": "b", "name": "B" } ],
            "places": { "x": { "name": "X", "gone": "gx" } },
        }),
    )
}

fn places(all: &[&str]) -> Vec<Pointer> {
    all.iter().map(|at| at.parse().unwrap()).collect()
}

fn follow(onto: &Entity, body: &Value, preserve: &[&str], remove: &[&str]) -> Followed {
    let read = read();
    let known = Read {
        value: None,
        policy: Arc::clone(read.policy()),
        heads: read.heads(),
        stamps: read.stamp_fields(),
    };
    let places = (&*places(preserve), &*places(remove));
    known.follow(onto, body, places).unwrap()
}

/// The value after a body that was made from the value under the first schema.
fn put(body: &Value) -> Value {
    let onto = under(&read(), &second());
    let followed = follow(&onto, body, &[], &[]);
    assert!(followed.lost.is_empty(), "{body}: {:?}", followed.lost);
    let options = MergeOptions {
        base: Some(followed.base),
        ..MergeOptions::default()
    };
    let (alice, actor) = (
        editor("alice"),
        server_actor(onto.id(), onto.epoch(), "alice"),
    );
    let merged = merge(&onto, &alice, &actor, &followed.body, &options)
        .unwrap_or_else(|error| panic!("{body}: {error}"));
    match merged.changes.is_empty() {
        true => onto.presented(),
        false => next(judge(&onto, &alice, merged.changes, Origin::Server)).presented(),
    }
}

fn lost(body: &Value) -> Vec<String> {
    let onto = under(&read(), &second());
    let lost = follow(&onto, body, &[], &[]).lost;
    let told = lost
        .iter()
        .map(|one| format!("{} {}", one.pointer, one.rule.code()));
    told.collect()
}

/// A body of a form that has been taken over to the new names and still sends what it read.
#[test]
fn what_equals_the_base_is_no_edit_beside_the_present_name() {
    let before = put(&json!({}));
    for (old, new) in [
        (json!({ "title": "T" }), json!({ "headline": "New" })),
        (json!({ "size": 2.0 }), json!({ "extent": 3 })),
        (json!({ "body": "Once" }), json!({ "story": "Once more" })),
        (
            json!({ "address": { "town": "Bern", "zip": "3000" } }),
            json!({ "at": { "city": "Thun" } }),
        ),
        (
            json!({ "address": { "town": "Bern" } }),
            json!({ "at": { "city": "Bern", "zip": "1" } }),
        ),
        (
            json!({ "items": [ { "id": "a", "name": "A", "gone": "ga" }, { "id": "b" } ] }),
            json!({ "rows": [ { "key": "b", "label": "BB" }, { "key": "a" } ] }),
        ),
        (
            json!({ "places": { "x": { "name": "X" } } }),
            json!({ "map": { "x": { "label": "XX" }, "y": { "label": "Y" } } }),
        ),
    ] {
        // In either order of the names, and each of them the one that says something.
        let mut both = old.clone();
        both.as_object_mut()
            .unwrap()
            .extend(new.as_object().unwrap().clone());
        let expected = put(&new);
        assert_ne!(expected, before, "{new}");
        assert_eq!(put(&both), expected, "{both}");
        assert_eq!(put(&old), before, "{old}");
    }
}

#[test]
fn what_the_present_name_repeats_is_no_edit_beside_the_former_one() {
    for (old, new) in [
        (json!({ "title": "New" }), json!({ "headline": "T" })),
        (json!({ "title": null }), json!({ "headline": "T" })),
        (json!({ "title": "Same" }), json!({ "headline": "Same" })),
        (
            json!({ "address": { "town": "Thun" } }),
            json!({ "at": { "zip": "1" } }),
        ),
        (
            json!({ "address": { "town": "Thun" } }),
            json!({ "at": { "town": "Thun" } }),
        ),
        (
            json!({ "items": [ { "id": "b", "name": "BB" }, { "id": "a" } ] }),
            json!({ "rows": [ { "key": "a", "label": "A" }, { "key": "b" } ] }),
        ),
        (
            json!({ "places": { "x": { "name": "XX" } } }),
            json!({ "map": { "x": { "label": "X" }, "y": { "name": "Y" } } }),
        ),
    ] {
        let mut both = old.clone();
        both.as_object_mut()
            .unwrap()
            .extend(new.as_object().unwrap().clone());
        let (both, old) = (put(&both), put(&old));
        match new.get("at").or_else(|| new.get("map")) {
            None => assert_eq!(both, old),
            // Two halves of one object are put together.
            Some(_) => assert_ne!(both, put(&json!({})), "{new}"),
        }
    }
    let halves = json!({ "address": { "town": "Thun" }, "at": { "zip": "1" } });
    assert_eq!(put(&halves)["at"], json!({ "city": "Thun", "zip": "1" }));
    // Present names outside, former ones inside.
    let mixed = json!({ "rows": [ { "id": "a", "name": "AA" }, { "key": "b" } ],
                        "at": { "town": "Thun" }, "map": { "x": { "name": "XX" } } });
    let value = put(&mixed);
    assert_eq!(value["rows"][0], json!({ "key": "a", "label": "AA" }));
    assert_eq!(value["at"]["city"], "Thun");
    assert_eq!(value["map"]["x"], json!({ "label": "XX" }));
}

#[test]
fn two_things_said_of_one_field_are_refused_under_the_former_name() {
    for (body, told) in [
        (json!({ "title": "One", "headline": "Two" }), "/title"),
        (json!({ "body": "One", "story": "Two" }), "/body"),
        (
            json!({ "address": { "town": "Thun" }, "at": { "city": "Biel" } }),
            "/address",
        ),
        (
            json!({ "at": { "town": "Thun", "city": "Biel" } }),
            "/at/town",
        ),
        (
            json!({ "items": [], "rows": [ { "label": "new" }, { "key": "a" } ] }),
            "/items",
        ),
        (
            json!({ "items": [ { "id": "a", "name": "N", "label": "L" } ] }),
            "/items/a/name",
        ),
        (
            json!({ "places": { "x": { "name": "N" } }, "map": { "x": { "label": "L" } } }),
            "/places",
        ),
    ] {
        assert_eq!(lost(&body), [format!("{told} unknown-field")], "{body}");
        let onto = under(&read(), &second());
        let found = follow(&onto, &body, &[], &[]).lost;
        assert!(
            found[0].message.contains("is called"),
            "{}",
            found[0].message
        );
        // Of what is to stay as it is, nothing is said.
        assert!(follow(&onto, &body, &[told], &[]).lost.is_empty(), "{body}");
    }
}

#[test]
fn what_has_no_place_is_named_as_the_body_names_it() {
    for (body, told) in [
        (json!({ "gone": "x" }), "/gone"),
        (
            json!({ "items": [ { "id": "a", "gone": "x" } ] }),
            "/items/a/gone",
        ),
        (
            json!({ "rows": [ { "key": "a", "gone": "x" } ] }),
            "/rows/a/gone",
        ),
        (
            json!({ "items": [ { "id": "a" }, { "gone": "x" } ] }),
            "/items/1/gone",
        ),
        // Not the value that the item of this name had.
        (json!({ "items": [ { "gone": "ga" } ] }), "/items/0/gone"),
        (
            json!({ "places": { "y": { "gone": "x" } } }),
            "/places/y/gone",
        ),
    ] {
        assert_eq!(lost(&body), [format!("{told} unknown-field")], "{body}");
    }
}

#[test]
fn what_has_no_place_can_be_preserved_but_not_removed_twice() {
    let onto = under(&read(), &second());
    let body = json!({ "gone": "x", "items": [ { "id": "a", "gone": "y" }, { "id": "b" } ] });
    let kept = follow(&onto, &body, &["/gone", "/items/a/gone"], &["/gone"]);
    assert!(kept.lost.is_empty(), "{:?}", kept.lost);
    assert_eq!(kept.preserved, places(&["/gone", "/items/a/gone"]));
    assert!(kept.preserve.is_empty() && kept.remove.is_empty());
    // A value that equals the base would have stayed in any case.
    let kept = follow(&onto, &json!({ "gone": "g" }), &["/gone"], &[]);
    assert!(kept.preserved.is_empty(), "{:?}", kept.preserved);
    let named = follow(
        &onto,
        &json!({}),
        &["/at/town"],
        &["/items/a/name", "/title"],
    );
    assert_eq!(named.preserve, places(&["/at/city"]));
    assert_eq!(named.remove, places(&["/rows/a/label", "/headline"]));
    let removed = follow(&onto, &json!({ "headline": "New" }), &[], &["/title"]);
    assert_eq!(removed.lost[0].pointer, "/title".parse().unwrap());
}

/// A field that was renamed twice is known by its ends only.
#[test]
fn a_field_that_was_renamed_twice_is_followed_where_the_last_schema_says_so() {
    let third = kind(&json!({
        "heading": { "type": "string", "x-indelible": { "was": "headline" } } }));
    let onto = under(&under(&read(), &second()), &third);
    assert_eq!(onto.presented()["heading"], "T");
    let told = |body: Value| follow(&onto, &body, &[], &[]);
    assert!(
        told(json!({ "title": "T", "heading": "New" }))
            .lost
            .is_empty()
    );
    let lost = told(json!({ "title": "New" })).lost;
    assert_eq!(lost[0].pointer, "/title".parse().unwrap());
}

/// The id that a new item gets is useless to an author who sent a body without one.
#[test]
fn a_fault_in_a_new_item_is_named_by_its_index() {
    let policy = kind(
        &json!({ "rows": { "type": "array", "items": { "type": "object",
        "required": ["name"], "properties": {
            "name": { "type": "string", "maxLength": 2 },
            "more": { "type": "array", "items": { "type": "object", "properties": {
                "size": { "type": "integer" } } } } } } } }),
    );
    let entity = created(&policy, &json!({ "rows": [ { "id": "a", "name": "A" } ] }));
    let alice = editor("alice");
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    let told = |rows: Value| {
        let body = json!({ "rows": rows });
        let merged = merge(&entity, &alice, &actor, &body, &MergeOptions::default());
        let mut violations = match merged {
            Err(MergeError::Refused(violations)) => violations,
            Ok(merged) => {
                let changes = merged.changes.clone();
                let refusal = judge(&entity, &alice, changes, Origin::Server).refused;
                let mut violations = refusal.expect("it is refused").violations;
                merged.name_as_given(&mut violations);
                violations
            }
            Err(error) => panic!("{error}"),
        };
        let one = violations.remove(0);
        format!("{} {}", one.pointer, one.rule.code())
    };
    let a = json!({ "id": "a" });
    assert_eq!(
        told(json!([a, { "name": "B", "nope": 1 }])),
        "/rows/1/nope unknown-field"
    );
    assert_eq!(
        told(json!([a, { "name": "BBB" }])),
        "/rows/1/name maxLength"
    );
    assert_eq!(
        told(json!([{ "name": "B", "more": [{}, { "size": "x" }] }, a])),
        "/rows/0/more/1/size type"
    );
    assert_eq!(
        told(json!([{ "id": "a", "more": [{ "size": 1.5 }] }])),
        "/rows/a/more/0/size type"
    );
}
