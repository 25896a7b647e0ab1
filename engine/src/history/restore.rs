//! Brings an earlier state back.
//!
//! Only what is to be restored is decided here: writing it is a merge like any other. The result is
//! one ordinary edit of the present document, which keeps what others write at the same time and
//! which admission judges.

use std::collections::HashMap;

use automerge::ActorId;
use serde_json::{Map, Value};

use super::state::State;
use crate::entity::Entity;
use crate::merge::{Absent, MergeError, MergeOptions, Protected, merge};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Permission, Policy, Shape, item_index};
use crate::principal::Principal;

/// What is to be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreScope {
    /// Everything.
    Whole,
    /// What lies at these places; items of keyed lists by id.
    Places(Vec<Pointer>),
}

/// The result of a restore.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The edit, as Automerge change chunks that directly follow one another; empty if nothing
    /// differs.
    pub changes: Vec<Vec<u8>>,
    /// Places that differ and stay as they are, because the author may not write there or because
    /// their container no longer exists.
    pub kept: Vec<Pointer>,
}

/// Why nothing is restored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RestoreError {
    /// The principal lacks the permission `restore`.
    #[error("{principal} may not restore {entity}")]
    Forbidden {
        /// The principal.
        principal: String,
        /// The entity.
        entity: String,
    },
    /// The earlier value breaks present rules, or the actor cannot write.
    #[error("the earlier state cannot be brought back")]
    Merge(#[from] MergeError),
}

/// Makes the edit by which `author`, writing as `actor`, restores `past`.
///
/// Deleted items are undeleted, items made since are deleted, texts are changed by the smallest
/// splices, counters by the difference. The entity is not touched; the edit goes through
/// [`admit`](crate::admission::admit).
///
/// # Errors
/// [`RestoreError`]; nothing is written then.
pub fn restore(
    entity: &Entity,
    author: &Principal,
    actor: &ActorId,
    past: &State,
    scope: &RestoreScope,
) -> Result<Restored, RestoreError> {
    if !entity.policy().may(author, Permission::Restore) {
        return Err(RestoreError::Forbidden {
            principal: author.id.clone(),
            entity: entity.id().to_string(),
        });
    }
    let mut missed = Vec::new();
    let mut body = match scope {
        RestoreScope::Whole => past.value().clone(),
        RestoreScope::Places(places) => {
            let mut body = Map::clone(entity.value());
            for place in places {
                if bring(entity.policy(), &mut body, past.value(), place).is_none() {
                    missed.push(place.clone());
                }
            }
            body
        }
    };
    // Stamps cannot be restored.
    body.extend(entity.stamp_fields());
    let options = MergeOptions {
        protected: Protected::Keep,
        absent: Absent::Removed,
        revive: true,
        // An item may have been deleted in a former epoch, of which this document has nothing.
        remake: true,
        ..MergeOptions::default()
    };
    let body = Value::Object(body);
    let merged = merge(entity, author, actor, &body, &options)?;
    let (changes, preserved) = (merged.changes, merged.preserved);
    missed.extend(preserved);
    missed.sort();
    missed.dedup();
    Ok(Restored {
        changes,
        kept: missed,
    })
}

/// Copies what lies at a place of `past` to the same place of `body`; none where `body` has no
/// such place.
fn bring(
    policy: &Policy,
    body: &mut Map<String, Value>,
    past: &Map<String, Value>,
    place: &Pointer,
) -> Option<()> {
    let Some((last, way)) = place.tokens().split_last() else {
        past.clone_into(body);
        return Some(());
    };
    let Some((first, rest)) = way.split_first() else {
        set(body, last, past.get(last));
        return Some(());
    };
    let mut node = policy.child(NodeId::ROOT, first)?;
    let mut then = past.get(first);
    if then.is_some() || body.contains_key(first) {
        body.entry(first).or_insert_with(|| empty(policy, node));
    }
    let Some(mut now) = body.get_mut(first) else {
        return Some(());
    };
    for token in rest {
        let inner = policy.child(node, token)?;
        then = then.and_then(|value| policy.inner(node, value, token));
        if let Value::Object(map) = now
            && !policy.is_dynamic(inner)
        {
            map.entry(token).or_insert_with(|| empty(policy, inner));
        }
        now = policy.inner_mut(node, now, token)?;
        node = inner;
    }
    let value = then.and_then(|value| policy.inner(node, value, last));
    match now {
        Value::Object(map) => set(map, last, value),
        Value::Array(items) => {
            let key = policy.key(node)?;
            let order = then.and_then(Value::as_array);
            place_item(items, order.map_or(&[], Vec::as_slice), key, last);
        }
        _ => return None,
    }
    Some(())
}

fn set(map: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value.clone())),
        None => drop(map.remove(name)),
    }
}

/// An item as it was: in its place if it is there, else behind the nearest of those that were
/// before it.
fn place_item(items: &mut Vec<Value>, past: &[Value], key: &str, id: &str) {
    let (now, then) = (item_index(items, key, id), item_index(past, key, id));
    match (now, then) {
        (Some(now), Some(then)) => past[then].clone_into(&mut items[now]),
        (Some(now), None) => drop(items.remove(now)),
        (None, Some(then)) => {
            let id_of = |item: &Value| item.get(key).and_then(Value::as_str).map(str::to_owned);
            let places: HashMap<String, usize> = (0..)
                .zip(&*items)
                .filter_map(|(index, item)| Some((id_of(item)?, index)))
                .collect();
            let mut earlier = past[..then].iter().rev();
            let before = earlier.find_map(|earlier| places.get(earlier.get(key)?.as_str()?));
            items.insert(before.map_or(0, |index| index + 1), past[then].clone());
        }
        (None, None) => {}
    }
}

fn empty(policy: &Policy, node: NodeId) -> Value {
    match policy.node(node).shape {
        Shape::Keyed { .. } | Shape::List { .. } => Value::Array(Vec::new()),
        _ => Value::Object(Map::new()),
    }
}
