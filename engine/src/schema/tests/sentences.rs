//! Guards against a refusal that does not say which field it is about or what would be right, and
//! against a keyword that loads and is never enforced: every keyword that constrains is broken
//! here, at every place where it may stand.

use serde_json::{Value, json};

mod rows;

use self::rows::{Row, rows};
use super::super::vocabulary::KEYWORDS;
use crate::policy::Fault;
use crate::schema;
use crate::violation::sentence;

/// Keywords that constrain nothing by themselves.
const SILENT: [&str; 17] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "deprecated",
    "description",
    "examples",
    "if",
    "readOnly",
    "title",
    "x-indelible",
    // They are broken by what is in them.
    "$ref",
    "allOf",
    "items",
];

/// The schema of an entity that has one at a place, and a value of it: at the root, in a field, in
/// an item, in an open map and in a list, as far as it may stand there.
fn places(row: &Row) -> Vec<(Value, Value, String)> {
    let (schema, value) = (&row.schema, &row.value);
    let entity = |keywords: Value| {
        let mut entity = json!({ "type": "object", "x-indelible": { "kind": "k" } });
        entity
            .as_object_mut()
            .unwrap()
            .extend(keywords.as_object().unwrap().clone());
        entity
    };
    let in_fields = |name: &str, inner: Value| entity(json!({ "properties": { name: inner } }));
    let is_atomic = schema.get("x-indelible").is_some();
    let is_object = schema["type"] == "object";
    let is_scalar = !is_object && schema["type"] != "array";
    let map = json!({ "type": "object", "additionalProperties": schema });
    let items =
        json!({ "type": "array", "items": { "type": "object", "properties": { "x": schema } } });
    let mut places = vec![
        (
            in_fields("x", schema.clone()),
            json!({ "x": value }),
            "/x".to_owned(),
        ),
        (
            in_fields("rows", items),
            json!({ "rows": [{ "id": "i", "x": value }] }),
            "/rows/i/x".to_owned(),
        ),
    ];
    if is_scalar || is_object || is_atomic {
        places.push((
            in_fields("map", map),
            json!({ "map": { "k": value } }),
            "/map/k".to_owned(),
        ));
    }
    if is_scalar {
        let list = json!({ "type": "array", "items": schema });
        places.push((
            in_fields("tags", list),
            json!({ "tags": [value] }),
            "/tags/0".to_owned(),
        ));
    }
    if is_object && !is_atomic && value.is_object() {
        places.push((entity(schema.clone()), value.clone(), String::new()));
        let rows = json!({ "type": "array", "items": schema });
        let mut item = value.clone();
        item["id"] = json!("i");
        places.push((
            in_fields("rows", rows),
            json!({ "rows": [item] }),
            "/rows/i".to_owned(),
        ));
    }
    places
}

fn broken(schema: &Value, value: &Value) -> Vec<Fault> {
    let policy = schema::compile("k.json", &schema.to_string())
        .unwrap_or_else(|errors| panic!("{schema}: {errors:?}"));
    policy.check_whole(value)
}

#[test]
fn every_keyword_can_be_broken_and_says_where_and_what() {
    for row in rows() {
        for (schema, value, at) in places(&row) {
            let faults = broken(&schema, &value);
            let [fault] = &faults[..] else {
                panic!("{schema} {value}: {faults:?}");
            };
            let at = format!("{at}{}", row.inside);
            let bound = fault.bound.clone().unwrap_or_default();
            assert_eq!(
                (
                    fault.pointer.to_string(),
                    &*fault.keyword,
                    &*fault.message,
                    &bound
                ),
                (at.clone(), row.rule, row.message, &row.bound),
                "{schema}"
            );
            let name = match at.strip_prefix('/') {
                None => "the entity",
                Some(name) if !name.contains('/') => name,
                Some(_) => &at,
            };
            assert_eq!(
                sentence(&fault.pointer, &fault.message),
                format!("{name} {}", row.message)
            );
        }
    }
}

#[test]
fn every_keyword_that_constrains_is_among_them() {
    let rows = rows();
    for (keyword, form, _) in KEYWORDS {
        if matches!(form, super::super::vocabulary::Form::Refused(_)) {
            continue;
        }
        let is_tried = rows.iter().any(|row| row.tried == *keyword);
        assert_ne!(is_tried, SILENT.contains(keyword), "{keyword}");
    }
}

#[test]
fn what_is_in_a_reference_or_a_list_is_broken_too() {
    for (schema, value, said) in [
        (
            json!({ "$ref": "#/$defs/d" }),
            json!("abc"),
            "x must have at most 2 characters",
        ),
        (
            json!({ "allOf": [{ "$ref": "#/$defs/d" }] }),
            json!("abc"),
            "x must have at most 2 characters",
        ),
        (
            json!({ "type": "array", "items": { "$ref": "#/$defs/d" } }),
            json!(["abc"]),
            "/x/0 must have at most 2 characters",
        ),
        (
            json!({ "type": "string", "not": { "$ref": "#/$defs/d" } }),
            json!("ab"),
            "x must not satisfy {\"$ref\":\"#/$defs/d\"}",
        ),
        (
            json!({ "type": "array", "items": { "type": "string" }, "allOf": [{ "$ref": "#/$defs/e" }] }),
            json!(["b"]),
            "x must have at least 2 items equal to \"a\"",
        ),
    ] {
        let schema = json!({ "type": "object", "x-indelible": { "kind": "k" },
            "$defs": {
                "d": { "type": "string", "maxLength": 2 },
                "e": { "contains": { "const": "a" }, "minContains": 2 } },
            "properties": { "x": schema } });
        let faults = broken(&schema, &json!({ "x": value }));
        let found: Vec<String> = faults
            .iter()
            .map(|f| sentence(&f.pointer, &f.message))
            .collect();
        assert_eq!(found, [said], "{schema}");
    }
}
