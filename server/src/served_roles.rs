//! The roles that the served schemas name, kept beside the store for those who make tokens.
//!
//! A server holds its store alone, so what issues tokens while it runs cannot look there. The file is
//! written at each start and is advice: a misspelt role is refused by it, and nothing is permitted.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use indelible_engine::excerpt::Short;
use indelible_engine::near;
use indelible_engine::policy::Policy;
use indelible_engine::principal::ROLE_PUBLIC;

/// The file's name in the data directory: a role a line.
pub const ROLES_FILE: &str = "roles";

/// The roles by which these policies permit something, or a field something; `public` is not among
/// them, since every caller has it.
pub(crate) fn named<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> BTreeSet<String> {
    let roles = policies.into_iter().flat_map(Policy::roles_named);
    roles.filter(|role| role != ROLE_PUBLIC).collect()
}

/// Rewrites the file.
///
/// # Errors
/// When it cannot be written; the one that was there stays then.
pub(crate) fn keep(data: &Path, roles: &BTreeSet<String>) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    for role in roles {
        writeln!(file, "{role}")?;
    }
    file.persist(data.join(ROLES_FILE))?;
    Ok(())
}

/// What the file says; nothing where no server has run on the directory.
pub(crate) fn read(data: &Path) -> Option<BTreeSet<String>> {
    let text = std::fs::read_to_string(data.join(ROLES_FILE)).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// Why a role cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Everybody has it.
    #[error("everybody has the role \"public\": leave it out")]
    Public,
    /// It is the server's own name.
    #[error("\"system\" is not a role: it is the server itself, which needs no token")]
    System,
    /// Nothing in a schema asks for it.
    #[error(
        "no schema names the role {:?}{}{}",
        Short(role),
        meant(role, known),
        all(known)
    )]
    Unknown {
        /// The role.
        role: String,
        /// Those that there are.
        known: BTreeSet<String>,
    },
}

impl RoleError {
    /// Whether another role was probably meant, or none can have been.
    pub(crate) fn is_certain(&self) -> bool {
        match self {
            Self::Unknown { role, known } => {
                role.contains([',', ' ']) || !meant(role, known).is_empty()
            }
            Self::Public | Self::System => true,
        }
    }
}

fn meant(role: &str, known: &BTreeSet<String>) -> String {
    let parts: Vec<&str> = role.split([',', ' ']).collect();
    if parts.len() > 1 && parts.iter().all(|part| known.contains(*part)) {
        return "; name each of them by itself".to_owned();
    }
    let special = [ROLE_PUBLIC, "system"];
    let names = known.iter().map(String::as_str).chain(special);
    match near::nearest(role, names) {
        Some(ROLE_PUBLIC) => "; everybody has \"public\" without a token".to_owned(),
        Some("system") => "; \"system\" is the server itself and not a role".to_owned(),
        Some(near) => format!("; is it {near:?}?"),
        None => String::new(),
    }
}

fn all(known: &BTreeSet<String>) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match &known[..] {
        [] => " (they name none)".to_owned(),
        known => format!(" (they name {})", known.join(", ")),
    }
}

/// Refuses a role that cannot be meant: reserved ones, and where the roles are known, others.
///
/// # Errors
/// [`RoleError`].
pub(crate) fn check(role: &str, known: Option<&BTreeSet<String>>) -> Result<(), RoleError> {
    match (role, known) {
        (ROLE_PUBLIC, _) => Err(RoleError::Public),
        ("system", _) => Err(RoleError::System),
        (role, Some(known)) if !known.contains(role) => Err(RoleError::Unknown {
            role: role.to_owned(),
            known: known.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    //! Guards against tokens with a role that nothing asks for.

    use super::*;

    #[test]
    fn roles_that_nobody_can_mean_are_refused_with_what_is_near() {
        let known = ["admin", "editor"].map(str::to_owned).into();
        let reason = |role: &str| check(role, Some(&known)).unwrap_err().to_string();
        for (role, near) in [
            ("edtor", "is it \"editor\"? (they name admin, editor)"),
            ("Editor", "is it \"editor\"?"),
            ("editors", "is it \"editor\"?"),
            ("editor,admin", "name each of them by itself"),
            ("Public", "everybody has \"public\" without a token"),
            ("sytem", "\"system\" is the server itself and not a role"),
            ("cook", "the role \"cook\" (they name admin, editor)"),
        ] {
            assert!(reason(role).contains(near), "{}", reason(role));
        }
        assert_eq!(check("editor", Some(&known)), Ok(()));
        for known in [None, Some(&known)] {
            assert_eq!(check("public", known), Err(RoleError::Public));
            assert_eq!(check("system", known), Err(RoleError::System));
        }
        assert_eq!(check("edtor", None), Ok(()));
    }
}
