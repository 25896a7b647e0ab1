//! What a request brings, and what the server must have at hand for it.

use std::ops::Add;

use serde_json::Value;

/// Operations of a unit.
const UNIT_OPERATIONS: f64 = 100_000.0;
/// Bytes of a unit.
const UNIT_BYTES: f64 = 1_048_576.0;
/// A request of less is taken for this part of a unit: below, it is the round trip that is measured.
const LEAST_UNITS: f64 = 0.05;
/// About what a small change takes.
const CHANGE_BYTES: usize = 150;

/// Operations and bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) operations: usize,
    pub(super) bytes: usize,
}

impl Load {
    /// How many units of 100,000 operations or of a MiB that is, whichever it has more of.
    pub(super) fn units(self) -> f64 {
        let operations = self.operations as f64 / UNIT_OPERATIONS;
        let bytes = self.bytes as f64 / UNIT_BYTES;
        operations.max(bytes).max(LEAST_UNITS)
    }
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            operations: self.operations + other.operations,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// What a value takes; null takes nothing.
pub(super) fn of(value: &Value) -> Load {
    match value {
        Value::Null => Load::default(),
        _ => Load {
            operations: operations(value),
            bytes: value.to_string().len(),
        },
    }
}

/// About the operations that make a value: one for each element, character or field.
pub(super) fn operations(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Array(items) => items.len() + items.iter().map(operations).sum::<usize>(),
        Value::Object(map) => {
            let text = map.get("text").and_then(Value::as_str);
            let inner: usize = map.values().map(operations).sum();
            map.len() + inner + text.map_or(0, |text| text.chars().count())
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// What so many small changes are.
pub(super) fn small_changes(changes: usize) -> Load {
    Load {
        operations: changes,
        bytes: changes * CHANGE_BYTES,
    }
}
