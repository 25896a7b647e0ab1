//! Guards against words that say something else than what happened, or nothing.

use indelible_engine::effects::{Effect, EffectChange};
use indelible_engine::history::State;
use std::sync::Arc;

use indelible_engine::history::words::{
    Language, Part, What, describe, differences, differences_between,
};
use indelible_engine::policy::{Policy, PolicySource};
use indelible_engine::schema;
use serde_json::{Map, Value, json};

use super::log::{random_log, run_all};
use crate::fixture::policy;

fn map(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn told(before: &Value, after: &Value, language: Language) -> Vec<String> {
    let descriptions = differences(&policy(), map(before), map(after));
    descriptions
        .iter()
        .map(|one| one.sentence(language).replace('\u{a0}', " "))
        .collect()
}

fn check(before: Value, after: Value, english: &str, french: &str) {
    assert_eq!(told(&before, &after, Language::English), [english]);
    assert_eq!(told(&before, &after, Language::French), [french]);
}

#[test]
fn every_kind_of_change_has_its_words() {
    check(
        json!({ "title": "A" }),
        json!({ "title": "B" }),
        "Title changed from “A” to “B”",
        "Title : « A » devient « B »",
    );
    check(
        json!({}),
        json!({ "number": 1.5 }),
        "Number set to 1.5",
        "Number : 1,5 (vide avant)",
    );
    check(
        json!({ "place": { "city": "Bern" } }),
        json!({}),
        "Place › City cleared (was “Bern”)",
        "Place › City : vide (« Bern » avant)",
    );
    check(
        json!({ "body": "one two 🦀 three" }),
        json!({ "body": "one two 🦀 and three" }),
        "Body: “and ” added after “one two 🦀 ”",
        "Body : ajout de « and  » après « one two 🦀  »",
    );
    check(
        json!({ "body": "one two" }),
        json!({ "body": "one" }),
        "Body: “ two” removed",
        "Body : suppression de «  two »",
    );
    check(
        json!({ "tags": ["a", "b"] }),
        json!({ "tags": ["a", "c"] }),
        "Tags: “b” replaced by “c”",
        "Tags : « b » devient « c »",
    );
    check(
        json!({ "labels": { "x": { "text": "ex" } } }),
        json!({ "labels": { "x": { "text": "why" } } }),
        "Labels › “x” › Text changed from “ex” to “why”",
        "Labels › « x » › Text : « ex » devient « why »",
    );
}

#[test]
fn items_are_told_by_place_and_name() {
    let items = |names: &[&str]| {
        let items = names
            .iter()
            .map(|name| json!({ "id": format!("i-{name}"), "name": name }));
        json!({ "items": items.collect::<Value>() })
    };
    check(
        items(&["Ann", "Bea"]),
        items(&["Ann", "Cleo", "Bea"]),
        "Items: item 2 (“Cleo”) added",
        "Items : ajout, élément 2 (« Cleo »)",
    );
    check(
        items(&["Ann", "Bea"]),
        items(&["Bea"]),
        "Items: item 1 (“Ann”) removed",
        "Items : suppression, élément 1 (« Ann »)",
    );
    check(
        items(&["Ann", "Bea", "Cleo"]),
        items(&["Cleo", "Ann", "Bea"]),
        "Items: item 3 (“Cleo”) moved from place 3 to 1",
        "Items : élément 3 (« Cleo ») passe de la place 3 à la place 1",
    );
    let mut after = items(&["Ann", "Bea"]);
    after["items"][1]["serial"] = json!("s-2");
    check(
        items(&["Ann", "Bea"]),
        after,
        "Items › item 2 (“Bea”) › Serial set to “s-2”",
        "Items › élément 2 (« Bea ») › Serial : « s-2 » (vide avant)",
    );
}

/// An item of a schema is called by what people would call it.
/// What changed in a field that also has a new name.
#[test]
fn what_changed_under_a_new_name_is_named_by_itself() {
    let kind = |properties: Value| {
        let schema = json!({ "type": "object", "x-indelible": { "kind": "page" },
                             "properties": properties });
        Arc::new(schema::compile("page.json", &schema.to_string()).unwrap())
    };
    let string = || json!({ "type": "string" });
    let was = |name: &str, mut field: Value| {
        field["x-indelible"] = json!({ "was": name });
        field
    };
    let object = |properties: Value| json!({ "type": "object", "properties": properties });
    let list = |properties: Value| json!({ "type": "array", "items": object(properties) });
    let old = kind(json!({
        "rows": list(json!({ "l": string(), "x": string() })),
        "addr": object(json!({ "city": string(), "zip": string() })),
        "m": { "type": "object", "additionalProperties": object(json!({ "a": string() })) },
        "plain": string(), "title": string(), "open": string(),
    }));
    let new = kind(json!({
        "rows2": was("rows", list(json!({ "label": was("l", string()) }))),
        "address": was("addr", object(json!({ "town": was("city", string()) }))),
        "m2": was("m", json!({ "type": "object", "additionalProperties":
            object(json!({ "a": string(), "b": { "type": "string", "default": "z" } })) })),
        "headline": was("title", string()), "plain": string(), "open": string(),
    }));
    let before = json!({
        "rows": [{ "id": "0123456789abcdef0123", "l": "r1", "x": "q" }],
        "addr": { "city": "c", "zip": "1" }, "m": { "k": { "a": "1" } },
        "plain": "p", "title": "t", "open": "o",
    });
    let after = json!({
        "rows2": [{ "id": "0123456789abcdef0123", "label": "r1" }],
        "address": { "town": "c" }, "m2": { "k": { "a": "1", "b": "z" } },
        "plain": "q", "headline": "t", "open": "o",
    });
    let told = |policies: [&Arc<Policy>; 2], values: [&Value; 2]| {
        let told =
            differences_between((policies[0], map(values[0])), (policies[1], map(values[1])));
        let told = told.iter().map(|one| one.sentence(Language::English));
        let mut told: Vec<String> = told.collect();
        told.sort();
        told
    };
    assert_eq!(
        told([&old, &new], [&before, &after]),
        [
            "Address has a new name (was Addr)",
            "Address › Zip cleared (was “1”)",
            "Headline has a new name (was Title)",
            "M2 has a new name (was M)",
            "M2 › “k” › B set to “z”",
            "Plain changed from “p” to “q”",
            "Rows2 has a new name (was Rows)",
            "Rows2 › item 1 (“r1”) › X cleared (was “q”)",
        ]
    );
    // Where the former name lives on beside the new one, nothing is renamed.
    let both = kind(json!({ "title": string(), "headline": string() }));
    let value = json!({ "title": "t", "headline": "h" });
    assert_eq!(told([&both, &both], [&value, &value]), [""; 0]);
}

fn check_name(item_schema: &Value, item: &Value, name: Option<&str>) {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "place" },
        "properties": { "rows": { "type": "array", "items": item_schema } }
    });
    let policy = schema::compile("place.json", &schema.to_string()).unwrap();
    let mut row = item.clone();
    row["id"] = "r1".into();
    let descriptions = differences(&policy, &Map::new(), map(&json!({ "rows": [row] })));
    let found = descriptions[0].path.last().unwrap();
    let Part::Item { name: found, .. } = found else {
        panic!("{found:?}")
    };
    assert_eq!(found.as_deref(), name, "{item_schema} {item}");
}

#[test]
fn items_are_called_by_what_people_would_call_them() {
    let text = || json!({ "type": "string" });
    let hours = json!({
        "type": "object", "required": ["day", "opens", "closes"],
        "properties": { "closes": text(), "day": text(), "opens": text(), "by": text() }
    });
    let monday = json!({ "by": "us", "day": "monday", "opens": "08:30", "closes": "17:30" });
    check_name(&hours, &monday, Some("monday"));
    check_name(
        &hours,
        &json!({ "opens": "8:30", "closes": "17:30" }),
        Some("8:30"),
    );
    check_name(&hours, &json!({ "by": "us" }), Some("us"));
    check_name(&hours, &json!({ "day": "", "by": "us" }), Some("us"));
    check_name(&hours, &json!({}), None);

    // One that is named like a name comes first, by the schema's title too.
    let person = json!({
        "type": "object", "required": ["code"],
        "properties": {
            "code": text(), "displayName": text(), "email": text(), "label": text(),
            "n": { "type": "string", "title": "Full name" }, "note": text()
        }
    });
    let mut jane = json!({ "code": "c", "displayName": "Jane D.", "email": "e", "label": "L",
                           "n": "Jane Doe", "note": "a" });
    for (field, next) in [
        ("label", "Jane D."),
        ("displayName", "Jane Doe"),
        ("n", "c"),
        ("code", "e"),
    ] {
        jane.as_object_mut().unwrap().remove(field);
        check_name(&person, &jane, Some(next));
    }
    jane["name"] = "J".into();
    jane["email"] = "x".repeat(81).into();
    check_name(&person, &jane, Some("a"));
    let named = json!({ "type": "object", "required": ["title"],
                        "properties": { "title": text(), "name": text(), "surname": text() } });
    check_name(
        &named,
        &json!({ "title": "Dr", "name": "Jane", "surname": "Doe" }),
        Some("Jane"),
    );
}

#[test]
fn long_values_are_shortened_in_sentences_only() {
    let long = "x".repeat(500);
    let descriptions = differences(&policy(), &Map::new(), map(&json!({ "tagline": long })));
    assert_eq!(descriptions[0].what, What::Set { to: json!(long) });
    let sentence = descriptions[0].sentence(Language::English);
    assert!(
        sentence.contains('…') && sentence.chars().count() < 120,
        "{sentence}"
    );
}

/// Every effect has words, with and without the value that it was put to.
#[test]
fn every_effect_is_told() {
    run_all(|seed| {
        let log = random_log(seed);
        let mut state = State::first(&log.records[0], &log.policies).unwrap();
        for record in &log.records[1..] {
            let policy = log.policies.policy(record.header.policy_hash).unwrap();
            let known = describe(&policy, &record.effects, Some(state.value().clone()));
            let unknown = describe(&policy, &record.effects, None);
            state.forward([record], &log.policies).unwrap();
            assert_eq!(
                (known.len(), unknown.len()),
                (record.effects.len(), record.effects.len())
            );
            for (description, effect) in known.iter().zip(&record.effects) {
                assert_eq!(description.pointer, effect.pointer);
                assert_eq!(description.path.len(), effect.pointer.tokens().len());
                for part in &description.path {
                    if let Part::Item { position, .. } = part {
                        assert!(position.is_some(), "{description:?}");
                    }
                }
                if let What::Rewritten { after, .. } = &description.what {
                    assert!(after.is_some(), "{description:?}");
                }
                for language in [Language::English, Language::French] {
                    assert!(!description.sentence(language).is_empty());
                }
            }
        }
    });
}

/// A field that holds null is not one that holds nothing.
#[test]
fn null_comes_back_from_json() {
    let (from, to) = (Some(Value::Null), Some(json!("a")));
    for (from, to) in [
        (from.clone(), to.clone()),
        (to, from),
        (None, Some(Value::Null)),
    ] {
        let effect = Effect {
            pointer: "/added".parse().unwrap(),
            made: 0,
            emptied: 0,
            change: EffectChange::Put {
                from,
                to,
                index: None,
            },
        };
        let json = serde_json::to_string(&effect).unwrap();
        assert_eq!(serde_json::from_str::<Effect>(&json).unwrap(), effect);
    }
    assert!(
        serde_json::from_str::<Effect>(r#"{"pointer":"/a","effect":"move","from":1}"#).is_err()
    );
}
