//! The default bound on strings that a pattern is matched against from elsewhere than their own
//! field: inside values that are replaced as one, by a keyword such as `contains`, or by a schema
//! above that only constrains.
//!
//! The schemas that apply to a string are found on the way down to it. Only strings beyond the
//! bound are looked for, so the cost of a value is linear in its length. The bound holds from the
//! fifth version of the rules on, and a maximum in the schema replaces it; one that is only under
//! `anyOf`, `not` and the like replaces it for nothing but the patterns inside that keyword.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Fault, PATTERN_LENGTH_MAX, Pattern, Rules, ScalarFault, pattern, pattern_too_long};
use crate::pointer::Pointer;

/// The keywords whose schemas apply to the same value.
pub(crate) const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "else", "if", "not", "oneOf", "then"];

/// What a schema says about strings that patterns are matched against.
#[derive(Debug)]
pub(crate) struct LongStrings {
    /// What the keyword `patternProperties` has, compiled.
    names: BTreeMap<String, Pattern>,
}

/// One step down in a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'v> {
    Entry(&'v str),
    Element(usize),
    /// To the name of a property itself.
    Name,
}

/// A schema that applies to a place.
#[derive(Debug, Clone, Copy)]
struct Part<'s> {
    schema: &'s Map<String, Value>,
    /// Whether every value there has to satisfy it.
    holds: bool,
    /// Whether a schema around it says how long a string may be.
    stated: bool,
    /// Whether a schema around it lists the values that it takes, each as long as it is.
    listed: bool,
}

impl PartialEq for Part<'_> {
    fn eq(&self, other: &Self) -> bool {
        let flags = |part: &Self| (part.holds, part.stated, part.listed);
        std::ptr::eq(self.schema, other.schema) && flags(self) == flags(other)
    }
}

impl LongStrings {
    /// Of a schema; none where the rules do not know the bound or no pattern is tried.
    pub(crate) fn new(rules: Rules, schema: &Value) -> Option<Self> {
        if rules < Rules::V5 || !mentions(schema, "pattern") {
            return None;
        }
        let mut names = BTreeMap::new();
        compile_names(rules, schema, &mut names);
        Some(Self { names })
    }

    /// What in the value of a field is longer than the patterns of the schema are tried on, elements
    /// of lists named by their index; and how long each is.
    pub(crate) fn faults(&self, schema: &Value, field: &str, value: &Value) -> Vec<(Fault, usize)> {
        let mut found = Vec::new();
        find_long(value, &mut vec![Step::Entry(field)], &mut |way, text| {
            let count = text.chars().count();
            if count as u64 > PATTERN_LENGTH_MAX && self.is_bound(schema, way) {
                let fault = match way.last() {
                    Some(Step::Name) => {
                        let mut fault = misnamed().at(pointer(way));
                        fault.mark.names.push(text.to_owned());
                        fault
                    }
                    _ => pattern_too_long(PATTERN_LENGTH_MAX).of(&Value::from(text), pointer(way)),
                };
                found.push((fault, count));
            }
        });
        found
    }

    /// Whether the bound holds for a string.
    pub(crate) fn is_bound(&self, schema: &Value, way: &[Step<'_>]) -> bool {
        let mut parts = Vec::new();
        add(schema, whole(schema), &mut parts);
        for step in way {
            // One of the values that are listed is as long as it is.
            if parts
                .iter()
                .any(|part| part.holds && is_listed(part.schema))
            {
                return false;
            }
            parts = self.below(schema, &parts, *step);
        }
        let is_stated = parts
            .iter()
            .any(|part| part.holds && is_bounded(part.schema));
        !is_stated && parts.iter().any(is_tried)
    }

    /// The schemas that apply one step down.
    fn below<'s>(&self, root: &'s Value, parts: &[Part<'s>], step: Step<'_>) -> Vec<Part<'s>> {
        let mut below = Vec::new();
        let mut is_evaluated = false;
        for part in parts {
            let (schemas, evaluates) = self.applied(part.schema, step);
            is_evaluated |= part.holds && evaluates;
            for (schema, holds) in schemas {
                add(root, part.inner(schema, holds), &mut below);
            }
        }
        let rest = match step {
            Step::Entry(_) if !is_evaluated => "unevaluatedProperties",
            Step::Element(_) if !is_evaluated => "unevaluatedItems",
            _ => return below,
        };
        for part in parts {
            add(root, part.inner(part.schema.get(rest), true), &mut below);
        }
        below
    }

    /// The schemas that one has for what is a step down, each with whether that has to satisfy it;
    /// and whether nothing is left there for `unevaluatedProperties` or `unevaluatedItems`.
    fn applied<'s>(
        &self,
        schema: &'s Map<String, Value>,
        step: Step<'_>,
    ) -> (Vec<(Option<&'s Value>, bool)>, bool) {
        match step {
            Step::Entry(name) => {
                let named = schema.get("properties").and_then(|all| all.get(name));
                let like = schema.get("patternProperties").and_then(Value::as_object);
                let like = like.into_iter().flatten().filter(|(pattern, _)| {
                    let pattern = self.names.get(*pattern);
                    pattern.is_some_and(|pattern| pattern.is_match(name))
                });
                let mut found: Vec<_> = named.into_iter().chain(like.map(|(_, one)| one)).collect();
                if found.is_empty() {
                    found.extend(schema.get("additionalProperties"));
                }
                let evaluates = !found.is_empty();
                (
                    found.into_iter().map(|one| (Some(one), true)).collect(),
                    evaluates,
                )
            }
            Step::Element(index) => {
                let first = schema.get("prefixItems").and_then(|all| all.get(index));
                let found = first.or_else(|| schema.get("items"));
                let contained = (schema.get("contains"), false);
                (vec![(found, true), contained], found.is_some())
            }
            Step::Name => (vec![(schema.get("propertyNames"), true)], false),
        }
    }
}

impl<'s> Part<'s> {
    /// A schema in this one that applies one step down.
    fn inner(&self, schema: Option<&'s Value>, holds: bool) -> Option<Self> {
        let listed = self.listed || is_listed(self.schema);
        Some(Self {
            schema: schema?.as_object()?,
            holds: self.holds && holds,
            stated: listed,
            listed,
        })
    }
}

fn whole(schema: &Value) -> Option<Part<'_>> {
    Some(Part {
        schema: schema.as_object()?,
        holds: true,
        stated: false,
        listed: false,
    })
}

/// Whether a schema lists the values that it takes.
fn is_listed(schema: &Map<String, Value>) -> bool {
    schema.contains_key("enum") || schema.contains_key("const")
}

/// Whether a pattern is tried on strings of which nothing around it says how long they are.
fn is_tried(part: &Part<'_>) -> bool {
    part.schema.contains_key("pattern") && !part.stated && !is_bounded(part.schema)
}

/// Adds a part and all that its keywords say about the same value.
fn add<'s>(root: &'s Value, part: Option<Part<'s>>, parts: &mut Vec<Part<'s>>) {
    let Some(part) = part.filter(|part| !parts.contains(part)) else {
        return;
    };
    parts.push(part);
    let schema = part.schema;
    let stated = part.stated || is_bounded(schema);
    let listed = part.listed || is_listed(schema);
    let mut inside = |value: Option<&'s Value>, holds: bool| {
        let inner = value.and_then(Value::as_object).map(|schema| Part {
            schema,
            holds: part.holds && holds,
            stated,
            listed,
        });
        add(root, inner, parts);
    };
    let target = schema.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|target| root.pointer(target.strip_prefix('#')?));
    inside(target, true);
    for keyword in IN_PLACE {
        let schemas = match schema.get(keyword) {
            Some(Value::Array(schemas)) => schemas.as_slice(),
            Some(schema) => std::slice::from_ref(schema),
            None => &[],
        };
        for schema in schemas {
            inside(Some(schema), keyword == "allOf");
        }
    }
    let dependent = schema.get("dependentSchemas").and_then(Value::as_object);
    for schema in dependent.into_iter().flat_map(Map::values) {
        inside(Some(schema), false);
    }
}

/// Calls for each string, and each name of a property, that is longer than the bound in bytes.
fn find_long<'v>(
    value: &'v Value,
    way: &mut Vec<Step<'v>>,
    each: &mut impl FnMut(&[Step<'v>], &'v str),
) {
    let is_long = |text: &str| text.len() as u64 > PATTERN_LENGTH_MAX;
    match value {
        Value::String(text) if is_long(text) => each(way, text),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                way.push(Step::Element(index));
                find_long(element, way, each);
                way.pop();
            }
        }
        Value::Object(entries) => {
            for (name, value) in entries {
                if is_long(name) {
                    way.push(Step::Name);
                    each(way, name);
                    way.pop();
                }
                way.push(Step::Entry(name));
                find_long(value, way, each);
                way.pop();
            }
        }
        _ => {}
    }
}

fn misnamed() -> ScalarFault {
    let fault = pattern_too_long(PATTERN_LENGTH_MAX);
    ScalarFault {
        keyword: "propertyNames",
        message: format!("the names in it {}", fault.message),
        ..fault
    }
}

/// Whether a schema says how long a string may be.
pub(crate) fn is_bounded(schema: &Map<String, Value>) -> bool {
    let bounds = ["maxLength", "enum", "const"];
    bounds.iter().any(|keyword| schema.contains_key(*keyword))
}

/// The place of what is at the end of a way; of a name, that of the object that has it.
pub(crate) fn pointer(way: &[Step<'_>]) -> Pointer {
    let tokens = way.iter().filter_map(|step| match step {
        Step::Entry(name) => Some((*name).to_owned()),
        Step::Element(index) => Some(index.to_string()),
        Step::Name => None,
    });
    tokens.collect()
}

/// Whether a key is anywhere in a value.
fn mentions(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(map) => map.contains_key(key) || map.values().any(|one| mentions(one, key)),
        Value::Array(all) => all.iter().any(|one| mentions(one, key)),
        _ => false,
    }
}

fn compile_names(rules: Rules, schema: &Value, names: &mut BTreeMap<String, Pattern>) {
    let inner = match schema {
        Value::Object(keywords) => {
            let patterns = keywords.get("patternProperties").and_then(Value::as_object);
            for (text, _) in patterns.into_iter().flatten() {
                // An invalid one has been reported, or is a property of this name.
                if let Ok(pattern) = pattern::compile(rules, text) {
                    names.insert(text.clone(), pattern);
                }
            }
            keywords.values().collect()
        }
        Value::Array(schemas) => schemas.iter().collect(),
        _ => Vec::new(),
    };
    for schema in inner {
        compile_names(rules, schema, names);
    }
}
