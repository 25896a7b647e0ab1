//! Creating and replacing entities over HTTP.
//!
//! Invariant: nothing is written here; every request becomes a [`Write`] in its entity's mailbox,
//! where it meets everybody else's, and is answered after its commit.
//!
//! Must not know: how values are compared and changes judged.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use indelible_engine::id::{EntityId, Hash, ProposalId};
use indelible_engine::merge::Protected;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::Permission;
use indelible_engine::principal::Principal;
use indelible_engine::violation::Refusal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::api;
use super::caller::Caller;
use super::problem::Problem;
use crate::config::{IDEMPOTENCY_KEY_BYTES_MAX, PRESERVE_MAX};
use crate::random;
use crate::relay::{Answer, IfMatch, Merging, Outcome, Task, Write, Written};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What may be said beside the body of a POST.
#[derive(Debug, Deserialize)]
pub(crate) struct Creating {
    /// The id of the new entity; without it, the server picks one.
    id: Option<String>,
}

/// What may be said beside the body of a PUT.
#[derive(Debug, Deserialize)]
pub(crate) struct Replacing {
    /// The version that the body was made from.
    base: Option<String>,
    /// Fields (or pointers) to be left as they are, separated by commas.
    preserve: Option<String>,
}

/// `POST /api/{kind}`: a new entity.
pub(crate) async fn post(
    State(app): State<App>,
    caller: Caller,
    Path(kind): Path<String>,
    creating: Result<Query<Creating>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.may(&policy, Permission::Create)?;
    if policy.is_singleton() {
        let title = "There is exactly one of this kind";
        return Err(Problem::new(StatusCode::CONFLICT, "exists", title));
    }
    let Query(creating) = creating.map_err(|error| Problem::bad_request(error.body_text()))?;
    let value = object(&headers, body)?;
    let id = proposal_id(&headers, &caller.0)?;
    let entity = app
        .hub
        .name_for_creation(&policy, creating.id.as_deref(), &caller.0, id)
        .map_err(|error| api::failure(&error))?;
    let task = Task::Create {
        value,
        claimed: None,
    };
    let outcome = write(&app, &entity, &caller.0, id, task).await;
    let written = match outcome {
        Outcome::Written(written) | Outcome::Unchanged(written) => written,
        Outcome::Refused(refusal) => return Err(refused(&refusal)),
        Outcome::Failed(error) => return Err(api::failure(&error)),
    };
    let path = format!("/api/{}/{}", entity.kind(), entity.id().unwrap_or_default());
    let mut body = json!({ "id": entity.id() });
    let mut etag = None;
    if let Some(present) = written.present.filter(|_| policy.readable(&caller.0)) {
        body["version"] = present.version.clone().into();
        body["value"] = present.value.clone();
        etag = Some(api::etag(&present.version));
    }
    let mut response = api::json(StatusCode::CREATED, body.to_string());
    api::insert(response.headers_mut(), header::LOCATION, &path);
    if let Some(etag) = etag {
        api::insert(response.headers_mut(), header::ETAG, &etag);
    }
    api::cache(response.headers_mut(), &caller.0);
    Ok(response)
}

/// `PUT /api/{kind}`: of a singleton.
pub(crate) async fn put_singleton(
    State(app): State<App>,
    caller: Caller,
    Path(kind): Path<String>,
    replacing: Result<Query<Replacing>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.may(&policy, Permission::Edit)?;
    if !policy.is_singleton() {
        let title = "A collection cannot be replaced";
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            title,
        ));
    }
    let entity = api::entity(&policy, None)?;
    merge(&app, &caller.0, &entity, replacing, &headers, body).await
}

/// `PUT /api/{kind}/{id}`.
pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((kind, id)): Path<(String, String)>,
    replacing: Result<Query<Replacing>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.may(&policy, Permission::Edit)?;
    let entity = api::entity(&policy, Some(&id))?;
    merge(&app, &caller.0, &entity, replacing, &headers, body).await
}

async fn merge(
    app: &App,
    caller: &Principal,
    entity: &EntityId,
    replacing: Result<Query<Replacing>, QueryRejection>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Query(replacing) = replacing.map_err(|error| Problem::bad_request(error.body_text()))?;
    let body = object(headers, body)?;
    let strict = is_strict(headers);
    let merging = Merging {
        body,
        protected: if strict {
            Protected::Refuse
        } else {
            Protected::Keep
        },
        preserve: preserve(app, entity, replacing.preserve.as_deref())?,
        base: replacing.base.map(|base| base.trim_matches('"').to_owned()),
        if_match: if_match(headers)?,
    };
    let id = proposal_id(headers, caller)?;
    api::present(app, entity).await?;
    match write(app, entity, caller, id, Task::Merge(merging)).await {
        Outcome::Written(written) | Outcome::Unchanged(written) => {
            let mut response = merged(&written)?;
            if strict {
                let applied = HeaderValue::from_static("handling=strict");
                response.headers_mut().insert(PREFERENCE_APPLIED, applied);
            }
            api::cache(response.headers_mut(), caller);
            Ok(response)
        }
        Outcome::Refused(refusal) => Err(refused(&refusal)),
        Outcome::Failed(error) => Err(api::failure(&error)),
    }
}

async fn write(
    app: &App,
    entity: &EntityId,
    author: &Principal,
    id: ProposalId,
    task: Task,
) -> Outcome {
    let author = author.clone();
    app.hub
        .write(entity, |reply| Write {
            id,
            author,
            session: None,
            task,
            answer: Answer::Waiting(reply),
        })
        .await
}

fn merged(written: &Written) -> Result<Response, Problem> {
    let present = written.present.as_ref().ok_or_else(Problem::unavailable)?;
    let names = |pointers: &[Pointer]| -> Vec<String> {
        pointers.iter().map(ToString::to_string).collect()
    };
    let body = json!({
        "changed": names(&written.changed),
        "preserved": names(&written.preserved),
        "version": present.version,
        "value": present.value,
    });
    let mut response = api::json(StatusCode::OK, body.to_string());
    api::insert(
        response.headers_mut(),
        header::ETAG,
        &api::etag(&present.version),
    );
    Ok(response)
}

/// A refusal as a problem.
fn refused(refusal: &Refusal) -> Problem {
    let problem = match refusal.code.as_ref() {
        Refusal::POLICY => {
            let title = "The value breaks rules of the schema";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Refusal::POLICY, title)
        }
        "forbidden" => Problem::forbidden(),
        "exists" => Problem::new(StatusCode::CONFLICT, "exists", "There is one of this name"),
        code => {
            tracing::warn!(code, "a change that the server made was refused");
            let title = "The value cannot be taken";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", title)
        }
    };
    problem.violations(&refusal.violations)
}

/// The body, which has to be a JSON object.
fn object(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Value, Problem> {
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
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let title = "The body is too big";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-big", title)
        }
        _ => Problem::bad_request(error.body_text()),
    })?;
    let value: Value = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Problem::bad_request("the body has to be a JSON object"))
    }
}

/// The id of the write: from `Idempotency-Key`, or fresh. Keys of one principal never meet those
/// of another, because ids are looked up together with the principal.
fn proposal_id(headers: &HeaderMap, caller: &Principal) -> Result<ProposalId, Problem> {
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

fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    let mut versions = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value
            .to_str()
            .map_err(|_| Problem::bad_request("If-Match is not text"))?;
        if text.trim() == "*" {
            return Ok(Some(IfMatch::Any));
        }
        // A weak tag never matches here (RFC 9110, 13.1.1).
        let strong = text
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.starts_with("W/"));
        versions.extend(strong.map(|tag| tag.trim_matches('"').to_owned()));
    }
    let given = headers.contains_key(header::IF_MATCH);
    Ok(given.then_some(IfMatch::Versions(versions)))
}

/// `a,b` or `/a/x,/b`: fields of the root by name, deeper places by pointer. A name that the
/// schema does not have is an error: a slip of the pen must not cost the protection.
fn preserve(app: &App, entity: &EntityId, text: Option<&str>) -> Result<Vec<Pointer>, Problem> {
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
    let policy = app.hub.policy_of(entity);
    let unknown = |at: &&Pointer| policy.is_some_and(|policy| policy.find(at).is_none());
    if let Some(at) = pointers.iter().find(unknown) {
        let text = format!("preserve names {at}, which the schema does not have");
        return Err(Problem::bad_request(text));
    }
    Ok(pointers)
}
