//! The kinds of mistakes in schema files, with their stable codes.
//!
//! A code keeps its meaning; the words beside it may change. All codes are listed in
//! `docs/schema.md`.

/// A sort of mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mistake {
    /// The file is not JSON, or not JSON that has one meaning.
    Json,
    /// The root does not say which kind this is, another file says the same, or the kind cannot
    /// have what is said about it.
    Kind,
    /// A keyword or word has a value of another form than it takes.
    Value,
    /// A keyword looks like another one misspelt.
    UnknownKeyword,
    /// An unknown word of `x-indelible`.
    UnknownWord,
    /// A keyword that nothing in an entity could follow.
    Unsupported,
    /// A keyword or word has no meaning at its place.
    Misplaced,
    /// A reference leads nowhere or in circles.
    Reference,
    /// The type is missing, or cannot be stored like this.
    Type,
    /// The way of merging does not suit what is there.
    Merge,
    /// A default that does not fit, or cannot be.
    Default,
    /// A property cannot have this name.
    Name,
    /// Something is said about a property that is not declared.
    Undeclared,
    /// What is said about other properties than the declared ones cannot be kept to.
    Additional,
    /// Something is demanded of what the server makes: ids, stamps, tallies.
    Derived,
    /// A field gives more rights than what it lies in.
    Widens,
    /// Two statements that cannot both be kept to.
    Contradiction,
    /// A former name that cannot have been that.
    Was,
    /// A value cannot be `unique` here.
    Unique,
    /// The schema is too large.
    Size,
    /// Content for a fresh store does not fit its schema, or belongs to none.
    Content,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Json,
        Self::Kind,
        Self::Value,
        Self::UnknownKeyword,
        Self::UnknownWord,
        Self::Unsupported,
        Self::Misplaced,
        Self::Reference,
        Self::Type,
        Self::Merge,
        Self::Default,
        Self::Name,
        Self::Undeclared,
        Self::Additional,
        Self::Derived,
        Self::Widens,
        Self::Contradiction,
        Self::Was,
        Self::Unique,
        Self::Size,
        Self::Content,
    ];

    /// The code, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Kind => "kind",
            Self::Value => "value",
            Self::UnknownKeyword => "unknown-keyword",
            Self::UnknownWord => "unknown-word",
            Self::Unsupported => "unsupported",
            Self::Misplaced => "misplaced",
            Self::Reference => "reference",
            Self::Type => "type",
            Self::Merge => "merge",
            Self::Default => "default",
            Self::Name => "name",
            Self::Undeclared => "undeclared",
            Self::Additional => "additional",
            Self::Derived => "derived",
            Self::Widens => "widens",
            Self::Contradiction => "contradiction",
            Self::Was => "was",
            Self::Unique => "unique",
            Self::Size => "size",
            Self::Content => "content",
        }
    }
}
