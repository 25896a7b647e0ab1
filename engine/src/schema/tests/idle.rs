//! Guards against keywords that do nothing without a word about it, and against rules that a new
//! entity or item breaks by its defaults.

use serde_json::{Value, json};

use super::{field, kind};
use crate::policy::Policy;
use crate::schema::{self, idle_keywords};

fn compiled(schema: &Value) -> Policy {
    schema::compile("k.json", &schema.to_string())
        .unwrap_or_else(|errors| panic!("{schema}: {errors:?}"))
}

fn idle(x: Value) -> Vec<String> {
    let found = idle_keywords(&compiled(&field(x)));
    found.iter().map(|one| one.pointer.to_string()).collect()
}

#[test]
fn what_asks_for_nothing_is_found() {
    let list = |more: Value| {
        let mut list = json!({ "type": "array", "items": { "type": "string" } });
        list.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        list
    };
    for (x, at) in [
        (
            json!({ "type": "string", "anyOf": [{ "minimum": 3 }, { "const": "a" }] }),
            "anyOf/0/minimum",
        ),
        (
            json!({ "type": "integer", "not": { "maxLength": 3 } }),
            "not/maxLength",
        ),
        (
            json!({ "type": "string", "anyOf": [{}, { "const": "a" }] }),
            "anyOf",
        ),
        (json!({ "type": "string", "not": false }), "not"),
        (
            json!({ "type": "string", "if": { "minimum": 3 }, "then": { "const": "a" } }),
            "if/minimum",
        ),
        (
            json!({ "type": "string", "if": true, "else": { "const": "a" } }),
            "else",
        ),
        (
            json!({ "type": "string", "if": false, "then": { "const": "a" } }),
            "then",
        ),
        (
            list(json!({ "contains": { "const": "a" }, "minContains": 0 })),
            "contains",
        ),
        (
            list(json!({ "contains": { "minimum": 1 }, "maxContains": 1 })),
            "contains/minimum",
        ),
        (
            json!({ "type": "object", "properties": { "a": { "type": "integer" } },
                    "anyOf": [{ "properties": { "a": { "pattern": "x" } } }, { "required": ["a"] }] }),
            "anyOf/0/properties/a/pattern",
        ),
        (
            json!({ "type": "object", "additionalProperties": { "type": "string" },
                    "propertyNames": { "minimum": 1 } }),
            "propertyNames/minimum",
        ),
        (
            json!({ "x-indelible": { "merge": "atomic" },
                    "items": { "type": "string", "minimum": 1 } }),
            "items/minimum",
        ),
    ] {
        assert_eq!(idle(x.clone()), [format!("/properties/x/{at}")], "{x}");
    }
    for x in [
        json!({ "type": ["string", "integer"], "anyOf": [{ "minimum": 3 }, { "const": "a" }] }),
        json!({ "type": "integer", "anyOf": [{ "minimum": 3 }, { "multipleOf": 2 }] }),
        list(json!({ "contains": { "const": "a" }, "minContains": 0, "maxContains": 2 })),
        json!({ "x-indelible": { "merge": "atomic" }, "minimum": 3, "maxLength": 2 }),
    ] {
        assert!(idle(x.clone()).is_empty(), "{x}");
    }
}

#[test]
fn what_a_reference_leads_to_is_looked_at_from_every_use() {
    let found = |fields: Value, definitions: Value| -> Vec<String> {
        let mut schema = kind(fields);
        schema["$defs"] = definitions;
        let found = idle_keywords(&compiled(&schema));
        found.iter().map(|one| one.pointer.to_string()).collect()
    };
    let mixed = json!({ "mixed": { "anyOf": [{ "minimum": 3 }, { "maxLength": 2 }] } });
    let of = |kind: &str| json!({ "type": kind, "allOf": [{ "$ref": "#/$defs/mixed" }] });
    for (fields, expected) in [
        (json!({ "a": of("string") }), &["minimum"][..]),
        (json!({ "a": of("integer") }), &["maxLength"]),
        // Each asks for something at one of both.
        (json!({ "a": of("string"), "b": of("integer") }), &[]),
        (
            json!({ "a": of("string"), "b": of("string") }),
            &["minimum"],
        ),
        // Nothing is known of a definition that is not used.
        (json!({}), &[]),
    ] {
        let found = found(fields.clone(), mixed.clone());
        let found: Vec<&str> = found
            .iter()
            .filter_map(|at| at.rsplit('/').next())
            .collect();
        assert_eq!(found, expected, "{fields}");
    }
    // Through two references, within a definition of an object.
    assert_eq!(
        found(
            json!({ "a": { "$ref": "#/$defs/outer" } }),
            json!({
                "outer": { "type": "object", "properties": { "x": { "type": "string",
                    "not": { "$ref": "#/$defs/inner" } } } },
                "inner": { "minimum": 3 } })
        ),
        ["/$defs/inner/minimum"]
    );
}

#[test]
fn what_defaults_break_is_found() {
    let fields = json!({ "a": { "type": "integer", "default": 1 },
                         "b": { "type": "integer", "default": 2 }, "c": { "type": "integer" } });
    for (rule, at) in [
        (json!({ "const": { "a": 5 } }), Some("const")),
        (json!({ "const": { "a": 1, "b": 2, "c": 3 } }), None),
        (json!({ "maxProperties": 1 }), Some("maxProperties")),
        (json!({ "not": { "required": ["a"] } }), Some("not")),
        (
            json!({ "if": { "required": ["a"] }, "then": false }),
            Some("then"),
        ),
        (
            json!({ "if": { "required": ["a"] }, "then": { "properties": { "b": { "maximum": 1 } } } }),
            Some("maximum"),
        ),
        (
            json!({ "dependentRequired": { "a": ["c"] } }),
            Some("required"),
        ),
        // Whoever makes it brings what is missing.
        (
            json!({ "if": { "required": ["a"] }, "then": { "required": ["c"] } }),
            None,
        ),
        (json!({ "required": ["c"], "minProperties": 3 }), None),
        (json!({ "not": { "required": ["c"] } }), None),
    ] {
        let mut object = json!({ "type": "object", "properties": fields });
        object
            .as_object_mut()
            .unwrap()
            .extend(rule.as_object().unwrap().clone());
        let mut root = kind(fields.clone());
        root.as_object_mut()
            .unwrap()
            .extend(rule.as_object().unwrap().clone());
        let item = field(json!({ "type": "array", "items": object }));
        let entry = json!({ "type": "object", "additionalProperties": object });
        let nested = field(json!({ "type": "array", "items": {
            "type": "object", "properties": { "map": entry } } }));
        let places = [
            (root, ""),
            (field(object), "/x"),
            (item, "/x/*"),
            (field(entry), "/x/*"),
            (nested, "/x/*/map/*"),
        ];
        for (schema, place) in places {
            let found = compiled(&schema).broken_by_defaults();
            for (_, fault) in &found {
                let pointer = fault.pointer.to_string();
                assert!(pointer.starts_with(place), "{pointer} {schema}");
            }
            let found: Vec<&str> = found
                .iter()
                .map(|(at, _)| at.tokens().last().unwrap().as_str())
                .collect();
            let expected: Vec<&str> = at.into_iter().collect();
            assert_eq!(found, expected, "{schema}");
        }
    }
}

#[test]
fn what_an_entry_is_called_breaks_nothing() {
    let map = json!({ "type": "object", "maxProperties": 0,
        "propertyNames": { "pattern": "^[a-z]+$" },
        "properties": { "0": { "type": "integer" } },
        "additionalProperties": { "type": "object", "not": { "required": ["a"] },
            "properties": { "a": { "type": "integer", "default": 1 } } } });
    let rows = json!({ "type": "array", "items": {
        "type": "object", "properties": { "map": map } } });
    for schema in [field(map), field(rows)] {
        let found = compiled(&schema).broken_by_defaults();
        let found: Vec<&str> = found.iter().map(|(_, fault)| &*fault.keyword).collect();
        assert_eq!(found, ["not"], "{schema}");
    }
}

#[test]
fn types_of_other_languages_have_their_names_here() {
    for (given, meant) in [
        ("int", "integer"),
        ("Bool", "boolean"),
        ("list", "array"),
        ("strng", "string"),
    ] {
        super::check(
            &field(json!({ "type": given })),
            &[
                "/properties/x: say which type of value is here",
                &format!(
                    "/properties/x/type: must be one of string, number, integer, boolean, null, \
                          object, array, or a list of them; is it {meant:?}?"
                ),
            ],
        );
    }
}

#[test]
fn a_type_that_is_named_twice_is_one_mistake() {
    for (types, twice) in [
        (json!(["number", "number"]), "number"),
        (json!(["string", "null", "string"]), "string"),
    ] {
        let says =
            format!("/properties/x/type: must name each type once, and names {twice:?} twice");
        super::check(&field(json!({ "type": types })), &[&says]);
    }
    let mut root = field(json!({ "type": "string" }));
    root["type"] = json!(["object", "object"]);
    let says = "/type: must name each type once, and names \"object\" twice";
    super::check(&root, &[says]);
}
