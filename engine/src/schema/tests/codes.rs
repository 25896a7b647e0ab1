//! Guards against a code that no mistake has, or that mistakes of another sort have.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{field, keyed, kind};
use crate::schema::{self, Mistake, SchemaSource};

fn codes(texts: &[String]) -> Vec<&'static str> {
    let sources: Vec<SchemaSource> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| SchemaSource::new(format!("{index}.json"), text))
        .collect();
    let (_, errors) = schema::compile_valid(&sources);
    errors.iter().map(|error| error.mistake.code()).collect()
}

/// Files with one mistake each, by its code.
fn examples() -> Vec<(&'static str, Vec<String>)> {
    let text = |x: Value| vec![x.to_string()];
    let string = |words: Value| text(field(json!({ "type": "string", "x-indelible": words })));
    let good = field(json!({ "type": "string" })).to_string();
    let guarded = json!({
        "type": "object", "x-indelible": { "write": ["a"] },
        "properties": { "y": { "type": "string", "x-indelible": { "write": ["a", "b"] } } }
    });
    let many: Value = (0..300).map(|_| json!({ "type": "string" })).collect();
    let blind = json!({
        "type": "object", "x-indelible": { "kind": "k", "create": ["a"] },
        "properties": { "x": { "type": "string", "x-indelible": { "unique": true } } }
    });
    vec![
        ("json", vec!["{".to_owned()]),
        (
            "json",
            vec![r#"{"type": "object", "type": "object"}"#.to_owned()],
        ),
        ("kind", text(json!({ "type": "object" }))),
        ("kind", vec![good.clone(), good]),
        (
            "value",
            text(field(json!({ "type": "string", "maxLength": -1 }))),
        ),
        (
            "value",
            text(field(json!({ "type": "string", "pattern": "(" }))),
        ),
        ("value", string(json!({ "read": "public" }))),
        (
            "unknown-keyword",
            text(field(json!({ "type": "string", "minlength": 1 }))),
        ),
        ("unknown-word", string(json!({ "uniqe": true }))),
        (
            "unsupported",
            text(field(json!({ "type": "string", "nullable": true }))),
        ),
        (
            "misplaced",
            text(field(json!({ "type": "string", "minimum": 1 }))),
        ),
        (
            "misplaced",
            text(keyed(json!({ "type": "object", "properties": {
            "n": { "type": "string", "x-indelible": { "unique": true } } } }))),
        ),
        (
            "reference",
            text(field(json!({ "type": "string", "$ref": "#/$defs/no" }))),
        ),
        ("type", text(field(json!({ "minLength": 1 })))),
        (
            "type",
            text(keyed(
                json!({ "type": "array", "items": { "type": "string" } }),
            )),
        ),
        (
            "merge",
            text(field(
                json!({ "type": "object", "x-indelible": { "merge": "text" } }),
            )),
        ),
        (
            "default",
            text(field(json!({ "type": "string", "default": 1 }))),
        ),
        ("name", text(kind(json!({ "$x": { "type": "string" } })))),
        (
            "undeclared",
            text(json!({ "type": "object", "x-indelible": { "kind": "k" },
            "required": ["y"], "properties": { "x": { "type": "string" } } })),
        ),
        (
            "additional",
            text(field(
                json!({ "type": "object", "additionalProperties": true }),
            )),
        ),
        (
            "derived",
            text(field(json!({ "type": "string", "minLength": 1,
            "x-indelible": { "stamp": "created-by" } }))),
        ),
        ("widens", text(field(guarded))),
        (
            "contradiction",
            text(field(
                json!({ "type": "string", "minLength": 3, "maxLength": 2 }),
            )),
        ),
        (
            "contradiction",
            text(field(json!({ "type": "string", "enum": ["a", 1] }))),
        ),
        (
            "was",
            text(kind(json!({ "x": { "type": "string" },
            "y": { "type": "string", "x-indelible": { "was": "x" } } }))),
        ),
        (
            "unique",
            text(field(json!({ "type": "string", "default": "d",
            "x-indelible": { "unique": true } }))),
        ),
        ("unique", text(blind)),
        ("size", text(field(json!({ "allOf": many })))),
    ]
}

#[test]
fn every_code_has_its_mistakes() {
    let mut met = BTreeSet::new();
    let mut others = Vec::new();
    for (code, files) in examples() {
        let found = codes(&files);
        if found != [code] {
            others.push((code, found, files));
        }
        met.insert(code);
    }
    assert!(others.is_empty(), "{others:#?}");
    // Content is no part of schemas.
    met.insert(Mistake::Content.code());
    let all: BTreeSet<&str> = Mistake::ALL.iter().map(|mistake| mistake.code()).collect();
    assert_eq!(met, all);
}
