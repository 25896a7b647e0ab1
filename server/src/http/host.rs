//! Which hosts a request may be meant for.
//!
//! A page whose name is made to resolve to this server's address (DNS rebinding) is of the same
//! origin as the server, as far as its browser can tell. Its requests name its own host.
//!
//! Invariant: where names are listed, or in development, no other request reaches a handler.
//!
//! Must not know: what is asked for.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::fields;
use super::problem::Problem;
use crate::config::{Config, Mode};
use crate::host::HostName;

/// Refuses what is meant for another host.
pub(super) async fn check(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Err(problem) = fields::host(&mut request) {
        return problem.into_response();
    }
    let host = named(request.uri(), request.headers());
    if is_own(&app.config, host.as_ref()) {
        return next.run(request).await;
    }
    app.turned_away.host(host.as_ref());
    let title = "This server does not answer for this host";
    let detail = match host {
        Some(host) => format!("Host names {host}, which is not a name of this server"),
        None => "Host has to name this server".to_owned(),
    };
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", title)
        .detail(detail)
        .into_response()
}

/// The host that a request names; `None` where it names none, or several.
pub(super) fn named(uri: &Uri, headers: &HeaderMap) -> Option<HostName> {
    if let Some(authority) = uri.authority() {
        return HostName::of_authority(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => HostName::of_authority(host.to_str().ok()?),
        _ => None,
    }
}

fn is_own(config: &Config, host: Option<&HostName>) -> bool {
    if config.hosts.is_empty() && config.mode == Mode::Production {
        return true;
    }
    let Some(host) = host else {
        return false;
    };
    let listen = config.listen.ip();
    // No page's name is an address: what resolves to one does not spell it.
    let is_address = host
        .address()
        .is_some_and(|address| listen.is_unspecified() || address == listen);
    host.is_loopback() || is_address || config.hosts.contains(host)
}
