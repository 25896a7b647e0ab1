//! Items and objects of open maps that one author deletes while another writes into them.
//!
//! The deletion wins, whichever of both came first; what was written stays in the document and is
//! not shown.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, OpType};
use automerge::{ChangeHash, ObjId, ObjType, ReadDoc, ScalarValue};
use serde_json::Value;

use super::registers::is_inner;
use super::{Conflict, Op, Outcome, Own, object_of, op_of};
use crate::document::{DELETED, POSITION, Reader};
use crate::effects::{Effect, EffectChange, effects_at};
use crate::pointer::Pointer;
use crate::policy::NodeId;

pub(super) fn conflicts(own: &Own<'_>) -> Vec<Conflict> {
    let mut found = written(own);
    found.extend(deleted(own));
    found
}

/// What an entry wrote into one object.
#[derive(Default)]
struct Into {
    /// The last change that did.
    change: usize,
    fields: BTreeSet<String>,
    /// What was inserted into a text or list.
    inserted: Vec<Value>,
}

/// What the entry wrote into what others had deleted.
fn written(own: &Own<'_>) -> Vec<Conflict> {
    let mut objects: BTreeMap<Op, (ObjId, Into)> = BTreeMap::new();
    for (index, change) in own.changes.iter().enumerate() {
        for op in &change.ops {
            let object = object_of(&op.obj);
            let Some(name) = op_of(&object).filter(|_| !is_inner(own, &op.obj)) else {
                continue;
            };
            let (_, into) = objects.entry(name).or_insert((object, Into::default()));
            into.change = index;
            match (&op.key, &op.action) {
                (Key::Map(name), _) if name != DELETED => {
                    into.fields.extend([name.to_string()]);
                }
                (Key::Seq(_), OpType::Put(scalar)) => {
                    into.inserted.extend(crate::document::plain_value(scalar));
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    for (object, into) in objects.values() {
        found.extend(hidden(own, object, into).unwrap_or_default());
    }
    found
}

fn hidden(own: &Own<'_>, object: &ObjId, into: &Into) -> Option<Vec<Conflict>> {
    let around = own.around;
    let path = own.path(object)?;
    let (gone, _, removed) = path.iter().find(|(object, node, _)| {
        around.policy.is_dynamic(*node) && is_deleted(own, object, around.after)
    })?;
    let seen = &own.changes[into.change].seen;
    if !is_deleted(own, gone, around.before) || is_deleted(own, gone, seen) {
        return None;
    }
    let (by, change) = match around.doc.get_at(gone, DELETED, around.after) {
        Ok(Some((_, op))) => own.writer(&op),
        _ => (None, None),
    };
    let conflict = |pointer: Pointer, wrote: Option<Value>| Conflict {
        pointer,
        outcome: Outcome::Lost,
        wrote,
        other: None,
        by: by.clone(),
        change,
        removed: Some(removed.clone()),
    };
    let (_, node, pointer) = path.last()?;
    if matches!(around.doc.object_type(object), Ok(ObjType::Map)) {
        let reader = Reader::at(around.doc, around.policy, around.after);
        let fields = into.fields.iter().map(|name| {
            let value = match (name.starts_with('$'), around.policy.child(*node, name)) {
                (false, Some(child)) => reader.property(object, name, child),
                _ => None,
            };
            conflict(pointer.child(name), value)
        });
        return Some(fields.collect());
    }
    let texts = into.inserted.iter().map(Value::as_str);
    let wrote = match around.doc.object_type(object) {
        _ if into.inserted.is_empty() => None,
        Ok(ObjType::Text) => Some(Value::String(texts.flatten().collect())),
        _ => Some(Value::Array(into.inserted.clone())),
    };
    Some(vec![conflict(pointer.clone(), wrote)])
}

/// What others had written into what the entry deletes, unseen by its author.
fn deleted(own: &Own<'_>) -> Vec<Conflict> {
    let mut found = Vec::new();
    for change in &own.changes {
        for op in &change.ops {
            let is_deletion = matches!(&op.key, Key::Map(name) if name == DELETED)
                && matches!(op.action, OpType::Put(ScalarValue::Boolean(true)));
            if is_deletion && !is_inner(own, &op.obj) {
                let object = object_of(&op.obj);
                found.extend(unseen(own, &object, &change.seen).unwrap_or_default());
            }
        }
    }
    found
}

fn unseen(own: &Own<'_>, object: &ObjId, seen: &[ChangeHash]) -> Option<Vec<Conflict>> {
    let around = own.around;
    let path = own.path(object)?;
    let (object, node, removed) = path.last().map(|(object, node, at)| (object, *node, at))?;
    if is_deleted(own, object, around.before) || !is_deleted(own, object, around.after) {
        return None;
    }
    let at = |heads: &[ChangeHash]| {
        let value = Reader::at(around.doc, around.policy, heads).object(object, node);
        Value::Object(value)
    };
    // What the entry itself wrote before, its author has seen.
    let both = [around.before, seen].concat();
    let (then, before) = (at(seen), at(&both));
    let effects = effects_at(
        around.policy,
        node,
        (Some(&then), Some(&before)),
        removed.clone(),
    );
    let mut found: Vec<Conflict> = Vec::new();
    for effect in effects {
        let Some(other) = came(&effect) else {
            continue;
        };
        let (by, change) = writer(own, (object, node), (removed, &effect.pointer));
        if let Some(last) = found
            .last_mut()
            .filter(|last| last.pointer == effect.pointer)
        {
            last.other = joined(last.other.take(), other);
            continue;
        }
        found.push(Conflict {
            pointer: effect.pointer,
            outcome: Outcome::Replaced,
            wrote: None,
            other: Some(other),
            by,
            change,
            removed: Some(removed.clone()),
        });
    }
    found.extend(moved(own, (object, removed), seen));
    Some(found)
}

/// That others had given the item that the entry deletes another place, unseen by its author.
fn moved(
    own: &Own<'_>,
    (item, removed): (&ObjId, &Pointer),
    seen: &[ChangeHash],
) -> Option<Conflict> {
    let doc = own.around.doc;
    let place = |heads: &[ChangeHash]| doc.get_at(item, POSITION, heads).ok().flatten();
    let (_, op) = place(own.around.before)?;
    let mut known = doc.get_all_at(item, POSITION, seen).ok()?.into_iter();
    let name = op_of(&op)?;
    // What an actor wrote itself it has seen.
    let is_same_actor = own.changes.iter().any(|change| change.actor == name.1);
    if is_same_actor
        || own.is_migration(&op)
        || known.any(|(_, id)| op_of(&id).as_ref() == Some(&name))
    {
        return None;
    }
    let (by, change) = own.writer(&op);
    Some(Conflict {
        pointer: removed.child(POSITION),
        outcome: Outcome::Replaced,
        wrote: None,
        other: None,
        by,
        change,
        removed: Some(removed.clone()),
    })
}

/// What an effect brought along.
pub(super) fn came(effect: &Effect) -> Option<Value> {
    match &effect.change {
        EffectChange::Put { to, .. } => to.clone(),
        EffectChange::Splice { inserted, .. } => {
            let is_empty = match inserted {
                Value::String(text) => text.is_empty(),
                Value::Array(list) => list.is_empty(),
                _ => true,
            };
            (!is_empty).then(|| inserted.clone())
        }
        EffectChange::Move { .. } => None,
    }
}

fn joined(before: Option<Value>, more: Value) -> Option<Value> {
    match (before, more) {
        (Some(Value::String(text)), Value::String(more)) => Some(Value::String(text + &more)),
        (Some(Value::Array(mut list)), Value::Array(more)) => {
            list.extend(more);
            Some(Value::Array(list))
        }
        (_, more) => Some(more),
    }
}

/// Who wrote a field inside an object, where it is a register.
pub(super) fn writer(
    own: &Own<'_>,
    (object, mut node): (&ObjId, NodeId),
    (from, pointer): (&Pointer, &Pointer),
) -> (Option<String>, Option<crate::id::Hash>) {
    let (doc, before) = (own.around.doc, own.around.before);
    let mut inner = object.clone();
    for token in &pointer.tokens()[from.tokens().len()..] {
        let Some(child) = own.around.policy.child(node, token) else {
            return (None, None);
        };
        let Ok(Some((_, id))) = doc.get_at(&inner, token.as_str(), before) else {
            return (None, None);
        };
        (inner, node) = (id, child);
    }
    match &own.around.policy.node(node).shape {
        // Several may have written a text or list.
        shape if shape.is_container() => (None, None),
        _ => own.writer(&inner),
    }
}

fn is_deleted(own: &Own<'_>, object: &ObjId, heads: &[ChangeHash]) -> bool {
    Reader::at(own.around.doc, own.around.policy, heads).is_deleted(object)
}
