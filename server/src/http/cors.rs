//! Which pages of other origins may talk to this server.
//!
//! Invariant: only origins in the settings, and the server's own, are let in; nothing is sent with
//! cookies, so an origin that is let in still needs a token for what is not public.
//!
//! Must not know: what is asked for.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::App;

const HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer";
const EXPOSED: &str = "Allow, ETag, Last-Modified, Location, Preference-Applied, Retry-After, \
                       WWW-Authenticate";
const PREFLIGHT_SECONDS: &str = "600";

/// Answers preflight requests and marks answers to origins that are let in.
pub(crate) async fn allow(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.filter(|origin| is_listed(&app, origin));
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let methods = headers.get(header::ALLOW).cloned();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let mut set = |name: HeaderName, value| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        if let Some(methods) = methods.filter(|_| preflight) {
            set(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            set(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        } else {
            set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
    response
}

fn is_listed(app: &App, origin: &HeaderValue) -> bool {
    app.config
        .allow_origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
}

/// Whether a request comes from a page that may connect: one of this server's own, one of a listed
/// origin, or no page at all (browsers always name the origin).
pub(crate) fn is_welcome(app: &App, headers: &HeaderMap) -> bool {
    headers
        .get(header::ORIGIN)
        .is_none_or(|o| is_listed(app, o) || is_own(headers, o))
}

/// Whether an origin is the host that the request was sent to.
pub(crate) fn is_own(headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = origin
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, rest)| rest);
    authority.is_some_and(|authority| host.is_some_and(|host| authority.eq_ignore_ascii_case(host)))
}
