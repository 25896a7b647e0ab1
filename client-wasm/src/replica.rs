//! Replicas: entities that may be edited here, each with its document and the edits that the server
//! has not admitted yet.
//!
//! The reader core is linked without Automerge: there, [`Replica`] is a type without values. The data
//! that a session exchanges with a replica exists in both cores.

mod edit;
mod flight;
mod losses;

#[cfg(feature = "replicas")]
mod bring_back;
#[cfg(feature = "replicas")]
mod conflicts;
#[cfg(feature = "replicas")]
mod forgotten;
#[cfg(feature = "replicas")]
mod full;
#[cfg(not(feature = "replicas"))]
mod reader;
#[cfg(feature = "replicas")]
mod recover;
#[cfg(feature = "replicas")]
mod reported;
#[cfg(feature = "replicas")]
mod state;
#[cfg(feature = "replicas")]
mod typed;

use indelible_engine::effects::PatchOp;
use indelible_engine::id::{Epoch, Hash, Seq};
use serde_json::{Map, Value};

pub use edit::{EditOptions, Edited, Located, TypedEdit};

pub(crate) use edit::Author;
pub(crate) use flight::{Proposed, Refused, Settled};
pub(crate) use losses::{FORGOTTEN, Losses};

#[cfg(feature = "replicas")]
pub(crate) use full::Replica;
#[cfg(not(feature = "replicas"))]
pub(crate) use reader::Replica;

/// A place in a log, and the document there, as the server sends them.
pub(crate) struct Snapshot<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
    pub(crate) hash: Hash,
    pub(crate) document: &'a [u8],
    pub(crate) stamps: &'a Map<String, Value>,
}

/// What changed in what is shown.
#[derive(Debug)]
pub(crate) enum News {
    /// There is a value now.
    Whole(Value),
    /// The value changed.
    Changes(Vec<PatchOp>),
}
