//! How many operations and bytes of history are in proportion to what an entity shows.

use std::time::Duration;

/// How much history what is shown is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Operations that every proposal may have.
    pub proposal_operations_min: u64,
    /// Operations of a proposal for each byte of its changes, and each element (a letter, an element
    /// of a list, a field) that is there or that it brings.
    pub proposal_operations_per_element: u64,
    /// Operations that every epoch may hold.
    pub epoch_operations_min: u64,
    /// Operations of an epoch for each element that the entity shows.
    pub epoch_operations_per_element: u64,
    /// Bytes of changes that every epoch may hold.
    pub epoch_bytes_min: u64,
    /// Bytes of changes of an epoch for each byte of the value as JSON.
    pub epoch_bytes_per_byte: u64,
    /// How long an entity must be without writes before a new epoch that is due begins.
    pub epoch_quiet: Duration,
    /// How many times over the budget an epoch is before the next one begins without waiting for
    /// quiet.
    pub epoch_overdue: u64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            proposal_operations_min: 20_000,
            proposal_operations_per_element: 2,
            epoch_operations_min: 200_000,
            epoch_operations_per_element: 8,
            epoch_bytes_min: 8 << 20,
            epoch_bytes_per_byte: 8,
            epoch_quiet: Duration::from_secs(5),
            epoch_overdue: 2,
        }
    }
}
