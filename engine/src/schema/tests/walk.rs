//! Guards against a constraint that loading accepts and nothing enforces. Every keyword of the
//! vocabulary that constrains is put at every shape and in every place; where loading takes it, it
//! must be listed among what the schema demands, let a good value pass and catch a bad one.

use serde_json::{Value, json};

use super::super::vocabulary::KEYWORDS;
use crate::schema;

/// Keywords that constrain nothing by themselves, or that say where things are.
const SILENT: [&str; 23] = [
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "contentEncoding",
    "contentMediaType",
    "default",
    "deprecated",
    "description",
    "else",
    "examples",
    "items",
    "maxContains",
    "minContains",
    "properties",
    "readOnly",
    "then",
    "title",
    "type",
    "x-indelible",
];

/// A keyword with what makes it a constraint, and a value that it lets pass and one that it does
/// not.
struct Sample {
    keyword: &'static str,
    with: Value,
    good: Value,
    bad: Value,
}

fn sample(keyword: &'static str, with: Value, good: Value, bad: Value) -> Sample {
    Sample {
        keyword,
        with,
        good,
        bad,
    }
}

fn samples() -> Vec<Sample> {
    let one = |keyword, value: Value, good: Value, bad: Value| {
        sample(keyword, json!({ keyword: value }), good, bad)
    };
    let (a, b) = (json!("a"), json!("b"));
    let (list, other) = (json!(["a"]), json!(["b", "c"]));
    let (object, object_b) = (json!({ "p": "a" }), json!({ "p": "b", "q": "c" }));
    let p = |schema: Value| json!({ "properties": { "p": schema } });
    vec![
        one("const", a.clone(), a.clone(), b.clone()),
        one("const", json!(1), json!(1), json!(2)),
        one("const", list.clone(), list.clone(), other.clone()),
        one("const", object.clone(), object.clone(), object_b.clone()),
        one("enum", json!(["a"]), a.clone(), b.clone()),
        one("enum", json!([1]), json!(1), json!(2)),
        one("enum", json!([["a"]]), list.clone(), other.clone()),
        one(
            "enum",
            json!([{ "p": "a" }]),
            object.clone(),
            object_b.clone(),
        ),
        one("not", json!({ "const": "b" }), a.clone(), b.clone()),
        one("not", json!({ "const": 2 }), json!(1), json!(2)),
        one("not", json!({ "minItems": 2 }), list.clone(), other.clone()),
        one(
            "not",
            json!({ "required": ["q"] }),
            object.clone(),
            object_b.clone(),
        ),
        one("anyOf", json!([{ "const": "a" }]), a.clone(), b.clone()),
        one("anyOf", json!([{ "const": 1 }]), json!(1), json!(2)),
        one(
            "anyOf",
            json!([{ "maxItems": 1 }]),
            list.clone(),
            other.clone(),
        ),
        one(
            "anyOf",
            json!([p(json!({ "const": "a" }))]),
            object.clone(),
            object_b.clone(),
        ),
        one("oneOf", json!([{ "const": "a" }]), a.clone(), b.clone()),
        one("oneOf", json!([{ "const": 1 }]), json!(1), json!(2)),
        one(
            "oneOf",
            json!([{ "maxItems": 1 }]),
            list.clone(),
            other.clone(),
        ),
        one(
            "oneOf",
            json!([p(json!({ "const": "a" }))]),
            object.clone(),
            object_b.clone(),
        ),
        sample(
            "if",
            json!({ "if": p(json!({ "const": "b" })), "then": p(json!({ "const": "a" })) }),
            object.clone(),
            object_b.clone(),
        ),
        sample(
            "if",
            json!({ "if": { "maxItems": 1 }, "else": { "maxItems": 0 } }),
            list.clone(),
            other.clone(),
        ),
        sample(
            "if",
            json!({ "if": { "const": "b" }, "then": { "const": "a" } }),
            a.clone(),
            b.clone(),
        ),
        one("minLength", json!(2.0), json!("ab"), a.clone()),
        one("maxLength", json!(1), a.clone(), json!("ab")),
        one("pattern", json!("^a$"), a.clone(), b.clone()),
        one("format", json!("date"), json!("2026-11-28"), b.clone()),
        one("minimum", json!(2), json!(2), json!(1)),
        one("maximum", json!(1), json!(1), json!(2)),
        one("exclusiveMinimum", json!(1), json!(2), json!(1)),
        one("exclusiveMaximum", json!(2), json!(1), json!(2)),
        one("multipleOf", json!(2), json!(2), json!(1)),
        one("minItems", json!(2.0), json!(["a", "b"]), list.clone()),
        one("maxItems", json!(1), list.clone(), other.clone()),
        one("uniqueItems", json!(true), list.clone(), json!(["a", "a"])),
        one(
            "contains",
            json!({ "const": "a" }),
            list.clone(),
            other.clone(),
        ),
        one(
            "prefixItems",
            json!([{ "const": "a" }]),
            list.clone(),
            other.clone(),
        ),
        sample(
            "unevaluatedItems",
            json!({ "prefixItems": [{ "const": "a" }], "unevaluatedItems": false }),
            list.clone(),
            json!(["a", "b"]),
        ),
        one("required", json!(["q"]), object_b.clone(), object.clone()),
        one("minProperties", json!(2), object_b.clone(), object.clone()),
        one("maxProperties", json!(1), object.clone(), object_b.clone()),
        one(
            "propertyNames",
            json!({ "maxLength": 1 }),
            object.clone(),
            json!({ "pp": "a" }),
        ),
        one(
            "dependentRequired",
            json!({ "q": ["p"] }),
            object_b.clone(),
            json!({ "q": "c" }),
        ),
        one(
            "dependentSchemas",
            json!({ "q": p(json!({ "const": "b" })) }),
            object_b.clone(),
            json!({ "p": "a", "q": "c" }),
        ),
        one(
            "patternProperties",
            json!({ "^p$": { "const": "a" } }),
            object.clone(),
            object_b.clone(),
        ),
        sample(
            "unevaluatedProperties",
            json!({ "patternProperties": { "^p$": true }, "unevaluatedProperties": false }),
            object.clone(),
            object_b.clone(),
        ),
    ]
}

/// Schemas of each shape; the values of the samples of its type can stand there.
fn shapes() -> Vec<(&'static str, Value)> {
    let property = json!({ "type": "string" });
    let properties = json!({ "p": property, "q": property, "pp": property });
    let atomic = |kind: &str| json!({ "type": kind, "x-indelible": { "merge": "atomic" } });
    vec![
        ("register", json!({ "type": "string" })),
        ("number", json!({ "type": "number" })),
        ("integer", json!({ "type": "integer" })),
        (
            "text",
            json!({ "type": "string", "x-indelible": { "merge": "text" } }),
        ),
        (
            "counter",
            json!({ "type": "integer", "x-indelible": { "merge": "counter" } }),
        ),
        ("list", json!({ "type": "array", "items": property })),
        (
            "object",
            json!({ "type": "object", "properties": properties }),
        ),
        (
            "map",
            json!({ "type": "object", "additionalProperties": property }),
        ),
        ("atomic list", atomic("array")),
        ("atomic object", atomic("object")),
        ("atomic string", atomic("string")),
    ]
}

/// A place that a schema can declare a field in.
struct Place {
    /// The schema around the field's.
    schema: Value,
    /// Where its demands are listed.
    pointer: &'static str,
    /// Makes the value around the field's.
    around: fn(&Value) -> Value,
}

fn places(field: &Value) -> Vec<Place> {
    let object = |properties: Value| json!({ "type": "object", "properties": properties });
    let place = |schema, pointer, around| Place {
        schema,
        pointer,
        around,
    };
    let keyed = json!({ "type": "array", "items": object(json!({ "x": field })) });
    let map = json!({ "type": "object", "additionalProperties": field });
    let list = json!({ "type": "array", "items": field });
    let plain = object(json!({ "x": field }));
    let added = json!({ "type": "object", "allOf": [plain] });
    let nested = object(json!({ "o": plain }));
    vec![
        place(plain, "/x", |x| json!({ "x": x })),
        place(nested, "/o/x", |x| json!({ "o": { "x": x } })),
        place(
            object(json!({ "k": keyed })),
            "/k/*/x",
            |x| json!({ "k": [{ "id": "i", "x": x }] }),
        ),
        place(
            object(json!({ "m": map })),
            "/m/*",
            |x| json!({ "m": { "y": x } }),
        ),
        place(
            object(json!({ "l": list })),
            "/l/*",
            |x| json!({ "l": [x] }),
        ),
        place(added, "/x", |x| json!({ "x": x })),
    ]
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        _ => "object",
    }
}

#[test]
fn every_constraint_that_is_taken_binds() {
    let mut taken = std::collections::BTreeMap::new();
    for (keyword, ..) in KEYWORDS {
        let known = samples().iter().any(|sample| sample.keyword == *keyword);
        let refused =
            super::mistakes(&super::field(json!({ "type": "string", *keyword: 1 })).to_string());
        let is_refused = refused.contains("cannot be used");
        assert!(
            known || is_refused || SILENT.contains(keyword),
            "{keyword} has no sample: does anything enforce it?"
        );
    }
    for sample in samples() {
        for (shape, schema) in shapes() {
            let declared = schema["type"]
                .as_str()
                .unwrap()
                .replace("integer", "number");
            if declared != type_name(&sample.good) {
                continue;
            }
            let mut field = schema.clone();
            for (keyword, value) in sample.with.as_object().unwrap() {
                field[keyword] = value.clone();
            }
            for place in places(&field) {
                let Place {
                    mut schema,
                    pointer,
                    around,
                } = place;
                schema["x-indelible"] = json!({ "kind": "k" });
                let Ok(policy) = schema::compile("k.json", &schema.to_string()) else {
                    continue;
                };
                let Sample {
                    keyword, good, bad, ..
                } = &sample;
                let name = format!("{keyword} on a {shape} at {pointer}");
                assert!(
                    policy.demands().iter().any(|demand| {
                        demand.pointer.to_string() == pointer && demand.keyword == *keyword
                    }),
                    "{name} is not listed"
                );
                let faults = policy.check_whole(&around(good));
                assert!(faults.is_empty(), "{name} refuses {good}: {faults:?}");
                let faults = policy.check_whole(&around(bad));
                assert!(!faults.is_empty(), "{name} takes {bad}");
                *taken.entry(*keyword).or_insert(0) += 1;
            }
        }
    }
    for sample in samples() {
        let taken = taken.get(sample.keyword).copied().unwrap_or(0);
        assert!(taken > 0, "{} is taken nowhere", sample.keyword);
    }
}

#[test]
fn schemas_that_are_true_or_false_add_up() {
    let good = json!({ "type": "string", "allOf": [true, { "maxLength": 3 }] });
    super::check(&super::field(good), &[]);
    let by_name = json!({
        "type": "object", "x-indelible": { "kind": "k" }, "$defs": { "any": true },
        "properties": { "x": { "type": "string", "$ref": "#/$defs/any" } },
    });
    super::check(&by_name, &[]);
    let never = json!({ "type": "string", "allOf": [false] });
    super::check(
        &super::field(never),
        &["/properties/x/allOf/0: false lets no value pass"],
    );
    super::check(
        &super::kind(json!({ "x": true })),
        &["/properties/x: say which type of value"],
    );
}
