//! A value that was read in an epoch that is over.
//!
//! Its operations are gone; what became of them is in the values. Items and entries that were there and
//! are not any more have left no trace in the document, so a body that merely repeats them brings nothing.
//! Must never know: operations.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::merge::repeats_value;
use crate::policy::{NodeId, Policy, Shape};

/// Takes out of `body` the items and entries that `base` had just so and that are not there now.
pub(super) fn forget_gone(
    policy: &Policy,
    node: NodeId,
    (base, present): (&Map<String, Value>, &Map<String, Value>),
    body: &mut Map<String, Value>,
) {
    let none = Value::Null;
    let is_gone = |name: &str| {
        let child = policy.child(node, name);
        child.is_some_and(|child| policy.is_dynamic(child)) && !present.contains_key(name)
    };
    body.retain(|name, body| {
        let had = base.get(name).filter(|_| is_gone(name));
        !had.is_some_and(|had| repeats_value(body, had, false))
    });
    for (name, body) in body {
        let (Some(child), Some(base)) = (policy.child(node, name), base.get(name)) else {
            continue;
        };
        // An edit brings it back with all that it had.
        if is_gone(name) {
            make_anew(policy, child, body);
            continue;
        }
        let present = present.get(name).unwrap_or(&none);
        match (&policy.node(child).shape, base, body) {
            (Shape::Object { .. }, Value::Object(base), Value::Object(body)) => {
                let none = Map::new();
                let present = present.as_object().unwrap_or(&none);
                forget_gone(policy, child, (base, present), body);
            }
            (Shape::Keyed { item, key }, Value::Array(base), Value::Array(body)) => {
                let present = present.as_array().map_or(&[][..], Vec::as_slice);
                let (base, present) = (by_id(base, key), by_id(present, key));
                body.retain_mut(|one| {
                    let Some(id) = one.get(key) else {
                        return true;
                    };
                    let (had, now) = (base.get(id).copied(), present.get(id).copied());
                    if let (Some(had), Some(now), Value::Object(one)) = (
                        had.and_then(Value::as_object),
                        now.and_then(Value::as_object),
                        &mut *one,
                    ) {
                        forget_gone(policy, *item, (had, now), one);
                    }
                    if now.is_some() {
                        return true;
                    }
                    let Some(had) = had else {
                        return true;
                    };
                    if repeats_value(one, had, false) {
                        return false;
                    }
                    // It keeps its id.
                    make_anew(policy, *item, one);
                    true
                });
            }
            _ => {}
        }
    }
}

/// The items of a list by what they have for an id; of several, the first.
fn by_id<'v>(items: &'v [Value], key: &str) -> HashMap<&'v Value, &'v Value> {
    let named = items.iter().rev();
    let named = named.filter_map(|item| Some((item.get(key)?, item)));
    named.collect()
}

/// Takes the ids out of the items in a value: the document knows none of them.
fn make_anew(policy: &Policy, node: NodeId, value: &mut Value) {
    match (&policy.node(node).shape, value) {
        (Shape::Object { .. }, Value::Object(fields)) => {
            for (name, value) in fields {
                if let Some(child) = policy.child(node, name) {
                    make_anew(policy, child, value);
                }
            }
        }
        (Shape::Keyed { item, key }, Value::Array(items)) => {
            for one in items {
                if let Value::Object(fields) = one {
                    fields.remove(key);
                }
                make_anew(policy, *item, one);
            }
        }
        _ => {}
    }
}
