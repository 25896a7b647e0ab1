//! Guards against a `null` that means one thing here and another there, and against values that
//! cannot be taken away.

use std::sync::Arc;

use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::merge::{Base, MergeError, MergeOptions, Protected, merge};
use indelible_engine::policy::Policy;
use serde_json::{Value, json};

use crate::fixture::{compiled, editor, write};

fn policy() -> Arc<Policy> {
    let plain = json!({
        "name": { "type": "string" },
        "maybe": { "type": ["string", "null"] },
        "note": { "type": "string", "x-indelible": { "merge": "text" } },
        "tags": { "type": "array", "items": { "type": "string" } },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "what": { "type": "string" } } } },
        "any": { "type": "object", "x-indelible": { "merge": "atomic" } },
        "open": { "type": "object", "additionalProperties": { "type": ["string", "null"] } },
        "rooms": { "type": "object", "additionalProperties": { "type": "object",
            "properties": { "beds": { "type": "integer" } } } },
    });
    let mut root = plain.clone();
    root["inner"] = json!({ "type": "object", "properties": plain });
    root["items"] = json!({ "type": "array", "items": { "type": "object", "properties": plain } });
    root["count"] = json!({ "type": "integer", "x-indelible": { "merge": "counter" } });
    root["set"] = json!({ "type": "string", "default": "from the start" });
    root["must"] = json!({ "type": "string", "default": "be there" });
    root["made"] = json!({ "type": "string", "x-indelible": { "stamp": "created-at" } });
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "history": ["editor"] },
        "required": ["must"],
        "properties": root,
    });
    compiled(&schema)
}

fn full() -> Value {
    json!({
        "name": "n", "maybe": "m", "note": "text", "tags": ["a", "b"],
        "steps": [{ "id": "s", "what": "w" }], "any": { "x": 1 },
        "open": { "a": "A", "b": null, "c,d": "C" }, "rooms": { "r": { "beds": 2 } },
    })
}

fn page() -> Entity {
    let id: EntityId = "page/one".parse().unwrap();
    let mut body = full();
    body["inner"] = full();
    let mut item = full();
    item["id"] = json!("i");
    body["items"] = json!([item]);
    created(&Entity::genesis(&id, Epoch::FIRST, &policy()), &body)
}

fn created(genesis: &Entity, body: &Value) -> Entity {
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let verdict = write(genesis, &editor("ann"), body, &options, Origin::Creation).unwrap();
    assert_eq!(verdict.refused, None);
    verdict.admitted.unwrap().into_parts().0
}

fn put(entity: &Entity, body: &Value, options: &MergeOptions) -> Value {
    let verdict = write(entity, &editor("bob"), body, options, Origin::Server).unwrap();
    assert_eq!(verdict.refused, None, "{body}");
    verdict.admitted.unwrap().into_parts().0.presented()
}

fn based(entity: &Entity) -> MergeOptions {
    let base = Base {
        value: entity.presented(),
        heads: entity.heads(),
        earlier: None,
    };
    MergeOptions {
        base: Some(base),
        ..MergeOptions::default()
    }
}

fn nothing() -> Value {
    let names = [
        "name", "maybe", "note", "tags", "steps", "any", "open", "rooms",
    ];
    names
        .iter()
        .map(|name| ((*name).to_owned(), Value::Null))
        .collect()
}

/// What `null` leaves of each field: nothing but where it is a value.
fn emptied() -> Value {
    json!({ "maybe": null })
}

#[test]
fn null_empties_whatever_can_be_empty_at_every_place() {
    let page = page();
    for options in [MergeOptions::default(), based(&page)] {
        let at_root = put(&page, &nothing(), &options);
        for name in ["name", "note", "tags", "steps", "any", "open", "rooms"] {
            assert_eq!(at_root.get(name), None, "{name}: {at_root}");
        }
        assert_eq!(at_root.get("maybe"), Some(&Value::Null));
        let inner = put(&page, &json!({ "inner": nothing() }), &options);
        assert_eq!(inner["inner"], emptied());
        let mut item = nothing();
        item["id"] = json!("i");
        let items = put(&page, &json!({ "items": [item] }), &options);
        assert_eq!(items["items"], json!([{ "id": "i", "maybe": null }]));
        let all = put(
            &page,
            &json!({ "inner": null, "items": null, "set": null }),
            &options,
        );
        for name in ["inner", "items", "set"] {
            assert_eq!(all.get(name), None, "{name}: {all}");
        }
        let entries = json!({ "rooms": { "r": null }, "open": { "a": null } });
        let entries = put(&page, &entries, &options);
        assert_eq!(entries.get("rooms"), None);
        assert_eq!(entries["open"], json!({ "a": null, "b": null, "c,d": "C" }));
    }
}

#[test]
fn null_in_a_creation_is_nothing() {
    let id: EntityId = "page/two".parse().unwrap();
    let genesis = Entity::genesis(&id, Epoch::FIRST, &policy());
    let mut body = nothing();
    body["inner"] = json!(null);
    body["items"] = json!([nothing()]);
    body["set"] = json!(null);
    let mut made = created(&genesis, &body).presented();
    made.as_object_mut().unwrap().remove("made");
    let id = made["items"][0].as_object_mut().unwrap().remove("id");
    assert!(id.is_some());
    assert_eq!(
        made,
        json!({ "maybe": null, "must": "be there", "items": [{ "maybe": null }], "count": 0 })
    );
}

#[test]
fn what_the_base_lacks_as_well_is_no_edit() {
    let id: EntityId = "page/two".parse().unwrap();
    let early = created(
        &Entity::genesis(&id, Epoch::FIRST, &policy()),
        &json!({ "name": "n" }),
    );
    let options = based(&early);
    let mut body = full();
    // Items that are new have no ids yet.
    body["steps"] = json!([{ "what": "w" }]);
    body["inner"] = body.clone();
    let verdict = write(
        &early,
        &editor("bob"),
        &body,
        &MergeOptions::default(),
        Origin::Server,
    );
    let later = verdict.unwrap().admitted.unwrap().into_parts().0;
    let mut nulls = nothing();
    for name in ["name", "maybe"] {
        nulls.as_object_mut().unwrap().remove(name);
    }
    nulls["inner"] = json!(null);
    let actor = indelible_engine::change::server_actor(later.id(), later.epoch(), "eve");
    let merged = merge(&later, &editor("eve"), &actor, &nulls, &options).unwrap();
    assert!(merged.changes.is_empty());
}

#[test]
fn what_cannot_be_empty_is_told() {
    let page = page();
    let actor = indelible_engine::change::server_actor(page.id(), page.epoch(), "bob");
    for (body, rule) in [
        (json!({ "count": null }), "counter"),
        (json!({ "made": null }), "stamp"),
    ] {
        let refused = merge(
            &page,
            &editor("bob"),
            &actor,
            &body,
            &MergeOptions::default(),
        );
        let Err(MergeError::Refused(violations)) = refused else {
            panic!("{body}: {refused:?}");
        };
        assert_eq!(violations[0].rule.to_string(), rule);
        let keep = MergeOptions {
            protected: Protected::Keep,
            ..MergeOptions::default()
        };
        let kept = merge(&page, &editor("bob"), &actor, &body, &keep).unwrap();
        assert_eq!((kept.changes.len(), kept.preserved.len()), (0, 1));
    }
    let verdict = write(
        &page,
        &editor("bob"),
        &json!({ "must": null }),
        &MergeOptions::default(),
        Origin::Server,
    );
    let refused = verdict.unwrap().refused.unwrap();
    assert_eq!(refused.violations[0].rule.to_string(), "required");
    let refused = merge(
        &page,
        &editor("bob"),
        &actor,
        &json!({ "items": [null] }),
        &MergeOptions::default(),
    );
    assert!(matches!(refused, Err(MergeError::Refused(_))));
}

#[test]
fn what_is_named_is_removed() {
    let page = page();
    let remove = |places: &[&str]| MergeOptions {
        remove: places.iter().map(|at| at.parse().unwrap()).collect(),
        ..MergeOptions::default()
    };
    let all = [
        "/maybe",
        "/open/b",
        "/open/c,d",
        "/rooms/r",
        "/inner/note",
        "/items/i/tags",
        "/items/i/open/a",
    ];
    let value = put(&page, &json!({ "name": "kept" }), &remove(&all));
    assert_eq!(value["name"], "kept");
    assert_eq!((value.get("maybe"), value.get("rooms")), (None, None));
    assert_eq!(value["open"], json!({ "a": "A" }));
    assert_eq!(
        (value["inner"].get("note"), value["items"][0].get("tags")),
        (None, None)
    );
    assert_eq!(value["items"][0]["open"], json!({ "b": null, "c,d": "C" }));
    let value = put(&page, &json!({}), &remove(&["/items/i", "/inner", "/tags"]));
    for name in ["items", "inner", "tags"] {
        assert_eq!(value.get(name), None);
    }
    let actor = indelible_engine::change::server_actor(page.id(), page.epoch(), "bob");
    let options = remove(&[
        "/open/none",
        "/rooms/none/beds",
        "/items/none",
        "/inner/open/x",
    ]);
    let merged = merge(&page, &editor("bob"), &actor, &json!({}), &options).unwrap();
    assert!(merged.changes.is_empty(), "there is nothing to be removed");
    for (at, said) in [
        (
            "/tags/0",
            "/tags/0 is an element of a list without ids: give the list without it",
        ),
        (
            "/items/i/id",
            "/items/i/id is the id of an item, which cannot be removed",
        ),
        (
            "/nothing",
            "nothing is not declared by the schema, so it cannot be removed",
        ),
        ("/made", "made: the field is derived from the ledger"),
        ("/count", "count is a counter, which cannot be removed"),
    ] {
        let merged = merge(&page, &editor("bob"), &actor, &json!({}), &remove(&[at]));
        let Err(MergeError::Refused(violations)) = merged else {
            panic!("{at}: {merged:?}");
        };
        assert_eq!(violations[0].to_string(), said);
    }
}
