//! Random bodies for merges, and what must stand after one.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::model::normal;
use super::spec::{Author, Field, Object, Shape};

/// A part of a value, made from what is present: some fields of it with other values.
pub(crate) fn part(
    object: &Object,
    present: &Map<String, Value>,
    dice: &mut Dice,
) -> Map<String, Value> {
    let mut body = Map::new();
    for (name, field) in &object.fields {
        if dice.percent(35)
            && let Some(value) = value(field, present.get(name), dice)
        {
            body.insert(name.clone(), value);
        }
    }
    if let Some(open) = &object.open {
        let known = present
            .keys()
            .filter(|name| !object.fields.contains_key(*name));
        for name in known {
            match dice.below(4) {
                0 if open.object().is_some() => drop(body.insert(name.clone(), Value::Null)),
                1 => {
                    if let Some(value) = value(open, present.get(name), dice) {
                        body.insert(name.clone(), value);
                    }
                }
                _ => {}
            }
        }
        if let Some(value) = value(open, None, dice).filter(|_| dice.percent(40)) {
            body.insert(format!("e{}", dice.below(6)), value);
        }
    }
    body
}

/// The whole value with some of it changed, as a PUT carries it.
pub(crate) fn whole(
    object: &Object,
    present: &Map<String, Value>,
    dice: &mut Dice,
) -> Map<String, Value> {
    let mut body = present.clone();
    for (name, value) in part(object, present, dice) {
        if value.is_null() || dice.percent(10) {
            body.remove(&name);
        } else {
            body.insert(name, value);
        }
    }
    body
}

fn value(field: &Field, present: Option<&Value>, dice: &mut Dice) -> Option<Value> {
    let none = Map::new();
    match &field.shape {
        Shape::Object(object) => {
            let present = present.and_then(Value::as_object).unwrap_or(&none);
            Some(Value::Object(part(object, present, dice)))
        }
        Shape::Keyed { key, item } => {
            let object = item.object()?;
            let mut items: Vec<Value> = Vec::new();
            for old in present.and_then(Value::as_array).into_iter().flatten() {
                if dice.percent(15) {
                    continue;
                }
                let mut new = part(object, old.as_object()?, dice);
                new.insert((*key).to_owned(), old.get(*key)?.clone());
                items.insert(dice.below(3).min(items.len()), Value::Object(new));
            }
            for _ in 0..dice.below(3) {
                let new = Value::Object(part(object, &none, dice));
                items.insert(dice.below(items.len() + 1), new);
            }
            Some(Value::Array(items))
        }
        Shape::Tally => Some(json!(1)),
        Shape::Stamp(_) => Some(json!("somebody")),
        _ => field.random_leaf(dice),
    }
}

/// Checks that after a merge without base each declared field holds what the body says, or, where
/// the author may not write, what it held before.
pub(crate) fn merged(
    object: &Object,
    author: Author,
    body: &Map<String, Value>,
    (before, after): (&Map<String, Value>, &Map<String, Value>),
    at: &str,
) {
    let none = Map::new();
    for (name, field) in &object.fields {
        let at = format!("{at}/{name}");
        let (old, new) = (before.get(name), after.get(name));
        let Some(value) = body.get(name) else {
            assert_eq!(old, new, "{at}: the body does not say it");
            continue;
        };
        let allowed = field.write.allows(author, false);
        match &field.shape {
            Shape::Object(inner) => {
                fn map(value: Option<&Value>) -> Option<&Map<String, Value>> {
                    value.and_then(Value::as_object)
                }
                let states = (map(old).unwrap_or(&none), map(new).unwrap_or(&none));
                merged(
                    inner,
                    author,
                    map(Some(value)).unwrap_or(&none),
                    states,
                    &at,
                );
            }
            Shape::Keyed { key, item } => {
                let whole = item.write.allows(author, true) && item.deletable_by(author);
                if allowed && whole {
                    items(key, value, new, &at);
                }
            }
            Shape::Stamp(_) | Shape::Tally => assert_eq!(old, new, "{at}: derived"),
            Shape::Text | Shape::List(_) if allowed => {
                let empty =
                    value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
                let stands = new.map(normal);
                let there = stands.as_ref() == Some(&normal(value));
                assert!(
                    there || empty && new.is_none(),
                    "{at}: {value} became {new:?}"
                );
            }
            _ if allowed => assert_eq!(new.map(normal), Some(normal(value)), "{at}"),
            _ => assert_eq!(old, new, "{at}: {author:?} may not write it"),
        }
    }
}

/// The items of the body stand in its order, with those that it does not name in their places.
fn items(key: &str, body: &Value, after: Option<&Value>, at: &str) {
    let named = |value: &Value| -> Vec<Option<String>> {
        let items = value.as_array().into_iter().flatten();
        items
            .map(|item| item.get(key).and_then(Value::as_str).map(str::to_owned))
            .collect()
    };
    let wanted = named(body);
    let found = after.map(named).unwrap_or_default();
    let fits = wanted.len() == found.len()
        && wanted
            .iter()
            .zip(&found)
            .all(|(wanted, found)| wanted.is_none() || wanted == found);
    assert!(fits, "{at}: {wanted:?} became {found:?}");
}

/// A whole value for a creation: everything that a list of required fields asks for, and more.
pub(crate) fn creation(object: &Object, dice: &mut Dice) -> Map<String, Value> {
    let mut body = part(object, &Map::new(), dice);
    body.retain(|name, _| {
        let derived = object.fields.get(name).map(|field| &field.shape);
        !matches!(derived, Some(Shape::Stamp(_) | Shape::Tally))
    });
    body
}
