//! What a body makes of the value that it was made from, without a document.
//!
//! Invariant: the rules are those of a merge: what an object of the body lacks stays, lists are
//! given whole, `null` empties.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::id::Hash;
use crate::policy::{Node, NodeId, Policy, Shape};
use crate::value::canonical;

/// The value at `node` after a body, made from `base`, is merged into that; with `whole`, what the
/// body lacks was removed.
pub(crate) fn wanted(
    policy: &Policy,
    node: NodeId,
    base: Option<&Value>,
    body: &Value,
    whole: bool,
) -> Option<Value> {
    let value = made(policy, node, base, body, whole)?;
    presented(policy, node, value)
}

fn made(
    policy: &Policy,
    node: NodeId,
    base: Option<&Value>,
    body: &Value,
    whole: bool,
) -> Option<Value> {
    match (&policy.node(node).shape, body) {
        (Shape::Scalar(rule), Value::Null) if rule.check(body).is_err() => None,
        (Shape::Atomic(rule), Value::Null) if rule.check(body).is_err() => None,
        (Shape::Scalar(_) | Shape::Atomic(_), _) => Some(body.clone()),
        (Shape::Counter(_), Value::Null) => None,
        (_, Value::Null) => emptied(policy, node, base),
        (Shape::Object { .. }, Value::Object(body)) => {
            let base = base.and_then(Value::as_object);
            Some(Value::Object(object(policy, node, base, body, whole)))
        }
        (Shape::Keyed { item, key }, Value::Array(body)) => {
            let list = base
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            let known: HashMap<&str, &Value> = list
                .iter()
                .filter_map(|item| Some((item.get(key)?.as_str()?, item)))
                .collect();
            let mut list_text = None;
            let items = body.iter().enumerate().map(|(index, value)| {
                let Value::Object(fields) = value else {
                    return value.clone();
                };
                let id = fields.get(key).and_then(Value::as_str);
                let base = id.and_then(|id| known.get(id)?.as_object());
                let mut made = object(policy, *item, base, fields, whole);
                if !made.contains_key(key) {
                    let list = list_text.get_or_insert_with(|| canonical(&list.into()));
                    made.insert(key.clone(), new_id(list, index, value).into());
                }
                Value::Object(made)
            });
            Some(items.collect())
        }
        _ => Some(body.clone()),
    }
}

fn object(
    policy: &Policy,
    node: NodeId,
    base: Option<&Map<String, Value>>,
    body: &Map<String, Value>,
    whole: bool,
) -> Map<String, Value> {
    let mut made = match base {
        Some(base) if !whole => base.clone(),
        _ => Map::new(),
    };
    for (name, value) in body {
        let base = base.and_then(|base| base.get(name));
        let value = match policy.child(node, name) {
            Some(child) if policy.presented_key(node) != Some(name) => {
                wanted(policy, child, base, value, whole)
            }
            _ => Some(value.clone()),
        };
        match value {
            Some(value) => made.insert(name.clone(), value),
            None => made.remove(name),
        };
    }
    made
}

/// What `null` leaves of a value that has parts or adds up.
fn emptied(policy: &Policy, node: NodeId, base: Option<&Value>) -> Option<Value> {
    let value = match (&policy.node(node).shape, base?) {
        (Shape::Object { .. }, Value::Object(fields)) if !policy.is_dynamic(node) => {
            let left = fields.iter().filter_map(|(name, value)| {
                let child = policy.child(node, name)?;
                Some((name.clone(), emptied(policy, child, Some(value))?))
            });
            Value::Object(left.collect())
        }
        (Shape::Keyed { .. } | Shape::List { .. }, _) => Value::Array(Vec::new()),
        (Shape::Text(_), _) => Value::String(String::new()),
        (Shape::Counter(_), counter) => counter.clone(),
        _ => return None,
    };
    presented(policy, node, value)
}

/// A value, unless it is an empty one that is not presented: objects, lists and texts are where they
/// are required, and entries of open maps always.
fn presented(policy: &Policy, node: NodeId, value: Value) -> Option<Value> {
    let is_empty = match &value {
        Value::Object(fields) => fields.is_empty() && !policy.is_dynamic(node),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    let Node {
        shape, required, ..
    } = policy.node(node);
    (!is_empty || *required || !shape.is_container()).then_some(value)
}

/// An id for an item that a body gives none to.
fn new_id(list: &str, index: usize, item: &Value) -> String {
    let hash = Hash::of(&[
        b"indelible/item-id/body\0",
        &(index as u64).to_be_bytes(),
        list.as_bytes(),
        b"\0",
        canonical(item).as_bytes(),
    ]);
    hash.to_string()[..20].to_owned()
}
