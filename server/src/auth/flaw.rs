//! What can be wrong with a claim, in words that name its bound.

use std::fmt;

use indelible_engine::principal::Principal;

use super::ids;
use crate::config::{
    PRINCIPAL_ID_BYTES_MAX, PRINCIPAL_NAME_BYTES_MAX, ROLE_BYTES_MAX, ROLES_MAX, TOKEN_TTL_MAX,
};

/// What is wrong with a claim or a member of the header. Its text continues the name of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not there, and must be this.
    Missing(&'static str),
    /// It must be this.
    Form(&'static str),
    /// A text that is empty.
    Empty,
    /// A text of more bytes than this.
    Long(usize),
    /// A text with control characters.
    Control,
    /// An id that is the server's own or that of strangers, or looks like it.
    Reserved,
    /// An id with characters that people do not see.
    Hidden,
    /// A name or a role with such characters; blanks between words are fine.
    HiddenInName,
    /// A time too long after another one.
    Lifetime,
    /// A time before the token was made.
    BeforeIssue,
    /// A list of more entries than this.
    Many(usize),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(form) => write!(f, "is missing: it must be {form}"),
            Self::Form(form) => write!(f, "must be {form}"),
            Self::Empty => f.write_str("must not be empty"),
            Self::Long(bytes_max) => write!(f, "must have at most {bytes_max} bytes"),
            Self::Control => f.write_str("must have no control characters"),
            Self::Reserved => f.write_str("must not be a name that is reserved for the server"),
            Self::Hidden => f.write_str(
                "must have no blank, no invisible character and none that turns the text around",
            ),
            Self::HiddenInName => f.write_str(
                "must have a visible character, no invisible one and none that turns the text around",
            ),
            Self::Lifetime => {
                let days = TOKEN_TTL_MAX.as_secs() / 86_400;
                write!(f, "must lie at most {days} days after iat")
            }
            Self::BeforeIssue => f.write_str("must not lie before iat"),
            Self::Many(max) => write!(f, "must have at most {max} entries"),
        }
    }
}

/// The first claim that cannot be signed in with.
pub(super) fn of(principal: &Principal) -> Option<(&'static str, Flaw)> {
    if ids::looks_reserved(&principal.id) {
        return Some(("sub", Flaw::Reserved));
    }
    let name = principal.name.as_deref();
    let roles = principal.roles.iter();
    of_text(&principal.id, PRINCIPAL_ID_BYTES_MAX)
        .or_else(|| ids::has_hidden(&principal.id).then_some(Flaw::Hidden))
        .map(|flaw| ("sub", flaw))
        .or_else(|| Some(("name", of_name(name?, PRINCIPAL_NAME_BYTES_MAX)?)))
        .or_else(|| ids::looks_reserved(name?).then_some(("name", Flaw::Reserved)))
        .or_else(|| (principal.roles.len() > ROLES_MAX).then_some(("roles", Flaw::Many(ROLES_MAX))))
        .or_else(|| {
            let mut flaws = roles.filter_map(|role| of_name(role, ROLE_BYTES_MAX));
            Some(("each of roles", flaws.next()?))
        })
}

fn of_name(name: &str, bytes_max: usize) -> Option<Flaw> {
    of_text(name, bytes_max).or_else(|| ids::has_hidden_in_name(name).then_some(Flaw::HiddenInName))
}

fn of_text(text: &str, bytes_max: usize) -> Option<Flaw> {
    if text.is_empty() {
        Some(Flaw::Empty)
    } else if text.len() > bytes_max {
        Some(Flaw::Long(bytes_max))
    } else if text.chars().any(char::is_control) {
        Some(Flaw::Control)
    } else {
        None
    }
}
