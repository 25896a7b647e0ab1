//! Operations of a document by their ids, for callers that look up many.
//!
//! Invariant: however many changes are asked for, the document is gone through a bounded number of
//! times; only those that are asked for are decoded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use automerge::legacy::{Op, OpId};
use automerge::{Automerge, Change, ChangeHash, ReadDoc};

use super::object_id;

/// So many changes are looked for one by one, each of which goes through the whole document. Then
/// all are made in one go.
const SINGLY_MAX: usize = 32;

/// What was found of a document, which may have got more changes since.
#[derive(Default)]
pub(crate) struct Changes {
    /// The operations of changes, and the counter of the first of each.
    decoded: HashMap<ChangeHash, (u64, Vec<Op>)>,
    /// All changes, once many of them were asked for.
    all: HashMap<ChangeHash, Change>,
}

impl Changes {
    /// An operation, if the document has it.
    pub(crate) fn find(&mut self, doc: &Automerge, id: &OpId) -> Option<&Op> {
        let hash = doc.hash_for_opid(&object_id(id))?;
        let known = self.decoded.len();
        let (start, ops) = match self.decoded.entry(hash) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                if known == SINGLY_MAX {
                    self.all = by_hash(doc);
                }
                let change = match self.all.get(&hash) {
                    Some(change) => change.decode(),
                    None => doc.get_change_by_hash(&hash)?.decode(),
                };
                vacant.insert((change.start_op.get(), change.operations))
            }
        };
        ops.get(usize::try_from(id.counter().checked_sub(*start)?).ok()?)
    }
}

fn by_hash(doc: &Automerge) -> HashMap<ChangeHash, Change> {
    let changes = doc.get_changes(&[]).into_iter();
    changes.map(|change| (change.hash(), change)).collect()
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use automerge::{ROOT, ScalarValue};

    use super::*;
    use crate::change::genesis_actor;
    use crate::document;

    #[test]
    fn operations_are_found_in_few_changes_and_in_many() {
        let mut doc = document::empty(genesis_actor());
        let count = SINGLY_MAX as u64 + 9;
        for n in 1..=count {
            let mut tx = doc.transaction();
            tx.put(ROOT, "n", n).unwrap();
            tx.commit();
        }
        let mut changes = Changes::default();
        for n in (1..=count).chain(1..=count) {
            let found = changes.find(&doc, &OpId::new(n, doc.get_actor())).unwrap();
            assert_eq!(found.primitive_value(), Some(ScalarValue::Uint(n)));
        }
        assert_eq!(changes.all.len() as u64, count);
        assert_eq!(
            changes.find(&doc, &OpId::new(count + 1, doc.get_actor())),
            None
        );
    }
}
