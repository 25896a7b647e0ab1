//! Why a change is refused: rules, violations, and the form in which they are sent and recorded.
//!
//! Invariant: every code here is stable once released, and documented in `docs/protocol.md`.

mod code;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::excerpt::{PLACE_CHARS_MAX, cut};
use crate::id::EntityId;
use crate::pointer::Pointer;

pub use code::{Recovery, RefusalCode};

/// The rule that a violation broke: one of the constants below, or a JSON Schema keyword.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(Cow<'static, str>);

impl Rule {
    /// The field may not be written by this principal's roles.
    pub const WRITE: Self = Self(Cow::Borrowed("write"));
    /// The field is written only when its object is made.
    pub const CREATE: Self = Self(Cow::Borrowed("create"));
    /// The field is written only by the system: the server, and roles that the kind names.
    pub const SYSTEM: Self = Self(Cow::Borrowed("system"));
    /// The field is derived from the ledger.
    pub const STAMP: Self = Self(Cow::Borrowed("stamp"));
    /// The field lives beside the document.
    pub const TALLY: Self = Self(Cow::Borrowed("tally"));
    /// A declared container is made once and never put, replaced or deleted.
    pub const CONTAINER: Self = Self(Cow::Borrowed("container"));
    /// A new item lacks a container, counter or position that its schema declares.
    pub const INCOMPLETE: Self = Self(Cow::Borrowed("incomplete"));
    /// Another entity of the kind has this value, which only one may have.
    pub const UNIQUE: Self = Self(Cow::Borrowed("unique"));
    /// Something with this name is there already.
    pub const EXISTS: Self = Self(Cow::Borrowed("exists"));
    /// The schema declares no such field.
    pub const UNKNOWN_FIELD: Self = Self(Cow::Borrowed("unknown-field"));
    /// The list never held an item with this id.
    pub const UNKNOWN_ITEM: Self = Self(Cow::Borrowed("unknown-item"));
    /// The key of an item is its identity and cannot be written.
    pub const KEY: Self = Self(Cow::Borrowed("key"));
    /// The name of an item or map entry is not well-formed.
    pub const NAME: Self = Self(Cow::Borrowed("name"));
    /// A position in a keyed list is not well-formed.
    pub const POSITION: Self = Self(Cow::Borrowed("position"));
    /// Deleting or undeleting needs the right to write every field of the item.
    pub const DELETE: Self = Self(Cow::Borrowed("delete"));
    /// Counters change by increments only, and do not overflow.
    pub const COUNTER: Self = Self(Cow::Borrowed("counter"));
    /// Text elements are single Unicode scalars, without marks, blocks or objects.
    pub const TEXT: Self = Self(Cow::Borrowed("text"));
    /// The field is one value that is replaced as a whole, in canonical form.
    pub const ATOMIC: Self = Self(Cow::Borrowed("atomic"));
    /// The value has the wrong type.
    pub const TYPE: Self = Self(Cow::Borrowed("type"));
    /// The value is nested deeper than any may be.
    pub const NESTING: Self = Self(Cow::Borrowed("nesting"));

    /// The rule behind a JSON Schema keyword (`maxLength`, `pattern`, …).
    #[must_use]
    pub fn keyword(keyword: &str) -> Self {
        Self(Cow::Owned(keyword.to_owned()))
    }

    /// The rule's stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// More faults of one change, or of one value, than this are not reported one by one.
pub(crate) const VIOLATIONS_MAX: usize = 100;

/// One reason why one change is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Index of the change in its proposal.
    pub change: usize,
    /// Indices of the operations at fault; empty for the whole change.
    pub ops: Vec<usize>,
    /// Where; items of keyed lists are named by their ids.
    pub pointer: Pointer,
    /// Which rule.
    pub rule: Rule,
    /// What was tried, where it is a value.
    pub attempted: Option<Value>,
    /// The current value.
    pub kept: Option<Value>,
    /// Who has the value that only one may have, as far as the author may know.
    pub holder: Option<EntityId>,
    /// What the schema states with the keyword that is the rule.
    pub bound: Option<Value>,
    /// The reason in a sentence, for people.
    pub message: String,
}

/// The reason as a full sentence: it names the field too.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sentence(&self.pointer, &self.message))
    }
}

/// A message of a violation as a full sentence: `name must be …`,
/// `/links/a/url: …`.
pub(crate) fn sentence(pointer: &Pointer, message: &str) -> String {
    /// How messages begin that have the field for their subject.
    const PREDICATES: [&str; 6] = ["breaks ", "does ", "has ", "holds ", "is ", "must "];
    let text = pointer.to_string();
    let text = cut(&text, PLACE_CHARS_MAX);
    let name = match text.strip_prefix('/') {
        None if message.starts_with("must ") => "the entity",
        None => return message.to_owned(),
        Some(name) if !name.contains(['/', '~']) => name,
        Some(_) => &text,
    };
    match PREDICATES.iter().any(|word| message.starts_with(word)) {
        true => format!("{name} {message}"),
        false => format!("{name}: {message}"),
    }
}

/// Why a proposal, or its rest, was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// At which step it failed.
    pub code: RefusalCode,
    /// How many changes of the proposal were admitted before the refused one.
    pub admitted: usize,
    /// What was wrong; never empty.
    pub violations: Vec<Violation>,
}

impl Refusal {
    /// A refusal for one fault in the structure or the references of a change.
    #[must_use]
    pub fn structural(code: RefusalCode, change: usize, message: String) -> Self {
        let violation = Violation {
            change,
            ops: Vec::new(),
            pointer: Pointer::root(),
            rule: Rule::keyword(code.code()),
            attempted: None,
            kept: None,
            holder: None,
            bound: None,
            message,
        };
        Self {
            code,
            admitted: change,
            violations: vec![violation],
        }
    }

    /// A refusal by policy.
    #[must_use]
    pub fn policy(change: usize, violations: Vec<Violation>) -> Self {
        Self {
            code: RefusalCode::Policy,
            admitted: change,
            violations,
        }
    }

    /// What a PUT tried at protected fields, to be recorded. `admitted`: how many changes were.
    #[must_use]
    pub fn preserved(admitted: usize, violations: Vec<Violation>) -> Self {
        Self {
            code: RefusalCode::Preserved,
            admitted,
            violations,
        }
    }
}

/// Which operations broke which rule, where, and the current value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViolationReport {
    /// Which change of the proposal, from 0.
    pub change: u32,
    /// Which operations of that change, from 0. Empty: the change as a whole.
    pub ops: Vec<u32>,
    /// Where, with the ids of items in keyed lists.
    pub pointer: Pointer,
    /// The stable code of the rule.
    pub rule: String,
    /// What was tried, as JSON text, as far as the author may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted: Option<String>,
    /// The current value as JSON text, as far as the author may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Which entity has the value that only one of its kind may have, as far as the author may read
    /// it. Not in the ledger, whose readers may be others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<EntityId>,
    /// What the schema states with the keyword that is the rule, as JSON text: the number of
    /// `maxLength`, the values of `enum`, the names of the types. Not in the ledger, whose policies
    /// say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// A sentence for people.
    pub message: String,
}

impl ViolationReport {
    /// The reason as a full sentence, as [`Violation`] is displayed.
    #[must_use]
    pub fn sentence(&self) -> String {
        sentence(&self.pointer, &self.message)
    }
}

impl From<&Violation> for ViolationReport {
    fn from(violation: &Violation) -> Self {
        let index = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            change: index(violation.change),
            ops: violation.ops.iter().map(|&op| index(op)).collect(),
            pointer: violation.pointer.clone(),
            rule: violation.rule.code().to_owned(),
            attempted: violation.attempted.as_ref().map(Value::to_string),
            kept: violation.kept.as_ref().map(Value::to_string),
            holder: violation.holder.clone(),
            bound: violation.bound.as_ref().map(Value::to_string),
            message: violation.message.clone(),
        }
    }
}
