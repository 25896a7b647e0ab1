//! Writing something again that was dropped.
//!
//! Invariant: an edit like any other; nothing beside the place of what was dropped is changed, but
//! that the items and entries of open maps that it lies in are there again.
//! Must never know: why it was dropped.

use indelible_engine::id::EntityId;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{NodeId, Policy, Shape};
use indelible_engine::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::edit::{EditOptions, Edited};
use crate::error::CallError;
use crate::followed::Known;
use crate::session::{Session, json_error, parse};

/// What the program was told of something that was dropped, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Lost {
    pointer: Pointer,
    attempted: Option<Value>,
    text: Option<String>,
}

impl Session {
    /// Writes something again that was dropped, given as the JSON that a status has for it.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::NothingToBringBack`] where it is no value of its own.
    pub fn bring_back(
        &mut self,
        entity: &str,
        dropped: &str,
        now: Timestamp,
    ) -> Result<Edited, CallError> {
        let id = parse::<EntityId>(entity)?;
        let lost =
            indelible_engine::json::parse(dropped.as_bytes()).and_then(serde_json::from_value);
        let lost: Lost = lost.map_err(json_error)?;
        let followed = self.followed.get(&id);
        let followed = followed.ok_or_else(|| CallError::NotOpen(id.to_string()))?;
        let Known::Replica(replica) = &followed.known else {
            return Err(CallError::NotReady(id.to_string()));
        };
        let (policy, shown) = (replica.policy(), replica.shown().presented());
        let leaf = |shape: &Shape| match shape {
            Shape::Text { .. } => lost.text.clone().map(Value::String),
            Shape::Scalar(_) | Shape::Atomic(_) => lost.attempted.clone(),
            _ => None,
        };
        let body = body(policy, policy.root(), &shown, lost.pointer.tokens(), &leaf);
        let body = body.ok_or_else(|| CallError::NothingToBringBack(lost.pointer.to_string()))?;
        self.write(entity, now, |replica, author, ordinal| {
            replica.edit(author, ordinal, &body, &EditOptions::default())
        })
    }
}

/// The body of a merge that undeletes an item or an entry of an open map, and does nothing else.
pub(crate) fn undeletion(policy: &Policy, shown: &Value, at: &Pointer) -> Option<Value> {
    let nothing = |shape: &Shape| matches!(shape, Shape::Object { .. }).then(|| json!({}));
    body(policy, policy.root(), shown, at.tokens(), &nothing)
}

/// The value to be merged at a place, which has at its end what `leaf` makes for it.
fn body(
    policy: &Policy,
    node: NodeId,
    shown: &Value,
    tokens: &[String],
    leaf: &dyn Fn(&Shape) -> Option<Value>,
) -> Option<Value> {
    let Some((token, inside)) = tokens.split_first() else {
        return leaf(&policy.node(node).shape);
    };
    let child = policy.child(node, token)?;
    match &policy.node(node).shape {
        Shape::Keyed { key, .. } => {
            let items = shown.as_array().map_or(&[][..], Vec::as_slice);
            let id_of = |item: &Value| item.get(key).and_then(Value::as_str).map(str::to_owned);
            let mut ids: Vec<String> = items.iter().filter_map(id_of).collect();
            let present = items
                .iter()
                .find(|item| id_of(item).as_ref() == Some(token));
            let value = body(policy, child, present.unwrap_or(&Value::Null), inside, leaf)?;
            if present.is_none() {
                ids.push(token.clone());
            }
            let item = |id: String| {
                let mut fields = match &value {
                    Value::Object(fields) if id == *token => fields.clone(),
                    _ => Map::new(),
                };
                fields.insert(key.clone(), Value::String(id));
                Value::Object(fields)
            };
            Some(Value::Array(ids.into_iter().map(item).collect()))
        }
        _ => {
            let shown = shown.get(token).unwrap_or(&Value::Null);
            let value = body(policy, child, shown, inside, leaf)?;
            Some(json!({ token: value }))
        }
    }
}
