//! In which coding a file is served that was packed when the pages were built.
//!
//! Invariant: only files that the binary brings along come here; nothing is packed while a client
//! waits.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};

use super::fields;

/// How a file may be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// The name of HTTP.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the packed file has at the end of its name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    /// Whether a name is that of a packed file, which is served in the place of another only.
    pub(super) fn is_packed(name: &str) -> bool {
        [Self::Brotli, Self::Gzip]
            .iter()
            .any(|coding| name.ends_with(coding.extension()))
    }
}

/// The codings that the caller takes and likes no less than the file as it is, the best first
/// (RFC 9110, section 12.5.3); of two that it likes alike, the one that packs better.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let accepted = fields::list(headers, &header::ACCEPT_ENCODING);
    let mut weights = HashMap::new();
    for coding in &accepted {
        let mut parts = fields::split(coding, ';').into_iter();
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts
            .map(fields::pair)
            .find(|(name, _)| name.eq_ignore_ascii_case("q"));
        // A malformed weight is ignored: then the file goes as it is.
        let weight = weight.map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0));
        weights.insert(name, weight);
    }
    let weight = |name: &str| weights.get(name).copied();
    let any = weight("*");
    let identity = weight("identity").unwrap_or(0.0);
    let mut taken: Vec<(Coding, f64)> = [
        (Coding::Brotli, weight("br").or(any)),
        (Coding::Gzip, weight("gzip").or(weight("x-gzip")).or(any)),
    ]
    .into_iter()
    .filter_map(|(coding, weight)| Some((coding, weight?)))
    .filter(|(_, weight)| *weight > 0.0 && *weight >= identity)
    .collect();
    taken.sort_by(|one, other| other.1.total_cmp(&one.1));
    taken.into_iter().map(|(coding, _)| coding).collect()
}

#[cfg(test)]
mod tests {
    //! Guards against answers in a coding that the caller does not read.
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn codings_are_weighed() {
        use Coding::{Brotli, Gzip};
        for (lines, taken) in [
            (&[][..], &[][..]),
            (&["gzip"], &[Gzip]),
            (&["gzip, br"], &[Brotli, Gzip]),
            (&["br, GZIP"], &[Brotli, Gzip]),
            (&["br;q=0.4, gzip;q=0.5"], &[Gzip, Brotli]),
            (&["br", "gzip;q=0.5"], &[Brotli, Gzip]),
            (&["*"], &[Brotli, Gzip]),
            (&["*;q=0.1, br"], &[Brotli, Gzip]),
            (&["gzip, *;q=0"], &[Gzip]),
            (&["gzip;q=0"], &[]),
            (&["gzip; q=0.0, *"], &[Brotli]),
            (&["gzip;q=0.2, identity"], &[]),
            (&["gzip;q=x"], &[]),
            (&["identity", "br"], &[Brotli]),
            (&["x-gzip"], &[Gzip]),
            (&["deflate, zstd"], &[]),
            (&[""], &[]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(accepted(&headers), taken, "{lines:?}");
        }
    }
}
