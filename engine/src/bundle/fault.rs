//! What can be wrong with a bundle, and where: the line, and the record in it if that is known.

use std::fmt;

use crate::entity::LoadError;
use crate::id::{EntityId, Hash, LogPlace};
use crate::ledger::{RecordError, RefusalRecord};

/// The first thing wrong with a bundle.
#[derive(Debug)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// Which record it is in, if it is in one that can be read.
    pub record: Option<Box<RecordName>>,
    /// What is wrong.
    pub flaw: Box<Flaw>,
}

/// A record that something is wrong with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordName {
    /// Whose it is.
    pub entity: EntityId,
    /// An entry's place in the log.
    pub place: Option<LogPlace>,
    /// A refusal's number.
    pub number: Option<u64>,
}

impl RecordName {
    pub(super) fn entry(entity: &EntityId, place: Option<LogPlace>) -> Self {
        Self {
            entity: entity.clone(),
            place,
            number: None,
        }
    }

    pub(super) fn refusal(record: &RefusalRecord) -> Self {
        Self {
            entity: record.header.entity.clone(),
            place: None,
            number: Some(record.number),
        }
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.entity)?;
        if let Some(LogPlace { epoch, seq }) = self.place {
            write!(f, ", epoch {epoch}, seq {seq}")?;
        }
        if let Some(number) = self.number {
            write!(f, ", refusal {number}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(record) = &self.record {
            write!(f, " ({record})")?;
        }
        write!(f, ": {}", self.flaw)
    }
}

impl std::error::Error for Fault {}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// There is nothing in the file.
    #[error("the file is empty")]
    Empty,
    /// The file is something else.
    #[error(
        "the file is not a bundle, which begins with the line \
         {{\"line\":\"header\",\"format\":\"{format}\",…",
        format = super::FORMAT
    )]
    NoBundle,
    /// The file begins with a byte order mark.
    #[error("the file begins with a byte order mark ({0}), when a bundle is UTF-8 without one")]
    Mark(&'static str),
    /// The file ends in the middle of a line.
    #[error("the file is cut off in the middle of the line")]
    Cut,
    /// The file ends with a whole line, but for its line feed.
    #[error("the line feed that has to end the line is missing, and nothing comes after it")]
    NoLineFeed,
    /// The line ends as on Windows.
    #[error(
        "the line ends with a carriage return and a line feed, when the lines of a bundle end with \
         a line feed alone"
    )]
    CarriageReturn,
    /// The file ends before its last line.
    #[error("the file is cut off: {0} should follow")]
    End(&'static str),
    /// The line is not JSON, or not of this format.
    #[error("not a line of a bundle: {0}")]
    Malformed(String),
    /// Another version of the format.
    #[error("the bundle has version {0}, and this indelible reads version {known}", known = super::VERSION)]
    Version(u32),
    /// The line differs from the spelling of its content.
    #[error("the line is not what its record says; it should be: {0}")]
    Spelling(String),
    /// Something else is expected here.
    #[error("{found} is here, where {expected} should be")]
    Unexpected {
        /// What is there.
        found: &'static str,
        /// What should be.
        expected: &'static str,
    },
    /// The text of a policy does not have its hash.
    #[error("the policy's text does not have the hash beside it")]
    PolicyHash,
    /// The text of a policy does not compile.
    #[error("the policy cannot be used: {0}")]
    Policy(String),
    /// The lines are not in their order.
    #[error("out of order: {0}")]
    Order(String),
    /// The bytes are not a record.
    #[error("the record cannot be read: {0}")]
    Record(#[from] RecordError),
    /// The hash is not that of the record.
    #[error("the record does not have the hash beside it")]
    Hash,
    /// The record names a different predecessor.
    #[error("the record does not follow the one before it: it names a different hash")]
    Previous,
    /// The record is older than one before it.
    #[error("the record is older than one before it")]
    Time,
    /// No such policy is in the bundle.
    #[error("it names a policy that the bundle does not have: {0}")]
    UnknownPolicy(Hash),
    /// The entry was judged by a policy that was not in force.
    #[error("it names policy {named}, where {in_force} was in force")]
    OtherPolicy {
        /// The policy that the entry names.
        named: Hash,
        /// The policy that the log says.
        in_force: Hash,
    },
    /// Admission refuses what the entry says was admitted.
    #[error("it should not have been admitted: {0}")]
    Refused(String),
    /// What follows from the log is not what the entry says.
    #[error("its {0} is not what follows from the log")]
    Differs(&'static str),
    /// The entry cannot be applied.
    #[error("it cannot be applied: {0}")]
    Load(#[from] LoadError),
    /// Records are missing.
    #[error("{0}")]
    Missing(String),
    /// The trailer does not sum up the lines before it.
    #[error("the checksum over the lines does not match; the line should be: {0}")]
    Sum(String),
}
