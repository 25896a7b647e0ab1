//! What can stand at a place, and what cannot.

use serde_json::{Value, json};

use super::{check, field, keyed, kind};

#[test]
fn every_place_has_a_type() {
    check(
        &field(json!({})),
        &["/properties/x: say which type of value is here"],
    );
    check(
        &field(json!(true)),
        &["/properties/x: say which type of value may be here"],
    );
    check(&field(json!({ "enum": ["a", null] })), &[]);
    check(&field(json!({ "const": 1 })), &[]);
    check(
        &field(json!({ "type": ["object", "null"] })),
        &["/properties/x: an object or a list always exists"],
    );
    check(
        &field(json!({ "allOf": [{ "type": "string" }, { "type": "integer" }] })),
        &["/properties/x: the types that are stated here exclude one another"],
    );
    check(
        &field(json!({ "type": "string", "enum": ["a", 1], "const": null })),
        &[
            "/properties/x/const: can never be: the value is a string",
            "/properties/x/enum/1: can never be: the value is a string",
        ],
    );
    check(
        &field(json!({ "type": "string", "x-indelible": { "merge": "atomic" } })),
        &[],
    );
}

#[test]
fn lists_hold_objects_or_scalars() {
    check(&keyed(json!({ "type": "string" })), &[]);
    check(&keyed(json!({ "type": "object" })), &[]);
    check(
        &field(json!({ "type": "array" })),
        &["/properties/x: say what the list holds by items"],
    );
    check(
        &keyed(json!({ "type": "array", "items": { "type": "string" } })),
        &["/properties/x/items: a list holds either objects or scalars"],
    );
    check(
        &keyed(json!({})),
        &["/properties/x/items: say which type the items have"],
    );
    check(
        &keyed(json!({ "type": ["object", "string"] })),
        &["/properties/x/items: a list holds either objects or scalars"],
    );
    check(
        &field(json!({
            "type": "array", "prefixItems": [{ "type": "string" }], "items": { "type": "string" },
        })),
        &["/properties/x/prefixItems: prefixItems can only be used inside a value with"],
    );
    check(
        &field(json!({
            "type": "array", "items": { "type": "object" }, "uniqueItems": true, "default": [{}],
            "x-indelible": { "merge": "list" },
        })),
        &[
            "/properties/x/default: a list of objects begins empty",
            "/properties/x/uniqueItems: every item has an id of its own",
            "/properties/x/x-indelible/merge: a list of objects merges as",
        ],
    );
    check(
        &field(json!({
            "type": "array", "default": ["a", 1],
            "items": { "type": "string", "x-indelible": { "write": "system" } },
            "x-indelible": { "merge": "keyed", "key": "k", "unique": true },
        })),
        &[
            "/properties/x/default/1: the default does not fit its own schema: it must be a string",
            "/properties/x/items/x-indelible/write: \"write\" means nothing on the elements",
            "/properties/x/x-indelible/key: \"key\" means nothing on a list of scalars",
            "/properties/x/x-indelible/merge: a list of scalars merges as",
            "/properties/x/x-indelible/unique: \"unique\" means nothing on a list of scalars",
        ],
    );
}

#[test]
fn the_key_of_an_item_is_only_shown() {
    let with_key = |key: Value| {
        keyed(json!({ "type": "object", "properties": { "id": key }, "required": ["id"] }))
    };
    check(
        &with_key(json!({ "type": "string", "readOnly": true, "title": "Id" })),
        &[],
    );
    check(
        &with_key(json!({ "type": "integer" })),
        &["/properties/x/items/properties/id: presents the generated id of the item, which is"],
    );
    for (keyword, value) in [
        ("default", json!("a")),
        ("pattern", json!("^x")),
        ("x-indelible", json!({ "write": "create" })),
    ] {
        check(
            &with_key(json!({ "type": "string", keyword: value })),
            &["/properties/x/items/properties/id: presents the generated id of the item, so"],
        );
    }
    let renamed = json!({
        "type": "array",
        "items": { "type": "object", "properties": { "id": { "type": "integer" } } },
        "x-indelible": { "key": "ref" },
    });
    check(&field(renamed), &[]);
    let bad = json!({
        "type": "array", "items": { "type": "object" }, "x-indelible": { "key": "$id" },
    });
    check(
        &field(bad),
        &["/properties/x/x-indelible/key: must be the name of a property"],
    );
}

#[test]
fn names_of_properties_can_be_keys() {
    check(
        &kind(json!({
            "$position": { "type": "string" }, "": { "type": "string" }, "é/~": { "type": "string" },
            "__proto__": { "type": "string" },
        })),
        &[
            "/properties/: cannot be the name of a property",
            "/properties/$position: cannot be the name of a property",
            "/properties/__proto__: cannot be the name of a property",
        ],
    );
}

#[test]
fn required_properties_are_declared() {
    let mut schema = kind(json!({
        "views": { "type": "integer", "x-indelible": { "tally": true } },
        "a": { "type": "string" },
    }));
    schema["required"] = json!(["a", "b", "views"]);
    check(
        &schema,
        &[
            "/required/1: requires \"b\", which is not declared",
            "/required/2: \"views\" is a tally",
        ],
    );
    schema["required"] = json!(["a", "b"]);
    schema["additionalProperties"] = json!({ "type": "string" });
    check(&schema, &[]);
}

#[test]
fn open_maps_hold_scalars_or_objects() {
    let open = |value: Value| field(json!({ "type": "object", "additionalProperties": value }));
    check(&open(json!(false)), &[]);
    check(&open(json!({ "type": "number" })), &[]);
    check(
        &open(json!({ "type": "object", "x-indelible": { "delete": ["admin"] } })),
        &[],
    );
    check(
        &open(json!({ "type": "array", "x-indelible": { "merge": "atomic" } })),
        &[],
    );
    check(
        &open(json!(true)),
        &["/properties/x/additionalProperties: say what other properties hold"],
    );
    check(
        &open(json!({ "type": "array", "items": { "type": "string" } })),
        &[
            "/properties/x/additionalProperties: a list of values cannot be the value of an open map",
        ],
    );
    check(
        &open(json!({ "type": "string", "default": "a", "x-indelible": { "merge": "text" } })),
        &[
            "/properties/x/additionalProperties/default: only a declared property can have",
            "/properties/x/additionalProperties/x-indelible/merge: only a property can merge like",
        ],
    );
    // JSON Schema would apply `false` to what the other part declares.
    check(
        &field(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "a": { "type": "string" } },
            "allOf": [{ "properties": { "b": { "type": "string" } } }],
        })),
        &["/properties/x/additionalProperties: JSON Schema applies this to \"b\" too"],
    );
    check(
        &field(json!({
            "type": "object",
            "unevaluatedProperties": false,
            "allOf": [{ "properties": { "b": { "type": "string" } } }],
        })),
        &[],
    );
    let beside = |inner: Value| {
        json!({
            "type": "object",
            "properties": { "a": { "type": "string" } },
            "allOf": [inner],
        })
    };
    for (inner, at) in [
        (
            json!({ "unevaluatedProperties": false }),
            "/properties/x/allOf/0",
        ),
        (
            json!({ "properties": { "b": { "type": "string" } }, "unevaluatedProperties": false }),
            "/properties/x/allOf/0",
        ),
        (
            json!({ "allOf": [{ "unevaluatedProperties": false }] }),
            "/properties/x/allOf/0/allOf/0",
        ),
    ] {
        let said = "unevaluatedProperties: JSON Schema applies this to \"a\" too";
        check(&field(beside(inner)), &[&format!("{at}/{said}")]);
    }
    check(
        &field(beside(json!({
            "properties": { "a": { "maxLength": 3 } },
            "unevaluatedProperties": false,
        }))),
        &[],
    );
}
