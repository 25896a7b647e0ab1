//! Why a field has no value: who removed it, or where it went.

use indelible_engine::history::{Credit, Later};
use indelible_engine::id::LogPlace;
use indelible_engine::ledger::EntryKind;
use indelible_engine::pointer::Pointer;

use super::{HistoryError, Past};

/// Why nothing is at a field.
#[derive(Debug)]
pub(crate) enum Gone {
    /// An entry removed this.
    Removed(Pointer, Credit),
    /// A change of the schema removed this.
    Migrated(Pointer, Credit),
    /// It has this name since.
    Renamed(Pointer, Credit),
    /// It is a part of this value since.
    Within(Pointer, Credit),
    /// The schema does not have it any more.
    Dropped(Credit),
}

impl Past {
    /// Why nothing is at a field after the entry at `place`; `None` where nothing ever was.
    ///
    /// # Errors
    /// [`HistoryError`] when the records do not lead there, or a policy is not known.
    pub(crate) fn gone(&self, at: LogPlace, field: &Pointer) -> Result<Option<Gone>, HistoryError> {
        let by = |at: LogPlace| self.record(at).map(Credit::of);
        let removal = self.removal(at, field)?;
        let later = self.later_name(at, field)?;
        let removed = removal.as_ref().map(|(record, _)| record.place());
        if let Some((at, later)) = later.filter(|(at, _)| Some(*at) >= removed) {
            return Ok(by(at).map(|by| match later {
                Later::Named(name) => Gone::Renamed(name, by),
                Later::Within(whole) => Gone::Within(whole, by),
                Later::Gone => Gone::Dropped(by),
            }));
        }
        Ok(removal.map(|(record, pointer)| match record.kind {
            EntryKind::Policy => Gone::Migrated(pointer, Credit::of(record)),
            _ => Gone::Removed(pointer, Credit::of(record)),
        }))
    }
}
