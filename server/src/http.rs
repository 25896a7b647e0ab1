//! HTTP: routes, and what is said about every answer.
//!
//! Invariant: every route checks its caller's rights before it looks at anything; every answer that
//! is no success is a [`problem::Problem`].
//!
//! Must not know: how changes are judged, the store, what is in frames.

pub(crate) mod accept;
mod api;
pub(crate) mod body;
mod caller;
mod collection;
mod cors;
mod development;
mod pages;
mod precondition;
pub(crate) mod problem;
pub(crate) mod request;
mod upgrade;
mod writes;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::problem::Problem;
use crate::commit::Health;
use crate::config::Config;
use crate::relay::Hub;

/// What all requests share.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// The entities.
    pub(crate) hub: Hub,
    /// The settings.
    pub(crate) config: Arc<Config>,
    /// Cancelled when the server goes away.
    pub(crate) shutdown: CancellationToken,
    /// The connections that are open.
    pub(crate) connections: TaskTracker,
    /// What bodies may take.
    pub(crate) bodies: body::Room,
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    let cors = middleware::from_fn_with_state(app.clone(), cors::allow);
    let api = Router::new()
        .route(
            "/api/{kind}",
            get(collection::get)
                .post(writes::post)
                .put(writes::put_singleton),
        )
        .route(
            "/api/{kind}/{id}",
            get(api::get).put(writes::put).delete(writes::delete),
        )
        .route("/api/{kind}/{id}/undelete", post(writes::undelete))
        .method_not_allowed_fallback(wrong_method)
        .layer(cors);
    Router::new()
        .merge(api)
        .merge(pages::router())
        .merge(development::router(&app.config))
        .route("/sync", get(upgrade::sync))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_response(harden))
        .with_state(app)
}

async fn nothing() -> Problem {
    Problem::not_found()
}

async fn wrong_method() -> Problem {
    let title = "This cannot be done here";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title)
}

/// Browsers must not guess types, whatever is served.
async fn harden(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// The process runs.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can serve: writes are taken and no shutdown is on its way.
async fn readyz(State(app): State<App>) -> Response {
    if app.shutdown.is_cancelled() {
        return Problem::unavailable()
            .detail("the server is stopping")
            .into_response();
    }
    let reason = match app.hub.commit().check().await {
        Health::Ready => return "ready\n".into_response(),
        Health::ReadOnly { .. } => "the disk is nearly full: nothing is written",
        Health::Failed => "the store has failed",
    };
    Problem::unavailable().detail(reason).into_response()
}
