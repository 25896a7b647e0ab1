//! Values that lost, as entries record them, under the present names of their fields.

use std::collections::{BTreeMap, HashMap};

use super::schema_change::SchemaChange;
use super::{Blame, By, Node};
use crate::conflicts::{Conflict, Outcome};
use crate::history::races::Contender;
use crate::history::record::Record;
use crate::id::Hash;
use crate::pointer::Pointer;

/// A value that lost against one that was written at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The field; items of keyed lists by id. `$position` and `$deleted` are the place of an item
    /// and whether it is deleted.
    pub pointer: Pointer,
    /// The value that lost.
    pub lost: Contender,
    /// The value that won; absent if that was a removal.
    pub stood: Contender,
    /// The item whose deletion won, if that is not the field itself.
    pub removed: Option<Pointer>,
    /// Whether the field has been written since by an author who may have seen both.
    pub settled: bool,
}

/// What is folded from the conflicts of entries.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses {
    /// By the present name of the field, with the entry that recorded it.
    recorded: BTreeMap<Pointer, Vec<(By, Conflict)>>,
    /// The entry that brought each change.
    brought: HashMap<Hash, By>,
}

impl Losses {
    pub(super) fn take(&mut self, record: &Record, by: By) {
        for change in &record.changes {
            self.brought.insert(change.hash, by);
        }
        for conflict in &record.conflicts {
            let recorded = self.recorded.entry(conflict.pointer.clone()).or_default();
            recorded.push((by, conflict.clone()));
        }
    }

    /// Follows the names that a change of the schema gave to fields.
    pub(super) fn schema_change(&mut self, schema_change: &SchemaChange) {
        let before = std::mem::take(&mut self.recorded);
        for (pointer, recorded) in before {
            let pointer = schema_change.after(&pointer).unwrap_or(pointer);
            self.recorded.entry(pointer).or_default().extend(recorded);
        }
    }
}

impl Blame {
    /// The values that lost against one written at the same time, in the order of their fields, the
    /// earliest first.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        let recorded = self.losses.recorded.iter();
        let each = recorded.flat_map(|(pointer, recorded)| {
            recorded
                .iter()
                .map(move |(by, conflict)| self.loss(pointer, *by, conflict))
        });
        each.collect()
    }

    fn loss(&self, pointer: &Pointer, by: By, conflict: &Conflict) -> Loss {
        let own = Contender {
            value: conflict.wrote.clone(),
            change: None,
            by: Some(self.credit(by).clone()),
        };
        let brought = conflict
            .change
            .and_then(|hash| self.losses.brought.get(&hash));
        let other = Contender {
            value: conflict.other.clone(),
            change: conflict.change,
            by: brought.map(|by| self.credit(*by).clone()),
        };
        let (lost, stood) = match conflict.outcome {
            Outcome::Lost => (own, other),
            Outcome::Replaced => (other, own),
        };
        Loss {
            settled: self.written(pointer).is_some_and(|latest| latest > by),
            pointer: pointer.clone(),
            lost,
            stood,
            removed: conflict.removed.clone(),
        }
    }

    /// The entry that wrote a field last.
    fn written(&self, pointer: &Pointer) -> Option<By> {
        let (last, way) = pointer.tokens().split_last()?;
        let mut fields = &self.fields;
        for token in way {
            fields = match fields.get(token)? {
                Node::Object(fields) | Node::Made(_, fields) => fields,
                Node::Leaf(_) | Node::Sequence(..) => return None,
            };
        }
        match fields.get(last)? {
            Node::Leaf(by) | Node::Sequence(by, _) | Node::Made(by, _) => Some(*by),
            Node::Object(_) => None,
        }
    }
}
