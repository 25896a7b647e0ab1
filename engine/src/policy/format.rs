//! The values of the keyword `format` that are checked, and the checks: each decides on one string,
//! in time linear in its length, without asking a network.

mod hostname;

use core::net::{Ipv4Addr, Ipv6Addr};

use super::Rules;

/// A known value of `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `date`: 2026-02-03 (RFC 3339, full-date)
    Date,
    /// `date-time`: 2026-02-03T04:05:06Z (RFC 3339, date-time)
    DateTime,
    /// `email`: an address (RFC 5321, mailbox; under the first rules without quoted names)
    Email,
    /// `hostname` (RFC 1123; since the second rules A-labels are those of RFC 5890)
    Hostname,
    /// `ipv4`: four decimal numbers
    Ipv4,
    /// `ipv6` (RFC 4291, section 2.2)
    Ipv6,
    /// `time`: 04:05:06Z (RFC 3339, full-time)
    Time,
    /// `uri`: an absolute address with its scheme (RFC 3986)
    Uri,
    /// `uuid` (RFC 9562)
    Uuid,
}

impl Format {
    /// All of them, with their names in JSON Schema.
    pub const ALL: [(&'static str, Self); 9] = [
        ("date", Self::Date),
        ("date-time", Self::DateTime),
        ("email", Self::Email),
        ("hostname", Self::Hostname),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
        ("time", Self::Time),
        ("uri", Self::Uri),
        ("uuid", Self::Uuid),
    ];

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, format)| *format)
    }

    /// What such a string is, with an example, for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::Date => "a date such as 2026-02-03",
            Self::DateTime => "a date and time such as 2026-02-03T04:05:06Z",
            Self::Email => "an email address",
            Self::Hostname => "a host name such as www.example.org",
            Self::Ipv4 => "an IPv4 address such as 192.0.2.1",
            Self::Ipv6 => "an IPv6 address such as 2001:db8::1",
            Self::Time => "a time with its offset such as 04:05:06Z",
            Self::Uri => "an address with its scheme such as https://example.org/",
            Self::Uuid => "a UUID",
        }
    }

    /// Whether the text has this format under these rules.
    pub fn is_match(self, rules: Rules, text: &str) -> bool {
        match self {
            Self::Date => is_date(text),
            Self::DateTime => is_date_time(text),
            Self::Email => is_email(rules, text),
            Self::Hostname => is_hostname(rules, text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Time => is_time(text),
            Self::Uri => is_uri(rules, text),
            Self::Uuid => is_uuid(text),
        }
    }
}

/// A number of exactly `length` ASCII digits.
fn digits(text: &str, length: usize) -> Option<u32> {
    let good = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

fn is_date(text: &str) -> bool {
    let parsed = || {
        let mut parts = text.split('-');
        let year = digits(parts.next()?, 4)?;
        let month = digits(parts.next()?, 2)?;
        let day = digits(parts.next()?, 2)?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        Some(parts.next().is_none() && (1..=last).contains(&day))
    };
    parsed().unwrap_or(false)
}

fn is_time(text: &str) -> bool {
    let parsed = || {
        let (clock, rest) = text.split_at_checked(8)?;
        let mut parts = clock.split(':');
        let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
        let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
        let second = digits(parts.next()?, 2).filter(|second| *second <= 60)?;
        let rest = match rest.strip_prefix('.') {
            Some(fraction) => {
                let end = fraction.find(|c: char| !c.is_ascii_digit())?;
                (end > 0).then(|| &fraction[end..])?
            }
            None => rest,
        };
        let offset = offset_minutes(rest)?;
        // A leap second is the last one of a day in UTC.
        let utc = (i64::from(hour * 60 + minute) - offset).rem_euclid(24 * 60);
        Some(parts.next().is_none() && (second < 60 || utc == 23 * 60 + 59))
    };
    parsed().unwrap_or(false)
}

fn offset_minutes(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    let hours = digits(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * i64::from(hours * 60 + minutes))
}

fn is_date_time(text: &str) -> bool {
    text.split_once(['T', 't'])
        .is_some_and(|(date, time)| is_date(date) && is_time(time))
}

fn is_hostname(rules: Rules, text: &str) -> bool {
    match rules {
        Rules::V1 => hostname::is_ascii(text),
        Rules::V2 => hostname::is_hostname(text),
        _ => hostname::is_hostname(text) && hostname::has_normal_labels(text),
    }
}

fn is_email(rules: Rules, text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_domain = match domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        Some(literal) => match ipv6_literal(rules, literal) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => literal.parse::<Ipv4Addr>().is_ok(),
        },
        None => is_hostname(rules, domain),
    };
    let is_local = local.split('.').all(is_atom) || (rules >= Rules::V2 && is_quoted(local));
    local.len() <= 64 && is_local && is_domain
}

/// The address in `IPv6:::1`; the tag may be in any letters since the second rules.
fn ipv6_literal(rules: Rules, literal: &str) -> Option<&str> {
    const TAG: &str = "IPv6:";
    let (tag, address) = literal.split_at_checked(TAG.len())?;
    let same = tag == TAG || (rules >= Rules::V2 && tag.eq_ignore_ascii_case(TAG));
    same.then_some(address)
}

/// RFC 5321, section 4.1.2, `Atom`.
fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
}

/// RFC 5321, section 4.1.2, `Quoted-string`.
fn is_quoted(text: &str) -> bool {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let mut bytes = inner.map(str::bytes);
    let Some(bytes) = &mut bytes else {
        return false;
    };
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'\\' => bytes.next().is_some_and(|byte| matches!(byte, b' '..=b'~')),
            b'"' => false,
            byte => matches!(byte, b' '..=b'~'),
        };
        if !good {
            return false;
        }
    }
    true
}

fn is_uuid(text: &str) -> bool {
    let mut lengths = [8, 4, 4, 4, 12].into_iter();
    text.split('-').all(|part| {
        lengths.next() == Some(part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    }) && lengths.next().is_none()
}

fn is_uri(rules: Rules, text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_hierarchy = match hierarchy.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            is_authority(rules, &rest[..end]) && has_only(&rest[end..], b":@/")
        }
        None => has_only(hierarchy, b":@/"),
    };
    is_scheme && is_hierarchy && has_only(query, b":@/?") && has_only(fragment, b":@/?")
}

/// `user@host:port` (RFC 3986, section 3.2).
fn is_authority(rules: Rules, text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else {
                return false;
            };
            let future = rules >= Rules::V2 && is_future_address(address);
            if address.parse::<Ipv6Addr>().is_err() && !future {
                return false;
            }
            match rest.strip_prefix(':') {
                Some(port) => ("", port),
                None if rest.is_empty() => ("", ""),
                None => return false,
            }
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    has_only(user, b":") && has_only(host, b"") && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// `v1.address` (RFC 3986, section 3.2.2, `IPvFuture`).
fn is_future_address(text: &str) -> bool {
    let versioned = text
        .strip_prefix(['v', 'V'])
        .and_then(|v| v.split_once('.'));
    versioned.is_some_and(|(version, address)| {
        let hex = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex && !address.is_empty() && !address.contains('%') && has_only(address, b":")
    })
}

/// Whether the text holds only unreserved characters, sub-delimiters, percent-encoded bytes and
/// those in `also` (RFC 3986, section 2).
fn has_only(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'%' => {
                let mut is_digit = || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
                is_digit() && is_digit()
            }
            byte => {
                byte.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(&byte)
                    || also.contains(&byte)
            }
        };
        if !good {
            return false;
        }
    }
    true
}

impl Format {
    /// Its name in JSON Schema.
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(_, format)| *format == self)
            .map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, good: &[&str], bad: &[&str]) {
        Rules::ALL
            .iter()
            .for_each(|rules| check_under(*rules, format, good, bad));
    }

    fn check_under(rules: Rules, format: &str, good: &[&str], bad: &[&str]) {
        let format = Format::named(format).unwrap();
        for text in good {
            assert!(
                format.is_match(rules, text),
                "{format:?} {rules} refuses {text}"
            );
        }
        for text in bad
            .iter()
            .chain(&["", " ", "é", "\u{1f600}\u{1f600}\u{1f600}"])
        {
            assert!(
                !format.is_match(rules, text),
                "{format:?} {rules} takes {text}"
            );
        }
    }

    /// What the second rules take and the first do not, and the other way round.
    #[test]
    fn versions_differ_as_they_did() {
        let differ = [
            ("email", "\"joe bloggs\"@example.com", "joe@xn--X.org"),
            ("email", "a@[ipv6:::1]", "a@b.xn--a"),
            ("hostname", "www.example.org", "xn--X"),
            ("uri", "http://[v1.fe80::a+en1]/", ""),
        ];
        for (format, later, earlier) in differ {
            check_under(Rules::V2, format, &[later], &[earlier]);
            let format = Format::named(format).unwrap();
            assert_eq!(
                format.is_match(Rules::V1, later),
                later.starts_with("www"),
                "{later}"
            );
            assert_eq!(
                format.is_match(Rules::V1, earlier),
                !earlier.is_empty(),
                "{earlier}"
            );
        }
    }

    /// Cases of the suite of JSON Schema for mailboxes of RFC 5321.
    #[test]
    fn mailboxes() {
        let good = [
            "\"joe..bloggs\"@example.com",
            "\"joe@bloggs\"@example.com",
            "\"\"@iana.org",
            "\" \"@iana.org",
            "\"\\a\"@iana.org",
            "\"\\\"\"@iana.org",
            "\"\\\\\"@iana.org",
            "test@255.255.255.255",
            "test@c--n.com",
            "test@io",
        ];
        let bad = [
            "user1@oceania.org, user2@oceania.org",
            "\"Winston Smith\" <winston.smith@recdep.minitrue> (Records Department)",
            "joe bloggs@example.com",
            "\"test\\\u{a9}\"@iana.org",
            "a@iana.org\n",
            "a\tb@iana.org",
            "\u{7f}@iana.org",
            "test\"@iana.org",
            "\"test\"test@iana.org",
            "\"test@iana.org",
            "\"a\"\"b\"@iana.org",
            "\"\\\"@iana.org",
            "\"@iana.org",
            "\"a\".b@iana.org",
            "test\\@test@iana.org",
            "[1.2.3.4]@iana.org",
            "test@iana.org.",
            "test@[1.2.3.4",
            "a@[]",
            "a@[1.2.3]",
            "test@a[255.255.255.255]",
            "test(comment)@iana.org",
        ];
        check_under(Rules::V2, "email", &good, &bad);
    }

    #[test]
    fn dates_and_times() {
        check(
            "date",
            &["2026-02-03", "2024-02-29", "0000-01-01"],
            &[
                "2025-02-29",
                "2026-2-3",
                "2026-13-01",
                "2026-00-10",
                "2026-01-01-",
                "२०२६-01-01",
            ],
        );
        check(
            "time",
            &[
                "04:05:06Z",
                "23:59:60Z",
                "01:29:60.5+01:30",
                "04:05:06.123456-23:59",
            ],
            &[
                "04:05:06",
                "24:00:00Z",
                "04:60:00Z",
                "12:00:60Z",
                "04:05:06.Z",
                "4:05:06Z",
                "04:05:06+1:00",
            ],
        );
        check(
            "date-time",
            &["2026-02-03T04:05:06Z", "2026-02-03t04:05:06.7z"],
            &[
                "2026-02-03 04:05:06Z",
                "2026-02-03T04:05:06",
                "2026-02-30T04:05:06Z",
                "2026-02-03",
            ],
        );
    }

    #[test]
    fn addresses() {
        check(
            "email",
            &[
                "joe@example.org",
                "joe.bloggs+news@localhost",
                "a@[192.0.2.1]",
                "a@[IPv6:::1]",
            ],
            &[
                "joe",
                "@example.org",
                "joe@",
                ".joe@example.org",
                "a..b@c.org",
                "a@b@c.org",
                "a b@c.org",
                "a@-c.org",
            ],
        );
        check(
            "hostname",
            &["www.example.org", "a", "xn--nxasmq6b", "1.2.3.4a"],
            &["-a.org", "a-.org", "a..b", "a.", "a_b", &"a".repeat(64)],
        );
        check(
            "ipv4",
            &["192.0.2.1"],
            &["192.0.2.256", "192.0.2", "192.0.2.01", "192.0.2.1 "],
        );
        check(
            "ipv6",
            &["::", "2001:db8::1", "::ffff:192.0.2.1"],
            &["1::2::3", "12345::", "fe80::1%eth0"],
        );
        check(
            "uri",
            &[
                "https://example.org",
                "https://joe:pw@example.org:8080/a/b;c?d=e/?f#g?h",
                "mailto:joe@example.org",
                "urn:isbn:0451450523",
                "http://[2001:db8::1]:80/",
                "https://example.org/%C3%A9",
                "tel:+33123456789",
                "http://:80",
                "http://user@",
                "http://@a.com",
                "http://a.com:",
                "http://999.999.999.999/",
                "http://!$&'()*+,;=.com",
                "http://-.~_!$&'()*+,;=:%40:80%2f::::::@example.com",
                "a:",
            ],
            &[
                "example.org",
                "/about",
                "//example.org",
                "1http://a",
                "https://a b",
                "https://a/%zz",
                "https://a/%4",
                "https://é.org/",
                "https://a#b#c",
                "https://[::1",
                "https://a/[b]",
                "https://a:b/",
                "https://a/<b>",
                "http://a.com:8:0",
                "https://[@example.org/",
                "https://a/b|c",
                "https://a/^",
                "bar,baz:foo",
                "http://[v1.]/",
                "http://[vg.a]/",
            ],
        );
        check(
            "uuid",
            &[
                "018f3a4e-7b1c-7c00-8000-0123456789ab",
                "018F3A4E-7B1C-7C00-8000-0123456789AB",
            ],
            &[
                "018f3a4e7b1c7c0080000123456789ab",
                "018f3a4e-7b1c-7c00-8000-0123456789ag",
                "018f3a4e-7b1c-7c00-8000",
            ],
        );
    }
}
