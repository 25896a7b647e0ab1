//! That no value of a `unique` field was taken from whoever had it.
//!
//! Invariant: a claim that an entry took is its entity's until an entry gives it up. A claim that
//! came with a change of the schema is left out for good: values may have been there twice, and the
//! log does not tell whom the server took for the holder.
//! Must never know: values, how claims are found.

use std::collections::BTreeMap;

use super::fault::Flaw;
use super::rerun::Rerun;
use crate::claims::Step;
use crate::id::{EntityId, Hash};

/// Who has which claim, as entry follows entry in the global order.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// None: unsettled.
    claims: BTreeMap<Hash, Option<EntityId>>,
}

impl Holders {
    /// Goes on by an entry.
    pub(super) fn take(&mut self, entity: &EntityId, rerun: &Rerun) -> Result<(), Flaw> {
        for step in &rerun.steps {
            match step {
                Step::Release(claim) => {
                    let key = claim.key(entity.kind());
                    if matches!(self.claims.get(&key), Some(Some(holder)) if holder == entity) {
                        self.claims.remove(&key);
                    }
                }
                Step::Gain(claim) => {
                    let key = claim.key(entity.kind());
                    let holder = self
                        .claims
                        .entry(key)
                        .or_insert_with(|| Some(entity.clone()));
                    if let Some(holder) = holder
                        && holder != entity
                    {
                        let text = format!("unique: {holder} has this value of {}", claim.pointer);
                        return Err(Flaw::Refused(text));
                    }
                }
            }
        }
        for claim in &rerun.carried {
            self.claims.insert(claim.key(entity.kind()), None);
        }
        Ok(())
    }
}
