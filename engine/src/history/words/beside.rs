//! Writes made at the same time, in words.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Language, Telling, What, place};
use crate::conflicts::{Conflict, Outcome};
use crate::document::{DELETED, POSITION};
use crate::policy::{Policy, Presented};

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
    /// A field in an item that the other author deleted.
    Within,
}

/// Describes the conflicts of an entry. `value` is the entity's value (without stamps) after it, as
/// far as it is known.
#[must_use]
pub fn describe_conflicts(
    policy: &Policy,
    conflicts: &[Conflict],
    value: Option<&Map<String, Value>>,
) -> Vec<Telling> {
    let mut value = value.map(|value| Presented::new(policy, value));
    let each = conflicts.iter().map(|conflict| {
        let last = conflict.pointer.last();
        let subject = match last {
            _ if conflict.removed.is_some() => Subject::Within,
            Some(POSITION) => Subject::Place,
            Some(DELETED) => Subject::Deletion,
            _ => Subject::Value,
        };
        let field = match conflict.pointer.parent() {
            Some(item) if last.is_some_and(|last| last.starts_with('$')) => item,
            _ => conflict.pointer.clone(),
        };
        let known = value.as_mut().map(|value| value as &mut dyn place::Known);
        Telling {
            path: place::path(policy, &field, known, None),
            pointer: conflict.pointer.clone(),
            what: What::Beside {
                subject,
                outcome: conflict.outcome,
                wrote: conflict.wrote.clone(),
                other: conflict.other.clone(),
                by: conflict.by.clone(),
            },
        }
    });
    each.collect()
}

pub(super) fn english(
    language: Language,
    what: &What,
    whole: &str,
    (item, list): (&str, &str),
) -> String {
    let What::Beside {
        subject,
        outcome,
        wrote,
        other,
        by,
    } = what
    else {
        return String::new();
    };
    let by = by
        .as_ref()
        .map_or_else(String::new, |by| format!(" by {by}"));
    let end = match outcome {
        Outcome::Lost => "which stands",
        Outcome::Replaced => "which it replaced",
    };
    let value = |value: &Value| language.value(value);
    match subject {
        Subject::Value => {
            let wrote = wrote.as_ref().map_or_else(
                || "cleared".to_owned(),
                |wrote| format!("wrote {}", value(wrote)),
            );
            let other = other.as_ref().map_or_else(|| "a removal".to_owned(), value);
            format!("{whole}: {wrote} beside {other}{by}, {end}")
        }
        Subject::Place => format!("{list}: {item} moved beside another move{by}, {end}"),
        Subject::Deletion => {
            let (wrote, other) = match wrote == &Some(Value::Bool(true)) {
                true => ("deleted", "its return"),
                false => ("brought back", "a deletion"),
            };
            format!("{list}: {item} {wrote} beside {other}{by}, {end}")
        }
        Subject::Within => match outcome {
            Outcome::Lost => {
                let wrote = wrote.as_ref().map_or_else(
                    || "changed".to_owned(),
                    |wrote| format!("wrote {}", value(wrote)),
                );
                format!("{whole}: {wrote} beside the deletion of the item{by}, {end}")
            }
            Outcome::Replaced => {
                let other = other.as_ref().map(value).unwrap_or_default();
                format!("{whole}: deleted the item beside {other}{by}, {end}")
            }
        },
    }
}

/// Worded so that no title needs an article or an agreement.
pub(super) fn french(
    language: Language,
    what: &What,
    whole: &str,
    (item, list): (&str, &str),
) -> String {
    let What::Beside {
        subject,
        outcome,
        wrote,
        other,
        by,
    } = what
    else {
        return String::new();
    };
    let by = by
        .as_ref()
        .map_or_else(String::new, |by| format!(" ({by})"));
    let end = match outcome {
        Outcome::Lost => "qui reste",
        Outcome::Replaced => "qui est remplacé",
    };
    let value = |value: &Value| language.value(value);
    let colon = "\u{a0}: ";
    match subject {
        Subject::Value => {
            let wrote = wrote
                .as_ref()
                .map_or_else(|| "suppression".to_owned(), value);
            let other = other.as_ref().map_or_else(|| "un vide".to_owned(), value);
            format!("{whole}{colon}{wrote} en même temps que {other}{by}, {end}")
        }
        Subject::Place => {
            format!("{list}{colon}{item}, déplacement en même temps qu’un autre{by}, {end}")
        }
        Subject::Deletion => {
            let (wrote, other) = match wrote == &Some(Value::Bool(true)) {
                true => ("suppression", "un rétablissement"),
                false => ("rétablissement", "un retrait"),
            };
            format!("{list}{colon}{item}, {wrote} en même temps qu’{other}{by}, {end}")
        }
        Subject::Within => match outcome {
            Outcome::Lost => {
                let wrote = wrote
                    .as_ref()
                    .map_or_else(|| "modification".to_owned(), value);
                format!("{whole}{colon}{wrote} en même temps qu’un retrait de l’élément{by}, {end}")
            }
            Outcome::Replaced => {
                let other = other.as_ref().map(value).unwrap_or_default();
                format!("{whole}{colon}retrait de l’élément en même temps que {other}{by}, {end}")
            }
        },
    }
}
