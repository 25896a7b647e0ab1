//! Keywords, values that break them, and what is said of that.

use serde_json::{Value, json};

/// One way to break one keyword.
pub(super) struct Row {
    /// The keyword that is tried.
    pub(super) tried: &'static str,
    pub(super) schema: Value,
    pub(super) value: Value,
    /// The rule that is broken, and what is said of it.
    pub(super) rule: &'static str,
    pub(super) message: &'static str,
    pub(super) bound: Value,
    /// Where in the value the fault is.
    pub(super) inside: &'static str,
}

#[allow(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn rows() -> Vec<Row> {
    let row =
        |tried: &'static str, schema: Value, value: Value, message: &'static str, bound: Value| {
            Row {
                tried,
                schema,
                value,
                rule: tried,
                message,
                bound,
                inside: "",
            }
        };
    let of = |kind: &str, keyword: &str, bound: Value| json!({ "type": kind, keyword: bound });
    let list = |keywords: Value| {
        let mut schema = json!({ "type": "array", "items": { "type": "integer" } });
        schema
            .as_object_mut()
            .unwrap()
            .extend(keywords.as_object().unwrap().clone());
        schema
    };
    let object = |keywords: Value| {
        let mut schema = json!({ "type": "object", "properties": {
            "a": { "type": "integer" }, "b": { "type": "integer" } } });
        schema
            .as_object_mut()
            .unwrap()
            .extend(keywords.as_object().unwrap().clone());
        schema
    };
    let atomic = |keywords: Value| {
        let mut schema = json!({ "type": "object", "x-indelible": { "merge": "atomic" } });
        schema
            .as_object_mut()
            .unwrap()
            .extend(keywords.as_object().unwrap().clone());
        schema
    };
    let any = json!(null);
    vec![
        row(
            "type",
            json!({ "type": ["string", "null"] }),
            json!(1),
            "must be a string or null",
            json!(["string", "null"]),
        ),
        row(
            "type",
            list(json!({})),
            json!("a"),
            "must be a list of values",
            json!(["array"]),
        ),
        row(
            "type",
            object(json!({})),
            json!("a"),
            "must be an object",
            json!(["object"]),
        ),
        row(
            "enum",
            of("string", "enum", json!(["a", "b"])),
            json!("c"),
            "must be one of \"a\", \"b\"",
            json!(["a", "b"]),
        ),
        row(
            "enum",
            list(json!({ "enum": [[1.0], [2]] })),
            json!([3]),
            "must be one of [1], [2]",
            json!([[1], [2]]),
        ),
        row(
            "const",
            of("number", "const", json!(10.0)),
            json!(3),
            "must be 10",
            json!(10),
        ),
        row(
            "const",
            object(json!({ "const": { "a": 1.0 } })),
            json!({ "a": 2 }),
            "must be {\"a\":1}",
            json!({ "a": 1 }),
        ),
        row(
            "minimum",
            of("number", "minimum", json!(10.0)),
            json!(9),
            "must be 10 or more",
            json!(10),
        ),
        row(
            "maximum",
            of("number", "maximum", json!(1.5e3)),
            json!(1501),
            "must be 1500 or less",
            json!(1500),
        ),
        row(
            "exclusiveMinimum",
            of("number", "exclusiveMinimum", json!(0.0)),
            json!(0),
            "must be more than 0",
            json!(0),
        ),
        row(
            "exclusiveMaximum",
            of("number", "exclusiveMaximum", json!(9.0)),
            json!(9),
            "must be less than 9",
            json!(9),
        ),
        row(
            "multipleOf",
            of("number", "multipleOf", json!(2.0)),
            json!(3),
            "must be a multiple of 2",
            json!(2),
        ),
        row(
            "minLength",
            of("string", "minLength", json!(2.0)),
            json!("a"),
            "must have 2 characters or more",
            json!(2),
        ),
        row(
            "maxLength",
            of("string", "maxLength", json!(2.0)),
            json!("abc"),
            "must have at most 2 characters",
            json!(2),
        ),
        row(
            "pattern",
            of("string", "pattern", json!("^a$")),
            json!("b"),
            "must match the pattern ^a$",
            json!("^a$"),
        ),
        row(
            "format",
            of("string", "format", json!("date")),
            json!("b"),
            "must be a date such as 2026-02-03",
            json!("date"),
        ),
        row(
            "minItems",
            list(json!({ "minItems": 1.0 })),
            json!([]),
            "must not be empty",
            json!(1),
        ),
        row(
            "maxItems",
            list(json!({ "maxItems": 2.0 })),
            json!([1, 2, 3]),
            "must have at most 2 items",
            json!(2),
        ),
        row(
            "uniqueItems",
            list(json!({ "uniqueItems": true })),
            json!([1, 1]),
            "must not hold the same value twice",
            json!(true),
        ),
        row(
            "contains",
            list(json!({ "contains": { "const": 1 } })),
            json!([2]),
            "must have at least 1 item equal to 1",
            json!(1),
        ),
        row(
            "minContains",
            list(json!({ "contains": { "const": 1 }, "minContains": 2.0 })),
            json!([1]),
            "must have at least 2 items equal to 1",
            json!(2),
        ),
        row(
            "maxContains",
            list(json!({ "contains": { "const": 1 }, "maxContains": 1.0 })),
            json!([1, 1]),
            "must have at most 1 item equal to 1",
            json!(1),
        ),
        row(
            "minContains",
            list(json!({ "contains": { "const": 1 }, "minContains": 2, "maxContains": 3 })),
            json!([1]),
            "must have at least 2 items equal to 1",
            json!(2),
        ),
        row(
            "maxContains",
            list(json!({ "contains": { "const": 1 }, "minContains": 2, "maxContains": 3 })),
            json!([1, 1, 1, 1]),
            "must have at most 3 items equal to 1",
            json!(3),
        ),
        row(
            "contains",
            list(json!({ "contains": { "minimum": 1, "maximum": 2 } })),
            json!([5]),
            "must have at least 1 item satisfying {\"maximum\":2,\"minimum\":1}",
            json!(1),
        ),
        row(
            "type",
            json!({ "type": "integer" }),
            json!(9_007_199_254_740_992_i64),
            "must be an integer between -9007199254740991 and 9007199254740991",
            json!({ "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64 }),
        ),
        Row {
            inside: "/a",
            ..row(
                "required",
                object(json!({ "required": ["a"] })),
                json!({ "b": 1 }),
                "is required",
                any.clone(),
            )
        },
        Row {
            inside: "/b",
            rule: "required",
            ..row(
                "dependentRequired",
                object(json!({ "dependentRequired": { "a": ["b"] } })),
                json!({ "a": 1 }),
                "is required where a is given",
                json!(["a"]),
            )
        },
        row(
            "dependentSchemas",
            object(json!({ "dependentSchemas": { "a": false } })),
            json!({ "a": 1 }),
            "must not have the property \"a\"",
            json!(false),
        ),
        Row {
            rule: "minProperties",
            ..row(
                "dependentSchemas",
                object(json!({ "dependentSchemas": { "a": { "minProperties": 2 } } })),
                json!({ "a": 1 }),
                "must have 2 properties or more",
                json!(2),
            )
        },
        row(
            "minProperties",
            object(json!({ "minProperties": 1.0 })),
            json!({}),
            "must have 1 property or more",
            json!(1),
        ),
        row(
            "maxProperties",
            object(json!({ "maxProperties": 1.0 })),
            json!({ "a": 1, "b": 1 }),
            "must have at most 1 property",
            json!(1),
        ),
        row(
            "propertyNames",
            json!({ "type": "object", "additionalProperties": { "type": "integer" }, "propertyNames": { "maxLength": 2.0 } }),
            json!({ "abc": 1 }),
            "must not have the property \"abc\": the name must have at most 2 characters",
            json!({ "maxLength": 2 }),
        ),
        row(
            "propertyNames",
            atomic(json!({ "propertyNames": false })),
            json!({ "abc": 1 }),
            "must have no properties",
            json!(false),
        ),
        row(
            "anyOf",
            json!({ "type": "integer", "anyOf": [{ "const": 1 }, { "minimum": 5.0 }] }),
            json!(2),
            "must satisfy one of 2 alternatives: must be 1; or must be 5 or more",
            json!(2),
        ),
        row(
            "anyOf",
            object(json!({ "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] })),
            json!({}),
            "must satisfy one of 2 alternatives: a is required; or b is required",
            json!(2),
        ),
        row(
            "anyOf",
            json!({ "type": "integer", "anyOf": [{ "const": 1 }, { "const": 2 }, { "const": 3 },
                { "const": 4 }, { "const": 5 }, { "const": 6 }] }),
            json!(7),
            "must satisfy one of 6 alternatives: must be 1; or must be 2; or must be 3; or must be 4; \
             or one of 2 more",
            json!(6),
        ),
        row(
            "propertyNames",
            json!({ "type": "object", "additionalProperties": { "type": "integer" },
                "propertyNames": { "anyOf": [{ "const": "a" }, { "const": "b" }] } }),
            json!({ "abc": 1 }),
            "must not have the property \"abc\": the name must satisfy one of 2 alternatives: must be \
             \"a\"; or must be \"b\"",
            json!({ "anyOf": 2 }),
        ),
        row(
            "propertyNames",
            json!({ "type": "object", "additionalProperties": { "type": "integer" },
                "propertyNames": { "not": { "const": "abc" } } }),
            json!({ "abc": 1 }),
            "must not have the property \"abc\": the name must not be \"abc\"",
            json!({ "not": { "const": "abc" } }),
        ),
        row(
            "oneOf",
            json!({ "type": "integer", "oneOf": [{ "const": 1 }, { "minimum": 5 }] }),
            json!(2),
            "must satisfy one of 2 alternatives: must be 1; or must be 5 or more",
            json!(2),
        ),
        row(
            "oneOf",
            json!({ "type": "integer", "oneOf": [{ "maximum": 9 }, { "minimum": 5 }] }),
            json!(7),
            "must satisfy one of the 2 alternatives and no other, and satisfies the alternatives 1 and 2",
            json!(2),
        ),
        row(
            "not",
            of("string", "not", json!({ "const": "x" })),
            json!("x"),
            "must not be \"x\"",
            json!({ "const": "x" }),
        ),
        row(
            "not",
            of("string", "not", json!({ "enum": ["x", "y"] })),
            json!("x"),
            "must not be one of \"x\", \"y\"",
            json!({ "enum": ["x", "y"] }),
        ),
        row(
            "not",
            of("string", "not", json!({ "pattern": "^x" })),
            json!("xy"),
            "must not match the pattern ^x",
            json!({ "pattern": "^x" }),
        ),
        row(
            "not",
            object(json!({ "not": { "required": ["a", "b"] } })),
            json!({ "a": 1, "b": 1 }),
            "must not have a and b",
            json!({ "required": ["a", "b"] }),
        ),
        row(
            "not",
            of("integer", "not", json!({ "minimum": 3, "maximum": 5 })),
            json!(4),
            "must not satisfy {\"maximum\":5,\"minimum\":3}",
            json!({ "maximum": 5, "minimum": 3 }),
        ),
        row(
            "then",
            json!({ "type": "integer", "if": { "minimum": 3 }, "then": false }),
            json!(4),
            "must not satisfy {\"minimum\":3}",
            json!(false),
        ),
        row(
            "else",
            json!({ "type": "integer", "if": { "minimum": 3 }, "else": false }),
            json!(2),
            "must satisfy {\"minimum\":3}",
            json!(false),
        ),
        Row {
            rule: "maximum",
            ..row(
                "then",
                json!({ "type": "integer", "if": { "minimum": 3 }, "then": { "maximum": 5 } }),
                json!(7),
                "must be 5 or less",
                json!(5),
            )
        },
        Row {
            inside: "/a",
            ..row(
                "properties",
                object(
                    json!({ "if": { "required": ["b"] }, "then": { "properties": { "a": false } } }),
                ),
                json!({ "a": 1, "b": 1 }),
                "must not be there",
                json!(false),
            )
        },
        Row {
            inside: "/c",
            ..row(
                "patternProperties",
                atomic(json!({ "patternProperties": { "^c$": false } })),
                json!({ "c": 1 }),
                "must not be there: its name matches the pattern ^c$",
                json!(false),
            )
        },
        row(
            "additionalProperties",
            atomic(json!({ "additionalProperties": false })),
            json!({ "c": 1 }),
            "must have no properties",
            json!(false),
        ),
        row(
            "unevaluatedProperties",
            atomic(json!({ "unevaluatedProperties": false })),
            json!({ "c": 1 }),
            "must not have the property \"c\"",
            any.clone(),
        ),
        row(
            "unevaluatedItems",
            json!({ "type": "array", "x-indelible": { "merge": "atomic" }, "unevaluatedItems": false }),
            json!([1]),
            "must not have the item 1",
            any.clone(),
        ),
        row(
            "unevaluatedItems",
            json!({ "type": "array", "x-indelible": { "merge": "atomic" },
                "prefixItems": [{ "type": "integer" }], "unevaluatedItems": { "type": "string" } }),
            json!([1, "a", 2, null]),
            "must not have the items 2, null",
            any.clone(),
        ),
        Row {
            inside: "/0",
            ..row(
                "prefixItems",
                json!({ "type": "array", "x-indelible": { "merge": "atomic" }, "prefixItems": [false] }),
                json!([1]),
                "must not be there",
                json!(false),
            )
        },
    ]
}
