//! The versions of the rules by which schemas are read and changes are judged.
//!
//! A rule that becomes stricter would make old ledgers unverifiable if it were applied to them. So
//! a policy is compiled under one version, its record names that version, and its hash covers the
//! record: an entry is judged for ever by the rules that were in force when it was written. A
//! server compiles its schema folder under [`Rules::LATEST`] and migrates its entities to that
//! policy when it starts, as it does after a change of the schema.

use std::fmt;

/// A version of the rules. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rules {
    /// The first version. The record of a policy under it is the schema alone.
    V1,
    /// The second version.
    V2,
    /// The third version.
    V3,
    /// The fourth version.
    V4,
    /// The fifth version.
    V5,
}

impl Rules {
    /// The version that new entries are judged by.
    pub const LATEST: Self = Self::V5;

    /// All versions, oldest first.
    pub const ALL: [Self; 5] = [Self::V1, Self::V2, Self::V3, Self::V4, Self::V5];

    /// The number of the version in records and frames.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }

    /// The version with this number, if this build knows it.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|rules| rules.number() == number)
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}
