//! Words and constraints: where they may stand, and what they may say there.

use serde_json::{Value, json};

use super::{check, field, keyed, kind};

#[test]
fn rules_only_narrow() {
    let nested = |outer: Value, inner: Value| {
        field(json!({
            "type": "object",
            "x-indelible": outer,
            "properties": { "y": { "type": "string", "x-indelible": inner } },
        }))
    };
    let at = "/properties/x/properties/y/x-indelible";
    for (outer, inner, widens) in [
        (json!("edit"), json!("create"), false),
        (json!("create"), json!("create"), false),
        (json!("create"), json!("system"), false),
        (json!("create"), json!("edit"), true),
        (json!("create"), json!(["admin"]), true),
        (json!("system"), json!("create"), true),
        (json!("system"), json!(["admin"]), true),
        (json!(["admin", "owner"]), json!(["owner"]), false),
        (json!(["admin"]), json!(["admin", "owner"]), true),
        (json!(["admin"]), json!("create"), true),
        (json!(["public"]), json!(["admin"]), false),
    ] {
        let schema = nested(json!({ "write": outer }), json!({ "write": inner }));
        let expected = format!("{at}/write: widens: above it only {}", rule(&outer));
        let expected = [expected.as_str()];
        check(&schema, if widens { &expected[..] } else { &[] });
    }
    for (outer, inner, widens) in [
        (json!(["a", "b"]), json!(["a"]), false),
        (json!(["a"]), json!(["a", "b"]), true),
        (json!(["public"]), json!(["a"]), false),
        (json!(["a"]), json!(["public"]), true),
    ] {
        let schema = nested(json!({ "read": outer }), json!({ "read": inner }));
        let expected = format!("{at}/read: widens");
        let expected = [expected.as_str()];
        check(&schema, if widens { &expected[..] } else { &[] });
    }
    check(
        &field(json!({ "type": "string", "readOnly": true, "x-indelible": { "write": ["a"] } })),
        &["/properties/x/x-indelible/write: contradicts \"readOnly\": true"],
    );
    check(
        &field(json!({ "type": "string", "x-indelible": { "write": "admin" } })),
        &["/properties/x/x-indelible/write: must be \"edit\", \"create\", \"system\" or a list"],
    );
    check(
        &field(json!({ "type": "string", "x-indelible": { "write": [] } })),
        &["/properties/x/x-indelible/write: names nobody"],
    );
    check(
        &field(json!({
            "type": "string", "x-indelible": { "write": "edit" },
            "allOf": [{ "x-indelible": { "write": "create" } }],
        })),
        &[
            "/properties/x/allOf/0/x-indelible/write: contradicts what /properties/x/x-indelible/write",
        ],
    );
}

/// A write rule as messages show it.
fn rule(rule: &Value) -> String {
    rule.to_string().replace("\",\"", "\", \"")
}

#[test]
fn words_stand_where_they_mean_something() {
    check(
        &field(json!({ "type": "object", "x-indelible": {
            "unique": true, "index": true, "delete": ["a"], "key": "id", "merge": "register",
        } })),
        &[
            "/properties/x/x-indelible/delete: \"delete\" means nothing on an object here",
            "/properties/x/x-indelible/index: \"index\" means nothing on an object here",
            "/properties/x/x-indelible/key: \"key\" means nothing on an object here",
            "/properties/x/x-indelible/merge: an object merges by its properties",
            "/properties/x/x-indelible/unique: \"unique\" means nothing on an object here",
        ],
    );
    check(
        &keyed(json!({
            "type": "object",
            "x-indelible": { "delete": ["a"] },
            "properties": { "y": { "type": "string", "x-indelible": { "unique": true, "index": true } } },
        })),
        &[
            "/properties/x/items/properties/y/x-indelible/index: \"index\" cannot be said inside",
            "/properties/x/items/properties/y/x-indelible/unique: \"unique\" cannot be said inside",
        ],
    );
    check(
        &kind(json!({
            "a": { "type": "string", "x-indelible": { "was": "b" } },
            "b": { "type": "string" },
            "c": { "type": "string", "x-indelible": { "was": "old" } },
            "d": { "type": "string", "x-indelible": { "was": "old" } },
            "e": { "type": "string", "x-indelible": { "was": "e" } },
        })),
        &[
            "/properties/a/x-indelible/was: there is a property \"b\"",
            "/properties/d/x-indelible/was: two properties cannot both have been \"old\"",
            "/properties/e/x-indelible/was: there is a property \"e\"",
        ],
    );
    let mut single = field(json!({ "type": "string", "x-indelible": { "unique": true } }));
    single["x-indelible"]["singleton"] = json!(true);
    check(
        &single,
        &["/properties/x/x-indelible/unique: there is only one entity"],
    );
}

#[test]
fn texts_and_counters_have_their_types() {
    let merge = |mut schema: Value, merge: &str| {
        schema["x-indelible"] = json!({ "merge": merge });
        field(schema)
    };
    check(
        &merge(json!({ "type": "string", "maxLength": 9 }), "text"),
        &[],
    );
    check(
        &merge(json!({ "type": "integer", "minimum": 0 }), "counter"),
        &[],
    );
    let at = "/properties/x/x-indelible/merge";
    for (schema, word, reason) in [
        (
            json!({ "type": "number" }),
            "counter",
            "\"counter\" needs \"type\": \"integer\"",
        ),
        (
            json!({ "type": ["string", "null"] }),
            "text",
            "\"text\" needs \"type\": \"string\"",
        ),
        (
            json!({ "type": "string", "enum": ["a"] }),
            "text",
            "a text changes in small steps",
        ),
        (
            json!({ "type": "string" }),
            "list",
            "a string does not merge like this",
        ),
        (
            json!({ "type": "string" }),
            "crdt",
            "must be one of register, counter, text, list",
        ),
    ] {
        check(&merge(schema, word), &[&format!("{at}: {reason}")]);
    }
    check(
        &merge(
            json!({ "type": "string", "maxLength": 2, "default": "abc" }),
            "text",
        ),
        &["/properties/x/default: the default does not fit its own schema: it must have at most 2"],
    );
}

#[test]
fn stamps_and_tallies_are_made_by_the_server() {
    let stamp = |mut schema: Value, kind: &str| {
        schema["x-indelible"] = json!({ "stamp": kind });
        schema
    };
    let time = json!({ "type": "string", "format": "date-time", "readOnly": true });
    check(&field(stamp(time.clone(), "updated-at")), &[]);
    check(
        &field(stamp(time.clone(), "updated-by")),
        &["/properties/x/format: the server makes stamps"],
    );
    check(
        &field(stamp(
            json!({ "type": "integer", "default": 3 }),
            "created-at",
        )),
        &[
            "/properties/x: a stamp is a string",
            "/properties/x/default: the server makes stamps",
        ],
    );
    check(
        &field(json!({ "type": "object", "properties": { "y": stamp(time, "created-at") } })),
        &["/properties/x/properties/y/x-indelible/stamp: a stamp is about the entity"],
    );
    let both = json!({ "type": "string", "x-indelible": { "stamp": "created-by", "tally": true,
        "write": "create" } });
    check(
        &field(both),
        &[
            "/properties/x/x-indelible/tally: \"tally\" means nothing on a stamp",
            "/properties/x/x-indelible/write: \"write\" means nothing on a stamp",
        ],
    );
    let tally = |schema: Value| keyed(json!({ "type": "object", "properties": { "y": schema } }));
    check(
        &tally(json!({ "type": "number", "x-indelible": { "tally": true }, "maximum": 3 })),
        &[
            "/properties/x/items/properties/y: a tally is an integer",
            "/properties/x/items/properties/y/maximum: a tally counts from 0",
            "/properties/x/items/properties/y/x-indelible/tally: a tally belongs to the entity",
        ],
    );
}

#[test]
fn alternatives_only_constrain() {
    let address = |constraint: Value| {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "street": { "type": "string" },
                "views": { "type": "integer", "x-indelible": { "tally": true } },
                "rooms": { "type": "array", "items": {
                    "type": "object",
                    "properties": { "name": { "type": "string" } },
                } },
                "shape": { "type": "object", "x-indelible": { "merge": "atomic" } },
            },
        });
        for (keyword, value) in constraint.as_object().unwrap() {
            schema[keyword] = value.clone();
        }
        field(schema)
    };
    check(
        &address(json!({
            "if": { "required": ["street"], "properties": { "street": { "const": "x" } } },
            "then": { "properties": { "rooms": { "minItems": 1, "contains": {
                "required": ["id", "name"],
                "properties": { "id": { "minLength": 3 }, "name": { "pattern": "^a" } },
            } } } },
            "anyOf": [{ "required": ["street"] }, { "not": { "required": ["rooms"] } }],
            "dependentRequired": { "street": ["rooms"] },
            "dependentSchemas": { "street": { "properties": { "street": { "maxLength": 3 } } } },
            "propertyNames": { "pattern": "^[a-z]+$" },
            "not": { "properties": { "shape": { "properties": { "any": { "type": "array" } } } } },
        })),
        &[],
    );
    let at = "/properties/x/anyOf/0";
    for (schema, place, reason) in [
        (
            json!({ "properties": { "y": { "type": "string" } } }),
            "/properties/y",
            "\"y\" is not declared",
        ),
        (
            json!({ "required": ["y"] }),
            "/required/0",
            "\"y\" is not declared",
        ),
        (
            json!({ "required": ["views"] }),
            "/required/0",
            "\"views\" is a tally",
        ),
        (
            json!({ "properties": { "street": { "x-indelible": { "write": "system" } } } }),
            "/properties/street/x-indelible",
            "rules cannot depend on the value",
        ),
        (
            json!({ "properties": { "street": { "default": "a" } } }),
            "/properties/street/default",
            "has no effect here",
        ),
        (
            json!({ "properties": { "street": { "required": ["a"] } } }),
            "/properties/street/required/0",
            "this is a single value, which has no properties",
        ),
        (
            json!({ "additionalProperties": false }),
            "/additionalProperties",
            "nothing can be declared",
        ),
        (
            json!({ "patternProperties": {} }),
            "/patternProperties",
            "can only be used inside",
        ),
        (
            json!({ "properties": { "street": { "oneOf": [{ "then": {}, "if": { "minLenght": 3 } }] } } }),
            "/properties/street/oneOf/0/if/minLenght",
            "unknown keyword \"minLenght\"; is it \"minLength\"?",
        ),
    ] {
        check(
            &address(json!({ "anyOf": [schema] })),
            &[&format!("{at}{place}: {reason}")],
        );
    }
}

#[test]
fn atomic_values_have_no_rules_inside() {
    let atomic = |mut schema: Value| {
        schema["x-indelible"] = json!({ "merge": "atomic" });
        field(schema)
    };
    check(
        &atomic(json!({
            "type": "array",
            "prefixItems": [{ "type": "number" }, { "type": ["object", "null"] }],
            "items": { "type": "array", "patternProperties": { "^a": true } },
        })),
        &[],
    );
    check(
        &atomic(json!({
            "type": "object",
            "properties": { "$y": { "type": "string", "x-indelible": { "write": "system" } } },
            "anyOf": [{ "patternProperties": { "(": { "x-indelible": { "read": [] } } } }],
        })),
        &[
            "/properties/x/anyOf/0/patternProperties/(: this regular expression cannot be used",
            "/properties/x/anyOf/0/patternProperties/(/x-indelible: a value that is replaced as one",
            "/properties/x/properties/$y/x-indelible: a value that is replaced as one",
        ],
    );
    check(
        &atomic(json!({ "type": "object", "default": [] })),
        &["/properties/x/default: the default does not fit its own schema: it must be an object"],
    );
    check(
        &keyed(json!({ "type": "object", "x-indelible": { "merge": "atomic" } })),
        &["/properties/x/items: what a list holds cannot be atomic by itself"],
    );
}

#[test]
fn our_words_beside_the_keyword_are_mistakes() {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "thing" },
        "edit": ["editor"],
        "properties": { "x": { "type": "string", "write": "create", "title": "X" } }
    });
    check(
        &schema,
        &[
            "/edit: \"edit\" has no effect here; write it inside \"x-indelible\"",
            "/properties/x/write: \"write\" has no effect here; write it inside \"x-indelible\"",
        ],
    );
}
