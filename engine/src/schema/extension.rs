//! The words of our keyword `x-indelible`.
//!
//! After [`check`] without a mistake, every word is known, is where it may be (at the root or at a
//! field) and has a value of its form; the readers here rely on that.

use serde_json::{Map, Value};

use super::vocabulary::{EXTENSION, choice, suggested};
use super::{Mistake, Report};
use crate::id::{Kind, check_map_key};
use crate::near::nearest;
use crate::pointer::Pointer;
use crate::policy::{Permissions, Roles, StampKind, WriteRule};
use crate::principal::ROLE_PUBLIC;

pub(super) const ROOT_WORDS: [&str; 9] = [
    "kind",
    "singleton",
    "read",
    "create",
    "edit",
    "delete",
    "history",
    "restore",
    "system",
];
pub(super) const FIELD_WORDS: [&str; 11] = [
    "write", "narrowed", "read", "merge", "key", "stamp", "tally", "delete", "unique", "index",
    "was",
];

pub(super) const ROLE_BYTES_MAX: usize = 64;

/// How a value merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    Register,
    Counter,
    Text,
    List,
    Keyed,
    Atomic,
}

impl Merge {
    pub(super) const WORDS: [(&'static str, Self); 6] = [
        ("register", Self::Register),
        ("counter", Self::Counter),
        ("text", Self::Text),
        ("list", Self::List),
        ("keyed", Self::Keyed),
        ("atomic", Self::Atomic),
    ];
}

/// What becomes of the values of a field when fewer may write it than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Narrowed {
    Keep,
    Drop,
}

impl Narrowed {
    pub(super) const WORDS: [(&'static str, Self); 2] =
        [("keep", Self::Keep), ("drop", Self::Drop)];
}

/// What the root says about the kind.
pub(super) struct KindMarks {
    pub(super) name: Option<Kind>,
    pub(super) singleton: bool,
    pub(super) permissions: Permissions,
}

/// A word's value and its place.
#[derive(Debug, Clone)]
pub(super) struct Word<T> {
    pub(super) value: T,
    pub(super) at: Pointer,
}

/// What a field says about itself.
#[derive(Debug, Default)]
pub(super) struct Extension {
    pub(super) write: Option<Word<WriteRule>>,
    pub(super) narrowed: Option<Word<Narrowed>>,
    pub(super) read: Option<Word<Roles>>,
    pub(super) merge: Option<Word<Merge>>,
    pub(super) key: Option<Word<String>>,
    pub(super) stamp: Option<Word<StampKind>>,
    pub(super) tally: Option<Word<()>>,
    pub(super) delete: Option<Word<Roles>>,
    pub(super) unique: Option<Word<()>>,
    pub(super) index: Option<Word<()>>,
    pub(super) was: Option<Word<String>>,
    pub(super) read_only: Option<Pointer>,
}

impl Extension {
    /// The words that are there, with their places.
    pub(super) fn words(&self) -> Vec<(&'static str, &Pointer)> {
        fn place<T>(word: Option<&Word<T>>) -> Option<&Pointer> {
            word.map(|word| &word.at)
        }
        let words = [
            ("write", place(self.write.as_ref())),
            ("narrowed", place(self.narrowed.as_ref())),
            ("read", place(self.read.as_ref())),
            ("merge", place(self.merge.as_ref())),
            ("key", place(self.key.as_ref())),
            ("stamp", place(self.stamp.as_ref())),
            ("tally", place(self.tally.as_ref())),
            ("delete", place(self.delete.as_ref())),
            ("unique", place(self.unique.as_ref())),
            ("index", place(self.index.as_ref())),
            ("was", place(self.was.as_ref())),
        ];
        words
            .into_iter()
            .filter_map(|(word, at)| at.map(|at| (word, at)))
            .collect()
    }

    /// Adds what one schema says; several may apply to one field (`$ref`, `allOf`).
    pub(super) fn add(&mut self, schema: &Map<String, Value>, at: &Pointer, report: &mut Report) {
        if schema.get("readOnly") == Some(&Value::Bool(true)) {
            self.read_only = Some(at.child("readOnly"));
        }
        let Some(words) = schema.get(EXTENSION).and_then(Value::as_object) else {
            return;
        };
        let at = at.child(EXTENSION);
        let mut reader = Reader { words, at, report };
        reader.take("write", &mut self.write, write_rule);
        reader.take("narrowed", &mut self.narrowed, |value| {
            named(&Narrowed::WORDS, value)
        });
        reader.take("read", &mut self.read, |value| roles(value).ok());
        reader.take("merge", &mut self.merge, |value| {
            named(&Merge::WORDS, value)
        });
        reader.take("key", &mut self.key, property_name);
        reader.take("stamp", &mut self.stamp, |value| {
            StampKind::named(value.as_str()?)
        });
        reader.take("tally", &mut self.tally, when_true);
        reader.take("delete", &mut self.delete, |value| roles(value).ok());
        reader.take("unique", &mut self.unique, when_true);
        reader.take("index", &mut self.index, when_true);
        reader.take("was", &mut self.was, property_name);
    }
}

struct Reader<'a> {
    words: &'a Map<String, Value>,
    at: Pointer,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn take<T: PartialEq>(
        &mut self,
        word: &str,
        into: &mut Option<Word<T>>,
        read: impl FnOnce(&Value) -> Option<T>,
    ) {
        let Some(value) = self.words.get(word).and_then(read) else {
            return;
        };
        let at = self.at.child(word);
        match into {
            Some(stated) if stated.value != value => self.report.add(
                Mistake::Contradiction,
                at,
                format!("contradicts what {} says about the same field", stated.at),
            ),
            Some(_) => {}
            None => *into = Some(Word { value, at }),
        }
    }
}

fn named<T: Copy>(words: &[(&str, T)], value: &Value) -> Option<T> {
    let word = value.as_str()?;
    words
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, meaning)| *meaning)
}

fn when_true(value: &Value) -> Option<()> {
    (value == &Value::Bool(true)).then_some(())
}

fn property_name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    check_map_key(name).ok().map(|()| name.to_owned())
}

fn write_rule(value: &Value) -> Option<WriteRule> {
    match value.as_str() {
        Some("edit") => Some(WriteRule::Edit),
        Some("create") => Some(WriteRule::Create),
        Some("system") => Some(WriteRule::System),
        Some(_) => None,
        None => roles(value).ok().map(WriteRule::Roles),
    }
}

fn roles(value: &Value) -> Result<Roles, String> {
    let names = match value {
        Value::Array(names) => names,
        Value::String(name) => return Err(format!("must be a list of roles, such as [{name:?}]")),
        _ => return Err("must be a list of roles, such as [\"editor\"]".to_owned()),
    };
    let mut roles = Roles::new();
    for name in names {
        let name = name.as_str().ok_or("a role must be a string")?;
        let good = (1..=ROLE_BYTES_MAX).contains(&name.len())
            && !name.contains(|c: char| c.is_whitespace() || c.is_control());
        if !good {
            return Err(format!(
                "{name:?} cannot be a role: roles are 1 to {ROLE_BYTES_MAX} bytes without spaces"
            ));
        }
        if name == "system" {
            return Err("system is not a role: the server may do everything anyway".to_owned());
        }
        if !roles.insert(name.to_owned()) {
            return Err(format!("names {name:?} twice"));
        }
    }
    Ok(roles)
}

/// Checks the words in one place.
pub(super) fn check(value: &Value, at: &Pointer, report: &mut Report) {
    let Some(words) = value.as_object() else {
        report.add(Mistake::Value, at.clone(), "must be an object");
        return;
    };
    let on_root = at.parent().is_some_and(|schema| schema.is_root());
    let known: &[&str] = if on_root { &ROOT_WORDS } else { &FIELD_WORDS };
    for (word, value) in words {
        if known.contains(&word.as_str()) {
            let checked = if on_root {
                check_root_word(word, value)
            } else {
                check_field_word(word, value)
            };
            if let Err(reason) = checked {
                report.add(Mistake::Value, at.child(word), reason);
            }
        } else {
            report.add(Mistake::UnknownWord, at.child(word), unknown(word, on_root));
        }
    }
}

/// Whether a keyword of a schema is one of our words, which has no effect beside `x-indelible`.
/// (Some were free before they became words, so schemas may use them as annotations.)
pub(super) fn is_word(keyword: &str) -> bool {
    let known = ROOT_WORDS.contains(&keyword) || FIELD_WORDS.contains(&keyword);
    known && !["system", "narrowed"].contains(&keyword)
}

fn unknown(word: &str, on_root: bool) -> String {
    let (known, other, place) = if on_root {
        (&ROOT_WORDS[..], &FIELD_WORDS[..], "a field, not the root")
    } else {
        (&FIELD_WORDS[..], &ROOT_WORDS[..], "the root, not a field")
    };
    if other.contains(&word) {
        return format!("{word:?} belongs on {place}");
    }
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("unknown word {word:?}; is it {meant:?}?"),
        None => format!("unknown word {word:?}; known here: {}", known.join(", ")),
    }
}

fn check_root_word(word: &str, value: &Value) -> Result<(), String> {
    match word {
        "kind" => match value.as_str() {
            Some(name) => Kind::new(name).map(|_| ()).map_err(|e| e.to_string()),
            None => Err("must be a string".to_owned()),
        },
        "singleton" => flag(value),
        "system" => check_system(value),
        _ => roles(value).map(|_| ()),
    }
}

fn check_field_word(word: &str, value: &Value) -> Result<(), String> {
    match word {
        "write" => check_write(value),
        "read" | "delete" => roles(value).map(|_| ()),
        "merge" => one_of(&Merge::WORDS, value),
        "narrowed" => one_of(&Narrowed::WORDS, value),
        "stamp" => one_of(&StampKind::ALL, value),
        "key" | "was" => match value.as_str() {
            Some(name) => check_map_key(name).map_err(|_| {
                "must be the name of a property: 1 to 128 bytes, not beginning with $".to_owned()
            }),
            None => Err("must be the name of a property".to_owned()),
        },
        _ => flag(value),
    }
}

/// The fields that the system writes are protected from everyone: a role that everyone has would
/// open them.
fn check_system(value: &Value) -> Result<(), String> {
    match roles(value)?.contains(ROLE_PUBLIC) {
        true => Err("cannot be given to public: name the roles of the services that write".into()),
        false => Ok(()),
    }
}

fn check_write(value: &Value) -> Result<(), String> {
    match value.as_str() {
        Some("edit" | "create" | "system") => Ok(()),
        Some(other) => Err(format!(
            "must be \"edit\", \"create\", \"system\" or a list of roles, such as [{other:?}]{}",
            suggested(other, ["edit", "create", "system"])
        )),
        None => {
            if roles(value)?.is_empty() {
                return Err("names nobody; write \"system\" for fields that nobody edits".into());
            }
            Ok(())
        }
    }
}

fn flag(value: &Value) -> Result<(), String> {
    match value {
        Value::Bool(_) => Ok(()),
        _ => Err("must be true or false".to_owned()),
    }
}

fn one_of<T: Copy>(words: &[(&str, T)], value: &Value) -> Result<(), String> {
    if named(words, value).is_some() {
        return Ok(());
    }
    let names = words.iter().map(|(name, _)| *name);
    Err(format!("must be {}", choice(value, names)))
}

/// What the root says about the kind; none when it says nothing that can be read.
pub(super) fn kind(schema: &Value, report: &mut Report) -> Option<KindMarks> {
    let at = Pointer::root().child(EXTENSION);
    let Some(words) = schema.get(EXTENSION).and_then(Value::as_object) else {
        if schema.is_object() && schema.get(EXTENSION).is_none() {
            let reason = "the root must say which kind this is: \"x-indelible\": {\"kind\": …}";
            report.add(Mistake::Kind, Pointer::root(), reason);
        }
        return None;
    };
    if !words.contains_key("kind") {
        report.add(
            Mistake::Kind,
            at.clone(),
            "must say which kind this is: \"kind\": …",
        );
    }
    let permitted = |word| {
        words
            .get(word)
            .and_then(|v| roles(v).ok())
            .unwrap_or_default()
    };
    let singleton = words.get("singleton") == Some(&Value::Bool(true));
    for word in ["create", "delete"] {
        if singleton && words.contains_key(word) {
            let reason = "the entity of a singleton always exists; it cannot be created or deleted";
            report.add(Mistake::Kind, at.child(word), reason);
        }
    }
    Some(KindMarks {
        name: words
            .get("kind")
            .and_then(Value::as_str)
            .and_then(|name| Kind::new(name).ok()),
        singleton,
        permissions: Permissions {
            read: permitted("read"),
            create: permitted("create"),
            edit: permitted("edit"),
            delete: permitted("delete"),
            history: permitted("history"),
            restore: permitted("restore"),
            system: permitted("system"),
        },
    })
}
