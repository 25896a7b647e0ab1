//! Writing something again that was dropped.
//!
//! Invariant: an edit like any other; nothing beside the place of what was dropped is changed, but
//! that the items and entries of open maps that it lies in are there again.
//! Must never know: why it was dropped.

use indelible_engine::entity::Entity;
use indelible_engine::id::EntityId;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{NodeId, Policy, Shape};
use indelible_engine::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::edit::{EditOptions, Edited};
use crate::error::CallError;
use crate::event::DroppedView;
use crate::followed::Known;
use crate::session::{Session, parse};

/// What the program was told of something that was dropped, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Lost {
    pointer: Pointer,
    #[serde(default, deserialize_with = "there")]
    attempted: Option<Value>,
    text: Option<String>,
}

/// Null is a value, too; what is not there is another matter.
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
    /// The value that is to be at its place again; none for what is no value of its own.
    fn value(&self, policy: &Policy) -> Option<Value> {
        match policy.node(policy.find(&self.pointer)?).shape {
            Shape::Text { .. } => self.text.clone().map(Value::String),
            Shape::Scalar(_) | Shape::Atomic(_) => self.attempted.clone(),
            _ => None,
        }
    }
}

impl Session {
    /// Writes something again that was dropped, given as the JSON that a status has for it. An item
    /// or entry of an open map that was never there but here is made again, under its id, with all
    /// that the status has as dropped of it: some of it may be required, or written only at first.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::NothingToBringBack`] where it is no value of its own, and where
    /// what it lies in cannot be made again of what was dropped.
    pub fn bring_back(
        &mut self,
        entity: &str,
        dropped: &str,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        let id = parse::<EntityId>(entity)?;
        let followed = self.followed.get(&id);
        let followed = followed.ok_or_else(|| CallError::NotOpen(id.to_string()))?;
        let Known::Replica(replica) = &followed.known else {
            return Err(CallError::NotReady(id.to_string()));
        };
        let lost: Lost = replica.read(dropped)?;
        let nothing = || CallError::NothingToBringBack(lost.pointer.to_string());
        let policy = replica.policy();
        let value = lost.value(policy).ok_or_else(nothing)?;
        let unmade = unmade(replica.shown(), &lost.pointer);
        let mut all: Vec<(Pointer, Value)> = Vec::new();
        if let (Some(unmade), Some(refusal)) = (&unmade, &followed.refusal) {
            let beside = refusal.dropped.iter().map(Lost::from);
            let beside = beside.filter(|one| unmade.contains(&one.pointer));
            all.extend(beside.filter_map(|one| Some((one.pointer.clone(), one.value(policy)?))));
        }
        all.push((lost.pointer.clone(), value));
        let wanted: Vec<Wanted<'_>> = all.iter().map(|(at, value)| (at.tokens(), value)).collect();
        let shown = replica.shown().presented();
        let body = body(policy, policy.root(), &shown, &wanted).ok_or_else(nothing)?;
        let options = EditOptions {
            remake: unmade.is_some(),
            ..EditOptions::default()
        };
        let edited = self.write(entity, now, |replica, author, ordinal| {
            replica.edit(author, ordinal, &body, &options)
        });
        match edited {
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
pub(crate) fn undeletion(policy: &Policy, shown: &Value, at: &Pointer) -> Option<Value> {
    let node = policy.node(policy.find(at)?);
    let is_object = matches!(node.shape, Shape::Object { .. });
    let nothing = is_object.then(|| json!({}))?;
    body(policy, policy.root(), shown, &[(at.tokens(), &nothing)])
}

/// The way to a place from where it is looked for, and the value that is to be there.
type Wanted<'a> = (&'a [String], &'a Value);

/// The value to be merged at a place, which has in it what is wanted there. Of two values for one
/// place, the last stands.
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
