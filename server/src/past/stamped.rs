//! Fields that the server derives from the log instead of anyone setting them: when and by whom the entity
//! was made and changed.

use indelible_engine::history::{Credit, State};
use indelible_engine::id::LogPlace;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Shape, StampKind};
use serde_json::Value;

use super::Past;

/// A stamp, and the entry that it is derived from.
#[derive(Debug)]
pub(crate) struct Stamped {
    /// Which stamp.
    pub(crate) kind: StampKind,
    /// Its value.
    pub(crate) value: Option<Value>,
    /// The entry.
    pub(crate) by: Credit,
}

impl Past {
    /// The stamp that a field is in the state after the entry at `at`; `None` where it is a field that
    /// people set, or not a field.
    pub(crate) fn stamped(
        &self,
        (at, state): (LogPlace, &State),
        field: &Pointer,
    ) -> Option<Stamped> {
        let node = state.policy().find(field)?;
        let Shape::Stamp(kind) = state.policy().node(node).shape else {
            return None;
        };
        let mut upto = self.records().take_while(|record| record.place() <= at);
        let mut stamped = upto.by_ref().filter(|record| record.kind.is_stamped());
        let record = match kind {
            StampKind::CreatedAt | StampKind::CreatedBy => stamped.next(),
            StampKind::UpdatedAt | StampKind::UpdatedBy => stamped.last(),
        };
        let value = state.presented().pointer(&field.to_string()).cloned();
        Some(Stamped {
            kind,
            value,
            by: Credit::of(record.or_else(|| self.records().next())?),
        })
    }
}
