//! What the pending operations meant when they were made.
//!
//! Owns the past: which operation is whose, which of the server's changes each pending change had
//! seen, and in what order elements stood in a sequence then.
//! Invariant: reads only; every question is about the moment at which an operation was made.

use std::collections::{HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, OpId, OpType};
use automerge::{Automerge, ChangeHash, ReadDoc};

use super::present::{ids_of, object_id};
use super::{OpIndex, RebaseError};
use crate::change::{self, Limits, Op, ParsedChange};
use crate::conflicts::base_message;

/// Pending changes, read.
pub(super) struct Pending {
    pub(super) changes: Vec<ParsedChange>,
    index: HashMap<OpId, OpIndex>,
    /// The server's heads that each change had seen.
    heads: Vec<Vec<ChangeHash>>,
    /// Whether these were made under the schema in force.
    pub(super) is_current: bool,
    order: Option<Order>,
}

impl Pending {
    /// # Errors
    /// When a change cannot be read.
    pub(super) fn read(changes: &[Vec<u8>], limits: &Limits) -> Result<Self, RebaseError> {
        let mut read = Vec::with_capacity(changes.len());
        for (change, bytes) in changes.iter().enumerate() {
            let parsed = change::parse(bytes, limits)
                .map_err(|error| RebaseError::Unreadable { change, error })?;
            read.push(parsed);
        }
        let mut index = HashMap::new();
        for (change, parsed) in read.iter().enumerate() {
            for op in 0..parsed.ops().len() {
                index.insert(parsed.op_id(op), (change, op));
            }
        }
        Ok(Self {
            changes: read,
            index,
            heads: Vec::new(),
            is_current: false,
            order: None,
        })
    }

    /// Finds what each change had seen of `doc`.
    ///
    /// # Errors
    /// When a change depends on what is not there.
    pub(super) fn look_back(&mut self, doc: &Automerge) -> Result<(), RebaseError> {
        let own: HashSet<ChangeHash> = self.changes.iter().map(|c| c.raw().hash()).collect();
        let mut seen: Vec<ChangeHash> = Vec::new();
        for (change, parsed) in self.changes.iter().enumerate() {
            for dep in parsed.deps().iter().filter(|dep| !own.contains(dep)) {
                if doc.get_change_meta_by_hash(dep).is_none() {
                    return Err(RebaseError::NotThere { change });
                }
                if !seen.contains(dep) {
                    seen.push(*dep);
                }
            }
            self.heads.push(seen.clone());
        }
        Ok(())
    }

    /// The message of a change that takes the place of a pending one: what that says of itself, or
    /// what its author had seen, where more is there by now.
    pub(super) fn message(&self, doc: &Automerge, change: usize) -> Option<String> {
        let own = self.changes[change].message().map(str::to_owned);
        let seen = self.heads.get(change).filter(|_| self.is_current);
        let seen = seen.filter(|seen| doc.get_heads().iter().any(|head| !seen.contains(head)));
        own.or_else(|| base_message(seen?))
    }

    pub(super) fn op(&self, (change, op): OpIndex) -> &Op {
        &self.changes[change].ops()[op]
    }

    /// Which pending operation this is, if it is one.
    pub(super) fn place(&self, id: &OpId) -> Option<OpIndex> {
        self.index.get(id).copied()
    }

    fn id(&self, (change, op): OpIndex) -> OpId {
        self.changes[change].op_id(op)
    }

    /// Whether a deletion at a map key took away the value that was there. Automerge also writes
    /// deletions that settle a race between values in favour of the one that wins anyway.
    pub(super) fn takes_away(&self, doc: &Automerge, at: OpIndex) -> bool {
        let op = self.op(at);
        let Key::Map(key) = &op.key else { return true };
        let own = matches!(&op.obj, ObjectId::Id(id) if self.place(id).is_some());
        let mut there: Vec<OpId> = if own {
            Vec::new()
        } else {
            let heads = &self.heads[at.0];
            let found = doc.get_all_at(object_id(&op.obj), key.as_str(), heads);
            ids_of(found.unwrap_or_default())
        };
        let (change, index) = at;
        let earlier = (0..=change).flat_map(|c| {
            let end = if c == change {
                index
            } else {
                self.changes[c].ops().len()
            };
            (0..end).map(move |o| (c, o))
        });
        for place in earlier {
            let before = self.op(place);
            if before.obj != op.obj || before.key != op.key {
                continue;
            }
            if !matches!(before.action, OpType::Increment(_)) {
                there.retain(|id| !before.pred.iter().any(|pred| pred == id));
            }
            if matches!(before.action, OpType::Put(_) | OpType::Make(_)) {
                there.push(self.id(place));
            }
        }
        match there.iter().max() {
            Some(winner) => op.pred.iter().any(|pred| pred == winner),
            None => true,
        }
    }

    /// Whether an operation changed what is shown at its place.
    pub(super) fn writes(&self, doc: &Automerge, at: OpIndex) -> bool {
        match self.op(at).action {
            OpType::Delete => self.takes_away(doc, at),
            _ => true,
        }
    }

    /// The element directly to the left of a pending one, in its sequence as it was when the
    /// operation at `at` was made; those that were deleted before count.
    pub(super) fn left_of(&mut self, doc: &Automerge, element: &OpId, at: OpIndex) -> ElementId {
        if self.order.is_none() {
            self.order = Some(Order::of(self, doc));
        }
        let Some(order) = &self.order else {
            return ElementId::Head;
        };
        let seen = |id: &OpId| match self.place(id) {
            Some(place) => place < at,
            None => order.first_seen.get(id).is_some_and(|first| *first <= at.0),
        };
        order.left_of(element, seen)
    }
}

/// The insertions since the first pending change was begun. Elements that were there before stand
/// to the left of all that was inserted after them, so more need not be known.
struct Order {
    /// What was inserted directly after an element, the latest first, as in the sequence.
    after: HashMap<(ObjectId, ElementId), Vec<OpId>>,
    /// The object and the left neighbour, when it was inserted, of each element.
    made: HashMap<OpId, (ObjectId, ElementId)>,
    /// Of the server's insertions: the first pending change that had seen each.
    first_seen: HashMap<OpId, usize>,
}

impl Order {
    fn of(pending: &Pending, doc: &Automerge) -> Self {
        let mut order = Self {
            after: HashMap::new(),
            made: HashMap::new(),
            first_seen: HashMap::new(),
        };
        let first = pending.heads.first().map_or(&[][..], Vec::as_slice);
        let mut unseen: HashMap<ChangeHash, automerge::Change> = doc
            .get_changes(first)
            .into_iter()
            .map(|change| (change.hash(), change))
            .collect();
        for (index, heads) in pending.heads.iter().enumerate() {
            let mut next = heads.clone();
            while let Some(hash) = next.pop() {
                let Some(change) = unseen.remove(&hash) else {
                    continue;
                };
                next.extend(change.deps());
                let start = change.start_op().get();
                for (offset, op) in change.decode().operations.iter().enumerate() {
                    let id = OpId::new(start + offset as u64, change.actor_id());
                    if order.add(&id, op) {
                        order.first_seen.insert(id, index);
                    }
                }
            }
        }
        for change in &pending.changes {
            for (index, op) in change.ops().iter().enumerate() {
                order.add(&change.op_id(index), op);
            }
        }
        for siblings in order.after.values_mut() {
            siblings.sort_unstable_by(|a, b| b.cmp(a));
        }
        order
    }

    fn add(&mut self, id: &OpId, op: &Op) -> bool {
        let Key::Seq(element) = &op.key else {
            return false;
        };
        if op.insert {
            let place = (op.obj.clone(), element.clone());
            self.after
                .entry(place.clone())
                .or_default()
                .push(id.clone());
            self.made.insert(id.clone(), place);
        }
        op.insert
    }

    fn left_of(&self, element: &OpId, seen: impl Fn(&OpId) -> bool) -> ElementId {
        let Some((object, reference)) = self.made.get(element) else {
            return ElementId::Head;
        };
        let siblings = self.after.get(&(object.clone(), reference.clone()));
        // What was inserted at the same place later pushed this one to the right: its last seen
        // descendant is the neighbour.
        let later = siblings
            .into_iter()
            .flatten()
            .take_while(|id| *id != element);
        let Some(mut last) = later.filter(|id| seen(id)).last() else {
            return reference.clone();
        };
        loop {
            let inside = self
                .after
                .get(&(object.clone(), ElementId::Id(last.clone())));
            match inside.into_iter().flatten().filter(|id| seen(id)).last() {
                Some(id) => last = id,
                None => return ElementId::Id(last.clone()),
            }
        }
    }
}
