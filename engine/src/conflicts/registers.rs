//! Values of one register: a field, an entry of an open map, an item's place or deletion, an
//! element of a list that was put again.

use std::collections::BTreeMap;

use automerge::legacy::{ElementId, Key, ObjectId, OpType};
use automerge::{ChangeHash, Cursor, ObjId, ReadDoc, Value as Stored};
use serde_json::Value;

use super::{Conflict, Op, Outcome, Own, object_of, op_of};
use crate::document::{Reader, scalar_value};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Shape};

/// Where an entry wrote a register, in its changes: the first and the last of them.
struct Written {
    object: ObjId,
    first: usize,
    last: usize,
}

/// An object by its operation; `None` is the root.
type Object = Option<Op>;

pub(super) fn conflicts(own: &Own<'_>) -> Vec<Conflict> {
    let mut fields: BTreeMap<(Object, String), Written> = BTreeMap::new();
    let mut elements: BTreeMap<(Object, Op), Written> = BTreeMap::new();
    for (index, change) in own.changes.iter().enumerate() {
        for op in &change.ops {
            let object = object_of(&op.obj);
            let name = op_of(&object);
            if name.as_ref().is_some_and(|name| own.holds(name)) || op.insert {
                continue;
            }
            let new = || Written {
                object: object.clone(),
                first: index,
                last: index,
            };
            let written = match (&op.key, &op.action) {
                (Key::Map(key), OpType::Put(_) | OpType::Make(_) | OpType::Delete) => {
                    let key = (name, key.to_string());
                    fields.entry(key).or_insert_with(new)
                }
                (Key::Seq(ElementId::Id(id)), OpType::Put(_)) => {
                    let key = (name, (id.counter(), id.actor().clone()));
                    elements.entry(key).or_insert_with(new)
                }
                _ => continue,
            };
            written.last = index;
        }
    }
    let mut found = Vec::new();
    for ((_, key), written) in &fields {
        let path = own.path(&written.object);
        if let Some((object, node, pointer)) = path.as_ref().and_then(|path| path.last()) {
            let child = match key.starts_with('$') {
                true => Some(*node),
                false => own.around.policy.child(*node, key),
            };
            let register = Register {
                object,
                node: child,
                pointer: pointer.child(key),
            };
            found.extend(register.field(own, key, written));
        }
    }
    for ((_, element), written) in &elements {
        let path = own.path(&written.object);
        if let Some((object, node, pointer)) = path.as_ref().and_then(|path| path.last())
            && let Shape::List { element: node } = &own.around.policy.node(*node).shape
        {
            let register = Register {
                object,
                node: Some(*node),
                pointer: pointer.clone(),
            };
            found.extend(register.element(own, element, written));
        }
    }
    found
}

struct Register<'r> {
    object: &'r ObjId,
    /// `None` where the schema does not know the field.
    node: Option<NodeId>,
    pointer: Pointer,
}

/// One of the values of a register and the operation that wrote it.
type Held<'d> = (Stored<'d>, ObjId);

impl Register<'_> {
    fn field(self, own: &Own<'_>, key: &str, written: &Written) -> Option<Conflict> {
        let around = own.around;
        let all = |heads: &[ChangeHash]| {
            let values = around.doc.get_all_at(self.object, key, heads);
            values.unwrap_or_default()
        };
        let (before, after) = (all(around.before).pop(), all(around.after).pop());
        let seen = |index: usize| all(&own.changes[index].seen);
        let Some((other, op)) = before else {
            // What its author still saw there had been removed.
            let foreign = |(_, id): &Held<'_>| op_of(id).is_some_and(|id| !own.holds(&id));
            let saw = seen(written.first).iter().any(foreign);
            let (mine, op) = after?;
            if !saw || !op_of(&op).is_some_and(|id| own.holds(&id)) {
                return None;
            }
            let holds = |heads: &[ChangeHash]| !all(heads).is_empty();
            let (by, change) = own.remover(&own.changes[written.first].seen, holds);
            if change.is_some_and(|change| own.migrates(by.as_deref(), change)) {
                return None;
            }
            return Some(Conflict {
                pointer: self.pointer.clone(),
                outcome: Outcome::Replaced,
                wrote: self.value(own, &mine, &op),
                other: None,
                by,
                change,
                removed: None,
            });
        };
        let name = op_of(&op)?;
        if own.is_migration(&op) {
            return None;
        }
        // What an actor wrote itself it has seen.
        let is_same_actor = own.changes[written.last].actor == name.1;
        let mut last = seen(written.last).into_iter();
        if is_same_actor || last.any(|(_, id)| op_of(&id).as_ref() == Some(&name)) {
            return None;
        }
        let (stands, by) = match after {
            Some((stands, by)) => (Some(stands), Some(by)),
            None => (None, None),
        };
        let is_own = by.as_ref().and_then(op_of).is_none_or(|id| own.holds(&id));
        if is_own {
            let wrote = stands
                .zip(by)
                .and_then(|(mine, by)| self.value(own, &mine, &by));
            return self.conflict(own, Outcome::Replaced, wrote, (&other, &op));
        }
        let mut mine = all(around.after).into_iter();
        let mine = mine.rfind(|(_, id)| op_of(id).is_some_and(|id| own.holds(&id)));
        let wrote = mine.and_then(|(mine, id)| self.value(own, &mine, &id));
        self.conflict(own, Outcome::Lost, wrote, (&stands?, &by?))
    }

    fn element(self, own: &Own<'_>, element: &Op, written: &Written) -> Option<Conflict> {
        let around = own.around;
        let cursor = format!("{}@{}", element.0, element.1);
        let cursor = Cursor::try_from(cursor.as_str()).ok()?;
        let doc = around.doc;
        let at = doc.get_cursor_position(self.object, &cursor, Some(around.after));
        let all = doc.get_all_at(self.object, at.ok()?, around.after).ok()?;
        let is_own = |(_, id): &Held<'_>| op_of(id).is_some_and(|id| own.holds(&id));
        // Where the element is gone, another one is at its place.
        let mine = all.iter().rfind(|held| is_own(held))?;
        let other = all.iter().rfind(|held| !is_own(held))?;
        if op_of(&other.1)?.1 == own.changes[written.last].actor {
            return None;
        }
        let wrote = self.value(own, &mine.0, &mine.1);
        let outcome = match all.last().is_some_and(is_own) {
            true => Outcome::Replaced,
            false => Outcome::Lost,
        };
        self.conflict(own, outcome, wrote, (&other.0, &other.1))
    }

    fn conflict(
        &self,
        own: &Own<'_>,
        outcome: Outcome,
        wrote: Option<Value>,
        (other, op): (&Stored<'_>, &ObjId),
    ) -> Option<Conflict> {
        let other = self.value(own, other, op);
        let (by, change) = own.writer(op);
        (wrote != other).then(|| Conflict {
            pointer: self.pointer.clone(),
            outcome,
            wrote,
            other,
            by,
            change,
            removed: None,
        })
    }

    fn value(&self, own: &Own<'_>, stored: &Stored<'_>, id: &ObjId) -> Option<Value> {
        let around = own.around;
        let node = self.node?;
        match stored {
            Stored::Scalar(scalar) => scalar_value(around.policy.node(node), scalar),
            Stored::Object(_) => {
                Reader::at(around.doc, around.policy, around.after).content(id, node)
            }
        }
    }
}

/// Whether an operation works on an object that the entry makes itself.
pub(super) fn is_inner(own: &Own<'_>, object: &ObjectId) -> bool {
    op_of(&object_of(object)).is_some_and(|name| own.holds(&name))
}
