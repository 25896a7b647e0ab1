//! One change as several, each within the limits of a change.
//!
//! Operations are numbered one after the other within an actor, so a change can be cut between any
//! two of them: the parts, each made directly after the one before, hold the same operations under
//! the same ids.
//!
//! Invariant: a change that is within the limits stays as it is.

use std::collections::HashSet;
use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange};

use super::chunk;
use crate::limits::Limits;

/// Divides a change that holds more operations, predecessors or actors than one change may.
///
/// The parts have consecutive sequence numbers, so nothing else of its actor may follow the change.
#[must_use]
pub fn divide(change: &Change, limits: &Limits) -> Vec<Vec<u8>> {
    let bytes = change.raw_bytes();
    let fits = chunk::open(bytes).and_then(|body| chunk::check_body(body, limits));
    if fits.is_ok() || change.len() <= 1 {
        return vec![bytes.to_vec()];
    }
    let mut parts = Vec::new();
    divided(change.decode(), limits, |part| {
        let part = Change::from(part);
        parts.push(part.raw_bytes().to_vec());
        part.hash()
    });
    parts
}

/// The same of a change that is not encoded yet: a single part where it is within the limits. `made`
/// takes each part, and gives its hash.
pub(crate) fn divided(
    change: ExpandedChange,
    limits: &Limits,
    mut made: impl FnMut(ExpandedChange) -> ChangeHash,
) {
    let ExpandedChange {
        operations,
        actor_id,
        mut seq,
        start_op,
        time,
        message,
        mut deps,
        mut extra_bytes,
        mut author,
        ..
    } = change;
    let mut counter = start_op.get();
    let mut rest = operations.into_iter().peekable();
    while rest.peek().is_some() {
        let mut room = Room::of(limits);
        let mut part: Vec<Op> = Vec::new();
        while let Some(op) = rest.next_if(|op| room.takes(op, &actor_id) || part.is_empty()) {
            part.push(op);
        }
        let length = part.len() as u64;
        let hash = made(ExpandedChange {
            operations: part,
            actor_id: actor_id.clone(),
            hash: None,
            seq,
            start_op: NonZeroU64::new(counter).unwrap_or(start_op),
            time,
            message: message.clone(),
            deps,
            extra_bytes: std::mem::take(&mut extra_bytes),
            author: author.take(),
        });
        deps = vec![hash];
        (seq, counter) = (seq + 1, counter + length);
    }
}

/// What a part may still take.
struct Room<'a> {
    limits: &'a Limits,
    operations: usize,
    predecessors: usize,
    actors: HashSet<ActorId>,
}

impl<'a> Room<'a> {
    fn of(limits: &'a Limits) -> Self {
        Self {
            limits,
            operations: 0,
            predecessors: 0,
            actors: HashSet::new(),
        }
    }

    /// Whether there is room for an operation; takes it up.
    fn takes(&mut self, op: &Op, own: &ActorId) -> bool {
        self.operations += 1;
        self.predecessors += op.pred.len();
        let object = match &op.obj {
            ObjectId::Id(id) => Some(id),
            ObjectId::Root => None,
        };
        let element = match &op.key {
            Key::Seq(ElementId::Id(id)) => Some(id),
            Key::Seq(ElementId::Head) | Key::Map(_) => None,
        };
        let named = object.into_iter().chain(element).chain(op.pred.iter());
        for id in named.filter(|id| id.actor() != own) {
            if !self.actors.contains(id.actor()) {
                self.actors.insert(id.actor().clone());
            }
        }
        self.operations <= self.limits.operations_per_change_max
            && self.predecessors <= self.limits.predecessors_per_change_max
            && self.actors.len() <= self.limits.other_actors_max
    }
}

#[cfg(test)]
mod tests {
    //! Guards against parts that are not what the change was.
    use automerge::transaction::{CommitOptions, Transactable};
    use automerge::{ObjType, ROOT, ReadDoc};

    use super::*;
    use crate::change::{genesis_actor, parse};
    use crate::document;

    #[test]
    fn parts_are_within_the_limits_and_do_what_the_change_did() {
        let limits = Limits {
            operations_per_change_max: 7,
            predecessors_per_change_max: 5,
            ..Limits::default()
        };
        let mut doc = document::empty(genesis_actor());
        let mut tx = doc.transaction();
        let text = tx.put_object(ROOT, "text", ObjType::Text).unwrap();
        tx.splice_text(&text, 0, 0, "before").unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        let before = doc.clone();
        doc.set_actor(ActorId::from([7; 16]));
        let mut tx = doc.transaction();
        tx.splice_text(&text, 0, 6, "what came after, 😀").unwrap();
        tx.put(ROOT, "last", 1).unwrap();
        let (hash, _) = tx.commit_with(CommitOptions::default().with_time(5).with_message("m"));
        let change = doc.get_change_by_hash(&hash.unwrap()).unwrap();

        let parts = divide(&change, &limits);
        assert!(parts.len() > 3, "{}", parts.len());
        let parsed: Vec<_> = parts
            .iter()
            .map(|part| parse(part, &limits).unwrap())
            .collect();
        let ops = |change: &Change| change.decode().operations;
        let joined: Vec<Op> = parsed.iter().flat_map(|part| part.ops().to_vec()).collect();
        assert_eq!(joined, ops(&change));
        assert!(
            parsed
                .iter()
                .all(|part| (part.time(), part.message()) == (5, Some("m")))
        );
        let mut other = before;
        other
            .apply_changes(
                parsed
                    .into_iter()
                    .map(crate::change::ParsedChange::into_raw),
            )
            .unwrap();
        assert_eq!(other.text(&text).unwrap(), doc.text(&text).unwrap());
        assert_eq!(
            divide(&change, &Limits::default()),
            [change.raw_bytes().to_vec()]
        );
    }
}
