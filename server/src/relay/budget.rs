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

/// How much of an epoch there may be before the next one is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowed {
    operations: u64,
    bytes: u64,
}

/// How much history there is in the present epoch of an entity.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// Bytes of changes.
    bytes: u64,
    /// What was in proportion when it was last looked.
    allowed: Option<Allowed>,
    due: bool,
}

impl Weight {
    /// That of an epoch with so many bytes of changes.
    pub(super) fn of(bytes: u64) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// More was written.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Whether the epoch has outgrown what the entity shows.
    pub(super) fn is_due(&mut self, entity: &Entity, settings: &BudgetSettings) -> bool {
        let operations = entity.operations();
        let within =
            |allowed: Allowed| operations <= allowed.operations && self.bytes <= allowed.bytes;
        let least = Allowed {
            operations: settings.epoch_operations_min,
            bytes: settings.epoch_bytes_min,
        };
        if self.due || within(self.allowed.unwrap_or(least)) {
            return self.due;
        }
        let value = entity.presented();
        let shown = (extent(&value), value.to_string().len() as u64);
        let times = |factor: u64, shown: u64| factor.saturating_mul(shown);
        let allowed = Allowed {
            operations: times(settings.epoch_operations_per_element, shown.0).max(least.operations),
            bytes: times(settings.epoch_bytes_per_byte, shown.1).max(least.bytes),
        };
        self.allowed = Some(allowed);
        self.due = !within(allowed);
        self.due
    }

    /// Whether it has done so by far.
    pub(super) fn is_overdue(&self, entity: &Entity, settings: &BudgetSettings) -> bool {
        let Some(allowed) = self.allowed.filter(|_| self.due) else {
            return false;
        };
        let times = settings.epoch_overdue;
        entity.operations() > allowed.operations.saturating_mul(times)
            || self.bytes > allowed.bytes.saturating_mul(times)
    }

    /// Whether a new epoch of so many operations and bytes is less than half of this one. If not,
    /// what is there is what the value takes, and the next one is due when it has doubled.
    pub(super) fn is_relieved(&mut self, entity: &Entity, (operations, bytes): (u64, u64)) -> bool {
        let now = Allowed {
            operations: entity.operations(),
            bytes: self.bytes,
        };
        let relieved = operations < now.operations / 2 || bytes < now.bytes / 2;
        if !relieved {
            self.due = false;
            self.allowed = Some(Allowed {
                operations: now.operations.saturating_mul(2),
                bytes: now.bytes.saturating_mul(2),
            });
        }
        relieved
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
