//! Origins of pages: scheme, host and port, compared as what they are and not as they are spelt.
//!
//! Invariant: an origin is one that a page can have; the opaque `null` of files and sandboxed frames
//! equals nothing.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Scheme, host and port of a page. The host is in lower case and in its ASCII form (`xn--…`), the
/// port is always there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(url::Origin);

/// Why a text is not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It cannot be read, or has neither of the schemes that pages come with.
    #[error("an origin looks like https://example.org or http://localhost:5173")]
    Form,
    /// It has what an origin does not have.
    #[error("an origin has no path, query or user: https://example.org, http://localhost:5173")]
    More,
}

impl Origin {
    /// The origin that pages of the host `authority` have, if they came by `scheme`: as the `Host` of
    /// a request names it.
    pub(crate) fn of_host(scheme: &str, authority: &str) -> Option<Self> {
        format!("{scheme}://{authority}").parse().ok()
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &str {
        match &self.0 {
            url::Origin::Tuple(scheme, ..) => scheme,
            url::Origin::Opaque(_) => "",
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Form)?;
        // Urls are read with much patience: backslashes, blanks, control characters. A star means
        // nothing here.
        let odd = |c: char| matches!(c, '\\' | '*') || c.is_whitespace() || c.is_control();
        if rest.contains(odd) {
            return Err(OriginError::Form);
        }
        if rest
            .strip_suffix('/')
            .unwrap_or(rest)
            .contains(['/', '?', '#', '@'])
        {
            return Err(OriginError::More);
        }
        let web = ["http", "https"]
            .iter()
            .any(|one| scheme.eq_ignore_ascii_case(one));
        match Url::parse(text) {
            Ok(url) if web && !rest.starts_with('/') => Ok(Self(url.origin())),
            _ => Err(OriginError::Form),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    //! Guards against pages that are turned away, or let in, because of how their origin is spelt.

    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_origin_are_equal() {
        for (one, other) in [
            ("https://site.example", "https://site.example:443"),
            ("http://site.example", "http://site.example:80"),
            ("https://site.example", "HTTPS://Site.Example"),
            ("https://site.example", "https://site.example/"),
            ("http://[::1]:4000", "http://[0:0:0:0:0:0:0:1]:4000"),
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
            ("http://127.0.0.1", "http://127.1"),
        ] {
            assert_eq!(origin(one), origin(other), "{one} {other}");
        }
        assert_eq!(
            origin("HTTPS://Site.Example:443").to_string(),
            "https://site.example"
        );
    }

    #[test]
    fn other_schemes_hosts_and_ports_are_others() {
        for (one, other) in [
            ("https://site.example", "http://site.example"),
            ("https://site.example", "https://site.example:8443"),
            ("https://site.example:80", "https://site.example"),
            ("https://site.example", "https://www.site.example"),
            ("https://site.example", "https://site.example."),
        ] {
            assert_ne!(origin(one), origin(other), "{one} {other}");
        }
    }

    #[test]
    fn what_no_page_comes_from_is_no_origin() {
        for text in [
            "null",
            "",
            "site.example",
            "file:///home",
            "ftp://site.example",
            "data://site.example",
            "https://",
            "https:///site.example",
            "https://site.example/path",
            "https://site.example//",
            "https://site.example?a",
            "https://site.example#a",
            "https://me@site.example",
            "https://site.example:port",
            "https://site.example:70000",
            "https://site .example",
            "https://evil.example\\.site.example",
            "https://site.example\t",
            "https://*.site.example",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_an_origin_by_the_scheme_that_its_pages_came_by() {
        for (scheme, host, found) in [
            ("https", "site.example", "https://site.example"),
            ("https", "site.example:443", "https://site.example"),
            ("http", "site.example:80", "http://site.example"),
            ("http", "site.example:443", "http://site.example:443"),
        ] {
            assert_eq!(Origin::of_host(scheme, host), Some(origin(found)), "{host}");
        }
        for host in ["", "a/b", "me@site.example", "site.example?", "a b"] {
            assert_eq!(Origin::of_host("https", host), None, "{host}");
        }
    }
}
