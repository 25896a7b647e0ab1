//! The head of a request: which header fields it may have, and how lists in them are read
//! (RFC 9110, sections 5.3 and 5.6.1).
//!
//! Invariant: a field that changes what a request means is either understood or refused. What may
//! be ignored by its definition is (`Accept`, `Range` of a read, unknown preferences).

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use indelible_engine::excerpt::Short;
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

/// Fields that protect, or say what the body is or what has to happen before it is taken. A misspelt
/// one would be ignored as an unknown one, and so would one behind the body.
const PROTECTING: [&str; 13] = [
    "authorization",
    "idempotency-key",
    "prefer",
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
    "if-match",
    "if-none-match",
    "content-encoding",
    "content-range",
    "transfer-encoding",
    "expect",
];

/// What names of such fields have in them, and what is meant then.
const PARTS: [(&str, &str); 10] = [
    ("match", "if-match"),
    ("modified-since", "if-match"),
    ("prefer", "prefer"),
    (IDEMPOTENT, "idempotency-key"),
    // What OASIS calls the same.
    ("repeatability", "idempotency-key"),
    ("authori", "authorization"),
    ("authenti", "authorization"),
    ("bearer", "authorization"),
    ("digest", "content-digest"),
    ("encoding", "content-encoding"),
];

/// No proxy adds a field with this in its name: it is meant also with an `X-` before it.
const IDEMPOTENT: &str = "idempot";

/// Names of no standard that protect elsewhere, as [`folded`], and the fields that are meant by them.
const ELSEWHERE: [(&str, &[&str]); 9] = [
    (
        "if-match",
        &[
            "etag",
            "expectedetag",
            "expectedrevision",
            "expectedversion",
            "expectetag",
            "expectrevision",
            "expectversion",
            "ifmatch",
            "ifunmodifiedsince",
            "matchetag",
            "matchversion",
            "precondition",
            "preconditions",
        ],
    ),
    ("if-none-match", &["ifnonematch"]),
    (
        "prefer",
        &["handle", "handling", "lenient", "prefer", "strict"],
    ),
    (
        "content-digest",
        &["checksum", "contentdigest", "sha256", "sha512"],
    ),
    ("repr-digest", &["reprdigest"]),
    ("content-md5", &["contentmd5"]),
    (
        "content-encoding",
        &["compression", "contentcompression", "contentencoding"],
    ),
    ("content-range", &["contentrange"]),
    (
        "idempotency-key",
        &[
            "dedupekey",
            "dedupid",
            "dedupkey",
            "deduplicationid",
            "deduplicationkey",
            "idem",
            "idemkey",
            "oncekey",
            "requestkey",
            "retrykey",
        ],
    ),
];

/// How names begin that say something of the body, and go on where it is its digest, as [`folded`].
const BODIES: [&str; 4] = ["content", "body", "payload", "repr"];
const DIGESTS: [&str; 4] = ["sha", "crc", "checksum", "hash"];

/// Names that change what a request does elsewhere, as [`folded`], and what is to be done here.
const UNFOLLOWED: [(&str, &[&str]); 2] = [
    (
        "send it as the parameter of this name",
        &["base", "preserve", "remove"],
    ),
    (
        "what is sent is carried out, and there is no trial of it",
        &[
            "checkonly",
            "dryrun",
            "simulate",
            "validateonly",
            "validationonly",
        ],
    ),
];

/// How the names of fields begin that are meant: those of proxies, and of browsers.
const OTHERS: [&str; 2] = ["x-", "sec-"];

/// Registered fields that are near one of the above, and are meant.
const REGISTERED: [&str; 16] = [
    "accept-encoding",
    "accept-transfer-encoding",
    "authentication-control",
    "authentication-info",
    "content-id",
    "content-transfer-encoding",
    "expect-ct",
    "optional-www-authenticate",
    "preference-applied",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
    "www-authenticate",
];

/// How much longer or shorter a misspelt name may be: two letters, and two hyphens.
const LENGTHS_APART: usize = 4;

/// Fields by which some servers take another method than the one that is asked for.
const OVERRIDES: [&str; 13] = [
    "x-http-method-override",
    "x-http-verb-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "http-method-override",
    "method-override",
    "http-method",
    "method",
    "verb",
    "x-http-verb",
    "x-method",
    "x-verb",
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
            let problem = Problem::bad_request(format!("{} is given twice", title(name)));
            return Err(match *name {
                header::AUTHORIZATION => problem.challenge(Some("invalid_request")),
                _ => problem,
            });
        }
    }
    Ok(())
}

/// Refuses what was probably meant for a field that protects.
fn spelling(headers: &HeaderMap) -> Result<(), Problem> {
    let mut names = headers.keys().map(HeaderName::as_str);
    let Some((name, near)) = names.find_map(|name| Some((name, meant(name)?))) else {
        return Ok(());
    };
    let (name, meant) = (title_of(name), title_of(near));
    let detail = format!("{} is not known here: is it {meant}?", Short(&name));
    Err(Problem::bad_request(detail))
}

/// Which protecting field a name was probably meant for, if it is not one itself.
fn meant(name: &str) -> Option<&'static str> {
    let known = CONDITIONS.iter().map(HeaderName::as_str);
    let mut known = known.chain(PROTECTING).chain(PARTIAL).chain(REGISTERED);
    let is_other = || OTHERS.iter().any(|start| name.starts_with(start));
    if known.any(|known| known == name) {
        return None;
    }
    let elsewhere = meant_elsewhere(&folded(name));
    if elsewhere.is_some() || (is_other() && !name.contains(IDEMPOTENT)) {
        return elsewhere;
    }
    // Most names are too long or too short to be near, which is cheap to see.
    let alike = PROTECTING
        .iter()
        .filter(|meant| meant.len().abs_diff(name.len()) <= LENGTHS_APART);
    let near = near::nearest_ascii(name, alike.copied());
    let part = || {
        let is_condition = name.starts_with("if-");
        let mut parts = PARTS.into_iter().filter(|_| !is_condition);
        parts.find_map(|(part, meant)| name.contains(part).then_some(meant))
    };
    near.or_else(part)
}

/// Which field is meant by a name that protects elsewhere.
fn meant_elsewhere(folded: &str) -> Option<&'static str> {
    let of_body = BODIES.iter().find_map(|start| folded.strip_prefix(start));
    let is_digest = |rest: &str| DIGESTS.iter().any(|start| rest.starts_with(start));
    let mut listed = ELSEWHERE.into_iter();
    let listed = listed.find_map(|(meant, names)| names.contains(&folded).then_some(meant));
    listed.or_else(|| of_body.is_some_and(is_digest).then_some("content-digest"))
}

/// A name without what people write in different ways.
fn folded(name: &str) -> String {
    let name = name.strip_prefix("x-").unwrap_or(name);
    name.replace(['-', '_'], "")
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
/// says something of the request, or is refused before the body.
pub(super) fn early(name: &str) -> Option<Late> {
    let mut known = PROTECTING.into_iter().chain(PARTIAL);
    let is_early = known.any(|known| known == name)
        || SINGLE.iter().any(|single| single == name)
        || is_condition(name)
        || unfollowed(name).is_some()
        || meant(name).is_some();
    is_early.then(|| Late(title_of(name)))
}

/// A field came behind the body that has to be known before it is taken.
#[derive(Debug, thiserror::Error)]
#[error("{0} has to stand before the body, not behind it in a trailer")]
pub(super) struct Late(String);

/// Fields that would make another request of it, or one with a condition.
fn meaning(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let mut names = headers.keys().map(HeaderName::as_str);
    if let Some((name, instead)) = names.find_map(|name| Some((name, unfollowed(name)?))) {
        let detail = format!("{} is not followed: {instead}", Short(name));
        return Err(Problem::bad_request(detail));
    }
    if headers.contains_key(header::IF_UNMODIFIED_SINCE) && !headers.contains_key(header::IF_MATCH)
    {
        let detail = "If-Unmodified-Since knows seconds only, in which much can be written: send \
                      If-Match with the version instead";
        return Err(Problem::bad_request(detail));
    }
    let mut conditions = headers.keys().filter(|name| is_condition(name.as_str()));
    if let Some(name) = conditions.find(|name| !CONDITIONS.contains(name)) {
        let detail = format!(
            "{} is a condition that is not known here: send If-Match with the version instead",
            Short(&title(name))
        );
        return Err(Problem::bad_request(detail));
    }
    if method.is_safe() {
        return validators::if_none_match(headers).map(drop);
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

fn is_condition(name: &str) -> bool {
    name == "if" || name.starts_with("if-")
}

/// What is to be done instead of a field that changes what a request does elsewhere.
fn unfollowed(name: &str) -> Option<&'static str> {
    if is_override(name) {
        return Some("send the method itself");
    }
    let folded = folded(name);
    let mut listed = UNFOLLOWED.into_iter();
    listed.find_map(|(instead, names)| names.contains(&&*folded).then_some(instead))
}

/// Whether a field names another method, be it misspelt.
fn is_override(name: &str) -> bool {
    let is_near = || near::nearest_ascii(name, OVERRIDES).is_some();
    OVERRIDES.contains(&name) || (name.contains("method") && is_near())
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
mod tests;
