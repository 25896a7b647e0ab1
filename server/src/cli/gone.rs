//! What `indelible blame` says of a field that has no value.

use indelible_engine::history::Credit;
use indelible_engine::pointer::Pointer;
use serde_json::{Value, json};

use super::blame::credit;
use super::tables;
use crate::past::Gone;

impl Gone {
    /// As a sentence; `what` is what was asked about, `bound` up to where.
    pub(super) fn sentence(&self, field: &Pointer, what: &str, bound: &str) -> String {
        let text = |pointer: &Pointer| tables::plain(&pointer.to_string());
        let time = |by: &Credit| format!("{} ({})", by.place, tables::time(by.at));
        match self {
            Self::Removed(removed, by) => format!(
                "nobody has set {what}{bound} since {} removed {} in {}",
                tables::plain(&by.author),
                text(removed),
                time(by)
            ),
            Self::Migrated(removed, by) => format!(
                "nobody has set {what}{bound} since a change of the schema removed {} in {}",
                text(removed),
                time(by)
            ),
            Self::Renamed(name, by) => format!(
                "nobody has set {what}{bound} under this name; {} was {} until {}",
                text(name),
                text(field),
                by.place
            ),
            Self::Within(whole, by) => format!(
                "{} has been a part of {}, which is kept as one value, since {}{bound}",
                text(field),
                text(whole),
                time(by)
            ),
            Self::Dropped(by) => {
                format!(
                    "the schema has had no {} since {}{bound}",
                    text(field),
                    time(by)
                )
            }
        }
    }

    /// As one JSON object.
    pub(super) fn object(&self, field: &Pointer) -> Value {
        let (name, pointer, by) = match self {
            Self::Removed(pointer, by) | Self::Migrated(pointer, by) => {
                ("removed", Some(pointer), by)
            }
            Self::Renamed(pointer, by) => ("renamed", Some(pointer), by),
            Self::Within(pointer, by) => ("within", Some(pointer), by),
            Self::Dropped(by) => ("dropped", None, by),
        };
        let mut gone = credit(by);
        if let Some(pointer) = pointer {
            gone["pointer"] = pointer.to_string().into();
        }
        json!({ "pointer": field.to_string(), "value": null, name: gone })
    }
}
