//! What a write over HTTP asks for, as read from its query, its headers and its body.
//!
//! Invariant: it follows from the request and the policy alone; what cannot be read is a
//! [`Problem`], and nothing that was asked for is left out silently.
//!
//! Must not know: who keeps the entities, what comes of the write.

use axum::body::Bytes;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use indelible_engine::id::{Hash, ProposalId};
use indelible_engine::merge::Protected;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::precondition::if_match;
use super::problem::Problem;
use crate::config::{IDEMPOTENCY_KEY_BYTES_MAX, PRESERVE_MAX};
use crate::json::{self, JsonError};
use crate::random;
use crate::relay::{IfMatch, Merging};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");

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
    pub if_match: IfMatch,
}

/// What may be said in the query of a POST.
#[derive(Debug, Deserialize)]
struct Creating {
    id: Option<String>,
}

/// What may be said in the query of a PUT.
#[derive(Debug, Deserialize)]
struct Replacing {
    /// The version that the body was made from.
    base: Option<String>,
    /// Fields (or pointers) to be left as they are, separated by commas.
    preserve: Option<String>,
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
        let Creating { id: name } = query(uri)?;
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
        let replacing: Replacing = query(uri)?;
        let body = object(headers, body)?;
        let protected = if is_strict(headers) {
            Protected::Refuse
        } else {
            Protected::Keep
        };
        let merging = Merging {
            body,
            protected,
            preserve: preserve(policy, replacing.preserve.as_deref())?,
            base: replacing.base.map(|base| base.trim_matches('"').to_owned()),
            if_match: if_match(headers)?,
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
        let Some(if_match) = if_match(headers)? else {
            let title = "If-Match has to name the version that is to be deleted";
            return Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition-required",
                title,
            ));
        };
        let id = proposal_id(headers, caller)?;
        Ok(Self { id, if_match })
    }
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(error) => Err(Problem::bad_request(error.body_text())),
    }
}

/// The body, which has to be a JSON object.
fn object(headers: &HeaderMap, body: Result<Bytes, Problem>) -> Result<Value, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or("")
        .trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let title = "The body has to be application/json";
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            title,
        ));
    }
    let body = body?;
    let value = json::parse(&body).map_err(|error| match error {
        JsonError::Malformed(error) => Problem::bad_request(format!(
            "the body is not JSON as everybody reads it: {error}"
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

/// The id of the write: from `Idempotency-Key`, or fresh. Keys of one principal never meet those
/// of another, because ids are looked up together with the principal.
pub(super) fn proposal_id(headers: &HeaderMap, caller: &Principal) -> Result<ProposalId, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(ProposalId(random::bytes()));
    };
    if caller.is_anonymous() {
        return Err(Problem::bad_request(
            "Idempotency-Key needs somebody who is signed in",
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

/// Whether protected fields are to be refused instead of kept (RFC 7240, `handling=strict`).
fn is_strict(headers: &HeaderMap) -> bool {
    headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .any(|word| {
            word.trim()
                .replace('"', "")
                .eq_ignore_ascii_case("handling=strict")
        })
}

/// `a,b` or `/a/x,/b`: fields of the root by name, deeper places by pointer. A name that the
/// schema does not have is an error: a slip of the pen must not cost the protection.
fn preserve(policy: &Policy, text: Option<&str>) -> Result<Vec<Pointer>, Problem> {
    let names = text
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let pointers: Result<Vec<Pointer>, _> = names
        .map(|name| match name.starts_with('/') {
            true => name.parse(),
            false => Ok(Pointer::root().child(name)),
        })
        .collect();
    let pointers = pointers.map_err(|_| Problem::bad_request("preserve holds field names"))?;
    if pointers.len() > PRESERVE_MAX {
        return Err(Problem::bad_request(format!(
            "preserve takes {PRESERVE_MAX} fields at most"
        )));
    }
    let unknown = |at: &&Pointer| policy.find(at).is_none();
    if let Some(at) = pointers.iter().find(unknown) {
        let text = format!("preserve names {at}, which the schema does not have");
        return Err(Problem::bad_request(text));
    }
    Ok(pointers)
}
