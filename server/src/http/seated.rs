//! Requests on a connection that may have no seat without a token.
//!
//! Invariant: where only the seats are left that are kept for those with a token, nothing is served
//! before one was shown; whether the process runs is answered to all.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::caller::Caller;
use super::problem::Problem;
use crate::seats::Seat;

/// Serves those who may stay, and answers the others that there is no room.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let seat = request.extensions().get::<Seat>();
    let Some(seat) = seat.filter(|seat| !seat.is_confirmed()).cloned() else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    let is_health = matches!(path, "/healthz" | "/readyz");
    // There the token comes in the first frame.
    let is_sync = path == "/sync";
    let shown = Caller::of(&app, request.headers());
    if shown.is_ok_and(|caller| !caller.0.is_anonymous()) {
        seat.confirm();
    }
    if seat.is_confirmed() || is_sync {
        return next.run(request).await;
    }
    let mut response = match is_health {
        true => next.run(request).await,
        false => {
            tracing::warn!("all connections for those without a token are taken");
            Problem::crowded().into_response()
        }
    };
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
