//! The words in which a session and its replicas speak of edits.
//!
//! Invariant: plain data; nothing here needs a document.
//! Must never know: how edits are made, judged or rebased.

use indelible_engine::effects::PatchOp;
use indelible_engine::id::{Epoch, Hash, ProposalId, Seq};
use indelible_engine::limits::Limits;
use indelible_engine::merge;
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::splice::Splice;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{RefusalCode, ViolationReport};
use serde_json::{Map, Value};

use crate::event::DroppedView;

/// Room in a frame for everything but the changes.
pub(crate) const FRAME_OVERHEAD_BYTES: usize = 1_024;

/// How an edit is to be merged.
#[derive(Debug, Clone, Default)]
pub struct EditOptions {
    /// What to do with protected fields whose value differs.
    pub protected: merge::Protected,
    /// What a field means that the body lacks.
    pub absent: merge::Absent,
    /// The state that the body was made from; without it, the present one.
    pub revision: Option<u64>,
    /// Whether items that a list never held are made under the ids that the body gives.
    pub remake: bool,
}

/// A part of a text that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedEdit {
    /// The text; an item of a keyed list by its id, or by its index where no item has such an id.
    pub pointer: String,
    /// Where, in UTF-16 code units of the text that the author saw, and what.
    pub splice: Splice,
    /// The state that the author saw; without it, the present one.
    pub revision: Option<u64>,
}

/// A place of a value, as [`Session::locate`](crate::Session::locate) finds it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Located {
    /// With the ids of items.
    pub pointer: Pointer,
    /// With the indices of items, as in a JSON Patch.
    pub path: Pointer,
    /// Whether our principal may write there.
    pub write: bool,
}

/// What changed in what is shown.
#[derive(Debug)]
pub(crate) enum News {
    /// There is a value now.
    Whole(Value),
    /// The value changed.
    Changes(Vec<PatchOp>),
}

/// What an edit came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Edited {
    /// Where something was changed.
    pub changed: Vec<Pointer>,
    /// Which protected fields were left as they are.
    pub preserved: Vec<Pointer>,
}

/// Who edits, when, and what the server takes.
pub(crate) struct Author<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) limits: &'a Limits,
    pub(crate) now: Timestamp,
    /// For a first edit: the new actor.
    pub(crate) fresh: [u8; 16],
}

/// What is to be sent of an entity.
pub(crate) struct Proposed {
    pub(crate) id: ProposalId,
    pub(crate) changes: Vec<Vec<u8>>,
    pub(crate) whole: bool,
}

/// A place in a log, and the document there, as the server sends them.
pub(crate) struct Snapshot<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
    pub(crate) hash: Hash,
    pub(crate) document: &'a [u8],
    pub(crate) stamps: &'a Map<String, Value>,
}

/// What became of the proposal in flight.
#[derive(Debug)]
pub(crate) enum Settled {
    /// All edits up to this ordinal are durable; what is lost shows nowhere all the same, since
    /// others deleted what it was written into.
    Saved(u64, Mended),
    /// It was not about the proposal in flight.
    Nothing,
}

/// The reason that is reported of acknowledged edits that the server does not have any more, and the
/// code of the fault.
pub(crate) const FORGOTTEN: &str = "forgotten";

/// What became of pending edits.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    /// What is in no pending edit any more; empty: everything goes on.
    pub(crate) dropped: Vec<DroppedView>,
    /// The ordinal of the first edit that lost something.
    pub(crate) first: u64,
    /// The ordinal up to which every edit is either saved or lost as a whole.
    pub(crate) settled: u64,
}

/// A refusal of the proposal in flight.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) code: &'a RefusalCode,
    /// How many of its changes were admitted.
    pub(crate) admitted: u32,
    pub(crate) violations: &'a [ViolationReport],
}
