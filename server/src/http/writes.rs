//! Creating, replacing, deleting and undeleting entities over HTTP.
//!
//! Invariant: nothing is written here; every request becomes a [`Write`] in its entity's mailbox,
//! where it meets all others, and is answered after its commit.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::merge::Protected;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Permission, Policy};
use indelible_engine::principal::Principal;
use indelible_engine::violation::{Refusal, RefusalCode};
use serde_json::{Value, json};

use super::App;
use super::api;
use super::body;
use super::caller::Caller;
use super::problem::Problem;
use super::request::{Creation, Deletion, Replacement, proposal_id};
use super::sender::Sender;
use super::shared_body;
use super::taker::Taker;
use super::validators;
use crate::entity::{Answer, Outcome, Task, Write, Written, name_for_creation};
use crate::values::Present;
use crate::work::{self, Lane, Weight};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// `POST /api/{kind}`: a new entity.
pub(crate) async fn post(
    State(app): State<App>,
    caller: Caller,
    taker: Taker,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.may(&policy, Permission::Create)?;
    let sender = taker.sender;
    sender.writes(&app, &caller, true)?;
    let mut held = body::read(&app, &caller.0.id, &headers, body).await;
    let body = held.take();
    let bytes = body.as_ref().map_or(0, Bytes::len);
    let read = || Creation::read(&caller.0, &uri, &headers, body);
    let asked = weighed(&app, &caller.0, bytes, read).await?;
    let Creation { name, value, id } = asked;
    let entity = name_for_creation(&policy, name.as_deref(), &caller.0, id)
        .map_err(|error| api::failure(&error))?;
    let task = Task::Create {
        value,
        claimed: None,
    };
    let outcome = write(&app, &entity, (&caller.0, sender), id, task).await;
    let written = match outcome {
        Outcome::Written(written) | Outcome::Unchanged(written) => written,
        Outcome::Refused(refusal) => return Err(refused(&refusal)),
        Outcome::Failed(error) => return Err(api::failure(&error)),
    };
    let path = format!("/api/{}/{}", entity.kind(), entity.id().unwrap_or_default());
    let present = match policy.readable(&caller.0) {
        true => Some(there(&written)?),
        // They do not learn whether it was deleted since.
        false => None,
    };
    let to = (&caller, taker);
    let begin = || begun(StatusCode::CREATED, &entity, present, to);
    let mut response = work::here(begin);
    api::insert(response.headers_mut(), header::LOCATION, &path);
    Ok(response)
}

/// The answer about an entity that is there now and was not before.
fn begun(
    status: StatusCode,
    entity: &EntityId,
    present: Option<&Present>,
    (caller, taker): (&Caller, Taker),
) -> Response {
    let taker = taker.of(caller);
    let head = json!({ "id": entity.id() });
    let mut response = match present {
        Some(present) => with_value(status, &head, present, &taker),
        None => api::json(status, head.to_string()),
    };
    api::cache(response.headers_mut(), &caller.0);
    response
}

/// An answer of the fields of `head`, the present value and its version.
fn with_value(status: StatusCode, head: &Value, present: &Present, taker: &Taker) -> Response {
    let head = head.to_string();
    let head = head.strip_suffix('}').expect("an object ends so");
    let parts = [
        Bytes::from(format!("{head},\"value\":")),
        present.encoded(),
        // A version needs no escapes.
        Bytes::from(format!(",\"version\":\"{}\"}}", present.version)),
    ];
    let mut response = api::json(status, shared_body::of(parts, taker));
    let etag = validators::quoted(&present.version);
    api::insert(response.headers_mut(), header::ETAG, &etag);
    response
}

/// `PUT /api/{kind}`: of a singleton.
pub(crate) async fn put_singleton(
    State(app): State<App>,
    caller: Caller,
    taker: Taker,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.merges(&policy)?;
    let entity = api::entity(&policy, None)?;
    taker.sender.writes(&app, &caller, false)?;
    let mut held = body::read(&app, &caller.0.id, &headers, body).await;
    let body = held.take();
    let bytes = body.as_ref().map_or(0, Bytes::len);
    let read = || Replacement::read(&policy, &caller.0, &uri, &headers, body);
    let asked = weighed(&app, &caller.0, bytes, read).await?;
    merge(&app, (&caller, taker, &policy), &entity, asked).await
}

/// `PUT /api/{kind}/{id}`.
pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    taker: Taker,
    Path((kind, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.merges(&policy)?;
    let entity = api::entity(&policy, Some(&id))?;
    taker.sender.writes(&app, &caller, false)?;
    let mut held = body::read(&app, &caller.0.id, &headers, body).await;
    let body = held.take();
    let bytes = body.as_ref().map_or(0, Bytes::len);
    let read = || Replacement::read(&policy, &caller.0, &uri, &headers, body);
    let asked = weighed(&app, &caller.0, bytes, read).await?;
    merge(&app, (&caller, taker, &policy), &entity, asked).await
}

/// `DELETE /api/{kind}/{id}`.
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    sender: Sender,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.deletes(&policy)?;
    let entity = api::entity(&policy, Some(&id))?;
    sender.writes(&app, &caller, false)?;
    let Deletion { id, precondition } = Deletion::read(&caller.0, &headers)?;
    let task = Task::Delete {
        precondition: Some(precondition),
    };
    match write(&app, &entity, (&caller.0, sender), id, task).await {
        Outcome::Written(_) | Outcome::Unchanged(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        Outcome::Refused(refusal) => Err(refused(&refusal)),
        Outcome::Failed(error) => Err(api::failure(&error)),
    }
}

/// `POST /api/{kind}/{id}/undelete`. What is deleted has no version, so there is no condition: an
/// entity that is there already is a conflict.
pub(crate) async fn undelete(
    State(app): State<App>,
    caller: Caller,
    taker: Taker,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.deletes(&policy)?;
    let entity = api::entity(&policy, Some(&id))?;
    let sender = taker.sender;
    sender.writes(&app, &caller, false)?;
    let id = proposal_id(&headers, &caller.0)?;
    match write(&app, &entity, (&caller.0, sender), id, Task::Undelete).await {
        Outcome::Written(written) | Outcome::Unchanged(written) => {
            let present = Some(there(&written)?);
            let begin = || begun(StatusCode::OK, &entity, present, (&caller, taker));
            Ok(work::here(begin))
        }
        Outcome::Refused(refusal) => Err(refused(&refusal)),
        Outcome::Failed(error) => Err(api::failure(&error)),
    }
}

async fn merge(
    app: &App,
    (caller, taker, policy): (&Caller, Taker, &Policy),
    entity: &EntityId,
    asked: Replacement,
) -> Result<Response, Problem> {
    let sender = taker.sender;
    let taker = taker.of(caller);
    let caller = &caller.0;
    let reads = policy.readable(caller);
    let Replacement { id, merging } = asked;
    let strict = merging.protected == Protected::Refuse;
    api::present(app, entity, caller).await?;
    match write(app, entity, (caller, sender), id, Task::Merge(merging)).await {
        Outcome::Written(written) | Outcome::Unchanged(written) => {
            let mut response = work::here(|| merged(&written, reads, &taker))?;
            if strict {
                let applied = HeaderValue::from_static("handling=strict");
                response.headers_mut().insert(PREFERENCE_APPLIED, applied);
            }
            api::cache(response.headers_mut(), caller);
            Ok(response)
        }
        Outcome::Refused(refusal) if !reads => Err(refused(&without_values(refusal))),
        Outcome::Refused(refusal) => Err(refused(&refusal)),
        Outcome::Failed(error) => Err(api::failure(&error)),
    }
}

/// Reads what was asked, in a slot of the caller's where that takes long.
async fn weighed<T>(
    app: &App,
    caller: &Principal,
    bytes: usize,
    read: impl FnOnce() -> Result<T, Problem>,
) -> Result<T, Problem> {
    if work::is_light(bytes) {
        return read();
    }
    let weight = Weight::of_bytes(bytes);
    let slot = app.context.work.enter(Lane::of(caller), weight).await;
    let _slot = slot.map_err(|_| Problem::busy())?;
    work::here(read)
}

/// A refusal for a caller who may not read what the entity holds.
fn without_values(mut refusal: Refusal) -> Refusal {
    for violation in &mut refusal.violations {
        (violation.attempted, violation.kept, violation.holder) = (None, None, None);
    }
    refusal
}

async fn write(
    app: &App,
    entity: &EntityId,
    (author, Sender(address)): (&Principal, Sender),
    id: ProposalId,
    task: Task,
) -> Outcome {
    let author = author.clone();
    app.directory
        .write(entity, |reply| Write {
            id,
            author,
            session: None,
            address,
            task,
            answer: Answer::Waiting(reply),
        })
        .await
}

/// The value after a write. A repeat finds none where the entity was deleted since.
fn there(written: &Written) -> Result<&Present, Problem> {
    written.present.as_deref().ok_or_else(Problem::not_found)
}

/// The answer to a merge; without values for a caller who may not read them.
fn merged(written: &Written, reads: bool, taker: &Taker) -> Result<Response, Problem> {
    let present = there(written)?;
    let names = |pointers: &[Pointer]| -> Vec<String> {
        pointers.iter().map(ToString::to_string).collect()
    };
    let head = json!({
        "changed": names(&written.changed),
        "preserved": names(&written.preserved),
    });
    Ok(match reads {
        true => with_value(StatusCode::OK, &head, present, taker),
        false => api::json(StatusCode::OK, head.to_string()),
    })
}

/// A refusal as a problem.
fn refused(refusal: &Refusal) -> Problem {
    let problem = match &refusal.code {
        RefusalCode::Policy => {
            let title = "The value breaks rules of the schema";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "policy", title)
        }
        RefusalCode::Forbidden => Problem::forbidden(),
        RefusalCode::NotFound => Problem::not_found(),
        RefusalCode::Exists => {
            Problem::new(StatusCode::CONFLICT, "exists", "There is one of this name")
        }
        code => {
            tracing::warn!(%code, "a change that the server made was refused");
            let title = "The value cannot be taken";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", title)
        }
    };
    problem.violations(&refusal.violations)
}
