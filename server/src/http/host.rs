//! Which hosts a request may be meant for.
//!
//! A page whose name is made to resolve to this server's address (DNS rebinding) is of the same
//! origin as the server, as far as its browser knows. Its requests name its own host.
//!
//! Invariant: where names are listed, or in development, no other request reaches a handler.

use std::net::Ipv6Addr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;
use crate::config::{Config, Mode};
use crate::host::HostName;

/// Refuses what is meant for another host.
pub(super) async fn check(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Err(problem) = name(&mut request) {
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

/// The host that a request is for (RFC 9112, section 3.2). Where the target names one itself, the
/// field counts for nothing, and is given the same.
///
/// # Errors
/// 400 where it is missing, repeated, or not valid.
fn name(request: &mut Request) -> Result<(), Problem> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let first = lines.next();
    if lines.next().is_some() {
        return Err(Problem::bad_request("Host is given twice"));
    }
    match first {
        None if request.version() == Version::HTTP_10 => {}
        None => return Err(Problem::bad_request("Host is missing")),
        Some(host) if !is_host(host) => {
            let detail = "Host is a name or an address, and a port if it is not the usual one";
            return Err(Problem::bad_request(detail));
        }
        Some(_) => {}
    }
    let target = request.uri().authority().map(Authority::as_str);
    if let Some(host) = target.and_then(|target| HeaderValue::from_str(target).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

fn is_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else {
        return false;
    };
    let text = authority.as_str();
    let host = authority.host();
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_literal = address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    if host.contains(['[', ']']) && !is_literal {
        return false;
    }
    let after = text.strip_prefix(authority.host()).unwrap_or("");
    let port = after.strip_prefix(':').unwrap_or(after);
    let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = is_digits && (port.is_empty() || port.parse::<u16>().is_ok());
    // A comma is what two fields become where they are joined.
    !text.contains(['@', ',']) && !authority.host().is_empty() && is_port
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

#[cfg(test)]
mod tests {
    //! Guards against a host that is read one way here and another way by a proxy.
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for (host, is) in [
            ("example.org", true),
            ("example.org:8080", true),
            ("example.org:", true),
            ("127.0.0.1:4000", true),
            ("[::1]:4000", true),
            ("", false),
            (":80", false),
            ("a b", false),
            ("a/b", false),
            ("user@a", false),
            ("a:b", false),
            ("a:70000", false),
            ("a, b", false),
            ("a,b", false),
            ("[::1", false),
        ] {
            assert_eq!(is_host(&HeaderValue::from_static(host)), is, "{host:?}");
        }
    }
}
