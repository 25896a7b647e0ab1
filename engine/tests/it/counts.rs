//! Guards against bodies that are merged although their lengths alone show that they are refused,
//! and against refusing by lengths what is admitted once it is merged.

use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::merge::{MergeError, MergeOptions, Protected, merge};
use indelible_engine::migration::migrate;
use serde_json::{Value, json};

use crate::fixture::{NOW, compiled, created, editor, made_of, next, write};

/// A kind with the same maximum everywhere.
fn schema(max: usize) -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "case", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "delete": ["editor"] },
        "properties": {
            "text": { "type": "string", "maxLength": max, "x-indelible": { "merge": "text" } },
            "list": { "type": "array", "maxItems": max, "items": { "type": "string" } },
            "set": { "type": "array", "maxItems": max, "uniqueItems": true,
                     "items": { "type": "integer" } },
            "items": { "type": "array", "maxItems": max, "items": { "type": "object", "properties": {
                "n": { "type": "integer" },
                "tags": { "type": "array", "maxItems": max, "items": { "type": "string" } } } } },
            "map": { "type": "object", "maxProperties": max,
                     "additionalProperties": { "type": "integer" } },
            "boxes": { "type": "object", "maxProperties": max, "additionalProperties": {
                "type": "object", "properties": { "n": { "type": "integer" } } } },
            "fixed": { "type": "array", "maxItems": max, "items": { "type": "string" },
                       "x-indelible": { "write": ["chief"] } },
            "other": { "type": "string" }
        }
    })
}

fn full() -> Value {
    json!({
        "text": "abcd", "list": ["a", "b", "c", "d"], "set": [1, 2, 3, 4],
        "items": [{ "id": "1" }, { "id": "2" }, { "id": "3" }, { "id": "4" }],
        "map": { "a": 1, "b": 2, "c": 3, "d": 4 },
        "boxes": { "a": { "n": 1 }, "b": { "n": 2 }, "c": { "n": 3 }, "d": { "n": 4 } },
    })
}

/// An entity whose fields hold four each, where three are allowed since.
fn overfull() -> Entity {
    let old = created(&compiled(&schema(4)), &full());
    let step = migrate(&old, &compiled(&schema(3)), NOW).unwrap();
    step.expect("another schema").into_parts().0
}

fn empty() -> Entity {
    created(&compiled(&schema(3)), &json!({ "other": "o" }))
}

/// Place, keyword and message of what the merge itself refuses.
fn counted(entity: &Entity, body: &Value, options: &MergeOptions) -> Vec<String> {
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    match merge(entity, &editor("alice"), &actor, body, options) {
        Ok(_) => Vec::new(),
        Err(MergeError::Refused(found)) => found
            .iter()
            .map(|one| format!("{} {} {}", one.pointer, one.rule.code(), one.message))
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

/// What admission says, after a merge that refuses nothing.
fn admitted(entity: &Entity, body: &Value, options: &MergeOptions) -> bool {
    let verdict = write(entity, &editor("alice"), body, options, Origin::Server).unwrap();
    verdict.refused.is_none()
}

const ITEMS: &str = "maxItems must have at most 3 items";
const PROPERTIES: &str = "maxProperties must have at most 3 properties";
const LETTERS: &str = "maxLength must have at most 3 characters";

#[test]
fn what_is_certain_to_be_too_long_is_refused_by_the_merge() {
    for (body, at, says) in [
        (json!({ "text": "abcd" }), "/text", LETTERS),
        (json!({ "list": ["a", "a", "a", "a"] }), "/list", ITEMS),
        (json!({ "set": [1, 2, 3, 4] }), "/set", ITEMS),
        (json!({ "items": [{}, {}, {}, {}] }), "/items", ITEMS),
        (
            json!({ "items": [{ "n": 1, "tags": ["a", "b", "c", "d"] }] }),
            "/items/0/tags",
            ITEMS,
        ),
        (
            json!({ "map": { "a": 1, "b": 2, "c": 3, "d": 4 } }),
            "/map",
            PROPERTIES,
        ),
        (
            json!({ "boxes": { "a": {}, "b": {}, "c": {}, "d": {} } }),
            "/boxes",
            PROPERTIES,
        ),
    ] {
        let told = counted(&empty(), &body, &MergeOptions::default());
        assert_eq!(told, [format!("{at} {says}")], "{body}");
        let creation = MergeOptions {
            creation: true,
            ..MergeOptions::default()
        };
        let told = counted(&empty(), &body, &creation);
        assert_eq!(told, [format!("{at} {says}")], "{body}");
    }
}

#[test]
fn what_was_longer_already_may_stay_and_shrink() {
    let entity = overfull();
    let options = MergeOptions::default();
    assert!(counted(&entity, &full(), &options).is_empty());
    for body in [
        json!({ "text": "dcba", "other": "x" }),
        json!({ "list": ["d", "c", "b", "a"] }),
        json!({ "set": [4, 3, 2, 1] }),
        json!({ "items": [{ "id": "4" }, { "id": "2" }, { "id": "3" }, {}] }),
        json!({ "map": { "a": 9, "b": 8, "c": 7, "d": 6 } }),
        json!({ "map": { "a": null, "e": 5 } }),
        json!({ "boxes": { "a": { "n": 7 }, "b": {}, "c": {}, "d": {} } }),
    ] {
        assert!(admitted(&entity, &body, &options), "{body}");
    }
    for (body, says) in [
        (json!({ "text": "abcde" }), LETTERS),
        (json!({ "list": ["a", "b", "c", "d", "e"] }), ITEMS),
        (
            json!({ "items": [{ "id": "1" }, { "id": "2" }, { "id": "3" }, { "id": "4" }, {}] }),
            ITEMS,
        ),
        (
            json!({ "map": { "a": 1, "b": 1, "c": 1, "d": 1, "e": 1 } }),
            PROPERTIES,
        ),
    ] {
        let told = counted(&entity, &body, &options);
        assert_eq!(told.len(), 1, "{body}");
        assert!(told[0].ends_with(says), "{told:?}");
    }
}

#[test]
fn what_others_deleted_since_the_base_is_not_counted() {
    let base = created(&compiled(&schema(4)), &full());
    let gone = json!({ "text": "a", "list": ["a"], "set": [1], "items": [{ "id": "1" }],
                       "map": { "b": null, "c": null, "d": null },
                       "boxes": { "b": null, "c": null, "d": null } });
    let present = MergeOptions::default();
    let verdict = write(&base, &editor("bob"), &gone, &present, Origin::Server);
    let after = next(verdict.unwrap());
    let options = made_of(&base);
    for body in [
        json!({ "text": "abcde" }),
        json!({ "list": ["a", "b", "c", "d", "e"] }),
        json!({ "set": [1, 2, 3, 4, 5] }),
        json!({ "items": [{ "id": "1" }, { "id": "2" }, { "id": "3" }, { "id": "4" }, {}] }),
        json!({ "map": { "a": 1, "b": 2, "c": 3, "d": 4, "e": 5 } }),
        json!({ "boxes": { "a": { "n": 1 }, "b": { "n": 2 }, "c": { "n": 3 }, "d": { "n": 4 },
                           "e": {} } }),
    ] {
        assert!(admitted(&after, &body, &options), "{body}");
    }
    let five = json!({ "items": [{ "id": "1" }, {}, {}, {}, {}] });
    let says = "/items maxItems must have at most 4 items";
    assert_eq!(counted(&after, &five, &options), [says]);
}

#[test]
fn what_is_kept_or_removed_is_not_counted() {
    let entity = empty();
    let many = |count: usize| -> Value { (0..count).map(|n| Value::from(n.to_string())).collect() };
    let keep = MergeOptions {
        protected: Protected::Keep,
        ..MergeOptions::default()
    };
    assert!(admitted(
        &entity,
        &json!({ "fixed": many(9), "other": "x" }),
        &keep
    ));
    let preserve = |at: &str| MergeOptions {
        preserve: vec![at.parse().unwrap()],
        ..MergeOptions::default()
    };
    let list = json!({ "list": many(9), "other": "x" });
    assert!(admitted(&entity, &list, &preserve("/list")));
    let four = json!({ "map": { "a": 1, "b": 2, "c": 3, "d": 4 } });
    assert!(admitted(&entity, &four, &preserve("/map/d")));
    let remove = MergeOptions {
        remove: vec!["/map/d".parse().unwrap()],
        ..MergeOptions::default()
    };
    assert!(admitted(&entity, &four, &remove));
    let nulls = json!({ "map": { "a": 1, "b": 2, "c": 3, "d": null } });
    assert!(admitted(&entity, &nulls, &MergeOptions::default()));
}
