//! A new epoch: the entity's value in a new document, without the operations that led to it.
//!
//! Invariant: a function of the entity, the policy and the time alone, so that it
//! can be made again from the log and compared. Under the same policy the value stays the same.

use std::sync::Arc;

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{Automerge, AutomergeError, Change, ObjId, ObjType, ReadDoc, ScalarValue};
use serde_json::{Map, Value};

use crate::admission::Admitted;
use crate::change::server_actor;
use crate::document::{POSITION, Reader, make_fields, stored_scalar};
use crate::effects::effects;
use crate::entity::{Document, Entity, Step};
use crate::genesis;
use crate::ledger::{Claimed, EntryKind};
use crate::policy::{NodeId, Policy, Shape};
use crate::position;
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::value::canonical;

/// Begins a new epoch of `entity` under `policy`: the present value, as far as the policy has a
/// place for it, in a document that holds nothing else. Deleted items do not come along.
///
/// The entry holds the genesis of the new epoch and, where the value differs from it, one change of
/// the system's. It claims the stamps of the creation, so that they follow from it alone.
///
/// # Errors
/// When the value cannot be written, which only a broken document can cause.
pub fn next_epoch(
    entity: &Entity,
    policy: &Arc<Policy>,
    now: Timestamp,
) -> Result<Admitted, AutomergeError> {
    let epoch = entity.epoch().next();
    let system = Principal::system();
    let actor = server_actor(entity.id(), epoch, &system.id);
    let mut document = Document::new(genesis::document(entity.id(), epoch, policy));
    if let Some(change) = carry(document.doc_mut(), &actor, policy, entity.value())? {
        document.note(&system.id, &change);
    }
    let changes = document.doc().get_changes(&[]);
    let changes = changes.iter().map(|change| change.raw_bytes().to_vec());
    let changes = changes.collect();
    let value = Reader::now(document.doc(), policy).root();
    let effects = effects(policy, entity.value(), &value);
    let claimed = Claimed {
        created_at: entity.stamps().created_at,
        created_by: entity.stamps().created_by.clone(),
    };
    let step = Step {
        claimed: (claimed != Claimed::default()).then_some(&claimed),
        ..Step::of_system(EntryKind::Epoch, &system, now)
    };
    let next = entity.advanced(&step, policy, (document, Arc::new(value)));
    let draft = next.entry(&step, changes);
    Ok(Admitted::assembled(next, draft, effects))
}

/// Writes a value over a genesis; gives the change that does so, if anything was to be written.
fn carry(
    doc: &mut Automerge,
    actor: &automerge::ActorId,
    policy: &Policy,
    value: &Map<String, Value>,
) -> Result<Option<Change>, AutomergeError> {
    doc.set_actor(actor.clone());
    let hash = {
        let tx = doc.transaction();
        let mut carrier = Carrier { policy, tx };
        carrier.object(&automerge::ROOT, policy.root(), value)?;
        let options = CommitOptions::default().with_time(0);
        carrier.tx.commit_with(options).0
    };
    Ok(hash.and_then(|hash| doc.get_change_by_hash(&hash)))
}

struct Carrier<'a> {
    policy: &'a Policy,
    tx: Transaction<'a>,
}

impl Carrier<'_> {
    /// Brings an object that holds its defaults to `value`.
    fn object(
        &mut self,
        object: &ObjId,
        node: NodeId,
        value: &Map<String, Value>,
    ) -> Result<(), AutomergeError> {
        let policy = self.policy;
        let Shape::Object {
            properties,
            additional,
            ..
        } = &policy.node(node).shape
        else {
            return Ok(());
        };
        for (name, &child) in properties {
            self.field(object, name, child, value.get(name))?;
        }
        let Some(child) = *additional else {
            return Ok(());
        };
        for (name, value) in value {
            if properties.contains_key(name) || policy.child(node, name) != Some(child) {
                continue;
            }
            match value {
                Value::Object(value) if policy.is_dynamic(child) => {
                    self.made(object, name, child, value)?;
                }
                value => self.field(object, name, child, Some(value))?,
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        object: &ObjId,
        name: &str,
        node: NodeId,
        value: Option<&Value>,
    ) -> Result<(), AutomergeError> {
        let none = Map::new();
        let container = match self.tx.get(object, name)? {
            Some((automerge::Value::Object(_), id)) => Some(id),
            _ => None,
        };
        match (&self.policy.node(node).shape, container) {
            (Shape::Object { .. }, Some(made)) => {
                let value = value.and_then(Value::as_object).unwrap_or(&none);
                self.object(&made, node, value)
            }
            (Shape::Keyed { item, key }, Some(list)) => {
                let items = value.and_then(Value::as_array);
                self.items(&list, *item, key, items.map_or(&[], Vec::as_slice))
            }
            (Shape::List { .. }, Some(list)) => {
                let elements = value.and_then(Value::as_array);
                self.elements(&list, elements.map_or(&[], Vec::as_slice))
            }
            (Shape::Text { .. }, Some(made)) => {
                let text = value.and_then(Value::as_str).unwrap_or_default();
                let old = self.tx.text(&made)?;
                if old != text {
                    let length = self.tx.length(&made);
                    let length = isize::try_from(length).unwrap_or(isize::MAX);
                    self.tx.splice_text(&made, 0, length, text)?;
                }
                Ok(())
            }
            (Shape::Counter(_), _) => self.counter(object, name, value),
            (Shape::Scalar(_), _) => self.scalar(object, name, value.and_then(stored_scalar)),
            (Shape::Atomic(_), _) => {
                let stored = value.map(|value| ScalarValue::Str(canonical(value).into()));
                self.scalar(object, name, stored)
            }
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        object: &ObjId,
        name: &str,
        value: Option<ScalarValue>,
    ) -> Result<(), AutomergeError> {
        let old = match self.tx.get(object, name)? {
            Some((automerge::Value::Scalar(old), _)) => Some(old.into_owned()),
            _ => None,
        };
        match value {
            Some(value) if old.as_ref() != Some(&value) => self.tx.put(object, name, value),
            None if old.is_some() => self.tx.delete(object, name),
            _ => Ok(()),
        }
    }

    fn counter(
        &mut self,
        object: &ObjId,
        name: &str,
        value: Option<&Value>,
    ) -> Result<(), AutomergeError> {
        let old = match self.tx.get(object, name)? {
            Some((automerge::Value::Scalar(old), _)) => match old.as_ref() {
                ScalarValue::Counter(old) => i64::from(old),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let by = value
            .and_then(Value::as_i64)
            .unwrap_or(old)
            .checked_sub(old);
        match by {
            Some(0) | None => Ok(()),
            Some(by) => self.tx.increment(object, name, by),
        }
    }

    fn elements(&mut self, list: &ObjId, elements: &[Value]) -> Result<(), AutomergeError> {
        let new: Vec<ScalarValue> = elements.iter().filter_map(stored_scalar).collect();
        let length = self.tx.length(list);
        let mut old = Vec::with_capacity(length);
        for index in 0..length {
            if let Some((automerge::Value::Scalar(value), _)) = self.tx.get(list, index)? {
                old.push(value.into_owned());
            }
        }
        if old == new {
            return Ok(());
        }
        for _ in 0..length {
            self.tx.delete(list, 0)?;
        }
        for (index, value) in new.into_iter().enumerate() {
            self.tx.insert(list, index, value)?;
        }
        Ok(())
    }

    fn items(
        &mut self,
        list: &ObjId,
        item: NodeId,
        key: &str,
        items: &[Value],
    ) -> Result<(), AutomergeError> {
        for (value, position) in items.iter().zip(position::spread(items.len())) {
            let (Some(value), Some(id)) = (value.as_object(), value[key].as_str()) else {
                continue;
            };
            let made = self.made(list, id, item, value)?;
            self.tx.put(&made, POSITION, position)?;
        }
        Ok(())
    }

    /// Makes an item of a keyed list or an object of an open map.
    fn made(
        &mut self,
        parent: &ObjId,
        name: &str,
        node: NodeId,
        value: &Map<String, Value>,
    ) -> Result<ObjId, AutomergeError> {
        let made = self.tx.put_object(parent, name, ObjType::Map)?;
        make_fields(&mut self.tx, &made, self.policy, node, &|_| true)?;
        self.object(&made, node, value)?;
        Ok(made)
    }
}
