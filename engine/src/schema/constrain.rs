//! Schemas that only constrain: under `oneOf`, `anyOf`, `if`, `not` and the like, and inside values
//! that are replaced as one.
//!
//! Such a schema declares nothing. It may name only properties that are declared, and has no word
//! of `x-indelible` and no default.

use serde_json::Value;

use super::Mistake;
use super::bind::{Binder, WHOLE};
use super::gather::{Part, Source, follow};
use super::vocabulary::{EXTENSION, suggested};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Shape};

/// What is known about the value that a schema constrains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// At this node.
    Node(NodeId),
    /// It is the id of an item.
    Key,
    /// In a value that is replaced as one: it has no nodes, and anything may be in it.
    Atomic,
    /// It is the name of a property.
    Name,
}

/// How many schemas may be looked at; more come only from definitions that multiply.
const SCHEMAS_MAX: usize = 10_000;

/// Keywords with one schema, with several, with schemas by name.
const SCHEMA: [&str; 10] = [
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const SCHEMAS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const SCHEMAS_BY_NAME: [&str; 3] = ["dependentSchemas", "patternProperties", "properties"];

/// Whether a keyword describes values in a way that no node can follow.
pub(super) fn is_for_atomic(keyword: &str, value: &Value) -> bool {
    match keyword {
        // The same as saying nothing: what is not declared is not there.
        "unevaluatedProperties" => value != &Value::Bool(false),
        "patternProperties" | "prefixItems" | "unevaluatedItems" => true,
        _ => false,
    }
}

/// Checks the schemas in a part that only constrain. At a node those are the ones that the binder
/// does not bind; in an atomic value, all.
pub(super) fn check<'a>(binder: &mut Binder<'a, '_>, part: &Part<'a>, context: Context) {
    let mut checker = Checker { binder };
    for (keyword, value) in part.keywords {
        let bound = match context {
            Context::Node(_) => keyword == "required" || !WHOLE.contains(&keyword.as_str()),
            // The members of `allOf` are parts of their own.
            _ => keyword == "allOf" || keyword == "$ref" || keyword == EXTENSION,
        };
        if !bound {
            checker.keyword(keyword, value, part, context);
        }
    }
}

struct Checker<'a, 'b, 'r> {
    binder: &'b mut Binder<'a, 'r>,
}

impl<'a> Checker<'a, '_, '_> {
    fn schema(&mut self, source: Source<'a>, context: Context) {
        let Some(keywords) = source.value.as_object() else {
            return;
        };
        self.binder.constraints += 1;
        if self.binder.constraints > SCHEMAS_MAX {
            let reason = format!("the schema is too large: at most {SCHEMAS_MAX} constraints");
            self.binder
                .report
                .add(Mistake::Size, Pointer::root(), reason);
            return;
        }
        let report = &mut *self.binder.report;
        let target = follow(self.binder.root, keywords, &source.at, &source.refs, report);
        if let Some(target) = target {
            self.schema(target, context);
        }
        let part = Part {
            keywords,
            at: source.at,
            refs: source.refs,
        };
        for (keyword, value) in keywords {
            let at = part.at.child(keyword);
            let refused = match keyword.as_str() {
                EXTENSION if context == Context::Atomic => {
                    Some("a value that is replaced as one has no rules for its parts")
                }
                EXTENSION => Some(
                    "rules cannot depend on the value: say this where the field is declared, \
                     through properties, items, $ref or allOf",
                ),
                "default" | "readOnly" if context != Context::Atomic => {
                    Some("has no effect here; say it where the field is declared")
                }
                "additionalProperties" | "unevaluatedProperties" if context != Context::Atomic => {
                    Some("nothing can be declared here; say it where the object is declared")
                }
                _ if context != Context::Atomic && is_for_atomic(keyword, value) => {
                    Some("can only be used inside a value with \"merge\": \"atomic\"")
                }
                _ => None,
            };
            match refused {
                Some(reason) => self.binder.report.add(Mistake::Misplaced, at, reason),
                None => self.keyword(keyword, value, &part, context),
            }
        }
    }

    /// Follows the schemas in one keyword and checks the names that it uses.
    fn keyword(&mut self, keyword: &'a str, value: &'a Value, part: &Part<'a>, context: Context) {
        let at = part.at.child(keyword);
        match value {
            Value::Array(schemas) if SCHEMAS.contains(&keyword) => {
                for (index, schema) in schemas.iter().enumerate() {
                    let source = part.inner(schema, at.child(index.to_string()));
                    self.schema(source, context);
                }
            }
            Value::Array(names) if keyword == "required" => {
                for (index, name) in names.iter().enumerate() {
                    self.name(name, at.child(index.to_string()), context);
                }
            }
            Value::Object(by_name) if SCHEMAS_BY_NAME.contains(&keyword) => {
                for (name, schema) in by_name {
                    let at = at.child(name);
                    let inner = if keyword == "dependentSchemas" {
                        self.property(name, &at, context).map(|_| context)
                    } else {
                        self.property(name, &at, context)
                    };
                    if let Some(inner) = inner {
                        self.schema(part.inner(schema, at), inner);
                    }
                }
            }
            Value::Object(by_name) if keyword == "dependentRequired" => {
                for (name, names) in by_name {
                    let at = at.child(name);
                    self.property(name, &at, context);
                    for (index, name) in names.as_array().into_iter().flatten().enumerate() {
                        self.name(name, at.child(index.to_string()), context);
                    }
                }
            }
            Value::Object(_) if SCHEMA.contains(&keyword) => {
                let inner = match (keyword, context) {
                    (_, Context::Atomic) => Context::Atomic,
                    ("propertyNames", _) => Context::Name,
                    ("items" | "contains", _) => match self.inside(context) {
                        Some(inner) => inner,
                        None => return,
                    },
                    _ => context,
                };
                self.schema(part.inner(value, at), inner);
            }
            _ => {}
        }
    }

    fn name(&mut self, name: &Value, at: Pointer, context: Context) {
        if let Some(name) = name.as_str() {
            self.property(name, &at, context);
        }
    }

    /// What is at a property; a mistake if nothing can be.
    fn property(&mut self, name: &str, at: &Pointer, context: Context) -> Option<Context> {
        let id = match context {
            Context::Node(id) => id,
            Context::Atomic => return Some(Context::Atomic),
            Context::Key | Context::Name => {
                let reason = "this is a string, which has no properties";
                self.binder
                    .report
                    .add(Mistake::Undeclared, at.clone(), reason);
                return None;
            }
        };
        // A node that could not be made has been reported.
        let node = self.binder.nodes[id.index()].as_ref()?;
        let Shape::Object {
            properties,
            additional,
            ..
        } = &node.shape
        else {
            return match node.shape {
                Shape::Atomic(_) => Some(Context::Atomic),
                _ => {
                    let reason = format!("this is {}", node.shape.description());
                    let reason = format!("{reason}, which has no properties");
                    self.binder
                        .report
                        .add(Mistake::Undeclared, at.clone(), reason);
                    None
                }
            };
        };
        if let Some(child) = properties.get(name) {
            let shape = self.binder.nodes[child.index()].as_ref().map(|n| &n.shape);
            if matches!(shape, Some(Shape::Tally)) {
                let reason = format!("{name:?} is a tally, which the value does not hold");
                self.binder.report.add(Mistake::Derived, at.clone(), reason);
            }
            return Some(Context::Node(*child));
        }
        if self.binder.keys.get(&id).is_some_and(|key| key == name) {
            return Some(Context::Key);
        }
        if let Some(additional) = additional {
            return Some(Context::Node(*additional));
        }
        let meant = suggested(name, properties.keys().map(String::as_str));
        let reason = format!(
            "{name:?} is not declared: a property must be declared where the object is, through \
             properties, $ref or allOf; here it can only be constrained{meant}"
        );
        self.binder
            .report
            .add(Mistake::Undeclared, at.clone(), reason);
        None
    }

    /// What is in a list.
    fn inside(&self, context: Context) -> Option<Context> {
        let Context::Node(id) = context else {
            return None;
        };
        match self.binder.nodes[id.index()].as_ref()?.shape {
            Shape::Keyed { item, .. } => Some(Context::Node(item)),
            Shape::List { element } => Some(Context::Node(element)),
            Shape::Atomic(_) => Some(Context::Atomic),
            _ => None,
        }
    }
}
