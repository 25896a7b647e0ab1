//! The part of a schema that is judged on whole values, as a plain JSON Schema.
//!
//! What single values must be is left out (the policy's own rules decide that, and need no second
//! opinion), and so are bounds, references and `allOf` of the declared places: they are resolved.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::bind::Bound;
use crate::policy::{NodeId, Shape};

/// What is judged at each node.
type Kept = BTreeMap<NodeId, Vec<Value>>;

/// The schema for whole values, of what is kept for each node; none when there is nothing to judge.
pub(super) fn whole(schema: &Value, bound: &Bound, kept: &Kept) -> Option<Value> {
    let mut whole = at(bound, kept, NodeId::ROOT, None)?;
    whole.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    if let Some(definitions) = schema.get("$defs") {
        whole.insert("$defs".to_owned(), definitions.clone());
    }
    Some(Value::Object(whole))
}

fn at(bound: &Bound, kept: &Kept, id: NodeId, key: Option<&str>) -> Option<Map<String, Value>> {
    let mut keywords = Map::new();
    match &bound.nodes[id.index()].shape {
        Shape::Object {
            properties,
            additional,
            ..
        } => {
            let additional = additional.and_then(|id| at(bound, kept, id, None));
            let mut inner = Map::new();
            for (name, id) in properties {
                match at(bound, kept, *id, None) {
                    Some(schema) => {
                        inner.insert(name.clone(), Value::Object(schema));
                    }
                    // Otherwise the schema for additional properties would apply to it.
                    None if additional.is_some() => {
                        inner.insert(name.clone(), Value::Bool(true));
                    }
                    None => {}
                }
            }
            if let Some(additional) = additional {
                if let Some(key) = key {
                    inner.insert(key.to_owned(), Value::Bool(true));
                }
                keywords.insert("additionalProperties".to_owned(), Value::Object(additional));
            }
            if !inner.is_empty() {
                keywords.insert("properties".to_owned(), Value::Object(inner));
            }
        }
        Shape::Keyed { item, key } => {
            if let Some(items) = at(bound, kept, *item, Some(key)) {
                keywords.insert("items".to_owned(), Value::Object(items));
            }
        }
        Shape::List { element } => {
            if let Some(items) = at(bound, kept, *element, None) {
                keywords.insert("items".to_owned(), Value::Object(items));
            }
        }
        _ => {}
    }
    if let Some(schemas) = kept.get(&id) {
        keywords.insert("allOf".to_owned(), Value::Array(schemas.clone()));
    }
    (!keywords.is_empty()).then_some(keywords)
}
