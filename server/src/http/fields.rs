//! The head of a request: which header fields it may have, and how lists in them are read
//! (RFC 9110, sections 5.3 and 5.6.1).
//!
//! Invariant: a field that changes what a request means is either understood or refused. What may
//! be ignored by its definition is (`Accept`, `Range` of a read, unknown preferences).

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use indelible_engine::near;

use super::problem::Problem;
use super::request;
use super::validators;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
pub(super) const DIGEST: HeaderName = HeaderName::from_static("digest");
pub(super) const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Fields that hold digests.
const DIGESTS: [HeaderName; 4] = [CONTENT_DIGEST, REPR_DIGEST, DIGEST, CONTENT_MD5];

/// Fields of which there is one: of two, readers take one or the other.
const SINGLE: [HeaderName; 8] = [
    header::HOST,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::ORIGIN,
    header::IF_UNMODIFIED_SINCE,
    header::IF_MODIFIED_SINCE,
    IDEMPOTENCY_KEY,
];

/// Fields that protect, and of which a misspelt one would be passed over as one that nobody knows.
const PROTECTING: [&str; 7] = [
    "authorization",
    "idempotency-key",
    "prefer",
    "content-digest",
    "repr-digest",
    "if-match",
    "if-none-match",
];

/// What names of such fields have in them, and what is meant then.
const PARTS: [(&str, &str); 3] = [
    ("match", "if-match"),
    ("modified-since", "if-match"),
    ("prefer", "prefer"),
];

/// Fields by which some servers take another method than the one that is asked for.
const OVERRIDES: [&str; 7] = [
    "x-http-method-override",
    "x-http-verb-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "http-method-override",
    "method-override",
];

/// The conditions that are known; whether one can be stated is said elsewhere.
const CONDITIONS: [HeaderName; 5] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
];

/// What a write may say of its body that makes a part of it, or another one.
const PARTIAL: [&str; 11] = [
    "content-range",
    "content-transfer-encoding",
    "range",
    "if-range",
    "tus-resumable",
    "upload-complete",
    "upload-draft-interop-version",
    "upload-incomplete",
    "upload-length",
    "upload-offset",
    "x-update-range",
];

/// Refuses requests whose head says what is not understood.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let checked = single(request.headers())
        .and_then(|()| spelling(request.headers()))
        .and_then(|()| framing(request.headers()))
        .and_then(|()| meaning(request.method(), request.headers()));
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn single(headers: &HeaderMap) -> Result<(), Problem> {
    for name in &SINGLE {
        if headers.get_all(name).iter().nth(1).is_some() {
            let problem = Problem::bad_request(format!("{} stands there twice", title(name)));
            return Err(match *name {
                header::AUTHORIZATION => problem.challenge(Some("invalid_request")),
                _ => problem,
            });
        }
    }
    Ok(())
}

/// Refuses what was probably meant for a field that protects. Names that begin with `x-` are those of
/// proxies.
fn spelling(headers: &HeaderMap) -> Result<(), Problem> {
    let mut names = headers.keys().filter(|name| {
        let is_known = CONDITIONS.contains(name) || PROTECTING.contains(&name.as_str());
        !is_known && !name.as_str().starts_with("x-")
    });
    let misspelt = names.find_map(|name| Some((name, meant(name.as_str())?)));
    let Some((name, near)) = misspelt else {
        return Ok(());
    };
    let meant = title(&HeaderName::from_static(near));
    let detail = format!("{} is not known here: is it {meant}?", title(name));
    Err(Problem::bad_request(detail))
}

/// Which field that protects a name was probably meant for.
fn meant(name: &str) -> Option<&'static str> {
    let near = near::nearest(name, PROTECTING);
    let part = || {
        let is_condition = name.starts_with("if-");
        let mut parts = PARTS.into_iter().filter(|_| !is_condition);
        parts.find_map(|(part, meant)| name.contains(part).then_some(meant))
    };
    near.or_else(part)
}

/// How the body comes, and what has to happen before it does.
fn framing(headers: &HeaderMap) -> Result<(), Problem> {
    let codings = list(headers, &header::TRANSFER_ENCODING);
    if codings
        .iter()
        .any(|coding| !coding.eq_ignore_ascii_case("chunked"))
        || codings.len() > 1
    {
        let title = "The body comes in a way that is not understood";
        let problem = Problem::new(StatusCode::NOT_IMPLEMENTED, "transfer-coding", title);
        return Err(problem.detail("Transfer-Encoding is chunked, or is left out"));
    }
    let codings = list(headers, &header::CONTENT_ENCODING);
    if codings
        .iter()
        .any(|coding| !coding.eq_ignore_ascii_case("identity"))
    {
        return Err(Problem::packed("Content-Encoding"));
    }
    let expected = list(headers, &header::EXPECT);
    if expected
        .iter()
        .any(|one| !one.eq_ignore_ascii_case("100-continue"))
    {
        let title = "What the request expects cannot be met";
        let problem = Problem::new(StatusCode::EXPECTATION_FAILED, "expectation", title);
        return Err(problem.detail("Expect is 100-continue, or is left out"));
    }
    let announced = list(headers, &header::TRAILER);
    let mut announced = announced.iter().map(|name| name.to_ascii_lowercase());
    match announced.find_map(|name| early(&name)) {
        None => Ok(()),
        Some(late) => Err(Problem::bad_request(late.to_string())),
    }
}

/// What is said of a field behind the body that has to be known before the body is taken: one that
/// protects, or that makes another request of it.
pub(super) fn early(name: &str) -> Option<Late> {
    let names_digest = || DIGESTS.iter().any(|field| field.as_str() == name);
    let is_early = PROTECTING.contains(&name) || name.starts_with("if-") || names_digest();
    is_early.then(|| Late(title_of(name)))
}

/// A field came behind the body that has to be known before it is taken.
#[derive(Debug, thiserror::Error)]
#[error("{0} has to stand before the body, not behind it in a trailer")]
pub(super) struct Late(String);

/// Fields that would make another request of it, or one with a condition.
fn meaning(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(name) = OVERRIDES.iter().find(|name| headers.contains_key(**name)) {
        let detail = format!("{name} is not followed: send the method itself");
        return Err(Problem::bad_request(detail));
    }
    if headers.contains_key(header::IF_UNMODIFIED_SINCE) && !headers.contains_key(header::IF_MATCH)
    {
        let detail = "If-Unmodified-Since knows seconds only, in which much can be written: send \
                      If-Match with the version instead";
        return Err(Problem::bad_request(detail));
    }
    let mut conditions = headers.keys().filter(|name| {
        let name = name.as_str();
        name == "if" || name.starts_with("if-")
    });
    if let Some(name) = conditions.find(|name| !CONDITIONS.contains(name)) {
        let detail = format!(
            "{} is a condition that is not known here: send If-Match with the version instead",
            title(name)
        );
        return Err(Problem::bad_request(detail));
    }
    if method.is_safe() {
        return validators::if_none_match(headers).map(drop);
    }
    for (name, detail) in [
        (
            header::IF_NONE_MATCH,
            "If-None-Match is for reading: a PUT never creates, and a POST never replaces",
        ),
        (
            header::IF_MODIFIED_SINCE,
            "If-Modified-Since is for reading: send If-Match with the version instead",
        ),
    ] {
        if headers.contains_key(name) {
            return Err(Problem::bad_request(detail));
        }
    }
    if let Some(name) = PARTIAL.iter().find(|name| headers.contains_key(**name)) {
        let name = title(&HeaderName::from_static(name));
        let detail = format!(
            "{name} is not followed with a write: a body comes whole, in one request and as it is"
        );
        return Err(Problem::bad_request(detail));
    }
    // Also where nothing is lenient, a misspelt preference is not the one that is followed.
    request::protected(headers).map(drop)
}

/// Whether a request brings a body, be it empty.
pub(super) fn brings_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

/// The elements of a list: of all lines of the field, which are one list, without empty ones.
pub(super) fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter();
    lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .flat_map(|line| {
            let elements = split(&line, ',').into_iter().map(str::to_owned);
            elements.collect::<Vec<_>>()
        })
        .filter(|element| !element.is_empty())
        .collect()
}

/// The parts between separators; those in quoted strings separate nothing.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|c: char| {
        let separates = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        separates
    });
    parts.map(|part| part.trim_matches([' ', '\t'])).collect()
}

/// Whether a text is a name, or a name with a value: a token, or a quoted string (RFC 9110, 5.6).
pub(super) fn is_pair(text: &str) -> bool {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let value = value.trim_matches([' ', '\t']);
    let is_quoted = || {
        let inner = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let mut escaped = false;
        inner.is_some_and(|inner| {
            let ends = inner.chars().any(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            !ends && !escaped
        })
    };
    is_token(name.trim_matches([' ', '\t'])) && (value.is_empty() || is_token(value) || is_quoted())
}

fn is_token(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// `name=value`, in which the value may be quoted; without one it is empty.
pub(super) fn pair(text: &str) -> (&str, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let value = value.trim_matches([' ', '\t']);
    let value = match value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(quoted) => unescaped(quoted),
        None => value.to_owned(),
    };
    (name.trim_matches([' ', '\t']), value)
}

fn unescaped(quoted: &str) -> String {
    let mut escaped = false;
    let keep = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    quoted.chars().filter(keep).collect()
}

/// A field's name as people write it: `Content-Type`.
pub(super) fn title(name: &HeaderName) -> String {
    title_of(name.as_str())
}

fn title_of(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    //! Guards against lists that are read as one word, or cut inside a quoted string.
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn lists_are_read_over_all_lines() {
        let mut headers = HeaderMap::new();
        for line in [r#"a, "b,\",c" ,,"#, "d;x=\"1,2\"", " "] {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        let read = list(&headers, &header::ACCEPT);
        assert_eq!(read, ["a", r#""b,\",c""#, r#"d;x="1,2""#]);
    }

    #[test]
    fn pairs_may_be_quoted() {
        assert_eq!(pair("a"), ("a", String::new()));
        assert_eq!(pair("q = 0.5"), ("q", "0.5".to_owned()));
        assert_eq!(pair(r#"charset="utf\-8""#), ("charset", "utf-8".to_owned()));
    }

    #[test]
    fn pairs_are_well_formed() {
        for pair in ["a", "a=b", "q = 0.5", r#"a="b, \"c\"""#, r#"a="""#, "a="] {
            assert!(is_pair(pair), "{pair}");
        }
        for pair in [
            "",
            "=b",
            "a b",
            r#""a"=b"#,
            r#"a="b"#,
            r#"a="b\""#,
            r#"a="b"c""#,
            "a=b c",
        ] {
            assert!(!is_pair(pair), "{pair}");
        }
    }

    #[test]
    fn names_are_written_as_people_do() {
        assert_eq!(title(&header::CONTENT_TYPE), "Content-Type");
    }
}
