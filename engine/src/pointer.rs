//! JSON Pointers (RFC 6901): the place of something in a value or a schema file.
//!
//! Tokens are kept unescaped; they are escaped and unescaped only when text is written and read.

use std::fmt;
use std::str::FromStr;

use crate::excerpt::cut;
use crate::id::text_serde;

/// A path from the root of a JSON value. Empty: the root itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    tokens: Vec<String>,
}

/// Why a text is not a JSON Pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// A pointer that is not empty begins with a slash.
    #[error("a JSON pointer must be empty or begin with '/'")]
    NoSlash,
    /// A tilde is only valid in `~0` and `~1`.
    #[error("in a JSON pointer '~' must be followed by 0 or 1")]
    Escape,
}

impl Pointer {
    /// The pointer to the whole value.
    pub fn root() -> Self {
        Self::default()
    }

    /// Goes one step down.
    pub fn push(&mut self, token: impl Into<String>) {
        self.tokens.push(token.into());
    }

    /// Goes one step up and gives the token that was last.
    pub fn pop(&mut self) -> Option<String> {
        self.tokens.pop()
    }

    /// The pointer one step further down.
    #[must_use]
    pub fn child(&self, token: impl Into<String>) -> Self {
        let mut tokens = Vec::with_capacity(self.tokens.len() + 1);
        tokens.extend_from_slice(&self.tokens);
        tokens.push(token.into());
        Self { tokens }
    }

    /// The pointer one step up; none at the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.tokens.split_last()?;
        Some(Self {
            tokens: rest.to_vec(),
        })
    }

    /// The last token; none at the root.
    pub fn last(&self) -> Option<&str> {
        self.tokens.last().map(String::as_str)
    }

    /// The tokens, unescaped, from the root down.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The pointer as an answer shows it: what is longer than any name that people give is cut.
    #[must_use]
    pub fn shown(&self) -> Self {
        const TOKEN_CHARS_MAX: usize = 1_024;
        let tokens = self.tokens.iter();
        tokens.map(|token| cut(token, TOKEN_CHARS_MAX)).collect()
    }

    /// Whether it points to the whole value.
    pub fn is_root(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether `other` is this place or one inside it.
    pub fn contains(&self, other: &Self) -> bool {
        other.tokens.starts_with(&self.tokens)
    }
}

impl<T: Into<String>> FromIterator<T> for Pointer {
    fn from_iter<I: IntoIterator<Item = T>>(tokens: I) -> Self {
        Self {
            tokens: tokens.into_iter().map(Into::into).collect(),
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.tokens {
            f.write_str("/")?;
            let mut rest = token.as_str();
            while let Some(at) = rest.find(['~', '/']) {
                f.write_str(&rest[..at])?;
                f.write_str(if rest.as_bytes()[at] == b'~' {
                    "~0"
                } else {
                    "~1"
                })?;
                rest = &rest[at + 1..];
            }
            f.write_str(rest)?;
        }
        Ok(())
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        let text = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let tokens = text.split('/').map(unescape).collect::<Result<_, _>>()?;
        Ok(Self { tokens })
    }
}

fn unescape(token: &str) -> Result<String, PointerError> {
    let mut parts = token.split('~');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err(PointerError::Escape),
        };
        unescaped.push(character);
        unescaped.push_str(rest);
    }
    Ok(unescaped)
}

text_serde!(Pointer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_to_text_and_back() {
        for text in ["", "/", "/a/b", "/a~1b/m~0n", "/~01", "//x", "/é/ "] {
            let pointer: Pointer = text.parse().unwrap();
            assert_eq!(pointer.to_string(), text);
        }
        let pointer: Pointer = "/a~1b/~01".parse().unwrap();
        assert_eq!(pointer.tokens(), ["a/b", "~1"]);
        assert_eq!("a".parse::<Pointer>(), Err(PointerError::NoSlash));
        assert_eq!("/~2".parse::<Pointer>(), Err(PointerError::Escape));
        assert_eq!("/a~".parse::<Pointer>(), Err(PointerError::Escape));
    }

    #[test]
    fn knows_what_lies_inside() {
        let outer: Pointer = "/a/b".parse().unwrap();
        assert!(outer.contains(&outer));
        assert!(outer.contains(&outer.child("c")));
        assert!(!outer.contains(&"/a/bc".parse().unwrap()));
        assert_eq!(outer.child("c").parent().as_ref(), Some(&outer));
        assert_eq!(Pointer::root().parent(), None);
        assert_eq!(outer.last(), Some("b"));
    }
}
