//! Whether an entity is there, folded from the kinds of its entries.

use serde::{Deserialize, Serialize};

use super::EntryKind;

/// Whether an entity is there, as its log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Presence {
    /// There is a genesis and no creation yet.
    Unborn = 0,
    /// It was created and not deleted since.
    Present = 1,
    /// It was deleted.
    Deleted = 2,
}

impl Presence {
    /// What it is after one more entry.
    #[must_use]
    pub fn after(before: Option<Self>, kind: EntryKind) -> Self {
        match kind {
            EntryKind::Genesis => before.unwrap_or(Self::Unborn),
            EntryKind::Changes | EntryKind::Undeleted => Self::Present,
            EntryKind::Deleted => Self::Deleted,
            EntryKind::Epoch | EntryKind::Policy => before.unwrap_or(Self::Unborn),
        }
    }
}
