//! What the server keeps, and the traits through which it is read and written.
//!
//! Entries are the truth. Everything else about an entity (its head, snapshots, effects, the
//! indexes of proposals and changes) is a cache that [`Upkeep::rebuild_caches`] makes again or that
//! may be missing. Claims are one too, but only code that can read values can make them again.
//! Refusals, and what was asked for and answered, are records of their own.
//!
//! Invariant: an append is a compare-and-set on (entity, epoch, seq): it happens if the draft's
//! place is the next one, at the moment of the transaction, and is on disk when `append` returns.
//! All appends of one call are one transaction. Sealing (global seq, time, previous hash) is part
//! of it, because only the transaction knows what came before. No type of a database leaves this
//! module.
//!
//! What holds for all methods: they block until they are done; a read sees what was committed when
//! it began, and fails only where the store cannot be read; a write is on disk when it returns, and
//! may have happened all the same when it fails.

pub mod chained;
mod error;
pub mod keys;
mod records;
pub mod redb;
mod sealing;
mod values;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod faulty;

use std::fmt::Debug;

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Kind, ProposalId, Seq};
pub use indelible_engine::ledger::Presence;

pub use self::error::{StoreError, StoreResult};
pub use self::records::{
    Append, Appended, Asked, ClaimStep, Conflict, Head, NewEntry, Place, PolicyText, RefusalCount,
    Rejected, Scope, Snapshot, Stored, Tail, Taken,
};

/// The logs of all entities, and what is kept beside their entries.
pub trait Ledger {
    /// Writes all requests in one transaction. Every request has its own outcome: a conflict of one
    /// leaves the others alone. Of two that claim the same, the first one gets it.
    ///
    /// # Errors
    /// When the transaction failed as a whole. [`Tail::appends`], after [`Upkeep::reopen`], says
    /// whether it happened.
    fn append(&self, requests: &[Append]) -> StoreResult<Vec<Result<Appended, Rejected>>>;

    /// The end of the global order.
    fn tail(&self) -> StoreResult<Tail>;

    /// The end of an entity's log, unless it has no entry.
    fn head(&self, entity: &EntityId) -> StoreResult<Option<Head>>;

    /// Entities with their heads, in the order of their names, those after `after`.
    fn heads(
        &self,
        scope: Scope<'_>,
        after: Option<&EntityId>,
        limit: usize,
    ) -> StoreResult<Vec<(EntityId, Head)>>;

    /// One entry.
    fn entry(&self, place: &Place) -> StoreResult<Option<Stored>>;

    /// Entries of an epoch in order, from `from` on.
    fn entries(&self, from: &Place, limit: usize) -> StoreResult<Vec<Stored>>;

    /// Entries of all entities in global order, those after `after`.
    fn feed(&self, after: GlobalSeq, limit: usize) -> StoreResult<Vec<Stored>>;

    /// The newest snapshot of an epoch.
    fn snapshot(&self, entity: &EntityId, epoch: Epoch) -> StoreResult<Option<Snapshot>>;

    /// Effects of entries of an epoch in order, from `from` on; entries without any are left out.
    fn effects(&self, from: &Place, limit: usize) -> StoreResult<Vec<(Seq, Vec<u8>)>>;

    /// Where a principal's proposal was admitted, if it was.
    fn proposal(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Place>>;

    /// What a principal asked for under an id, and was answered, if that was kept.
    fn asked(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Asked>>;

    /// The entry of an epoch that brought a change, if one did.
    fn change(&self, entity: &EntityId, epoch: Epoch, change: Hash) -> StoreResult<Option<Seq>>;
}

/// What was refused. [`Ledger::append`] writes it.
pub trait Refusals {
    /// Refusals on an entity in order, from number `from` on.
    fn refusals(&self, entity: &EntityId, from: u64, limit: usize) -> StoreResult<Vec<Stored>>;

    /// Refusals on all entities, in the order of their names and of the refusals, those after
    /// `after`; a place's seq is the number of the refusal.
    fn all_refusals(
        &self,
        after: Option<&Place>,
        limit: usize,
    ) -> StoreResult<Vec<(Place, Stored)>>;

    /// How often a principal was refused on an entity in an epoch.
    fn refusal_count(
        &self,
        entity: &EntityId,
        epoch: Epoch,
        principal: &str,
    ) -> StoreResult<RefusalCount>;
}

/// Which entity holds which claim. [`Ledger::append`] takes and releases them.
pub trait Claims {
    /// Which entity of the same kind holds a claim, other than this one: the first by name, if
    /// several held it before it was a claim.
    fn other_holder(&self, entity: &EntityId, claim: Hash) -> StoreResult<Option<EntityId>>;

    /// All claims in a kind and their holders, in the order of their hashes and names.
    fn claims(&self, kind: &Kind) -> StoreResult<Vec<(Hash, EntityId)>>;

    /// The schema signature of the last rebuild of the claims in a kind, unless there was none since
    /// the caches were rebuilt.
    fn claims_signature(&self, kind: &Kind) -> StoreResult<Option<Hash>>;

    /// Replaces all claims in a kind by these, under a signature.
    fn replace_claims(
        &self,
        kind: &Kind,
        signature: Hash,
        claims: &[(Hash, EntityId)],
    ) -> StoreResult<()>;
}

/// Notes of the server's own, such as the hash of the schema that it was last run with.
pub trait Notes {
    /// A note.
    fn note(&self, name: &str) -> StoreResult<Option<Vec<u8>>>;

    /// Keeps a note.
    fn set_note(&self, name: &str, value: &[u8]) -> StoreResult<()>;
}

/// The texts of policies.
pub trait PolicyTexts {
    /// Keeps texts, in one transaction; those that are there already stay. A policy's text is kept
    /// before the first entry that names it is appended.
    ///
    /// # Errors
    /// Also when a text does not have its hash.
    fn keep_policies(&self, policies: &[PolicyText]) -> StoreResult<()>;

    /// All texts that were ever kept, in the order of their hashes.
    ///
    /// # Errors
    /// Also when a text is not what was kept.
    fn policies(&self) -> StoreResult<Vec<PolicyText>>;
}

/// The store as a file on a disk.
pub trait Upkeep {
    /// Checks that what is written can still be found: that the open file is the one at its place.
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

    /// Rebuilds heads and indexes from the entries, verifying every entity's chain on the way, and
    /// drops snapshots, effects and claims.
    ///
    /// # Errors
    /// Also when a chain does not hold.
    fn rebuild_caches(&self) -> StoreResult<()>;
}

/// Everything that the server keeps.
pub trait Store:
    Ledger + Refusals + Claims + Notes + PolicyTexts + Upkeep + Debug + Send + Sync + 'static
{
}

impl<T> Store for T where
    T: Ledger + Refusals + Claims + Notes + PolicyTexts + Upkeep + Debug + Send + Sync + 'static
{
}
