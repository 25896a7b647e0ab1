//! Names of hosts, compared as what they are and not as they are spelt.
//!
//! Invariant: a name has no port; letters are small, other letters than ASCII in their ASCII form.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The name or address of a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(Host<String>);

/// A text is not the name of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a host looks like site.example, without scheme, port or path")]
pub struct HostNameError;

impl HostName {
    /// The host of an authority, as the `Host` of a request names it: with or without a port.
    pub(crate) fn of_authority(authority: &str) -> Option<Self> {
        let odd = |c: char| matches!(c, '/' | '\\' | '?' | '#' | '@' | '*') || c <= ' ';
        if authority.is_empty() || authority.contains(odd) {
            return None;
        }
        let url = Url::parse(&format!("http://{authority}/")).ok()?;
        Some(Self(match url.host()? {
            Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(name).to_owned()),
            Host::Ipv4(address) => Host::Ipv4(address),
            Host::Ipv6(address) => Host::Ipv6(address),
        }))
    }

    /// The address, if it is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// Whether it is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match &self.0 {
            Host::Domain(name) => name == "localhost",
            _ => self
                .address()
                .is_some_and(|address| address.to_canonical().is_loopback()),
        }
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let after_address = text.rsplit(']').next().unwrap_or(text);
        if after_address.contains(':') {
            return Err(HostNameError);
        }
        Self::of_authority(text).ok_or(HostNameError)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    //! Guards against hosts that are let in, or turned away, because of how they are spelt.

    use super::*;

    #[test]
    fn spellings_of_one_host_are_equal() {
        for (one, authority) in [
            ("site.example", "Site.Example:4000"),
            ("site.example", "site.example."),
            ("münchen.example", "xn--mnchen-3ya.example:443"),
            ("127.0.0.1", "127.1:80"),
            ("[::1]", "[0:0:0:0:0:0:0:1]:4000"),
        ] {
            let one: HostName = one.parse().unwrap();
            assert_eq!(HostName::of_authority(authority), Some(one), "{authority}");
        }
        for other in [
            "site.example.evil.example",
            "a.site.example",
            "site",
            "evil.example",
        ] {
            let one: HostName = "site.example".parse().unwrap();
            assert_ne!(HostName::of_authority(other), Some(one), "{other}");
        }
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.a.b",
            "https://a.b",
            "a.b:443",
            "[::1]:80",
            "a b",
            "a/b",
            "x@a.b",
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }

    #[test]
    fn this_machine_has_few_names() {
        let is = |authority: &str| HostName::of_authority(authority).unwrap().is_loopback();
        for own in [
            "localhost",
            "LOCALHOST:4000",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:4000",
        ] {
            assert!(is(own), "{own}");
        }
        for other in [
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "[::2]",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
