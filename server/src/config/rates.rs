//! How much may be written in a minute: the quotas, their defaults, and what roles have instead.
//!
//! Invariant: a quota is a number of at least one, or there is none; zero would be a right that is
//! taken away, which is the schema's to say.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use indelible_engine::excerpt::Short;
use indelible_engine::near;
use indelible_engine::principal::{Principal, ROLE_PUBLIC};

use super::ROLE_BYTES_MAX;

const MIB: u64 = 1 << 20;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quota {
    /// Writes of one principal, admitted or not.
    Writes,
    /// Those of them that ask for a new entity.
    Creations,
    /// Operations in the changes of one principal.
    Operations,
    /// Bytes that the log takes for what one principal wrote.
    Bytes,
    /// Writes from one address.
    AddressWrites,
    /// Those of them that ask for a new entity.
    AddressCreations,
    /// Bytes that the log takes for what came from one address.
    AddressBytes,
}

impl Quota {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Writes,
        Self::Creations,
        Self::Operations,
        Self::Bytes,
        Self::AddressWrites,
        Self::AddressCreations,
        Self::AddressBytes,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Creations => "creations",
            Self::Operations => "operations",
            Self::Bytes => "bytes",
            Self::AddressWrites => "address-writes",
            Self::AddressCreations => "address-creations",
            Self::AddressBytes => "address-bytes",
        }
    }

    /// What may be done in a minute, for people.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Creations => "new entities",
            Self::Operations => "operations",
            Self::Bytes => "bytes in the log",
            Self::AddressWrites => "writes from one address",
            Self::AddressCreations => "new entities from one address",
            Self::AddressBytes => "bytes in the log from one address",
        }
    }

    /// For callers who have signed in, unless the operator says otherwise.
    fn default_signed_in(self) -> u64 {
        match self {
            Self::Writes | Self::Creations => 30_000,
            Self::Operations => 5_000_000,
            Self::Bytes => 512 * MIB,
            Self::AddressWrites | Self::AddressCreations => 120_000,
            Self::AddressBytes => 2_048 * MIB,
        }
    }

    /// For all others: together where it counts by principal, since they are one.
    fn default_public(self) -> u64 {
        match self {
            Self::Writes => 6_000,
            Self::Creations => 600,
            Self::Operations => 1_000_000,
            Self::Bytes => 128 * MIB,
            Self::AddressWrites => 600,
            Self::AddressCreations => 60,
            Self::AddressBytes => 32 * MIB,
        }
    }
}

/// The size of a quota; `None` is unbounded.
type Amount = Option<NonZeroU64>;

/// What the operator says of one quota: `writes=9000`, `importer:writes=none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaSetting {
    /// For which role; without one, for all who have signed in.
    role: Option<String>,
    quota: Quota,
    amount: Amount,
}

/// Why a text is not a setting of a quota.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaSettingError {
    /// It has not the parts.
    #[error("a limit looks like writes=9000, or importer:writes=9000 for a role")]
    Form,
    /// There is no such quota.
    #[error(
        "there is no limit {:?}{}; there are {}",
        Short(name),
        meant(name),
        names()
    )]
    Name {
        /// What was named.
        name: String,
    },
    /// Not a number from one on.
    #[error(
        "{:?} is not a number per minute from 1 on, nor \"none\"; to let a role write nothing, give it \
         no rights in the schema",
        Short(value)
    )]
    Value {
        /// The value that was given.
        value: String,
    },
    /// Not the name of a role.
    #[error("a role has 1 to {ROLE_BYTES_MAX} bytes without control characters")]
    Role,
}

fn meant(name: &str) -> String {
    let names = Quota::ALL.into_iter().map(Quota::name);
    near::nearest(name, names).map_or_else(String::new, |near| format!(" (did you mean {near}?)"))
}

fn names() -> String {
    Quota::ALL.map(Quota::name).join(", ")
}

impl FromStr for QuotaSetting {
    type Err = QuotaSettingError;

    fn from_str(text: &str) -> Result<Self, QuotaSettingError> {
        let (named, value) = text.rsplit_once('=').ok_or(QuotaSettingError::Form)?;
        let (role, name) = match named.rsplit_once(':') {
            Some((role, name)) => (Some(role), name),
            None => (None, named),
        };
        if role.is_some_and(|role| {
            role.is_empty() || role.len() > ROLE_BYTES_MAX || role.chars().any(char::is_control)
        }) {
            return Err(QuotaSettingError::Role);
        }
        let quota = Quota::ALL.into_iter().find(|quota| quota.name() == name);
        let quota = quota.ok_or_else(|| QuotaSettingError::Name { name: name.into() })?;
        let amount = match value {
            "none" => None,
            value => Some(value.parse().map_err(|_| QuotaSettingError::Value {
                value: value.into(),
            })?),
        };
        Ok(Self {
            role: role.map(str::to_owned),
            quota,
            amount,
        })
    }
}

impl fmt::Display for QuotaSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(role) = &self.role {
            write!(f, "{role}:")?;
        }
        f.write_str(self.quota.name())
    }
}

/// A quota that was set twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limit {0} is set twice")]
pub struct SetTwice(String);

/// How much may be written in a minute, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateSettings {
    /// By role; `None` stands for all who have signed in.
    set: BTreeMap<(Option<String>, Quota), Amount>,
}

impl RateSettings {
    /// The defaults, changed by these settings.
    ///
    /// # Errors
    /// When one quota of one role is set twice.
    pub fn new(settings: impl IntoIterator<Item = QuotaSetting>) -> Result<Self, SetTwice> {
        let mut set = BTreeMap::new();
        for setting in settings {
            let named = setting.to_string();
            let QuotaSetting {
                role,
                quota,
                amount,
            } = setting;
            if set.insert((role, quota), amount).is_some() {
                return Err(SetTwice(named));
            }
        }
        Ok(Self { set })
    }

    /// The roles that have quotas of their own.
    pub(crate) fn roles(&self) -> impl Iterator<Item = &str> {
        self.set.keys().filter_map(|(role, _)| role.as_deref())
    }

    /// How much a principal has of a quota: the most that one of its roles has, else what all
    /// has. Those who have not signed in have the role `public` alone; the server itself no bound.
    pub(crate) fn amount(&self, principal: &Principal, quota: Quota) -> Amount {
        if principal.is_system() {
            return None;
        }
        let of = |role: &str| self.set.get(&(Some(role.to_owned()), quota)).copied();
        if principal.is_anonymous() {
            return of(ROLE_PUBLIC).unwrap_or(NonZeroU64::new(quota.default_public()));
        }
        let own = principal.roles.iter().filter_map(|role| of(role));
        // No bound is the most.
        let most = own.max_by_key(|amount| amount.map_or(u64::MAX, NonZeroU64::get));
        most.or_else(|| self.set.get(&(None, quota)).copied())
            .unwrap_or(NonZeroU64::new(quota.default_signed_in()))
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a bound that does not hold, or holds for others than it was set for.
    use super::*;

    fn settings(texts: &[&str]) -> RateSettings {
        RateSettings::new(texts.iter().map(|text| text.parse().unwrap())).unwrap()
    }

    fn amount(settings: &RateSettings, roles: &[&str]) -> Option<u64> {
        let principal = Principal::new("ada", roles.iter().copied());
        settings
            .amount(&principal, Quota::Writes)
            .map(NonZeroU64::get)
    }

    #[test]
    fn the_most_that_a_role_has_counts_and_then_what_everybody_has() {
        let settings = settings(&[
            "writes=50",
            "intern:writes=5",
            "editor:writes=10",
            "importer:writes=none",
            "public:writes=1",
        ]);
        assert_eq!(amount(&settings, &["intern"]), Some(5));
        assert_eq!(amount(&settings, &["editor", "intern"]), Some(10));
        assert_eq!(amount(&settings, &["editor", "importer"]), None);
        assert_eq!(amount(&settings, &["reader"]), Some(50));
        assert_eq!(amount(&RateSettings::default(), &["reader"]), Some(30_000));
        let of = |principal| settings.amount(&principal, Quota::Writes);
        assert_eq!(of(Principal::anonymous()), NonZeroU64::new(1));
        assert_eq!(of(Principal::system()), None);
    }

    #[test]
    fn what_is_no_setting_is_refused_with_what_would_be_one() {
        let refused = |text: &str| text.parse::<QuotaSetting>().unwrap_err().to_string();
        assert!(refused("writes").contains("writes=9000"));
        assert!(refused("write=1").contains("did you mean writes?"));
        assert!(refused("a:bytes=0").contains("no rights"));
        for value in ["-1", "1.5", "", "all", "99999999999999999999"] {
            assert!(refused(&format!("bytes={value}")).contains("from 1 on"));
        }
        assert!(refused(":writes=1").contains("a role has"));
        let twice = ["a:writes=1", "writes=1", "a:writes=2"].map(|text| text.parse().unwrap());
        let error = RateSettings::new(twice).unwrap_err();
        assert_eq!(error.to_string(), "the limit a:writes is set twice");
    }
}
