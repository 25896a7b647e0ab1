//! The result of a merge.

use std::collections::HashMap;

use automerge::ExpandedChange;

use crate::change::{ParsedChange, divided};
use crate::limits::Limits;
use crate::pointer::Pointer;
use crate::violation::Violation;

/// The result of a merge.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    /// The edit, as Automerge change chunks: none where nothing differs, one as a rule, and where
    /// one would hold more than a change may, several that directly follow one another.
    pub changes: Vec<Vec<u8>>,
    /// The same, which need not be read again.
    pub(super) made: Vec<ParsedChange>,
    /// Fields of the body that were kept as they are.
    pub preserved: Vec<Pointer>,
    /// The new items to which the body gives no id.
    pub(super) unnamed: Unnamed,
}

impl Merged {
    /// Takes in the edit, divided where it is more than one change may hold.
    pub(super) fn fill(&mut self, change: ExpandedChange, limits: &Limits) {
        divided(change, limits, |part| {
            let made = ParsedChange::made(part);
            let hash = made.raw().hash();
            self.changes.push(made.bytes().to_vec());
            self.made.push(made);
            hash
        });
    }

    /// The changes for [`admit_made`](crate::admission::admit_made), which are taken out.
    pub fn take_made(&mut self) -> Vec<ParsedChange> {
        std::mem::take(&mut self.made)
    }

    /// Names places as the body names them that the edit was made from, where a refusal of the edit
    /// names them: of a new item that the body gives no id there is nothing but its index.
    pub fn name_as_given(&self, violations: &mut [Violation]) {
        for violation in violations {
            violation.pointer = self.unnamed.as_given(&violation.pointer);
        }
    }
}

/// Places of items that get an id in a merge, with their indices in the lists of the body.
#[derive(Debug, Clone, Default)]
pub(super) struct Unnamed(HashMap<Pointer, usize>);

impl Unnamed {
    /// An item of a list gets this id.
    pub(super) fn note(&mut self, list: &Pointer, id: &str, index: usize) {
        self.0.insert(list.child(id), index);
    }

    pub(super) fn as_given(&self, at: &Pointer) -> Pointer {
        if self.0.is_empty() {
            return at.clone();
        }
        let (mut place, mut given) = (Pointer::root(), Pointer::root());
        for token in at.tokens() {
            place.push(token.as_str());
            match self.0.get(&place) {
                Some(index) => given.push(index.to_string()),
                None => given.push(token.as_str()),
            }
        }
        given
    }
}

/// Values that a body had for protected fields, where those are kept: the rule that protects each,
/// what was tried and the current value.
pub type Attempts = Vec<Violation>;
