//! Serialised states, saved so that later queries need not replay the whole log.
//!
//! A checkpoint is a cache: it may be dropped at any time and is made again from the log. One that
//! is damaged, or that belongs to another log, is never used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::record::Record;
use super::state::State;
use crate::effects::{Effect, EffectChange};
use crate::entity::Entity;
use crate::id::{Epoch, Hash, LogPlace, Seq};
use crate::ledger::{Presence, Stamps};
use crate::policy::PolicySource;

/// Where checkpoints of one entity are kept. Whoever cannot keep or find one says nothing.
pub trait Checkpoints {
    /// The last one at or before a place.
    fn nearest(&mut self, place: LogPlace) -> Option<(LogPlace, Vec<u8>)>;

    /// Keeps one.
    fn keep(&mut self, place: LogPlace, checkpoint: Vec<u8>);

    /// Drops one that was unusable.
    fn forget(&mut self, place: LogPlace);
}

/// Keeps nothing.
impl Checkpoints for () {
    fn nearest(&mut self, _: LogPlace) -> Option<(LogPlace, Vec<u8>)> {
        None
    }

    fn keep(&mut self, _: LogPlace, _: Vec<u8>) {}

    fn forget(&mut self, _: LogPlace) {}
}

/// Keeps them in memory.
impl Checkpoints for BTreeMap<LogPlace, Vec<u8>> {
    fn nearest(&mut self, place: LogPlace) -> Option<(LogPlace, Vec<u8>)> {
        let (place, checkpoint) = self.range(..=place).next_back()?;
        Some((*place, checkpoint.clone()))
    }

    fn keep(&mut self, place: LogPlace, checkpoint: Vec<u8>) {
        self.insert(place, checkpoint);
    }

    fn forget(&mut self, place: LogPlace) {
        self.remove(&place);
    }
}

const DOMAIN: &[u8] = b"indelible/checkpoint/1\0";

#[derive(Serialize, Deserialize)]
struct Content {
    epoch: Epoch,
    seq: Seq,
    entry: Hash,
    policy: Hash,
    presence: Presence,
    stamps: Stamps,
    value: Map<String, Value>,
}

/// The present state of an entity as bytes, from which it can be restored without its document.
/// `None` if it has no encoding.
#[must_use]
pub fn checkpoint(entity: &Entity) -> Option<Vec<u8>> {
    encode(&State::of(entity), entity.hash())
}

/// The bytes of a state after the entry with this hash: their SHA-256, then JSON.
pub(super) fn encode(state: &State, entry: Hash) -> Option<Vec<u8>> {
    let content = Content {
        epoch: state.place.epoch,
        seq: state.place.seq,
        entry,
        policy: state.policy.hash(),
        presence: state.presence,
        stamps: state.stamps.clone(),
        value: state.value.clone(),
    };
    let json = serde_json::to_vec(&content).ok()?;
    let sum = Hash::of(&[DOMAIN, &json]);
    Some([sum.as_bytes().as_slice(), &json].concat())
}

/// The state of a checkpoint that is intact and belongs after this record.
pub(super) fn decode(bytes: &[u8], record: &Record, policies: &dyn PolicySource) -> Option<State> {
    let (sum, json) = bytes.split_at_checked(Hash::LENGTH)?;
    if Hash::of(&[DOMAIN, json]).as_bytes() != sum {
        return None;
    }
    let content: Content = serde_json::from_slice(json).ok()?;
    let place = LogPlace::new(content.epoch, content.seq);
    if place != record.place() || content.entry != record.hash {
        return None;
    }
    Some(State {
        place,
        presence: content.presence,
        value: content.value,
        stamps: content.stamps,
        policy: policies.policy(content.policy)?,
    })
}

/// Decides where the next checkpoint is worth keeping: where replaying from the last one costs as
/// much as the checkpoint. So all of them together are no longer than the log, and no replay is
/// longer than the value or [`ENTRIES_MIN`] entries, whichever is more.
#[derive(Debug)]
pub(super) struct Spacing {
    entries: usize,
    bytes: usize,
    last: usize,
}

/// Entries between two checkpoints, at least.
const ENTRIES_MIN: usize = 64;

/// About what an entry takes besides its effects.
const ENTRY_BYTES: usize = 256;

impl Spacing {
    /// After a checkpoint of this many bytes.
    pub(super) fn after(last: usize) -> Self {
        Self {
            entries: 0,
            bytes: 0,
            last,
        }
    }

    /// Goes on by a record; whether a checkpoint is worth keeping after it.
    pub(super) fn passes(&mut self, record: &Record) -> bool {
        self.entries += 1;
        self.bytes += ENTRY_BYTES + record.effects.iter().map(weight).sum::<usize>();
        self.entries >= ENTRIES_MIN && self.bytes >= self.last
    }
}

/// About the bytes of an effect.
fn weight(effect: &Effect) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len() + 2,
            Value::Array(items) => items.iter().map(of).sum::<usize>() + 2,
            Value::Object(map) => map.iter().map(|(name, value)| name.len() + of(value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        }
    }
    match &effect.change {
        EffectChange::Put { from, to, .. } => from.iter().chain(to).map(of).sum(),
        EffectChange::Splice {
            removed, inserted, ..
        } => of(removed) + of(inserted),
        EffectChange::Move { .. } => 0,
    }
}
