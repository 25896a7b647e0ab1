//! How long texts, lists and maps may be for which the schema states no maximum.
//!
//! Invariant: holds from the second version of the rules on, for strings that a pattern is tried on
//! from the fourth, wherever these are from the fifth.
//! Must never know: documents, changes, who writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

#[cfg(feature = "whole-entity")]
use super::quantity::{ITEMS, PROPERTIES, at_most};
#[cfg(feature = "whole-entity")]
use super::scalar::Constraint;
use super::{
    Demand, Fault, NodeId, PATTERN_LENGTH_MAX, Policy, Rules, ScalarFault, ScalarRule, Shape, Types,
};
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
    fn for_pattern(&self, id: NodeId) -> Option<&ScalarRule> {
        match &self.node(id).shape {
            Shape::Text(rule) | Shape::Scalar(rule) => rule.length_max().map(|_| rule),
            _ => None,
        }
    }

    /// What is wrong with a text, list or map of so many elements at a place, if anything is.
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

    /// What is wrong with so many characters, elements or entries at a place, by the maximum that
    /// the schema states or else by the default. A client leaves what is stated to the server, like
    /// all that others have a part in.
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

    /// Every bound on a length that cannot be reached, or need not be reachable, in an entity of so
    /// many bytes at most.
    ///
    /// ```
    /// use indelible_engine::schema;
    ///
    /// let text = r#"{
    ///     "type": "object", "x-indelible": { "kind": "page" },
    ///     "properties": { "body": { "type": "string", "maxLength": 5000000 } }
    /// }"#;
    /// let page = schema::compile("page.json", text).expect("the schema has no mistakes");
    /// let found = page.unreachable(8 << 20);
    /// assert_eq!((found[0].pointer.to_string(), found[0].impossible), ("/body".to_owned(), false));
    /// ```
    #[must_use]
    pub fn unreachable(&self, entity_bytes_max: usize) -> Vec<Unreachable> {
        let demands = self.demands();
        let room = Room::new(self, &demands, entity_bytes_max);
        let found = demands.into_iter().filter_map(|demand| {
            let (impossible, reason) = room.judge(&demand)?;
            Some(Unreachable {
                pointer: demand.pointer,
                node: demand.node,
                keyword: demand.keyword.into_owned(),
                impossible,
                reason,
            })
        });
        found.collect()
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

/// What there is room for in an entity.
struct Room<'a> {
    policy: &'a Policy,
    entity_bytes_max: usize,
    /// The stated minima: of characters, elements and properties.
    minima: BTreeMap<(NodeId, &'static str), usize>,
}

impl<'a> Room<'a> {
    fn new(policy: &'a Policy, demands: &[Demand], entity_bytes_max: usize) -> Self {
        let mut minima = BTreeMap::new();
        for demand in demands {
            for keyword in ["minLength", "minItems", "minProperties"] {
                if demand.keyword == keyword {
                    let least: &mut usize = minima.entry((demand.node, keyword)).or_default();
                    *least = counted(&demand.value).unwrap_or(0).max(*least);
                }
            }
        }
        Self {
            policy,
            entity_bytes_max,
            minima,
        }
    }

    /// Whether a demand asks for what there is no room for: whether that makes it impossible, and
    /// why.
    fn judge(&self, demand: &Demand) -> Option<(bool, String)> {
        let max = self.entity_bytes_max;
        if demand.keyword == "required" {
            let least = self.least(demand.node);
            let mut below = self.required(demand.node);
            let itself = least > max && below.all(|(_, id)| self.least(id) <= max);
            let reason = || {
                format!(
                    "what is required here takes {least} bytes or more, and an entity holds {max}"
                )
            };
            return itself.then(|| (true, reason()));
        }
        let count = counted(&demand.value)?;
        let elements = max / self.element(demand.node);
        // A character takes up to four bytes.
        let (noun, most, is_minimum) = match demand.keyword.as_ref() {
            "maxLength" => ("characters", max / 4, false),
            "minLength" => ("characters", max, true),
            "maxItems" | "maxProperties" => ("elements", elements, false),
            "minItems" | "minProperties" => ("elements", elements, true),
            _ => return None,
        };
        let pattern = self.policy.for_pattern(demand.node);
        let pattern = pattern.filter(|_| demand.keyword == "minLength");
        if let Some(fault) = pattern.and_then(|rule| rule.too_long(count as u64)) {
            return Some((true, format!("nothing is that long: it {fault}")));
        }
        if is_minimum && (count > most || self.policy.too_long(demand.node, count).is_some()) {
            let reason = format!(
                "nothing is that long: an entity holds {max} bytes, which is room for {most} {noun}, \
                 and what has no stated maximum at most {ELEMENTS_MAX}"
            );
            return Some((true, reason));
        }
        (!is_minimum && count > most).then(|| {
            let reason = format!(
                "may be out of reach: an entity holds {max} bytes, which is room for {most} {noun}"
            );
            (false, reason)
        })
    }

    /// The fewest bytes that an element of a list, or an entry of a map, takes, with what parts it
    /// from the next.
    fn element(&self, id: NodeId) -> usize {
        let inner = match &self.policy.node(id).shape {
            Shape::List { element } => self.least(*element),
            Shape::Keyed { item, .. } => self.least(*item),
            Shape::Object {
                additional: Some(additional),
                ..
            } => self.least(*additional),
            _ => 1,
        };
        inner.saturating_add(1)
    }

    /// The properties that an object has to have from somebody.
    fn required(&self, id: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        self.policy.children(id).filter(|(_, id)| {
            let node = self.policy.node(*id);
            node.required && !node.shape.is_derived()
        })
    }

    /// The fewest bytes that a value takes, as JSON.
    fn least(&self, id: NodeId) -> usize {
        let minimum = |keyword| self.minima.get(&(id, keyword)).copied().unwrap_or(0);
        let node = self.policy.node(id);
        match &node.shape {
            Shape::Text(_) => minimum("minLength").saturating_add(2),
            Shape::Scalar(rule) if rule.types() == Types::STRING => {
                minimum("minLength").saturating_add(2)
            }
            Shape::List { .. } | Shape::Keyed { .. } => self
                .element(id)
                .saturating_mul(minimum("minItems"))
                .saturating_add(2),
            Shape::Object { .. } => {
                let each = self
                    .required(id)
                    .map(|(name, id)| self.least(id).saturating_add(name.len() + 4));
                each.fold(2, usize::saturating_add)
            }
            _ => 1,
        }
    }
}

/// A count as a schema states it, however it is written.
fn counted(value: &Value) -> Option<usize> {
    let count = crate::value::normal(value).as_u64()?;
    Some(usize::try_from(count).unwrap_or(usize::MAX))
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
        let policy = schema::compile("case.json", &schema.to_string()).unwrap();
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
    fn sums_beyond_an_entity_are_found() {
        let long = json!({ "type": "string", "minLength": 100_000.0 });
        let list = |bounds: Value| {
            let mut list = json!({ "type": "array", "items": long });
            list.as_object_mut()
                .unwrap()
                .extend(bounds.as_object().unwrap().clone());
            list
        };
        let object = |name: &str| {
            json!({ "type": "object", "required": [name],
                                           "properties": { name: list(json!({ "minItems": 50 })) } })
        };
        let schema = json!({
            "type": "object", "x-indelible": { "kind": "case" }, "required": ["one", "two"],
            "properties": {
                "fits": list(json!({ "maxItems": 80, "minItems": 80 })),
                "most": list(json!({ "maxItems": 90 })),
                "least": list(json!({ "minItems": 90 })),
                "items": { "type": "array", "maxItems": 90, "items": { "type": "object",
                    "required": ["a"], "properties": { "a": long, "b": { "type": "string" } } } },
                "map": { "type": "object", "maxProperties": 90, "additionalProperties": long },
                "one": object("a"), "two": object("b")
            }
        });
        let found = schema::compile("case.json", &schema.to_string())
            .unwrap()
            .unreachable(8 << 20);
        let mut told: Vec<String> = found
            .iter()
            .map(|one| format!("{} {} {}", one.pointer, one.keyword, one.impossible))
            .collect();
        told.sort();
        let expected = [
            " required true",
            "/items maxItems false",
            "/least minItems true",
            "/map maxProperties false",
            "/most maxItems false",
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
