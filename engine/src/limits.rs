//! Bounds on what untrusted input may ask for.
//!
//! Every bound has a name with its unit and a default. Functions that read bytes from outside take
//! a [`Limits`].

use serde::{Deserialize, Serialize};

/// What one frame, proposal, change or entity may hold at most. The server sends these numbers to its
/// clients, so that they split their proposals accordingly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of a frame from a client.
    pub frame_bytes_max: usize,
    /// Bytes of an entity's value as JSON.
    pub entity_bytes_max: usize,
    /// Changes in one proposal.
    pub changes_per_proposal_max: usize,
    /// Operations in one change.
    pub operations_per_change_max: usize,
    /// How deep values may be nested: for clients, since admission goes by `policy::NESTING_MAX`.
    pub nesting_max: usize,
    /// Dependencies that one change names.
    pub dependencies_max: usize,
    /// Shortest actor id, in bytes.
    pub actor_bytes_min: usize,
    /// Longest actor id, in bytes.
    pub actor_bytes_max: usize,
    /// Actor ids that one principal may use in one epoch of an entity.
    pub actors_per_principal_max: usize,
    /// Actors that one change refers to, besides its own.
    pub other_actors_max: usize,
    /// Bytes of a change's message.
    pub message_bytes_max: usize,
    /// Predecessors that all operations of one change name together.
    pub predecessors_per_change_max: usize,
    /// Bytes of a map key.
    pub key_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // The largest entity, with the frame around it.
            frame_bytes_max: 9 << 20,
            entity_bytes_max: 8 << 20,
            changes_per_proposal_max: 1_000,
            operations_per_change_max: 10_000,
            nesting_max: 32,
            dependencies_max: 256,
            actor_bytes_min: 16,
            actor_bytes_max: 32,
            actors_per_principal_max: 256,
            other_actors_max: 4_096,
            message_bytes_max: 1_024,
            predecessors_per_change_max: 65_536,
            key_bytes_max: 1_024,
        }
    }
}
