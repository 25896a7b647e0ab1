//! Guards against bases that lack what is there: two people who make the same entry, or fill the
//! same empty object, at the same time are merged like others, and nobody's values are refused.

use std::sync::Arc;

use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::lifecycle::next_epoch;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Policy;
use indelible_engine::rebase::Read;
use serde_json::{Value, json};

use crate::fixture::{NOW, compiled, created, editor, made_of, next, write};

fn policy() -> Arc<Policy> {
    let parts = json!({
        "note": { "type": "string", "x-indelible": { "merge": "text" } },
        "tags": { "type": "array", "items": { "type": "string" } },
        "once": { "type": "array", "uniqueItems": true, "items": { "type": "string" } },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "what": { "type": "string" } } } },
        "name": { "type": "string" },
    });
    let part = json!({ "type": "object", "properties": parts });
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "history": ["editor"] },
        "properties": {
            "title": { "type": "string" },
            "places": { "type": "object", "additionalProperties": part },
            "frame": part,
            "items": { "type": "array", "items": part },
        },
    });
    compiled(&schema)
}

fn page() -> Entity {
    created(&policy(), &json!({ "title": "One" }))
}

fn put(entity: &Entity, author: &str, body: &Value, base: &Entity) -> Verdict {
    let author = editor(author);
    write(entity, &author, body, &made_of(base), Origin::Server).unwrap()
}

fn part(who: &str) -> Value {
    json!({ "name": who, "note": format!("by {who}. "), "tags": [who], "once": [who, "both"],
            "steps": [{ "what": who }] })
}

#[test]
fn what_two_made_beside_a_base_that_lacks_it_holds_what_both_wrote() {
    for field in ["places", "frame"] {
        let body = |who| match field {
            "places" => json!({ "places": { "hall": part(who) } }),
            _ => json!({ "frame": part(who) }),
        };
        let base = page();
        let entity = next(put(&base, "ann", &body("ann"), &base));
        let verdict = put(&entity, "bob", &body("bob"), &base);
        let conflicts: Vec<String> = verdict
            .admitted
            .iter()
            .flat_map(|admitted| admitted.conflicts())
            .map(|conflict| conflict.pointer.to_string())
            .collect();
        let value = next(verdict).presented();
        let merged = match field {
            "places" => &value["places"]["hall"],
            _ => &value["frame"],
        };
        assert_eq!(merged["name"], "bob");
        let note = merged["note"].as_str().unwrap();
        assert!(
            note.contains("by ann. ") && note.contains("by bob. "),
            "{note}"
        );
        for list in ["tags", "once"] {
            let elements = merged[list].as_array().unwrap();
            assert!(elements.contains(&json!("ann")), "{field}/{list}: {merged}");
            assert!(elements.contains(&json!("bob")), "{field}/{list}: {merged}");
        }
        assert_eq!(merged["once"].as_array().unwrap().len(), 3, "{merged}");
        assert_eq!(merged["steps"].as_array().unwrap().len(), 2, "{merged}");
        assert_eq!(conflicts.len(), 1, "the name alone: {conflicts:?}");
        assert!(conflicts[0].ends_with("/name"), "{conflicts:?}");
    }
}

#[test]
fn an_item_that_a_base_lacks_is_compared_with_what_it_is() {
    let base = page();
    let items = json!({ "items": [part("ann")] });
    let entity = next(put(&base, "ann", &items, &base));
    let mut body = entity.presented();
    body["items"][0]["note"] = json!("by ann and bob. ");
    body["items"][0]["tags"] = json!(["bob", "ann"]);
    body["items"][0]["once"] = json!(["both", "ann", "bob"]);
    body["title"] = json!("Two");
    let after = next(put(&entity, "bob", &body, &base));
    assert_eq!(after.presented(), body);
}

#[test]
fn an_entry_that_came_and_went_since_a_base_is_brought_back_with_what_a_body_has() {
    let base = page();
    let places = |part: Value| json!({ "places": { "hall": part } });
    let made = next(put(&base, "ann", &places(part("ann")), &base));
    let gone = next(put(&made, "ann", &places(Value::Null), &made));
    let mut wanted = part("ann");
    wanted["note"] = json!("quite another text");
    wanted["tags"] = json!(["z", "ann"]);
    wanted["once"] = json!(["both", "z"]);
    wanted.as_object_mut().unwrap().remove("steps");
    let after = next(put(&gone, "bob", &places(wanted.clone()), &base)).presented();
    for field in ["note", "tags", "once", "name"] {
        assert_eq!(after["places"]["hall"][field], wanted[field], "{after}");
    }
    assert_eq!(
        after["places"]["hall"]["steps"][0]["what"], "ann",
        "{after}"
    );
}

#[test]
fn a_base_of_an_epoch_that_is_over_is_followed_by_its_value() {
    let values = json!({ "title": "One", "frame": { "note": "Hello world" },
                         "items": [{ "name": "gone" }, { "name": "kept" }],
                         "places": { "gone": part("ann"), "kept": part("ann") } });
    let base = created(&policy(), &values);
    let read = base.presented();
    let mut later = read.clone();
    later["frame"]["note"] = json!("Hello big world");
    later["items"].as_array_mut().unwrap().remove(0);
    later["places"]["gone"] = json!(null);
    let entity = next(put(&base, "ann", &later, &base));
    assert_eq!(entity.presented()["places"].as_object().unwrap().len(), 1);
    let renewed = next_epoch(&entity, entity.policy(), NOW).unwrap();
    let renewed = renewed.into_parts().0;

    let mut body = read.clone();
    body["frame"]["note"] = json!("Hello world!");
    let followed = known_of(&read, &base).follow(&renewed, &body, (&[], &[]));
    let followed = followed.unwrap();
    let options = MergeOptions {
        base: Some(followed.base),
        ..MergeOptions::default()
    };
    let written = write(
        &renewed,
        &editor("bob"),
        &followed.body,
        &options,
        Origin::Server,
    );
    let value = next(written.unwrap()).presented();
    assert_eq!(value["frame"]["note"], "Hello big world!");
    // What others deleted, and the body merely repeats, does not come back.
    assert_eq!(value["items"].as_array().unwrap().len(), 1);
    assert_eq!(value["items"][0]["name"], "kept");
    let kept = &entity.presented()["places"]["kept"];
    assert_eq!(value["places"], json!({ "kept": kept }));

    // An edit of it brings it back with all that it had.
    body["places"]["gone"]["note"] = json!("still here");
    let followed = known_of(&read, &base).follow(&renewed, &body, (&[], &[]));
    let followed = followed.unwrap();
    let options = MergeOptions {
        base: Some(followed.base),
        ..MergeOptions::default()
    };
    let author = editor("bob");
    let written = write(&renewed, &author, &followed.body, &options, Origin::Server);
    let back = next(written.unwrap()).presented();
    assert_eq!(back["places"]["gone"]["note"], "still here");
    assert_eq!(back["places"]["gone"]["steps"][0]["what"], "ann");
}

/// What a reader of an entity knows of it after its epoch is over.
fn known_of(read: &Value, base: &Entity) -> Read {
    Read {
        value: read.as_object().cloned(),
        policy: Arc::clone(base.policy()),
        heads: base.heads(),
        stamps: serde_json::Map::new(),
    }
}

#[test]
fn items_that_a_body_repeats_are_no_edit_but_what_is_preserved_in_them_is_told() {
    let item = |id: &str, who: &str| {
        let mut item = part(who);
        item["id"] = id.into();
        item
    };
    let entity = created(
        &policy(),
        &json!({ "items": [item("a", "Ann"), item("b", "Bob")] }),
    );
    let alice = editor("alice");
    let actor = server_actor(entity.id(), entity.epoch(), &alice.id);
    let body = entity.presented();
    let body = json!({ "items": body["items"] });
    let preserve = |places: &[&str]| MergeOptions {
        preserve: places.iter().map(|at| at.parse().unwrap()).collect(),
        ..MergeOptions::default()
    };
    let every = ["name", "note", "once", "steps", "tags"].map(|name| format!("/items/a/{name}"));
    for (place, expect) in [
        ("/items/b/name", &["/items/b/name".to_owned()][..]),
        ("/items/a", &every),
        ("/title", &[]),
    ] {
        let merged = merge(&entity, &alice, &actor, &body, &preserve(&[place])).unwrap();
        assert_eq!(merged.changes, Vec::<Vec<u8>>::new());
        let told: Vec<String> = merged.preserved.iter().map(ToString::to_string).collect();
        assert_eq!(told, expect);
    }
    // A part that the body lacks is not an edit, nor is one that others changed since the base.
    let bare = json!({ "items": [{ "id": "a", "name": "Ann" }, { "id": "b" }] });
    let merged = merge(&entity, &alice, &actor, &bare, &preserve(&[])).unwrap();
    assert_eq!(merged.changes, Vec::<Vec<u8>>::new());
    let renamed = json!({ "items": [{ "id": "a", "name": "Anna" }, { "id": "b" }] });
    let renamed = next(put(&entity, "carol", &renamed, &entity));
    let merged = merge(&renamed, &alice, &actor, &body, &made_of(&entity)).unwrap();
    assert_eq!(merged.changes, Vec::<Vec<u8>>::new());
    // Without the base the body says what the item is to be.
    let back = merge(&renamed, &alice, &actor, &body, &preserve(&[])).unwrap();
    assert_eq!(back.changes.len(), 1);
}
