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

/// What declared things are made in: a transaction, or a change that is being drafted.
pub(crate) trait Maker {
    /// Makes an object at a key of a map.
    fn make(&mut self, map: &ObjId, key: &str, kind: ObjType) -> Result<ObjId, AutomergeError>;

    /// Writes a single value to a key of a map.
    fn set(&mut self, map: &ObjId, key: &str, value: ScalarValue) -> Result<(), AutomergeError>;

    /// Gives a list that was just made its elements.
    fn fill_list(&mut self, list: &ObjId, values: Vec<ScalarValue>) -> Result<(), AutomergeError>;

    /// Gives a text that was just made its letters.
    fn fill_text(&mut self, text: &ObjId, letters: &str) -> Result<(), AutomergeError>;
}

impl<T: Transactable> Maker for T {
    fn make(&mut self, map: &ObjId, key: &str, kind: ObjType) -> Result<ObjId, AutomergeError> {
        self.put_object(map, key, kind)
    }

    fn set(&mut self, map: &ObjId, key: &str, value: ScalarValue) -> Result<(), AutomergeError> {
        self.put(map, key, value)
    }

    fn fill_list(&mut self, list: &ObjId, values: Vec<ScalarValue>) -> Result<(), AutomergeError> {
        self.splice(list, 0, 0, values)
    }

    fn fill_text(&mut self, text: &ObjId, letters: &str) -> Result<(), AutomergeError> {
        self.splice_text(text, 0, 0, letters)
    }
}

/// Makes what the schema declares below an object that was just made: containers, counters, and
/// the defaults of scalars that `written` does not name.
pub(crate) fn make_fields<T: Maker>(
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
pub(crate) fn make_field<T: Maker>(
    tx: &mut T,
    object: &ObjId,
    policy: &Policy,
    (name, child): (&str, NodeId),
) -> Result<(), AutomergeError> {
    let declared = policy.node(child);
    match &declared.shape {
        Shape::Object { .. } => {
            let made = tx.make(object, name, ObjType::Map)?;
            make_fields(tx, &made, policy, child, &|_| false)?;
        }
        Shape::Keyed { .. } => {
            tx.make(object, name, ObjType::Map)?;
        }
        Shape::List { .. } => {
            let made = tx.make(object, name, ObjType::List)?;
            let elements = declared.default.as_ref().and_then(Value::as_array);
            let scalars = elements.into_iter().flatten().filter_map(stored_scalar);
            tx.fill_list(&made, scalars.collect())?;
        }
        Shape::Text { .. } => {
            let made = tx.make(object, name, ObjType::Text)?;
            if let Some(text) = declared.default.as_ref().and_then(Value::as_str) {
                tx.fill_text(&made, text)?;
            }
        }
        Shape::Counter(_) => {
            let start = declared
                .default
                .as_ref()
                .and_then(Value::as_i64)
                .unwrap_or(0);
            tx.set(object, name, ScalarValue::counter(start))?;
        }
        Shape::Scalar(_) => {
            if let Some(scalar) = declared.default.as_ref().and_then(stored_scalar) {
                tx.set(object, name, scalar)?;
            }
        }
        Shape::Atomic(_) => {
            if let Some(default) = &declared.default {
                tx.set(object, name, canonical(default).into())?;
            }
        }
        Shape::Stamp(_) | Shape::Tally => {}
    }
    Ok(())
}
