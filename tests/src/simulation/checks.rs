//! What must hold of every admitted entry besides the rights: its effects and its patch.

use std::collections::BTreeMap;

use indelible_engine::effects::{Effect, EffectChange, json_patch};
use indelible_engine::policy::Policy;
use serde_json::{Map, Value};

/// The patch from `before` to `after` makes the one from the other.
pub(crate) fn patch(policy: &Policy, before: &Value, after: &Value) {
    let ops = json_patch(policy, before, after);
    let ops = serde_json::to_value(&ops).expect("a patch is JSON");
    let patch: json_patch::Patch = serde_json::from_value(ops).expect("RFC 6902");
    let mut patched = before.clone();
    json_patch::patch(&mut patched, &patch)
        .unwrap_or_else(|error| panic!("{error}: {patch} does not apply to {before}"));
    assert_eq!(&patched, after, "{patch} applied to {before}");
}

/// The effects applied to the value before give the value after, the order of items aside (the
/// effect that adds an item does not say where).
pub(crate) fn effects(before: &Map<String, Value>, after: &Map<String, Value>, effects: &[Effect]) {
    let mut value = Value::Object(before.clone());
    for effect in effects {
        apply(&mut value, effect);
    }
    let after = settled(&Value::Object(after.clone()));
    assert_eq!(settled(&value), after, "{effects:?} applied to {before:?}");
}

fn id_of(item: &Value) -> Option<&str> {
    item.get("id").or_else(|| item.get("ref"))?.as_str()
}

/// Without empty containers, and with items in the order of their ids.
fn settled(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<_, _> = map
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), settled(value)?)))
                .collect();
            (!map.is_empty()).then(|| map.into_iter().collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().filter_map(settled).collect();
            if items.iter().all(|item| id_of(item).is_some()) {
                items.sort_by(|a, b| id_of(a).cmp(&id_of(b)));
            }
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::String(text) if text.is_empty() => None,
        other => Some(other.clone()),
    }
}

fn apply(value: &mut Value, effect: &Effect) {
    let Some((last, way)) = effect.pointer.tokens().split_last() else {
        panic!("an effect on the entity as a whole: {effect:?}");
    };
    let new_item = match &effect.change {
        EffectChange::Put { to: Some(to), .. } => id_of(to) == Some(last),
        _ => false,
    };
    let mut at = value;
    for (index, token) in way.iter().enumerate() {
        let list = new_item && index + 1 == way.len();
        at = step(
            at,
            token,
            if list {
                Value::Array(Vec::new())
            } else {
                Map::new().into()
            },
        );
    }
    match &effect.change {
        EffectChange::Put { from, to, .. } => put(at, last, from.as_ref(), to.as_ref()),
        EffectChange::Splice {
            at: start,
            removed,
            inserted,
        } => {
            let empty = if inserted.is_string() {
                Value::from("")
            } else {
                Value::Array(vec![])
            };
            splice(step(at, last, empty), *start, removed, inserted);
        }
        EffectChange::Move { .. } => {
            assert!(at.is_array(), "only items move: {effect:?}");
        }
    }
}

fn step<'v>(value: &'v mut Value, token: &str, missing: Value) -> &'v mut Value {
    match value {
        Value::Object(map) => map.entry(token).or_insert(missing),
        Value::Array(items) => items
            .iter_mut()
            .find(|item| id_of(item) == Some(token))
            .expect("the item that an effect names is there"),
        other => panic!("{token} of {other}"),
    }
}

fn put(holder: &mut Value, name: &str, from: Option<&Value>, to: Option<&Value>) {
    match holder {
        Value::Object(map) => {
            assert_eq!(map.get(name), from, "what stood at {name}");
            match to {
                Some(to) => map.insert(name.to_owned(), to.clone()),
                None => map.remove(name),
            };
        }
        Value::Array(items) => {
            let found = items.iter().position(|item| id_of(item) == Some(name));
            assert_eq!(
                found.map(|index| &items[index]),
                from,
                "what stood at {name}"
            );
            match (found, to) {
                (Some(index), Some(to)) => items[index] = to.clone(),
                (Some(index), None) => drop(items.remove(index)),
                (None, Some(to)) => items.push(to.clone()),
                (None, None) => {}
            }
        }
        other => panic!("{name} of {other}"),
    }
}

fn splice(target: &mut Value, at: usize, removed: &Value, inserted: &Value) {
    match (target, removed, inserted) {
        (Value::String(text), Value::String(removed), Value::String(inserted)) => {
            let units: Vec<u16> = text.encode_utf16().collect();
            let end = at + removed.encode_utf16().count();
            let there = String::from_utf16(&units[at..end]).expect("whole characters");
            assert_eq!(&there, removed);
            let head = String::from_utf16(&units[..at]).expect("whole characters");
            let tail = String::from_utf16(&units[end..]).expect("whole characters");
            *text = head + inserted + &tail;
        }
        (Value::Array(items), Value::Array(removed), Value::Array(inserted)) => {
            let gone: Vec<Value> = items
                .splice(at..at + removed.len(), inserted.iter().cloned())
                .collect();
            assert_eq!(&gone, removed);
        }
        (target, ..) => panic!("a splice of {target}"),
    }
}
