//! The first change of every entity: its declared containers and defaults.
//!
//! Invariant: the genesis is a function of the entity's name, the epoch and the policy alone, byte
//! for byte, so that a client can start on it without asking the server.
//! Must never know: principals, times, content.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, AutomergeError, ObjId, ObjType, ScalarValue};
use serde_json::Value;

use crate::change::genesis_actor;
use crate::document::{self, stored_scalar};
use crate::id::{EntityId, Epoch};
use crate::policy::{NodeId, Policy, Shape};
use crate::value::canonical;

/// The document that holds nothing but the genesis of `entity`.
pub(crate) fn document(entity: &EntityId, epoch: Epoch, policy: &Policy) -> Automerge {
    let actor: ActorId = genesis_actor();
    let mut doc = document::empty(actor);
    let mut tx = doc.transaction();
    make_fields(&mut tx, &automerge::ROOT, policy, policy.root(), &|_| false)
        .expect("a new document takes every put");
    if tx.pending_ops() == 0 {
        // A schema of nothing but optional scalars declares no container; the genesis must still
        // be a change, because an empty one cannot be told from its absence.
        tx.put(automerge::ROOT, "$genesis", true)
            .expect("a new document takes every put");
    }
    tx.commit_with(
        CommitOptions::default()
            .with_message(format!(
                "indelible genesis {entity} {epoch} {}",
                policy.hash()
            ))
            .with_time(0),
    );
    doc
}

/// Makes what the schema declares below an object that was just made: containers, counters, and
/// the defaults of scalars that `written` does not name.
pub(crate) fn make_fields<T: Transactable>(
    tx: &mut T,
    object: &ObjId,
    policy: &Policy,
    node: NodeId,
    written: &dyn Fn(&str) -> bool,
) -> Result<(), AutomergeError> {
    let Shape::Object { properties, .. } = &policy.node(node).shape else {
        return Ok(());
    };
    for (name, &child) in properties {
        if !written(name) || !policy.node(child).shape.is_single() {
            make_field(tx, object, policy, (name, child))?;
        }
    }
    Ok(())
}

/// Makes one declared property of an object: a container with its content, a counter, or the
/// default of a single value.
pub(crate) fn make_field<T: Transactable>(
    tx: &mut T,
    object: &ObjId,
    policy: &Policy,
    (name, child): (&str, NodeId),
) -> Result<(), AutomergeError> {
    let declared = policy.node(child);
    match &declared.shape {
        Shape::Object { .. } => {
            let made = tx.put_object(object, name, ObjType::Map)?;
            make_fields(tx, &made, policy, child, &|_| false)?;
        }
        Shape::Keyed { .. } => {
            tx.put_object(object, name, ObjType::Map)?;
        }
        Shape::List { .. } => {
            let made = tx.put_object(object, name, ObjType::List)?;
            let elements = declared.default.as_ref().and_then(Value::as_array);
            for (index, element) in elements.into_iter().flatten().enumerate() {
                if let Some(scalar) = stored_scalar(element) {
                    tx.insert(&made, index, scalar)?;
                }
            }
        }
        Shape::Text { .. } => {
            let made = tx.put_object(object, name, ObjType::Text)?;
            if let Some(text) = declared.default.as_ref().and_then(Value::as_str) {
                tx.splice_text(&made, 0, 0, text)?;
            }
        }
        Shape::Counter(_) => {
            let start = declared
                .default
                .as_ref()
                .and_then(Value::as_i64)
                .unwrap_or(0);
            tx.put(object, name, ScalarValue::counter(start))?;
        }
        Shape::Scalar(_) => {
            if let Some(scalar) = declared.default.as_ref().and_then(stored_scalar) {
                tx.put(object, name, scalar)?;
            }
        }
        Shape::Atomic(_) => {
            if let Some(default) = &declared.default {
                tx.put(object, name, canonical(default))?;
            }
        }
        Shape::Stamp(_) | Shape::Tally => {}
    }
    Ok(())
}
