//! That no value of a `unique` field was taken from whoever had it.
//!
//! Invariant: a claim that an entry took, or that came to its entity with a change of the schema, is
//! its entity's until an entry gives it up. Values that became unique while they were there twice
//! have two holders; nobody takes them before both have given them up.
//! Must never know: values, how claims are found.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::fault::Flaw;
use super::rerun::Rerun;
use crate::claims::Step;
use crate::id::{EntityId, Hash};

/// Who has which claim, as entry follows entry in the global order.
#[derive(Debug, Default)]
pub(super) struct Holders {
    claims: BTreeMap<Hash, BTreeSet<EntityId>>,
}

impl Holders {
    /// Goes on by an entry.
    pub(super) fn take(&mut self, entity: &EntityId, rerun: &Rerun) -> Result<(), Flaw> {
        for step in &rerun.steps {
            match step {
                Step::Release(claim) => {
                    let key = claim.key(entity.kind());
                    if let Entry::Occupied(mut holders) = self.claims.entry(key) {
                        holders.get_mut().remove(entity);
                        if holders.get().is_empty() {
                            holders.remove();
                        }
                    }
                }
                Step::Gain(claim) => {
                    let holders = self.claims.entry(claim.key(entity.kind())).or_default();
                    if let Some(holder) = holders.iter().find(|holder| *holder != entity) {
                        let text = format!("unique: {holder} has this value of {}", claim.pointer);
                        return Err(Flaw::Refused(text));
                    }
                    holders.insert(entity.clone());
                }
            }
        }
        for claim in &rerun.carried {
            let holders = self.claims.entry(claim.key(entity.kind())).or_default();
            holders.insert(entity.clone());
        }
        Ok(())
    }
}
