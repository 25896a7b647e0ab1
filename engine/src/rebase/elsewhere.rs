//! A value that was read in an epoch that is over.
//!
//! Its operations are gone; what became of them is in the values. Items that were there and are not
//! any more have left no trace in the document, so a body that merely repeats them brings nothing.
//! Must never know: operations.

use serde_json::{Map, Value};

use crate::policy::{NodeId, Policy, Shape};

/// Takes out of `body` the items that `base` had just so and that are not there now.
pub(super) fn forget_gone(
    policy: &Policy,
    node: NodeId,
    (base, present): (&Map<String, Value>, &Map<String, Value>),
    body: &mut Map<String, Value>,
) {
    let none = Value::Null;
    for (name, body) in body {
        let (Some(child), Some(base)) = (policy.child(node, name), base.get(name)) else {
            continue;
        };
        let present = present.get(name).unwrap_or(&none);
        match (&policy.node(child).shape, base, body) {
            (Shape::Object { .. }, Value::Object(base), Value::Object(body)) => {
                let none = Map::new();
                let present = present.as_object().unwrap_or(&none);
                forget_gone(policy, child, (base, present), body);
            }
            (Shape::Keyed { item, key }, Value::Array(base), Value::Array(body)) => {
                let present = present.as_array().map_or(&[][..], Vec::as_slice);
                let find = |items: &'_ [Value], id: &Value| -> Option<usize> {
                    items.iter().position(|item| item.get(key) == Some(id))
                };
                body.retain_mut(|one| {
                    let Some(id) = one.get(key).cloned() else {
                        return true;
                    };
                    let had = find(base, &id).and_then(|at| base.get(at));
                    let now = find(present, &id).and_then(|at| present.get(at));
                    if let (Some(had), Some(now), Value::Object(one)) = (
                        had.and_then(Value::as_object),
                        now.and_then(Value::as_object),
                        &mut *one,
                    ) {
                        forget_gone(policy, *item, (had, now), one);
                    }
                    now.is_some() || had != Some(one)
                });
            }
            _ => {}
        }
    }
}
