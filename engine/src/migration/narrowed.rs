//! Values at places that fewer may write after a change of the schema.
//!
//! Invariant: each value is named once, at the innermost field, or at the item that goes as a whole.

use std::collections::BTreeMap;
use std::mem::discriminant;

use serde_json::{Map, Value};

use crate::document::Reader;
use crate::entity::Entity;
use crate::ledger::Presence;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Origin, Policy, Presented, Shape, Succession, WriteRule};

/// A value that fewer principals may write under the next schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowed {
    /// The place in the entity as it is; items by id.
    pub pointer: Pointer,
    /// Who may write it.
    pub before: WriteRule,
    /// Who may write it under the next schema.
    pub after: WriteRule,
    /// Whether the next schema drops it.
    pub dropped: bool,
    /// Whether it lies in an item or entry that is deleted, or the entity is: it comes back with that.
    pub deleted: bool,
}

/// The values of `entity` at places that `next`, a later version of its schema, lets fewer write.
/// What has no place in it any more is not named; what would come back where a deletion is undone is.
#[must_use]
pub fn narrowed(entity: &Entity, next: &Policy) -> Vec<Narrowed> {
    let succession = Succession::new(entity.policy(), next);
    let origins = next.nodes().filter_map(|(id, _)| {
        let (Origin::Kept(source) | Origin::Renamed(source)) = succession.origin(id) else {
            return None;
        };
        Some((source, id))
    });
    let mut search = Search {
        old: entity.policy(),
        new: next,
        successors: origins.collect(),
        succession: &succession,
        shown: match entity.presence() {
            Presence::Deleted => None,
            _ => Some(Presented::new(entity.policy(), entity.value())),
        },
        found: Vec::new(),
    };
    let all = Reader::with_deleted(entity.doc(), entity.policy()).root();
    search.fields((NodeId::ROOT, NodeId::ROOT), &all, &Pointer::root());
    search.found
}

/// A place and the one that follows it.
type Places = (NodeId, NodeId);

struct Search<'a> {
    old: &'a Policy,
    new: &'a Policy,
    succession: &'a Succession,
    successors: BTreeMap<NodeId, NodeId>,
    /// What readers see; nothing where the entity is deleted.
    shown: Option<Presented<'a>>,
    found: Vec<Narrowed>,
}

impl Search<'_> {
    fn fields(&mut self, places: Places, entries: &Map<String, Value>, at: &Pointer) {
        let key = self.old.presented_key(places.0);
        for (name, value) in entries {
            if Some(name.as_str()) != key
                && let Some(places) = self.child(places, name)
            {
                self.part(places, value, &at.child(name));
            }
        }
    }

    fn value(&mut self, places: Places, value: &Value, at: &Pointer) {
        let (source, target) = places;
        let shapes = (&self.old.node(source).shape, &self.new.node(target).shape);
        match (shapes.0, shapes.1, value) {
            (Shape::Object { .. }, Shape::Object { .. }, Value::Object(entries)) => {
                self.fields(places, entries, at);
            }
            (
                Shape::Keyed { item, key },
                Shape::Keyed { item: target, .. },
                Value::Array(items),
            ) => {
                for value in items {
                    if let Some(id) = value.get(key).and_then(Value::as_str) {
                        self.part((*item, *target), value, &at.child(id));
                    }
                }
            }
            (old, _, value) if old.is_container() && is_empty(value) => {}
            (old, new, _) => {
                let converted = discriminant(old) != discriminant(new);
                let narrower = match converted {
                    true => self.narrowed_in(target),
                    false => Some(target).filter(|id| self.succession.is_narrowed(*id)),
                };
                if let Some(narrower) = narrower {
                    self.add((source, narrower), at);
                }
            }
        }
    }

    /// A field, an item or an entry of an open map.
    fn part(&mut self, places: Places, value: &Value, at: &Pointer) {
        let comes_and_goes = self.old.is_dynamic(places.0);
        if comes_and_goes && self.succession.is_dropped(places.1) {
            self.add(places, at);
            return;
        }
        let before = self.found.len();
        self.value(places, value, at);
        let nothing_in_it = self.found.len() == before;
        if comes_and_goes && nothing_in_it && self.succession.is_narrowed(places.1) {
            self.add(places, at);
        }
    }

    fn add(&mut self, (source, target): Places, at: &Pointer) {
        self.found.push(Narrowed {
            pointer: at.clone(),
            before: self.old.node(source).write.clone(),
            after: self.new.node(target).write.clone(),
            dropped: self.succession.is_dropped(target),
            deleted: self
                .shown
                .as_mut()
                .is_none_or(|shown| shown.get(at).is_none()),
        });
    }

    /// Where what has this name goes on; `None` where the next schema has no place for it.
    fn child(&self, (source, target): Places, name: &str) -> Option<Places> {
        let child = self.old.child(source, name)?;
        let declared = self.new.child(target, name).filter(|id| {
            let is_property = matches!(self.new.node(*id).name, NodeName::Property(_));
            self.old.is_additional(child) && is_property
        });
        let next = declared.or_else(|| self.successors.get(&child).copied())?;
        Some((child, next))
    }

    /// The first place in a value of another form that fewer may write, itself included.
    fn narrowed_in(&self, whole: NodeId) -> Option<NodeId> {
        let is_within = |id: NodeId| {
            let mut at = Some(id);
            std::iter::from_fn(|| {
                let id = at?;
                at = self.new.node(id).parent;
                Some(id)
            })
            .any(|id| id == whole)
        };
        let mut nodes = self.new.nodes().map(|(id, _)| id);
        nodes.find(|id| self.succession.is_narrowed(*id) && is_within(*id))
    }
}

/// Whether a container holds nothing; single values that are empty or null are values.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}
