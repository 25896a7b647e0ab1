//! The codes with which proposals are refused, and what the author's client does about each.

use std::fmt;

/// What a client does with its pending edits when a proposal is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Propose them again, under a fresh actor on the server's present state.
    Again,
    /// Drop the operations that the violations name and what depends on them; propose the rest
    /// again.
    DropNamed,
    /// Drop all of them: the server accepts none from this author.
    DropAll,
}

/// Defines the codes in one table: variant, text, recovery.
macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $recovery:ident)*) => {
        /// Why a proposal, or its rest, was refused: a stable code, explained in
        /// `docs/protocol.md`.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
            /// A code that this version does not know.
            Unknown(Box<str>),
        }

        impl RefusalCode {
            /// All codes that this version knows.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as it is sent and recorded.
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown(text) => text,
                }
            }

            /// What the author's client does with its pending edits.
            #[must_use]
            pub fn recovery(&self) -> Recovery {
                match self {
                    $(Self::$name => Recovery::$recovery,)*
                    Self::Unknown(_) => Recovery::DropNamed,
                }
            }
        }

        impl From<&str> for RefusalCode {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$name,)*
                    other => Self::Unknown(other.into()),
                }
            }
        }
    };
}

refusal_codes! {
    /// The policy or the schema is against it; the violations say what and where.
    Policy "policy" DropNamed
    /// Values that a PUT brought for protected fields, which were kept as they are while the rest
    /// was taken. Recorded, never an answer.
    Preserved "preserved" DropNamed

    /// The principal may not write this entity.
    Forbidden "forbidden" DropAll
    /// There is no such entity, as far as the principal may know.
    NotFound "not-found" DropAll
    /// The entity is there already, or was.
    Exists "exists" DropNamed
    /// The proposal is for another epoch.
    Epoch "epoch" Again
    /// The principal may open this kind as a value only.
    Mode "mode" DropAll
    /// The id cannot be used.
    BadId "bad-id" DropNamed
    /// The proposal's id was used for something else.
    IdReused "id-reused" DropNamed
    /// The entity would grow too large.
    EntitySize "entity-size" DropNamed
    /// More operations than the changes and what is there account for.
    OperationsLimit "operations-limit" DropNamed
    /// The server failed while judging it; nothing was written.
    Internal "internal" DropNamed

    /// It depends on changes that are not in the log.
    UnknownDeps "unknown-deps" Again
    /// It depends on a change that was refused.
    DependsOnRefused "depends-on-refused" Again
    /// The change is in the log already.
    Repeated "repeated" Again
    /// Its sequence number is not the next one of its actor.
    Seq "seq" Again
    /// It does not know an earlier change of its own actor.
    OwnPast "own-past" Again
    /// Its first operation does not follow what it depends on.
    StartOp "start-op" Again
    /// It depends on too few of the concurrent changes.
    HeadsLimit "heads-limit" Again
    /// The actor id is one that only the server may use.
    ActorReserved "actor-reserved" DropNamed
    /// The actor id belongs to someone else.
    ActorTaken "actor-taken" Again
    /// The principal has used as many actors as one may.
    ActorLimit "actor-limit" DropAll
    /// The change names an author.
    Author "author" DropNamed
    /// An operation is on an object that is not there.
    UnknownObject "unknown-object" DropNamed
    /// An operation's key does not fit its object.
    Key "key" DropNamed
    /// An operation is on a list or text element that is not there.
    Element "element" DropNamed
    /// An operation replaces what is not at its place.
    Pred "pred" DropNamed
    /// An operation makes a mark.
    Mark "mark" DropNamed
    /// Automerge does not apply it.
    Inapplicable "inapplicable" DropNamed

    /// The proposal is not well-formed.
    Malformed "malformed" DropNamed
    /// The bytes are not a chunk of Automerge's format.
    NotAChunk "not-a-chunk" DropNamed
    /// The chunk is not a plain change.
    ChunkType "chunk-type" DropNamed
    /// The chunk's length is not that of the bytes.
    ChunkLength "chunk-length" DropNamed
    /// The chunk's checksum does not match.
    Checksum "checksum" DropNamed
    /// The change cannot be read.
    MalformedChange "malformed-change" DropNamed
    /// The change has too many operations.
    TooManyOperations "too-many-operations" DropNamed
    /// The change has too many dependencies.
    TooManyDependencies "too-many-dependencies" DropNamed
    /// The change names too many other actors.
    TooManyActors "too-many-actors" DropNamed
    /// An operation has too many predecessors.
    TooManyPredecessors "too-many-predecessors" DropNamed
    /// The change's message is too long.
    MessageTooLong "message-too-long" DropNamed
    /// A map key is too long.
    KeyTooLong "key-too-long" DropNamed
    /// The name of an author is too long.
    AuthorTooLong "author-too-long" DropNamed
    /// The dependencies are not in order.
    DependencyOrder "dependency-order" DropNamed
    /// The actor id is too short or too long.
    ActorLength "actor-length" DropNamed
    /// The actor id is derived as only the server derives them.
    ActorDerived "actor-derived" DropNamed
    /// The other actors are not in order.
    ActorOrder "actor-order" DropNamed
    /// No change can have this sequence number.
    ImpossibleSeq "impossible-seq" DropNamed
    /// No operation can have this counter.
    ImpossibleCounter "impossible-counter" DropNamed
    /// No change can have this time.
    ImpossibleTime "impossible-time" DropNamed
    /// The message is not UTF-8.
    MessageEncoding "message-encoding" DropNamed
    /// The change ends with an author.
    AuthorFooter "author-footer" DropNamed
    /// The change has a column that none may have.
    UnexpectedColumn "unexpected-column" DropNamed
    /// The columns have different numbers of rows.
    ColumnRows "column-rows" DropNamed
    /// A column holds a value that it may not hold.
    ColumnValue "column-value" DropNamed
    /// The change has no operations.
    NoOperations "no-operations" DropNamed
    /// An operation's predecessors are not in order.
    PredecessorOrder "predecessor-order" DropNamed
    /// Automerge does not read the operations.
    UnreadableOperations "unreadable-operations" DropNamed
    /// The change is not encoded as Automerge encodes it.
    NotCanonical "not-canonical" DropNamed
}

impl RefusalCode {
    /// Whether refusals with this code are recorded in the ledger: those that the policy decided,
    /// and what was tried at protected fields.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        matches!(self, Self::Policy | Self::Preserved)
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialEq<&str> for RefusalCode {
    fn eq(&self, other: &&str) -> bool {
        self.code() == *other
    }
}
