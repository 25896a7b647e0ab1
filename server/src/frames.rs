//! Server frames as bytes.
//!
//! Nothing here decides who gets a frame, or keeps one.

use bytes::Bytes;
use indelible_engine::entity::Entity;
use indelible_engine::excerpt::{SENTENCE_CHARS_MAX, cut};
use indelible_engine::id::{EntityId, Epoch, Hash, Kind, ProposalId};
use indelible_engine::ledger::{Entry, Sealed};
use indelible_engine::protocol::{AuthorReport, EntryReport, ServerFrame};
use indelible_engine::time::Timestamp;
use indelible_engine::violation::{Refusal, Violation, ViolationReport};
use serde_bytes::ByteBuf;
use serde_json::{Map, Value};

use crate::config::ENTRIES_FRAME_BYTES_MAX;
use crate::rates::Exhausted;

/// Why an entity is gone that was there before.
pub(crate) const DELETED: &str = "deleted";
/// Why an entity is gone that is not there, as far as the principal may know.
pub(crate) const NOT_FOUND: &str = "not-found";

/// An entry and its hash, as replicas get them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelayedEntry<'a> {
    entry: &'a Entry,
    hash: Hash,
}

impl<'a> RelayedEntry<'a> {
    /// What replicas get of a committed entry.
    pub(crate) fn of(sealed: &'a Sealed) -> Self {
        Self {
            entry: &sealed.entry,
            hash: sealed.hash,
        }
    }

    /// About how many bytes it takes in a frame.
    pub(crate) fn bytes(&self) -> usize {
        const BESIDE_CHANGES: usize = 256;
        self.entry.changes.iter().map(Vec::len).sum::<usize>() + BESIDE_CHANGES
    }

    fn report(&self) -> EntryReport {
        EntryReport {
            seq: self.entry.header.place.seq,
            hash: self.hash,
            proposal: self.entry.header.proposal,
            changes: self
                .entry
                .changes
                .iter()
                .cloned()
                .map(ByteBuf::from)
                .collect(),
            by: AuthorReport::from(&self.entry.header.author),
            at: self.entry.header.at,
        }
    }
}

/// Which version of which entity a value is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version<'a> {
    /// The entity.
    pub(crate) entity: &'a EntityId,
    /// The version, sealed.
    pub(crate) version: &'a str,
    /// When it was committed.
    pub(crate) at: Timestamp,
}

/// Encodes any frame.
pub(crate) fn encode(frame: &ServerFrame) -> Bytes {
    Bytes::from(frame.encode())
}

/// A value from scratch.
pub(crate) fn value(of: Version<'_>, value: &Value) -> Bytes {
    encode(&ServerFrame::Value {
        entity: of.entity.clone(),
        version: of.version.to_owned(),
        value: value.to_string(),
        at: of.at,
    })
}

/// What leads to a value: a JSON Patch as text.
pub(crate) fn patch(of: Version<'_>, patch: &str) -> Bytes {
    encode(&ServerFrame::Patch {
        entity: of.entity.clone(),
        version: of.version.to_owned(),
        patch: patch.to_owned(),
        at: of.at,
    })
}

/// All present entities of a kind have been sent.
pub(crate) fn watched(kind: &Kind) -> Bytes {
    encode(&ServerFrame::Watched { kind: kind.clone() })
}

/// A replica from scratch.
pub(crate) fn snapshot(entity: &Entity) -> Bytes {
    encode(&ServerFrame::Snapshot {
        entity: entity.id().clone(),
        epoch: entity.epoch(),
        seq: entity.seq(),
        hash: entity.hash(),
        document: ByteBuf::from(entity.document()),
        stamps: Value::Object(entity.stamp_fields()).to_string(),
    })
}

/// Entries in order, and the stamps after the last of them, in frames of bounded size; one frame
/// without entries when there are none.
pub(crate) fn entries(
    id: &EntityId,
    epoch: Epoch,
    entries: &[RelayedEntry<'_>],
    stamps: &Map<String, Value>,
) -> Vec<Bytes> {
    let mut bytes = 0;
    let split = |_: &RelayedEntry<'_>, next: &RelayedEntry<'_>| {
        bytes += next.bytes();
        let fits = bytes <= ENTRIES_FRAME_BYTES_MAX;
        if !fits {
            bytes = next.bytes();
        }
        fits
    };
    let mut frames: Vec<Bytes> = entries
        .chunk_by(split)
        .map(|chunk| entries_frame(id, epoch, chunk, stamps))
        .collect();
    if frames.is_empty() {
        frames.push(entries_frame(id, epoch, &[], stamps));
    }
    frames
}

fn entries_frame(
    id: &EntityId,
    epoch: Epoch,
    entries: &[RelayedEntry<'_>],
    stamps: &Map<String, Value>,
) -> Bytes {
    encode(&ServerFrame::Entries {
        entity: id.clone(),
        epoch,
        entries: entries.iter().map(RelayedEntry::report).collect(),
        stamps: Value::Object(stamps.clone()).to_string(),
    })
}

/// Start over with an entity, or with a watched kind under its name.
pub(crate) fn reset(name: &EntityId, reason: &str) -> Bytes {
    encode(&ServerFrame::Reset {
        entity: name.clone(),
        reason: reason.to_owned(),
    })
}

/// There is no such entity, as far as the asker may know.
pub(crate) fn gone(entity: &EntityId, code: &str) -> Bytes {
    encode(&ServerFrame::Gone {
        entity: entity.clone(),
        code: code.to_owned(),
    })
}

/// A frame could not be served.
pub(crate) fn error(
    code: &str,
    reason: impl Into<String>,
    entity: Option<&EntityId>,
    id: Option<ProposalId>,
) -> Bytes {
    encode(&ServerFrame::Error {
        code: code.to_owned(),
        reason: cut(&reason.into(), SENTENCE_CHARS_MAX).into_owned(),
        entity: entity.cloned(),
        id,
        retry: None,
    })
}

/// A write was not taken, since its author has written too much lately.
pub(crate) fn rate_limited(entity: &EntityId, id: ProposalId, exhausted: &Exhausted) -> Bytes {
    encode(&ServerFrame::Error {
        code: Exhausted::CODE.to_owned(),
        reason: exhausted.to_string(),
        entity: Some(entity.clone()),
        id: Some(id),
        retry: Some(exhausted.millis()),
    })
}

/// A proposal was refused.
pub(crate) fn refused(entity: &EntityId, id: ProposalId, refusal: &Refusal) -> Bytes {
    encode(&ServerFrame::Refused {
        id,
        entity: entity.clone(),
        admitted: count(refusal.admitted),
        code: refusal.code.to_string(),
        violations: refusal.violations.iter().map(report).collect(),
    })
}

fn report(violation: &Violation) -> ViolationReport {
    ViolationReport {
        pointer: violation.pointer.shown(),
        ..ViolationReport::from(violation)
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
