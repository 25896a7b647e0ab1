//! Guards against an entity whose old fault lets new ones pass: once a stricter schema has made it
//! faulty it can be edited, and nothing in it may become worse.

use std::sync::Arc;

use indelible_engine::entity::Entity;
use indelible_engine::migration::migrate;
use indelible_engine::policy::{Policy, Rules};
use serde_json::{Value, json};

use crate::fixture::{NOW, compiled_under, created, refusals};

fn kind(rules: Rules, strict: bool) -> Arc<Policy> {
    let is = |name: &str| json!({ "not": { "properties": { name: { "const": 1 } }, "required": [name] } });
    let with = |mut field: Value, more: Value| {
        let more = more.as_object().unwrap().clone().into_iter();
        field
            .as_object_mut()
            .unwrap()
            .extend(more.filter(|_| strict));
        field
    };
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let text = json!({ "type": "string", "x-indelible": { "merge": "text" } });
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"] },
        "properties": {
            "title": { "type": "string" }, "a": { "type": "integer" }, "b": { "type": "integer" },
            "few": with(list.clone(), json!({ "maxItems": 2 })),
            "many": with(list.clone(), json!({ "minItems": 3 })),
            "both": with(list, json!({ "allOf": [
                { "contains": { "const": "x" } }, { "contains": { "const": "y" } }] })),
            "short": with(text.clone(), json!({ "maxLength": 3 })),
            "word": with(text, json!({ "pattern": "^a", "allOf": [{ "pattern": "z$" }] })),
            "any": with(
                json!({ "type": "object", "x-indelible": { "merge": "atomic" } }),
                json!({ "properties": { "k": true }, "additionalProperties": false }),
            ),
        },
    });
    compiled_under(rules, &with(schema, json!({ "allOf": [is("a"), is("b")] })))
}

fn faulty(rules: Rules) -> Entity {
    let value = json!({
        "title": "T", "a": 1, "b": 2, "few": ["1", "2", "3", "4"], "many": ["1", "2"],
        "both": ["y"], "short": "abcdef", "word": "bz", "any": { "p": 1, "q": 1 },
    });
    let before = created(&kind(rules, false), &value);
    let step = migrate(&before, &kind(rules, true), NOW).unwrap();
    step.expect("it is another schema").into_parts().0
}

/// What an edit is refused for.
fn refused(entity: &Entity, body: &Value) -> Vec<String> {
    let refusals = refusals(entity, body);
    let told = refusals
        .iter()
        .map(|one| format!("{} {}", one.pointer, one.rule.code()));
    let mut told: Vec<String> = told.collect();
    told.dedup();
    told
}

#[test]
fn what_becomes_no_worse_is_admitted() {
    let entity = faulty(Rules::LATEST);
    for body in [
        json!({ "title": "U" }),
        json!({ "few": ["1", "2", "3"] }),
        json!({ "few": ["a", "b", "c", "d"] }),
        json!({ "many": ["3", "4"] }),
        json!({ "both": ["z", "y"] }),
        json!({ "short": "abcde" }),
        json!({ "word": "bbz" }),
        json!({ "any": { "k": 1, "q": 2 } }),
        json!({ "a": 2 }),
    ] {
        assert_eq!(refused(&entity, &body), [""; 0], "{body}");
    }
}

#[test]
fn a_new_fault_of_the_same_keyword_and_place_is_refused() {
    let now = faulty(Rules::LATEST);
    for (body, told) in [
        (json!({ "b": 1 }), " not"),
        (json!({ "few": ["1", "2", "3", "4", "5"] }), "/few maxItems"),
        (json!({ "many": ["1"] }), "/many minItems"),
        (json!({ "both": ["z"] }), "/both contains"),
        (json!({ "short": "abcdefg" }), "/short maxLength"),
        (json!({ "word": "b" }), "/word pattern"),
        (
            json!({ "any": { "p": 1, "r": 1 } }),
            "/any additionalProperties",
        ),
    ] {
        assert_eq!(refused(&now, &body), [told], "{body}");
        // As they were judged under the rules of then, entries verify for ever.
        assert_eq!(refused(&faulty(Rules::V2), &body), [""; 0], "{body}");
    }
}

#[test]
fn a_list_whose_elements_were_faulty_before_can_be_edited() {
    let kind = |strict: bool| {
        let mut items = json!({ "type": "string" });
        if strict {
            items["maxLength"] = json!(2);
            items["not"] = json!({ "const": "x" });
        }
        let list = json!({ "type": "array", "items": items });
        let mut once = list.clone();
        once["uniqueItems"] = json!(true);
        let schema = json!({
            "type": "object",
            "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                             "edit": ["editor"] },
            "properties": { "many": list.clone(), "once": once, "odd": list },
        });
        compiled_under(Rules::LATEST, &schema)
    };
    let value = json!({ "many": ["long", "a", "long"], "once": ["long", "a"], "odd": ["x", "a"] });
    let before = created(&kind(false), &value);
    let step = migrate(&before, &kind(true), NOW).unwrap();
    let entity = step.expect("it is another schema").into_parts().0;
    for (list, body, told) in [
        ("many", json!(["long", "a", "long", "b"]), None),
        ("many", json!(["b", "long", "a", "long"]), None),
        ("many", json!(["long", "long"]), None),
        ("many", json!(["long", "a", "b"]), None),
        (
            "many",
            json!(["long", "a", "long", "other"]),
            Some("/many/3 maxLength"),
        ),
        (
            "many",
            json!(["long", "a", "long", "long"]),
            Some("/many/3 maxLength"),
        ),
        ("once", json!(["long", "a", "b"]), None),
        ("once", json!(["long"]), None),
        ("once", json!(["long", "abc"]), Some("/once/1 maxLength")),
        ("odd", json!(["b", "x"]), None),
        ("odd", json!(["b", "c", "x", "d"]), None),
        ("odd", json!(["x", "x"]), Some("/odd/1 not")),
    ] {
        let told = told.map(str::to_owned);
        let told: Vec<String> = told.into_iter().collect();
        assert_eq!(
            refused(&entity, &json!({ (list): body.clone() })),
            told,
            "{body}"
        );
    }
}

/// The validator reads the name 007 as the place 7, and entries were admitted by that.
#[test]
fn names_that_look_like_numbers_are_compared_as_they_ever_were() {
    let kind = |rules: Rules, strict: bool| {
        let mut entry = json!({ "type": "object", "properties": { "a": { "type": "integer" } } });
        if strict {
            entry["not"] = json!({ "required": ["a"] });
        }
        let schema = json!({
            "type": "object",
            "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                             "edit": ["editor"] },
            "properties": { "m": { "type": "object", "additionalProperties": entry } },
        });
        compiled_under(rules, &schema)
    };
    for rules in Rules::ALL {
        let value = json!({ "m": { "7": { "a": 1 }, "007": {}, "8": {} } });
        let before = created(&kind(rules, false), &value);
        let step = migrate(&before, &kind(rules, true), NOW).unwrap();
        let entity = step.expect("it is another schema").into_parts().0;
        let body = json!({ "m": { "007": { "a": 1 } } });
        assert_eq!(refused(&entity, &body), [""; 0], "{rules}");
        let body = json!({ "m": { "8": { "a": 1 } } });
        assert_eq!(refused(&entity, &body), ["/m/8 not"], "{rules}");
    }
}

/// A kind with `any`, a value that is replaced as one, or a list of single values `list`.
fn with_field(rules: Rules, name: &str, asked: Option<&Value>) -> Arc<Policy> {
    let mut field = match name {
        "any" => json!({ "type": "object", "x-indelible": { "merge": "atomic" } }),
        _ => json!({ "type": "array", "items": true, "x-indelible": { "merge": "atomic" } }),
    };
    if let Some(asked) = asked {
        let asked = asked.as_object().unwrap().clone();
        field.as_object_mut().unwrap().extend(asked);
    }
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"] },
        "properties": { name: field },
        "$defs": { "x": { "const": "x" } },
    });
    compiled_under(rules, &schema)
}

/// What an edit of the field to `next` is refused for, where a schema that asks for more has made
/// `held` faulty.
fn told(rules: Rules, asked: &Value, held: &Value, next: &Value) -> Vec<String> {
    let name = if held.is_array() { "list" } else { "any" };
    let before = created(&with_field(rules, name, None), &json!({ name: held }));
    let step = migrate(&before, &with_field(rules, name, Some(asked)), NOW).unwrap();
    let entity = step.expect("it is another schema").into_parts().0;
    refused(&entity, &json!({ name: next }))
}

/// The last rules that let it pass, if any did, what a field is asked for, a value that is faulty,
/// one that is no worse, one that is worse and what is reported of it.
type Worsened = (Option<Rules>, Value, Value, Value, Value, &'static str);

fn worsened() -> Vec<Worsened> {
    let x = json!({ "const": "x" });
    let one_of = json!({ "oneOf": [
        { "required": ["a"] }, { "required": ["b"] }, { "required": ["c"] }] });
    vec![
        (
            Some(Rules::V4),
            json!({ "contains": x, "maxContains": 1 }),
            json!(["x", "x"]),
            json!(["x", "x", "y"]),
            json!(["x", "x", "x"]),
            "/list maxContains",
        ),
        (
            Some(Rules::V4),
            json!({ "contains": { "$ref": "#/$defs/x" }, "minContains": 3 }),
            json!(["x", "x"]),
            json!(["y", "x", "x"]),
            json!(["x"]),
            "/list minContains",
        ),
        (
            Some(Rules::V2),
            json!({ "contains": x, "minContains": 2, "maxContains": 3 }),
            json!(["x", "x", "x", "x"]),
            json!(["x", "x", "x", "x", "y"]),
            json!(["x"]),
            "/list minContains",
        ),
        (
            Some(Rules::V4),
            json!({ "dependentRequired": { "a": ["b"], "c": ["b"] } }),
            json!({ "a": 1 }),
            json!({ "a": 2, "d": 1 }),
            json!({ "a": 1, "c": 1 }),
            "/any/b required",
        ),
        (
            Some(Rules::V4),
            json!({ "dependentRequired": { "a": ["b"], "c": ["b"] } }),
            json!({ "a": 1 }),
            json!({ "a": 2 }),
            json!({ "c": 1 }),
            "/any/b required",
        ),
        (
            Some(Rules::V2),
            json!({ "dependentSchemas": { "a": false, "c": false } }),
            json!({ "a": 1 }),
            json!({ "a": 2, "d": 1 }),
            json!({ "a": 1, "c": 1 }),
            "/any dependentSchemas",
        ),
        (
            Some(Rules::V4),
            json!({ "items": true, "allOf": [
                { "prefixItems": [true], "unevaluatedItems": false }] }),
            json!(["a", "b"]),
            json!(["a", "c"]),
            json!(["a", "b", "c"]),
            "/list unevaluatedItems",
        ),
        (
            None,
            json!({ "allOf": [{ "prefixItems": [true], "items": false }] }),
            json!(["a", "b"]),
            json!(["a", "c"]),
            json!(["a", "b", "c"]),
            "/list/2 items",
        ),
        (
            None,
            json!({ "allOf": [{ "items": false }] }),
            json!(["a"]),
            json!(["b"]),
            json!(["a", "b"]),
            "/list/1 items",
        ),
        (
            Some(Rules::V4),
            json!({ "uniqueItems": true }),
            json!(["a", "a", "b"]),
            json!(["c", "a", "a"]),
            json!(["a", "a", "b", "b"]),
            "/list uniqueItems",
        ),
        (
            Some(Rules::V4),
            json!({ "uniqueItems": true }),
            json!([1, 1]),
            json!([1, 1.0, "1"]),
            json!([1, 1, 1]),
            "/list uniqueItems",
        ),
        (
            Some(Rules::V4),
            json!({ "additionalProperties": false }),
            json!({ "p": 1 }),
            json!({ "p": 2 }),
            json!({ "p": 1, "q": 1 }),
            "/any additionalProperties",
        ),
        (
            Some(Rules::V2),
            json!({ "unevaluatedProperties": false, "properties": { "k": true } }),
            json!({ "p": 1 }),
            json!({ "p": 2, "k": 1 }),
            json!({ "q": 1 }),
            "/any unevaluatedProperties",
        ),
        (
            Some(Rules::V4),
            json!({ "propertyNames": false }),
            json!({ "p": 1 }),
            json!({ "p": 2 }),
            json!({ "p": 1, "q": 1 }),
            "/any propertyNames",
        ),
        (
            Some(Rules::V2),
            json!({ "propertyNames": { "maxLength": 1 } }),
            json!({ "pp": 1 }),
            json!({ "pp": 2, "k": 1 }),
            json!({ "pp": 1, "qq": 1 }),
            "/any propertyNames",
        ),
        (
            Some(Rules::V2),
            json!({ "minProperties": 3 }),
            json!({ "p": 1, "q": 1 }),
            json!({ "p": 1, "r": 1 }),
            json!({ "p": 1 }),
            "/any minProperties",
        ),
        (
            None,
            json!({ "required": ["a", "b"] }),
            json!({ "b": 1 }),
            json!({ "b": 2 }),
            json!({ "c": 1 }),
            "/any/b required",
        ),
        (
            Some(Rules::V4),
            json!({ "not": { "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] } }),
            json!({ "a": 1 }),
            json!({ "a": 2, "c": 1 }),
            json!({ "a": 1, "b": 1 }),
            "/any not",
        ),
        (
            Some(Rules::V4),
            json!({ "not": { "contains": x } }),
            json!(["x"]),
            json!(["y", "x"]),
            json!(["x", "x"]),
            "/list not",
        ),
        (
            Some(Rules::V4),
            json!({ "anyOf": [
                { "properties": { "a": { "maximum": 3 } } },
                { "required": ["b"], "properties": { "a": { "maximum": 5 } } } ] }),
            json!({ "a": 7 }),
            json!({ "a": 6 }),
            json!({ "a": 8 }),
            "/any anyOf",
        ),
        (
            Some(Rules::V4),
            json!({ "anyOf": [{ "required": ["a", "b"] }, { "required": ["c", "d", "e"] }] }),
            json!({ "a": 1 }),
            json!({ "c": 1, "d": 1 }),
            json!({}),
            "/any anyOf",
        ),
        (
            Some(Rules::V4),
            one_of.clone(),
            json!({ "a": 1, "b": 1 }),
            json!({ "a": 2, "b": 2, "d": 1 }),
            json!({ "a": 1, "c": 1 }),
            "/any oneOf",
        ),
        (
            Some(Rules::V4),
            one_of,
            json!({ "d": 1 }),
            json!({ "d": 2 }),
            json!({ "a": 1, "b": 1 }),
            "/any oneOf",
        ),
    ]
}

#[test]
fn an_old_fault_may_not_become_worse() {
    for (passed, asked, held, no_worse, worse, expected) in worsened() {
        let told = |rules, next| told(rules, &asked, &held, next);
        assert_eq!(
            told(Rules::LATEST, &no_worse),
            [""; 0],
            "{asked}: {no_worse}"
        );
        assert_eq!(told(Rules::LATEST, &worse), [expected], "{asked}: {worse}");
        // As they were judged under the rules of then, entries verify for ever.
        if let Some(then) = passed {
            assert_eq!(told(then, &worse), [""; 0], "{asked}: {worse}");
        }
    }
}

/// An entity that two kinds of entries can be in, one of which has an old fault.
fn mixed(rules: Rules) -> Entity {
    let kind = |strict: bool| {
        let mut entry = json!({ "type": "object", "properties": {
            "is": { "type": "string" }, "a": { "type": "integer" }, "b": { "type": "integer" },
            "more": { "type": "integer" } } });
        if strict {
            entry["oneOf"] = json!([
                { "properties": { "is": { "const": "a" } }, "required": ["a"] },
                { "properties": { "is": { "const": "b" }, "more": false }, "required": ["b"] },
            ]);
        }
        let schema = json!({
            "type": "object",
            "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                             "edit": ["editor"] },
            "properties": { "items": { "type": "array", "items": entry } },
        });
        compiled_under(rules, &schema)
    };
    let value = json!({ "items": [
        { "id": "one", "is": "a" }, { "id": "two", "is": "b", "b": 1 } ] });
    let before = created(&kind(false), &value);
    let step = migrate(&before, &kind(true), NOW).unwrap();
    step.expect("it is another schema").into_parts().0
}

#[test]
fn of_several_alternatives_the_nearest_may_not_become_worse() {
    let entity = mixed(Rules::LATEST);
    let two = json!({ "id": "two", "is": "b", "b": 1 });
    for item in [
        json!({ "id": "one", "is": "a", "more": 1 }),
        json!({ "id": "one", "is": "b" }),
        json!({ "id": "one", "is": "a", "a": 1 }),
    ] {
        let body = json!({ "items": [item, two] });
        assert_eq!(refused(&entity, &body), [""; 0], "{body}");
    }
    // What moves keeps its faults: they are named by id, inside alternatives too.
    let body = json!({ "items": [two, { "id": "one", "is": "a" }] });
    assert_eq!(refused(&entity, &body), [""; 0], "{body}");
    let body = json!({ "items": [{ "id": "one", "is": "c" }, two] });
    assert_eq!(refused(&entity, &body), ["/items/one oneOf"], "{body}");
    assert_eq!(refused(&mixed(Rules::V4), &body), [""; 0], "{body}");
}

#[test]
fn a_name_that_is_too_long_excuses_no_other() {
    let asked = json!({ "propertyNames": { "pattern": "^n" } });
    let name = |first: &str| format!("{first}{}", "n".repeat(100_000));
    let held = json!({ name("n"): 1 });
    let more = json!({ name("n"): 1, name("nn"): 1 });
    let shorter = json!({ name("n"): 2, "n": 1 });
    assert_eq!(told(Rules::LATEST, &asked, &held, &shorter), [""; 0]);
    assert_eq!(
        told(Rules::LATEST, &asked, &held, &more),
        ["/any propertyNames"]
    );
    // One that is shorter than it, and still too long.
    let held = json!({ name("nnn"): 1 });
    let more = json!({ name("nnn"): 1, name("n"): 1 });
    assert_eq!(
        told(Rules::LATEST, &asked, &held, &more),
        ["/any propertyNames"]
    );
}
