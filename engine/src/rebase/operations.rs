//! The operations of pending changes, one after the other: kept, carried or dropped.
//!
//! Invariant: an operation is kept as one operation, at the same place, with the same value.
//! Must never know: policies, beyond which objects come and go.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use automerge::ScalarValue;
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use serde_json::Value;

use super::objects::{Carried, Objects, Spot, makes_map};
use super::pending::Pending;
use super::present::{Present, object_id};
use super::report::{Dropped, Why};
use super::values::Lost;
use super::{Ground, Place, RebaseError, Rebased, RebasedChange};
use crate::document::{Reader, plain_value, scalar_value};
use crate::merge::{Holder, carry_object};
use crate::violation::Rule;

/// What became of an operation.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It is this operation now.
    Kept(OpId),
    /// It is a part of this carried object.
    Carried(usize),
    /// It is in the report.
    Dropped,
}

pub(super) struct Rebase<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) named: HashMap<Place, String>,
    pub(super) objects: Objects,
    pub(super) present: Present,
    pub(super) pending: Pending,
    /// By change and operation, of those that are done.
    pub(super) fates: Vec<Vec<Fate>>,
    pub(super) rebased: Rebased,
}

impl Rebase<'_> {
    pub(super) fn run(mut self) -> Result<Rebased, RebaseError> {
        for change in 0..self.pending.changes.len() {
            self.change(change)?;
        }
        Ok(self.rebased)
    }

    fn change(&mut self, change: usize) -> Result<(), RebaseError> {
        let mut built: Vec<Op> = Vec::new();
        let mut carried: BTreeSet<usize> = BTreeSet::new();
        for index in 0..self.pending.changes[change].ops().len() {
            let place = (change, index);
            let fate = match self.operation(place) {
                Ok(Step::Op(op)) => {
                    let id = self.present.next_id(built.len());
                    self.present.note(&id, &op);
                    built.push(op);
                    self.rebased.kept.push(place);
                    Fate::Kept(id)
                }
                Ok(Step::Carry(object)) => {
                    carried.insert(object);
                    self.rebased.carried.push(place);
                    Fate::Carried(object)
                }
                Err(why) => {
                    self.report(place, why);
                    Fate::Dropped
                }
            };
            self.fates[change].push(fate);
        }
        if !built.is_empty() {
            let old = &self.pending.changes[change];
            let bytes = self.present.build(built, old.time(), old.message())?;
            self.rebased.changes.push(RebasedChange {
                from: change,
                change: bytes,
            });
        }
        if !carried.is_empty() {
            self.present.apply()?;
        }
        for object in carried {
            self.carry(change, object)?;
        }
        Ok(())
    }

    /// The operation as it is to be now, or why it is not to be.
    fn operation(&mut self, place: Place) -> Result<Step, Why> {
        let op = self.pending.op(place).clone();
        let spot = self.objects.spot(self.present.doc(), &op.obj);
        if let (OpType::Make(_), Key::Map(name)) = (&op.action, &op.key) {
            let made = self.pending.changes[place.0].op_id(place.1);
            let child = spot.child(&self.objects.policy, name);
            self.objects.made(made, child);
        }
        let (object, carried) = self.object(&op)?;
        if let Some(rule) = self.named.get(&place).cloned() {
            let taken = carried.is_none() && rule == Rule::EXISTS.code() && makes_map(&op);
            if !taken || !self.is_carried(&object, &op, &spot) {
                if let Some(carried) = carried {
                    let at = match &op.key {
                        Key::Map(name) => spot.pointer.child(name.as_str()),
                        Key::Seq(_) => spot.pointer,
                    };
                    self.objects.carried[carried].refused.push(at);
                }
                return Err(Why::Named(rule));
            }
        }
        if let Some(carried) = carried {
            return Ok(Step::Carry(carried));
        }
        if self.is_carried(&object, &op, &spot)
            && let Key::Map(name) = &op.key
        {
            self.objects.carried.push(Carried {
                holder: object_id(&object),
                holder_spot: spot,
                name: name.to_string(),
                old: self.pending.changes[place.0].op_id(place.1),
                version: None,
                refused: Vec::new(),
            });
            return Ok(Step::Carry(self.objects.carried.len() - 1));
        }
        let op = match &op.key {
            Key::Map(_) => self.at_key(place, op, object)?,
            Key::Seq(element) => {
                let element = element.clone();
                self.in_sequence(place, op, object, &element)?
            }
        };
        Ok(Step::Op(op))
    }

    fn fate(&self, id: &OpId, before: Place) -> Option<&Fate> {
        let (change, op) = self.pending.place(id).filter(|place| *place < before)?;
        self.fates[change].get(op)
    }

    /// The object that an operation works on, and which carried object it is a part of, if any.
    fn object(&self, op: &Op) -> Result<(ObjectId, Option<usize>), Why> {
        let ObjectId::Id(id) = &op.obj else {
            return Ok((ObjectId::Root, None));
        };
        match self.fate(id, (usize::MAX, 0)) {
            Some(Fate::Kept(new)) => Ok((ObjectId::Id(new.clone()), None)),
            Some(Fate::Carried(carried)) => Ok((op.obj.clone(), Some(*carried))),
            Some(Fate::Dropped) => Err(Why::Depends),
            None if self.pending.place(id).is_some() => Err(Why::Depends),
            None if self.present.has_object(&op.obj) => Ok((op.obj.clone(), None)),
            None => Err(Why::Gone),
        }
    }

    /// Whether the object that an operation makes goes by values.
    fn is_carried(&mut self, object: &ObjectId, op: &Op, spot: &Spot) -> bool {
        let Key::Map(name) = &op.key else {
            return false;
        };
        let policy = &self.objects.policy;
        let dynamic = spot
            .node
            .and_then(|node| policy.child(node, name))
            .is_some_and(|child| policy.is_dynamic(child));
        makes_map(op)
            && dynamic
            && self.present.has_object(object)
            && (self.objects.is_other_schema()
                || !self.present.standing(object, &op.key).is_empty())
    }

    /// Why there is nothing left to work on.
    fn nothing_there(&self, op: &Op, at: Place) -> Why {
        let dropped = |pred: &OpId| matches!(self.fate(pred, at), Some(Fate::Dropped));
        if op.pred.iter().any(dropped) {
            Why::Depends
        } else {
            Why::Gone
        }
    }

    fn at_key(&mut self, place: Place, op: Op, object: ObjectId) -> Result<Op, Why> {
        let whole = match op.action {
            OpType::Delete => self.pending.takes_away(&self.ground.entity.doc, place),
            _ => true,
        };
        let mapped: Vec<OpId> = op
            .pred
            .iter()
            .filter_map(|pred| self.mapped(pred, place))
            .collect();
        let standing = self.present.standing(&object, &op.key).iter();
        let pred: Vec<OpId> = match op.action {
            OpType::Increment(_) => standing
                .filter(|value| value.counter)
                .map(|v| v.id.clone())
                .collect(),
            OpType::Delete if !whole => standing
                .filter(|value| mapped.contains(&value.id))
                .map(|v| v.id.clone())
                .collect(),
            _ => standing.map(|v| v.id.clone()).collect(),
        };
        let needs = matches!(op.action, OpType::Delete | OpType::Increment(_));
        if needs && pred.is_empty() {
            return Err(self.nothing_there(&op, place));
        }
        Ok(Op {
            obj: object,
            pred: pred.into(),
            ..op
        })
    }

    /// The id that an operation has now.
    fn mapped(&self, id: &OpId, at: Place) -> Option<OpId> {
        match self.pending.place(id) {
            Some(_) => match self.fate(id, at) {
                Some(Fate::Kept(new)) => Some(new.clone()),
                _ => None,
            },
            None => Some(id.clone()),
        }
    }

    fn in_sequence(
        &mut self,
        place: Place,
        op: Op,
        object: ObjectId,
        element: &ElementId,
    ) -> Result<Op, Why> {
        if op.insert {
            return Ok(Op {
                obj: object,
                key: Key::Seq(self.anchor(place, element.clone())),
                ..op
            });
        }
        let ElementId::Id(id) = element else {
            return Err(Why::Gone);
        };
        let id = self.mapped(id, place).ok_or(Why::Depends)?;
        let key = Key::Seq(ElementId::Id(id));
        let standing = self.present.standing(&object, &key);
        let pred: Vec<OpId> = standing.iter().map(|value| value.id.clone()).collect();
        if pred.is_empty() {
            return Err(Why::Gone);
        }
        Ok(Op {
            obj: object,
            key,
            pred: pred.into(),
            ..op
        })
    }

    /// Where an insertion goes whose left neighbour was `element`.
    fn anchor(&mut self, place: Place, mut element: ElementId) -> ElementId {
        loop {
            let ElementId::Id(id) = &element else {
                return element;
            };
            if let Some(new) = self.mapped(id, place) {
                return ElementId::Id(new);
            }
            let id = id.clone();
            element = self.pending.left_of(&self.ground.entity.doc, &id, place);
        }
    }

    /// Carries what a change did inside an object.
    fn carry(&mut self, change: usize, index: usize) -> Result<(), RebaseError> {
        let doc = &self.ground.entity.doc;
        let version = self.objects.version(index, doc, &self.pending, change)?;
        let carried = &mut self.objects.carried[index];
        let base = carried.version.clone();
        carried.version.clone_from(&version);
        let policy = Arc::clone(&self.objects.policy);
        let at = carried.holder_spot.pointer.child(&carried.name);
        let places = carried
            .holder_spot
            .node
            .and_then(|holder| Some((holder, policy.child(holder, &carried.name)?)));
        let (Some(mut body), Some((holder, node))) = (version, places) else {
            self.rebased.dropped.push(Dropped {
                change,
                op: None,
                pointer: at,
                attempted: None,
                why: Why::Gone,
            });
            return Ok(());
        };
        if base.as_ref() == Some(&body) {
            return Ok(());
        }
        let holder = Holder {
            object: &carried.holder,
            node: holder,
            at: &carried.holder_spot.pointer,
            name: &carried.name,
        };
        let entity = &self.present.entity;
        let present = Reader::now(&entity.doc, &policy).property(holder.object, holder.name, node);
        let mut base = base;
        let mut lost = Lost::new(&policy, node, &at, change);
        let present = present.as_ref().and_then(Value::as_object);
        lost.fit(
            base.as_mut().map(|base| &mut base.value),
            present,
            &mut body.value,
        );
        let by = (self.ground.author, self.ground.actor);
        let made = lost.persist(&body.value, carried.refused.clone(), |care| {
            carry_object(entity, by, &holder, (base.as_ref(), &body), care)
        })?;
        self.rebased.dropped.extend(lost.into_dropped());
        if let Some(bytes) = made {
            self.present.take(&bytes)?;
            self.rebased.changes.push(RebasedChange {
                from: change,
                change: bytes,
            });
        }
        Ok(())
    }

    fn report(&mut self, (change, index): Place, why: Why) {
        let op = self.pending.op((change, index)).clone();
        let spot = self.objects.spot(self.present.doc(), &op.obj);
        let (pointer, node) = match &op.key {
            Key::Map(name) => {
                let child = spot.child(&self.objects.policy, name);
                (child.pointer, child.node)
            }
            Key::Seq(_) => (spot.pointer, None),
        };
        let value = |scalar: &ScalarValue| match node {
            Some(node) => scalar_value(self.objects.policy.node(node), scalar),
            None => plain_value(scalar),
        };
        let attempted = match &op.action {
            OpType::Put(scalar) => value(scalar),
            OpType::Increment(by) => Some(Value::from(*by)),
            _ => None,
        };
        self.rebased.dropped.push(Dropped {
            change,
            op: Some(index),
            pointer,
            attempted,
            why,
        });
    }
}

enum Step {
    /// It becomes this.
    Op(Op),
    /// It is a part of this carried object.
    Carry(usize),
}
