//! Guards against patterns that are tried on strings of any length because the schema forgot to say
//! how long they may be, and against that bound taking hold of what was admitted without it.

use std::sync::Arc;

use indelible_engine::entity::Entity;
use indelible_engine::migration::migrate;
use indelible_engine::policy::{PATTERN_LENGTH_MAX, Policy, Rules};
use serde_json::{Value, json};

use crate::fixture::{NOW, compiled_under, created, refusals};

const MAX: usize = PATTERN_LENGTH_MAX as usize;

fn kind(rules: Rules, field: &Value) -> Arc<Policy> {
    let schema = json!({
        "$defs": { "word": { "pattern": "^[a-zü]*$" } },
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"] },
        "properties": { "x": field, "other": { "type": "string" } },
    });
    compiled_under(rules, &schema)
}

/// Keyword, bound and message of each thing that is wrong with a value of the field.
fn told(rules: Rules, field: &Value, value: &Value) -> Vec<String> {
    let faults = kind(rules, field).check_whole(&json!({ "x": value }));
    let told = faults.into_iter().map(|fault| {
        let bound = fault
            .bound
            .map_or_else(String::new, |bound| bound.to_string());
        format!("{} {} {bound}", fault.pointer, fault.keyword)
    });
    told.collect()
}

#[test]
fn a_string_that_a_pattern_is_tried_on_has_a_bound_where_none_is_stated() {
    let (most, more) = ("ü".repeat(MAX), "ü".repeat(MAX + 1));
    let word = json!({ "type": "string", "pattern": "^[a-zü]*$" });
    let text = json!({ "merge": "text" });
    let in_list = json!({ "type": "array", "items": word });
    let in_map = json!({ "type": "object", "additionalProperties": word });
    for (field, held, place) in [
        (word.clone(), json!(more), "/x"),
        (
            json!({ "type": "string", "$ref": "#/$defs/word" }),
            json!(more),
            "/x",
        ),
        (
            json!({ "type": "string", "anyOf": [{ "pattern": "^ü" }, { "pattern": "a$" }] }),
            json!(more),
            "/x",
        ),
        (
            json!({ "type": "string", "anyOf": [{ "$ref": "#/$defs/word" }] }),
            json!(more),
            "/x",
        ),
        (
            json!({ "type": "string", "not": { "allOf": [{ "pattern": "^a" }] } }),
            json!(more),
            "/x",
        ),
        (
            json!({ "type": "string", "pattern": "ü", "x-indelible": text }),
            json!(more),
            "/x",
        ),
        (in_list, json!([more]), "/x/0"),
        (in_map, json!({ "k": more }), "/x/k"),
    ] {
        let expected = [format!("{place} maxLength {MAX}")];
        assert_eq!(told(Rules::V4, &field, &held), expected, "{field}");
        assert_eq!(told(Rules::V3, &field, &held), [""; 0], "{field}");
        let shorter = held.to_string().replace(&more, &most);
        let shorter = serde_json::from_str(&shorter).unwrap();
        assert_eq!(told(Rules::V4, &field, &shorter), [""; 0], "{field}");
    }
}

#[test]
fn the_bound_holds_wherever_a_pattern_is_tried() {
    let (most, more) = ("ü".repeat(MAX), "ü".repeat(MAX + 1));
    let word = || json!({ "$ref": "#/$defs/word" });
    let atomic = |types: &str, keywords: Value| {
        let mut field = json!({ "type": types, "x-indelible": { "merge": "atomic" } });
        let keywords = keywords.as_object().unwrap().clone();
        field.as_object_mut().unwrap().extend(keywords);
        field
    };
    let object = |keywords: Value| atomic("object", keywords);
    let list = |keywords: Value| atomic("array", keywords);
    let keyed = json!({ "type": "array", "contains": { "properties": { "n": word() } },
                        "items": { "type": "object", "properties": { "n": { "type": "string" } } } });
    let item = json!([{ "id": "i", "n": more }]);
    for (field, held, told_at) in [
        (
            object(json!({ "properties": { "a": word() } })),
            json!({ "a": more }),
            "/x/a",
        ),
        (
            object(json!({ "additionalProperties": word() })),
            json!({ "b": more }),
            "/x/b",
        ),
        (
            object(json!({ "patternProperties": { "^b": word() } })),
            json!({ "b": more }),
            "/x/b",
        ),
        (
            object(json!({ "unevaluatedProperties": word() })),
            json!({ "b": more }),
            "/x/b",
        ),
        (
            object(
                json!({ "not": { "properties": { "a": { "pattern": "^b" } }, "required": ["a"] } }),
            ),
            json!({ "a": more }),
            "/x/a",
        ),
        (
            object(json!({ "dependentSchemas": { "a": { "properties": { "b": word() } } } })),
            json!({ "b": more }),
            "/x/b",
        ),
        (
            object(
                json!({ "if": { "properties": { "a": word() } }, "then": { "minProperties": 1 } }),
            ),
            json!({ "a": more }),
            "/x/a",
        ),
        (
            list(json!({ "items": { "items": word() } })),
            json!([[more]]),
            "/x/0/0",
        ),
        (
            list(json!({ "prefixItems": [true, word()] })),
            json!([1, more]),
            "/x/1",
        ),
        (
            list(json!({ "contains": word(), "minContains": 0 })),
            json!([1, more]),
            "/x/1",
        ),
        (
            list(json!({ "anyOf": [{ "items": word() }, { "maxItems": 9 }] })),
            json!([more]),
            "/x/0",
        ),
        (atomic("string", word()), json!(more), "/x"),
        (keyed, item, "/x/i/n"),
    ] {
        let expected = [format!("{told_at} maxLength {MAX}")];
        assert_eq!(told(Rules::V5, &field, &held), expected, "{field}");
        assert_eq!(told(Rules::V4, &field, &held), [""; 0], "{field}");
        let shorter = held.to_string().replace(&more, &most);
        let shorter = serde_json::from_str(&shorter).unwrap();
        assert_eq!(told(Rules::V5, &field, &shorter), [""; 0], "{field}");
    }
    let field = object(json!({ "propertyNames": { "pattern": "^ü" } }));
    let expected = [format!("/x propertyNames {MAX}")];
    assert_eq!(told(Rules::V5, &field, &json!({ more: 1 })), expected);
    assert_eq!(told(Rules::V5, &field, &json!({ most: 1 })), [""; 0]);
}

#[test]
fn what_the_schema_states_wins_wherever_a_pattern_is_tried() {
    let more = "a".repeat(MAX + 1);
    let atomic = |keywords: Value| {
        let mut field = json!({ "x-indelible": { "merge": "atomic" } });
        let keywords = keywords.as_object().unwrap().clone();
        field.as_object_mut().unwrap().extend(keywords);
        field
    };
    let long = || json!({ "pattern": "^a", "maxLength": 200_000 });
    for (field, held) in [
        (
            json!({ "type": "object", "properties": { "a": long() } }),
            json!({ "a": more }),
        ),
        (
            json!({ "type": "object", "properties": { "b": { "pattern": "^a" } } }),
            json!({ "a": more }),
        ),
        (
            json!({ "type": "object", "properties": { "a": { "pattern": "^a" } },
                 "allOf": [{ "properties": { "a": { "maxLength": 200_000 } } }] }),
            json!({ "a": more }),
        ),
        (
            json!({ "type": "array", "items": { "maxLength": 200_000 }, "contains": { "pattern": "^a" } }),
            json!([more]),
        ),
        (
            json!({ "type": "array", "items": long(), "contains": { "pattern": "a" } }),
            json!([more]),
        ),
        (
            json!({ "type": "array", "prefixItems": [{ "pattern": "^a" }] }),
            json!(["a", more]),
        ),
        (
            json!({ "type": "object", "properties": { "a": { "pattern": "^a" } }, "enum": [{ "a": more }] }),
            json!({ "a": more }),
        ),
        (
            json!({ "type": "object", "patternProperties": { "^b": { "pattern": "^a" } } }),
            json!({ "a": more }),
        ),
    ] {
        let field = atomic(field);
        assert_eq!(told(Rules::V5, &field, &held), [""; 0], "{field}");
    }
}

#[test]
fn the_bound_of_a_field_is_not_told_twice() {
    let more = json!("a".repeat(MAX + 1));
    let text = json!({ "merge": "text" });
    for field in [
        json!({ "type": "string", "pattern": "^a" }),
        json!({ "type": "string", "pattern": "^a", "x-indelible": text }),
    ] {
        let expected = [format!("/x maxLength {MAX}")];
        assert_eq!(told(Rules::V5, &field, &more), expected, "{field}");
    }
}

#[test]
fn a_string_in_a_value_that_is_longer_already_may_shrink_and_the_rest_be_edited() {
    let field = json!({ "type": "object", "x-indelible": { "merge": "atomic" },
                        "properties": { "a": { "pattern": "^a*$" } } });
    let held = |more: usize| json!({ "x": { "a": "a".repeat(MAX + more) } });
    let old = created(&kind(Rules::V4, &field), &held(10));
    let step = migrate(&old, &kind(Rules::V5, &field), NOW).unwrap();
    let entity = step.expect("other rules").into_parts().0;
    assert_eq!(refused(&entity, &json!({ "other": "b" })), [""; 0]);
    assert_eq!(refused(&entity, &held(9)), [""; 0]);
    let longer = [format!("/x/a maxLength Some(Number({MAX}))")];
    assert_eq!(refused(&entity, &held(11)), longer);
}

#[test]
fn what_the_schema_states_wins() {
    let more = json!("a".repeat(MAX + 1));
    for field in [
        json!({ "type": "string" }),
        json!({ "type": "string", "pattern": "^a", "maxLength": 200_000 }),
        json!({ "type": "string", "allOf": [{ "pattern": "^a" }, { "maxLength": 200_000 }] }),
        json!({ "type": "string", "anyOf": [{ "pattern": "^a", "maxLength": 200_000 }] }),
        json!({ "type": "string", "maxLength": 200_000, "anyOf": [{ "pattern": "^a" }] }),
        json!({ "enum": ["a".repeat(MAX + 1)], "type": "string", "pattern": "^a" }),
    ] {
        assert_eq!(told(Rules::V4, &field, &more), [""; 0], "{field}");
    }
}

/// What of a body is refused.
fn refused(entity: &Entity, body: &Value) -> Vec<String> {
    refusals(entity, body)
        .iter()
        .map(|one| format!("{} {} {:?}", one.pointer, one.rule.code(), one.bound))
        .collect()
}

#[test]
fn a_text_that_is_longer_already_may_shrink_and_the_rest_be_edited() {
    let text = json!({ "type": "string", "pattern": "^a*$", "x-indelible": { "merge": "text" } });
    let old = created(
        &kind(Rules::V3, &text),
        &json!({ "x": "a".repeat(MAX + 10) }),
    );
    let step = migrate(&old, &kind(Rules::V4, &text), NOW).unwrap();
    let entity = step.expect("other rules").into_parts().0;
    assert_eq!(refused(&entity, &json!({ "other": "b" })), [""; 0]);
    assert_eq!(
        refused(&entity, &json!({ "x": "a".repeat(MAX + 9) })),
        [""; 0]
    );
    let longer = [format!("/x maxLength Some(Number({MAX}))")];
    assert_eq!(
        refused(&entity, &json!({ "x": "a".repeat(MAX + 11) })),
        longer
    );
    // A value that is too long is checked for other faults, too.
    let other = refused(&entity, &json!({ "x": format!("{}b", "a".repeat(MAX)) }));
    assert_eq!(other, [r#"/x pattern Some(String("^a*$"))"#]);
}
