//! One entity: its Automerge document at one place in its log, and what is derived from it.
//!
//! Owns every way a document is made or advanced. An entity moves forward only by [`Admitted`]
//! (which only the engine makes) or by entries of its log, which were admitted before.
//! Invariant: the value, the actors and the stamps are those of the log up to `seq`.
//!
//! [`Admitted`]: crate::admission::Admitted

mod document;
mod replay;
mod standing;
mod step;

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::{
    ActorId, Automerge, AutomergeError, Change, ChangeHash, LoadOptions, ReadDoc as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::{ENCODING, Reader};
use crate::genesis;
use crate::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use crate::ledger::{Presence, Stamps};
use crate::pointer::Pointer;
use crate::policy::{Policy, PolicySource};
use crate::time::Timestamp;

pub(crate) use document::{ActorState, Document};
pub(crate) use standing::Standing;
pub(crate) use step::Step;

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
    #[error("expected the entry after {after} of {entity}, found {found}")]
    Order {
        /// Which entity.
        entity: EntityId,
        /// The entity's last entry.
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
    standing: Standing,
    document: Document,
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
        let value = Arc::new(Reader::now(&doc, policy).root());
        let standing = Standing {
            id: id.clone(),
            place: LogPlace::start_of(epoch),
            hash: Hash::ZERO,
            policy: Arc::clone(policy),
            presence: Presence::Unborn,
            value,
            stamps: Stamps::default(),
            received: None,
        };
        Self::new(standing, Document::new(doc))
    }

    /// Puts together what [`Self::into_parts`] took apart.
    pub(crate) fn new(standing: Standing, document: Document) -> Self {
        Self { standing, document }
    }

    /// The parts, so that the document can be written to without a copy.
    pub(crate) fn into_parts(self) -> (Standing, Document) {
        (self.standing, self.document)
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
        let doc =
            Automerge::load_with_options(document, LoadOptions::new().text_encoding(ENCODING))
                .map_err(|source| LoadError::Document {
                    entity: id.clone(),
                    source: Box::new(source),
                })?
                .with_actor(crate::change::genesis_actor());
        let mut entity = Self::around(doc, id, epoch, policy);
        entity.standing.place.seq = seq;
        entity.standing.hash = hash;
        entity.standing.presence = Presence::Present;
        Ok(entity)
    }

    /// The entity as bytes for the store: a cache of the log up to its seq.
    ///
    /// # Errors
    /// [`LoadError::Document`] when the saved document does not load again with equal heads; it
    /// must not be kept then.
    pub fn to_snapshot(&self) -> Result<Vec<u8>, LoadError> {
        let document = self
            .doc()
            .save_and_verify()
            .map_err(|source| LoadError::Document {
                entity: self.id().clone(),
                source: Box::new(source),
            })?;
        let actors = self
            .document
            .actors()
            .iter()
            .map(|(actor, state)| (ActorBytes(actor.to_bytes().to_vec()), state.clone()))
            .collect();
        let snapshot = Snapshot {
            seq: self.seq().0,
            hash: self.hash(),
            policy: self.policy().hash(),
            presence: self.presence(),
            stamps: self.stamps().clone(),
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
        entity.standing.presence = snapshot.presence;
        entity.standing.stamps = snapshot.stamps;
        let actors = snapshot.actors.into_iter();
        let actors = actors.map(|(actor, state)| (ActorId::from(actor.0), state));
        entity.document.set_actors(actors.collect());
        Ok(entity)
    }

    /// The change that the entity's epoch began with.
    pub(crate) fn genesis_change(&self) -> Option<Vec<u8>> {
        let first = self.doc().get_changes(&[]).into_iter().next()?;
        Some(first.raw_bytes().to_vec())
    }

    fn snapshot_error(&self, reason: String) -> LoadError {
        LoadError::Snapshot {
            entity: self.id().clone(),
            reason,
        }
    }

    /// Takes over the stamps that a server sends with a snapshot or entries: an object of the
    /// schema's stamp fields. A replica presents them as they came.
    pub fn set_stamps(&mut self, stamps: Map<String, Value>) {
        self.standing.received = Some(stamps);
    }

    /// The entity's name.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        &self.standing.id
    }

    /// The epoch of its log.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.standing.place.epoch
    }

    /// The seq of its last entry.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.standing.place.seq
    }

    /// The place of its last entry.
    #[must_use]
    pub fn place(&self) -> LogPlace {
        self.standing.place
    }

    /// The hash of its last entry.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.standing.hash
    }

    /// Whether it is there, as its log says.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.standing.presence
    }

    /// About the operations that its document holds: what applying one more costs follows from it.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.document.max_op()
    }

    /// The policy that judges changes to it.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.standing.policy
    }

    /// Hashes of the changes that nothing depends on yet, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<Hash> {
        self.doc().get_heads().into_iter().map(Hash::from).collect()
    }

    /// Whether a change, given as an Automerge change chunk, is in the document.
    #[must_use]
    pub fn holds(&self, change: &[u8]) -> bool {
        Change::try_from(change)
            .is_ok_and(|change| self.doc().get_change_meta_by_hash(&change.hash()).is_some())
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
        self.doc().save()
    }

    /// The entity's stamps.
    #[must_use]
    pub fn stamps(&self) -> &Stamps {
        &self.standing.stamps
    }

    /// The stamps as the schema's fields present them.
    #[must_use]
    pub fn stamp_fields(&self) -> Map<String, Value> {
        self.standing.stamp_fields()
    }

    /// The stamps as a reader under `policy` got them after an earlier entry, which `author` wrote
    /// `at` that time.
    #[must_use]
    pub fn stamp_fields_after(
        &self,
        policy: &Policy,
        (at, author): (Timestamp, &str),
    ) -> Map<String, Value> {
        self.stamps().advanced(at, author, None).fields(policy)
    }

    /// The value as a reader gets it, stamps included.
    #[must_use]
    pub fn presented(&self) -> Value {
        self.standing.presented()
    }

    /// Whether the document has something at a place, deleted or not.
    #[must_use]
    pub fn holds_at(&self, at: &Pointer) -> bool {
        let mut object = automerge::ROOT;
        at.tokens().iter().all(|token| {
            let found = self.doc().get(&object, token.as_str()).ok().flatten();
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
        let value = self.presented_under(self.policy(), heads, self.stamp_fields());
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
        let mut map = Reader::at(self.doc(), policy, &heads).root();
        map.extend(stamps);
        Ok(map)
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn doc(&self) -> &Automerge {
        self.document.doc()
    }

    /// The document with the actors of its changes.
    pub(crate) fn live_document(&self) -> &Document {
        &self.document
    }

    /// Adds changes that are not admitted to the document; value and actors stay as they are.
    pub(crate) fn extend(&mut self, changes: Vec<Change>) -> Result<(), AutomergeError> {
        self.document.extend(changes)
    }

    /// Who writes to the document, by actor.
    pub(crate) fn actors(&self) -> &BTreeMap<ActorId, ActorState> {
        self.document.actors()
    }

    /// The value without stamps.
    pub(crate) fn value(&self) -> &Arc<Map<String, Value>> {
        &self.standing.value
    }

    /// The same document, as entities of another policy are read.
    pub(crate) fn under(&self, policy: &Arc<Policy>) -> Self {
        let mut entity = self.clone();
        entity.standing.policy = Arc::clone(policy);
        entity
    }

    pub(crate) fn known_heads(&self, heads: &[Hash]) -> Result<Vec<ChangeHash>, Hash> {
        heads
            .iter()
            .map(|&hash| {
                let known = self.doc().get_change_meta_by_hash(&hash.into()).is_some();
                if known {
                    Ok(ChangeHash::from(hash))
                } else {
                    Err(hash)
                }
            })
            .collect()
    }
}
