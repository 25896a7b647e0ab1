//! Which pages of other origins may talk to this server.
//!
//! Invariant: only origins in the settings, and the server's own, are let in; nothing is sent with
//! cookies, so an origin that is let in still needs a token for what is not public.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use super::App;
use crate::origin::Origin;

const HEADERS: &str = "Authorization, Content-Digest, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, \
     Repr-Digest";
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
    read(origin).is_some_and(|origin| app.config.allow_origins.contains(&origin))
}

/// What a header says, if it names an origin.
fn read(origin: &HeaderValue) -> Option<Origin> {
    origin.to_str().ok()?.parse().ok()
}

/// Whether a request comes from a page that may connect: one of this server's own, one of a listed
/// origin, or no page at all (browsers always name the origin).
pub(crate) fn is_welcome(app: &App, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| is_listed(app, origin) || is_own(headers, origin))
}

/// The headers with the origin that `?origin=` names, if it does: browsers leave the header out where
/// page and server have the same host, though not in the handshake that the page asks about.
pub(crate) fn asked_for(uri: &Uri, mut headers: HeaderMap) -> HeaderMap {
    let query = uri.query().unwrap_or("").as_bytes();
    let named = url::form_urlencoded::parse(query).find(|(name, _)| name == "origin");
    if let Some(origin) = named.and_then(|(_, origin)| HeaderValue::from_str(&origin).ok()) {
        headers.insert(header::ORIGIN, origin);
    }
    headers
}

/// Whether an origin is the host that the request was sent to. Before a proxy that speaks TLS, the
/// scheme is the page's own: what the browser and the proxy spoke is not known here.
pub(crate) fn is_own(headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let Some(origin) = read(origin) else {
        return false;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    host.and_then(|host| Origin::of_host(origin.scheme(), host)) == Some(origin)
}
