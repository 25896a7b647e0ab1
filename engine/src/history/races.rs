//! Values that lost against one that was written at the same time.
//!
//! Automerge keeps every value of a register that no later write has seen, and its order decides
//! which one readers see. The others are reported here with their authors, so that no edit is lost
//! unseen.

use std::collections::HashMap;

use automerge::iter::MapRange;
use automerge::{ActorId, ObjId, ReadDoc, Value as Stored, ValueRef};
use serde_json::Value;

use super::blame::Credit;
use super::record::Record;
use crate::document::scalar_value;
use crate::entity::Entity;
use crate::id::Hash;
use crate::pointer::Pointer;
use crate::policy::NodeId;

/// One of the values that were written at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// The value; none where JSON has no word for it.
    pub value: Option<Value>,
    /// The change that wrote it.
    pub change: Option<Hash>,
    /// The entry that brought that change; `None` if its record was not given.
    pub by: Option<Credit>,
}

/// A field that several authors wrote at the same time, and that was not written since.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// The field; items of keyed lists by id. `$position` and `$deleted` are the place of an item
    /// and whether it is deleted.
    pub pointer: Pointer,
    /// The current value.
    pub stands: Contender,
    /// The other values.
    pub lost: Vec<Contender>,
}

/// The unsettled races of an entity. `records` are those of its log from which authors are taken.
#[must_use]
pub fn races<'a>(entity: &Entity, records: impl IntoIterator<Item = &'a Record>) -> Vec<Race> {
    let mut authors = HashMap::new();
    for record in records {
        for change in &record.changes {
            authors.insert((&change.actor, change.seq), record);
        }
    }
    let mut found = Races {
        entity,
        authors,
        races: Vec::new(),
    };
    found.object(&automerge::ROOT, entity.policy().root(), &Pointer::root());
    found.races
}

struct Races<'a> {
    entity: &'a Entity,
    authors: HashMap<(&'a ActorId, u64), &'a Record>,
    races: Vec<Race>,
}

impl Races<'_> {
    fn object(&mut self, object: &ObjId, node: NodeId, at: &Pointer) {
        let entity = self.entity;
        let range: MapRange<'_> = entity.doc().map_range(object, ..);
        for item in range {
            let name = item.key.as_ref();
            let child = if name.starts_with('$') {
                Some(node)
            } else {
                entity.policy().child(node, name)
            };
            let Some(child) = child else {
                continue;
            };
            match &item.value {
                ValueRef::Object(automerge::ObjType::Map) => {
                    self.object(&item.id(), child, &at.child(name));
                }
                ValueRef::Object(_) => {}
                ValueRef::Scalar(_) if item.conflict => self.register(object, name, child, at),
                ValueRef::Scalar(_) => {}
            }
        }
    }

    fn register(&mut self, object: &ObjId, name: &str, node: NodeId, at: &Pointer) {
        let all = self.entity.doc().get_all(object, name).unwrap_or_default();
        let mut contenders: Vec<Contender> = all
            .iter()
            .map(|(stored, operation)| self.contender(stored, operation, node))
            .collect();
        // The last is the current value.
        if let Some(stands) = contenders.pop()
            && !contenders.is_empty()
        {
            self.races.push(Race {
                pointer: at.child(name),
                stands,
                lost: contenders,
            });
        }
    }

    fn contender(&self, stored: &Stored<'_>, operation: &ObjId, node: NodeId) -> Contender {
        let doc = self.entity.doc();
        let change = doc.hash_for_opid(operation);
        let meta = change.and_then(|hash| doc.get_change_meta_by_hash(&hash));
        let record = meta.and_then(|meta| {
            let name = (meta.actor.as_ref(), meta.seq);
            self.authors.get(&name).copied()
        });
        Contender {
            value: match stored {
                Stored::Scalar(scalar) => scalar_value(self.entity.policy().node(node), scalar),
                Stored::Object(_) => None,
            },
            change: change.map(Hash::from),
            by: record.map(Credit::of),
        }
    }
}
