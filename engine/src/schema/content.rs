//! Judges content: values that entities are to be made from.
//!
//! Every fault names its place, items of keyed lists by id if they have one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::id::{EntityId, ItemId, Kind, check_map_key};
use crate::near;
use crate::pointer::Pointer;
use crate::policy::{
    Constraint, Fault, Format, NodeId, NodeName, Policies, Policy, Rules, ScalarFault, ScalarRule,
    Shape, StampKind, Types, item_token, wrong_type,
};
#[cfg(feature = "whole-entity")]
use crate::time::Timestamp;

impl Policy {
    /// Judges the content of a new entity: whether everything in it is declared and valid, and
    /// whether everything that is required is in it or in the defaults. `None` means no content at
    /// all. Items need no ids; stamps may only claim who created the entity and when.
    ///
    /// Constraints on the whole are evaluated if nothing else is wrong, and only with the feature
    /// `whole-entity`.
    pub fn check_content(&self, content: Option<&Value>) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check_content_at(NodeId::ROOT, content, &Pointer::root(), &mut faults);
        #[cfg(feature = "whole-entity")]
        if faults.is_empty() && self.has_whole_constraints() {
            let presented = self.complete(NodeId::ROOT, content);
            faults.extend(presented.map(|v| self.check_whole(&v)).unwrap_or_default());
        }
        faults
    }

    /// What an entity made of the content would be presented as, with made-up stamps and ids.
    #[cfg(feature = "whole-entity")]
    pub(super) fn complete(&self, id: NodeId, content: Option<&Value>) -> Option<Value> {
        let node = self.node(id);
        let given = content.or(node.default.as_ref());
        let presented = match &node.shape {
            Shape::Object {
                properties,
                additional,
                ..
            } => {
                let mut entries = content
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_default();
                for (name, value) in &mut entries {
                    // The id of an item is not an entry, and declared properties follow.
                    let entry = self
                        .child(id, name)
                        .filter(|child| Some(*child) == *additional);
                    if let Some(complete) = entry.and_then(|id| self.complete(id, Some(value))) {
                        *value = complete;
                    }
                }
                for (name, child) in properties {
                    match self.complete(*child, entries.get(name)) {
                        Some(value) => entries.insert(name.clone(), value),
                        None => entries.remove(name),
                    };
                }
                Value::Object(entries)
            }
            Shape::Keyed { item, key } => {
                let items = content.and_then(Value::as_array).into_iter().flatten();
                let complete = |(index, value): (usize, &Value)| {
                    let mut complete = self.complete(*item, Some(value)).unwrap_or_default();
                    if let Some(entries) = complete.as_object_mut() {
                        let made_up = || index.to_string().into();
                        entries.entry(key.as_str()).or_insert_with(made_up);
                    }
                    complete
                };
                Value::Array(items.enumerate().map(complete).collect())
            }
            Shape::List { .. } => given.cloned().unwrap_or_else(|| Value::Array(Vec::new())),
            Shape::Text(_) => given
                .cloned()
                .unwrap_or_else(|| Value::String(String::new())),
            Shape::Stamp(kind) if kind.is_time() => Timestamp::MIN.to_rfc3339().into(),
            Shape::Stamp(_) => "system".into(),
            Shape::Tally => return None,
            Shape::Scalar(_) | Shape::Counter(_) | Shape::Atomic(_) => return given.cloned(),
        };
        let is_empty = match &presented {
            Value::Object(entries) => entries.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        let stays = node.required || !is_empty || self.is_dynamic(id);
        stays.then_some(presented)
    }

    fn check_content_at(
        &self,
        id: NodeId,
        content: Option<&Value>,
        at: &Pointer,
        faults: &mut Vec<Fault>,
    ) {
        let node = self.node(id);
        let value = content.or(node.default.as_ref());
        let checked = match (&node.shape, value) {
            (Shape::Object { properties, .. }, value) => {
                let empty = Map::new();
                match value {
                    None if !node.required && !self.has_defaults_below(id) => return,
                    None => self.check_object(id, properties.values(), &empty, at, faults),
                    Some(Value::Object(entries)) => {
                        self.check_object(id, properties.values(), entries, at, faults);
                    }
                    Some(_) => faults.push(wrong_type(&node.shape).at(at.clone())),
                }
                Ok(())
            }
            (Shape::Keyed { item, key }, Some(Value::Array(items))) => {
                self.check_items(*item, key, items, at, faults);
                Ok(())
            }
            (Shape::List { element }, Some(Value::Array(elements))) => {
                for (index, value) in elements.iter().enumerate() {
                    let at = at.child(index.to_string());
                    self.check_content_at(*element, Some(value), &at, faults);
                }
                Ok(())
            }
            // A required text or list is there from the beginning, and empty.
            (Shape::Text(rule), value) => check_text(rule, value, node.required),
            (Shape::Keyed { .. } | Shape::List { .. }, None) => Ok(()),
            (Shape::Stamp(kind), value) => check_stamp(*kind, value),
            (Shape::Tally, Some(_)) => Err(ScalarFault::new(
                "x-indelible",
                "is a tally, which lives beside the entity",
            )),
            (Shape::Tally, None) => Ok(()),
            (Shape::Scalar(rule) | Shape::Counter(rule), Some(value)) => rule.check(value),
            (Shape::Atomic(rule), Some(value)) => rule.check(value),
            (_, None) if node.required => Err(ScalarFault::new("required", "is required")),
            (_, None) => Ok(()),
            (shape, Some(_)) => Err(wrong_type(shape)),
        };
        faults.extend(checked.err().map(|fault| fault.at(at.clone())));
    }

    fn check_object<'a>(
        &self,
        id: NodeId,
        declared: impl Iterator<Item = &'a NodeId>,
        entries: &Map<String, Value>,
        at: &Pointer,
        faults: &mut Vec<Fault>,
    ) {
        let key = self.presented_key(id);
        let declared: Vec<NodeId> = declared.copied().collect();
        for child in &declared {
            if let NodeName::Property(name) = &self.node(*child).name {
                self.check_content_at(*child, entries.get(name), &at.child(name), faults);
            }
        }
        for (name, value) in entries {
            if key == Some(name.as_str()) {
                continue;
            }
            let place = at.child(name);
            match self.child(id, name) {
                Some(child) if declared.contains(&child) => {}
                Some(child) => match check_map_key(name) {
                    Ok(()) => self.check_content_at(child, Some(value), &place, faults),
                    Err(error) => {
                        faults.push(ScalarFault::new("propertyNames", error.to_string()).at(place));
                    }
                },
                None => {
                    let fault = ScalarFault::new("additionalProperties", "is not declared");
                    faults.push(fault.at(place));
                }
            }
        }
    }

    fn check_items(
        &self,
        item: NodeId,
        key: &str,
        items: &[Value],
        at: &Pointer,
        faults: &mut Vec<Fault>,
    ) {
        let mut ids = BTreeSet::new();
        for (index, value) in items.iter().enumerate() {
            let at = at.child(item_token(value, key, index));
            match value.get(key) {
                None => {}
                Some(Value::String(id)) => {
                    let checked = match ItemId::new(id) {
                        Err(error) => Err(error.to_string()),
                        Ok(_) if !ids.insert(id) => Err("appears in the list twice".to_owned()),
                        Ok(_) => Ok(()),
                    };
                    let fault = checked.err().map(|reason| ScalarFault::new("type", reason));
                    faults.extend(fault.map(|fault| fault.at(at.child(key))));
                }
                Some(_) => {
                    let fault = ScalarFault::new("type", "must be the id of the item, a string");
                    faults.push(fault.at(at.child(key)));
                }
            }
            self.check_content_at(item, Some(value), &at, faults);
        }
    }

    fn has_defaults_below(&self, id: NodeId) -> bool {
        let below = self.declared_below(id);
        below.iter().any(|id| self.node(*id).default.is_some())
    }
}

impl Policies {
    /// Judges what a fresh store is to begin with: for each singleton its value, for every other
    /// kind an object of values by id. Singletons must be complete even without any content.
    ///
    /// Each fault comes with its kind; its place is one in the content of that kind.
    pub fn check_content(&self, content: &BTreeMap<Kind, Value>) -> Vec<(Kind, Fault)> {
        let mut faults = Vec::new();
        for policy in self.iter().filter(|policy| policy.is_singleton()) {
            let found = policy.check_content(content.get(policy.kind()));
            faults.extend(found.into_iter().map(|f| (policy.kind().clone(), f)));
        }
        for (kind, value) in content {
            let found = match (self.get(kind), value) {
                (None, _) => {
                    let known = self.iter().map(|policy| policy.kind().as_str());
                    let near = near::nearest(kind.as_str(), known);
                    let near = near.map_or_else(String::new, |near| format!("; is it {near}?"));
                    let reason = format!("no schema describes this kind{near}");
                    let fault = ScalarFault::new("x-indelible", reason);
                    vec![fault.at(Pointer::root())]
                }
                (Some(policy), _) if policy.is_singleton() => Vec::new(),
                (Some(policy), Value::Object(entities)) => {
                    let checked = entities.iter().map(|(id, v)| check_entity(policy, id, v));
                    checked.flatten().collect()
                }
                (Some(_), _) => {
                    let fault = ScalarFault::new("type", "must be an object of values by id");
                    vec![fault.at(Pointer::root())]
                }
            };
            faults.extend(found.into_iter().map(|fault| (kind.clone(), fault)));
        }
        faults
    }
}

/// The faults of one entity of a kind, with its id in front of their places.
fn check_entity(policy: &Policy, id: &str, value: &Value) -> Vec<Fault> {
    let place = Pointer::root().child(id);
    if let Err(error) = EntityId::new(policy.kind().clone(), Some(id)) {
        return vec![ScalarFault::new("propertyNames", error.to_string()).at(place)];
    }
    let inside = |fault: Fault| Fault {
        pointer: place
            .tokens()
            .iter()
            .chain(fault.pointer.tokens())
            .collect(),
        ..fault
    };
    let faults = policy.check_content(Some(value));
    faults.into_iter().map(inside).collect()
}

fn check_text(rule: &ScalarRule, value: Option<&Value>, required: bool) -> Result<(), ScalarFault> {
    match value {
        Some(value) => rule.check(value),
        None if required => rule.check(&Value::String(String::new())),
        None => Ok(()),
    }
}

fn check_stamp(kind: StampKind, value: Option<&Value>) -> Result<(), ScalarFault> {
    let Some(value) = value else { return Ok(()) };
    if !matches!(kind, StampKind::CreatedAt | StampKind::CreatedBy) {
        let reason = "is a stamp, which only the server makes";
        return Err(ScalarFault::new("x-indelible", reason));
    }
    let format = kind
        .is_time()
        .then_some(Constraint::Format(Format::DateTime, Rules::LATEST));
    ScalarRule::new(Types::STRING, format.into_iter().collect()).check(value)
}
