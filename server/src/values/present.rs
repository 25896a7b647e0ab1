//! The value of an entity as readers see it, with what was encoded of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use indelible_engine::time::Timestamp;
use serde_json::Value;

use super::encoded::Encoded;
use crate::context::Context;
use crate::frames;
use crate::memory::{Cache, Consumer, Hold, Key, Memory, Used};
use crate::outbox::Deferred;

/// The name of the projection that holds everything; readers get it or nothing.
pub(crate) const PROJECTION: &str = "whole";

/// The value of an entity as readers see it, at one version.
#[derive(Debug)]
pub(crate) struct Present {
    /// Whose value this is.
    pub(crate) entity: EntityId,
    /// The epoch it was made in.
    pub(crate) epoch: Epoch,
    /// The last entry that changed what a reader sees.
    pub(crate) seq: Seq,
    /// Epoch, seq and hash of that entry, sealed.
    pub(crate) version: String,
    /// When that entry was committed.
    pub(crate) at: Timestamp,
    /// The value, stamps included.
    pub(crate) value: Value,
    /// About how long it is as JSON.
    length: usize,
    /// About the bytes that it takes.
    bytes: usize,
    pub(super) memory: Memory,
    /// What it counts as.
    key: Key,
    text: Arc<Encoded>,
    frame: Arc<Encoded>,
    pub(super) used: Arc<Used>,
    /// Set while no actor holds it.
    spare: Mutex<Option<Arc<Spare>>>,
}

impl Present {
    /// The value of an entity after the entry at a place, which has this hash and time.
    pub(crate) fn at(
        context: &Context,
        entity: &EntityId,
        (place, hash): (LogPlace, Hash),
        (at, value): (Timestamp, Value),
    ) -> Self {
        let (versions, memory) = (&context.versions, &context.memory);
        Self {
            entity: entity.clone(),
            epoch: place.epoch,
            seq: place.seq,
            version: versions.seal(entity, PROJECTION, (place.epoch, place.seq, &hash)),
            at,
            length: length(&value),
            bytes: bytes(&value),
            value,
            memory: memory.clone(),
            key: memory.key(),
            text: Arc::default(),
            frame: Arc::default(),
            used: Arc::default(),
            spare: Mutex::default(),
        }
    }

    /// The value as compact JSON, made when it is first asked for and shared from then on. To make it
    /// may take a while: while it is done, other work continues elsewhere.
    pub(crate) fn encoded(&self) -> Bytes {
        let make = || Bytes::from(self.value.to_string());
        self.text.get(&self.memory, make)
    }

    /// What frames say of it beside the value.
    pub(super) fn named(&self) -> frames::Version<'_> {
        frames::Version {
            entity: &self.entity,
            version: &self.version,
            at: self.at,
        }
    }

    /// The `value` frame, encoded once.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame
            .get(&self.memory, || frames::value(self.named(), &self.value))
    }

    /// The last entry that changed what a reader sees.
    pub(crate) fn place(&self) -> LogPlace {
        LogPlace::new(self.epoch, self.seq)
    }

    /// Lets go of what can be made again. Whoever is being sent it holds it until then.
    pub(crate) fn rest(&self) {
        self.text.clear();
        self.frame.clear();
    }

    /// Counts it for who is to be sent it.
    pub(super) fn hold(&self, consumer: &Consumer) -> Hold {
        consumer.hold_at(self.key, self.bytes)
    }

    pub(super) fn spare(&self) -> MutexGuard<'_, Option<Arc<Spare>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is kept in case it is asked for again. When its memory is wanted, `leave` is
    /// called, and says whether it may.
    pub(super) fn keep_spare(&self, leave: impl Fn() -> bool + Send + Sync + 'static) {
        let bytes = self.bytes;
        let spare = Arc::new(Spare {
            used: Arc::clone(&self.used),
            leave: Box::new(leave),
            bytes,
            _hold: self.memory.keep_at(self.key, bytes),
        });
        let noted: Weak<Spare> = Arc::downgrade(&spare);
        self.memory.cache(noted);
        *self.spare() = Some(spare);
    }
}

/// About the bytes that a value takes in memory.
fn bytes(value: &Value) -> usize {
    const NODE: usize = size_of::<Value>();
    // Its name, what maps keep free, and where allocations begin.
    const FIELD: usize = size_of::<String>() + NODE;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| FIELD + name.len() + bytes(value))
                .sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// About how long a value is as JSON.
fn length(value: &Value) -> usize {
    const SHORT: usize = 8;
    match value {
        Value::String(text) => text.len() + 3,
        Value::Array(items) => 3 + items.iter().map(length).sum::<usize>(),
        Value::Object(fields) => {
            let fields = fields.iter();
            3 + fields
                .map(|(name, value)| name.len() + 3 + length(value))
                .sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => SHORT,
    }
}

impl Deferred for Present {
    fn length(&self) -> usize {
        self.length
    }

    fn frame(&self) -> Bytes {
        Self::frame(self)
    }
}

/// What lets go of a value that no actor holds, and the memory that it takes.
pub(super) struct Spare {
    used: Arc<Used>,
    leave: Box<dyn Fn() -> bool + Send + Sync>,
    bytes: usize,
    _hold: Hold,
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

impl Cache for Spare {
    fn was_used(&self) -> bool {
        self.used.take()
    }

    fn shed(&self) -> usize {
        match (self.leave)() {
            true => 0,
            false => self.bytes,
        }
    }
}
