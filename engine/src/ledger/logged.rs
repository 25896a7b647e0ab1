//! One entry as an entity needs it to advance.

use super::{Claimed, Entry, EntryKind};
use crate::id::{Hash, LogPlace};
use crate::time::Timestamp;

/// One entry of a log as an entity needs it to advance.
#[derive(Debug, Clone, Copy)]
pub struct Logged<'a> {
    /// What it records.
    pub kind: EntryKind,
    /// Its place in the log.
    pub place: LogPlace,
    /// Its own hash.
    pub hash: Hash,
    /// When it was committed.
    pub at: Timestamp,
    /// The id of the principal who wrote it.
    pub author: &'a str,
    /// The policy that it names.
    pub policy_hash: Hash,
    /// What an import claims.
    pub claimed: Option<&'a Claimed>,
    /// Its changes, as Automerge change chunks.
    pub changes: &'a [Vec<u8>],
}

impl<'a> Logged<'a> {
    /// An entry of the ledger, with its hash.
    #[must_use]
    pub fn of(entry: &'a Entry, hash: Hash) -> Self {
        Self {
            kind: entry.kind,
            place: entry.header.place,
            hash,
            at: entry.header.at,
            author: &entry.header.author.id,
            policy_hash: entry.header.policy_hash,
            claimed: entry.claimed.as_ref(),
            changes: &entry.changes,
        }
    }
}
