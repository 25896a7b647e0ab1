//! Who is asking.
//!
//! Invariant: roles are a set, so two principals with the same roles compare and encode alike.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The role that everybody has, signed in or not.
pub const ROLE_PUBLIC: &str = "public";

const ID_ANONYMOUS: &str = "anonymous";
const ID_SYSTEM: &str = "system";

/// The ids that no sign-in can have.
pub const RESERVED_IDS: [&str; 2] = [ID_SYSTEM, ID_ANONYMOUS];

/// A person or program that reads and writes: its id, a name to show, and its roles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The id that entries record; unique in one installation.
    pub id: String,
    /// What to show to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The roles that permissions name.
    #[serde(default)]
    pub roles: BTreeSet<String>,
}

impl Principal {
    /// A principal with these roles and no name to show.
    pub fn new<R: Into<String>>(id: impl Into<String>, roles: impl IntoIterator<Item = R>) -> Self {
        Self {
            id: id.into(),
            name: None,
            roles: roles.into_iter().map(Into::into).collect(),
        }
    }

    /// A visitor who did not sign in.
    pub fn anonymous() -> Self {
        Self::new(ID_ANONYMOUS, [ROLE_PUBLIC])
    }

    /// The server itself. It may do everything.
    pub fn system() -> Self {
        Self::new(ID_SYSTEM, [ROLE_PUBLIC])
    }

    /// Whether this is the server itself.
    pub fn is_system(&self) -> bool {
        self.id == ID_SYSTEM
    }

    /// Whether this is a visitor who did not sign in.
    pub fn is_anonymous(&self) -> bool {
        self.id == ID_ANONYMOUS
    }

    /// Whether one of `roles` is a role of this principal. Everybody has the role `public`.
    pub fn has_any(&self, roles: &BTreeSet<String>) -> bool {
        roles.contains(ROLE_PUBLIC) || !self.roles.is_disjoint(roles)
    }
}

/// Whether `id` is reserved: no sign-in can have it. Code that makes principals from tokens must
/// refuse such an id, because the server itself is known by nothing else.
pub fn is_reserved_id(id: &str) -> bool {
    RESERVED_IDS.contains(&id)
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn everybody_is_public() {
        let editor = Principal::new("alice", ["editor"]);
        assert!(editor.has_any(&roles(&["public"])));
        assert!(editor.has_any(&roles(&["admin", "editor"])));
        assert!(!editor.has_any(&roles(&["admin"])));
        assert!(!editor.has_any(&roles(&[])));
        assert!(Principal::anonymous().has_any(&roles(&["public"])));
        assert!(!Principal::anonymous().has_any(&roles(&["viewer"])));
    }

    #[test]
    fn a_role_named_system_does_not_make_a_system() {
        assert!(!Principal::new("mallory", ["system"]).is_system());
        assert!(Principal::system().is_system());
        assert!(is_reserved_id("system") && is_reserved_id("anonymous"));
        assert!(!is_reserved_id("alice"));
    }
}
