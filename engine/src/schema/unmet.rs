//! Keywords that no value can satisfy, of which loading a schema says nothing.
//!
//! Owns what is certain at one place: items that `contains` asks for and the list refuses, and
//! properties that are required and refused in a value that is kept whole.
//! Invariant: nothing here decides whether a schema loads: what was served stays good.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::scalar::count;
use super::vocabulary::type_names;
use crate::pointer::Pointer;
use crate::policy::{Policy, ScalarRule, Shape, Types};
use crate::value::same;

/// A keyword that no value can satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Where in the file.
    pub pointer: Pointer,
    /// Why nothing is good.
    pub reason: String,
}

/// The keywords of a schema that no value can satisfy where they stand.
#[must_use]
pub fn unmet_keywords(policy: &Policy) -> Vec<Unmet> {
    let mut search = Search {
        schema: policy.schema(),
        seen: BTreeSet::new(),
        found: BTreeMap::new(),
    };
    for (_, node) in policy.nodes() {
        match &node.shape {
            Shape::Atomic(_) => search.whole_value(&node.schema_pointer),
            Shape::List { element } => {
                if let Shape::Scalar(rule) = &policy.node(*element).shape {
                    let parts = search.parts(&node.schema_pointer);
                    search.contained(&parts, |option| is_good(rule, option));
                }
            }
            _ => {}
        }
    }
    let found = search.found.into_iter();
    let unmet = found.map(|(pointer, reason)| Unmet { pointer, reason });
    unmet.collect()
}

fn is_good(rule: &ScalarRule, option: &Value) -> bool {
    rule.check(option).is_ok()
}

/// A schema that holds at a place, and where in the file it is.
type Part<'a> = (Pointer, &'a Map<String, Value>);

struct Search<'a> {
    schema: &'a Value,
    /// The schemas of values kept whole that were looked at.
    seen: BTreeSet<Pointer>,
    found: BTreeMap<Pointer, String>,
}

impl<'a> Search<'a> {
    /// All that holds where a schema does: it, what it refers to, and their `allOf`.
    fn parts(&self, at: &Pointer) -> Vec<Part<'a>> {
        let (mut parts, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next = vec![at.clone()];
        while let Some(at) = next.pop() {
            let found = self.schema.pointer(&at.to_string());
            let Some(keywords) = found.and_then(Value::as_object) else {
                continue;
            };
            if !seen.insert(at.clone()) {
                continue;
            }
            let target = keywords.get("$ref").and_then(Value::as_str);
            next.extend(target.and_then(|target| target.strip_prefix('#')?.parse().ok()));
            let members = keywords.get("allOf").and_then(Value::as_array);
            let members = 0..members.map_or(0, Vec::len);
            next.extend(members.map(|index| at.child("allOf").child(index.to_string())));
            parts.push((at, keywords));
        }
        parts
    }

    /// A value that is kept whole, and what is in it.
    fn whole_value(&mut self, at: &Pointer) {
        if !self.seen.insert(at.clone()) {
            return;
        }
        let parts = self.parts(at);
        self.required(&parts);
        let items: Vec<&Value> = parts
            .iter()
            .filter_map(|(_, part)| part.get("items"))
            .collect();
        self.contained(&parts, |option| {
            items.iter().all(|items| may_be(items, option))
        });
        for (at, part) in &parts {
            for keyword in ["items", "additionalProperties"] {
                if part.contains_key(keyword) {
                    self.whole_value(&at.child(keyword));
                }
            }
            let properties = part.get("properties").and_then(Value::as_object);
            for name in properties.into_iter().flat_map(Map::keys) {
                self.whole_value(&at.child("properties").child(name));
            }
        }
    }

    /// Properties that have to be there and that nothing allows.
    fn required(&mut self, parts: &[Part<'_>]) {
        for (at, part) in parts {
            let names = part.get("required").and_then(Value::as_array);
            for (index, name) in names.into_iter().flatten().enumerate() {
                let Some(name) = name.as_str() else { continue };
                let refusing = parts.iter().find_map(|(_, part)| refusing(part, name));
                if let Some(keyword) = refusing {
                    let at = at.child("required").child(index.to_string());
                    let reason = format!("requires {name:?}, which {keyword} does not allow");
                    self.found.insert(at, reason);
                }
            }
        }
    }

    /// Items that have to be there and that the list does not take.
    fn contained(&mut self, parts: &[Part<'_>], takes: impl Fn(&Value) -> bool) {
        for (at, part) in parts {
            let options = part.get("contains").and_then(options);
            let is_asked = part.get("minContains").and_then(count) != Some(0);
            if let Some(options) = options.filter(|_| is_asked)
                && !options.iter().any(&takes)
            {
                let reason = "asks for an item that the list does not take";
                self.found.insert(at.child("contains"), reason.to_owned());
            }
        }
    }
}

/// The keyword by which a schema refuses a property of this name.
fn refusing(part: &Map<String, Value>, name: &str) -> Option<&'static str> {
    let declared = part.get("properties").and_then(|named| named.get(name));
    match declared {
        Some(Value::Bool(false)) => Some("properties"),
        Some(_) => None,
        None if part.contains_key("patternProperties") => None,
        None => {
            let is_closed = part.get("additionalProperties") == Some(&Value::Bool(false));
            is_closed.then_some("additionalProperties")
        }
    }
}

/// The values that a schema lists.
fn options(schema: &Value) -> Option<&[Value]> {
    let single = schema.get("const").map(std::slice::from_ref);
    single.or_else(|| schema.get("enum")?.as_array().map(Vec::as_slice))
}

/// Whether a schema may take a value, by the values and types that it lists.
fn may_be(schema: &Value, value: &Value) -> bool {
    let stated = schema.get("type").and_then(type_names);
    *schema != Value::Bool(false)
        && stated.is_none_or(|types| Types::of(value).is_within(types))
        && options(schema).is_none_or(|options| options.iter().any(|one| same(one, value)))
}
