//! Rules that what an entity or an item begins with breaks, so that it is faulty from the start
//! unless whoever makes it says otherwise.
//!
//! Invariant: what is only missing is not reported: whoever makes it is to bring that.

use serde_json::{Map, Value, json};

use super::{Fault, NodeId, Policy, Shape};
use crate::value;

impl Policy {
    /// The rules that the defaults break: of an entity that is made without a value, and of an
    /// item without fields. Each comes with the place in the schema.
    ///
    /// ```
    /// use indelible_engine::policy::Policy;
    /// use indelible_engine::schema::SchemaSource;
    ///
    /// let text = r#"{
    ///     "type": "object", "x-indelible": { "kind": "page" }, "not": { "required": ["draft"] },
    ///     "properties": { "draft": { "type": "boolean", "default": true } }
    /// }"#;
    /// let source = SchemaSource { file: "page.json".to_owned(), text: text.to_owned() };
    /// let page = Policy::compile(&source).expect("the schema has no mistakes");
    /// assert_eq!(page.broken_by_defaults()[0].0.to_string(), "/not");
    /// ```
    #[must_use]
    pub fn broken_by_defaults(&self) -> Vec<(crate::pointer::Pointer, Fault)> {
        let mut found = Vec::new();
        for (content, is_filled) in [(json!({}), false), (self.filled(NodeId::ROOT), true)] {
            let Some(value) = self.complete(NodeId::ROOT, Some(&content)) else {
                continue;
            };
            for fault in self.check_whole(&value) {
                let Some(id) = self.find(&fault.pointer) else {
                    continue;
                };
                let mut there = self.value_at(&value, &fault.pointer).cloned();
                // The id of an item is nothing that the schema speaks about.
                if let (Some(Value::Object(fields)), Some(key)) =
                    (&mut there, self.presented_key(id))
                {
                    fields.remove(key);
                }
                let in_collection = self.is_in_collection(id);
                if in_collection == is_filled && !is_missing(&fault, there.as_ref()) {
                    let place = self.node(id).schema_pointer.child(&*fault.keyword);
                    found.push((place, fault));
                }
            }
        }
        found
    }

    /// One item in every list of objects.
    fn filled(&self, id: NodeId) -> Value {
        match &self.node(id).shape {
            Shape::Object { properties, .. } => {
                let mut fields = Map::new();
                for (name, child) in properties {
                    let shape = &self.node(*child).shape;
                    if matches!(shape, Shape::Object { .. } | Shape::Keyed { .. }) {
                        fields.insert(name.clone(), self.filled(*child));
                    }
                }
                Value::Object(fields)
            }
            Shape::Keyed { item, .. } => json!([self.filled(*item)]),
            _ => Value::Null,
        }
    }

    fn is_in_collection(&self, id: NodeId) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if !matches!(
                self.node(id).name,
                super::NodeName::Property(_) | super::NodeName::Root
            ) {
                return true;
            }
            at = self.node(id).parent;
        }
        false
    }
}

/// Whether a fault is mended by adding to the value.
fn is_missing(fault: &Fault, value: Option<&Value>) -> bool {
    let grows_to = |wanted: &Value| match (value, wanted) {
        (Some(Value::Object(has)), Value::Object(wanted)) => has.iter().all(|(name, value)| {
            wanted
                .get(name)
                .is_some_and(|other| value::same(value, other))
        }),
        (Some(Value::Array(has)), Value::Array(_)) => has.is_empty(),
        (value, _) => value.is_none(),
    };
    match (&*fault.keyword, &fault.bound) {
        // Beside another property it is required because of a default.
        ("required", bound) => bound.is_none(),
        ("const", Some(wanted)) => grows_to(wanted),
        ("enum", Some(Value::Array(options))) => options.iter().any(grows_to),
        (
            "minItems" | "minProperties" | "minLength" | "contains" | "minContains" | "anyOf"
            | "oneOf",
            _,
        ) => true,
        _ => false,
    }
}
