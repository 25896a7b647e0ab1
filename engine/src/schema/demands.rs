//! Lists what a schema demands of values, constraint by constraint, and when each is decided.
//!
//! Every constraint is listed once for each place that it applies to, with the time at which
//! admission decides it.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape, Types};
use crate::value::normal;

/// When a constraint is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decided {
    /// On each operation, by the value that it writes: alike in every client and on the server.
    Operation,
    /// On the value of the entity once all concurrent edits are merged: by the server.
    Merged,
}

/// One thing that a schema demands of the values at a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Demand {
    /// The place; items, elements and values of open maps are named `*`.
    pub pointer: Pointer,
    /// The node there.
    #[serde(skip)]
    pub node: NodeId,
    /// The keyword of JSON Schema.
    pub keyword: Cow<'static, str>,
    /// Its value in the schema.
    pub value: Value,
    /// When it is decided.
    pub decided: Decided,
    /// Why then, for people.
    pub why: &'static str,
}

const MERGED_TEXT: &str = "people write single characters; only the merged text shows it";
const MERGED_SUM: &str = "increments of several people add up; only the sum shows it";
const INSIDE: &str = "is about parts of a value that is replaced as one";

/// Keywords inside a whole value that demand nothing of it.
const SILENT: [&str; 9] = [
    "$comment",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "type",
    "x-indelible",
];

impl Policy {
    /// Everything that the schema demands of values, in the order of the places, and when each
    /// demand is decided.
    ///
    /// ```
    /// use indelible_engine::schema::{self, Decided};
    ///
    /// let text = r#"{
    ///     "type": "object", "x-indelible": { "kind": "page" }, "required": ["title"],
    ///     "properties": { "title": { "type": "string", "maxLength": 80 } }
    /// }"#;
    /// let page = schema::compile("page.json", text).expect("the schema has no mistakes");
    /// let found: Vec<_> = page.demands().into_iter()
    ///     .map(|demand| (demand.pointer.to_string(), demand.keyword, demand.decided))
    ///     .collect();
    /// assert_eq!(found, [
    ///     ("".to_owned(), "required".into(), Decided::Merged),
    ///     ("/title".to_owned(), "type".into(), Decided::Operation),
    ///     ("/title".to_owned(), "maxLength".into(), Decided::Operation),
    /// ]);
    /// ```
    pub fn demands(&self) -> Vec<Demand> {
        let mut collector = Collector {
            policy: self,
            demands: Vec::new(),
        };
        let whole = self.merged_rules().and_then(Value::as_object);
        collector.node(NodeId::ROOT, &Pointer::root(), whole);
        collector.demands
    }
}

struct Collector<'a> {
    policy: &'a Policy,
    demands: Vec<Demand>,
}

impl Collector<'_> {
    /// Collects the demands at a node; `whole` is what is judged there on merged values.
    fn node(&mut self, id: NodeId, at: &Pointer, whole: Option<&Map<String, Value>>) {
        let node = self.policy.node(id);
        let add = |demands: &mut Vec<Demand>, keyword, value, (decided, why)| {
            demands.push(Demand {
                pointer: at.clone(),
                node: id,
                keyword,
                value,
                decided,
                why,
            });
        };
        if let Some((types, decision)) = type_of(&node.shape) {
            add(&mut self.demands, "type".into(), types, decision);
        }
        if let Shape::Scalar(rule) | Shape::Text(rule) | Shape::Counter(rule) = &node.shape {
            for (keyword, value) in rule.stated() {
                add(
                    &mut self.demands,
                    keyword.into(),
                    value,
                    constraint(&node.shape),
                );
            }
        }
        let of_whole = whole.and_then(|whole| whole.get("allOf")?.as_array());
        for keywords in of_whole.into_iter().flatten().filter_map(Value::as_object) {
            for (keyword, value) in keywords {
                let inside = matches!(node.shape, Shape::Atomic(_));
                if inside && SILENT.contains(&keyword.as_str()) {
                    continue;
                }
                let why = if inside { INSIDE } else { why_merged(keyword) };
                let decision = (Decided::Merged, why);
                add(
                    &mut self.demands,
                    keyword.clone().into(),
                    counted(value),
                    decision,
                );
            }
        }
        self.below(id, at, whole);
    }

    fn below(&mut self, id: NodeId, at: &Pointer, whole: Option<&Map<String, Value>>) {
        let part = |keyword: &str| whole.and_then(|whole| whole.get(keyword)?.as_object());
        match &self.policy.node(id).shape {
            Shape::Object {
                properties,
                additional,
                ..
            } => {
                for (name, child) in properties {
                    let whole = part("properties").and_then(|all| all.get(name)?.as_object());
                    self.node(*child, &at.child(name), whole);
                }
                if let Some(child) = additional {
                    self.node(*child, &at.child("*"), part("additionalProperties"));
                }
            }
            Shape::Keyed { item: child, .. } | Shape::List { element: child } => {
                self.node(*child, &at.child("*"), part("items"));
            }
            _ => {}
        }
    }
}

/// The types that a place takes and when that is decided; none where the server makes the value.
fn type_of(shape: &Shape) -> Option<(Value, (Decided, &'static str))> {
    let one = "each write brings a whole value";
    let (types, why) = match shape {
        Shape::Scalar(rule) => (rule.types(), one),
        Shape::Atomic(rule) => (rule.types(), one),
        Shape::Counter(_) => (Types::INTEGER, "only increments are written"),
        Shape::Text(_) => (Types::STRING, "only characters are written"),
        // That an object is one, and a list one, is how it is stored, and no demand.
        _ => return None,
    };
    Some((types.stated(), (Decided::Operation, why)))
}

fn constraint(shape: &Shape) -> (Decided, &'static str) {
    match shape {
        Shape::Text(_) => (Decided::Merged, MERGED_TEXT),
        Shape::Counter(_) => (Decided::Merged, MERGED_SUM),
        _ => (Decided::Operation, "each write brings a whole value"),
    }
}

/// What a keyword states, numbers as they are written shortest: 10, not 10.0.
fn counted(value: &Value) -> Value {
    match value {
        Value::Number(_) => normal(value),
        other => other.clone(),
    }
}

/// Why a keyword about a whole value waits for the merge.
fn why_merged(keyword: &str) -> &'static str {
    match keyword {
        "required" | "dependentRequired" | "dependentSchemas" | "minProperties"
        | "maxProperties" | "propertyNames" => {
            "is about several properties, which are written one by one"
        }
        "minItems" | "maxItems" | "uniqueItems" | "contains" | "minContains" | "maxContains" => {
            "is about the whole list, which several people fill at once"
        }
        _ => "may compare several fields, which are written one by one",
    }
}
