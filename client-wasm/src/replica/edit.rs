//! An edit: how it is asked for, who makes it, and what came of it.

use indelible_engine::limits::Limits;
use indelible_engine::merge;
use indelible_engine::pointer::Pointer;
use indelible_engine::principal::Principal;
use indelible_engine::splice::Splice;
use indelible_engine::time::Timestamp;

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

/// What came of an edit.
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
    /// The actor for edits where the replica has none: each begins with a fresh one.
    pub(crate) fresh: [u8; 16],
}
