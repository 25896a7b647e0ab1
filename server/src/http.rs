//! HTTP: routes, and what is said about every answer.
//!
//! Invariant: every route checks its caller's rights before it looks at anything; every answer that
//! is an error is a [`problem::Problem`].

pub(crate) mod accept;
mod api;
pub(crate) mod body;
mod caller;
mod coding;
mod collection;
mod cors;
mod development;
mod digest;
mod fields;
mod form;
mod host;
mod pages;
mod patience;
pub(crate) mod problem;
mod query;
pub(crate) mod request;
mod seated;
mod sender;
mod shared_body;
mod taker;
mod target;
mod turned_away;
mod unread;
mod upgrade;
mod validators;
mod wire;
mod writes;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::form::Form;
use self::problem::Problem;
use crate::commit::Health;
use crate::config::Config;
use crate::context::Context;
use crate::directory::Directory;

/// What all requests share.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// What it shares with everything else.
    pub(crate) context: Arc<Context>,
    /// The entities.
    pub(crate) directory: Directory,
    /// The settings.
    pub(crate) config: Arc<Config>,
    /// Cancelled when the server goes away.
    pub(crate) shutdown: CancellationToken,
    /// The connections that are open.
    pub(crate) connections: TaskTracker,
    /// Who got no connection lately.
    pub(crate) turned_away: Arc<turned_away::TurnedAway>,
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    let check = middleware::from_fn(fields::check);
    let cors = middleware::from_fn_with_state(app.clone(), cors::allow);
    let entities = get(collection::get)
        .post(writes::post)
        .put(writes::put_singleton);
    let entity = get(api::get).put(writes::put).delete(writes::delete);
    let undelete = post(writes::undelete);
    let question = |methods| Form::Question.guard(&app, methods);
    let api = Router::new()
        .route("/api/{kind}", Form::Kind.guard(&app, entities))
        .route("/api/{kind}/{id}", Form::Entity.guard(&app, entity))
        .route(
            "/api/{kind}/{id}/undelete",
            Form::Undelete.guard(&app, undelete),
        )
        .layer(check.clone())
        // Around everything else: pages of other origins are to read what is wrong, too.
        .layer(cors);
    let others = Router::new()
        .merge(pages::router(&app))
        .merge(development::router(&app))
        .route("/sync", question(get(upgrade::sync)))
        .route("/healthz", Form::Health.guard(&app, get(healthz)))
        .route("/readyz", question(get(readyz)))
        .fallback(nothing)
        .layer(check);
    Router::new()
        .merge(api)
        .merge(others)
        .layer(middleware::from_fn_with_state(app.clone(), in_time))
        .layer(middleware::from_fn(target::check))
        .layer(middleware::from_fn_with_state(app.clone(), host::check))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            turned_away::note,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), seated::check))
        .layer(middleware::map_response(harden))
        .layer(middleware::from_fn(unread::mind))
        .with_state(app)
}

/// Answers in time, even if a handler waits for room, its turn, or a disk.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let patience = app.config.connections.request_timeout;
    let answered = tokio::time::timeout(patience, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        tracing::warn!("a request was not answered in time");
        let detail = "there was no answer in time; whether a write was made is known when it is sent \
                      again with the same Idempotency-Key";
        let close = HeaderValue::from_static("close");
        Problem::unavailable()
            .detail(detail)
            .header(header::CONNECTION, close)
            .into_response()
    })
}

/// Unknown addresses, and the one address of the server as a whole.
async fn nothing(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS && uri.path() == "*" {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::not_found().into_response()
}

/// What holds for every answer: browsers guess no types, show no answer in a frame
/// of another page, give no window of another page a handle on it, and lend it no device. What pages
/// may load they say themselves; all else may load nothing.
const HARDENED: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), \
         midi=(), payment=(), serial=(), usb=()",
    ),
];

/// What holds where an answer does not say otherwise.
const CLOSED: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HARDENED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in CLOSED {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The process runs. Pages of all origins may read that, and whether theirs may connect: it is how a
/// client that gets no connection finds out why.
async fn healthz(State(app): State<App>, uri: Uri, headers: HeaderMap) -> impl IntoResponse {
    let welcome = cors::is_welcome(&app, &cors::asked_for(&uri, headers));
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Indelible-Origin"),
        (
            HeaderName::from_static("indelible-origin"),
            if welcome { "welcome" } else { "refused" },
        ),
    ];
    (headers, "ok\n")
}

/// The process can serve: writes are taken and no shutdown is on its way.
async fn readyz(State(app): State<App>) -> Response {
    if app.shutdown.is_cancelled() {
        return Problem::unavailable()
            .detail("the server is stopping")
            .into_response();
    }
    let reason = match app.context.commit.check().await {
        Health::Ready => return "ready\n".into_response(),
        Health::ReadOnly { .. } => "the disk is nearly full: nothing is written",
        Health::Failed => "the store has failed",
    };
    Problem::unavailable().detail(reason).into_response()
}
