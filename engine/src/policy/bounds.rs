//! How long texts, lists and maps may be for which the schema states no maximum.
//!
//! Invariant: holds from the second version of the rules on.
//! Must never know: documents, changes, who writes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Fault, NodeId, Policy, Rules, ScalarFault, Shape};
use crate::pointer::Pointer;

/// Characters of a text, elements of a list and entries of a map for which the schema states no
/// maximum.
pub const ELEMENTS_MAX: usize = 1_000_000;

/// A bound of the schema that the limits of an entity do not let anybody reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreachable {
    /// The place; items, elements and values of open maps are named `*`.
    pub pointer: Pointer,
    /// The node there.
    pub node: NodeId,
    /// The keyword of JSON Schema.
    pub keyword: String,
    /// Whether no value at all is good there: a minimum that is too great.
    pub impossible: bool,
    /// Why, for people.
    pub reason: String,
}

/// Something that is longer than it may be.
#[derive(Debug, PartialEq)]
pub(crate) struct Overlong {
    pub(crate) fault: Fault,
    pub(crate) count: usize,
}

impl Policy {
    /// Whether the default bound holds at a place.
    fn is_bound(&self, id: NodeId) -> bool {
        self.rules() >= Rules::V2 && !self.node(id).bounded
    }

    /// What is wrong with a text, list or map of so many elements at a place, if anything is.
    pub(crate) fn too_long(&self, id: NodeId, count: usize) -> Option<ScalarFault> {
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
        Some(ScalarFault::new(keyword, message))
    }

    /// Every bound on a length that cannot be reached, or need not be reachable, in an entity of so
    /// many bytes at most.
    ///
    /// ```
    /// use indelible_engine::policy::Policy;
    /// use indelible_engine::schema::SchemaSource;
    ///
    /// let text = r#"{
    ///     "type": "object", "x-indelible": { "kind": "page" },
    ///     "properties": { "body": { "type": "string", "maxLength": 5000000 } }
    /// }"#;
    /// let source = SchemaSource { file: "page.json".to_owned(), text: text.to_owned() };
    /// let page = Policy::compile(&source).expect("the schema has no mistakes");
    /// let found = page.unreachable(8 << 20);
    /// assert_eq!((found[0].pointer.to_string(), found[0].impossible), ("/body".to_owned(), false));
    /// ```
    #[must_use]
    pub fn unreachable(&self, entity_bytes_max: usize) -> Vec<Unreachable> {
        // A character takes up to four bytes; an element of a list, and an entry, two at least.
        let (wide, narrow) = (entity_bytes_max / 4, entity_bytes_max / 2);
        let mut found = Vec::new();
        for demand in self.demands() {
            let Some(count) = demand.value.as_u64() else {
                continue;
            };
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let keyword = demand.keyword.as_ref();
            let (noun, most, least) = match keyword {
                "maxLength" => ("characters", wide, usize::MAX),
                "minLength" => ("characters", usize::MAX, entity_bytes_max),
                "maxItems" | "maxProperties" => ("elements", narrow, usize::MAX),
                "minItems" | "minProperties" => ("elements", usize::MAX, narrow),
                _ => continue,
            };
            let default = matches!(keyword, "minLength" | "minItems" | "minProperties")
                .then(|| self.too_long(demand.node, count));
            let impossible = count > least || default.is_some_and(|fault| fault.is_some());
            if count <= most && !impossible {
                continue;
            }
            let reason = if impossible {
                format!(
                    "nothing is that long: an entity holds {entity_bytes_max} bytes, and what has \
                     no stated maximum at most {ELEMENTS_MAX} {noun}"
                )
            } else {
                format!(
                    "may be out of reach: an entity holds {entity_bytes_max} bytes, which is room \
                     for {most} {noun}"
                )
            };
            found.push(Unreachable {
                pointer: demand.pointer,
                node: demand.node,
                keyword: keyword.to_owned(),
                impossible,
                reason,
            });
        }
        found
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
            (Shape::Text(_), Value::String(text)) if text.len() > ELEMENTS_MAX => {
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
                self.note(id, entries.len(), at, found);
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
    use crate::schema::SchemaSource;

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
        let source = SchemaSource {
            file: "case.json".to_owned(),
            text: schema.to_string(),
        };
        Policy::compile_under(rules, &source).unwrap()
    }

    #[test]
    fn bounds_beyond_an_entity_are_found() {
        let schema = json!({
            "type": "object", "x-indelible": { "kind": "case" },
            "properties": {
                "fits": { "type": "string", "maxLength": 2_000_000 },
                "wide": { "type": "string", "maxLength": 5_000_000,
                          "x-indelible": { "merge": "text" } },
                "least": { "type": "string", "minLength": 9_000_000, "maxLength": 10_000_000 },
                "none": { "type": "string", "minLength": 1_000_001,
                          "x-indelible": { "merge": "text" } },
                "list": { "type": "array", "items": { "type": "integer" },
                          "maxItems": 4_194_305, "minItems": 4_194_305 }
            }
        });
        let source = SchemaSource {
            file: "case.json".to_owned(),
            text: schema.to_string(),
        };
        let policy = Policy::compile(&source).unwrap();
        let mut told: Vec<String> = policy
            .unreachable(8 << 20)
            .iter()
            .map(|one| format!("{} {} {}", one.pointer, one.keyword, one.impossible))
            .collect();
        told.sort();
        let expected = [
            "/least maxLength false",
            "/least minLength true",
            "/list maxItems false",
            "/list minItems true",
            "/none minLength true",
            "/wide maxLength false",
        ];
        assert_eq!(told, expected);
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
