//! Finds rules that the defaults of an entity, an item or an entry of an open map break, so that it
//! is faulty from the start unless its author overrides them.
//!
//! Values that are only missing are not reported: the author is expected to bring them.

use serde_json::{Value, json};

use crate::pointer::Pointer;
use crate::policy::{Fault, NodeId, NodeName, Policy, Shape};
use crate::value;

impl Policy {
    /// The rules that the defaults break: of an entity that is made without a value, and of an
    /// item and an entry of an open map without fields. Each comes with the place in the schema;
    /// the place of the fault has `*` for items and entries.
    ///
    /// ```
    /// use indelible_engine::schema;
    ///
    /// let text = r#"{
    ///     "type": "object", "x-indelible": { "kind": "page" }, "not": { "required": ["draft"] },
    ///     "properties": { "draft": { "type": "boolean", "default": true } }
    /// }"#;
    /// let page = schema::compile("page.json", text).expect("the schema has no mistakes");
    /// assert_eq!(page.broken_by_defaults()[0].0.to_string(), "/not");
    /// ```
    #[must_use]
    pub fn broken_by_defaults(&self) -> Vec<(Pointer, Fault)> {
        let makers = self.nodes().map(|(id, _)| id);
        let makers = makers.filter(|id| *id == NodeId::ROOT || self.is_dynamic(*id));
        makers.flat_map(|maker| self.broken_from(maker)).collect()
    }

    /// The rules that an object of this node breaks when it is made without fields, in an entity
    /// that holds nothing else but defaults.
    fn broken_from(&self, maker: NodeId) -> Vec<(Pointer, Fault)> {
        let content = self.down_to(maker);
        let Some(value) = self.complete(NodeId::ROOT, Some(&content)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for fault in self.check_whole(&value) {
            let Some(id) = self.find(&fault.pointer) else {
                continue;
            };
            let mut there = self.value_at(&value, &fault.pointer).cloned();
            // The schema says nothing about the id of an item.
            if let (Some(Value::Object(fields)), Some(key)) = (&mut there, self.presented_key(id)) {
                fields.remove(key);
            }
            // What is around it is judged by its own defaults: the name of an entry is made up.
            if self.maker(id) == maker && !is_missing(&fault, there.as_ref()) {
                let place = self.node(id).schema_pointer.child(&*fault.keyword);
                let pointer = self.place(id);
                found.push((place, Fault { pointer, ..fault }));
            }
        }
        found
    }

    /// The least content in which an object of this node can be.
    fn down_to(&self, id: NodeId) -> Value {
        let mut content = json!({});
        let mut at = id;
        while let Some(parent) = self.node(at).parent {
            content = match (&self.node(at).name, &self.node(parent).shape) {
                (NodeName::Property(name), _) => json!({ name: content }),
                (_, Shape::Object { properties, .. }) => {
                    let mut name = "0".to_owned();
                    while properties.contains_key(&name) {
                        name.push('0');
                    }
                    json!({ name: content })
                }
                _ => json!([content]),
            };
            at = parent;
        }
        content
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
