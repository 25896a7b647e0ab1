//! Excerpts of texts that users chose, for messages: their beginning, with an ellipsis if they go
//! on.
//!
//! Nothing is decided by an excerpt, and a message is short whatever it quotes.

use std::borrow::Cow;
use std::fmt;

/// Characters of a name or a value.
const NAME_CHARS_MAX: usize = 80;

/// Characters of the place of something in a value.
pub const PLACE_CHARS_MAX: usize = 240;

/// Characters of a sentence as a whole, with all that it quotes.
pub const SENTENCE_CHARS_MAX: usize = 2_000;

/// The first characters of a text, and `…` if it goes on.
///
/// ```
/// use indelible_engine::excerpt::cut;
/// assert_eq!(cut("name", 4), "name");
/// assert_eq!(cut("surname", 3), "sur…");
/// ```
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
    }
}

/// A name or a value in a sentence: as it is, or with `{:?}` in quotes.
#[derive(Clone, Copy)]
pub struct Short<'a>(pub &'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&cut(self.0, NAME_CHARS_MAX))
    }
}

impl fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", cut(self.0, NAME_CHARS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_marked() {
        let long = "ä".repeat(NAME_CHARS_MAX + 1);
        let shown = format!("{}…", "ä".repeat(NAME_CHARS_MAX));
        assert_eq!(Short(&long).to_string(), shown);
        assert_eq!(format!("{:?}", Short(&long)), format!("{shown:?}"));
        let whole = &long[2..];
        assert_eq!(Short(whole).to_string(), whole);
    }
}
