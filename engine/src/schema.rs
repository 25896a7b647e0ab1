//! Schema files: reading their texts, finding every mistake in them, and compiling them to
//! policies.
//!
//! A keyword that cannot be bound to a place in an entity is refused with its place and a reason,
//! so that nothing in a schema file is silently without effect, annotations aside.

#[cfg(feature = "whole-entity")]
mod beginnings;
mod bind;
mod compare;
mod compile;
mod constrain;
mod content;
mod demands;
mod disclosure;
mod doubts;
mod emit;
mod extension;
mod gather;
mod idle;
#[cfg(feature = "whole-entity")]
mod ids;
mod lengths;
mod list;
mod meta;
mod mistake;
#[cfg(feature = "whole-entity")]
mod name_patterns;
mod object;
mod satisfiable;
mod scalar;
mod sketch;
#[cfg(feature = "whole-entity")]
mod unbounded;
#[cfg(feature = "whole-entity")]
mod unmet;
mod unreachable;
mod vocabulary;

use std::fmt;

use crate::pointer::Pointer;

pub use compare::{Alteration, Difference, compare};
pub use compile::{compile, compile_all, compile_record, compile_under, compile_valid};
pub use demands::{Decided, Demand};
pub use doubts::{Doubt, doubtful_keywords};
pub use idle::{Idle, idle_keywords};
pub use meta::meta;
pub use mistake::Mistake;
pub use sketch::sketch;
#[cfg(feature = "whole-entity")]
pub use unbounded::unbounded_patterns;
#[cfg(feature = "whole-entity")]
pub use unmet::{Unmet, unmet_keywords};
pub use unreachable::Unreachable;

/// The text of a schema file and the name to call it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaSource {
    /// The name for messages: `team.json`.
    pub file: String,
    /// The content.
    pub text: String,
}

impl SchemaSource {
    /// A file of this name and content.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }
}

/// A mistake in a schema file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// The file.
    pub file: String,
    /// Where in the file.
    pub pointer: Pointer,
    /// Which sort of mistake it is; its code is stable.
    pub mistake: Mistake,
    /// What is wrong there and, where it can be guessed, what to write instead.
    pub reason: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_root() {
            write!(f, "{}: {}", self.file, self.reason)
        } else {
            write!(f, "{} at {}: {}", self.file, self.pointer, self.reason)
        }
    }
}

impl std::error::Error for SchemaError {}

/// The mistakes found so far.
#[derive(Debug, Default)]
struct Report {
    mistakes: Vec<(Pointer, String, Mistake)>,
}

impl Report {
    fn add(&mut self, mistake: Mistake, pointer: Pointer, reason: impl Into<String>) {
        let mistake = (pointer, reason.into(), mistake);
        // A definition that is used twice is looked at twice.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

#[cfg(test)]
mod tests;
