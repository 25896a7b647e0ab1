//! What a write over HTTP asks for, as read from its query, its headers and its body.
//!
//! Invariant: it follows from the request and the policy alone; what cannot be read is a
//! [`Problem`], and nothing that was asked for is left out silently.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use indelible_engine::excerpt::Short;
use indelible_engine::id::{Hash, ProposalId};
use indelible_engine::merge::Protected;
use indelible_engine::near;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use serde_json::Value;

use super::digest;
use super::fields::{self, IDEMPOTENCY_KEY, PREFER};
use super::problem::Problem;
use super::query::Query;
use super::validators::{self, if_match};
use crate::config::{IDEMPOTENCY_KEY_BYTES_MAX, PRESERVE_MAX};
use crate::entity::{Merging, PlaceAction, Precondition, misplaced};
use crate::json::{self, JsonError};
use crate::random;

/// What a text in UTF-8 may begin with to say so, and JSON may not (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What texts in UTF-16 begin with.
const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
/// What gzip begins with (RFC 1952).
const GZIP: &[u8] = b"\x1f\x8b";

/// A new entity, as a `POST` asks for it.
#[derive(Debug)]
pub struct Creation {
    /// The id that the entity is to have; without it, the server picks one.
    pub name: Option<String>,
    /// What it is to be made from: a JSON object.
    pub value: Value,
    /// The id of the write.
    pub id: ProposalId,
}

/// Another value for an entity, as a `PUT` asks for it.
#[derive(Debug)]
pub struct Replacement {
    /// The id of the write.
    pub id: ProposalId,
    /// The value, and how to bring it in.
    pub merging: Merging,
}

/// The end of an entity, as a `DELETE` asks for it.
#[derive(Debug)]
pub(crate) struct Deletion {
    /// The id of the write.
    pub id: ProposalId,
    /// What has to be there.
    pub precondition: Precondition,
}

impl Creation {
    /// Reads a request of `caller`; `body` is what came, or why nothing did.
    ///
    /// # Errors
    /// What of the request makes no sense.
    pub fn read(
        caller: &Principal,
        uri: &Uri,
        headers: &HeaderMap,
        body: Result<Bytes, Problem>,
    ) -> Result<Self, Problem> {
        let name = Query::read(uri, &["id"])?.get("id").map(str::to_owned);
        let value = object(headers, body)?;
        let id = proposal_id(headers, caller)?;
        Ok(Self { name, value, id })
    }
}

impl Replacement {
    /// Reads a request of `caller` about an entity under `policy`; `body` is what came, or why
    /// nothing did.
    ///
    /// # Errors
    /// What of the request makes no sense.
    pub fn read(
        policy: &Policy,
        caller: &Principal,
        uri: &Uri,
        headers: &HeaderMap,
        body: Result<Bytes, Problem>,
    ) -> Result<Self, Problem> {
        let query = Query::read(uri, &["base", "preserve", "remove"])?;
        let body = object(headers, body)?;
        // With a base, names may be those of its time: they are known where the base is.
        let known = query.get("base").is_none().then_some(policy);
        let remove = places(known, PlaceAction::Remove, query.get("remove"))?;
        let given = |at: &&Pointer| policy.value_at(&body, at).is_some_and(|v| !v.is_null());
        if let Some(at) = remove.iter().find(given) {
            let detail = format!("{at} is to be removed, and the body has a value for it");
            return Err(Problem::bad_request(detail));
        }
        let merging = Merging {
            protected: protected(headers)?,
            preserve: places(known, PlaceAction::Preserve, query.get("preserve"))?,
            remove,
            base: query.get("base").map(validators::version),
            precondition: if_match(headers)?,
            repeats: headers.contains_key(IDEMPOTENCY_KEY),
            body,
        };
        let id = proposal_id(headers, caller)?;
        Ok(Self { id, merging })
    }
}

impl Deletion {
    /// Reads a request of `caller`.
    ///
    /// # Errors
    /// What of the request makes no sense; also when it does not say what it has seen.
    pub(crate) fn read(caller: &Principal, headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(precondition) = if_match(headers)? else {
            let title = "If-Match has to name the version that is to be deleted";
            return Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition-required",
                title,
            ));
        };
        let id = proposal_id(headers, caller)?;
        Ok(Self { id, precondition })
    }
}

/// The body, which has to be a JSON object.
pub(super) fn object(headers: &HeaderMap, body: Result<Bytes, Problem>) -> Result<Value, Problem> {
    media_type(headers)?;
    let body = body?;
    digest::check(headers, &body)?;
    spelling(&body)?;
    let value = json::parse(&body).map_err(|error| match error {
        JsonError::Malformed(error) => Problem::bad_request(format!(
            "the body is not JSON as all readers take it: {error}"
        )),
        JsonError::TooMany => {
            let title = "The body holds too many values";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-big", title).detail(error.to_string())
        }
    })?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Problem::bad_request("the body has to be a JSON object"))
    }
}

/// `application/json`, in UTF-8 if it says in what.
fn media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail: String| {
        let title = "The body has to be application/json";
        Err(
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", title)
                .detail(detail)
                .header(header::ACCEPT, HeaderValue::from_static("application/json")),
        )
    };
    let Some(told) = headers.get(header::CONTENT_TYPE) else {
        return refused("Content-Type is missing".to_owned());
    };
    let told = String::from_utf8_lossy(told.as_bytes());
    let mut parts = fields::split(&told, ';').into_iter();
    let kind = parts.next().unwrap_or_default();
    if !kind.eq_ignore_ascii_case("application/json") {
        return refused(format!("Content-Type is {:?}", Short(kind)));
    }
    for (name, value) in parts.map(fields::pair) {
        if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return refused(format!(
                "JSON is in UTF-8, and charset is {:?}",
                Short(&value)
            ));
        }
    }
    Ok(())
}

/// What can be checked of a body before it is read as JSON.
fn spelling(body: &[u8]) -> Result<(), Problem> {
    if body.starts_with(GZIP) {
        return Err(Problem::packed("its beginning (that of gzip)"));
    }
    let detail = if body.is_empty() {
        "the body is empty"
    } else if body.starts_with(BYTE_ORDER_MARK) {
        "the body begins with a byte-order mark, which JSON does not have: send it without \
         (\"UTF-8\", not \"UTF-8 with BOM\")"
    } else if UTF_16_MARKS.iter().any(|mark| body.starts_with(mark)) {
        "the body is in UTF-16, and JSON is in UTF-8"
    } else if body.iter().take(4).any(|byte| *byte == 0) {
        "the body is in UTF-16 or UTF-32 (there is a zero byte at its beginning), and JSON is in UTF-8"
    } else if std::str::from_utf8(body).is_err() {
        "the body is not UTF-8"
    } else {
        return Ok(());
    };
    Err(Problem::bad_request(detail))
}

/// The id of the write: from `Idempotency-Key`, or fresh. Keys of one principal never meet those
/// of another, because ids are looked up together with the principal.
pub(super) fn proposal_id(headers: &HeaderMap, caller: &Principal) -> Result<ProposalId, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(ProposalId(random::bytes()));
    };
    if caller.is_anonymous() {
        return Err(Problem::bad_request(
            "Idempotency-Key is only for callers who have signed in",
        ));
    }
    let key = key.as_bytes();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let detail = format!("Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(Problem::bad_request(detail));
    }
    let Hash(hash) = Hash::of(&[b"indelible/idempotency-key/1\0", key]);
    let (id, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    Ok(ProposalId(*id))
}

/// What becomes of protected fields (RFC 7240, `handling`).
///
/// # Errors
/// As [`handling`].
pub(super) fn protected(headers: &HeaderMap) -> Result<Protected, Problem> {
    Ok(handling(headers)?.unwrap_or(Protected::Keep))
}

/// Refuses fields that concern writes of entities, on a request that is not one.
///
/// # Errors
/// 400 with the header.
pub(super) fn no_write(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |what: &str| {
        let detail = format!("{what} is for writes of entities, and is not followed here");
        Err(Problem::bad_request(detail))
    };
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return refused("Idempotency-Key");
    }
    match handling(headers)? {
        Some(_) => refused("Prefer: handling"),
        None => Ok(()),
    }
}

const HANDLING: &str = "handling";

/// The preference `handling`, where it is stated. Preferences that are not known are ignored, by their
/// definition; one that was probably meant to be `handling` is an error, since it protects.
///
/// # Errors
/// 400 where it cannot be read, or contradicts itself.
fn handling(headers: &HeaderMap) -> Result<Option<Protected>, Problem> {
    let preferences = fields::list(headers, &PREFER);
    if preferences.is_empty() && headers.contains_key(PREFER) {
        let detail = "Prefer is empty: name a preference, or leave it out";
        return Err(Problem::bad_request(detail));
    }
    let mut stated = None;
    for preference in preferences {
        // What comes behind a semicolon is a parameter of this preference (section 2), and none itself.
        let parts = fields::split(&preference, ';');
        let parameters = parts.iter().skip(1).filter(|part| !part.is_empty());
        if !parts
            .iter()
            .take(1)
            .chain(parameters.clone())
            .all(|part| fields::is_pair(part))
        {
            let detail = format!(
                "Prefer: {:?} is not a name, or a name with a value",
                Short(&preference)
            );
            return Err(Problem::bad_request(detail));
        }
        let (name, value) = fields::pair(parts.first().copied().unwrap_or_default());
        if !name.eq_ignore_ascii_case(HANDLING) {
            if is_meant(name) || is_way(&value) {
                let detail = format!(
                    "Prefer: handling=strict is meant, or lenient; not {:?}",
                    Short(parts.first().copied().unwrap_or_default())
                );
                return Err(Problem::bad_request(detail));
            }
            continue;
        }
        let mut parameters = parameters.map(|part| fields::pair(part).0);
        if parameters.any(|name| name.eq_ignore_ascii_case(HANDLING)) {
            let detail = "Prefer: handling is strict or lenient, not both";
            return Err(Problem::bad_request(detail));
        }
        let handling = match value.to_ascii_lowercase().as_str() {
            "strict" => Protected::Refuse,
            "lenient" => Protected::Keep,
            _ => {
                let detail = format!(
                    "Prefer: handling is strict or lenient, not {:?}",
                    Short(&value)
                );
                return Err(Problem::bad_request(detail));
            }
        };
        if stated.is_some_and(|stated| stated != handling) {
            let detail = "Prefer: handling is strict or lenient, not both";
            return Err(Problem::bad_request(detail));
        }
        stated = Some(handling);
    }
    Ok(stated)
}

/// Whether a preference was probably meant to be `handling`, or is one of its values.
fn is_meant(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("x-").unwrap_or(&name);
    let word: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    is_way(&word) || word == "handle" || near::nearest(&word, [HANDLING]).is_some()
}

/// Whether a word is a value of `handling`, which no other preference has.
fn is_way(word: &str) -> bool {
    let ways = ["strict", "lenient"];
    ways.iter().any(|way| word.eq_ignore_ascii_case(way))
}

/// `a,b` or `/a/x,/b`: fields of the root by name, deeper places by pointer; or the same as a JSON
/// list, for names with commas. A name that the schema does not have is an error: a slip of the pen
/// must not cost the protection.
fn places(
    policy: Option<&Policy>,
    care: PlaceAction,
    text: Option<&str>,
) -> Result<Vec<Pointer>, Problem> {
    let what = match care {
        PlaceAction::Preserve => "preserve",
        PlaceAction::Remove => "remove",
    };
    let text = text.unwrap_or_default().trim();
    let is_stated = !text.is_empty();
    let names: Vec<String> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|_| {
            Problem::bad_request(format!(
                "{what} is a list of names, or a JSON list of texts"
            ))
        })?
    } else {
        let names = text.split(',').map(str::trim);
        let names = names.filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    if is_stated && names.is_empty() {
        let detail = format!("{what} names no field: name some, or leave the parameter out");
        return Err(Problem::bad_request(detail));
    }
    if names.len() > PRESERVE_MAX {
        return Err(Problem::bad_request(format!(
            "{what} takes {PRESERVE_MAX} fields at most"
        )));
    }
    let place = |name: &String| {
        let at = match name.starts_with('/') {
            true => name.parse().map_err(|_| {
                Problem::bad_request(format!(
                    "{what} names {:?}, which is not a JSON Pointer",
                    Short(name)
                ))
            })?,
            false => Pointer::root().child(name),
        };
        match policy.and_then(|policy| misplaced(policy, &at, care)) {
            None => Ok(at),
            Some(why) => {
                let detail = format!("{what} names {:?}, {why}", Short(name));
                Err(Problem::bad_request(detail))
            }
        }
    };
    names.iter().map(place).collect()
}
