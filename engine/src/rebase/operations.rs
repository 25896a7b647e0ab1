//! The operations of pending changes, one after the other: kept, carried or dropped.
//!
//! Invariant: an operation is kept as one operation, at the same place, with the same value.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use serde_json::{Map, Value};

use super::objects::{Carried, Objects, Renamed, makes_map};
use super::old_schema::OldSchemaRebase;
use super::pending::Pending;
use super::present::{Present, object_id};
use super::report::{DropReason, Dropped, dropped};
use super::schema_map::{Conversion, Elements, Mapped};
use super::values::Lost;
use super::{OpIndex, RebaseError, RebaseTarget, Rebased, RebasedChange};
use crate::document::Reader;
use crate::merge::{Holder, carry_fields, carry_object};
use crate::pointer::Pointer;
use crate::violation::Rule;

/// What became of an operation.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It is this operation now.
    Kept(OpId),
    /// It is a part of this carried object.
    Carried(usize),
    /// It is a part of what was written to a field that is stored in another form now.
    Converted,
    /// It is in the report.
    Dropped,
}

pub(super) struct Rebase<'a> {
    pub(super) target: &'a RebaseTarget<'a>,
    pub(super) named: HashMap<OpIndex, String>,
    pub(super) objects: Objects,
    pub(super) former: Option<OldSchemaRebase>,
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
        // Those of another form, and whether they were set or removed.
        let mut fields: BTreeMap<Pointer, (Conversion, bool)> = BTreeMap::new();
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
                Ok(Step::Convert(field)) => {
                    let written = self.pending.writes(self.target.entity.doc(), place);
                    let at = field.holder_at.child(&field.name);
                    fields.entry(at).or_insert((field, false)).1 |= written;
                    self.rebased.carried.push(place);
                    Fate::Converted
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
            let message = self.pending.message(self.target.entity.doc(), change);
            let words = (old.time(), message.as_deref());
            let parts = self.present.build(built, words, self.target.limits)?;
            self.note_changes(change, parts);
        }
        if !carried.is_empty() || !fields.is_empty() {
            self.present.apply()?;
        }
        for object in carried {
            self.carry(change, object)?;
        }
        for (field, written) in fields.into_values() {
            self.convert(change, &field, written)?;
        }
        Ok(())
    }

    /// The operation as it is to be now, or why it is not to be.
    fn operation(&mut self, place: OpIndex) -> Result<Step, DropReason> {
        let op = self.pending.op(place).clone();
        let mapped = self.objects.mapped(self.present.doc(), &op.obj);
        let child = match &op.key {
            Key::Map(name) => Some(self.objects.schema_map.child(&mapped, &op.obj, name)),
            Key::Seq(_) => None,
        };
        if let (OpType::Make(_), Some(child)) = (&op.action, &child) {
            let made = self.pending.changes[place.0].op_id(place.1);
            self.objects.made(made, child.clone());
        }
        let target = child.as_ref().unwrap_or(&mapped);
        if let Some(field) = target.conversion.clone()
            && self.is_there(&op, &field)
        {
            return match self.former()?.dropped(place) {
                Some(why) => Err(why.clone()),
                None => Ok(Step::Convert(field)),
            };
        }
        let (object, carried) = self.object(&op, &mapped)?;
        if let Some(rule) = self.named.get(&place).cloned() {
            let taken = carried.is_none() && rule == Rule::EXISTS.code() && makes_map(&op);
            if !taken || !self.is_carried(&object, &op, &mapped) {
                if let Some(carried) = carried {
                    let at = child.map_or(mapped.pointer, |child| child.pointer);
                    self.objects.carried[carried].refused.push(at);
                }
                return Err(DropReason::Refused(rule));
            }
        }
        if let Some(carried) = carried {
            return Ok(Step::Carry(carried));
        }
        let op = match &child {
            Some(child) if child.is_removed => {
                return Err(DropReason::Forbidden(Rule::UNKNOWN_FIELD.code().to_owned()));
            }
            Some(child) => renamed(op, child),
            None => op,
        };
        if self.is_carried(&object, &op, &mapped)
            && let Key::Map(name) = &op.key
        {
            self.objects.carried.push(Carried {
                holder: object_id(&object),
                holder_place: mapped,
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

    fn fate(&self, id: &OpId, before: OpIndex) -> Option<&Fate> {
        let (change, op) = self.pending.place(id).filter(|place| *place < before)?;
        self.fates[change].get(op)
    }

    /// Whether the object is there that a converted field belongs to, and the one that an operation
    /// works on.
    fn is_there(&self, op: &Op, field: &Conversion) -> bool {
        let dropped = match &op.obj {
            ObjectId::Id(id) => matches!(self.fate(id, (usize::MAX, 0)), Some(Fate::Dropped)),
            ObjectId::Root => false,
        };
        !dropped && self.present.has_object(&field.holder)
    }

    /// The object that an operation works on, and which carried object it is a part of, if any.
    fn object(&self, op: &Op, mapped: &Mapped) -> Result<(ObjectId, Option<usize>), DropReason> {
        let ObjectId::Id(id) = &op.obj else {
            return Ok((ObjectId::Root, None));
        };
        match self.fate(id, (usize::MAX, 0)) {
            Some(Fate::Kept(new)) => Ok((ObjectId::Id(new.clone()), None)),
            Some(Fate::Carried(carried)) => Ok((op.obj.clone(), Some(*carried))),
            Some(Fate::Dropped | Fate::Converted) => Err(DropReason::Depends),
            None if self.pending.place(id).is_some() => Err(DropReason::Depends),
            None if !self.present.has_object(&op.obj) => Err(DropReason::Gone),
            None => match &mapped.object {
                Some(object) => Ok((object.clone(), None)),
                None => Err(DropReason::Forbidden(Rule::UNKNOWN_FIELD.code().to_owned())),
            },
        }
    }

    /// Whether the object that an operation makes goes by values.
    fn is_carried(&mut self, object: &ObjectId, op: &Op, mapped: &Mapped) -> bool {
        let Key::Map(name) = &op.key else {
            return false;
        };
        let policy = &self.objects.policy;
        let dynamic = mapped
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
    fn nothing_there(&self, op: &Op, at: OpIndex) -> DropReason {
        let dropped = |pred: &OpId| matches!(self.fate(pred, at), Some(Fate::Dropped));
        if op.pred.iter().any(dropped) {
            DropReason::Depends
        } else {
            DropReason::Gone
        }
    }

    fn at_key(&mut self, place: OpIndex, op: Op, object: ObjectId) -> Result<Op, DropReason> {
        let whole = self.pending.writes(self.target.entity.doc(), place);
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
    fn mapped(&self, id: &OpId, at: OpIndex) -> Option<OpId> {
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
        place: OpIndex,
        op: Op,
        object: ObjectId,
        element: &ElementId,
    ) -> Result<Op, DropReason> {
        if op.insert {
            let anchor = self.anchor(place, (&op.obj, &object), element.clone())?;
            return Ok(Op {
                obj: object,
                key: Key::Seq(anchor),
                ..op
            });
        }
        let ElementId::Id(id) = element else {
            return Err(DropReason::Gone);
        };
        let id = match self.pending.place(id) {
            None if op.obj != object => {
                let unit = self.present.place_of(&op.obj, id).ok_or(DropReason::Gone)?;
                if self.present.element_at(&op.obj, unit).as_ref() != Some(id) {
                    return Err(DropReason::Gone);
                }
                let elements = self.elements(&op.obj, &object)?;
                elements.at(unit).ok_or(DropReason::Gone)?.clone()
            }
            _ => self.mapped(id, place).ok_or(DropReason::Depends)?,
        };
        let key = Key::Seq(ElementId::Id(id));
        let standing = self.present.standing(&object, &key);
        let pred: Vec<OpId> = standing.iter().map(|value| value.id.clone()).collect();
        if pred.is_empty() {
            return Err(DropReason::Gone);
        }
        Ok(Op {
            obj: object,
            key,
            pred: pred.into(),
            ..op
        })
    }

    /// The elements of a sequence that was renamed since.
    fn elements(&mut self, old: &ObjectId, new: &ObjectId) -> Result<&Elements, DropReason> {
        let doc = self.target.entity.doc();
        let found = self.objects.elements(doc, old, new);
        found.ok_or_else(|| DropReason::Forbidden(Rule::UNKNOWN_FIELD.code().to_owned()))
    }

    /// Where an insertion goes whose left neighbour was `element`, in the sequence of this id, old
    /// and new.
    fn anchor(
        &mut self,
        place: OpIndex,
        (old, new): (&ObjectId, &ObjectId),
        mut element: ElementId,
    ) -> Result<ElementId, DropReason> {
        loop {
            let ElementId::Id(id) = &element else {
                return Ok(element);
            };
            if self.pending.place(id).is_none() && old != new && !self.is_own(old) {
                let unit = self.present.place_of(old, id).ok_or(DropReason::Gone)?;
                let there = self.present.element_at(old, unit).as_ref() == Some(id);
                let elements = self.elements(old, new)?;
                let left = match there {
                    true => elements.at(unit),
                    false => elements.before(unit),
                };
                return Ok(left.map_or(ElementId::Head, |id| ElementId::Id(id.clone())));
            }
            if let Some(new) = self.mapped(id, place) {
                return Ok(ElementId::Id(new));
            }
            let id = id.clone();
            element = self.pending.left_of(self.target.entity.doc(), &id, place);
        }
    }

    fn is_own(&self, object: &ObjectId) -> bool {
        matches!(object, ObjectId::Id(id) if self.pending.place(id).is_some())
    }

    /// Carries what a change did inside an object.
    fn carry(&mut self, change: usize, index: usize) -> Result<(), RebaseError> {
        let doc = self.target.entity.doc();
        let version = self.objects.version(index, doc, &self.pending, change)?;
        let carried = &mut self.objects.carried[index];
        let base = carried.version.take();
        carried.version.clone_from(&version);
        let policy = Arc::clone(&self.objects.policy);
        let at = carried.holder_place.pointer.child(&carried.name);
        let places = carried
            .holder_place
            .node
            .and_then(|holder| Some((holder, policy.child(holder, &carried.name)?)));
        let (Some(body), Some((holder, node))) = (version, places) else {
            self.rebased.dropped.push(Dropped {
                change,
                op: None,
                pointer: at,
                attempted: None,
                why: DropReason::Gone,
            });
            return Ok(());
        };
        if base.as_ref() == Some(&body) {
            return Ok(());
        }
        let holder = Holder {
            object: &carried.holder,
            node: holder,
            at: &carried.holder_place.pointer,
            name: &carried.name,
        };
        let entity = &self.present.entity;
        let present = Reader::now(entity.doc(), &policy).property(holder.object, holder.name, node);
        let (mut base, was_removed) = match base {
            Some(base) => (Some(base.version), base.removed),
            None => (None, Vec::new()),
        };
        let Renamed {
            version: mut body,
            removed,
        } = body;
        let mut lost = Lost::new(
            (&self.objects.schema_map, self.target.limits),
            node,
            &at,
            change,
        );
        lost.removed(&was_removed, removed);
        let present = present.as_ref().and_then(Value::as_object);
        lost.fit(
            base.as_mut().map(|base| &mut base.value),
            present,
            &mut body.value,
        );
        let by = (self.target.author, self.target.actor);
        let made = lost.persist(&body.value, carried.refused.clone(), |care| {
            carry_object(entity, by, &holder, (base.as_ref(), &body), care)
        })?;
        self.rebased.dropped.extend(lost.into_dropped());
        self.take(change, made)
    }

    /// What would have been under the old schema.
    fn former(&mut self) -> Result<&OldSchemaRebase, DropReason> {
        if self.former.is_none() {
            let policy = &self.objects.schema_map.old;
            let former = OldSchemaRebase::new(self.target, policy, &self.pending, &self.named);
            self.former = former.ok();
        }
        let unknown = || DropReason::Forbidden(Rule::UNKNOWN_FIELD.code().to_owned());
        self.former.as_ref().ok_or_else(unknown)
    }

    /// Carries what a change did to a field that is stored in another form now.
    fn convert(
        &mut self,
        change: usize,
        conversion: &Conversion,
        written: bool,
    ) -> Result<(), RebaseError> {
        let values = self
            .former()
            .map(|former| former.values(conversion, change));
        let (before, after) = values.unwrap_or_default();
        if before == after && !written {
            return Ok(());
        }
        let policy = Arc::clone(&self.objects.policy);
        // What was written whole replaces what is there; what was edited goes in beside it.
        let whole = self.objects.schema_map.is_whole(conversion.old);
        let holder = object_id(&conversion.holder);
        let before = match policy.child(conversion.holder_node, &conversion.name) {
            Some(node) if whole => {
                let reader = Reader::now(self.present.entity.doc(), &policy);
                reader.property(&holder, &conversion.name, node)
            }
            _ => before,
        };
        if before == after {
            return Ok(());
        }
        let alone = |value: Option<Value>| -> Map<String, Value> {
            let value = value.into_iter();
            value
                .map(|value| (conversion.name.clone(), value))
                .collect()
        };
        let (base, body) = (alone(before), alone(after));
        let entity = &self.present.entity;
        let by = (self.target.author, self.target.actor);
        let place = (&holder, conversion.holder_node, &conversion.holder_at);
        let mut lost = Lost::new(
            (&self.objects.schema_map, self.target.limits),
            place.1,
            place.2,
            change,
        );
        let made = lost.persist(&body, Vec::new(), |care| {
            carry_fields(entity, by, place, (&base, &body), care)
        })?;
        self.rebased.dropped.extend(lost.into_dropped());
        self.take(change, made)
    }

    /// Takes in changes that values were carried over by.
    fn take(&mut self, from: usize, made: Vec<Vec<u8>>) -> Result<(), RebaseError> {
        self.present.take(&made)?;
        self.note_changes(from, made);
        Ok(())
    }

    fn note_changes(&mut self, from: usize, made: Vec<Vec<u8>>) {
        let made = made.into_iter();
        let made = made.map(|change| RebasedChange { from, change });
        self.rebased.changes.extend(made);
    }

    fn report(&mut self, place: OpIndex, why: DropReason) {
        let doc = self.present.doc();
        let dropped = dropped(&mut self.objects, doc, &self.pending, place, why);
        self.rebased.dropped.push(dropped);
    }
}

enum Step {
    /// It becomes this.
    Op(Op),
    /// It is a part of this carried object.
    Carry(usize),
    /// It works on this field.
    Convert(Conversion),
}

/// An operation at a key, under the name that the key has now.
fn renamed(op: Op, child: &Mapped) -> Op {
    match (child.pointer.tokens().last(), &op.key) {
        (Some(is), Key::Map(was)) if is.as_str() != was.as_str() => Op {
            key: Key::Map(is.as_str().into()),
            ..op
        },
        _ => op,
    }
}
