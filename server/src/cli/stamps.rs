//! Fields that nobody sets, since the server tells them from the log: when and by whom the entity was
//! made and changed.

use indelible_engine::history::{Credit, Place, State};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Shape, StampKind};
use serde_json::{Value, json};

use super::blame::credit;
use super::history::place;
use super::tables;
use crate::past::Past;

/// A stamp, and the entry that it is told from.
#[derive(Debug)]
pub(super) struct Stamped {
    kind: StampKind,
    value: Option<Value>,
    by: Credit,
}

impl Stamped {
    /// The stamp that a field is in the state after the entry at `at`; `None` where it is a field that
    /// people set, or none.
    pub(super) fn of(past: &Past, (at, state): (Place, &State), field: &Pointer) -> Option<Self> {
        let node = state.policy().find(field)?;
        let Shape::Stamp(kind) = state.policy().node(node).shape else {
            return None;
        };
        let mut upto = past.records().take_while(|record| record.place() <= at);
        let mut stamped = upto.by_ref().filter(|record| record.kind.is_stamped());
        let record = match kind {
            StampKind::CreatedAt | StampKind::CreatedBy => stamped.next(),
            StampKind::UpdatedAt | StampKind::UpdatedBy => stamped.last(),
        };
        let value = state.presented().pointer(&field.to_string()).cloned();
        Some(Self {
            kind,
            value,
            by: Credit::of(record.or_else(|| past.records().next())?),
        })
    }

    /// As a sentence.
    pub(super) fn sentence(&self, field: &Pointer) -> String {
        let what = match self.kind {
            StampKind::CreatedAt => "when it was created",
            StampKind::CreatedBy => "who created it",
            StampKind::UpdatedAt => "when it was last changed",
            StampKind::UpdatedBy => "who last changed it",
        };
        let value = self
            .value
            .as_ref()
            .map_or_else(String::new, |value| format!(": {value}"));
        format!(
            "nobody sets {}: the server tells there {what}{value}. That was in {}, by {} ({})",
            tables::plain(&field.to_string()),
            place((self.by.epoch, self.by.seq)),
            tables::plain(&self.by.author),
            tables::time(self.by.at),
        )
    }

    /// As one JSON object.
    pub(super) fn object(&self, field: &Pointer) -> Value {
        let pointer = field.to_string();
        json!({ "pointer": pointer, "value": self.value, "stamped": credit(&self.by) })
    }
}
