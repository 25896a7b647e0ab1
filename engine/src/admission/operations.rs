//! Whether the operations of a change refer to what is there: objects, elements, predecessors.
//!
//! Invariant: after these checks Automerge applies the change without a panic and saves a document
//! that loads again. An operation may only refer to operations in its own past.

use std::ops::Range;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, ObjId, ObjType};

use super::references::Past;
use crate::change::ParsedChange;
use crate::document::{Changes, Held, Registers, object_id};
use crate::violation::RefusalCode;

/// A fault in the structure of a change: stable code and message.
pub(super) type Fault = (RefusalCode, String);

pub(super) fn fault<T>(code: RefusalCode, op: usize, what: &str) -> Result<T, Fault> {
    Err((code, format!("operation {op}: {what}")))
}

/// Where one edit ends among changes that directly follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Division {
    /// All changes are parts of one edit.
    OneEdit,
    /// Each change is an edit of its own.
    OneEach,
}

/// The operations that are judged in one go: those of a change, or of several changes that directly
/// follow one another. The counters of their ids are consecutive.
pub(super) struct Operations<'a> {
    first: u64,
    all: Vec<&'a Op>,
    /// The actors in turn, each with the index after the last operation of its turn.
    turns: Vec<(usize, &'a ActorId)>,
    /// The index after the last operation of each edit.
    ends: Vec<usize>,
}

impl<'a> Operations<'a> {
    /// The operations of `changes`, of which there is at least one.
    pub(super) fn of(changes: &'a [ParsedChange], division: Division) -> Self {
        let mut all = Vec::new();
        let mut ends = Vec::new();
        let mut turns: Vec<(usize, &ActorId)> = Vec::new();
        for change in changes {
            all.extend(change.ops());
            ends.push(all.len());
            match turns.last_mut() {
                Some((end, actor)) if *actor == change.actor() => *end = all.len(),
                _ => turns.push((all.len(), change.actor())),
            }
        }
        if division == Division::OneEdit {
            ends = vec![all.len()];
        }
        Self {
            first: changes[0].start_op(),
            all,
            turns,
            ends,
        }
    }

    /// The index of the operation `id`; beyond the last one for what its actor has not made yet.
    fn index(&self, id: &OpId) -> Option<usize> {
        let index = id.counter().checked_sub(self.first)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let turn = self.turns.partition_point(|(end, _)| *end <= index);
        let (_, actor) = self.turns.get(turn).or(self.turns.last())?;
        (id.actor() == *actor).then_some(index)
    }

    /// The operations of each edit, with their indexes among all.
    pub(super) fn edits(&self) -> impl Iterator<Item = Range<usize>> + use<'_> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| start..*end)
    }

    /// The operation at an index that [`edits`](Self::edits) gives.
    pub(super) fn at(&self, index: usize) -> &'a Op {
        self.all[index]
    }
}

/// Finds operations by id, among those under judgement and in the document.
pub(super) struct Lookup<'a> {
    doc: &'a Automerge,
    operations: &'a Operations<'a>,
    past: &'a Past,
    changes: Changes,
    registers: Registers<'a>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(doc: &'a Automerge, operations: &'a Operations<'a>, past: &'a Past) -> Self {
        Self {
            doc,
            operations,
            past,
            changes: Changes::default(),
            registers: Registers::of(doc),
        }
    }

    /// The index of the operation `id` among those under judgement, if it is one of them.
    pub(super) fn own(&self, id: &OpId) -> Option<usize> {
        self.operations.index(id)
    }

    /// One of the operations under judgement.
    pub(super) fn own_op(&self, index: usize) -> Option<&'a Op> {
        self.operations.all.get(index).copied()
    }

    /// All values at a key of a map of the document.
    pub(super) fn held(&self, map: &ObjId, key: &str) -> Vec<Held<'a>> {
        self.registers.all(map, key).unwrap_or_default()
    }

    /// Whether an operation of the document lies in the past of those under judgement.
    pub(super) fn is_past(&self, id: &OpId) -> bool {
        self.past.holds(id.counter(), id.actor())
    }

    /// The operation `id` refers to, if operation `at` can know it.
    fn find(&mut self, id: &OpId, at: usize) -> Option<&Op> {
        if let Some(index) = self.own(id) {
            return (index < at).then(|| self.operations.all[index]);
        }
        if !self.is_past(id) {
            return None;
        }
        self.changes.find(self.doc, id)
    }

    /// Checks key and predecessors of operation `at`, which works on an object of type `kind`.
    pub(super) fn check(&mut self, at: usize, op: &Op, kind: ObjType) -> Result<(), Fault> {
        if matches!(op.action, OpType::MarkBegin(_) | OpType::MarkEnd(_)) {
            return fault(RefusalCode::Mark, at, "marks are not supported");
        }
        let repeated = op.pred.iter().enumerate().any(|(index, pred)| {
            index > 0 && op.pred.get(index - 1).is_some_and(|before| before == pred)
        });
        if repeated {
            return fault(RefusalCode::Pred, at, "a predecessor is named twice");
        }
        match (&op.key, kind) {
            (Key::Map(_), ObjType::Map) if op.insert => {
                fault(RefusalCode::Key, at, "a map takes no insertion")
            }
            (Key::Map(key), ObjType::Map) => self.check_map(at, op, key),
            (Key::Seq(element), ObjType::List | ObjType::Text) => {
                self.check_sequence(at, op, element)
            }
            (Key::Map(_), _) => fault(RefusalCode::Key, at, "a list or text has no named keys"),
            (Key::Seq(_), _) => fault(RefusalCode::Key, at, "a map has no elements"),
        }
    }

    fn check_map(&mut self, at: usize, op: &Op, key: &str) -> Result<(), Fault> {
        let needs = matches!(op.action, OpType::Delete | OpType::Increment(_));
        if needs && op.pred.is_empty() {
            return fault(
                RefusalCode::Pred,
                at,
                "it must name what it deletes or increments",
            );
        }
        if op.pred.is_empty() {
            return Ok(());
        }
        let present = match &op.obj {
            ObjectId::Id(id) if self.own(id).is_some() => Vec::new(),
            ObjectId::Id(id) => self.held(&object_id(id), key),
            ObjectId::Root => self.held(&automerge::ROOT, key),
        };
        for pred in op.pred.iter() {
            let there = self.is_past(pred) && present.iter().any(|(_, id)| is_same(id, pred));
            if there && self.own(pred).is_none() {
                continue;
            }
            let known = self.find(pred, at).is_some_and(|found| {
                found.obj == op.obj && found.key == op.key && is_value(&found.action)
            });
            if !known {
                return fault(RefusalCode::Pred, at, "its predecessor is not at this key");
            }
        }
        Ok(())
    }

    fn check_sequence(&mut self, at: usize, op: &Op, element: &ElementId) -> Result<(), Fault> {
        if op.insert && !(op.pred.is_empty() && is_value(&op.action)) {
            return fault(RefusalCode::Pred, at, "an insertion only makes a value");
        }
        let ElementId::Id(element) = element else {
            return if op.insert {
                Ok(())
            } else {
                fault(
                    RefusalCode::Element,
                    at,
                    "only an insertion can begin at the head",
                )
            };
        };
        let there = self
            .find(element, at)
            .is_some_and(|found| found.insert && found.obj == op.obj);
        if !there {
            return fault(
                RefusalCode::Element,
                at,
                "there is no such element in this object",
            );
        }
        if op.insert {
            return Ok(());
        }
        if op.pred.is_empty() {
            return fault(
                RefusalCode::Pred,
                at,
                "it must name what it replaces or deletes",
            );
        }
        for pred in op.pred.iter() {
            let known = pred == element
                || self.find(pred, at).is_some_and(|found| {
                    !found.insert
                        && found.obj == op.obj
                        && found.key == op.key
                        && is_value(&found.action)
                });
            if !known {
                return fault(
                    RefusalCode::Pred,
                    at,
                    "its predecessor is not at this element",
                );
            }
        }
        Ok(())
    }
}

fn is_value(action: &OpType) -> bool {
    matches!(action, OpType::Put(_) | OpType::Make(_))
}

pub(super) fn is_same(id: &ObjId, op: &OpId) -> bool {
    matches!(id, ObjId::Id(counter, actor, _) if *counter == op.counter() && actor == op.actor())
}
