//! Patterns for strings of any length that are tried on parts of values for which no field of its own
//! says so: inside values that are replaced as one, and by keywords such as `contains`.
//!
//! Invariant: a pattern is named where the bound holds that takes the place of the one that is not
//! stated, and only if strings beyond it match.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::pointer::Pointer;
use crate::policy::long_strings::{IN_PLACE, LongStrings, Step, is_bounded, pointer};
use crate::policy::{Policy, Shape, pattern};

/// How many uses of schemas are looked at; more come only from definitions that multiply.
const LOOKS_MAX: usize = 10_000;

/// The places in the schema of such patterns, in their order.
#[must_use]
pub fn unbounded_patterns(policy: &Policy) -> Vec<Pointer> {
    let schema = policy.schema();
    let Some(strings) = LongStrings::new(policy.rules(), schema) else {
        return Vec::new();
    };
    let mut search = Search {
        policy,
        strings,
        seen: BTreeSet::new(),
        found: BTreeSet::new(),
    };
    search.look(schema, &Pointer::root(), &Way::To(Vec::new()));
    search.found.into_iter().collect()
}

/// The path to a value that a schema applies to.
#[derive(Clone)]
enum Way<'s> {
    To(Vec<Step<'s>>),
    /// By the name of a property that matches a pattern, so the name is not known.
    Somewhere,
}

impl<'s> Way<'s> {
    fn then(&self, step: Step<'s>) -> Self {
        match self {
            Self::To(way) => Self::To(way.iter().copied().chain([step]).collect()),
            Self::Somewhere => Self::Somewhere,
        }
    }

    fn pointer(&self) -> Option<Pointer> {
        match self {
            Self::To(way) => Some(pointer(way)),
            Self::Somewhere => None,
        }
    }
}

struct Search<'s> {
    policy: &'s Policy,
    strings: LongStrings,
    /// Schemas by their places, with the places in a value that they were looked at for.
    seen: BTreeSet<(Pointer, Option<Pointer>)>,
    found: BTreeSet<Pointer>,
}

impl<'s> Search<'s> {
    fn look(&mut self, schema: &'s Value, at: &Pointer, way: &Way<'s>) {
        let Value::Object(keywords) = schema else {
            return;
        };
        let is_new = self.seen.insert((at.clone(), way.pointer()));
        if !is_new || self.seen.len() > LOOKS_MAX {
            return;
        }
        if self.is_unbounded(keywords, way) {
            self.found.insert(at.child("pattern"));
        }
        self.look_in_place(keywords, at, way);
        self.look_below(keywords, at, way);
    }

    fn is_unbounded(&self, keywords: &Map<String, Value>, way: &Way<'s>) -> bool {
        let text = keywords.get("pattern").and_then(Value::as_str);
        let pattern = text.and_then(|text| pattern::compile(self.policy.rules(), text).ok());
        let is_any = pattern.is_some_and(|pattern| !pattern.is_bounded());
        is_any
            && !is_bounded(keywords)
            && match way {
                Way::To(way) => {
                    !self.is_field(&pointer(way))
                        && self.strings.is_bound(self.policy.schema(), way)
                }
                Way::Somewhere => true,
            }
    }

    /// Whether a place is a field whose own rule has the bound.
    fn is_field(&self, at: &Pointer) -> bool {
        let node = self.policy.find(at).map(|id| self.policy.node(id));
        node.is_some_and(|node| match &node.shape {
            Shape::Text(rule) | Shape::Scalar(rule) => rule.length_max().is_some(),
            _ => false,
        })
    }

    /// Looks at the schemas that apply to the same value.
    fn look_in_place(&mut self, keywords: &'s Map<String, Value>, at: &Pointer, way: &Way<'s>) {
        for keyword in IN_PLACE {
            let at = at.child(keyword);
            match keywords.get(keyword) {
                Some(Value::Array(schemas)) => self.look_at_each(schemas, &at, |_| way.clone()),
                Some(schema) => self.look(schema, &at, way),
                None => {}
            }
        }
        let dependent = keywords.get("dependentSchemas").and_then(Value::as_object);
        for (name, schema) in dependent.into_iter().flatten() {
            self.look(schema, &at.child("dependentSchemas").child(name), way);
        }
        let target = keywords.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| target.strip_prefix('#'));
        let schema = target.and_then(|target| self.policy.schema().pointer(target));
        if let (Some(schema), Some(Ok(at))) = (schema, target.map(str::parse)) {
            self.look(schema, &at, way);
        }
    }

    /// Looks at the schemas that apply to what is in the value.
    fn look_below(&mut self, keywords: &'s Map<String, Value>, at: &Pointer, way: &Way<'s>) {
        // An element behind all that have a schema of their own; a name that none has.
        let (last, other) = (Step::Element(usize::MAX), Step::Entry(""));
        let steps = [
            ("additionalProperties", other),
            ("contains", last),
            ("items", last),
            ("propertyNames", Step::Name),
            ("unevaluatedItems", last),
            ("unevaluatedProperties", other),
        ];
        for (keyword, step) in steps {
            if let Some(schema) = keywords.get(keyword) {
                self.look(schema, &at.child(keyword), &way.then(step));
            }
        }
        if let Some(Value::Array(schemas)) = keywords.get("prefixItems") {
            let at = at.child("prefixItems");
            self.look_at_each(schemas, &at, |index| way.then(Step::Element(index)));
        }
        let by_name = |keyword: &str| keywords.get(keyword).and_then(Value::as_object);
        for (name, schema) in by_name("properties").into_iter().flatten() {
            let at = at.child("properties").child(name);
            self.look(schema, &at, &way.then(Step::Entry(name)));
        }
        for (pattern, schema) in by_name("patternProperties").into_iter().flatten() {
            let at = at.child("patternProperties").child(pattern);
            self.look(schema, &at, &Way::Somewhere);
        }
    }

    fn look_at_each(&mut self, schemas: &'s [Value], at: &Pointer, way: impl Fn(usize) -> Way<'s>) {
        for (index, schema) in schemas.iter().enumerate() {
            self.look(schema, &at.child(index.to_string()), &way(index));
        }
    }
}
