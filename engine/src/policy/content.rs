//! Judging a value against a policy: a presented entity, or content that an entity is to be made
//! of.
//!
//! Invariant: every fault names its place, items of keyed lists by id where they have one.
//! Must never know: documents; who wrote the value.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::node::{NodeId, Shape, StampKind};
use super::scalar::{Fault, ScalarFault, ScalarRule, Types};
use super::{Format, Policy};
use crate::id::{ItemId, check_map_key};
use crate::pointer::Pointer;

impl Policy {
    /// Judges every single value in a presented entity by its own rule, texts and counters
    /// included. Places that the schema does not declare are not looked at.
    pub fn check_values(&self, value: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check_values_at(NodeId::ROOT, value, &Pointer::root(), &mut faults);
        faults
    }

    fn check_values_at(&self, id: NodeId, value: &Value, at: &Pointer, faults: &mut Vec<Fault>) {
        let checked = match (&self.node(id).shape, value) {
            (Shape::Object { .. }, Value::Object(entries)) => {
                for (name, value) in entries {
                    if let Some(child) = self.child(id, name) {
                        self.check_values_at(child, value, &at.child(name), faults);
                    }
                }
                Ok(())
            }
            (Shape::Keyed { item, key }, Value::Array(items)) => {
                for (index, value) in items.iter().enumerate() {
                    let at = at.child(item_token(value, key, index));
                    self.check_values_at(*item, value, &at, faults);
                }
                Ok(())
            }
            (Shape::List { element }, Value::Array(elements)) => {
                for (index, value) in elements.iter().enumerate() {
                    self.check_values_at(*element, value, &at.child(index.to_string()), faults);
                }
                Ok(())
            }
            (Shape::Text(rule) | Shape::Scalar(rule) | Shape::Counter(rule), value) => {
                rule.check(value)
            }
            (Shape::Atomic(rule), value) => rule.check(value),
            (Shape::Stamp(_) | Shape::Tally, _) => Ok(()),
            (shape, _) => Err(wrong_container(shape)),
        };
        faults.extend(checked.err().map(|fault| fault.at(at.clone())));
    }

    /// Judges a presented entity, stamps included, by everything that the schema says.
    #[cfg(feature = "whole-entity")]
    pub fn check_whole(&self, value: &Value) -> Vec<Fault> {
        let mut faults = self.check_values(value);
        if let Some(whole) = &self.whole {
            let named = whole.faults(value).into_iter().map(|fault| Fault {
                pointer: self.name_items(value, &fault.pointer),
                ..fault
            });
            faults.extend(named);
        }
        faults
    }

    /// Turns the indices of items of keyed lists in a pointer into their ids.
    pub fn name_items(&self, value: &Value, pointer: &Pointer) -> Pointer {
        let mut node = Some(NodeId::ROOT);
        let mut value = Some(value);
        let mut named = Pointer::root();
        for token in pointer.tokens() {
            let inner = match value {
                Some(Value::Object(entries)) => entries.get(token),
                Some(Value::Array(items)) => token.parse().ok().and_then(|i: usize| items.get(i)),
                _ => None,
            };
            let key = node.and_then(|id| match &self.node(id).shape {
                Shape::Keyed { key, .. } => Some(key),
                _ => None,
            });
            let id = key.and_then(|key| inner?.get(key)?.as_str());
            named = named.child(id.unwrap_or(token));
            node = node.and_then(|id| self.child(id, token));
            value = inner;
        }
        named
    }

    /// Judges what an entity is to be made of: whether everything in it is declared and good, and
    /// whether everything that is required is in it or in the defaults. `None` stands for no
    /// content at all. Items need no ids; stamps may only claim who created it and when.
    ///
    /// Constraints on the whole are not looked at.
    pub fn check_content(&self, content: Option<&Value>) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check_content_at(NodeId::ROOT, content, &Pointer::root(), &mut faults);
        faults
    }

    fn check_content_at(
        &self,
        id: NodeId,
        content: Option<&Value>,
        at: &Pointer,
        faults: &mut Vec<Fault>,
    ) {
        let node = self.node(id);
        let value = content.or(node.default.as_ref());
        let checked = match (&node.shape, value) {
            (Shape::Object { properties, .. }, value) => {
                let empty = Map::new();
                match value {
                    None if !node.required && !self.has_defaults_below(id) => return,
                    None => self.check_object(id, properties.values(), &empty, at, faults),
                    Some(Value::Object(entries)) => {
                        self.check_object(id, properties.values(), entries, at, faults);
                    }
                    Some(_) => faults.push(wrong_container(&node.shape).at(at.clone())),
                }
                Ok(())
            }
            (Shape::Keyed { item, key }, Some(Value::Array(items))) => {
                self.check_items(*item, key, items, at, faults);
                Ok(())
            }
            (Shape::List { element }, Some(Value::Array(elements))) => {
                for (index, value) in elements.iter().enumerate() {
                    let at = at.child(index.to_string());
                    self.check_content_at(*element, Some(value), &at, faults);
                }
                Ok(())
            }
            // A required text or list is there from the beginning, and empty.
            (Shape::Text(rule), value) => check_text(rule, value, node.required),
            (Shape::Keyed { .. } | Shape::List { .. }, None) => Ok(()),
            (Shape::Stamp(kind), value) => check_stamp(*kind, value),
            (Shape::Tally, Some(_)) => Err(ScalarFault::new(
                "x-indelible",
                "is a tally, which lives beside the entity",
            )),
            (Shape::Tally, None) => Ok(()),
            (Shape::Scalar(rule) | Shape::Counter(rule), Some(value)) => rule.check(value),
            (Shape::Atomic(rule), Some(value)) => rule.check(value),
            (_, None) if node.required => Err(ScalarFault::new("required", "is required")),
            (_, None) => Ok(()),
            (shape, Some(_)) => Err(wrong_container(shape)),
        };
        faults.extend(checked.err().map(|fault| fault.at(at.clone())));
    }

    fn check_object<'a>(
        &self,
        id: NodeId,
        declared: impl Iterator<Item = &'a NodeId>,
        entries: &Map<String, Value>,
        at: &Pointer,
        faults: &mut Vec<Fault>,
    ) {
        let key = self.presented_key(id);
        let declared: Vec<NodeId> = declared.copied().collect();
        for child in &declared {
            if let super::NodeName::Property(name) = &self.node(*child).name {
                self.check_content_at(*child, entries.get(name), &at.child(name), faults);
            }
        }
        for (name, value) in entries {
            if key == Some(name.as_str()) {
                continue;
            }
            let place = at.child(name);
            match self.child(id, name) {
                Some(child) if declared.contains(&child) => {}
                Some(child) => match check_map_key(name) {
                    Ok(()) => self.check_content_at(child, Some(value), &place, faults),
                    Err(error) => {
                        faults.push(ScalarFault::new("propertyNames", error.to_string()).at(place));
                    }
                },
                None => {
                    let fault = ScalarFault::new("additionalProperties", "is not declared");
                    faults.push(fault.at(place));
                }
            }
        }
    }

    fn check_items(
        &self,
        item: NodeId,
        key: &str,
        items: &[Value],
        at: &Pointer,
        faults: &mut Vec<Fault>,
    ) {
        let mut ids = BTreeSet::new();
        for (index, value) in items.iter().enumerate() {
            let at = at.child(item_token(value, key, index));
            match value.get(key) {
                None => {}
                Some(Value::String(id)) => {
                    let checked = match ItemId::new(id) {
                        Err(error) => Err(error.to_string()),
                        Ok(_) if !ids.insert(id) => Err("stands in the list twice".to_owned()),
                        Ok(_) => Ok(()),
                    };
                    let fault = checked.err().map(|reason| ScalarFault::new("type", reason));
                    faults.extend(fault.map(|fault| fault.at(at.child(key))));
                }
                Some(_) => {
                    let fault = ScalarFault::new("type", "must be the id of the item, a string");
                    faults.push(fault.at(at.child(key)));
                }
            }
            self.check_content_at(item, Some(value), &at, faults);
        }
    }

    fn has_defaults_below(&self, id: NodeId) -> bool {
        let below = self.declared_below(id);
        below.iter().any(|id| self.node(*id).default.is_some())
    }
}

/// How an item is named in a pointer: by its id, or by its index while it has none.
fn item_token(item: &Value, key: &str, index: usize) -> String {
    match item.get(key).and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => index.to_string(),
    }
}

fn wrong_container(shape: &Shape) -> ScalarFault {
    ScalarFault::new("type", format!("must be {}", shape.description()))
}

fn check_text(rule: &ScalarRule, value: Option<&Value>, required: bool) -> Result<(), ScalarFault> {
    match value {
        Some(value) => rule.check(value),
        None if required => rule.check(&Value::String(String::new())),
        None => Ok(()),
    }
}

fn check_stamp(kind: StampKind, value: Option<&Value>) -> Result<(), ScalarFault> {
    let Some(value) = value else { return Ok(()) };
    if !matches!(kind, StampKind::CreatedAt | StampKind::CreatedBy) {
        let reason = "is a stamp, which only the server makes";
        return Err(ScalarFault::new("x-indelible", reason));
    }
    let format = kind
        .is_time()
        .then_some(super::Constraint::Format(Format::DateTime));
    ScalarRule::new(Types::STRING, format.into_iter().collect()).check(value)
}
