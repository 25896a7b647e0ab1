//! Whether history is in proportion to what an entity shows.
//!
//! A frame of 20 KB may hold ten million operations: columns are run-length encoded. What a proposal
//! may hold follows from what it brings, byte by byte, and from what is there to be deleted. No
//! valid value is kept out by that: what it takes to write one follows from its length.

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

/// How much of a value there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    elements: u64,
    bytes: u64,
}

impl Shown {
    fn of(value: &Value) -> Self {
        Self {
            elements: extent(value),
            bytes: value.to_string().len() as u64,
        }
    }

    fn allows(self, settings: &BudgetSettings) -> Allowed {
        let operations = settings.epoch_operations_per_element;
        let bytes = settings.epoch_bytes_per_byte;
        Allowed {
            operations: operations
                .saturating_mul(self.elements)
                .max(settings.epoch_operations_min),
            bytes: bytes
                .saturating_mul(self.bytes)
                .max(settings.epoch_bytes_min),
        }
    }

    /// Whether it is less than half of another one.
    fn is_far_below(self, other: Self) -> bool {
        self.elements < other.elements / 2 || self.bytes < other.bytes / 2
    }
}

/// How much history there is in the present epoch of an entity.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// Bytes of changes.
    bytes: u64,
    /// What is in proportion to the present value, once it was looked.
    allowed: Option<Allowed>,
    /// What takes as much history as it has, and when it was so.
    dense: Option<(Shown, Allowed)>,
}

impl Weight {
    /// That of an epoch with so many bytes of changes.
    pub(super) fn of(bytes: u64) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// More was written, and the value may be another.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.allowed = None;
    }

    fn is_within(&self, entity: &Entity, allowed: Allowed) -> bool {
        entity.operations() <= allowed.operations && self.bytes <= allowed.bytes
    }

    /// Whether the epoch has outgrown what the entity shows.
    pub(super) fn is_due(&mut self, entity: &Entity, settings: &BudgetSettings) -> bool {
        let least = Allowed {
            operations: settings.epoch_operations_min,
            bytes: settings.epoch_bytes_min,
        };
        if self.is_within(entity, least) {
            return false;
        }
        let allowed = match self.allowed {
            Some(allowed) => allowed,
            None => self.look(&entity.presented(), settings),
        };
        !self.is_within(entity, allowed)
    }

    /// Looks what is in proportion to a value.
    fn look(&mut self, value: &Value, settings: &BudgetSettings) -> Allowed {
        let shown = Shown::of(value);
        if self.dense.is_some_and(|(then, _)| shown.is_far_below(then)) {
            self.dense = None;
        }
        let mut allowed = shown.allows(settings);
        if let Some((_, dense)) = self.dense {
            allowed.operations = allowed.operations.max(dense.operations);
            allowed.bytes = allowed.bytes.max(dense.bytes);
        }
        *self.allowed.insert(allowed)
    }

    /// Whether it has done so by far.
    pub(super) fn is_overdue(&mut self, entity: &Entity, settings: &BudgetSettings) -> bool {
        if !self.is_due(entity, settings) {
            return false;
        }
        self.allowed.is_some_and(|allowed| {
            let times = settings.epoch_overdue;
            let by_far = Allowed {
                operations: allowed.operations.saturating_mul(times),
                bytes: allowed.bytes.saturating_mul(times),
            };
            !self.is_within(entity, by_far)
        })
    }

    /// Whether a new epoch of so many operations and bytes is less than half of this one. If not,
    /// what is there is what the value takes, and the next one is due when it has doubled, or the
    /// value has shrunk.
    pub(super) fn is_relieved(&mut self, entity: &Entity, (operations, bytes): (u64, u64)) -> bool {
        let now = Allowed {
            operations: entity.operations(),
            bytes: self.bytes,
        };
        let relieved = operations < now.operations / 2 || bytes < now.bytes / 2;
        if !relieved {
            let twice = Allowed {
                operations: now.operations.saturating_mul(2),
                bytes: now.bytes.saturating_mul(2),
            };
            self.dense = Some((Shown::of(&entity.presented()), twice));
            self.allowed = None;
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
