//! What is stored, and what is asked to be stored.

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Kind, ProposalId, Seq};
use indelible_engine::ledger::{EntryDraft, Presence, RefusalDraft, Sealed, SealedRefusal};
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
    /// The entry, with its expected place in the log.
    pub draft: EntryDraft,
    /// The entry's effects, encoded; none if there are none to keep.
    pub effects: Option<Vec<u8>>,
}

/// What one entity's actor wants written, all or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose it is; everything in the request belongs to this entity.
    pub entity: EntityId,
    /// Entries in order; the first comes right after the end of the log.
    pub entries: Vec<NewEntry>,
    /// Refusals in order.
    pub refusals: Vec<RefusalDraft>,
    /// What was asked for and answered, where it does not follow from the entries.
    pub asked: Vec<Asked>,
    /// What the entity gives up and takes for itself, in order.
    pub claims: Vec<ClaimStep>,
    /// A snapshot of a state that is committed already; replaces older ones.
    pub snapshot: Option<Snapshot>,
}

/// What a principal asked for under the id of a proposal, as a digest that its maker understands:
/// it distinguishes another request under the same id from a repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub principal: String,
    /// Under which id.
    pub proposal: ProposalId,
    /// What.
    pub digest: Hash,
    /// What was answered, as its maker understands it: nothing where all of it follows from an entry.
    pub answer: Vec<u8>,
}

/// One step in what an entity has for itself among those of its kind. The hash names what is
/// claimed; the store does not know the value.
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

/// A request's first place is not the next one: others have written, or an entry before it is missing.
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
