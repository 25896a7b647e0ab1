//! Which address a request came from, where proxies pass it on.
//!
//! A proxy adds the address that it was reached from at the end of `X-Forwarded-For` or of
//! `Forwarded` (RFC 7239); what comes before that, anyone may have written. So the list is read
//! from its end, for as long as what it names is a proxy that is trusted.
//!
//! Invariant: nothing that an untrusted peer writes decides which address it is counted under.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// By which headers proxies say for whom they ask.
pub(crate) const HEADERS: [HeaderName; 2] = [header::FORWARDED, X_FORWARDED_FOR];

/// The proxies whose word is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// One address, or all that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// Why a text is not the address of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is named by its address, or by a network: 127.0.0.1, ::1, 10.0.0.0/8")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let one = text.parse::<IpAddr>().map(|address| address.to_canonical());
        let network = one.map(IpNet::from).or_else(|_| text.parse());
        network.map(Self).map_err(|_| NetworkError)
    }
}

impl FromIterator<Network> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl TrustedProxies {
    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.0.contains(&address))
    }

    /// The address that a request is counted under; `None` where it would be that of many: the
    /// peer is on this machine and is not listed as a proxy.
    pub(crate) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if !self.has(peer) {
            return (!peer.is_loopback()).then_some(peer);
        }
        let paths = [
            path(headers, &header::FORWARDED, forwarded),
            path(headers, &X_FORWARDED_FOR, |one| address(one.trim())),
        ];
        let named = match paths {
            [Some(one), None] | [None, Some(one)] => self.last_untrusted(&one),
            // A proxy that writes one of them passes on what the peer wrote into the other.
            [Some(one), Some(other)] => {
                let (one, other) = (self.last_untrusted(&one), self.last_untrusted(&other));
                one.filter(|_| one == other)
            }
            [None, None] => None,
        };
        Some(named.unwrap_or(peer))
    }

    /// The last address of the way that is not a trusted proxy; the first one where all are. None
    /// where something before it cannot be read.
    fn last_untrusted(&self, path: &[Option<IpAddr>]) -> Option<IpAddr> {
        let mut first = None;
        for address in path.iter().rev() {
            let address = (*address)?;
            if !self.has(address) {
                return Some(address);
            }
            first = Some(address);
        }
        first
    }
}

/// The addresses of a header, in all its lines; `None` for each element that names none.
fn path(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<IpAddr>,
) -> Option<Vec<Option<IpAddr>>> {
    let mut path = Vec::new();
    for line in headers.get_all(name) {
        match line.to_str() {
            Ok(line) => path.extend(elements(line, ',').map(&read)),
            Err(_) => path.push(None),
        }
    }
    (!path.is_empty()).then_some(path)
}

/// The parts of a list; separators between quotation marks are none.
fn elements(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let separates = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        separates
    })
}

/// The `for` of an element of `Forwarded`; none where it is hidden, missing, or there twice.
fn forwarded(element: &str) -> Option<IpAddr> {
    let mut nodes = elements(element, ';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| value.trim())
    });
    let node = nodes.next().filter(|_| nodes.next().is_none())?;
    let inner = node.strip_prefix('"').map(|rest| rest.strip_suffix('"'));
    address(inner.unwrap_or(Some(node))?)
}

/// An address as proxies write it: with a port or without, of version 6 in brackets or without.
fn address(text: &str) -> Option<IpAddr> {
    let port = |text: &str| text.is_empty() || text.strip_prefix(':').is_some_and(is_port);
    let address: IpAddr = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, after) = rest.split_once(']')?;
            let address = inner.parse::<std::net::Ipv6Addr>().ok()?;
            port(after).then_some(address.into())?
        }
        None => match text.parse() {
            Ok(address) => address,
            Err(_) => {
                let (address, after) = text.split_once(':')?;
                let address = address.parse::<std::net::Ipv4Addr>().ok()?;
                is_port(after).then_some(address.into())?
            }
        },
    };
    Some(address.to_canonical())
}

/// A port, or an obfuscated one (RFC 7239, section 6.3).
fn is_port(text: &str) -> bool {
    let named = text.strip_prefix('_');
    let named = named.is_some_and(|name| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !name.is_empty() && name.bytes().all(fits)
    });
    named || (text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    //! Guards against an address that the client chose itself.
    use super::*;

    const PROXY: &str = "10.0.0.7";

    fn proxies(networks: &[&str]) -> TrustedProxies {
        networks.iter().map(|one| one.parse().unwrap()).collect()
    }

    fn counted(peer: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let proxies = proxies(&["10.0.0.0/8", "2001:db8:ffff::/48"]);
        let address = proxies.address(peer.parse().unwrap(), &map);
        address.map(|address| address.to_string())
    }

    fn by_proxy(headers: &[(&'static str, &str)]) -> String {
        counted(PROXY, headers).unwrap()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let headers = [
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
        ];
        assert_eq!(counted("203.0.113.9", &headers).unwrap(), "203.0.113.9");
        assert_eq!(counted("::ffff:203.0.113.9", &[]).unwrap(), "203.0.113.9");
        assert_eq!(by_proxy(&headers), "192.0.2.1");
        // All callers may share a peer on this machine that is not a proxy.
        assert_eq!(counted("127.0.0.1", &headers), None);
        assert_eq!(counted("::1", &headers), None);
        let own = proxies(&["127.0.0.1"]);
        let local = own.address([127, 0, 0, 1].into(), &HeaderMap::new());
        assert_eq!(local, Some([127, 0, 0, 1].into()));
    }

    #[test]
    fn the_last_address_that_is_no_proxy_counts() {
        let made_up = ("x-forwarded-for", "192.0.2.66, 198.51.100.4, 10.1.1.1");
        assert_eq!(by_proxy(&[made_up]), "198.51.100.4");
        let lines = [
            ("x-forwarded-for", "192.0.2.66"),
            ("x-forwarded-for", "198.51.100.4,10.1.1.1"),
        ];
        assert_eq!(by_proxy(&lines), "198.51.100.4");
        assert_eq!(
            by_proxy(&[("x-forwarded-for", "10.2.2.2, 10.1.1.1")]),
            "10.2.2.2"
        );
        let chain =
            "for=192.0.2.66;proto=http, For=\"[2001:db8:1::17]:4711\";by=_edge, for=10.1.1.1";
        assert_eq!(by_proxy(&[("forwarded", chain)]), "2001:db8:1::17");
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, address) in [
            ("192.0.2.1:80", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:65535", "2001:db8::1"),
            (" ::ffff:192.0.2.1 ", "192.0.2.1"),
        ] {
            assert_eq!(by_proxy(&[("x-forwarded-for", text)]), address, "{text}");
        }
        assert_eq!(by_proxy(&[("forwarded", "for=192.0.2.1")]), "192.0.2.1");
        let port = "for=\"192.0.2.1:_gazonk\"";
        assert_eq!(by_proxy(&[("forwarded", port)]), "192.0.2.1");
    }

    #[test]
    fn what_cannot_be_read_counts_as_the_proxy() {
        for text in [
            "",
            "unknown",
            "192.0.2.1, ",
            "192.0.2.1:99999",
            "192.0.2.1:+80",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]:1",
            "example.org",
        ] {
            assert_eq!(by_proxy(&[("x-forwarded-for", text)]), PROXY, "{text}");
        }
        for text in [
            "for=_hidden",
            "for=unknown",
            "by=192.0.2.1",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1",
            "proto=\"a,for=192.0.2.1",
            "host=\"a\\\",for=192.0.2.1\"",
        ] {
            assert_eq!(by_proxy(&[("forwarded", text)]), PROXY, "{text}");
        }
        // What comes before it, anyone may have written.
        assert_eq!(
            by_proxy(&[("x-forwarded-for", "junk, 192.0.2.1")]),
            "192.0.2.1"
        );
        // One of the two was written by the peer.
        let both = [
            ("x-forwarded-for", "198.51.100.4"),
            ("forwarded", "for=192.0.2.1"),
        ];
        assert_eq!(by_proxy(&both), PROXY);
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        for good in ["127.0.0.1", "::1", "10.0.0.0/8", "2001:db8::/32"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for bad in ["", "localhost", "10.0.0.0/33", "127.0.0.1:80", "*"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
