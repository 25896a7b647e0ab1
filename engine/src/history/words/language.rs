//! Sentences: every word that people read of a change, in each language, and how values look in it.
//! Titles and values stay as the schema and the authors wrote them.

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use super::place::Part;
use super::{Description, What, beside};
use crate::ledger::EntryKind;

/// A language to describe changes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// French.
    #[serde(rename = "fr")]
    French,
}

/// The text does not name a known language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the languages are en and fr")]
pub struct LanguageError;

impl FromStr for Language {
    type Err = LanguageError;

    /// By the first part of a tag such as `fr` or `fr-CH` (RFC 5646).
    fn from_str(tag: &str) -> Result<Self, LanguageError> {
        match tag.split(['-', '_']).next() {
            Some("en") => Ok(Self::English),
            Some("fr") => Ok(Self::French),
            _ => Err(LanguageError),
        }
    }
}

/// Characters of a value that a sentence shows.
const SHOWN_CHARS: usize = 80;

impl Language {
    /// The name of an entry's kind.
    #[must_use]
    pub fn kind(self, kind: EntryKind) -> &'static str {
        match (self, kind) {
            (Self::English, EntryKind::Genesis) => "prepared",
            (Self::English, EntryKind::Changes) => "edited",
            (Self::English, EntryKind::Deleted) => "deleted",
            (Self::English, EntryKind::Undeleted) => "brought back",
            (Self::English, EntryKind::Epoch) => "history begun anew",
            (Self::English, EntryKind::Policy) => "migrated to a new schema",
            (Self::French, EntryKind::Genesis) => "préparation",
            (Self::French, EntryKind::Changes) => "modification",
            (Self::French, EntryKind::Deleted) => "suppression",
            (Self::French, EntryKind::Undeleted) => "rétablissement",
            (Self::French, EntryKind::Epoch) => "nouveau départ de l’historique",
            (Self::French, EntryKind::Policy) => "passage à un nouveau schéma",
        }
    }

    pub(super) fn sentence(self, description: &Description) -> String {
        let path = |parts: &[Part]| self.path(parts);
        let whole = path(&description.path);
        let (item, list) = match description.path.split_last() {
            Some((item, list)) => (self.part(item), path(list)),
            None => (String::new(), String::new()),
        };
        match self {
            Self::English => self.english(&description.what, &whole, &item, &list),
            Self::French => self.french(&description.what, &whole, &item, &list),
        }
    }

    fn path(self, parts: &[Part]) -> String {
        let texts: Vec<String> = parts.iter().map(|part| self.part(part)).collect();
        texts.join(" › ")
    }

    fn english(self, what: &What, whole: &str, item: &str, list: &str) -> String {
        let value = |value: &Value| self.value(value);
        match what {
            What::Set { to } => format!("{whole} set to {}", value(to)),
            What::Cleared { from } => format!("{whole} cleared (was {})", value(from)),
            What::Changed { from, to } => {
                format!("{whole} changed from {} to {}", value(from), value(to))
            }
            What::Added { .. } => format!("{list}: {item} added"),
            What::Removed { .. } => format!("{list}: {item} removed"),
            What::Moved { from, to } => format!("{list}: {item} moved from place {from} to {to}"),
            What::Renamed { was, .. } => format!("{whole} has a new name (was {})", self.path(was)),
            What::Rewritten {
                removed,
                inserted,
                after,
            } => match (removed.is_empty(), inserted.is_empty()) {
                (false, false) => format!(
                    "{whole}: {} replaced by {}",
                    self.quoted(removed),
                    self.quoted(inserted)
                ),
                (false, true) => format!("{whole}: {} removed", self.quoted(removed)),
                (true, _) => {
                    let added = self.quoted(inserted);
                    let after = self.context(after.as_deref(), " at the beginning", " after ");
                    format!("{whole}: {added} added{after}")
                }
            },
            What::Beside(both) => beside::english(self, both, whole, (item, list)),
            What::Replaced { removed, inserted } => {
                let (gone, come) = (self.list(removed), self.list(inserted));
                match (removed.is_empty(), inserted.is_empty()) {
                    (false, false) => format!("{whole}: {gone} replaced by {come}"),
                    (false, true) => format!("{whole}: {gone} removed"),
                    (true, _) => format!("{whole}: {come} added"),
                }
            }
        }
    }

    /// Worded so that no title needs an article or an agreement.
    fn french(self, what: &What, whole: &str, item: &str, list: &str) -> String {
        let value = |value: &Value| self.value(value);
        let colon = "\u{a0}: ";
        match what {
            What::Set { to } => format!("{whole}{colon}{} (vide avant)", value(to)),
            What::Cleared { from } => format!("{whole}{colon}vide ({} avant)", value(from)),
            What::Changed { from, to } => {
                format!("{whole}{colon}{} devient {}", value(from), value(to))
            }
            What::Added { .. } => format!("{list}{colon}ajout, {item}"),
            What::Removed { .. } => format!("{list}{colon}suppression, {item}"),
            What::Moved { from, to } => {
                format!("{list}{colon}{item} passe de la place {from} à la place {to}")
            }
            What::Renamed { was, .. } => {
                format!("{whole}{colon}nouveau nom (auparavant {})", self.path(was))
            }
            What::Rewritten {
                removed,
                inserted,
                after,
            } => match (removed.is_empty(), inserted.is_empty()) {
                (false, false) => format!(
                    "{whole}{colon}{} devient {}",
                    self.quoted(removed),
                    self.quoted(inserted)
                ),
                (false, true) => format!("{whole}{colon}suppression de {}", self.quoted(removed)),
                (true, _) => {
                    let added = self.quoted(inserted);
                    let after = self.context(after.as_deref(), " au début", " après ");
                    format!("{whole}{colon}ajout de {added}{after}")
                }
            },
            What::Beside(both) => beside::french(self, both, whole, (item, list)),
            What::Replaced { removed, inserted } => {
                let (gone, come) = (self.list(removed), self.list(inserted));
                match (removed.is_empty(), inserted.is_empty()) {
                    (false, false) => format!("{whole}{colon}{gone} devient {come}"),
                    (false, true) => format!("{whole}{colon}suppression de {gone}"),
                    (true, _) => format!("{whole}{colon}ajout de {come}"),
                }
            }
        }
    }

    fn context(self, after: Option<&str>, beginning: &str, word: &str) -> String {
        match after {
            None => String::new(),
            Some("") => beginning.to_owned(),
            Some(text) => format!("{word}{}", self.quoted(text)),
        }
    }

    fn part(self, part: &Part) -> String {
        match part {
            Part::Field { title } => title.clone(),
            Part::Key { key } => self.quoted(key),
            Part::Item { id, position, name } => {
                let word = match self {
                    Self::English => "item",
                    Self::French => "élément",
                };
                let name = name.as_ref().map(|name| self.quoted(name));
                match (position, name) {
                    (Some(position), Some(name)) => format!("{word} {position} ({name})"),
                    (Some(position), None) => format!("{word} {position}"),
                    (None, Some(name)) => format!("{word} {name}"),
                    (None, None) => format!("{word} {id}"),
                }
            }
        }
    }

    fn list(self, values: &[Value]) -> String {
        let texts: Vec<String> = values.iter().map(|value| self.value(value)).collect();
        shortened(&texts.join(", "))
    }

    /// How a value looks.
    #[must_use]
    pub fn value(self, value: &Value) -> String {
        match (self, value) {
            (_, Value::String(text)) => self.quoted(text),
            (Self::English, Value::Null) => "nothing".to_owned(),
            (Self::French, Value::Null) => "rien".to_owned(),
            (Self::English, Value::Bool(true)) => "yes".to_owned(),
            (Self::English, Value::Bool(false)) => "no".to_owned(),
            (Self::French, Value::Bool(true)) => "oui".to_owned(),
            (Self::French, Value::Bool(false)) => "non".to_owned(),
            (Self::English, Value::Number(number)) => number.to_string(),
            (Self::French, Value::Number(number)) => number.to_string().replace('.', ","),
            (_, Value::Array(_) | Value::Object(_)) => shortened(&value.to_string()),
        }
    }

    fn quoted(self, text: &str) -> String {
        let text = shortened(text);
        match self {
            Self::English => format!("“{text}”"),
            Self::French => format!("«\u{a0}{text}\u{a0}»"),
        }
    }
}

/// The text on one line; a long one without its middle.
fn shortened(text: &str) -> String {
    let shown: Vec<char> = text
        .chars()
        .map(|character| if character == '\n' { '⏎' } else { character })
        .collect();
    if shown.len() <= SHOWN_CHARS {
        return shown.into_iter().collect();
    }
    let (head, tail) = (SHOWN_CHARS * 3 / 4, SHOWN_CHARS / 4);
    let ends = [&shown[..head], &['…'], &shown[shown.len() - tail..]];
    ends.concat().into_iter().collect()
}
