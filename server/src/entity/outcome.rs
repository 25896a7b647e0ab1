//! What becomes of a write.

use std::sync::Arc;

use indelible_engine::id::{Epoch, Seq};
use indelible_engine::pointer::Pointer;
use indelible_engine::violation::{Refusal, RefusalCode};

use crate::values::Present;
use crate::work::Busy;

/// What became of a write.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It is in the log, on disk.
    Written(Written),
    /// Nothing of it was new.
    Unchanged(Written),
    /// It, or its rest, was refused.
    Refused(Refusal),
    /// It could not be judged or stored.
    Failed(WriteError),
}

/// A write's place in the log and what it did.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The epoch of the entry.
    pub(crate) epoch: Epoch,
    /// The entry that holds the write; when nothing was new, the entity's last.
    pub(crate) seq: Seq,
    /// Which places a merge changed.
    pub(crate) changed: Vec<Pointer>,
    /// Which places a merge left as they were although the body differed.
    pub(crate) preserved: Vec<Pointer>,
    /// The value after it.
    pub(crate) present: Option<Arc<Present>>,
}

/// Why a write was not judged, or could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// There is no such entity.
    #[error("there is no such entity")]
    NotFound,
    /// The proposal was made in an epoch that is over.
    #[error("the entity is in a different epoch")]
    Epoch,
    /// The entity does not meet the precondition.
    #[error("the entity is at a different version")]
    Precondition,
    /// The base is not a version of this entity.
    #[error("the base is not a known version of this entity")]
    UnknownBase,
    /// The body cannot be merged.
    #[error("{0}")]
    Body(String),
    /// The name of the new entity cannot be used.
    #[error("{0}")]
    Name(String),
    /// The id of the write was used for something else.
    #[error("this id was already used for a different write")]
    IdReused,
    /// The server failed on this very write.
    #[error("the server failed on this")]
    Internal,
    /// Too much is waiting: to be judged, to be loaded, or to be sent.
    #[error("too much is waiting; try again later")]
    Busy,
    /// The store failed; whether it was written will be known when the write is repeated.
    #[error("the store cannot take writes now")]
    Storage,
}

impl WriteError {
    /// Whether the same may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Storage)
    }

    /// The stable code for frames.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Epoch => "epoch",
            Self::Precondition => "precondition-failed",
            Self::UnknownBase => "unknown-base",
            Self::Body(_) => "malformed",
            Self::Name(_) => "bad-id",
            Self::IdReused => "id-reused",
            Self::Internal => "internal",
            Self::Busy => "busy",
            Self::Storage => "unavailable",
        }
    }

    /// The code of a refusal for this reason.
    pub(crate) fn refusal(&self) -> RefusalCode {
        match self {
            Self::NotFound => RefusalCode::NotFound,
            Self::Epoch => RefusalCode::Epoch,
            Self::Body(_) => RefusalCode::Malformed,
            Self::Name(_) => RefusalCode::BadId,
            Self::IdReused => RefusalCode::IdReused,
            Self::Internal => RefusalCode::Internal,
            Self::Precondition | Self::UnknownBase | Self::Busy | Self::Storage => {
                RefusalCode::Unknown(self.code().into())
            }
        }
    }
}

/// What asks for an entity while too many others wait to be loaded.
pub(super) fn too_many(Busy: Busy) -> WriteError {
    tracing::warn!("too many entities wait to be loaded");
    WriteError::Busy
}
