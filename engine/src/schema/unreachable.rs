//! Bounds on lengths that no value of an entity can reach.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Demand;
use crate::pointer::Pointer;
use crate::policy::{ELEMENTS_MAX, NodeId, Policy, Shape, Types};

/// A bound of the schema that no value can reach within the limits of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreachable {
    /// The place; items, elements and values of open maps are named `*`.
    pub pointer: Pointer,
    /// The node there.
    pub node: NodeId,
    /// The keyword of JSON Schema.
    pub keyword: String,
    /// Whether no value at all is valid there: a minimum that is too great.
    pub impossible: bool,
    /// Why, for people.
    pub reason: String,
}

impl Policy {
    /// Every bound on a length that cannot be reached, or may be out of reach, in an entity of at most
    /// this many bytes.
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

    /// Judges whether there is room for what a demand asks: if not, whether that makes it
    /// impossible, and why.
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

    /// The properties that an author must give an object.
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
    //! Guards against a bound that looks reachable and is not.
    use serde_json::json;

    use super::*;
    use crate::schema;

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
}
