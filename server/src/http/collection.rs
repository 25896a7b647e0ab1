//! Reading the entities of a kind, page by page.
//!
//! Invariant: a page is in the order of the ids, and the next one begins after its last, so that
//! what is made in between shifts nothing.
//!
//! Must not know: how values come about.

use std::fmt::Write;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indelible_engine::id::{EntityId, Hash};
use serde::Deserialize;

use super::App;
use super::api;
use super::caller::Caller;
use super::problem::Problem;
use crate::config::{PAGE_DEFAULT, PAGE_MAX};

/// Which page of a collection.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// How many entities at most.
    limit: Option<usize>,
    /// The id that the page begins after.
    after: Option<String>,
}

/// `GET /api/{kind}`: a page of the kind's entities; of a singleton, its value.
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(kind): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let policy = api::policy(&app, &kind)?;
    caller.reads(&policy)?;
    if policy.is_singleton() {
        return api::get_singleton(&app, &policy, &caller.0, &headers).await;
    }
    let Query(page) = page.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!(
            "limit is from 1 to {PAGE_MAX}"
        )));
    }
    let after = page
        .after
        .map(|id| EntityId::new(policy.kind().clone(), Some(&id)))
        .transpose();
    let after = after.map_err(|error| Problem::bad_request(error.to_string()))?;
    app.hub
        .complete(policy.kind())
        .await
        .map_err(|error| api::failure(&error))?;
    let values = app
        .hub
        .values(policy.kind())
        .ok_or_else(Problem::not_found)?;
    let mut found = values.page(after.as_ref(), limit + 1);
    let more = found.len() > limit;
    found.truncate(limit);

    let versions: Vec<&[u8]> = found
        .iter()
        .map(|present| present.version.as_bytes())
        .collect();
    let hash = Hash::of(&versions).to_string();
    let etag = format!("W/\"{}\"", &hash[..32]);
    let mut response = if api::is_known(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut text = String::from("{\"items\":[");
        for (index, present) in found.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let id = serde_json::Value::from(present.entity.id());
            // Versions are base64url: they need no escapes.
            let _ = write!(
                text,
                "{comma}{{\"id\":{id},\"version\":\"{}\",\"value\":{}}}",
                present.version,
                present.text()
            );
        }
        let next = found
            .last()
            .filter(|_| more)
            .and_then(|present| present.entity.id());
        let _ = write!(text, "],\"next\":{}}}", serde_json::Value::from(next));
        api::json(StatusCode::OK, text)
    };
    api::insert(response.headers_mut(), header::ETAG, &etag);
    api::cache(response.headers_mut(), &caller.0);
    Ok(response)
}
