//! How many a place may hold, in words.

/// One and several of what a count is about.
pub(crate) type Noun = (&'static str, &'static str);
pub(crate) const PROPERTIES: Noun = ("property", "properties");
pub(crate) const ITEMS: Noun = ("item", "items");

/// `must have 3 items or more`.
pub(crate) fn at_least(limit: u64, (one, several): Noun) -> String {
    let noun = if limit == 1 { one } else { several };
    format!("must have {limit} {noun} or more")
}

/// `must have at most 3 items`.
pub(crate) fn at_most(limit: u64, (one, several): Noun) -> String {
    match limit {
        0 => format!("must have no {several}"),
        1 => format!("must have at most 1 {one}"),
        _ => format!("must have at most {limit} {several}"),
    }
}
