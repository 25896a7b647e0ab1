//! Why a call to a session fails.
//!
//! A call that fails has applied and sent nothing.

use indelible_engine::id::IdError;
use indelible_engine::merge::MergeError;
use indelible_engine::pointer::PointerError;
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
    /// The base of an edit is too old, or was a value before the replica started over.
    #[error("the value that the edit is based on is not known any more")]
    UnknownBase,
    /// No value of ours lost against another one at this field.
    #[error("there is no conflict at {0}")]
    NoConflict(String),
    /// What was dropped is not a value of its own, which could be written again.
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

impl From<IdError> for CallError {
    fn from(error: IdError) -> Self {
        Self::Name(error.to_string())
    }
}

impl From<PointerError> for CallError {
    fn from(error: PointerError) -> Self {
        Self::Name(error.to_string())
    }
}

impl From<serde_json::Error> for CallError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

impl From<MergeError> for CallError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Refused(violations) => {
                Self::Policy(violations.into_iter().map(Into::into).collect())
            }
            MergeError::UnknownBase => Self::UnknownBase,
            MergeError::TooLarge { bytes, max } => Self::TooBig { bytes, max },
            MergeError::Document(reason) => Self::Document(reason),
        }
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

    /// The JSON text for JavaScript.
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
