//! Checks that all entities of a kind migrate together.
//!
//! A server migrates every entity of a kind before it serves the kind again. If one could be left
//! behind, it could still be written by rules that are no longer in force, and for example be given
//! a value that by now must be unique.
//!
//! Apart from entries of kind policy, an entry is only valid under the present policy of its kind,
//! and only once all entities of the kind are under it.

use std::collections::BTreeMap;

use super::fault::Flaw;
use crate::id::{EntityId, Hash, Kind};
use crate::ledger::{Entry, EntryKind};

/// Which policy each entity is under, as entry follows entry in the global order.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    kinds: BTreeMap<Kind, Governed>,
}

#[derive(Debug)]
struct Governed {
    /// The one that came last.
    present: Hash,
    entities: BTreeMap<EntityId, Hash>,
    /// How many entities are under each.
    counts: BTreeMap<Hash, usize>,
}

impl Schemas {
    /// Continues with an entry that was rightly admitted as far as its own log shows.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<(), Flaw> {
        let header = &entry.header;
        let named = header.policy_hash;
        let kind = self.kinds.entry(header.entity.kind().clone());
        let kind = kind.or_insert_with(|| Governed {
            present: named,
            entities: BTreeMap::new(),
            counts: BTreeMap::new(),
        });
        match entry.kind {
            EntryKind::Policy => {
                kind.present = named;
                kind.place(&header.entity, named);
                return Ok(());
            }
            EntryKind::Genesis => kind.place(&header.entity, named),
            _ => {}
        }
        if named != kind.present {
            return Err(Flaw::OtherPolicy {
                named,
                in_force: kind.present,
            });
        }
        match kind.left_behind() {
            Some(left) => Err(Flaw::Order(format!(
                "{left} is under an earlier policy of its kind, which all entities of the kind \
                 leave before anything else is written"
            ))),
            None => Ok(()),
        }
    }
}

impl Governed {
    fn place(&mut self, entity: &EntityId, policy: Hash) {
        *self.counts.entry(policy).or_default() += 1;
        if let Some(former) = self.entities.insert(entity.clone(), policy)
            && let Some(count) = self.counts.get_mut(&former)
        {
            *count -= 1;
        }
    }

    /// The first entity, by name, that is not under the present policy.
    fn left_behind(&self) -> Option<&EntityId> {
        if self.counts.get(&self.present) == Some(&self.entities.len()) {
            return None;
        }
        let mut entities = self.entities.iter();
        let behind = entities.find(|(_, policy)| **policy != self.present);
        behind.map(|(entity, _)| entity)
    }
}
