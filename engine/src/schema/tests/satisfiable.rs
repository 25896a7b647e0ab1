//! Guards against a field that the check takes although no value can ever be good there.

use serde_json::{Value, json};

use super::{check, field};
use crate::policy::Rules;
use crate::schema;

fn list(more: Value) -> Value {
    let mut list = json!({ "type": "array", "items": { "type": "string", "maxLength": 3 } });
    list.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    list
}

fn object(more: Value) -> Value {
    let mut object = json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "type": "integer", "maximum": 3 }, "b": { "type": "string" } } });
    object
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    object
}

#[test]
fn what_nothing_satisfies_is_told_with_its_place() {
    for (x, at) in [
        (json!({ "type": "integer", "const": 1e16 }), "const"),
        (json!({ "type": "integer", "enum": [1e16, -1e17] }), "enum"),
        (
            json!({ "type": "integer", "minimum": 1.5, "maximum": 1.6 }),
            "maximum",
        ),
        (
            json!({ "type": "integer", "minimum": 1, "exclusiveMaximum": 1.9, "multipleOf": 2 }),
            "exclusiveMaximum",
        ),
        (
            json!({ "type": "integer", "minimum": 9007199254740992_i64 }),
            "minimum",
        ),
        (
            json!({ "type": "integer", "exclusiveMaximum": -9007199254740991_i64 }),
            "exclusiveMaximum",
        ),
        (
            json!({ "type": "integer", "minimum": 1, "maximum": 10, "multipleOf": 2.2 }),
            "maximum",
        ),
        (
            json!({ "type": "number", "minimum": 2, "allOf": [{ "maximum": 1 }] }),
            "allOf/0/maximum",
        ),
        (
            json!({ "type": "number", "minimum": 1, "exclusiveMaximum": 1 }),
            "exclusiveMaximum",
        ),
        (
            json!({ "type": "number", "minimum": 0.11, "maximum": 0.19, "multipleOf": 0.1 }),
            "maximum",
        ),
        (
            json!({ "type": "string", "minLength": 4.0, "allOf": [{ "maxLength": 3 }] }),
            "allOf/0/maxLength",
        ),
        (
            json!({ "type": "string", "format": "uuid", "maxLength": 35 }),
            "maxLength",
        ),
        (
            json!({ "type": "string", "format": "date", "minLength": 11 }),
            "minLength",
        ),
        (
            json!({ "type": "string", "enum": ["abc", "d"], "minLength": 5 }),
            "enum",
        ),
        (
            json!({ "type": "string", "const": "x", "pattern": "^y$" }),
            "const",
        ),
        (
            json!({ "type": "string", "minLength": 4, "allOf": [{ "maxLength": 3 }],
                 "x-indelible": { "merge": "text" } }),
            "allOf/0/maxLength",
        ),
        (json!({ "type": "string", "not": true }), "not"),
        (json!({ "type": "string", "not": {} }), "not"),
        (
            json!({ "type": "string", "not": { "type": ["string", "null"] } }),
            "not",
        ),
        (
            json!({ "type": "string", "anyOf": [false, false] }),
            "anyOf",
        ),
        (json!({ "type": "string", "oneOf": [true, {}] }), "oneOf"),
        (json!({ "type": "string", "oneOf": [false] }), "oneOf"),
        (
            json!({ "type": "string", "if": true, "then": false }),
            "then",
        ),
        (list(json!({ "enum": [[1]] })), "enum"),
        (list(json!({ "enum": [["long"], "no list"] })), "enum"),
        (list(json!({ "const": ["a"], "minItems": 2 })), "const"),
        (
            list(json!({ "const": ["a", "a"], "uniqueItems": true })),
            "const",
        ),
        (
            list(json!({ "minItems": 3, "allOf": [{ "maxItems": 2 }] })),
            "allOf/0/maxItems",
        ),
        (
            list(json!({ "maxItems": 0, "contains": { "const": "a" } })),
            "maxItems",
        ),
        (list(json!({ "contains": false })), "contains"),
        (
            list(json!({ "contains": {}, "minContains": 3, "maxItems": 2 })),
            "maxItems",
        ),
        (
            json!({ "type": "array", "items": { "type": "boolean" }, "uniqueItems": true,
                 "minItems": 3 }),
            "minItems",
        ),
        (
            json!({ "type": "array", "items": { "enum": ["a", "b"] }, "uniqueItems": true,
                 "minItems": 3 }),
            "minItems",
        ),
        (object(json!({ "const": { "a": 4 } })), "const"),
        (object(json!({ "const": { "b": "x" } })), "const"),
        (
            object(json!({ "enum": [{ "a": 1, "c": 1 }, { "a": "1" }, 7] })),
            "enum",
        ),
        (
            object(json!({ "const": { "a": 1 }, "minProperties": 2 })),
            "const",
        ),
        (object(json!({ "maxProperties": 0 })), "maxProperties"),
        (object(json!({ "minProperties": 3 })), "minProperties"),
        (
            object(json!({ "minProperties": 2, "allOf": [{ "maxProperties": 1 }] })),
            "allOf/0/maxProperties",
        ),
        (
            object(json!({ "propertyNames": { "enum": ["b"] } })),
            "required/0",
        ),
        (
            object(json!({ "propertyNames": { "minLength": 2 } })),
            "required/0",
        ),
        (object(json!({ "propertyNames": false })), "required/0"),
        (
            json!({ "type": "object", "const": 5, "x-indelible": { "merge": "atomic" } }),
            "const",
        ),
        (
            json!({ "type": "array", "minItems": 2, "allOf": [{ "maxItems": 1 }],
                 "x-indelible": { "merge": "atomic" } }),
            "allOf/0/maxItems",
        ),
        (
            json!({ "type": "array", "const": [{ "id": "i", "n": "x" }], "items": { "type": "object",
                 "properties": { "n": { "type": "integer" } } } }),
            "const",
        ),
        (list(json!({ "minItems": 2, "default": ["a"] })), "default"),
        (
            list(json!({ "maxItems": 1, "default": ["a", "b"] })),
            "default",
        ),
        (
            list(json!({ "uniqueItems": true, "default": ["a", "a"] })),
            "default",
        ),
    ] {
        let schema = field(x.clone());
        check(&schema, &[&format!("/properties/x/{at}: ")]);
        // What was in force before is read as it was.
        for rules in [Rules::V1, Rules::V2] {
            assert!(
                schema::compile_under(rules, "k.json", &schema.to_string()).is_ok(),
                "{x}"
            );
        }
    }
}

#[test]
fn what_something_satisfies_is_taken() {
    for x in [
        json!({ "const": 1e16 }),
        json!({ "enum": [1, 1e300] }),
        json!({ "type": "integer", "minimum": 1.5, "maximum": 2 }),
        json!({ "type": "integer", "minimum": 7, "maximum": 14, "multipleOf": 2.2 }),
        json!({ "type": "integer", "minimum": 9007199254740991_i64 }),
        json!({ "type": "number", "minimum": 0.25, "maximum": 0.35, "multipleOf": 0.1 }),
        json!({ "type": "number", "minimum": 1, "maximum": 1 }),
        json!({ "type": "number", "minimum": 9007199254740992_i64, "maximum": 1e300 }),
        json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1e-300, "multipleOf": 1e-300 }),
        json!({ "type": ["string", "null"], "minLength": 4, "allOf": [{ "maxLength": 3 }] }),
        json!({ "type": "string", "enum": ["abc", "d"], "minLength": 3 }),
        json!({ "type": "string", "format": "uuid", "maxLength": 36, "minLength": 36 }),
        json!({ "type": "string", "format": "uri", "maxLength": 2 }),
        json!({ "type": "string", "not": { "type": "null" } }),
        json!({ "type": "string", "oneOf": [true, { "const": "a" }] }),
        list(json!({ "enum": [[1], ["a"]] })),
        list(json!({ "contains": {}, "minContains": 0, "maxItems": 0 })),
        list(json!({ "minItems": 2, "default": ["a", "b"] })),
        json!({ "type": "array", "items": { "type": ["boolean", "null"] }, "uniqueItems": true,
                "minItems": 3 }),
        object(json!({ "const": { "a": 1.0, "b": "x" }, "minProperties": 2 })),
        object(json!({ "propertyNames": { "pattern": "^[ab]$" }, "maxProperties": 1 })),
        json!({ "type": "object", "minProperties": 3,
                "additionalProperties": { "type": "string" } }),
        json!({ "type": "array", "const": [{ "id": "i", "n": 1 }], "items": { "type": "object",
                "required": ["n", "id"], "maxProperties": 1,
                "properties": { "n": { "type": "integer" } } } }),
    ] {
        check(&field(x), &[]);
    }
}

#[cfg(feature = "whole-entity")]
#[test]
fn defaults_are_judged_by_what_judges_values() {
    let integers = |more: Value| {
        let mut list = json!({ "type": "array", "items": { "type": "integer" } });
        let more = more.as_object().unwrap().clone();
        list.as_object_mut().unwrap().extend(more);
        field(list)
    };
    let atomic = |mut schema: Value| {
        schema["x-indelible"] = json!({ "merge": "atomic" });
        field(schema)
    };
    let mut defined = atomic(json!({ "$ref": "#/$defs/a~1b", "default": { "n": 2 } }));
    defined["$defs"] = json!({
        "a/b": { "type": "object", "properties": { "n": { "$ref": "#/$defs/n" } } },
        "n": { "maximum": 1 }
    });
    let bad = [
        integers(json!({ "const": [1, 2, 3], "default": [1, 2] })),
        integers(json!({ "enum": [[2]], "default": [1] })),
        integers(json!({ "contains": { "const": 7 }, "default": [1] })),
        integers(json!({ "not": { "minItems": 1 }, "default": [1] })),
        atomic(json!({ "const": { "a": 1 }, "default": { "a": 2 } })),
        atomic(json!({ "type": "object", "required": ["a"], "default": {} })),
        atomic(json!({ "type": "array", "items": { "maximum": 3 }, "default": [4] })),
        atomic(json!({ "patternProperties": { "^a": false }, "default": { "ab": 1 } })),
        defined,
        field(json!({ "type": "string", "not": { "const": "a" }, "default": "a" })),
        field(
            json!({ "type": "string", "anyOf": [{ "const": "b" }, { "maxLength": 0 }],
                      "default": "a" }),
        ),
        field(
            json!({ "type": "integer", "oneOf": [{ "minimum": 1 }, { "minimum": 2 }],
                      "default": 3 }),
        ),
        field(
            json!({ "type": "string", "if": { "const": "a" }, "then": { "minLength": 2 },
                      "default": "a" }),
        ),
        field(
            json!({ "type": "string", "x-indelible": { "merge": "text" },
                      "not": { "pattern": "a" }, "default": "bab" }),
        ),
    ];
    for schema in bad {
        check(&schema, &["/properties/x/default: "]);
        for rules in [Rules::V1, Rules::V2] {
            assert!(
                schema::compile_under(rules, "k.json", &schema.to_string()).is_ok(),
                "{schema}"
            );
        }
    }
    for good in [
        integers(json!({ "const": [1, 2], "default": [1.0, 2] })),
        integers(json!({ "contains": { "const": 7 }, "default": [1, 7] })),
        atomic(json!({ "const": { "a": 1 }, "default": { "a": 1.0 } })),
        field(json!({ "type": "string", "not": { "const": "a" }, "default": "b" })),
    ] {
        check(&good, &[]);
    }
}

/// The validator would follow such a definition for ever.
#[test]
fn a_default_beside_a_definition_in_circles_is_not_judged() {
    let mut schema = field(json!({ "x-indelible": { "merge": "atomic" }, "default": 1,
                                   "anyOf": [{ "$ref": "#/$defs/a" }] }));
    schema["$defs"] = json!({ "a": { "$ref": "#/$defs/a" } });
    let errors = schema::compile("k.json", &schema.to_string()).unwrap_err();
    assert!(!errors.is_empty());
}
