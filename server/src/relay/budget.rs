//! Whether history is in proportion to what an entity shows.
//!
//! A frame of 20 KB may hold ten million operations: columns are run-length encoded. What a proposal
//! may hold follows from what it brings, byte by byte, and from what is there to be deleted. No
//! valid value is kept out by that: what it takes to write one follows from its length.
//!
//! Must not know: how changes are judged, followers.

use indelible_engine::change;
use indelible_engine::entity::Entity;
use indelible_engine::limits::Limits;
use serde_json::Value;

use crate::config::BudgetSettings;

/// The shortest that an element without bytes of its own is in JSON: `null,`.
const WEIGHTLESS_BYTES: u64 = 5;

/// The operations of a proposal, and whether they are in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weighed {
    /// How many there are. Of changes that cannot be read, none are counted: they are refused.
    pub(super) operations: u64,
    /// How many there may be, where there are more.
    pub(super) exceeded: Option<u64>,
}

impl BudgetSettings {
    /// Weighs the changes of a proposal against the entity that they are for.
    pub(super) fn weigh(&self, changes: &[Vec<u8>], entity: &Entity, limits: &Limits) -> Weighed {
        let (mut operations, mut elements) = (0u64, 0u64);
        let (mut weightless, mut deletions) = (0u64, 0u64);
        for bytes in changes {
            elements += bytes.len() as u64;
            let Ok(counted) = change::operations(bytes, limits) else {
                continue;
            };
            operations += counted.all;
            deletions += counted.deletions;
            weightless += counted.insertions.min(counted.weightless);
        }
        let within = |elements: u64| {
            let more = self
                .proposal_operations_per_element
                .saturating_mul(elements);
            self.proposal_operations_min.saturating_add(more)
        };
        // What is there is looked at only where that may matter.
        if operations > within(elements) {
            // No entity has room for more of them.
            let room = limits.entity_bytes_max as u64 / WEIGHTLESS_BYTES;
            elements += weightless.saturating_sub(deletions).min(room);
            elements += extent(&entity.presented());
        }
        let allowed = within(elements);
        Weighed {
            operations,
            exceeded: (operations > allowed).then_some(allowed),
        }
    }
}

/// How many elements a value has: letters, elements of lists, fields.
fn extent(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(elements) => elements.iter().map(|one| 1 + extent(one)).sum(),
        Value::Object(fields) => fields.values().map(|one| 1 + extent(one)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
