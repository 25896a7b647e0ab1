//! Writing something again that was dropped.
//!
//! It is an edit like any other, which changes only the place of what was dropped, and undeletes or
//! remakes the items and entries of open maps that this lies in.

use std::sync::Arc;

use indelible_engine::entity::Entity;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{NodeId, Policy, Shape};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::{Author, EditOptions, Edited, Replica};
use crate::error::CallError;
use crate::event::DroppedView;

/// What is needed here of something that was dropped.
#[derive(Debug, Deserialize)]
struct Lost {
    pointer: Pointer,
    #[serde(default, deserialize_with = "there")]
    attempted: Option<Value>,
    text: Option<String>,
}

/// Tells null, which is a value, from an absent field.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl From<&DroppedView> for Lost {
    fn from(view: &DroppedView) -> Self {
        Self {
            pointer: view.pointer.clone(),
            attempted: view.attempted.clone(),
            text: view.text.clone(),
        }
    }
}

impl Lost {
    /// The value to write again; `None` where what was dropped is not a value of its own.
    fn value(&self, policy: &Policy) -> Option<Value> {
        match policy.node(policy.find(&self.pointer)?).shape {
            Shape::Text { .. } => self.text.clone().map(Value::String),
            Shape::Scalar(_) | Shape::Atomic(_) => self.attempted.clone(),
            _ => None,
        }
    }
}

impl Replica {
    /// Writes something again that was dropped, given as the JSON that a status has for it. An item
    /// or entry of an open map that existed only here is made again, under its id, with everything
    /// `dropped` that lies in it: some of that may be required, or written only at first.
    ///
    /// # Errors
    /// Those of an edit; [`CallError::NothingToBringBack`] where it is not a value of its own, and
    /// where what it lies in cannot be made again from what was dropped.
    pub(crate) fn bring_back(
        &mut self,
        author: &Author<'_>,
        ordinal: u64,
        (lost, dropped): (&str, &[DroppedView]),
    ) -> Result<(Edited, bool), CallError> {
        let lost: Lost = self.read(lost)?;
        let nothing = || CallError::NothingToBringBack(lost.pointer.to_string());
        let policy = Arc::clone(self.policy());
        let value = lost.value(&policy).ok_or_else(nothing)?;
        let unmade = unmade(self.shown(), &lost.pointer);
        let mut all: Vec<(Pointer, Value)> = Vec::new();
        if let Some(unmade) = &unmade {
            let beside = dropped.iter().map(Lost::from);
            let beside = beside.filter(|one| unmade.contains(&one.pointer));
            all.extend(beside.filter_map(|one| Some((one.pointer.clone(), one.value(&policy)?))));
        }
        all.push((lost.pointer.clone(), value));
        let wanted: Vec<Wanted<'_>> = all.iter().map(|(at, value)| (at.tokens(), value)).collect();
        let shown = self.shown().presented();
        let body = body(&policy, policy.root(), &shown, &wanted).ok_or_else(nothing)?;
        let options = EditOptions {
            remake: unmade.is_some(),
            ..EditOptions::default()
        };
        match self.edit(author, ordinal, &body, &options) {
            Err(CallError::Policy(_)) if unmade.is_some() => Err(nothing()),
            edited => edited,
        }
    }
}

/// The outermost item or object of an open map on the way to a place that the document never held.
fn unmade(entity: &Entity, at: &Pointer) -> Option<Pointer> {
    let policy = entity.policy();
    let mut way = Pointer::root();
    let mut node = policy.root();
    for token in at.tokens() {
        node = policy.child(node, token)?;
        way.push(token.clone());
        if policy.is_dynamic(node) && !entity.ever_held(&way) {
            return Some(way);
        }
    }
    None
}

/// The body of a merge that undeletes an item or an entry of an open map, and does nothing else.
pub(super) fn undeletion(policy: &Policy, shown: &Value, at: &Pointer) -> Option<Value> {
    let node = policy.node(policy.find(at)?);
    let is_object = matches!(node.shape, Shape::Object { .. });
    let nothing = is_object.then(|| json!({}))?;
    body(policy, policy.root(), shown, &[(at.tokens(), &nothing)])
}

/// The way to a place from where it is looked for, and the value that is to be there.
type Wanted<'a> = (&'a [String], &'a Value);

/// The value to be merged at a place, which has in it what is wanted there. Of two values for one
/// place, the last counts.
fn body(policy: &Policy, node: NodeId, shown: &Value, wanted: &[Wanted<'_>]) -> Option<Value> {
    if let Some((_, value)) = wanted.iter().rfind(|(way, _)| way.is_empty()) {
        return Some((*value).clone());
    }
    // In the order in which they were made.
    let mut children: Vec<(&str, Vec<Wanted<'_>>)> = Vec::new();
    for (way, value) in wanted {
        let (token, inside) = way.split_first()?;
        match children.iter_mut().find(|(name, _)| name == token) {
            Some((_, all)) => all.push((inside, value)),
            None => children.push((token, vec![(inside, value)])),
        }
    }
    let Shape::Keyed { key, .. } = &policy.node(node).shape else {
        let mut fields = Map::new();
        for (token, all) in children {
            let shown = shown.get(token).unwrap_or(&Value::Null);
            let value = body(policy, policy.child(node, token)?, shown, &all)?;
            fields.insert(token.to_owned(), value);
        }
        return Some(Value::Object(fields));
    };
    let items = shown.as_array().map_or(&[][..], Vec::as_slice);
    let id_of = |item: &Value| item.get(key).and_then(Value::as_str).map(str::to_owned);
    let with_id = |id: String, mut fields: Map<String, Value>| {
        fields.insert(key.clone(), Value::String(id.clone()));
        (id, fields)
    };
    let ids = items.iter().filter_map(id_of);
    let mut list: Vec<(String, Map<String, Value>)> =
        ids.map(|id| with_id(id, Map::new())).collect();
    for (token, all) in children {
        let present = items
            .iter()
            .find(|item| id_of(item).as_deref() == Some(token));
        let shown = present.unwrap_or(&Value::Null);
        let Value::Object(fields) = body(policy, policy.child(node, token)?, shown, &all)? else {
            return None;
        };
        let item = with_id(token.to_owned(), fields);
        match list.iter_mut().find(|(id, _)| id == token) {
            Some(place) => *place = item,
            None => list.push(item),
        }
    }
    let fields = list.into_iter().map(|(_, fields)| Value::Object(fields));
    Some(Value::Array(fields.collect()))
}
