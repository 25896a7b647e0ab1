//! Reading one entity, and what all answers about entities have in common.
//!
//! Invariant: rights are checked before it is looked up whether something exists; the ETag is the
//! version of the caller's projection, so equal tags mean equal bodies.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indelible_engine::id::{EntityId, Kind};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;

use super::App;
use super::caller::Caller;
use super::problem::Problem;
use super::shared_body;
use super::taker::Taker;
use super::validators;
use crate::entity::WriteError;
use crate::values::Present;

/// `GET /api/{kind}/{id}`.
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    taker: Taker,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let policy = policy(&app, &kind)?;
    caller.reads(&policy)?;
    let entity = entity(&policy, Some(&id))?;
    let present = present(&app, &entity, &caller.0).await?;
    Ok(value(&app, &present, (&caller, taker), &headers))
}

/// The policy of the kind that a path names.
pub(crate) fn policy(app: &App, kind: &str) -> Result<Arc<Policy>, Problem> {
    let kind = Kind::new(kind).map_err(|_| Problem::not_found())?;
    app.context
        .policy(&kind)
        .map(Arc::clone)
        .ok_or_else(Problem::not_found)
}

/// The entity that a path names, if the name fits its kind.
pub(crate) fn entity(policy: &Policy, id: Option<&str>) -> Result<EntityId, Problem> {
    if policy.is_singleton() == id.is_some() {
        return Err(Problem::not_found());
    }
    EntityId::new(policy.kind().clone(), id).map_err(|_| Problem::not_found())
}

/// The value of an entity that the caller may read.
pub(crate) async fn present(
    app: &App,
    entity: &EntityId,
    caller: &Principal,
) -> Result<Arc<Present>, Problem> {
    match app.directory.present(entity, caller).await {
        Ok(Some(present)) => Ok(present),
        Ok(None) => Err(Problem::not_found()),
        Err(error) => Err(failure(&error)),
    }
}

/// A write or read that could not be done, as a problem.
pub(crate) fn failure(error: &WriteError) -> Problem {
    let titled =
        |status, title| Problem::new(status, error.code(), title).detail(error.to_string());
    match error {
        WriteError::NotFound => Problem::not_found(),
        WriteError::Epoch => titled(StatusCode::CONFLICT, "The entity has started over"),
        WriteError::Precondition => validators::failed().detail(error.to_string()),
        WriteError::UnknownBase => titled(
            StatusCode::PRECONDITION_FAILED,
            "The base is not a known version",
        ),
        WriteError::Body(_) => titled(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The value cannot be taken",
        ),
        WriteError::Name(_) => titled(StatusCode::BAD_REQUEST, "The id cannot be used"),
        WriteError::IdReused => titled(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The idempotency key was used before",
        ),
        WriteError::Internal => Problem::internal(),
        WriteError::Busy => Problem::busy(),
        WriteError::Storage => Problem::unavailable(),
    }
}

/// The answer that carries a value; 304 when the caller has it.
fn value(
    app: &App,
    present: &Present,
    (caller, taker): (&Caller, Taker),
    headers: &HeaderMap,
) -> Response {
    let etag = validators::quoted(&present.version);
    let taker = taker.of(caller);
    let make = || json(StatusCode::OK, shared_body::of([present.encoded()], &taker));
    let stands_for = |version: &str| app.directory.stands_for(version, present);
    let mut response = validators::read_as(headers, &etag, stands_for, make);
    if !response.status().is_client_error() {
        let out = response.headers_mut();
        insert(out, header::LAST_MODIFIED, &http_date(present.at));
        cache(out, &caller.0);
    }
    response
}

/// The value of a singleton, for the collection's route.
pub(crate) async fn get_singleton(
    app: &App,
    policy: &Policy,
    to: (&Caller, Taker),
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let entity = entity(policy, None)?;
    let present = present(app, &entity, &to.0.0).await?;
    Ok(value(app, &present, to, headers))
}

/// JSON that is text already.
pub(crate) fn json(status: StatusCode, text: impl Into<Body>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], text.into()).into_response()
}

/// Answers may be cached, but not shown without asking again; those to a principal only by its own client.
pub(crate) fn cache(headers: &mut HeaderMap, caller: &Principal) {
    let caching = if caller.is_anonymous() {
        "no-cache"
    } else {
        "private, no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.append(header::VARY, HeaderValue::from_static("Authorization"));
}

/// Sets a header to a text that cannot but be one.
pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn http_date(at: Timestamp) -> String {
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}
