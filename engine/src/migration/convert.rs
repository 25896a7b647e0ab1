//! Writing a value into a place of another shape than the one it comes from.
//!
//! Invariant: what [`faults`] finds nothing wrong with, [`make`] writes whole. Only the form counts
//! here: a value that breaks a bound or a pattern is carried over like every other.
//! Must never know: where the value comes from.

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{ObjId, ObjType, ScalarValue};
use serde_json::Value;

use super::Obstacle;
use super::carry::Outcome;
use crate::document::{POSITION, stored_scalar};
use crate::genesis::make_field;
use crate::id::{Hash, ItemId, check_map_key};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape, Succession, Types};
use crate::position;
use crate::value::{canonical, normal};

/// Takes out of a value what the places below a node do not take over.
pub(super) fn drop_narrowed(
    succession: &Succession,
    policy: &Policy,
    node: NodeId,
    value: &mut Value,
) {
    match (&policy.node(node).shape, value) {
        (Shape::Object { .. }, Value::Object(entries)) => {
            entries.retain(|name, value| {
                let Some(child) = policy.child(node, name) else {
                    return true;
                };
                drop_narrowed(succession, policy, child, value);
                let whole = matches!(
                    policy.node(child).shape,
                    Shape::Object { .. } | Shape::Keyed { .. }
                ) && !policy.is_dynamic(child);
                whole || !succession.is_dropped(child)
            });
        }
        (Shape::Keyed { item, .. }, Value::Array(items)) => {
            if succession.is_dropped(*item) {
                items.clear();
            }
            for value in items {
                drop_narrowed(succession, policy, *item, value);
            }
        }
        _ => {}
    }
}

/// What in a value has no form at a node.
pub(super) fn faults(
    policy: &Policy,
    node: NodeId,
    value: Option<&Value>,
    at: &Pointer,
) -> Vec<Obstacle> {
    let mut faults = Vec::new();
    if let Some(value) = value {
        look(policy, node, value, at, &mut faults);
    }
    faults
}

fn look(policy: &Policy, node: NodeId, value: &Value, at: &Pointer, faults: &mut Vec<Obstacle>) {
    let expect = |types: Types| match Types::of(value).is_within(types) {
        true => None,
        false => Some(format!(
            "the value there must be {types} to be carried over"
        )),
    };
    let wrong = match (&policy.node(node).shape, value) {
        (Shape::Scalar(rule), _) => expect(rule.types()),
        (Shape::Atomic(rule), value) => rule.check(value).err().map(|fault| fault.to_string()),
        (Shape::Counter(_), _) => expect(Types::INTEGER),
        (Shape::Text(_), _) => expect(Types::STRING),
        (Shape::List { element }, Value::Array(elements)) => {
            for (index, value) in elements.iter().enumerate() {
                look(
                    policy,
                    *element,
                    value,
                    &at.child(index.to_string()),
                    faults,
                );
            }
            return;
        }
        (Shape::Keyed { item, key }, Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                look(policy, *item, value, &at.child(index.to_string()), faults);
            }
            if let Err((index, reason)) = ids(items, key) {
                add(faults, &at.child(index.to_string()).child(key), reason);
            }
            return;
        }
        (Shape::Object { .. }, Value::Object(entries)) => {
            for (name, value) in entries {
                let at = at.child(name);
                if policy.presented_key(node) == Some(name) {
                    continue;
                }
                match policy.child(node, name) {
                    Some(child) => match check_map_key(name) {
                        Err(error) if policy.is_additional(child) => {
                            add(faults, &at, error.to_string());
                        }
                        _ => look(policy, child, value, &at, faults),
                    },
                    None => add(
                        faults,
                        &at,
                        "the schema declares no such property".to_owned(),
                    ),
                }
            }
            return;
        }
        (shape, _) => Some(format!("the value there must be {}", shape.description())),
    };
    if let Some(reason) = wrong {
        add(faults, at, reason);
    }
}

fn add(faults: &mut Vec<Obstacle>, at: &Pointer, reason: String) {
    faults.push(Obstacle {
        pointer: at.clone(),
        reason,
    });
}

/// The ids of items: those they bring, and for the others ones that follow from their place. Or
/// the first item whose id is none, and why.
fn ids(items: &[Value], key: &str) -> Result<Vec<String>, (usize, String)> {
    let mut seen = BTreeSet::new();
    let mut ids = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let id = match item.get(key) {
            Some(Value::String(id)) => match ItemId::new(id.as_str()) {
                Ok(_) => id.clone(),
                Err(error) => return Err((index, error.to_string())),
            },
            Some(_) => {
                return Err((index, "must be a string, as the id of an item".to_owned()));
            }
            None => {
                let index = index.to_string();
                let text = canonical(item);
                let hash = Hash::of(&[
                    b"indelible/item-id/1\0",
                    index.as_bytes(),
                    b"\0",
                    text.as_bytes(),
                ]);
                hash.to_string()[..24].to_owned()
            }
        };
        if !seen.insert(id.clone()) {
            return Err((index, "an item before it has the same id".to_owned()));
        }
        ids.push(id);
    }
    Ok(ids)
}

/// Writes a value at a key; without one, what stands for none.
pub(super) fn make<T: Transactable>(
    tx: &mut T,
    policy: &Policy,
    (object, name, node): (&ObjId, &str, NodeId),
    value: Option<&Value>,
) -> Outcome {
    let value = value.map(normal);
    match (&policy.node(node).shape, &value) {
        (Shape::Scalar(_), Some(value)) => match stored_scalar(value) {
            Some(scalar) => tx.put(object, name, scalar),
            None => Ok(()),
        },
        (Shape::Atomic(_), Some(value)) => tx.put(object, name, canonical(value)),
        (Shape::Counter(_), value) => {
            let start = value.as_ref().and_then(Value::as_i64).unwrap_or(0);
            tx.put(object, name, ScalarValue::counter(start))
        }
        (Shape::Text(_), value) => {
            let made = tx.put_object(object, name, ObjType::Text)?;
            match value.as_ref().and_then(Value::as_str) {
                Some(text) => tx.splice_text(&made, 0, 0, text),
                None => Ok(()),
            }
        }
        (Shape::List { .. }, value) => {
            let made = tx.put_object(object, name, ObjType::List)?;
            let elements = value
                .as_ref()
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            for (index, scalar) in elements.filter_map(stored_scalar).enumerate() {
                tx.insert(&made, index, scalar)?;
            }
            Ok(())
        }
        (Shape::Keyed { item, key }, value) => {
            let made = tx.put_object(object, name, ObjType::Map)?;
            let items = value.as_ref().and_then(Value::as_array);
            let items = items.map(Vec::as_slice).unwrap_or_default();
            let ids = ids(items, key).unwrap_or_default();
            let positions = position::spread(items.len());
            for ((value, id), position) in items.iter().zip(ids).zip(positions) {
                let object = tx.put_object(&made, id.as_str(), ObjType::Map)?;
                tx.put(&object, POSITION, position)?;
                fill(tx, policy, (&object, *item), Some(value))?;
            }
            Ok(())
        }
        (Shape::Object { .. }, value) => {
            let made = tx.put_object(object, name, ObjType::Map)?;
            fill(tx, policy, (&made, node), value.as_ref())
        }
        _ => Ok(()),
    }
}

/// Fills an object that was just made. What the value lacks begins as in every new object.
fn fill<T: Transactable>(
    tx: &mut T,
    policy: &Policy,
    (object, node): (&ObjId, NodeId),
    value: Option<&Value>,
) -> Outcome {
    for (name, child) in policy.children(node) {
        match value.and_then(|value| value.get(name)) {
            Some(value) => make(tx, policy, (object, name, child), Some(value))?,
            None => make_field(tx, object, policy, (name, child))?,
        }
    }
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    for (name, value) in entries {
        if let Some(child) = policy
            .child(node, name)
            .filter(|id| policy.is_additional(*id))
        {
            make(tx, policy, (object, name, child), Some(value))?;
        }
    }
    Ok(())
}
