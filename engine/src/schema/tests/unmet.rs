//! Guards against a schema that refuses everything without a word about it.

use serde_json::{Value, json};

use super::field;
use crate::policy::Policy;
use crate::schema::{SchemaSource, unmet_keywords};

fn unmet(x: Value) -> Vec<String> {
    let schema = field(x);
    let source = SchemaSource {
        file: "k.json".to_owned(),
        text: schema.to_string(),
    };
    let policy = Policy::compile(&source).unwrap_or_else(|errors| panic!("{schema}: {errors:?}"));
    let found = unmet_keywords(&policy);
    found.iter().map(|one| one.pointer.to_string()).collect()
}

fn atomic(more: Value) -> Value {
    let mut schema = json!({ "type": "object", "x-indelible": { "merge": "atomic" } });
    schema
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    schema
}

#[test]
fn what_nothing_can_satisfy_is_found() {
    let list = |items: Value, contains: Value| json!({ "type": "array", "items": items, "contains": contains });
    let words = json!({ "type": "string", "enum": ["a", "b"] });
    let closed = json!({ "properties": { "a": {} }, "additionalProperties": false });
    let requiring = json!({ "required": ["a", "b"] });
    for (x, at) in [
        (list(words.clone(), json!({ "const": "c" })), "contains"),
        (list(words.clone(), json!({ "enum": ["c", 1] })), "contains"),
        (
            list(
                json!({ "type": "string", "maxLength": 1 }),
                json!({ "const": "ab" }),
            ),
            "contains",
        ),
        (
            json!({ "type": "array", "items": words, "allOf": [{ "contains": { "const": "c" } }] }),
            "allOf/0/contains",
        ),
        (
            atomic(json!({ "required": ["x"], "additionalProperties": false })),
            "required/0",
        ),
        (
            atomic(json!({ "required": ["x"], "properties": { "x": false } })),
            "required/0",
        ),
        (
            atomic(json!({ "allOf": [closed, requiring] })),
            "allOf/1/required/1",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "items": { "required": ["x"], "additionalProperties": false } } } }),
            ),
            "properties/y/items/required/0",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "items": { "enum": [1] }, "contains": { "const": 2 } } } }),
            ),
            "properties/y/contains",
        ),
    ] {
        assert_eq!(unmet(x.clone()), [format!("/properties/x/{at}")], "{x}");
    }
}

#[test]
fn what_something_satisfies_is_not() {
    let words = json!({ "type": "string", "enum": ["a", "b"] });
    for x in [
        json!({ "type": "array", "items": words, "contains": { "enum": ["b", "c"] } }),
        json!({ "type": "array", "items": words, "contains": { "const": "c" }, "minContains": 0,
                "maxContains": 1 }),
        json!({ "type": "array", "items": words, "contains": { "minLength": 1 } }),
        atomic(
            json!({ "required": ["x"], "properties": { "x": {} }, "additionalProperties": false }),
        ),
        atomic(
            json!({ "required": ["x"], "patternProperties": { "^x": {} },
                "additionalProperties": false }),
        ),
        atomic(json!({ "required": ["x"] })),
        // An item is given its id.
        json!({ "type": "array", "items": { "type": "object", "required": ["id"],
                "properties": { "a": { "type": "string" } }, "additionalProperties": false } }),
    ] {
        assert_eq!(unmet(x.clone()), [""; 0], "{x}");
    }
}
