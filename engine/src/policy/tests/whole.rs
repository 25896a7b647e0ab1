//! Guards against whole values that are judged otherwise than they would be presented, and faults
//! without their place.

use super::*;

#[test]
fn content_is_judged_as_it_would_be_presented() {
    let settings = demo("settings");
    let content = json!({
        "companyName": "A", "contact": { "email": "a@b.org" },
        "openingHours": [{ "day": "monday", "opens": "09:00" }],
    });
    assert_eq!(
        faults(&settings.check_content(Some(&content))),
        ["/openingHours/0/closes required: is required"]
    );
}

#[test]
fn names_that_look_like_numbers_are_told_as_they_are() {
    let entry = json!({ "type": "object", "not": { "required": ["a"] },
        "properties": { "a": { "type": "integer" } } });
    let schema = json!({ "type": "object", "x-indelible": { "kind": "k" }, "properties": {
        "map": { "type": "object", "additionalProperties": entry },
        "one": { "type": "object", "x-indelible": { "merge": "atomic" },
            "additionalProperties": { "type": "object", "required": ["a"] } } } });
    let policy = compile(&schema.to_string());
    for name in ["007", "+7", "7", "a/b"] {
        let at = Pointer::root().child("map").child(name);
        check(
            &policy,
            &json!({ "map": { name: { "a": 1 } } }),
            &[&format!("{at} not: must not have a")],
        );
    }
    for name in ["007", ""] {
        let at = Pointer::root().child("one").child(name).child("a");
        check(
            &policy,
            &json!({ "one": { name: {} } }),
            &[&format!("{at} required: is required")],
        );
    }
}

#[test]
fn entries_of_open_maps_begin_with_their_defaults() {
    let entry = json!({ "type": "object",
        "properties": {
            "a": { "type": "integer", "default": 1 },
            "b": { "type": "integer" },
            "deep": { "type": "object", "properties": {
                "c": { "type": "string", "default": "x" } } } },
        "required": ["a"],
        "if": { "required": ["deep"] }, "then": { "required": ["b"] } });
    let items = json!({ "type": "array", "items": {
        "type": "object", "additionalProperties": entry } });
    let schema = json!({ "type": "object", "x-indelible": { "kind": "k" }, "properties": {
        "map": { "type": "object", "additionalProperties": entry }, "rows": items } });
    let policy = compile(&schema.to_string());
    for (content, expected) in [
        (
            json!({ "map": { "k": {} } }),
            &["/map/k/b required: is required"][..],
        ),
        (json!({ "map": { "k": { "b": 2 } } }), &[]),
        (
            json!({ "rows": [{ "id": "i", "k": {} }] }),
            &["/rows/i/k/b required: is required"],
        ),
        (json!({ "rows": [{ "id": "i", "k": { "b": 2 } }, {}] }), &[]),
    ] {
        assert_eq!(
            faults(&policy.check_content(Some(&content))),
            expected,
            "{content}"
        );
    }
}

fn check(policy: &Policy, value: &Value, expected: &[&str]) {
    assert_eq!(faults(&policy.check_whole(value)), expected);
}

#[test]
fn faults_have_places_and_plain_words() {
    let policy = zoo();
    assert!(policy.has_whole_constraints());
    check(
        &policy,
        &json!({
            "notes": "far too long a note", "fed": 6, "name": "",
            "health": { "blood": { "type": "ab" }, "visits": [{ "visit": "v1" }, { "visit": "v2", "by": "x" }] },
        }),
        &[
            "/fed maximum: must be 5 or less",
            "/name minLength: must not be empty",
            "/notes maxLength: must have at most 10 characters",
            "/health/blood/type pattern: must match the pattern ^\\w$",
            "/health/visits/v1/by required: is required",
        ],
    );
    check(
        &policy,
        &json!({ "health": { "visits": [] } }),
        &[
            "/health/visits minItems: must not be empty",
            "/name required: is required",
        ],
    );
}

#[test]
fn opening_hours_depend_on_each_other() {
    let settings = demo("settings");
    check(
        &settings,
        &json!({
            "companyName": "A", "contact": { "email": "a@b.c", "address": { "street": "S" } },
            "theme": {},
            "openingHours": [
                { "id": "m", "day": "monday", "opens": "09:00" },
                { "id": "s", "day": "sunday", "closed": true },
            ],
        }),
        &[
            "/contact/address/city required: is required where street is given",
            "/openingHours/m/closes required: is required",
        ],
    );
}

/// The validator takes other patterns, formats and multiples than ours by itself.
#[test]
fn single_values_are_judged_the_same_everywhere() {
    for (rule, value) in [
        (json!({ "pattern": "^\\S+$" }), json!("a\u{a0}b")),
        (json!({ "pattern": "^\\w+$" }), json!("é")),
        (json!({ "pattern": "^.$" }), json!("\u{2028}")),
        (json!({ "format": "uri" }), json!("https://example.org/é")),
        (json!({ "format": "email" }), json!("\"joe\"@example.org")),
        (json!({ "format": "time" }), json!("23:59:60Z")),
        (json!({ "format": "hostname" }), json!("xn--X")),
        (json!({ "multipleOf": 0.01 }), json!(19.99)),
        (json!({ "multipleOf": 0.1 }), json!(0.30000000000000004)),
        (json!({ "const": 1.0 }), json!(1)),
        (json!({ "maxLength": 1 }), json!("\u{1f600}")),
    ] {
        let types = if value.is_string() {
            "string"
        } else {
            "number"
        };
        let mut field = rule.clone();
        field["type"] = json!(types);
        let schema = |x: &Value| {
            compile(&json!({ "type": "object", "x-indelible": { "kind": "k" }, "properties": { "x": x } }).to_string())
        };
        let by_rule = schema(&field);
        let Shape::Scalar(scalar) = &node(&by_rule, "/x").shape else {
            panic!("not a scalar")
        };
        let by_whole = schema(&json!({ "type": types, "anyOf": [rule] }));
        let whole = by_whole.check_whole(&json!({ "x": value })).is_empty();
        assert_eq!(scalar.check(&value).is_ok(), whole, "{rule} on {value}");
    }
}

#[test]
fn nothing_to_judge_costs_nothing() {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "k" },
        "properties": { "x": { "type": "string", "maxLength": 3 } },
    });
    assert!(!compile(&schema.to_string()).has_whole_constraints());
}

#[test]
fn properties_without_constraints_are_not_additional() {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "k" },
        "properties": { "list": { "type": "array", "items": {
            "type": "object",
            "properties": { "free": { "type": "boolean" } },
            "additionalProperties": { "type": "string", "anyOf": [{ "const": "a" }] },
        } } },
    });
    check(
        &compile(&schema.to_string()),
        &json!({ "list": [{ "id": "i", "free": true, "x": "a", "y": "b" }] }),
        &["/list/i/y anyOf: must be \"a\""],
    );
}
