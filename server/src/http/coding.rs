//! Packing what is served to everybody alike, once.
//!
//! Invariant: only files that the binary brings along come here, so what is kept is bounded.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::fields;

/// Below this, packing saves less than its header costs.
const BYTES_MIN: usize = 256;

static PACKED: LazyLock<Mutex<HashMap<String, Option<Bytes>>>> = LazyLock::new(Mutex::default);

/// A file in gzip, if that makes it smaller.
pub(super) fn packed(name: &str, data: &[u8]) -> Option<Bytes> {
    let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = packed.get(name) {
        return known.clone();
    }
    let made = if data.len() < BYTES_MIN {
        None
    } else {
        pack(data).filter(|packed| packed.len() < data.len())
    };
    packed.insert(name.to_owned(), made.clone());
    made
}

fn pack(data: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether the caller takes gzip, and does not like the file better as it is (RFC 9110,
/// section 12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = fields::list(headers, &header::ACCEPT_ENCODING);
    let mut weights = HashMap::new();
    for coding in &accepted {
        let mut parts = fields::split(coding, ';').into_iter();
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts
            .map(fields::pair)
            .find(|(name, _)| name.eq_ignore_ascii_case("q"));
        // What is no weight is none: then the file goes as it is.
        let weight = weight.map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0));
        weights.insert(name, weight);
    }
    let weight = |name: &str| weights.get(name).copied();
    let gzip = weight("gzip")
        .or(weight("x-gzip"))
        .or(weight("*"))
        .unwrap_or(0.0);
    gzip > 0.0 && gzip >= weight("identity").unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    //! Guards against answers in a coding that the caller does not read.
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn codings_are_weighed() {
        for (lines, takes) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["br, GZIP"], true),
            (&["br", "gzip;q=0.5"], true),
            (&["*"], true),
            (&["*;q=0.1, br"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.0, *"], false),
            (&["gzip;q=0.2, identity"], false),
            (&["gzip;q=x"], false),
            (&["identity", "br"], false),
            (&[""], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(takes_gzip(&headers), takes, "{lines:?}");
        }
    }
}
