//! Guards against programs that have to read a bound out of a sentence: whatever keyword a value
//! breaks, the fault has what the schema states with it as data.

use indelible_engine::schema;
use serde_json::{Value, json};

/// The keyword that a value of `/x` breaks, and what is said to be stated with it.
fn broken(schema: &Value, value: Value) -> (String, Option<Value>) {
    let text = json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "read": ["public"], "edit": ["editor"] },
        "properties": { "x": schema },
    });
    let policy = schema::compile("thing.json", &text.to_string())
        .unwrap_or_else(|errors| panic!("{schema}: {errors:?}"));
    let mut faults = policy.check_whole(&json!({ "x": value }));
    assert_eq!(faults.len(), 1, "{schema}: {faults:?}");
    let fault = faults.remove(0);
    (fault.keyword.into_owned(), fault.bound)
}

#[test]
fn what_the_schema_states_is_there_as_data() {
    let text = |keyword: &str, bound: Value| json!({ "type": "string", keyword: bound });
    let number = |keyword: &str, bound: Value| json!({ "type": "number", keyword: bound });
    let list = |keyword: &str, bound: Value| json!({ "type": "array", "items": { "type": "integer" }, keyword: bound });
    let map = |keyword: &str, bound: Value| json!({ "type": "object", "additionalProperties": { "type": "integer" }, keyword: bound });
    let atomic = |keyword: &str, bound: Value| json!({ "type": "object", "x-indelible": { "merge": "atomic" }, keyword: bound });
    for (schema, value, keyword, bound) in [
        (
            text("minLength", json!(1)),
            json!(""),
            "minLength",
            json!(1),
        ),
        (
            text("maxLength", json!(2)),
            json!("abc"),
            "maxLength",
            json!(2),
        ),
        (
            text("pattern", json!("^a$")),
            json!("b"),
            "pattern",
            json!("^a$"),
        ),
        (
            text("format", json!("date")),
            json!("b"),
            "format",
            json!("date"),
        ),
        (
            text("enum", json!(["a", "b"])),
            json!("c"),
            "enum",
            json!(["a", "b"]),
        ),
        (text("const", json!("a")), json!("b"), "const", json!("a")),
        (
            number("minimum", json!(-1.5)),
            json!(-2),
            "minimum",
            json!(-1.5),
        ),
        (number("maximum", json!(5)), json!(6), "maximum", json!(5)),
        (
            number("exclusiveMinimum", json!(0)),
            json!(0),
            "exclusiveMinimum",
            json!(0),
        ),
        (
            number("exclusiveMaximum", json!(9)),
            json!(9),
            "exclusiveMaximum",
            json!(9),
        ),
        (
            number("multipleOf", json!(0.5)),
            json!(0.7),
            "multipleOf",
            json!(0.5),
        ),
        (
            json!({ "type": ["string", "null"] }),
            json!(7),
            "type",
            json!(["string", "null"]),
        ),
        (list("minItems", json!(1)), json!([]), "minItems", json!(1)),
        (
            list("maxItems", json!(1)),
            json!([1, 2]),
            "maxItems",
            json!(1),
        ),
        (
            list("uniqueItems", json!(true)),
            json!([1, 1]),
            "uniqueItems",
            json!(true),
        ),
        (
            map("minProperties", json!(1)),
            json!({}),
            "minProperties",
            json!(1),
        ),
        (
            map("maxProperties", json!(1)),
            json!({ "a": 1, "b": 2 }),
            "maxProperties",
            json!(1),
        ),
        (
            atomic("const", json!({ "a": 1 })),
            json!({ "a": 3 }),
            "const",
            json!({ "a": 1 }),
        ),
        (
            atomic("enum", json!([{ "a": 1 }, {}])),
            json!({ "a": 3 }),
            "enum",
            json!([{ "a": 1 }, {}]),
        ),
        // The same where a condition states it.
        (
            json!({ "type": "string", "allOf": [{ "maxLength": 2 }] }),
            json!("abc"),
            "maxLength",
            json!(2),
        ),
    ] {
        let expected = (keyword.to_owned(), Some(bound));
        assert_eq!(broken(&schema, value), expected, "{schema}");
    }
}

#[test]
fn what_states_nothing_has_no_bound() {
    let schema =
        json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } } });
    assert_eq!(broken(&schema, json!({})), ("required".to_owned(), None));
}
