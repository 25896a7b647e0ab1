//! `indelible token`: signs a token with the key file. Never writes to the store, so it works while
//! a server runs on the same directory.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;

use super::KeyPlace;
use crate::auth::{self, Auth, IssueError};
use crate::config::TOKEN_TTL_DEFAULT;
use crate::served_roles::{self, RoleError};
use crate::storage::PolicyTexts as _;
use crate::{cores, offline, policy_archive};

const EXAMPLES: &str = "\
Examples:
  indelible token --sub alice --role editor
  indelible token --sub bob --name 'Bob Stone' --role admin --role editor --ttl 30m
  TOKEN=$(indelible token --sub ci --role editor --data /srv/site)";

/// Print a token to sign in with
///
/// The token (a JWT) is signed with the key file of the data directory, which is made if it is
/// not there. A server that runs on the directory takes the token at once. A role that no schema
/// names is refused, with the one that was probably meant: by the schemas that a server last served
/// on the directory, or by those of --schema.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Token {
    /// Who it is for: an id that stays in the history for good
    #[arg(long, value_name = "ID")]
    sub: String,

    /// A role, as the schema names them; may be given more than once
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,

    /// The schema folder whose roles there are, where no server has served it on the directory yet
    #[arg(long, value_name = "DIR")]
    schema: Option<PathBuf>,

    /// Take roles that no schema names
    #[arg(long, conflicts_with = "schema")]
    any_role: bool,

    /// A name to show to people
    #[arg(long)]
    name: Option<String>,

    /// How long it can be used: a number and s, m, h or d [default: 8h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = None)]
    ttl: Option<Duration>,

    #[command(flatten)]
    key: KeyPlace,
}

impl Token {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        cores::forbid();
        let are_known = self.check_roles()?;
        let principal = Principal {
            id: self.sub,
            name: self.name,
            roles: BTreeSet::from_iter(self.roles),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now = Timestamp(i64::try_from(since.as_millis())?);
        let ttl = self.ttl.unwrap_or(TOKEN_TTL_DEFAULT);
        // No key is made for a token that is refused.
        match auth::check_issue(&principal, now, ttl) {
            Err(error @ IssueError::Lifetime) => return Err(format!("--ttl: {error}").into()),
            checked => checked?,
        }
        let file = self.key.file();
        let is_new = !file.exists();
        let auth = Auth::new(&self.key.open()?);
        // A server elsewhere does not know the key: a directory misspelt would go unnoticed.
        let place = match (is_new, self.key.is_without_store()) {
            (true, _) => Some(format!(
                "there was no key yet: made {}. Only a server on this directory takes the token",
                file.display()
            )),
            (false, true) => Some(format!(
                "no server has been started on {} yet: only one that is will take the token",
                self.key.data.display()
            )),
            (false, false) => None,
        };
        let roles = "which roles there are is not known: no server has been started here with a \
                     schema, and --schema names none";
        match (place, are_known) {
            (Some(place), false) => {
                super::note(&format!(
                    "{place}; until then, which roles there are is not known"
                ));
            }
            (Some(place), true) => super::note(&place),
            (None, false) => super::note(roles),
            (None, true) => {}
        }
        if principal.roles.is_empty() {
            super::note(&format!(
                "without --role, {} may do only what everybody may (the role \"public\")",
                principal.id
            ));
        }
        super::print(&auth.issue(&principal, now, ttl)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Token {
    /// Whether the roles were held against those that there are, where that was asked for.
    fn check_roles(&self) -> Result<bool, Box<dyn Error>> {
        if self.roles.is_empty() {
            return Ok(true);
        }
        let known = self.known_roles()?;
        for role in &self.roles {
            match served_roles::check(role, known.as_ref()) {
                Err(error @ RoleError::Unknown { .. }) => {
                    return Err(format!("{error}. --any-role takes it all the same").into());
                }
                checked => checked?,
            }
        }
        Ok(known.is_some() || self.any_role)
    }

    /// The roles that there are; none where nothing says so.
    fn known_roles(&self) -> Result<Option<BTreeSet<String>>, Box<dyn Error>> {
        if self.any_role {
            return Ok(None);
        }
        if let Some(folder) = &self.schema {
            let policies = super::schema::compiled(folder)?;
            return Ok(Some(served_roles::named(policies.iter().map(|p| &**p))));
        }
        if let Some(roles) = served_roles::read(&self.key.data) {
            return Ok(Some(roles));
        }
        // What an earlier version left, which kept no names. Where it cannot be read, nothing is known.
        let Some(texts) = offline::open(&self.key.data)
            .ok()
            .and_then(|store| store.policies().ok())
        else {
            return Ok(None);
        };
        let policies = policy_archive::compile(&texts);
        Ok(Some(served_roles::named(policies.iter().map(|p| &**p))))
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a number and a unit, such as 90s, 30m, 8h or 7d";
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or(EXPECTED)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(EXPECTED.to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    let seconds = number.checked_mul(seconds_per_unit).ok_or(EXPECTED)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let seconds = |text| parse_duration(text).map(|time| time.as_secs()).ok();
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("8h"), Some(28_800));
        assert_eq!(seconds("7d"), Some(604_800));
        for bad in [
            "",
            "8",
            "h",
            "8w",
            "-1h",
            "1.5h",
            "99999999999999999999s",
            "1h30m",
        ] {
            assert_eq!(seconds(bad), None, "{bad:?}");
        }
    }
}
