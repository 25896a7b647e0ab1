//! What the server keeps, and the one trait through which it is read and written.
//!
//! Entries are the truth. Everything else about an entity (its head, snapshots, effects, the
//! indexes of proposals and changes) is a cache that [`Store::rebuild_caches`] makes again or that
//! may be missing. Claims are one too, but only those who can read values can make them again.
//! Refusals, and what was asked for and answered, are records of their own.
//!
//! Invariant: an append is a compare-and-set on (entity, epoch, seq): it happens if the draft's
//! place is the next one, at the moment of the transaction, and is on disk when `append` returns.
//! All appends of one call are one transaction. Sealing (global seq, time, previous hash) is part
//! of it, because only the transaction knows what came before.
//! Must never know: policy, documents, what changes mean. No type of a database leaves this module.

pub mod keys;
pub mod redb;
mod sealing;
mod values;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod faulty;

use std::fmt::Debug;
use std::path::PathBuf;

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Kind, ProposalId, Seq};
use indelible_engine::ledger::{EntryDraft, RecordError, RefusalDraft, Sealed, SealedRefusal};
pub use indelible_engine::lifecycle::Presence;
use indelible_engine::time::Timestamp;

/// A place in the logs: the seq-th entry of an entity's epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which entity.
    pub entity: EntityId,
    /// The epoch of its log.
    pub epoch: Epoch,
    /// The place in that epoch.
    pub seq: Seq,
}

/// The end of an entity's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The newest epoch.
    pub epoch: Epoch,
    /// The last entry in it.
    pub seq: Seq,
    /// That entry's hash.
    pub hash: Hash,
    /// Whether the entity is there.
    pub presence: Presence,
}

/// An encoded record with its hash, as it lies in the store; `ledger` decodes and verifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The hash over the encoding.
    pub hash: Hash,
    /// The encoding.
    pub bytes: Vec<u8>,
}

/// An entity's document at one place of its log: a cache, so that loading need not replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The epoch.
    pub epoch: Epoch,
    /// The last entry that is in it. Must be committed already.
    pub seq: Seq,
    /// The saved document.
    pub document: Vec<u8>,
    /// What else follows from the log up to there, in an encoding of its maker's.
    pub state: Vec<u8>,
}

/// The text of a policy: a schema as canonical JSON (RFC 8785), whose SHA-256 is its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyText {
    /// The hash that entries name.
    pub hash: Hash,
    /// The text.
    pub text: String,
}

/// An entry to append, with what is kept beside it.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The entry, with the place where it expects to come to stand.
    pub draft: EntryDraft,
    /// The entry's effects, encoded; none if there are none to keep.
    pub effects: Option<Vec<u8>>,
}

/// What one entity's actor wants written, all or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose it is; everything in the request belongs to this entity.
    pub entity: EntityId,
    /// Entries in order; the first stands right after the log's present end.
    pub entries: Vec<NewEntry>,
    /// Refusals in order.
    pub refusals: Vec<RefusalDraft>,
    /// What was asked for and answered, where the entries do not tell.
    pub asked: Vec<Asked>,
    /// What the entity gives up and takes for itself, in order.
    pub claims: Vec<ClaimStep>,
    /// A snapshot of a state that is committed already; replaces older ones.
    pub snapshot: Option<Snapshot>,
}

/// What a principal asked for under the id of a proposal, as a digest that its maker understands:
/// another request under the same id is told from a repeat by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub principal: String,
    /// Under which id.
    pub proposal: ProposalId,
    /// What.
    pub digest: Hash,
    /// What was answered, as its maker understands it: nothing where an entry tells all of it.
    pub answer: Vec<u8>,
}

/// One step in what an entity has for itself among those of its kind. The hash names what is
/// claimed; what it stands for is for others to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimStep {
    /// It gives this up, if it has it.
    Release(Hash),
    /// It takes this, or the whole request fails.
    Gain(Hash),
}

impl Append {
    /// A request that writes nothing yet.
    pub fn new(entity: EntityId) -> Self {
        Self {
            entity,
            entries: Vec::new(),
            refusals: Vec::new(),
            asked: Vec::new(),
            claims: Vec::new(),
            snapshot: None,
        }
    }

    /// About how many bytes it writes.
    pub fn bytes(&self) -> usize {
        let entry = |new: &NewEntry| {
            let changes: usize = new.draft.changes.iter().map(Vec::len).sum();
            changes + new.effects.as_ref().map_or(0, Vec::len)
        };
        let snapshot = self.snapshot.as_ref();
        let snapshot = snapshot.map_or(0, |made| made.document.len() + made.state.len());
        let answers = self.asked.iter().map(|asked| asked.answer.len());
        self.entries.iter().map(entry).sum::<usize>() + answers.sum::<usize>() + snapshot
    }
}

/// What was written of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// The entries in the order of the request, with their places in the global order and hashes.
    pub entries: Vec<Sealed>,
    /// The refusals that were kept; those above a principal's bound are only counted.
    pub refusals: Vec<SealedRefusal>,
}

/// A request's first place is not the next one: somebody else has written, or nobody has yet.
/// Nothing of the request was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be appended to at epoch {}, seq {}", expected.entity, expected.epoch, expected.seq)]
pub struct Conflict {
    /// Where the request wanted to write.
    pub expected: Place,
    /// Where the log ends.
    pub found: Option<Head>,
}

/// A request takes what another entity has. Nothing of the request was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{holder} has a value already that only one may have, and that is to be written")]
pub struct Taken {
    /// What was to be taken.
    pub claim: Hash,
    /// Who has it.
    pub holder: EntityId,
}

/// Why one request was not written while others were.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It does not go on where its log ends.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// It takes what another has.
    #[error(transparent)]
    Taken(#[from] Taken),
}

/// The end of the global order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The last entry's global seq; zero when there is none.
    pub global: GlobalSeq,
    /// The latest time given out to an entry or a refusal.
    pub at: Timestamp,
    /// How many appends the store has taken, ever. Tells after a failure whether one is there.
    pub appends: u64,
}

/// Which entities to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All of them.
    All,
    /// Those of one kind.
    Kind(&'a Kind),
}

/// How often a principal was refused on one entity and epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusalCount {
    /// All refusals.
    pub total: u64,
    /// Those that have a record of their own.
    pub kept: u64,
}

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store.
    #[error("another indelible is serving this directory ({})", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The file that was opened is not at its place any more.
    #[error("{} was replaced or removed under the running server", path.display())]
    Replaced {
        /// The store's file.
        path: PathBuf,
    },
    /// Another program has written to the file, as a backup that is copied over it does.
    #[error(
        "{} was written to by another program under the running server: stop the server, then \
         restore",
        path.display()
    )]
    Overwritten {
        /// The store's file.
        path: PathBuf,
    },
    /// Written by a newer version of this program.
    #[error(
        "{} has storage format {found}; this indelible knows formats up to {known}: \
         use a newer indelible",
        path.display()
    )]
    TooNew {
        /// The store's file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// What lies in the store is not what was written there.
    #[error(
        "the store is damaged: {what}; restore the data directory from a backup, and keep this one \
         until that has worked"
    )]
    Damaged {
        /// Where, and how one can tell.
        what: String,
    },
    /// A stored record cannot be read.
    #[error("the store holds a record that this indelible cannot read")]
    Record(#[from] RecordError),
    /// The database or the disk failed. After a failed write it is unknown whether it happened.
    #[error("the store failed while it tried to {action}")]
    Backend {
        /// What was tried: "open", "read", "write", "commit".
        action: &'static str,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A failed database is being opened again.
    #[error("the store is not open")]
    Closed,
    /// It was opened only to be read.
    #[error("the store was opened only to be read")]
    ReadOnly,
    /// It cannot be read as it is: it was not closed in the ordinary way, or its indexes are of an
    /// earlier version.
    #[error("the store cannot be read without writing to it")]
    NeedsWriting,
}

/// Results of the store.
pub type StoreResult<T> = Result<T, StoreError>;

/// Where everything is kept. Calls block; reads see what was committed when they began.
pub trait Store: Debug + Send + Sync + 'static {
    /// Writes all requests in one transaction and returns when it is on disk. Every request has
    /// its own outcome: a conflict of one leaves the others alone. Of two that claim the same, the
    /// first one gets it.
    ///
    /// # Errors
    /// When the transaction failed as a whole. It may have happened all the same:
    /// [`Tail::appends`], after [`Store::reopen`], tells.
    fn append(&self, requests: &[Append]) -> StoreResult<Vec<Result<Appended, Rejected>>>;

    /// The end of the global order.
    ///
    /// # Errors
    /// When reading fails.
    fn tail(&self) -> StoreResult<Tail>;

    /// The end of an entity's log; none if it has no entry.
    ///
    /// # Errors
    /// When reading fails.
    fn head(&self, entity: &EntityId) -> StoreResult<Option<Head>>;

    /// Entities with their heads, in the order of their names, those after `after`.
    ///
    /// # Errors
    /// When reading fails.
    fn heads(
        &self,
        scope: Scope<'_>,
        after: Option<&EntityId>,
        limit: usize,
    ) -> StoreResult<Vec<(EntityId, Head)>>;

    /// One entry.
    ///
    /// # Errors
    /// When reading fails.
    fn entry(&self, place: &Place) -> StoreResult<Option<Stored>>;

    /// Entries of an epoch in order, from `from` on.
    ///
    /// # Errors
    /// When reading fails.
    fn entries(&self, from: &Place, limit: usize) -> StoreResult<Vec<Stored>>;

    /// Entries of all entities in global order, those after `after`.
    ///
    /// # Errors
    /// When reading fails.
    fn feed(&self, after: GlobalSeq, limit: usize) -> StoreResult<Vec<Stored>>;

    /// The newest snapshot of an epoch.
    ///
    /// # Errors
    /// When reading fails.
    fn snapshot(&self, entity: &EntityId, epoch: Epoch) -> StoreResult<Option<Snapshot>>;

    /// Effects of entries of an epoch in order, from `from` on; entries without any are left out.
    ///
    /// # Errors
    /// When reading fails.
    fn effects(&self, from: &Place, limit: usize) -> StoreResult<Vec<(Seq, Vec<u8>)>>;

    /// Where a principal's proposal was admitted, if it was.
    ///
    /// # Errors
    /// When reading fails.
    fn proposal(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Place>>;

    /// What a principal asked for under an id, and was answered, if that was kept.
    ///
    /// # Errors
    /// When reading fails.
    fn asked(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Asked>>;

    /// The entry of an epoch that brought a change, if one did.
    ///
    /// # Errors
    /// When reading fails.
    fn change(&self, entity: &EntityId, epoch: Epoch, change: Hash) -> StoreResult<Option<Seq>>;

    /// Refusals on an entity in order, from number `from` on.
    ///
    /// # Errors
    /// When reading fails.
    fn refusals(&self, entity: &EntityId, from: u64, limit: usize) -> StoreResult<Vec<Stored>>;

    /// Refusals on all entities, in the order of their names and of the refusals, those after
    /// `after`; a place's seq is the number of the refusal.
    ///
    /// # Errors
    /// When reading fails.
    fn all_refusals(
        &self,
        after: Option<&Place>,
        limit: usize,
    ) -> StoreResult<Vec<(Place, Stored)>>;

    /// How often a principal was refused on an entity in an epoch.
    ///
    /// # Errors
    /// When reading fails.
    fn refusal_count(
        &self,
        entity: &EntityId,
        epoch: Epoch,
        principal: &str,
    ) -> StoreResult<RefusalCount>;

    /// Who has a claim in the kind of this entity, other than this entity: the first by name, if
    /// several had it before it was one.
    ///
    /// # Errors
    /// When reading fails.
    fn other_holder(&self, entity: &EntityId, claim: Hash) -> StoreResult<Option<EntityId>>;

    /// All claims in a kind and who has them, in the order of their hashes and names.
    ///
    /// # Errors
    /// When reading fails.
    fn claims(&self, kind: &Kind) -> StoreResult<Vec<(Hash, EntityId)>>;

    /// The signature that the claims in a kind were last made again under; none when that was never
    /// done, or not since the caches were.
    ///
    /// # Errors
    /// When reading fails.
    fn claims_signature(&self, kind: &Kind) -> StoreResult<Option<Hash>>;

    /// Puts these claims in the place of all that are in a kind, under a signature.
    ///
    /// # Errors
    /// When writing fails.
    fn replace_claims(
        &self,
        kind: &Kind,
        signature: Hash,
        claims: &[(Hash, EntityId)],
    ) -> StoreResult<()>;

    /// A note of the server's own, such as the hash of a schema it was last run with.
    ///
    /// # Errors
    /// When reading fails.
    fn note(&self, name: &str) -> StoreResult<Option<Vec<u8>>>;

    /// Keeps a note.
    ///
    /// # Errors
    /// When writing fails.
    fn set_note(&self, name: &str, value: &[u8]) -> StoreResult<()>;

    /// Keeps the texts of policies, in one transaction; those that are there already stay. A
    /// policy's text is kept before the first entry that names it is appended.
    ///
    /// # Errors
    /// When a text does not have its hash, or writing fails.
    fn keep_policies(&self, policies: &[PolicyText]) -> StoreResult<()>;

    /// The texts of all policies that were ever kept, in the order of their hashes.
    ///
    /// # Errors
    /// When reading fails, or a text is not what was kept.
    fn policies(&self) -> StoreResult<Vec<PolicyText>>;

    /// Looks whether what is written can still be found: the file that is open is the one at its
    /// place.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] when it is not, [`StoreError::Overwritten`] when another program has
    /// written to it.
    fn check_place(&self) -> StoreResult<()>;

    /// Bytes that can still be written to the disk.
    ///
    /// # Errors
    /// When the system does not say.
    fn disk_free_bytes(&self) -> StoreResult<u64>;

    /// Closes and opens the database, after a failure.
    ///
    /// # Errors
    /// When it cannot be opened; the store then stays closed and this may be tried again.
    fn reopen(&self) -> StoreResult<()>;

    /// Makes heads and indexes again from the entries, verifying every entity's chain on the way,
    /// and drops snapshots, effects and claims.
    ///
    /// # Errors
    /// When a chain does not hold, or reading or writing fails.
    fn rebuild_caches(&self) -> StoreResult<()>;
}
