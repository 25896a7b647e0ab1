//! Guards against a schema that refuses everything without a word about it.

use serde_json::{Value, json};

use super::field;
use crate::schema::{self, unmet_keywords};

fn unmet(x: Value) -> Vec<String> {
    let schema = field(x);
    let policy = schema::compile("k.json", &schema.to_string())
        .unwrap_or_else(|errors| panic!("{schema}: {errors:?}"));
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
        // Names that there cannot be.
        (
            json!({ "type": "object", "additionalProperties": { "type": "string" },
                    "propertyNames": false, "minProperties": 1 }),
            "minProperties",
        ),
        (
            json!({ "type": "object", "additionalProperties": { "type": "string" },
                    "propertyNames": { "enum": ["a", "b"] }, "minProperties": 3 }),
            "minProperties",
        ),
        (
            atomic(
                json!({ "properties": { "a": {} }, "additionalProperties": false,
                           "minProperties": 2 }),
            ),
            "minProperties",
        ),
        (
            atomic(json!({ "required": ["ab"], "propertyNames": { "pattern": "^b" } })),
            "required/0",
        ),
        (
            atomic(
                json!({ "required": ["a"], "dependentRequired": { "a": ["b"] },
                           "properties": { "b": false } }),
            ),
            "dependentRequired/a/0",
        ),
        (
            atomic(json!({ "required": ["a", "b"], "allOf": [{ "maxProperties": 1 }] })),
            "allOf/0/maxProperties",
        ),
        (
            atomic(
                json!({ "required": ["a"], "properties": { "a": { "maxLength": 2, "type": "string" } },
                           "allOf": [{ "properties": { "a": { "minLength": 3 } } }] }),
            ),
            "properties/a/maxLength",
        ),
        (
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } },
                    "dependentSchemas": { "a": false } }),
            "dependentSchemas/a",
        ),
        (
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } },
                    "if": { "required": ["a"] }, "then": false }),
            "if",
        ),
        // Elements that there cannot be.
        (
            json!({ "type": "array", "items": { "type": "string" }, "contains": { "type": "integer" } }),
            "contains",
        ),
        (
            json!({ "type": "array", "items": { "type": "string", "maxLength": 2 },
                    "contains": { "minLength": 3 } }),
            "contains",
        ),
        (
            json!({ "type": "array", "items": { "type": "string" }, "contains": { "const": "a" },
                    "minContains": 2, "uniqueItems": true }),
            "contains",
        ),
        // Values that are listed and refused.
        (
            json!({ "type": "string", "oneOf": [{ "const": "a" }, { "const": "a" }] }),
            "oneOf",
        ),
        (
            json!({ "type": "string", "enum": ["a", "b"], "not": { "enum": ["b", "a"] } }),
            "enum",
        ),
        (
            json!({ "type": "string", "const": "a", "anyOf": [{ "minLength": 2 }, { "pattern": "b" }] }),
            "const",
        ),
        (
            json!({ "type": ["string", "null"], "enum": ["abc", null], "not": { "maxLength": 9 } }),
            "enum",
        ),
        (
            json!({ "type": "string", "if": { "const": "a" }, "then": { "const": "b" },
                    "else": false }),
            "if/const",
        ),
        (
            json!({ "type": "string", "if": { "maxLength": 3 }, "then": { "enum": ["long"] },
                    "else": { "type": "null" } }),
            "then/enum",
        ),
        (
            atomic(json!({ "properties": { "y": { "const": 1, "enum": [2, 3] } } })),
            "properties/y/const",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "enum": ["abc", 7], "maxLength": 2, "maximum": 6 } } }),
            ),
            "properties/y/enum",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "type": "boolean", "not": { "type": "boolean" } } } }),
            ),
            "properties/y/not",
        ),
        // Schemas that leave nothing to each other.
        (
            json!({ "type": "string", "maxLength": 5, "not": { "type": "string", "maxLength": 5 } }),
            "not",
        ),
        (
            json!({ "type": "integer", "anyOf": [{ "allOf": [{ "minimum": 5 }, { "maximum": 4 }] },
                                                 { "type": "string" }] }),
            "anyOf",
        ),
        (
            json!({ "type": "string", "oneOf": [{ "maxLength": 3 }, { "maxLength": 3 }, false] }),
            "oneOf",
        ),
        (
            json!({ "type": "string", "maxLength": 2,
                    "oneOf": [{ "minLength": 3 }, { "type": "null" }] }),
            "maxLength",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "allOf": [{ "type": "string" },
                                                            { "type": "integer" }] } } }),
            ),
            "properties/y/allOf/1/type",
        ),
        // Bounds within a value.
        (
            atomic(
                json!({ "properties": { "y": { "allOf": [{ "minItems": 3 }, { "maxItems": 2 }] } } }),
            ),
            "properties/y/allOf/1/maxItems",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "type": "integer", "exclusiveMinimum": 1,
                                                  "exclusiveMaximum": 2 } } }),
            ),
            "properties/y/exclusiveMaximum",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "type": "number", "minimum": 1.1, "maximum": 1.4,
                                                  "multipleOf": 0.5 } } }),
            ),
            "properties/y/maximum",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "type": "string", "format": "uuid",
                                                  "maxLength": 35 } } }),
            ),
            "properties/y/maxLength",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "uniqueItems": true, "minItems": 4,
                                                  "items": { "type": ["boolean", "null"] } } } }),
            ),
            "properties/y/minItems",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "uniqueItems": true, "minItems": 3,
                                                  "items": { "enum": [1, 1.0, 2] } } } }),
            ),
            "properties/y/minItems",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "prefixItems": [{}], "items": false,
                                                  "minItems": 2 } } }),
            ),
            "properties/y/minItems",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "contains": {}, "maxContains": 2,
                                                  "minItems": 3 } } }),
            ),
            "properties/y/minItems",
        ),
        (
            atomic(
                json!({ "properties": { "y": { "contains": { "allOf": [{ "const": 1 },
                                                                          { "const": 2 }] } } } }),
            ),
            "properties/y/contains",
        ),
        (
            atomic(json!({ "required": ["y"], "properties": {
                "y": { "type": "string", "allOf": [{ "minLength": 2 }, { "maxLength": 1 }] } } })),
            "properties/y/allOf/1/maxLength",
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
        json!({ "type": "string", "oneOf": [{ "const": "a" }, { "const": "a" }, { "const": "b" }] }),
        json!({ "type": "string", "enum": ["a", "b"], "not": { "const": "a" } }),
        json!({ "type": "string", "maxLength": 5, "not": { "maxLength": 4 } }),
        json!({ "type": "string", "if": { "const": "a" }, "then": { "const": "b" } }),
        json!({ "type": "string", "if": { "maxLength": 3 }, "then": false }),
        json!({ "type": ["string", "null"], "allOf": [{ "minLength": 2 }, { "maxLength": 1 }] }),
        json!({ "type": "object", "additionalProperties": { "type": "string" },
                "propertyNames": false }),
        json!({ "type": "object", "additionalProperties": { "type": "string" },
                "propertyNames": { "enum": ["a", "b"] }, "minProperties": 2 }),
        atomic(json!({ "properties": { "y": false } })),
        atomic(json!({ "dependentRequired": { "a": ["b"] }, "properties": { "b": false } })),
        atomic(
            json!({ "properties": { "y": { "type": "integer", "exclusiveMinimum": 1,
                                              "maximum": 2 } } }),
        ),
        atomic(
            json!({ "properties": { "y": { "type": "number", "minimum": 0.3, "maximum": 0.3,
                                              "multipleOf": 0.1 } } }),
        ),
        atomic(
            json!({ "properties": { "y": { "uniqueItems": true, "minItems": 3,
                                              "prefixItems": [{ "type": "string" }],
                                              "items": { "type": "boolean" } } } }),
        ),
        atomic(
            json!({ "properties": { "y": { "contains": { "const": 1 }, "maxContains": 1,
                                              "minItems": 3 } } }),
        ),
        // What leads back to itself ends somewhere.
        atomic(
            json!({ "properties": { "y": { "items": { "anyOf": [{ "type": "null" },
            { "type": "array", "items": { "type": "null" } }] } } } }),
        ),
        // An item is given its id.
        json!({ "type": "array", "items": { "type": "object", "required": ["id"],
                "properties": { "a": { "type": "string" } }, "additionalProperties": false } }),
    ] {
        assert_eq!(unmet(x.clone()), [""; 0], "{x}");
    }
}
