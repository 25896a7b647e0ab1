//! Finds keywords that load but have no effect: those about values of another type, and those that
//! every value satisfies.
//!
//! A definition that is used at several places is judged at each of them: a keyword that has an
//! effect at one place is not idle. Nothing here decides whether a schema loads.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::vocabulary::{Form, find, type_names, types_concerned};
use crate::pointer::Pointer;
use crate::policy::constraint::count;
use crate::policy::{NodeId, Policy, Shape, Types};

/// A keyword that asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// Where in the file.
    pub pointer: Pointer,
    /// Why it does nothing.
    pub reason: String,
}

/// The keywords of a schema that have no effect at their place.
///
/// ```
/// use indelible_engine::schema::{self, idle_keywords};
///
/// let text = r#"{
///     "type": "object", "x-indelible": { "kind": "page" },
///     "properties": { "title": { "type": "string", "anyOf": [{ "minimum": 3 }, { "const": "" }] } }
/// }"#;
/// let page = schema::compile("page.json", text).expect("the schema has no mistakes");
/// let found = idle_keywords(&page);
/// assert_eq!(found[0].pointer.to_string(), "/properties/title/anyOf/0/minimum");
/// ```
#[must_use]
pub fn idle_keywords(policy: &Policy) -> Vec<Idle> {
    let mut walk = Walk {
        policy,
        seen: HashSet::new(),
        found: BTreeMap::new(),
    };
    let root = Context::at(policy, Some(policy.root()));
    walk.schema(policy.schema(), &Pointer::root(), &root);
    walk.unused_definitions();
    let found = walk.found.into_iter();
    let idle = found.filter_map(|(pointer, reason)| {
        Some(Idle {
            pointer,
            reason: reason?,
        })
    });
    idle.collect()
}

/// What is known of the value that a schema applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Context {
    node: Option<NodeId>,
    types: Types,
}

impl Context {
    fn at(policy: &Policy, node: Option<NodeId>) -> Self {
        let types = node.map_or(Types::NONE, |id| policy.node(id).shape.types());
        // Schemas say nothing about values that the server makes.
        let types = if types == Types::NONE {
            Types::ALL
        } else {
            types
        };
        Self { node, types }
    }

    fn unknown() -> Self {
        Self {
            node: None,
            types: Types::ALL,
        }
    }
}

struct Walk<'a> {
    policy: &'a Policy,
    /// What was looked at, and with what known: definitions may be used at many places.
    seen: HashSet<(Pointer, Context)>,
    /// For each keyword why it asks for nothing, if it does nowhere.
    found: BTreeMap<Pointer, Option<String>>,
}

impl Walk<'_> {
    /// Notes what a keyword is in one use.
    fn note(&mut self, pointer: Pointer, reason: Option<String>) {
        match self.found.entry(pointer) {
            Entry::Vacant(place) => {
                place.insert(reason);
            }
            Entry::Occupied(mut place) if reason.is_none() => {
                place.insert(None);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Definitions that nothing refers to: nothing is known of the values they are for.
    fn unused_definitions(&mut self) {
        let defined = self.policy.schema().get("$defs");
        for (name, schema) in defined.and_then(Value::as_object).into_iter().flatten() {
            let at = Pointer::root().child("$defs").child(name);
            if !self.seen.iter().any(|(seen, _)| *seen == at) {
                self.schema(schema, &at, &Context::unknown());
            }
        }
    }

    fn reference(&mut self, target: &Value, here: &Context) {
        let target = target.as_str().and_then(|target| target.strip_prefix('#'));
        let found = target.and_then(|at| Some((self.policy.schema().pointer(at)?, at)));
        if let Some((schema, at)) = found
            && let Ok(at) = at.parse()
        {
            self.schema(schema, &at, here);
        }
    }

    fn schema(&mut self, schema: &Value, at: &Pointer, context: &Context) {
        let Some(keywords) = schema.as_object() else {
            return;
        };
        if !self.seen.insert((at.clone(), *context)) {
            return;
        }
        let stated = keywords.get("type").and_then(type_names);
        let types = stated.map_or(context.types, |stated| stated.and(context.types));
        let here = Context { types, ..*context };
        for (keyword, value) in keywords {
            let at = at.child(keyword);
            let concerned = types_concerned(keyword).unwrap_or(Types::ALL);
            if types != Types::NONE && concerned.is_disjoint(types) {
                let reason =
                    format!("{keyword} says nothing about {types}, so it asks for nothing");
                self.note(at, Some(reason));
                continue;
            }
            self.note(at.clone(), asks_nothing(keyword, value, keywords));
            self.inside(keyword, value, (&at, &here));
        }
    }

    /// The schemas in a keyword.
    fn inside(&mut self, keyword: &str, value: &Value, (at, here): (&Pointer, &Context)) {
        match find(keyword).map(|(form, _)| form) {
            // They are looked at where they are used.
            _ if keyword == "$defs" => {}
            Some(Form::Reference) => self.reference(value, here),
            Some(Form::Schema) => {
                let inner = self.inner(keyword, None, here);
                self.schema(value, at, &inner);
            }
            Some(Form::Schemas) => {
                let inner = self.inner(keyword, None, here);
                for (index, schema) in value.as_array().into_iter().flatten().enumerate() {
                    self.schema(schema, &at.child(index.to_string()), &inner);
                }
            }
            Some(Form::SchemasByName) => {
                for (name, schema) in value.as_object().into_iter().flatten() {
                    let inner = self.inner(keyword, Some(name), here);
                    self.schema(schema, &at.child(name), &inner);
                }
            }
            _ => {}
        }
    }

    /// The values that a schema in a keyword applies to.
    fn inner(&self, keyword: &str, name: Option<&String>, here: &Context) -> Context {
        let policy = self.policy;
        let shape = here.node.map(|id| &policy.node(id).shape);
        match keyword {
            "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas" => {
                *here
            }
            "propertyNames" => Context {
                node: None,
                types: Types::STRING,
            },
            "properties" => match (here.node, name) {
                (Some(id), Some(name)) => Context::at(policy, policy.child(id, name)),
                _ => Context::unknown(),
            },
            "items" | "contains" => match shape {
                Some(Shape::Keyed { item: inner, .. } | Shape::List { element: inner }) => {
                    Context::at(policy, Some(*inner))
                }
                _ => Context::unknown(),
            },
            "additionalProperties" => match shape {
                Some(Shape::Object { additional, .. }) => Context::at(policy, *additional),
                _ => Context::unknown(),
            },
            _ => Context::unknown(),
        }
    }
}

/// Why every value, of any type, satisfies a keyword.
fn asks_nothing(keyword: &str, value: &Value, beside: &Map<String, Value>) -> Option<String> {
    let takes_all = |schema: &Value| match schema {
        Value::Bool(all) => *all,
        Value::Object(keywords) => keywords.is_empty(),
        _ => false,
    };
    let zero = |keyword: &str| beside.get(keyword).and_then(count) == Some(0);
    Some(match keyword {
        "contains" if zero("minContains") && !beside.contains_key("maxContains") => {
            "with \"minContains\": 0 and no maxContains, any number of items is good".to_owned()
        }
        "anyOf" if value.as_array()?.iter().any(takes_all) => {
            "one of the alternatives takes every value".to_owned()
        }
        "not" if value == &Value::Bool(false) => "false excludes nothing".to_owned(),
        "else" if takes_all(beside.get("if")?) => "the condition always holds".to_owned(),
        "then" if beside.get("if")? == &Value::Bool(false) => {
            "the condition never holds".to_owned()
        }
        "then" | "else" if takes_all(value) => "it takes every value".to_owned(),
        _ => return None,
    })
}
