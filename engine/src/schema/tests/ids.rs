//! Guards against schemas that no item can satisfy, or every item does, since the id that the server
//! made counts as a property of its author.

use serde_json::{Value, json};

use crate::policy::Rules;
use crate::schema;

/// A kind with a list of items `{a, b}` that says more about the items, or about the list.
fn kind(item: &Value, list: &Value) -> Value {
    let number = json!({ "type": "integer" });
    let mut items = json!({ "type": "object", "properties": { "a": number, "b": number } });
    items
        .as_object_mut()
        .unwrap()
        .extend(item.as_object().unwrap().clone());
    let mut x = json!({ "type": "array", "items": items });
    x.as_object_mut()
        .unwrap()
        .extend(list.as_object().unwrap().clone());
    json!({
        "type": "object", "x-indelible": { "kind": "k" }, "properties": { "x": x },
        "$defs": { "two": { "minProperties": 2, "maxProperties": 2 } },
    })
}

/// The keywords that a list of these items breaks under some rules.
fn broken(rules: Rules, schema: &Value, items: &Value) -> Vec<String> {
    let policy = schema::compile_under(rules, "k.json", &schema.to_string()).unwrap();
    let found = policy.check_whole(&json!({ "x": items }));
    found
        .iter()
        .map(|fault| format!("{} {}", fault.pointer, fault.keyword))
        .collect()
}

fn check(item: &Value, list: &Value, good: &Value, bad: &Value, fault: &str) {
    for schema in [
        kind(item, list),
        kind(&json!({ "allOf": [item] }), &json!({ "allOf": [list] })),
    ] {
        let told = format!("{schema}");
        assert_eq!(broken(Rules::V2, &schema, good), [""; 0], "{told}");
        assert_eq!(broken(Rules::V2, &schema, bad), [fault], "{told}");
    }
}

fn one(item: Value) -> Value {
    let mut item = item;
    item["id"] = json!("i");
    json!([item])
}

#[test]
fn what_counts_or_compares_an_item_does_not_see_its_id() {
    let none = json!({});
    let (a, ab) = (one(json!({ "a": 1 })), one(json!({ "a": 1, "b": 2 })));
    check(
        &json!({ "maxProperties": 1 }),
        &none,
        &a,
        &ab,
        "/x/i maxProperties",
    );
    check(
        &json!({ "minProperties": 2 }),
        &none,
        &ab,
        &a,
        "/x/i minProperties",
    );
    let names = json!({ "propertyNames": { "enum": ["a"] } });
    check(&names, &none, &a, &ab, "/x/i propertyNames");
    check(
        &json!({ "const": { "a": 1 } }),
        &none,
        &a,
        &ab,
        "/x/i const",
    );
    check(
        &json!({ "enum": [{ "a": 1 }, { "b": 1 }] }),
        &none,
        &a,
        &ab,
        "/x/i enum",
    );
    check(
        &json!({ "not": { "maxProperties": 1 } }),
        &none,
        &ab,
        &a,
        "/x/i not",
    );
    let either = json!({ "anyOf": [{ "minProperties": 2 }, { "required": ["b"] }] });
    check(&either, &none, &ab, &a, "/x/i anyOf");
    let when = json!({ "if": { "maxProperties": 1 }, "then": { "required": ["b"] } });
    check(&when, &none, &ab, &a, "/x/i/b required");
    let named = json!({ "anyOf": [{ "$ref": "#/$defs/two" }] });
    check(&named, &none, &ab, &a, "/x/i anyOf");
}

#[test]
fn what_looks_into_lists_does_not_see_the_ids() {
    let none = json!({});
    let (a, ab) = (one(json!({ "a": 1 })), one(json!({ "a": 1, "b": 2 })));
    check(
        &none,
        &json!({ "contains": { "const": { "a": 1 } } }),
        &a,
        &ab,
        "/x contains",
    );
    check(
        &none,
        &json!({ "contains": { "maxProperties": 1 } }),
        &a,
        &ab,
        "/x contains",
    );
    check(
        &none,
        &json!({ "contains": { "$ref": "#/$defs/two" } }),
        &ab,
        &a,
        "/x contains",
    );
    check(
        &none,
        &json!({ "const": [{ "a": 1 }] }),
        &a,
        &ab,
        "/x const",
    );
    check(
        &none,
        &json!({ "enum": [[], [{ "a": 1 }]] }),
        &a,
        &ab,
        "/x enum",
    );
    let no_twins = json!({ "anyOf": [{ "uniqueItems": true }] });
    let twins = json!([{ "id": "i", "a": 1 }, { "id": "j", "a": 1.0 }]);
    check(&none, &no_twins, &a, &twins, "/x anyOf");
}

#[test]
fn what_names_an_id_sees_it() {
    let none = json!({});
    let (good, bad) = (json!([{ "id": "main" }]), json!([{ "id": "other" }]));
    let main = json!({ "properties": { "id": { "const": "main" } } });
    check(
        &none,
        &json!({ "contains": main }),
        &good,
        &bad,
        "/x contains",
    );
    check(
        &none,
        &json!({ "const": [{ "id": "main" }] }),
        &good,
        &bad,
        "/x const",
    );
    check(
        &json!({ "required": ["id"] }),
        &none,
        &good,
        &json!([{}]),
        "/x/0/id required",
    );
}

#[test]
fn open_maps_in_items_and_lists_in_lists_are_the_same() {
    let open = json!({ "additionalProperties": { "type": "integer" }, "maxProperties": 2 });
    let (two, three) = (
        one(json!({ "a": 1, "y": 2 })),
        one(json!({ "a": 1, "y": 2, "z": 3 })),
    );
    let open = kind(&open, &json!({}));
    assert_eq!(broken(Rules::V2, &open, &two), [""; 0]);
    assert_eq!(broken(Rules::V2, &open, &three), ["/x/i maxProperties"]);
    let inner = json!({ "properties": { "a": { "type": "integer" }, "b": { "type": "integer" },
        "l": { "type": "array", "items": { "type": "object", "properties": {
            "c": { "type": "integer" } } } } } });
    let mut item = inner;
    item["const"] = json!({ "a": 1, "l": [{ "c": 2 }] });
    let value = |c: i32| json!([{ "id": "i", "a": 1, "l": [{ "id": "j", "c": c }] }]);
    assert_eq!(
        broken(Rules::V2, &kind(&item, &json!({})), &value(2)),
        [""; 0]
    );
    assert_eq!(
        broken(Rules::V2, &kind(&item, &json!({})), &value(3)),
        ["/x/i const"]
    );
}

/// The first rules saw the ids, and old entries are judged by them.
#[test]
fn the_first_rules_are_as_they_were() {
    let schema = kind(&json!({ "maxProperties": 1 }), &json!({}));
    assert_eq!(
        broken(Rules::V1, &schema, &one(json!({ "a": 1 }))),
        ["/x/i maxProperties"]
    );
    assert_eq!(broken(Rules::V1, &schema, &one(json!({}))), [""; 0]);
}

/// Content needs no ids, so what it is judged by does not either.
#[test]
fn content_is_judged_alike() {
    let item = json!({ "maxProperties": 1, "required": ["id"] });
    let policy = schema::compile("k.json", &kind(&item, &json!({})).to_string()).unwrap();
    let faults = |value: Value| policy.check_content(Some(&value)).len();
    assert_eq!(
        faults(json!({ "x": [{ "a": 1 }, { "id": "i", "b": 1 }] })),
        0
    );
    assert_eq!(faults(json!({ "x": [{ "a": 1, "b": 1 }] })), 1);
}

/// The schemas that are judged see no ids; people are shown what the author wrote.
#[test]
fn what_a_schema_rules_out_is_shown_as_its_author_wrote_it() {
    let message = |item: &Value, value: &Value| {
        let schema = kind(item, &json!({}));
        let policy = schema::compile("k.json", &schema.to_string()).unwrap();
        let found = policy.check_whole(&json!({ "x": one(value.clone()) }));
        assert_eq!(found.len(), 1, "{schema}");
        found[0].message.clone()
    };
    let (one_a, two) = (json!({ "a": 1 }), json!({ "a": 1, "b": 2 }));
    for (item, value, said) in [
        (
            json!({ "not": { "const": one_a } }),
            &one_a,
            r#"must not be {"a":1}"#,
        ),
        (
            json!({ "not": { "enum": [one_a, { "x-ids": 1, "x-not": 2 }] } }),
            &one_a,
            r#"must not be one of {"a":1}, {"x-ids":1,"x-not":2}"#,
        ),
        (
            json!({ "not": { "minProperties": 2, "properties": { "a": { "const": 1 } } } }),
            &two,
            r#"must not satisfy {"minProperties":2,"properties":{"a":{"const":1}}}"#,
        ),
        (
            json!({ "not": { "$ref": "#/$defs/two" } }),
            &two,
            r##"must not satisfy {"$ref":"#/$defs/two"}"##,
        ),
        (
            json!({ "not": { "propertyNames": { "maxLength": 1 } } }),
            &one_a,
            r#"must not satisfy {"propertyNames":{"maxLength":1}}"#,
        ),
        (
            json!({ "not": { "not": { "not": { "maxProperties": 1 } } } }),
            &one_a,
            r#"must not satisfy {"not":{"not":{"maxProperties":1}}}"#,
        ),
        (
            json!({ "if": { "maxProperties": 1 }, "else": false }),
            &two,
            r#"must satisfy {"maxProperties":1}"#,
        ),
    ] {
        assert_eq!(message(&item, value), said, "{item}");
    }
}
