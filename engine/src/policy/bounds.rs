//! Default bounds on the length of texts, lists and maps for which the schema states no maximum.
//!
//! They hold from the second version of the rules on; for strings that a pattern is matched
//! against, from the fourth, and wherever such strings are, from the fifth.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

#[cfg(feature = "whole-entity")]
use super::constraint::Constraint;
#[cfg(feature = "whole-entity")]
use super::quantity::{ITEMS, PROPERTIES, at_most};
use super::{Fault, NodeId, PATTERN_LENGTH_MAX, Policy, Rules, ScalarFault, ScalarRule, Shape};
use crate::pointer::Pointer;

/// Characters of a text, elements of a list and entries of a map for which the schema states no
/// maximum.
pub const ELEMENTS_MAX: usize = 1_000_000;

/// Something that is longer than it may be.
#[derive(Debug, PartialEq)]
pub(crate) struct Overlong {
    pub(crate) fault: Fault,
    pub(crate) count: usize,
}

impl Overlong {
    /// Whether this and the other are about the same text, list, map or name.
    pub(crate) fn is_about(&self, other: &Fault) -> bool {
        self.fault.pointer == other.pointer
            && self.fault.keyword == other.keyword
            && self.fault.mark.names == other.mark.names
    }
}

impl Policy {
    /// Whether the default bound holds at a place.
    fn is_bound(&self, id: NodeId) -> bool {
        self.rules() >= Rules::V2 && self.node(id).count_max.is_none()
    }

    /// What holds strings at a place to the bound for what a pattern is tried on.
    pub(crate) fn for_pattern(&self, id: NodeId) -> Option<&ScalarRule> {
        match &self.node(id).shape {
            Shape::Text(rule) | Shape::Scalar(rule) => rule.length_max().map(|_| rule),
            _ => None,
        }
    }

    /// The fault of a text, list or map with this number of elements at a place, if there is one.
    pub(crate) fn too_long(&self, id: NodeId, count: usize) -> Option<ScalarFault> {
        if let Some(rule) = self.for_pattern(id) {
            return rule.too_long(count as u64);
        }
        if count <= ELEMENTS_MAX || !self.is_bound(id) {
            return None;
        }
        let (keyword, noun) = match &self.node(id).shape {
            Shape::Text(_) => ("maxLength", "characters"),
            Shape::List { .. } => ("maxItems", "elements"),
            Shape::Keyed { .. } => ("maxItems", "items"),
            Shape::Object { .. } => ("maxProperties", "entries"),
            _ => return None,
        };
        let message = format!(
            "must have at most {ELEMENTS_MAX} {noun}, the bound where the schema states none"
        );
        Some(ScalarFault::new(keyword, message).bound(ELEMENTS_MAX.into()))
    }

    /// The fault of this number of characters, elements or entries at a place, by the maximum that
    /// the schema states or else by the default. A client leaves stated maxima to the server, as it
    /// does with everything that others contribute to.
    pub(crate) fn too_many(&self, id: NodeId, count: usize) -> Option<ScalarFault> {
        #[cfg(feature = "whole-entity")]
        if let Some(max) = self.node(id).count_max {
            return (count as u64 > max).then(|| self.stated_count(id, max));
        }
        self.too_long(id, count)
    }

    /// The fault of what is longer than the schema states.
    #[cfg(feature = "whole-entity")]
    fn stated_count(&self, id: NodeId, max: u64) -> ScalarFault {
        let (keyword, message) = match &self.node(id).shape {
            Shape::Text(_) => ("maxLength", Constraint::MaxLength(max).message()),
            Shape::Object { .. } => ("maxProperties", at_most(max, PROPERTIES)),
            _ => ("maxItems", at_most(max, ITEMS)),
        };
        ScalarFault::new(keyword, message).bound(max.into())
    }

    /// Everything in the named fields of an entity that is too long.
    pub(crate) fn overlong(
        &self,
        value: &Map<String, Value>,
        names: &BTreeSet<&String>,
    ) -> Vec<Overlong> {
        let mut found = Vec::new();
        if self.rules() < Rules::V2 {
            return found;
        }
        for name in names {
            let inside = self.child(NodeId::ROOT, name).zip(value.get(*name));
            if let Some((child, value)) = inside {
                self.overlong_at(
                    child,
                    value,
                    &Pointer::root().child(name.as_str()),
                    &mut found,
                );
            }
        }
        let root = Pointer::root();
        self.note(NodeId::ROOT, value.len(), &root, &mut found);
        let of_patterns = self.long_strings(value, |name| names.contains(name));
        for (fault, count) in of_patterns {
            if !found.iter().any(|one: &Overlong| one.is_about(&fault)) {
                found.push(Overlong { fault, count });
            }
        }
        found
    }

    /// Strings in the fields of this name that are longer than the patterns of the schema are tried
    /// on, and how long each is.
    pub(super) fn long_strings(
        &self,
        value: &Map<String, Value>,
        is_named: impl Fn(&String) -> bool,
    ) -> Vec<(Fault, usize)> {
        let Some(strings) = &self.long_strings else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, field) in value.iter().filter(|(name, _)| is_named(name)) {
            let Some(node) = self.child(NodeId::ROOT, name) else {
                continue;
            };
            for (mut fault, count) in strings.faults(&self.schema, name, field) {
                let below = fault.pointer.tokens().get(1..).unwrap_or_default();
                let below = self.name_items_below(node, field, below);
                fault.pointer = std::iter::once(name.as_str()).chain(below).collect();
                found.push((fault, count));
            }
        }
        found
    }

    fn note(&self, id: NodeId, count: usize, at: &Pointer, found: &mut Vec<Overlong>) {
        let fault = self.too_long(id, count);
        found.extend(fault.map(|fault| Overlong {
            fault: fault.at(at.clone()),
            count,
        }));
    }

    fn overlong_at(&self, id: NodeId, value: &Value, at: &Pointer, found: &mut Vec<Overlong>) {
        match (&self.node(id).shape, value) {
            (Shape::Text(_), Value::String(text)) if text.len() as u64 > PATTERN_LENGTH_MAX => {
                self.note(id, text.chars().count(), at, found);
            }
            (Shape::List { .. }, Value::Array(elements)) => {
                self.note(id, elements.len(), at, found);
            }
            (Shape::Keyed { item, key }, Value::Array(items)) => {
                self.note(id, items.len(), at, found);
                for (index, value) in items.iter().enumerate() {
                    let at = at.child(super::whole::item_token(value, key, index));
                    self.overlong_at(*item, value, &at, found);
                }
            }
            (Shape::Object { .. }, Value::Object(entries)) => {
                let key = self.presented_key(id);
                let ids = usize::from(key.is_some_and(|key| entries.contains_key(key)));
                self.note(id, entries.len() - ids, at, found);
                for (name, value) in entries {
                    if let Some(child) = self.child(id, name) {
                        self.overlong_at(child, value, &at.child(name), found);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a list without an end, and a bound where the schema states one.
    use serde_json::json;

    use super::*;
    use crate::schema;

    fn policy(rules: Rules) -> Policy {
        let text = |bound: Value| {
            let mut text = json!({ "type": "string", "x-indelible": { "merge": "text" } });
            text.as_object_mut()
                .unwrap()
                .extend(bound.as_object().unwrap().clone());
            text
        };
        let schema = json!({
            "type": "object", "x-indelible": { "kind": "case" },
            "properties": {
                "free": text(json!({})), "bounded": text(json!({ "maxLength": 2_000_000 })),
                "list": { "type": "array", "items": { "type": "integer" } },
                "map": { "type": "object", "additionalProperties": { "type": "integer" } },
                "items": { "type": "array", "items": { "type": "object", "properties": {
                    "text": text(json!({})) } } }
            }
        });
        schema::compile_under(rules, "case.json", &schema.to_string()).unwrap()
    }

    #[test]
    fn what_states_no_maximum_is_bounded_by_default() {
        let letters = |count: usize| Value::String("é".repeat(count));
        let most = |more: usize| {
            let map = (0..ELEMENTS_MAX + more).map(|index| (format!("k{index}"), json!(1)));
            json!({
                "free": letters(ELEMENTS_MAX + more), "bounded": letters(ELEMENTS_MAX + 1),
                "list": vec![1; ELEMENTS_MAX + more],
                "map": map.collect::<Map<_, _>>(),
                "items": [{ "id": "i", "text": letters(ELEMENTS_MAX + more) }],
            })
        };
        let told = |rules: Rules, value: &Value| {
            let value = value.as_object().unwrap();
            let names: Vec<String> = value.keys().cloned().collect();
            let found = policy(rules).overlong(value, &names.iter().collect());
            let told = found.into_iter().map(|one| {
                assert!(
                    one.fault.message.contains("1000000"),
                    "{}",
                    one.fault.message
                );
                assert_eq!(one.count, ELEMENTS_MAX + 1);
                format!("{} {}", one.fault.pointer, one.fault.keyword)
            });
            told.collect::<Vec<_>>()
        };
        assert_eq!(told(Rules::V2, &most(0)), [""; 0]);
        let longer = most(1);
        let expected = [
            "/free maxLength",
            "/items/i/text maxLength",
            "/list maxItems",
            "/map maxProperties",
        ];
        assert_eq!(told(Rules::V2, &longer), expected);
        assert_eq!(told(Rules::V1, &longer), [""; 0]);
    }
}
