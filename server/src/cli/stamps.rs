//! What `indelible blame` says of fields that the server derives from the log.

use indelible_engine::pointer::Pointer;
use indelible_engine::policy::StampKind;
use serde_json::{Value, json};

use super::blame::credit;
use super::tables;
use crate::past::Stamped;

impl Stamped {
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
            "nobody sets {}: the server shows there {what}{value}. That was in {}, by {} ({})",
            tables::plain(&field.to_string()),
            self.by.place,
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
