//! Faults of the whole entity: what no single operation shows.
//!
//! Invariant: only faults that a proposal introduces count, so that an entity that a tightened
//! schema made invalid stays editable. Two faults are the same when pointer and keyword agree.
//! Must never know: operations.

#[cfg(feature = "whole-entity")]
use serde_json::Value;

use crate::entity::Entity;
#[cfg(feature = "whole-entity")]
use crate::pointer::Pointer;
#[cfg(feature = "whole-entity")]
use crate::policy::{Policy, Shape};
#[cfg(feature = "whole-entity")]
use crate::violation::Rule;
use crate::violation::Violation;

/// The faults of the whole entity that are in `after` and were not in `before`.
#[cfg(feature = "whole-entity")]
pub(super) fn introduced(before: &Entity, after: &Entity, creation: bool) -> Vec<Violation> {
    if !after.policy.has_whole_constraints() {
        return Vec::new();
    }
    let mut faults = after.policy.check_whole(&after.presented());
    if !faults.is_empty() && !creation {
        let old = before.policy.check_whole(&before.presented());
        faults.retain(|fault| {
            !old.iter()
                .any(|o| o.pointer == fault.pointer && o.keyword == fault.keyword)
        });
    }
    faults
        .into_iter()
        .map(|fault| Violation {
            change: 0,
            ops: Vec::new(),
            kept: value_at(&before.presented(), &after.policy, &fault.pointer),
            attempted: value_at(&after.presented(), &after.policy, &fault.pointer),
            pointer: fault.pointer,
            rule: Rule::keyword(&fault.keyword),
            message: fault.message,
        })
        .collect()
}

/// A client without the validator leaves the faults of the whole to the server.
#[cfg(not(feature = "whole-entity"))]
pub(super) fn introduced(_before: &Entity, _after: &Entity, _creation: bool) -> Vec<Violation> {
    Vec::new()
}

/// The scalar at a pointer that names items by id; containers are too much for a report.
#[cfg(feature = "whole-entity")]
fn value_at(value: &Value, policy: &Policy, pointer: &Pointer) -> Option<Value> {
    let mut node = policy.root();
    let mut value = value;
    for token in pointer.tokens() {
        value = match (&policy.node(node).shape, value) {
            (Shape::Keyed { key, .. }, Value::Array(items)) => items
                .iter()
                .find(|item| item.get(key).and_then(Value::as_str) == Some(token))?,
            (_, Value::Object(map)) => map.get(token)?,
            _ => return None,
        };
        node = policy.child(node, token)?;
    }
    (!value.is_object() && !value.is_array()).then(|| value.clone())
}
