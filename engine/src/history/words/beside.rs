//! Describes writes that were made at the same time.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Description, Language, What, place};
use crate::conflicts::{Conflict, Outcome};
use crate::document::{DELETED, POSITION};
use crate::policy::{Policy, Presented};

/// A write that was made at the same time as another one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beside {
    /// What both wrote.
    pub subject: Subject,
    /// Whose write is the current one.
    pub outcome: Outcome,
    /// What the entry wrote; absent where it removed, deleted or moved something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrote: Option<Value>,
    /// What the other author wrote; absent in the same case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Value>,
    /// Who that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What was written by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A field's value.
    Value,
    /// The place of an item in its list.
    Place,
    /// Whether an item is deleted.
    Deletion,
    /// A field in an item that one of both authors deleted.
    Within,
    /// The place of an item that one of both authors deleted.
    PlaceOfDeleted,
}

/// Describes the conflicts of an entry. `value` is the entity's value (without stamps) after it, as
/// far as it is known.
#[must_use]
pub fn describe_conflicts(
    policy: &Policy,
    conflicts: &[Conflict],
    value: Option<&Map<String, Value>>,
) -> Vec<Description> {
    let mut value = value.map(|value| Presented::new(policy, value));
    let each = conflicts.iter().map(|conflict| {
        let last = conflict.pointer.last();
        let subject = match (last, &conflict.removed) {
            (Some(POSITION), Some(_)) => Subject::PlaceOfDeleted,
            (Some(POSITION), None) => Subject::Place,
            (_, Some(_)) => Subject::Within,
            (Some(DELETED), None) => Subject::Deletion,
            _ => Subject::Value,
        };
        let field = match conflict.pointer.parent() {
            Some(item) if last.is_some_and(|last| last.starts_with('$')) => item,
            _ => conflict.pointer.clone(),
        };
        let known = value.as_mut().map(|value| value as &mut dyn place::Known);
        Description {
            path: place::path(policy, &field, known, None),
            pointer: conflict.pointer.clone(),
            what: What::Beside(Beside {
                subject,
                outcome: conflict.outcome,
                wrote: conflict.wrote.clone(),
                other: conflict.other.clone(),
                by: conflict.by.clone(),
            }),
        }
    });
    each.collect()
}

pub(super) fn english(
    language: Language,
    beside: &Beside,
    whole: &str,
    (item, list): (&str, &str),
) -> String {
    let by = beside.by.as_ref();
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    let end = match beside.outcome {
        Outcome::Lost => "which stands",
        Outcome::Replaced => "which it replaced",
    };
    let value = |value: &Value| language.value(value);
    let wrote = |nothing: &str| match &beside.wrote {
        Some(wrote) => format!("wrote {}", value(wrote)),
        None => nothing.to_owned(),
    };
    match (beside.subject, beside.outcome) {
        (Subject::Value, _) => {
            let wrote = wrote("cleared");
            let other = beside.other.as_ref();
            let other = other.map_or_else(|| "a removal".to_owned(), value);
            format!("{whole}: {wrote} beside {other}{by}, {end}")
        }
        (Subject::Place, _) => format!("{list}: {item} moved beside another move{by}, {end}"),
        (Subject::Deletion, _) => {
            let (wrote, other) = match beside.wrote == Some(Value::Bool(true)) {
                true => ("deleted", "its return"),
                false => ("brought back", "a deletion"),
            };
            format!("{list}: {item} {wrote} beside {other}{by}, {end}")
        }
        (Subject::Within, Outcome::Lost) => {
            let wrote = wrote("changed");
            format!("{whole}: {wrote} beside the deletion of the item{by}, {end}")
        }
        (Subject::Within, Outcome::Replaced) => {
            let other = beside.other.as_ref().map(value).unwrap_or_default();
            format!("{whole}: deleted the item beside {other}{by}, {end}")
        }
        (Subject::PlaceOfDeleted, Outcome::Lost) => {
            format!("{list}: {item} moved beside its deletion{by}, {end}")
        }
        (Subject::PlaceOfDeleted, Outcome::Replaced) => {
            format!("{list}: {item} deleted beside a move{by}, {end}")
        }
    }
}

/// Worded so that no title needs an article or an agreement.
pub(super) fn french(
    language: Language,
    beside: &Beside,
    whole: &str,
    (item, list): (&str, &str),
) -> String {
    let by = beside.by.as_ref();
    let by = by.map_or_else(String::new, |by| format!(" ({by})"));
    let end = match beside.outcome {
        Outcome::Lost => "qui reste",
        Outcome::Replaced => "qui est remplacé",
    };
    let value = |value: &Value| language.value(value);
    let wrote = |nothing: &str| {
        beside
            .wrote
            .as_ref()
            .map_or_else(|| nothing.to_owned(), value)
    };
    let colon = "\u{a0}: ";
    match (beside.subject, beside.outcome) {
        (Subject::Value, _) => {
            let wrote = wrote("suppression");
            let other = match &beside.other {
                Some(other) => format!("que {}", value(other)),
                None => "qu’un retrait".to_owned(),
            };
            format!("{whole}{colon}{wrote} en même temps {other}{by}, {end}")
        }
        (Subject::Place, _) => {
            format!("{list}{colon}{item}, déplacement en même temps qu’un autre{by}, {end}")
        }
        (Subject::Deletion, _) => {
            let (wrote, other) = match beside.wrote == Some(Value::Bool(true)) {
                true => ("suppression", "un rétablissement"),
                false => ("rétablissement", "un retrait"),
            };
            format!("{list}{colon}{item}, {wrote} en même temps qu’{other}{by}, {end}")
        }
        (Subject::Within, Outcome::Lost) => {
            let wrote = wrote("modification");
            format!("{whole}{colon}{wrote} en même temps qu’un retrait de l’élément{by}, {end}")
        }
        (Subject::Within, Outcome::Replaced) => {
            let other = beside.other.as_ref().map(value).unwrap_or_default();
            format!("{whole}{colon}retrait de l’élément en même temps que {other}{by}, {end}")
        }
        (Subject::PlaceOfDeleted, Outcome::Lost) => {
            format!("{list}{colon}{item}, déplacement en même temps que son retrait{by}, {end}")
        }
        (Subject::PlaceOfDeleted, Outcome::Replaced) => {
            format!("{list}{colon}{item}, retrait en même temps qu’un déplacement{by}, {end}")
        }
    }
}
