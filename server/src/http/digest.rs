//! Digests that a request states of its body: `Content-Digest` and `Repr-Digest` (RFC 9530), and
//! `Digest` (RFC 3230), which they replace.
//!
//! Invariant: a digest is compared or refused, and never passed over: who sends one wants to know
//! whether the body came as it was sent. A body is never packed, cut or converted here, so its
//! content is its representation, and all three fields speak about the same bytes.

use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::fields::{self, CONTENT_DIGEST, CONTENT_MD5, DIGEST, REPR_DIGEST, title};
use super::problem::Problem;

/// The algorithms that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "sha-256" => Some(Self::Sha256),
            "sha-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn of(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(body).to_vec(),
            Self::Sha512 => Sha512::digest(body).to_vec(),
        }
    }
}

/// Compares the digests of a request with its body.
///
/// # Errors
/// Where one differs, cannot be read, or is made by no algorithm that is known.
pub(super) fn check(headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_MD5) {
        let detail = "Content-MD5 is not checked: send Content-Digest with sha-256 or sha-512";
        return Err(Problem::bad_request(detail));
    }
    for name in [CONTENT_DIGEST, REPR_DIGEST, DIGEST] {
        if headers.contains_key(&name) {
            compare(headers, &name, body)?;
        }
    }
    Ok(())
}

fn compare(headers: &HeaderMap, name: &HeaderName, body: &[u8]) -> Result<(), Problem> {
    let field = title(name);
    let is_old = *name == DIGEST;
    let malformed = || {
        let form = match is_old {
            true => "sha-256=… with the digest in base64",
            false => "sha-256=:…: with the digest in base64 (RFC 9530)",
        };
        Problem::bad_request(format!("{field} cannot be read: it is {form}"))
    };
    let mut compared = false;
    for member in fields::list(headers, name) {
        let (algorithm, digest) = member.split_once('=').ok_or_else(malformed)?;
        let Some(algorithm) = Algorithm::named(algorithm.trim()) else {
            continue;
        };
        let digest = match is_old {
            true => digest,
            false => bytes_of(digest).ok_or_else(malformed)?,
        };
        let told = BASE64_STANDARD
            .decode(digest.trim())
            .map_err(|_| malformed())?;
        if told != algorithm.of(body) {
            return Err(Problem::bad_request(format!(
                "the body is not the one that {field} was made of: it was altered on the way"
            )));
        }
        compared = true;
    }
    match compared {
        true => Ok(()),
        false => Err(Problem::bad_request(format!(
            "{field} names no algorithm that is known here: send sha-256 or sha-512"
        ))),
    }
}

/// The inside of a byte sequence of structured fields (RFC 9651, section 3.3.5), whose parameters
/// say nothing to us.
fn bytes_of(item: &str) -> Option<&str> {
    let (digest, rest) = item.strip_prefix(':')?.split_once(':')?;
    (rest.is_empty() || rest.trim_start().starts_with(';')).then_some(digest)
}

#[cfg(test)]
mod tests {
    //! Guards against a body that is taken although its digest does not match.

    use axum::http::HeaderValue;

    use super::*;

    fn checked(fields: &[(&'static str, &str)], body: &[u8]) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        check(&headers, body)
            .map_err(|problem| problem.body()["detail"].as_str().unwrap().to_owned())
    }

    #[test]
    fn digests_are_compared() {
        // RFC 9530, appendix B.1, and the same in the older form.
        let body = b"{\"hello\": \"world\"}\n";
        let sha256 = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=";
        let sha512 = BASE64_STANDARD.encode(Sha512::digest(body));
        for (name, value) in [
            ("content-digest", format!("sha-256=:{sha256}:")),
            ("repr-digest", format!("sha-512=:{sha512}:")),
            (
                "content-digest",
                format!("md5=:AAAA:, sha-256=:{sha256}:;a=1"),
            ),
            ("digest", format!("SHA-256={sha256}")),
            ("digest", format!("md5=AAAA,sha-512={sha512}")),
        ] {
            assert_eq!(checked(&[(name, &value)], body), Ok(()), "{value}");
            let altered = checked(&[(name, &value)], b"{}").unwrap_err();
            assert!(altered.contains("altered on the way"), "{altered}");
        }
        assert_eq!(checked(&[], body), Ok(()));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for (name, value, reason) in [
            (
                "content-md5",
                "1B2M2Y8AsgTpgAmY7PhCfg==",
                "send Content-Digest",
            ),
            ("content-digest", "md5=:AAAA:", "no algorithm that is known"),
            ("content-digest", "", "no algorithm that is known"),
            ("content-digest", "sha-256", "Content-Digest cannot be read"),
            ("content-digest", "sha-256=AAAA", "cannot be read"),
            ("content-digest", "sha-256=:A*A:", "cannot be read"),
            (
                "repr-digest",
                "sha-256=:AAAA:x",
                "Repr-Digest cannot be read",
            ),
            ("digest", "sha-256=:AAAA:", "Digest cannot be read"),
            ("content-digest", "sha-256=:AAAA:", "altered on the way"),
        ] {
            let told = checked(&[(name, value)], b"{}").unwrap_err();
            assert!(told.contains(reason), "{name}: {value}: {told}");
        }
    }
}
