//! Why a call to a session fails.
//!
//! Invariant: nothing was applied or sent by a call that failed.

use serde::Serialize;
use serde_json::{Value, json};

use crate::event::ViolationView;

/// Why a call to a session fails.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The edit breaks rules of the policy.
    #[error("{}", policy_message(.0))]
    Policy(Vec<ViolationView>),
    /// The name of an entity or kind is not well-formed.
    #[error("{0}")]
    Name(String),
    /// The entity is not open.
    #[error("{0} is not open")]
    NotOpen(String),
    /// The entity has no value yet.
    #[error("{0} has no value yet")]
    NotReady(String),
    /// The entity is followed as a value, which cannot be edited.
    #[error(
        "{0} is open in value mode, because you lack the permission \"history\" on its kind or may \
         not read all of its fields: edit it over HTTP (PUT /api/{0})"
    )]
    ValueMode(String),
    /// The value is not JSON.
    #[error("the value is not JSON: {0}")]
    Json(String),
    /// The edit or value is bigger than the server takes.
    #[error("{bytes} bytes are more than the {max} that the server takes at once")]
    TooBig {
        /// How big it is.
        bytes: usize,
        /// How big it may be.
        max: usize,
    },
    /// The base of an edit is too old or of another life of the replica.
    #[error("the value that the edit is based on is not known any more")]
    UnknownBase,
    /// Nothing of ours lost against another value at this field.
    #[error("there is no conflict at {0}")]
    NoConflict(String),
    /// What was dropped is no value of its own that could be written again.
    #[error("{0} holds nothing that can be brought back")]
    NothingToBringBack(String),
    /// The edit cannot be written into the document.
    #[error("{0}")]
    Document(String),
}

fn policy_message(violations: &[ViolationView]) -> String {
    match violations {
        [] => "the edit was refused".to_owned(),
        [only] => only.message.clone(),
        [first, more @ ..] => format!("{} (and {} more)", first.message, more.len()),
    }
}

impl CallError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Policy(_) => "policy",
            Self::Name(_) => "name",
            Self::NotOpen(_) => "not-open",
            Self::NotReady(_) => "not-ready",
            Self::ValueMode(_) => "value-mode",
            Self::Json(_) => "json",
            Self::TooBig { .. } => "too-big",
            Self::UnknownBase => "unknown-base",
            Self::NoConflict(_) => "no-conflict",
            Self::NothingToBringBack(_) => "nothing-to-bring-back",
            Self::Document(_) => "document",
        }
    }

    /// The JSON text that crosses the border to JavaScript.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Fields<'a> {
            code: &'a str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            violations: Option<&'a [ViolationView]>,
        }
        let violations = match self {
            Self::Policy(violations) => Some(violations.as_slice()),
            _ => None,
        };
        let fields = Fields {
            code: self.code(),
            message: self.to_string(),
            violations,
        };
        serde_json::to_string(&fields).unwrap_or_else(|_| {
            let plain: Value = json!({ "code": self.code(), "message": "" });
            plain.to_string()
        })
    }
}
