//! Looks up places in values as readers see them, by pointers that name items of keyed lists by id.
//!
//! Elements of other lists have no lasting names and are not found here.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{NodeId, Policy, Shape};
use crate::pointer::Pointer;

impl Policy {
    /// What is one step down in a value of this node.
    pub fn inner<'v>(&self, node: NodeId, value: &'v Value, token: &str) -> Option<&'v Value> {
        match value {
            Value::Object(map) => map.get(token),
            Value::Array(items) => items.get(item_index(items, self.key(node)?, token)?),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn inner_mut<'v>(
        &self,
        node: NodeId,
        value: &'v mut Value,
        token: &str,
    ) -> Option<&'v mut Value> {
        match value {
            Value::Object(map) => map.get_mut(token),
            Value::Array(items) => {
                let index = item_index(items, self.key(node)?, token)?;
                items.get_mut(index)
            }
            _ => None,
        }
    }

    /// What is at a place of an entity's value. Many places are better asked of [`Presented`].
    pub fn value_at<'v>(&self, value: &'v Value, pointer: &Pointer) -> Option<&'v Value> {
        let mut place = (NodeId::ROOT, value);
        for token in pointer.tokens() {
            let (node, value) = place;
            place = (self.child(node, token)?, self.inner(node, value, token)?);
        }
        Some(place.1)
    }

    /// The same, to be changed.
    pub fn value_at_mut<'v>(
        &self,
        value: &'v mut Value,
        pointer: &Pointer,
    ) -> Option<&'v mut Value> {
        let mut place = (NodeId::ROOT, value);
        for token in pointer.tokens() {
            let (node, value) = place;
            let inner = self.inner_mut(node, value, token)?;
            place = (self.child(node, token)?, inner);
        }
        Some(place.1)
    }

    /// The property by which items of a keyed list are named.
    pub fn key(&self, node: NodeId) -> Option<&str> {
        match &self.node(node).shape {
            Shape::Keyed { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// Whether an item of a keyed list has this id.
fn is_named(item: &Value, key: &str, id: &str) -> bool {
    item.get(key).and_then(Value::as_str) == Some(id)
}

/// The place of the item of this id in a keyed list.
pub fn item_index(items: &[Value], key: &str, id: &str) -> Option<usize> {
    items.iter().position(|item| is_named(item, key, id))
}

/// Lists that are shorter are searched from the first item on.
const INDEXED_MIN: usize = 16;

/// An entity's value of which many places are asked: keyed lists are indexed once.
#[derive(Debug)]
pub struct Presented<'v> {
    policy: &'v Policy,
    root: &'v Map<String, Value>,
    /// The ids of items with their indices, by the address of the first item of the list.
    lists: HashMap<*const Value, HashMap<&'v str, usize>>,
}

impl<'v> Presented<'v> {
    /// Of the value of an entity under its policy.
    #[must_use]
    pub fn new(policy: &'v Policy, root: &'v Map<String, Value>) -> Self {
        Self {
            policy,
            root,
            lists: HashMap::new(),
        }
    }

    /// What is at a place that is not the root.
    pub fn get(&mut self, pointer: &Pointer) -> Option<&'v Value> {
        Some(self.follow(pointer.tokens())?.1)
    }

    /// The item of a keyed list that tokens lead to, and its index.
    pub fn item(&mut self, tokens: &[String]) -> Option<(usize, &'v Value)> {
        let (index, item) = self.follow(tokens)?;
        Some((index?, item))
    }

    fn follow(&mut self, tokens: &[String]) -> Option<(Option<usize>, &'v Value)> {
        let (first, rest) = tokens.split_first()?;
        let mut found = (None, self.root.get(first)?);
        let mut node = self.policy.child(NodeId::ROOT, first);
        for token in rest {
            found = match found.1 {
                Value::Object(map) => (None, map.get(token)?),
                Value::Array(items) => {
                    let index = self.index(items, self.policy.key(node?)?, token)?;
                    (Some(index), items.get(index)?)
                }
                _ => return None,
            };
            node = node.and_then(|node| self.policy.child(node, token));
        }
        Some(found)
    }

    fn index(&mut self, items: &'v [Value], key: &str, id: &str) -> Option<usize> {
        if items.len() < INDEXED_MIN {
            return item_index(items, key, id);
        }
        let ids = self.lists.entry(items.as_ptr()).or_insert_with(|| {
            let named = items.iter().enumerate();
            let named = named.filter_map(|(index, item)| Some((item.get(key)?.as_str()?, index)));
            named.collect()
        });
        ids.get(id).copied()
    }
}
