//! Untrusted bytes → a checked Automerge change.
//!
//! Automerge takes any change chunk at its word: 81 bytes can hold a million operations, an actor
//! index out of range panics. So [`parse`] reads the chunk itself first, run by run and without
//! expanding any, and hands it to Automerge only when every count, length, index and column fits.
//! At the end the change is encoded again and must give the same bytes: a hash then stands for one
//! sequence of operations, and nothing can hide in an unusual encoding.
//!
//! Invariant: [`parse`] panics for no input, takes time linear in the input and memory bounded by
//! the input and [`Limits`]; a [`ParsedChange`] is in Automerge's own encoding.

mod actors;
mod chunk;
mod columns;
mod divide;
mod reader;

use std::fmt;

use automerge::legacy::OpId;
use automerge::{ActorId, Change, ChangeHash, ExpandedChange};

pub use self::actors::{ActorClass, client_actor, genesis_actor, server_actor};
pub use self::divide::divide;
pub(crate) use self::divide::divided;
pub use crate::limits::Limits;
pub use automerge::legacy::Op;

use crate::id::Hash;
use crate::violation::RefusalCode;

/// One past the largest operation counter that a change may reach. Automerge counts in 32 bits and
/// panics beyond; half of that leaves room for what others add on top.
pub const OPERATION_COUNTER_END: u64 = 1 << 31;

/// The largest distance from 1970 that a change may claim, in whatever unit: what every client can
/// write as a number. Automerge subtracts claimed times from one another in 64 bits, and overflows.
pub const TIME_MAX: i64 = (1 << 53) - 1;

/// Why bytes are not a change that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The bytes do not begin as an Automerge chunk.
    #[error("not an Automerge chunk")]
    NotAChunk,
    /// The chunk is a document, a compressed change or a bundle.
    #[error("chunk of type {0}, when only plain changes (1) are taken")]
    ChunkType(u8),
    /// The chunk ends before, or goes on after, where it says.
    #[error("the chunk does not have the length that it says")]
    Length,
    /// The checksum is not that of the content.
    #[error("wrong checksum")]
    Checksum,
    /// Something ends too early, is not a number, or a number is not in its shortest form.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// Something is longer, larger or more than is allowed.
    #[error("{found} {what}, when {max} are allowed")]
    TooMany {
        /// Of what there is too much.
        what: Bounded,
        /// How much there is; a lower bound when counting stopped.
        found: u64,
        /// How much is allowed.
        max: u64,
    },
    /// The dependencies are not sorted, or one comes twice.
    #[error("dependencies out of order")]
    DependencyOrder,
    /// The length of the actor id is not allowed.
    #[error("an actor id of {found} bytes, when {min} to {max} are allowed")]
    ActorLength {
        /// How long it is.
        found: usize,
        /// How long it must be at least.
        min: usize,
        /// How long it may be at most.
        max: usize,
    },
    /// The actor id is one that Automerge derives from another for itself.
    #[error("a derived actor id")]
    ActorDerived,
    /// The actors that the change refers to are not sorted, or one comes twice.
    #[error("other actors out of order")]
    ActorOrder,
    /// No actor can reach this sequence number.
    #[error("impossible sequence number {0}, when 1 to {max} are allowed", max = OPERATION_COUNTER_END - 1)]
    Seq(u64),
    /// No document can reach these operation counters.
    #[error("impossible operation counter {0}, when 1 to {max} are allowed", max = OPERATION_COUNTER_END - 1)]
    OperationCounter(u64),
    /// The claimed time is beyond [`TIME_MAX`].
    #[error("impossible time {0}, when {min} to {TIME_MAX} are allowed", min = -TIME_MAX)]
    Time(i64),
    /// The message is not text.
    #[error("the message is not UTF-8")]
    MessageEncoding,
    /// The bytes after the columns are not exactly one author footer, or not at an actor's first
    /// change.
    #[error("bytes after the columns that are not an author footer of a first change")]
    Footer,
    /// A column that is unknown, compressed, or out of order.
    #[error("unexpected column {0}")]
    UnexpectedColumn(u64),
    /// A column does not describe as many rows as there are operations.
    #[error("column {column} has {found} rows instead of {expected}")]
    Rows {
        /// The name of the column.
        column: &'static str,
        /// How many rows it describes; a lower bound when counting stopped.
        found: u64,
        /// How many it should describe.
        expected: u64,
    },
    /// A column holds a value that is not allowed there.
    #[error("impossible value in column {0}")]
    ColumnValue(&'static str),
    /// The change does nothing.
    #[error("no operations")]
    NoOperations,
    /// An operation names its predecessors out of order, or one twice.
    #[error("predecessors of operation {0} out of order")]
    PredecessorOrder(usize),
    /// Automerge does not take the change.
    #[error("unreadable operations: {0}")]
    Automerge(String),
    /// The change is not encoded as Automerge encodes it.
    #[error("not in canonical encoding")]
    NotCanonical,
}

/// What [`ChangeError::TooMany`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounded {
    /// Operations of the change.
    Operations,
    /// Dependencies of the change.
    Dependencies,
    /// Actors that the change refers to, besides its own.
    Actors,
    /// Predecessors of all operations together.
    Predecessors,
    /// Bytes of the message.
    MessageBytes,
    /// Bytes of a map key or of a mark's name.
    KeyBytes,
    /// Bytes of the author in the footer.
    AuthorBytes,
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operations => "operations",
            Self::Dependencies => "dependencies",
            Self::Actors => "other actors",
            Self::Predecessors => "predecessors",
            Self::MessageBytes => "bytes of message",
            Self::KeyBytes => "bytes of map key",
            Self::AuthorBytes => "bytes of author",
        })
    }
}

impl ChangeError {
    /// The code of the refusal of such a change.
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::NotAChunk => RefusalCode::NotAChunk,
            Self::ChunkType(_) => RefusalCode::ChunkType,
            Self::Length => RefusalCode::ChunkLength,
            Self::Checksum => RefusalCode::Checksum,
            Self::Malformed(_) => RefusalCode::MalformedChange,
            Self::TooMany { what, .. } => match what {
                Bounded::Operations => RefusalCode::TooManyOperations,
                Bounded::Dependencies => RefusalCode::TooManyDependencies,
                Bounded::Actors => RefusalCode::TooManyActors,
                Bounded::Predecessors => RefusalCode::TooManyPredecessors,
                Bounded::MessageBytes => RefusalCode::MessageTooLong,
                Bounded::KeyBytes => RefusalCode::KeyTooLong,
                Bounded::AuthorBytes => RefusalCode::AuthorTooLong,
            },
            Self::DependencyOrder => RefusalCode::DependencyOrder,
            Self::ActorLength { .. } => RefusalCode::ActorLength,
            Self::ActorDerived => RefusalCode::ActorDerived,
            Self::ActorOrder => RefusalCode::ActorOrder,
            Self::Seq(_) => RefusalCode::ImpossibleSeq,
            Self::OperationCounter(_) => RefusalCode::ImpossibleCounter,
            Self::Time(_) => RefusalCode::ImpossibleTime,
            Self::MessageEncoding => RefusalCode::MessageEncoding,
            Self::Footer => RefusalCode::AuthorFooter,
            Self::UnexpectedColumn(_) => RefusalCode::UnexpectedColumn,
            Self::Rows { .. } => RefusalCode::ColumnRows,
            Self::ColumnValue(_) => RefusalCode::ColumnValue,
            Self::NoOperations => RefusalCode::NoOperations,
            Self::PredecessorOrder(_) => RefusalCode::PredecessorOrder,
            Self::Automerge(_) => RefusalCode::UnreadableOperations,
            Self::NotCanonical => RefusalCode::NotCanonical,
        }
    }
}

/// A change whose structure is sound. What it refers to may still not exist.
#[derive(Debug, Clone)]
pub struct ParsedChange {
    raw: Change,
    expanded: ExpandedChange,
}

impl ParsedChange {
    /// A change that is made here: Automerge's own encoder writes it, so it need not be read back.
    pub(crate) fn made(expanded: ExpandedChange) -> Self {
        let raw = Change::from(expanded.clone());
        Self { raw, expanded }
    }

    /// Whether it is what [`parse`] makes of its bytes.
    pub(crate) fn is_as_read(&self, limits: &Limits) -> bool {
        parse(self.bytes(), limits).is_ok_and(|read| {
            read.bytes() == self.bytes()
                && read.ops() == self.ops()
                && read.claimed_author() == self.claimed_author()
        })
    }

    /// Automerge's change.
    pub fn raw(&self) -> &Change {
        &self.raw
    }

    /// Automerge's change.
    pub fn into_raw(self) -> Change {
        self.raw
    }

    /// The chunk, as it came.
    pub fn bytes(&self) -> &[u8] {
        self.raw.raw_bytes()
    }

    /// The hash by which other changes name this one.
    pub fn hash(&self) -> Hash {
        self.raw.hash().into()
    }

    /// The actor that made the change.
    pub fn actor(&self) -> &ActorId {
        self.raw.actor_id()
    }

    /// Which change of its actor this is, from 1.
    pub fn seq(&self) -> u64 {
        self.raw.seq()
    }

    /// The counter of the first operation.
    pub fn start_op(&self) -> u64 {
        self.raw.start_op().get()
    }

    /// The counter of the last operation.
    pub fn max_op(&self) -> u64 {
        self.raw.max_op()
    }

    /// The hashes of the changes that it depends on, sorted.
    pub fn deps(&self) -> &[ChangeHash] {
        self.raw.deps()
    }

    /// The message.
    pub fn message(&self) -> Option<&str> {
        self.raw.message()
    }

    /// The time that the author claims, in whatever unit the author used.
    pub fn time(&self) -> i64 {
        self.raw.timestamp()
    }

    /// The author that a footer claims.
    pub fn claimed_author(&self) -> Option<&[u8]> {
        self.expanded
            .author
            .as_ref()
            .map(|author| author.as_bytes())
    }

    /// The operations; at least one. The one at `index` has the id `(start_op + index, actor)`.
    pub fn ops(&self) -> &[Op] {
        &self.expanded.operations
    }

    /// The id of the operation at `index`.
    pub fn op_id(&self, index: usize) -> OpId {
        OpId::new(self.start_op() + index as u64, self.actor())
    }
}

/// What a change says of itself before its operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeHead {
    /// The actor that made it.
    pub actor: ActorId,
    /// Which change of its actor it is, from 1.
    pub seq: u64,
    /// Its message; none where it is empty.
    pub message: Option<String>,
    /// Its hash.
    pub hash: Hash,
}

/// Reads what stands before the operations of a change that was checked before; none of bytes that
/// are not a plain change.
#[must_use]
pub fn head(bytes: &[u8]) -> Option<ChangeHead> {
    chunk::head(bytes).ok()
}

/// What the operations of a change do to the length of texts and lists, as its columns tell: without
/// expanding them, and without looking at what they refer to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operations {
    /// How many there are.
    pub all: u64,
    /// Those that insert an element.
    pub insertions: u64,
    /// Those that delete.
    pub deletions: u64,
    /// Those that write something that takes no byte: `null`, `true`, `false`, a container.
    pub weightless: u64,
}

/// Counts the operations of a plain change chunk that nobody has checked, in time linear in its
/// bytes however many it holds.
///
/// # Errors
///
/// [`ChangeError`]: of what [`parse`] finds, what can be found without expanding anything.
pub fn operations(bytes: &[u8], limits: &Limits) -> Result<Operations, ChangeError> {
    chunk::check_body(chunk::open(bytes)?, limits)
}

/// Reads one plain change chunk that nobody has checked.
///
/// # Errors
///
/// [`ChangeError`], whose [`code`](ChangeError::code) is stable.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<ParsedChange, ChangeError> {
    let body = chunk::open(bytes)?;
    let operations = chunk::check_body(body, limits)?.all;
    let raw = Change::try_from(bytes).map_err(|e| ChangeError::Automerge(e.to_string()))?;
    if raw.len() as u64 != operations {
        return Err(ChangeError::Rows {
            column: columns::ACTION,
            found: raw.len() as u64,
            expected: operations,
        });
    }
    let expanded = raw.decode();
    for (index, op) in expanded.operations.iter().enumerate() {
        // Automerge's encoder would panic on these, so they are found before it is asked.
        if !op.pred.iter().is_sorted_by(|a, b| a < b) {
            return Err(ChangeError::PredecessorOrder(index));
        }
    }
    if Change::from(expanded.clone()).raw_bytes() != bytes {
        return Err(ChangeError::NotCanonical);
    }
    Ok(ParsedChange { raw, expanded })
}

#[cfg(test)]
mod tests;
