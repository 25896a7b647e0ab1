//! A violation in the form in which it is sent and recorded.
//!
//! Invariant: plain data that fits a frame and a ledger record; values are JSON text.
//! Must never know: how a violation was found, or who may read what it says.

use serde::{Deserialize, Serialize};

use crate::pointer::Pointer;

/// Which operations broke which rule, where, and what stands instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViolationReport {
    /// Which change of the proposal, from 0.
    pub change: u32,
    /// Which operations of that change, from 0. Empty: the change as a whole.
    pub ops: Vec<u32>,
    /// Where, with the ids of items in keyed lists.
    pub pointer: Pointer,
    /// The stable code of the rule.
    pub rule: String,
    /// What was tried, as JSON text, as far as the author may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted: Option<String>,
    /// What stands, as JSON text, as far as the author may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// A sentence for people.
    pub message: String,
}
