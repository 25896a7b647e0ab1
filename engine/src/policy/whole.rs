//! Judges a presented entity. Every fault names its place, items of keyed lists by id.

use serde_json::Value;

use super::fault::{Fault, ScalarFault};
use super::node::{NodeId, Shape};
use super::{Policy, Rules};
use crate::pointer::Pointer;

impl Policy {
    /// Judges every single value in a presented entity by its own rule, texts and counters
    /// included. Places that the schema does not declare are not looked at.
    pub fn check_values(&self, value: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check_values_at(NodeId::ROOT, value, &Pointer::root(), &mut faults);
        let fields = value.as_object();
        let long = fields.map(|fields| self.long_strings(fields, |_| true));
        for (fault, _) in long.into_iter().flatten() {
            let is_told =
                |one: &&mut Fault| one.pointer == fault.pointer && one.keyword == fault.keyword;
            match faults.iter_mut().find(is_told) {
                Some(told) => told.mark.names.extend(fault.mark.names),
                None => faults.push(fault),
            }
        }
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
            (Shape::Text(rule) | Shape::Scalar(rule) | Shape::Counter(rule), value)
                if self.rules() >= Rules::V3 =>
            {
                let found = rule.faults(value).into_iter();
                faults.extend(found.map(|fault| fault.of(value, at.clone())));
                Ok(())
            }
            (Shape::Text(rule) | Shape::Scalar(rule) | Shape::Counter(rule), value) => {
                rule.check(value)
            }
            (Shape::Atomic(rule), value) => rule.check(value),
            (Shape::Stamp(_) | Shape::Tally, _) => Ok(()),
            (shape, _) => Err(wrong_type(shape)),
        };
        faults.extend(checked.err().map(|fault| fault.at(at.clone())));
    }

    /// Judges a presented entity, stamps included, by everything that the schema says.
    #[cfg(feature = "whole-entity")]
    pub fn check_whole(&self, value: &Value) -> Vec<Fault> {
        let mut faults = self.check_values(value);
        if let Some(validator) = &self.validator {
            for mut fault in validator.faults(value) {
                self.name_places(value, &mut fault);
                faults.push(fault);
            }
        }
        faults
    }

    #[cfg(feature = "whole-entity")]
    fn name_places(&self, value: &Value, fault: &mut Fault) {
        fault.pointer = self.name_items(value, &fault.pointer);
        let compared = fault.mark.pointer.take();
        fault.mark.pointer = compared.map(|at| self.name_items(value, &at));
        let inner = fault.mark.alternatives.iter_mut().flatten().flatten();
        inner.for_each(|inner| self.name_places(value, inner));
    }

    /// Turns the indices of items of keyed lists in a pointer into their ids.
    pub fn name_items(&self, value: &Value, pointer: &Pointer) -> Pointer {
        self.name_items_below(NodeId::ROOT, value, pointer.tokens())
            .collect()
    }

    /// The same of a place in the value of a node.
    pub(super) fn name_items_below<'v>(
        &'v self,
        node: NodeId,
        value: &'v Value,
        tokens: &'v [String],
    ) -> impl Iterator<Item = &'v str> {
        let mut node = Some(node);
        let mut value = Some(value);
        tokens.iter().map(move |token| {
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
            node = node.and_then(|id| self.child(id, token));
            value = inner;
            id.unwrap_or(token)
        })
    }
}

/// How an item is named in a pointer: by its id, or by its index while it has none.
pub(crate) fn item_token(item: &Value, key: &str, index: usize) -> String {
    match item.get(key).and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => index.to_string(),
    }
}

/// The fault of a value that is not of the type that a shape holds.
pub(crate) fn wrong_type(shape: &Shape) -> ScalarFault {
    let fault = ScalarFault::types(shape.types());
    match shape.is_container() {
        true => ScalarFault {
            message: format!("must be {}", shape.description()),
            ..fault
        },
        false => fault,
    }
}
