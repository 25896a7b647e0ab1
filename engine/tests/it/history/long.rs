//! Guards against a past that takes as many steps as a list has items, for each of its items: with
//! that, these would not end.

use indelible_engine::effects::{Effect, EffectChange, effects};
use indelible_engine::history::words::{Part, What, describe};
use indelible_engine::history::{Misfit, apply, undo};
use indelible_engine::policy::{Policy, Presented};
use indelible_engine::schema;
use serde_json::{Map, Value, json};

use super::log::Dice;

const ITEMS: usize = 20_000;

fn policy() -> Policy {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "edit": ["editor"] },
        "properties": {
            "body": { "type": "string", "x-indelible": { "merge": "text" } },
            "tags": { "type": "array", "items": { "type": "string" } },
            "items": { "type": "array", "items": { "type": "object", "properties": {
                "name": { "type": "string" },
                "parts": { "type": "array", "items": { "type": "object", "properties": {
                    "name": { "type": "string" } } } }
            } } }
        }
    });
    schema::compile("thing.json", &schema.to_string()).expect("the schema is good")
}

fn item(number: usize) -> Value {
    let parts = json!([{ "id": "p", "name": "part" }, { "id": "q", "name": "other" }]);
    json!({ "id": format!("i{number}"), "name": format!("item {number}"), "parts": parts })
}

fn shuffled(mut items: Vec<Value>, dice: &mut Dice) -> Vec<Value> {
    for index in (1..items.len()).rev() {
        items.swap(index, dice.below(index + 1));
    }
    items
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

/// The effects from one value to the next, after checking that they lead there and back.
fn both_ways(
    policy: &Policy,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Effect> {
    let effects = effects(policy, before, after);
    let mut value = before.clone();
    apply(policy, &mut value, &effects).expect("they fit");
    assert!(value == *after, "forward");
    undo(policy, &mut value, &effects).expect("they fit");
    assert!(value == *before, "and back");
    effects
}

#[test]
fn a_long_list_is_shuffled_emptied_and_filled_again() {
    let policy = policy();
    let mut dice = Dice(3);
    let items: Vec<Value> = (0..ITEMS).map(item).collect();
    let mut edited = shuffled(items.clone(), &mut dice);
    for item in &mut edited {
        item["name"] = format!("{}!", item["name"].as_str().unwrap()).into();
        item["parts"] = json!([{ "id": "q", "name": "else" }, { "id": "p", "name": "part" }]);
    }
    let mut backwards = edited.clone();
    backwards.reverse();
    let states = [
        items,
        edited,
        Vec::new(),
        backwards.clone(),
        Vec::new(),
        backwards,
    ];
    let states: Vec<_> = states.map(|items| map(json!({ "items": items }))).into();
    for states in states.windows(2) {
        let (before, after) = (&states[0], &states[1]);
        let effects = both_ways(&policy, before, after);
        assert!(effects.len() >= ITEMS, "{}", effects.len());
        let descriptions = describe(&policy, &effects, Some(before.clone()));
        assert_eq!(descriptions.len(), effects.len());
        for (description, effect) in descriptions.iter().zip(&effects) {
            let Part::Item { position, name, .. } = &description.path[1] else {
                panic!("{:?}", description.path);
            };
            assert!(name.as_ref().is_some_and(|name| name.starts_with("item ")));
            let expected = match &effect.change {
                EffectChange::Move { from, .. } if effect.pointer.tokens().len() == 2 => {
                    Some(*from)
                }
                EffectChange::Put { index, .. } if effect.pointer.tokens().len() == 2 => *index,
                _ => None,
            };
            if let Some(expected) = expected {
                assert_eq!(*position, Some(expected + 1));
            }
        }
        let mut places = Presented::new(&policy, after);
        for item in after
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let id = item["id"].as_str().unwrap();
            let at = ["items", id, "name"].into_iter().collect();
            assert_eq!(places.get(&at), Some(&item["name"]));
        }
    }
}

#[test]
fn a_text_and_a_list_change_in_many_places() {
    let policy = policy();
    let words = |step: usize| -> Vec<String> {
        let word = |n: usize| match n % step {
            0 => format!("né😀{n}"),
            _ => format!("word{n}"),
        };
        (0..ITEMS).map(word).collect()
    };
    let value = |step| map(json!({ "body": words(step).join(" "), "tags": words(step) }));
    let (before, after) = (value(ITEMS), value(2));
    let effects = both_ways(&policy, &before, &after);
    assert!(effects.len() >= ITEMS / 2, "{}", effects.len());
    let descriptions = describe(&policy, &effects, Some(before));
    let body = after["body"].as_str().unwrap();
    for (description, effect) in descriptions.iter().zip(&effects) {
        if let (What::Rewritten { after, .. }, EffectChange::Splice { at, .. }) =
            (&description.what, &effect.change)
            && *at < 2_000
        {
            let units: Vec<u16> = body.encode_utf16().take(*at).collect();
            let left = String::from_utf16(&units).unwrap();
            assert!(left.ends_with(after.as_ref().unwrap()));
            assert_eq!(
                after.as_ref().unwrap().chars().count(),
                left.chars().count().min(24)
            );
        }
    }
}

/// An effect that does not fit is reported with its place, in a list that is held open too.
#[test]
fn what_does_not_fit_among_thousands_is_told() {
    let policy = policy();
    let before = map(json!({ "items": (0..300).map(item).collect::<Vec<_>>() }));
    let backwards: Vec<Value> = (0..300).rev().map(item).collect();
    let good = effects(&policy, &before, &map(json!({ "items": backwards })));
    let wrong = good
        .iter()
        .position(|effect| matches!(effect.change, EffectChange::Move { .. }));
    for change in [
        EffectChange::Move { from: 0, to: 300 },
        EffectChange::Move { from: 299, to: 0 },
        EffectChange::Put {
            from: None,
            to: Some(json!(1)),
            index: Some(301),
        },
        EffectChange::Put {
            from: Some(item(7)),
            to: None,
            index: Some(3),
        },
    ] {
        let mut effects = good.clone();
        let at = effects.len() / 2 + wrong.unwrap();
        effects.insert(
            at,
            Effect {
                change,
                ..effects[0].clone()
            },
        );
        let pointer = effects[at].pointer.clone();
        let mut value = before.clone();
        assert_eq!(
            apply(&policy, &mut value, &effects),
            Err(Misfit { pointer })
        );
    }
}
