//! Whether a value fits a place of another shape than the one it comes from.
//!
//! What [`faults`] finds nothing wrong with, the writer of values writes whole. Only the form
//! counts here: a value that breaks a bound or a pattern is carried over like every other.

use serde_json::Value;

use super::Obstacle;
use crate::document::item_ids;
use crate::id::check_map_key;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape, Succession, Types};

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
            if let Err((index, reason)) = item_ids(items, key) {
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
