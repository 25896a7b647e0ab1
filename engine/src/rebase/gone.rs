//! What was admitted and shows nowhere, since it lies in what others deleted meanwhile.
//!
//! Invariant: only what its author wrote into the item or entry is reported, and the place that was
//! given to an item that had been there.

use std::collections::{HashMap, HashSet};

use automerge::legacy::{Key, ObjectId};
use automerge::{Automerge, ObjId, ReadDoc};

use super::objects::Objects;
use super::pending::Pending;
use super::present::object_id;
use super::report::{DropReason, Dropped, dropped};
use crate::change::Limits;
use crate::document::{DELETED, POSITION, Reader};
use crate::entity::Entity;

/// The operations of `changes`, which are in the entity's log, that work inside items of keyed lists
/// and entries of open maps that are deleted, though not by these changes.
#[must_use]
pub fn gone(entity: &Entity, changes: &[Vec<u8>], limits: &Limits) -> Vec<Dropped> {
    let Ok(pending) = Pending::read(changes, limits) else {
        return Vec::new();
    };
    let mut objects = Objects::new(entity, entity.policy());
    let reader = Reader::now(entity.doc(), entity.policy());
    let own = deleted_by(&pending);
    let mut known: HashMap<ObjectId, bool> = HashMap::new();
    let mut found = Vec::new();
    for (change, parsed) in pending.changes.iter().enumerate() {
        for (index, op) in parsed.ops().iter().enumerate() {
            // A new item's place is no more than a part of it.
            let is_new = || matches!(&op.obj, ObjectId::Id(id) if pending.place(id).is_some());
            let is_register = matches!(&op.key, Key::Map(name)
                if name.starts_with('$') && (name.as_str() != POSITION || is_new()));
            let is_gone = *known.entry(op.obj.clone()).or_insert_with(|| {
                above(entity.doc(), &op.obj)
                    .any(|object| !own.contains(&object) && reader.is_deleted(&object))
            });
            if is_gone && !is_register {
                let place = (change, index);
                found.push(dropped(
                    &mut objects,
                    entity.doc(),
                    &pending,
                    place,
                    DropReason::Gone,
                ));
            }
        }
    }
    found
}

/// The objects that the changes themselves delete or undelete.
fn deleted_by(pending: &Pending) -> HashSet<ObjId> {
    let ops = pending.changes.iter().flat_map(|change| change.ops());
    ops.filter(|op| matches!(&op.key, Key::Map(name) if name.as_str() == DELETED))
        .map(|op| object_id(&op.obj))
        .collect()
}

/// An object and those that it lies in.
fn above(doc: &Automerge, object: &ObjectId) -> impl Iterator<Item = ObjId> {
    let object = object_id(object);
    let parents: Vec<ObjId> = doc
        .parents(&object)
        .into_iter()
        .flatten()
        .map(|parent| parent.obj)
        .collect();
    std::iter::once(object).chain(parents)
}
