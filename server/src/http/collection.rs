//! Reading the entities of a kind, page by page.
//!
//! Invariant: a page is in the order of the ids, and the next one begins after its last, so that
//! what is made in between shifts nothing.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use indelible_engine::id::{EntityId, Hash, Kind};

use super::App;
use super::api;
use super::caller::Caller;
use super::problem::Problem;
use super::query::Query;
use super::shared_body;
use super::taker::Taker;
use super::validators;
use crate::config::{PAGE_BYTES, PAGE_DEFAULT, PAGE_MAX};
use crate::values::Present;
use crate::work;

/// Which page of a collection.
struct Page {
    /// How many entities at most.
    limit: usize,
    /// What the page begins after.
    after: Option<EntityId>,
}

impl Page {
    fn read(uri: &Uri, kind: &Kind) -> Result<Self, Problem> {
        let query = Query::of(uri)?;
        let bounds = || Problem::bad_request(format!("limit is a number from 1 to {PAGE_MAX}"));
        let limit = match query.get("limit") {
            None => PAGE_DEFAULT,
            Some(text) => text.parse().map_err(|_| bounds())?,
        };
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(bounds());
        }
        let after = query
            .get("after")
            .map(|id| EntityId::new(kind.clone(), Some(id)));
        let after = after.transpose();
        let after = after.map_err(|error| Problem::bad_request(format!("after: {error}")))?;
        Ok(Self { limit, after })
    }
}

/// `GET /api/{kind}`: a page of the kind's entities; of a singleton, its value.
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    taker: Taker,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.reads(&policy)?;
    if policy.is_singleton() {
        return api::get_singleton(&app, &policy, (&caller, taker), &headers).await;
    }
    let Page { limit, after } = Page::read(&uri, policy.kind())?;
    let most = (limit + 1, PAGE_BYTES);
    let page = app.directory.page(policy.kind(), after, most, &caller.0);
    let mut found = page.await.map_err(|error| api::failure(&error))?;
    let more = end_page(&mut found, limit);

    let versions: Vec<&[u8]> = found
        .iter()
        .map(|present| present.version.as_bytes())
        .collect();
    let hash = Hash::of(&versions).to_string();
    let etag = format!("W/\"{}\"", &hash[..32]);
    let taker = taker.of(&caller);
    let make = || api::json(StatusCode::OK, work::here(|| body(&found, more, &taker)));
    let mut response = validators::read(&headers, &etag, make);
    if !response.status().is_client_error() {
        api::cache(response.headers_mut(), &caller.0);
    }
    Ok(response)
}

/// Leaves as much as makes a page: so many entities, and no more than one after the bytes are
/// enough. Whether there are more.
fn end_page(found: &mut Vec<Arc<Present>>, limit: usize) -> bool {
    let mut bytes = 0;
    let fits = |present: &&Arc<Present>| {
        let is_full = bytes >= PAGE_BYTES;
        bytes += present.encoded().len();
        !is_full
    };
    let fitting = work::here(|| found.iter().take(limit).take_while(fits).count());
    let more = fitting < found.len();
    found.truncate(fitting);
    more
}

fn body(found: &[Arc<Present>], more: bool, taker: &Taker) -> Body {
    let mut parts = Vec::with_capacity(2 * found.len() + 1);
    for (index, present) in found.iter().enumerate() {
        let before = if index == 0 { "{\"items\":[" } else { "}," };
        let id = serde_json::Value::from(present.entity.id());
        // Versions are base64url: they need no escapes.
        let version = &present.version;
        let head = format!("{before}{{\"id\":{id},\"version\":\"{version}\",\"value\":");
        parts.extend([Bytes::from(head), present.encoded()]);
    }
    let next = found
        .last()
        .filter(|_| more)
        .and_then(|present| present.entity.id());
    let before = if found.is_empty() {
        "{\"items\":["
    } else {
        "}"
    };
    let next = serde_json::Value::from(next);
    parts.push(Bytes::from(format!("{before}],\"next\":{next}}}")));
    shared_body::of(parts, taker)
}
