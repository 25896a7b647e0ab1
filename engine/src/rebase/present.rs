//! The server's present state with the changes that were rebased so far.
//!
//! Owns what an honest new operation names as its predecessors: all values at a key or
//! element now.
//! Invariant: what was built and not applied yet counts as present.

use std::collections::HashMap;
use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, OpId, OpType};
use automerge::{
    ActorId, Automerge, Change, ChangeHash, Cursor, ExpandedChange, ObjId, Prop, ReadDoc,
    ScalarValue, Value as Stored,
};

use super::RebaseError;
use crate::change::{Limits, Op, divide};
use crate::document::Changes;
use crate::entity::Entity;

/// The Automerge id of an object.
pub(super) fn object_id(object: &ObjectId) -> ObjId {
    match object {
        ObjectId::Root => automerge::ROOT,
        ObjectId::Id(id) => ObjId::Id(id.counter(), id.actor().clone(), 0),
    }
}

/// The operations that made some values.
pub(super) fn ids_of(values: Vec<(Stored<'_>, ObjId)>) -> Vec<OpId> {
    values
        .iter()
        .filter_map(|(_, id)| match id {
            ObjId::Id(counter, actor, _) => Some(OpId::new(*counter, actor)),
            ObjId::Root => None,
        })
        .collect()
}

/// A value at a key or element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) id: OpId,
    pub(super) counter: bool,
}

/// What there is, and what is being added to it.
pub(super) struct Present {
    pub(super) entity: Entity,
    actor: ActorId,
    /// Changes of the actor so far.
    seq: u64,
    /// Changes that are built and not in the document yet.
    waiting: Vec<Change>,
    heads: Vec<ChangeHash>,
    max_op: u64,
    values: HashMap<(ObjectId, Key), Vec<Standing>>,
    changes: Changes,
}

impl Present {
    pub(super) fn new(onto: &Entity, actor: &ActorId) -> Self {
        Self {
            heads: onto.doc().get_heads(),
            max_op: onto.operations(),
            entity: onto.clone(),
            actor: actor.clone(),
            seq: 0,
            waiting: Vec::new(),
            values: HashMap::new(),
            changes: Changes::default(),
        }
    }

    pub(super) fn doc(&self) -> &Automerge {
        self.entity.doc()
    }

    /// The id that the operation at `index` of the next change will have.
    pub(super) fn next_id(&self, index: usize) -> OpId {
        OpId::new(self.max_op + 1 + index as u64, &self.actor)
    }

    /// Whether an object is in the document.
    pub(super) fn has_object(&self, object: &ObjectId) -> bool {
        self.entity.doc().object_type(object_id(object)).is_ok()
    }

    /// The values at a key or element now.
    pub(super) fn standing(&mut self, object: &ObjectId, key: &Key) -> &mut Vec<Standing> {
        let place = (object.clone(), key.clone());
        if !self.values.contains_key(&place) {
            let found = match key {
                Key::Map(key) => self.all(object, Prop::Map(key.to_string())),
                Key::Seq(ElementId::Id(element)) => self.at_element(object, element),
                Key::Seq(ElementId::Head) => Vec::new(),
            };
            self.values.insert(place.clone(), found);
        }
        self.values.entry(place).or_default()
    }

    fn all(&self, object: &ObjectId, prop: Prop) -> Vec<Standing> {
        let found = self.entity.doc().get_all(object_id(object), prop);
        found
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(value, id)| {
                let ObjId::Id(counter, actor, _) = id else {
                    return None;
                };
                let is_counter = matches!(&value, Stored::Scalar(scalar)
                    if matches!(scalar.as_ref(), ScalarValue::Counter(_)));
                Some(Standing {
                    id: OpId::new(counter, &actor),
                    counter: is_counter,
                })
            })
            .collect()
    }

    /// Where an element is; of a deleted one, where the next is that is there.
    pub(super) fn place_of(&self, object: &ObjectId, element: &OpId) -> Option<usize> {
        let name = format!("{}@{}", element.counter(), element.actor());
        let cursor = Cursor::try_from(name.as_str()).ok()?;
        let doc = self.entity.doc();
        doc.get_cursor_position(object_id(object), &cursor, None)
            .ok()
    }

    fn at_element(&mut self, object: &ObjectId, element: &OpId) -> Vec<Standing> {
        let Some(place) = self.place_of(object, element) else {
            return Vec::new();
        };
        let found = self.all(object, Prop::Seq(place));
        // Where the element is deleted, the place is that of the next one.
        match found.first() {
            Some(first) if self.element_of(&first.id).as_ref() == Some(element) => found,
            _ => Vec::new(),
        }
    }

    /// The element at a place of a sequence.
    pub(super) fn element_at(&mut self, object: &ObjectId, place: usize) -> Option<OpId> {
        let first = self.all(object, Prop::Seq(place)).into_iter().next()?;
        self.element_of(&first.id)
    }

    /// The element that an operation of the document is at.
    fn element_of(&mut self, id: &OpId) -> Option<OpId> {
        let op = self.changes.find(self.entity.doc(), id)?;
        match &op.key {
            _ if op.insert => Some(id.clone()),
            Key::Seq(ElementId::Id(element)) => Some(element.clone()),
            _ => None,
        }
    }

    /// Notes what an operation that was built does to the values at its key.
    pub(super) fn note(&mut self, id: &OpId, op: &Op) {
        let made = match &op.action {
            OpType::Put(value) => Some(matches!(value, ScalarValue::Counter(_))),
            OpType::Make(_) => Some(false),
            OpType::Delete => None,
            _ => return,
        };
        let made = made.map(|counter| Standing {
            id: id.clone(),
            counter,
        });
        if op.insert {
            let key = Key::Seq(ElementId::Id(id.clone()));
            self.values
                .insert((op.obj.clone(), key), made.into_iter().collect());
            return;
        }
        let standing = self.standing(&op.obj, &op.key);
        standing.retain(|value| !op.pred.iter().any(|pred| *pred == value.id));
        standing.extend(made);
    }

    /// Makes the next change, or the next few where one may not hold so much; their operations have
    /// the ids that [`Self::next_id`] gave.
    pub(super) fn build(
        &mut self,
        operations: Vec<Op>,
        (time, message): (i64, Option<&str>),
        limits: &Limits,
    ) -> Result<Vec<Vec<u8>>, RebaseError> {
        let start_op = NonZeroU64::new(self.max_op + 1)
            .ok_or_else(|| RebaseError::Document("no counter is left".to_owned()))?;
        self.max_op += operations.len() as u64;
        let mut deps = self.heads.clone();
        deps.sort_unstable();
        let change = Change::from(ExpandedChange {
            operations,
            actor_id: self.actor.clone(),
            hash: None,
            seq: self.seq + 1,
            start_op,
            time,
            message: message.map(str::to_owned),
            deps,
            extra_bytes: Vec::new(),
            author: None,
        });
        let parts = divide(&change, limits);
        for part in &parts {
            self.wait(part)?;
        }
        Ok(parts)
    }

    /// Takes in changes that were made on the document itself.
    pub(super) fn take(&mut self, changes: &[Vec<u8>]) -> Result<(), RebaseError> {
        if changes.is_empty() {
            return Ok(());
        }
        for change in changes {
            self.wait(change)?;
        }
        self.apply()
    }

    /// Notes the next change of the actor.
    fn wait(&mut self, bytes: &[u8]) -> Result<(), RebaseError> {
        let change =
            Change::try_from(bytes).map_err(|error| RebaseError::Document(error.to_string()))?;
        self.seq = change.seq();
        self.max_op = self.max_op.max(change.max_op());
        self.heads = vec![change.hash()];
        self.waiting.push(change);
        Ok(())
    }

    /// Brings everything that was built into the document.
    pub(super) fn apply(&mut self) -> Result<(), RebaseError> {
        self.values.clear();
        let waiting = std::mem::take(&mut self.waiting);
        let extended = self.entity.extend(waiting);
        extended.map_err(|error| RebaseError::Document(error.to_string()))
    }
}
