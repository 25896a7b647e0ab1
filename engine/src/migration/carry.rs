//! Carrying what a document holds from the places of one schema to those of another.
//!
//! Invariant: objects that stay at their key are kept, and only what is new in them is made; objects
//! that get another key are made again with all that they hold, ids, positions and deleted items
//! included.

use std::collections::BTreeSet;

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, ObjId, ObjType, ReadDoc, ScalarValue, Value as Stored};

use super::Obstacle;
use super::convert;
use crate::document::{DELETED, POSITION, Reader, Row, make_field, make_value, stored_scalar};
use crate::entity::Entity;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Origin, Policy, Shape, Succession};

pub(super) type Outcome = Result<(), AutomergeError>;

/// An object of the document and the node that describes it.
#[derive(Clone, Copy)]
struct Source<'a> {
    object: &'a ObjId,
    node: NodeId,
}

pub(super) struct Carrier<'a, 't> {
    entity: &'a Entity,
    old: &'a Policy,
    new: &'a Policy,
    succession: &'a Succession,
    /// The document as it was.
    reader: Reader<'a>,
    pub(super) tx: Transaction<'t>,
    obstacles: Vec<Obstacle>,
}

impl<'a, 't> Carrier<'a, 't> {
    pub(super) fn new(
        entity: &'a Entity,
        new: &'a Policy,
        succession: &'a Succession,
        tx: Transaction<'t>,
    ) -> Self {
        Self {
            entity,
            old: entity.policy(),
            new,
            succession,
            reader: Reader::now(entity.doc(), entity.policy()),
            tx,
            obstacles: Vec::new(),
        }
    }

    pub(super) fn into_parts(self) -> (Transaction<'t>, Vec<Obstacle>) {
        (self.tx, self.obstacles)
    }

    pub(super) fn entity(&mut self) -> Outcome {
        let root = Source {
            object: &automerge::ROOT,
            node: NodeId::ROOT,
        };
        self.in_place(root, NodeId::ROOT, &Pointer::root())
    }

    /// Brings an object that stays where it is up to its new node.
    fn in_place(&mut self, from: Source<'_>, to: NodeId, at: &Pointer) -> Outcome {
        let new = self.new;
        for (name, child) in new.children(to) {
            let at = at.child(name);
            match self.succession.origin(child) {
                Origin::Kept(source) => self.keep(from, name, (source, child), &at)?,
                Origin::Renamed(source) => {
                    self.copy(
                        (from, self.old_name(source)),
                        (from.object, name),
                        (source, child),
                        &at,
                    )?;
                }
                Origin::New => self.add(from, name, child, &at)?,
            }
        }
        let declared: BTreeSet<&str> = new.children(to).map(|(name, _)| name).collect();
        let Some(open) = additional(new, to) else {
            return Ok(());
        };
        let was_open = match self.succession.origin(open) {
            Origin::Kept(source) => Some(source),
            _ => None,
        };
        for name in self.keys(from.object) {
            if declared.contains(name.as_str()) {
                continue;
            }
            match was_open.filter(|source| self.old.child(from.node, &name) == Some(*source)) {
                Some(_) if self.succession.is_dropped(open) => {
                    self.tx.delete(from.object, name.as_str())?;
                }
                Some(source) => self.keep(from, &name, (source, open), &at.child(&name))?,
                // Otherwise what a removed property left would appear again.
                None => self.tx.delete(from.object, name.as_str())?,
            }
        }
        Ok(())
    }

    /// What stays at its key: looks only for what is new inside.
    fn keep(
        &mut self,
        from: Source<'_>,
        name: &str,
        (source, child): (NodeId, NodeId),
        at: &Pointer,
    ) -> Outcome {
        let stored = self.reader.get(from.object, name);
        if self.begins_anew(child) {
            let value = self.reader.property(from.object, name, source);
            return match value == self.new.node(child).default {
                true => Ok(()),
                false => self.reset(from.object, name, child, stored),
            };
        }
        let Some((Stored::Object(_), object)) = stored else {
            return Ok(());
        };
        match (&self.old.node(source).shape, &self.new.node(child).shape) {
            (Shape::Object { .. }, Shape::Object { .. }) => {
                let from = Source {
                    object: &object,
                    node: source,
                };
                self.in_place(from, child, at)
            }
            (Shape::Keyed { item: source, .. }, Shape::Keyed { item, .. }) => {
                for row in self.reader.rows(&object) {
                    if self.succession.is_dropped(*item) {
                        self.tx.delete(&object, row.id.as_str())?;
                        continue;
                    }
                    let from = Source {
                        object: &row.object,
                        node: *source,
                    };
                    self.in_place(from, *item, &at.child(row.id))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A property that is new in an object of the document.
    fn add(&mut self, from: Source<'_>, name: &str, child: NodeId, at: &Pointer) -> Outcome {
        if let Some(open) = self
            .old
            .child(from.node, name)
            .filter(|id| self.old.is_additional(*id))
            && self.reader.property(from.object, name, open).is_some()
            && !self.succession.is_dropped(child)
        {
            return self.declare(open, child, at).map(|_| ());
        }
        if self.reader.get(from.object, name).is_some() {
            // What a property of this name left that was removed before, or an open map held.
            self.tx.delete(from.object, name)?;
        }
        make_field(&mut self.tx, from.object, self.new, (name, child))
    }

    /// A value of an open map under a name that is declared now: it stays, if it is stored alike.
    fn declare(
        &mut self,
        open: NodeId,
        child: NodeId,
        at: &Pointer,
    ) -> Result<bool, AutomergeError> {
        let (old, new) = (&self.old.node(open).shape, &self.new.node(child).shape);
        let alike = matches!(
            (old, new),
            (Shape::Scalar(_), Shape::Scalar(_)) | (Shape::Atomic(_), Shape::Atomic(_))
        );
        if !alike {
            let reason = format!(
                "the open map holds {} under this name, and the property is {}; remove it first",
                old.description(),
                new.description()
            );
            self.obstacle(at, reason);
        }
        Ok(alike)
    }

    /// Makes again, under another key or in another object, what lies at a key.
    fn copy(
        &mut self,
        (from, was): (Source<'_>, &str),
        (into, name): (&ObjId, &str),
        (source, child): (NodeId, NodeId),
        at: &Pointer,
    ) -> Outcome {
        let stored = self.reader.get(from.object, was);
        if self.begins_anew(child) {
            self.forget(into, name)?;
            return make_field(&mut self.tx, into, self.new, (name, child));
        }
        match (
            &self.old.node(source).shape,
            &self.new.node(child).shape,
            stored,
        ) {
            (Shape::Object { .. }, Shape::Object { .. }, Some((Stored::Object(_), object))) => {
                let made = self.tx.put_object(into, name, ObjType::Map)?;
                let from = Source {
                    object: &object,
                    node: source,
                };
                self.copy_object(from, &made, child, at)
            }
            (
                Shape::Keyed { item: source, .. },
                Shape::Keyed { item, .. },
                Some((Stored::Object(_), object)),
            ) => {
                let made = self.tx.put_object(into, name, ObjType::Map)?;
                let rows = self.reader.rows(&object).into_iter();
                let kept = rows.filter(|_| !self.succession.is_dropped(*item));
                for row in kept.collect::<Vec<_>>() {
                    self.copy_row(&row, &made, (*source, *item), at)?;
                }
                Ok(())
            }
            (Shape::List { element }, Shape::List { .. }, Some((Stored::Object(_), object))) => {
                let made = self.tx.put_object(into, name, ObjType::List)?;
                let elements = self.reader.list(&object, *element);
                let scalars = elements.iter().filter_map(stored_scalar);
                for (index, scalar) in scalars.enumerate() {
                    self.tx.insert(&made, index, scalar)?;
                }
                Ok(())
            }
            (Shape::Text(_), Shape::Text(_), Some((Stored::Object(_), object))) => {
                let made = self.tx.put_object(into, name, ObjType::Text)?;
                self.tx.splice_text(&made, 0, 0, &self.reader.text(&object))
            }
            (Shape::Scalar(_), Shape::Scalar(_), stored)
            | (Shape::Counter(_), Shape::Counter(_), stored @ Some(_))
            | (Shape::Atomic(_), Shape::Atomic(_), stored) => match stored {
                Some((Stored::Scalar(scalar), _)) => self.tx.put(into, name, plain(&scalar)),
                _ => self.forget(into, name),
            },
            _ => {
                self.forget(into, name)?;
                let mut value = self.reader.property(from.object, was, source);
                if let Some(value) = &mut value {
                    convert::drop_narrowed(self.succession, self.new, child, value);
                }
                let faults = convert::faults(self.new, child, value.as_ref(), at);
                if faults.is_empty() {
                    return make_value(&mut self.tx, self.new, (into, name, child), value.as_ref());
                }
                self.obstacles.extend(faults);
                Ok(())
            }
        }
    }

    fn copy_row(
        &mut self,
        row: &Row,
        into: &ObjId,
        (source, item): (NodeId, NodeId),
        at: &Pointer,
    ) -> Outcome {
        let made = self.tx.put_object(into, row.id.as_str(), ObjType::Map)?;
        self.tx.put(&made, POSITION, row.position.as_str())?;
        let from = Source {
            object: &row.object,
            node: source,
        };
        self.copy_object(from, &made, item, &at.child(row.id.as_str()))
    }

    /// Fills an object that was just made with what another holds.
    fn copy_object(&mut self, from: Source<'_>, into: &ObjId, to: NodeId, at: &Pointer) -> Outcome {
        if self.reader.is_deleted(from.object) {
            self.tx.put(into, DELETED, true)?;
        }
        let new = self.new;
        for (name, child) in new.children(to) {
            let at = at.child(name);
            match self.succession.origin(child) {
                Origin::Kept(source) | Origin::Renamed(source) => {
                    self.copy(
                        (from, self.old_name(source)),
                        (into, name),
                        (source, child),
                        &at,
                    )?;
                }
                Origin::New => self.add_copied(from, (into, name), child, &at)?,
            }
        }
        let Some(open) = additional(new, to) else {
            return Ok(());
        };
        let Origin::Kept(source) = self.succession.origin(open) else {
            return Ok(());
        };
        if self.succession.is_dropped(open) {
            return Ok(());
        }
        for name in self.keys(from.object) {
            let is_open = self.old.child(from.node, &name) == Some(source);
            if is_open && new.child(to, &name) == Some(open) {
                self.copy(
                    (from, &name),
                    (into, &name),
                    (source, open),
                    &at.child(&name),
                )?;
            }
        }
        Ok(())
    }

    fn add_copied(
        &mut self,
        from: Source<'_>,
        (into, name): (&ObjId, &str),
        child: NodeId,
        at: &Pointer,
    ) -> Outcome {
        let open = self
            .old
            .child(from.node, name)
            .filter(|id| self.old.is_additional(*id));
        if let Some(open) = open
            && self.reader.property(from.object, name, open).is_some()
            && !self.succession.is_dropped(child)
        {
            return match self.declare(open, child, at)? {
                true => self.copy((from, name), (into, name), (open, child), at),
                false => Ok(()),
            };
        }
        make_field(&mut self.tx, into, self.new, (name, child))
    }

    /// Whether a place loses what it holds. An object or list of items does so by its parts.
    fn begins_anew(&self, child: NodeId) -> bool {
        let shape = &self.new.node(child).shape;
        let by_parts = matches!(shape, Shape::Object { .. } | Shape::Keyed { .. });
        self.succession.is_dropped(child) && !by_parts
    }

    /// Gives a place that stays at its key its default, or empties it; a text or list stays the
    /// object that it is.
    fn reset(
        &mut self,
        into: &ObjId,
        name: &str,
        child: NodeId,
        stored: Option<(Stored<'_>, ObjId)>,
    ) -> Outcome {
        let default = self.new.node(child).default.as_ref();
        match (&self.new.node(child).shape, stored) {
            (Shape::Text(_), Some((Stored::Object(_), text))) => {
                let length = self.tx.length(&text).cast_signed();
                let default = default.and_then(serde_json::Value::as_str);
                self.tx
                    .splice_text(&text, 0, length, default.unwrap_or_default())
            }
            (Shape::List { .. }, Some((Stored::Object(_), list))) => {
                let length = self.tx.length(&list).cast_signed();
                let elements = default.and_then(serde_json::Value::as_array);
                let scalars = elements.into_iter().flatten().filter_map(stored_scalar);
                self.tx.splice(&list, 0, length, scalars)
            }
            _ => {
                self.forget(into, name)?;
                make_field(&mut self.tx, into, self.new, (name, child))
            }
        }
    }

    /// Clears a key where something may lie that a removed property left.
    fn forget(&mut self, object: &ObjId, name: &str) -> Outcome {
        match self.tx.get(object, name)? {
            Some(_) => self.tx.delete(object, name),
            None => Ok(()),
        }
    }

    pub(super) fn obstacle(&mut self, at: &Pointer, reason: String) {
        self.obstacles.push(Obstacle {
            pointer: at.clone(),
            reason,
        });
    }

    fn old_name(&self, id: NodeId) -> &'a str {
        match &self.old.node(id).name {
            NodeName::Property(name) => name,
            _ => "",
        }
    }

    /// The keys of an object that are not reserved.
    fn keys(&self, object: &ObjId) -> Vec<String> {
        let keys = self.entity.doc().keys(object);
        keys.filter(|key| !key.starts_with('$')).collect()
    }
}

fn additional(policy: &Policy, id: NodeId) -> Option<NodeId> {
    match policy.node(id).shape {
        Shape::Object { additional, .. } => additional,
        _ => None,
    }
}

/// A scalar to be written again; a counter begins at its value.
fn plain(scalar: &ScalarValue) -> ScalarValue {
    match scalar {
        ScalarValue::Counter(counter) => ScalarValue::counter(i64::from(counter)),
        other => other.clone(),
    }
}
