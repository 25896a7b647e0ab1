//! Hides the generated ids of items from the rules that authors are judged by.
//!
//! A presented item has a property that its author did not write. Keywords that count properties,
//! visit all of them or compare whole values would take it for the author's. So the schemas that
//! are judged on merged values are marked: beside such a keyword, `x-ids` says where ids are. A
//! keyword that names the id itself still sees it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::bind::Bound;
use crate::policy::validator::ids::{COUNTING, IDS, SHOWN};
use crate::policy::{NodeId, NodeName, Shape};

/// Keywords that compare a value with another one.
const COMPARING: [&str; 2] = ["const", "enum"];

/// What is to be judged on whole values, for each node, with the marks.
pub(super) fn marked(root: &Value, bound: &Bound) -> BTreeMap<NodeId, Vec<Value>> {
    let marker = Marker { root, bound };
    let kept = bound.whole.iter().map(|(id, schemas)| {
        let schemas = schemas.iter().map(|schema| marker.schema(schema, *id));
        (*id, schemas.collect())
    });
    kept.collect()
}

struct Marker<'a> {
    root: &'a Value,
    bound: &'a Bound,
}

impl Marker<'_> {
    /// A schema that constrains the value of a node.
    fn schema(&self, schema: &Value, id: NodeId) -> Value {
        let (Some(keywords), Some(ids)) = (schema.as_object(), self.ids(id)) else {
            return schema.clone();
        };
        let mut marked = Map::new();
        for (keyword, value) in keywords {
            let counting = COUNTING.iter().find(|(known, _)| known == keyword);
            let name = counting.map_or(keyword.as_str(), |(_, renamed)| renamed);
            marked.insert(name.to_owned(), self.keyword(keyword, value, id));
            if let Some((_, kept)) = SHOWN.iter().find(|(known, _)| known == keyword) {
                marked.insert((*kept).to_owned(), value.clone());
            }
        }
        // What a definition says depends on where it is said.
        let target = keywords.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| self.root.pointer(target.strip_prefix('#')?));
        if let Some(target) = target {
            marked.remove("$ref");
            let target = self.schema(target, id);
            match marked.get_mut("allOf").and_then(Value::as_array_mut) {
                Some(members) => members.push(target),
                None => drop(marked.insert("allOf".to_owned(), json!([target]))),
            }
        }
        let counting = COUNTING.iter().map(|(keyword, _)| keyword);
        let mut seeing = COMPARING.iter().chain(counting);
        if seeing.any(|keyword| keywords.contains_key(*keyword)) {
            marked.insert(IDS.to_owned(), ids);
        }
        Value::Object(marked)
    }

    fn keyword(&self, keyword: &str, value: &Value, id: NodeId) -> Value {
        let all = |value: &Value| match value {
            Value::Array(schemas) => schemas.iter().map(|s| self.schema(s, id)).collect(),
            other => other.clone(),
        };
        let by_name = |inner: &dyn Fn(&str) -> Option<NodeId>| match value {
            Value::Object(schemas) => {
                let schemas = schemas.iter().map(|(name, schema)| {
                    let marked = inner(name).map(|id| self.schema(schema, id));
                    (name.clone(), marked.unwrap_or_else(|| schema.clone()))
                });
                Value::Object(schemas.collect())
            }
            other => other.clone(),
        };
        match keyword {
            "allOf" | "anyOf" | "oneOf" => all(value),
            "if" | "then" | "else" | "not" => self.schema(value, id),
            "dependentSchemas" => by_name(&|_| Some(id)),
            "properties" => by_name(&|name| self.child(id, name)),
            "contains" | "items" => match self.inside(id) {
                Some(inner) => self.schema(value, inner),
                None => value.clone(),
            },
            "propertyNames" => match self.key(id) {
                Some(key) => json!({ "anyOf": [{ "const": key }, value], IDS: true }),
                None => value.clone(),
            },
            _ => value.clone(),
        }
    }

    /// Where ids are in the value of a node; `None` if it has none.
    fn ids(&self, id: NodeId) -> Option<Value> {
        let mut found = Map::new();
        if let Some(key) = self.key(id) {
            found.insert("key".to_owned(), key.into());
        }
        if let Shape::Object {
            properties,
            additional,
            ..
        } = &self.bound.nodes[id.index()].shape
        {
            let inner = properties.iter();
            let inner = inner.filter_map(|(name, id)| Some((name.clone(), self.ids(*id)?)));
            let inner: Map<String, Value> = inner.collect();
            if !inner.is_empty() {
                found.insert("properties".to_owned(), inner.into());
            }
            let others = additional.and_then(|id| self.ids(id));
            found.extend(others.map(|ids| ("others".to_owned(), ids)));
        }
        let items = self.inside(id).and_then(|id| self.ids(id));
        found.extend(items.map(|ids| ("items".to_owned(), ids)));
        (!found.is_empty()).then_some(Value::Object(found))
    }

    /// The property that presents the id of an item.
    fn key(&self, id: NodeId) -> Option<&str> {
        let node = &self.bound.nodes[id.index()];
        let list = &self.bound.nodes[node.parent?.index()];
        match &list.shape {
            Shape::Keyed { key, .. } if node.name == NodeName::Item => Some(key),
            _ => None,
        }
    }

    fn child(&self, id: NodeId, name: &str) -> Option<NodeId> {
        match &self.bound.nodes[id.index()].shape {
            Shape::Object { properties, .. } if properties.contains_key(name) => {
                properties.get(name).copied()
            }
            Shape::Object { additional, .. } if self.key(id) != Some(name) => *additional,
            _ => None,
        }
    }

    fn inside(&self, id: NodeId) -> Option<NodeId> {
        match &self.bound.nodes[id.index()].shape {
            Shape::Keyed { item, .. } => Some(*item),
            _ => None,
        }
    }
}
