//! One entity: its Automerge document at one place in its log, and what is derived from it.
//!
//! Owns every way a document is made or advanced. An entity moves forward only by [`Admitted`]
//! (which only the engine makes) or by entries of its log, which were admitted before.
//! Invariant: the value, the actors and the stamps are those of the log up to `seq`.
//! Must never know: storage, sockets, who may read what.
//!
//! [`Admitted`]: crate::admission::Admitted

mod replay;

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::{ActorId, Automerge, Change, ChangeHash, LoadOptions, ReadDoc as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::{self, Reader};
use crate::genesis;
use crate::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use crate::ledger::{Presence, Stamps};
use crate::pointer::Pointer;
use crate::policy::{Policy, PolicySource};
use crate::time::Timestamp;

/// What an entity remembers of an actor id: whose it is and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActorState {
    pub(crate) principal: String,
    pub(crate) seq: u64,
    pub(crate) last: Hash,
}

/// Why a stored document or entry cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Automerge cannot read the document.
    #[error("the document of {entity} cannot be read")]
    Document {
        /// Which entity.
        entity: EntityId,
        /// What Automerge says.
        #[source]
        source: Box<automerge::AutomergeError>,
    },
    /// A change of an entry cannot be read or applied.
    #[error("a change of entry {seq} of {entity} cannot be applied: {reason}")]
    Change {
        /// Which entity.
        entity: EntityId,
        /// Which entry.
        seq: Seq,
        /// What is wrong with it.
        reason: String,
    },
    /// The entries do not follow each other.
    #[error("entry {found} of {entity} follows {after}")]
    Order {
        /// Which entity.
        entity: EntityId,
        /// Where the entity stands.
        after: Seq,
        /// The entry that was offered.
        found: Seq,
    },
    /// An entry or a snapshot names a policy that is not at hand.
    #[error("entry {seq} of {entity} names a policy that is not known: {policy}")]
    Policy {
        /// Which entity.
        entity: EntityId,
        /// Which entry.
        seq: Seq,
        /// The policy's hash.
        policy: Hash,
    },
    /// The snapshot is not one of ours.
    #[error("the snapshot of {entity} cannot be decoded: {reason}")]
    Snapshot {
        /// Which entity.
        entity: EntityId,
        /// What is wrong with it.
        reason: String,
    },
}

/// A document that was saved together with what the entity knows besides.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    seq: u64,
    hash: Hash,
    policy: Hash,
    presence: Presence,
    stamps: Stamps,
    actors: Vec<(ActorBytes, ActorState)>,
    #[serde(with = "serde_bytes")]
    document: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ActorBytes(#[serde(with = "serde_bytes")] Vec<u8>);

/// One entity at one place in its log.
#[derive(Debug, Clone)]
pub struct Entity {
    pub(crate) id: EntityId,
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
    pub(crate) hash: Hash,
    pub(crate) policy: Arc<Policy>,
    pub(crate) presence: Presence,
    /// Shared until somebody applies to it: a copy costs as much as the history is long.
    pub(crate) doc: Arc<Automerge>,
    pub(crate) value: Arc<Map<String, Value>>,
    pub(crate) actors: Arc<BTreeMap<ActorId, ActorState>>,
    pub(crate) stamps: Stamps,
    /// Stamps as a server sent them, where the log's own are not at hand.
    pub(crate) received: Option<Map<String, Value>>,
    pub(crate) max_op: u64,
}

impl Entity {
    /// The entity with nothing but its genesis, at seq 0.
    ///
    /// Deterministic: the same name, epoch and policy give the same bytes everywhere.
    #[must_use]
    pub fn genesis(id: &EntityId, epoch: Epoch, policy: &Arc<Policy>) -> Self {
        let doc = genesis::document(id, epoch, policy);
        Self::around(doc, id, epoch, policy)
    }

    fn around(doc: Automerge, id: &EntityId, epoch: Epoch, policy: &Arc<Policy>) -> Self {
        let max_op = max_op(&doc);
        let value = Arc::new(Reader::now(&doc, policy).root());
        Self {
            id: id.clone(),
            epoch,
            seq: Seq(0),
            hash: Hash::ZERO,
            policy: Arc::clone(policy),
            presence: Presence::Unborn,
            doc: Arc::new(doc),
            value,
            actors: Arc::default(),
            stamps: Stamps::default(),
            received: None,
            max_op,
        }
    }

    /// An entity from a saved document, as a replica receives it.
    ///
    /// # Errors
    /// [`LoadError::Document`] when Automerge cannot read the bytes.
    pub fn from_document(
        id: &EntityId,
        epoch: Epoch,
        policy: &Arc<Policy>,
        document: &[u8],
        (seq, hash): (Seq, Hash),
    ) -> Result<Self, LoadError> {
        let doc = Automerge::load_with_options(
            document,
            LoadOptions::new().text_encoding(document::ENCODING),
        )
        .map_err(|source| LoadError::Document {
            entity: id.clone(),
            source: Box::new(source),
        })?
        .with_actor(crate::change::genesis_actor());
        Ok(Self {
            seq,
            hash,
            presence: Presence::Present,
            ..Self::around(doc, id, epoch, policy)
        })
    }

    /// The entity as bytes for the store: a cache of the log up to its seq.
    ///
    /// # Errors
    /// [`LoadError::Document`] when the saved document does not load again with equal heads; it
    /// must not be kept then.
    pub fn to_snapshot(&self) -> Result<Vec<u8>, LoadError> {
        let document = self
            .doc
            .save_and_verify()
            .map_err(|source| LoadError::Document {
                entity: self.id.clone(),
                source: Box::new(source),
            })?;
        let actors = self
            .actors
            .iter()
            .map(|(actor, state)| (ActorBytes(actor.to_bytes().to_vec()), state.clone()))
            .collect();
        let snapshot = Snapshot {
            seq: self.seq.0,
            hash: self.hash,
            policy: self.policy.hash(),
            presence: self.presence,
            stamps: self.stamps.clone(),
            actors,
            document,
        };
        minicbor_serde::to_vec(&snapshot).map_err(|error| self.snapshot_error(error.to_string()))
    }

    /// The entity of [`Self::to_snapshot`], under the policy that it had then.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are not such a snapshot, or its policy is not known.
    pub fn from_snapshot(
        id: &EntityId,
        epoch: Epoch,
        policies: &dyn PolicySource,
        snapshot: &[u8],
    ) -> Result<Self, LoadError> {
        let snapshot: Snapshot =
            minicbor_serde::from_slice(snapshot).map_err(|error| LoadError::Snapshot {
                entity: id.clone(),
                reason: error.to_string(),
            })?;
        let at = (Seq(snapshot.seq), snapshot.hash);
        let policy = policies
            .policy(snapshot.policy)
            .ok_or_else(|| LoadError::Policy {
                entity: id.clone(),
                seq: at.0,
                policy: snapshot.policy,
            })?;
        let mut entity = Self::from_document(id, epoch, &policy, &snapshot.document, at)?;
        entity.presence = snapshot.presence;
        entity.stamps = snapshot.stamps;
        entity.actors = Arc::new(
            snapshot
                .actors
                .into_iter()
                .map(|(actor, state)| (ActorId::from(actor.0), state))
                .collect(),
        );
        Ok(entity)
    }

    /// The change that the entity's epoch began with.
    pub(crate) fn genesis_change(&self) -> Option<Vec<u8>> {
        let first = self.doc.get_changes(&[]).into_iter().next()?;
        Some(first.raw_bytes().to_vec())
    }

    fn snapshot_error(&self, reason: String) -> LoadError {
        LoadError::Snapshot {
            entity: self.id.clone(),
            reason,
        }
    }

    /// Takes over the stamps that a server sends with a snapshot or entries: an object of the
    /// schema's stamp fields. A replica presents them as they came.
    pub fn set_stamps(&mut self, stamps: Map<String, Value>) {
        self.received = Some(stamps);
    }

    /// The entity's name.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        &self.id
    }

    /// The epoch of its log.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The seq of its last entry.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The place of its last entry.
    #[must_use]
    pub fn place(&self) -> LogPlace {
        LogPlace::new(self.epoch, self.seq)
    }

    /// The hash of its last entry.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Whether it is there, as its log says.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// About the operations that its document holds: what applying one more costs follows from it.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.max_op
    }

    /// The policy that judges changes to it.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Hashes of the changes that nothing depends on yet, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<Hash> {
        self.doc.get_heads().into_iter().map(Hash::from).collect()
    }

    /// Whether a change, given as an Automerge change chunk, is in the document.
    #[must_use]
    pub fn holds(&self, change: &[u8]) -> bool {
        Change::try_from(change)
            .is_ok_and(|change| self.doc.get_change_meta_by_hash(&change.hash()).is_some())
    }

    /// The value as the author of a change saw it who made it; `None` if it is not in the document.
    #[must_use]
    pub fn presented_with(&self, change: &[u8]) -> Option<Value> {
        let change = Change::try_from(change).ok()?;
        self.presented_at(&[change.hash().into()]).ok()
    }

    /// The Automerge document, saved; a replica starts from it.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        self.doc.save()
    }

    /// The entity's stamps.
    #[must_use]
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// The stamps as the schema's fields present them.
    #[must_use]
    pub fn stamp_fields(&self) -> Map<String, Value> {
        if let Some(received) = &self.received {
            return received.clone();
        }
        self.stamps.fields(&self.policy)
    }

    /// The stamps as a reader under `policy` got them after an earlier entry, which `author` wrote
    /// `at` that time.
    #[must_use]
    pub fn stamp_fields_after(
        &self,
        policy: &Policy,
        (at, author): (Timestamp, &str),
    ) -> Map<String, Value> {
        self.stamps.advanced(at, author, None).fields(policy)
    }

    /// The value as a reader gets it, stamps included.
    #[must_use]
    pub fn presented(&self) -> Value {
        let mut map = Map::clone(&self.value);
        map.extend(self.stamp_fields());
        Value::Object(map)
    }

    /// Whether the document has something at a place, deleted or not.
    #[must_use]
    pub fn holds_at(&self, at: &Pointer) -> bool {
        let mut object = automerge::ROOT;
        at.tokens().iter().all(|token| {
            let found = self.doc.get(&object, token.as_str()).ok().flatten();
            found.is_some_and(|(_, inside)| {
                object = inside;
                true
            })
        })
    }

    /// The value as it was at earlier heads, with the stamps of now: what a replica, which does
    /// not know earlier stamps, can say of its own past.
    ///
    /// # Errors
    /// The first of `heads` that is not in the document.
    pub fn presented_at(&self, heads: &[Hash]) -> Result<Value, Hash> {
        let value = self.presented_under(&self.policy, heads, self.stamp_fields());
        value.map(Value::Object)
    }

    /// The value as it was at earlier heads for readers under `policy`, who got these stamps.
    ///
    /// # Errors
    /// The first of `heads` that is not in the document.
    pub(crate) fn presented_under(
        &self,
        policy: &Policy,
        heads: &[Hash],
        stamps: Map<String, Value>,
    ) -> Result<Map<String, Value>, Hash> {
        let heads = self.known_heads(heads)?;
        let mut map = Reader::at(&self.doc, policy, &heads).root();
        map.extend(stamps);
        Ok(map)
    }

    pub(crate) fn known_heads(&self, heads: &[Hash]) -> Result<Vec<ChangeHash>, Hash> {
        heads
            .iter()
            .map(|&hash| {
                let known = self.doc.get_change_meta_by_hash(&hash.into()).is_some();
                if known {
                    Ok(ChangeHash::from(hash))
                } else {
                    Err(hash)
                }
            })
            .collect()
    }
}

/// The highest operation counter in a document: no change exceeds that of its dependents.
pub(crate) fn max_op(doc: &Automerge) -> u64 {
    doc.get_heads()
        .iter()
        .filter_map(|head| doc.get_change_meta_by_hash(head))
        .map(|meta| meta.max_op)
        .max()
        .unwrap_or(0)
}
