//! Who holds each claim, folded from the log.
//!
//! Invariant: an entity has a claim from when it took it until it gave it up.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::Claim;
use crate::id::{EntityId, Hash};

/// Who has which claim. Several may have one that they had before their field was unique.
#[derive(Debug, Clone, Default)]
pub struct Holders {
    claims: BTreeMap<Hash, BTreeSet<EntityId>>,
}

impl Holders {
    /// Who has a claim other than `entity`, whose kind it is about: the first by name.
    #[must_use]
    pub fn other(&self, entity: &EntityId, claim: &Claim) -> Option<&EntityId> {
        let holders = self.claims.get(&claim.key(entity.kind()))?;
        holders.iter().find(|holder| *holder != entity)
    }

    /// From now on `entity` has the claim, even if another one has it too.
    pub fn hold(&mut self, entity: &EntityId, claim: &Claim) {
        let holders = self.claims.entry(claim.key(entity.kind())).or_default();
        holders.insert(entity.clone());
    }

    /// From now on `entity` has the claim no more.
    pub fn release(&mut self, entity: &EntityId, claim: &Claim) {
        if let Entry::Occupied(mut holders) = self.claims.entry(claim.key(entity.kind())) {
            holders.get_mut().remove(entity);
            if holders.get().is_empty() {
                holders.remove();
            }
        }
    }
}
