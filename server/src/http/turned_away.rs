//! What the log says of those who get no connection, or no answer because of who they are or because
//! the server cannot give one now, so that an operator learns why.
//!
//! Invariant: each reason is logged at most once a minute, and there are never more reasons
//! remembered than the table holds: strangers choose them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::App;
use super::fields;
use super::problem::Noted;
use crate::forwarded;
use crate::host::HostName;
use crate::origin::Origin;

/// How long a reason is not logged again.
const PAUSE: Duration = Duration::from_secs(60);

/// Reasons that are remembered; all others share one.
const REASONS_MAX: usize = 100;

/// Characters of a header that the log quotes.
const QUOTED_CHARS_MAX: usize = 100;

/// What was logged when.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway(Mutex<HashMap<String, Instant>>);

impl TurnedAway {
    /// A page of another origin wanted to connect.
    pub(crate) fn origin(&self, headers: &HeaderMap) {
        let named: Vec<String> = headers
            .get_all(header::ORIGIN)
            .iter()
            .map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned())
            .collect();
        let named: String = named.join(", ").chars().take(QUOTED_CHARS_MAX).collect();
        if !self.is_due(&named) {
            return;
        }
        match named.parse::<Origin>() {
            Ok(origin) => tracing::warn!(
                "pages of {origin} may not connect; if they should: --allow-origin {origin}"
            ),
            Err(error) if named != "null" => tracing::warn!(
                origin = named,
                "a request whose Origin is none may not connect: {error}"
            ),
            Err(_) => tracing::warn!(
                origin = named,
                "a page without an origin of its own may not connect; files and sandboxed frames have none"
            ),
        }
    }

    /// A request named another host.
    pub(crate) fn host(&self, host: Option<&HostName>) {
        let named = host.map(HostName::to_string).unwrap_or_default();
        let named: String = named.chars().take(QUOTED_CHARS_MAX).collect();
        if !self.is_due(&format!("host {named}")) {
            return;
        }
        match named.is_empty() {
            true => tracing::warn!("a request that names no host was refused"),
            false => tracing::warn!(
                "requests for the host {named} are refused; if it is a name of this server: \
                 --host {named}"
            ),
        }
    }

    /// A request came where a WebSocket handshake is expected, and is none or has a fault.
    pub(crate) fn handshake(&self, fault: &'static str) {
        if self.is_due(fault) {
            tracing::warn!(
                "a request for /sync was refused: {fault}; if a proxy stands before the server, it has \
                 to pass WebSocket upgrades"
            );
        }
    }

    /// A WebSocket handshake came to an address that does not take one.
    fn elsewhere(&self, asked: &Asked) {
        let path: String = asked.path.chars().take(QUOTED_CHARS_MAX).collect();
        if self.is_due(&format!("handshake {path}")) {
            tracing::warn!(
                path,
                "a WebSocket handshake was refused: its address is /sync, without parameters"
            );
        }
    }

    /// A peer on this machine passes on what others ask, and is not a trusted proxy.
    pub(super) fn untrusted_proxy(&self, headers: &HeaderMap) {
        let passed_on = forwarded::HEADERS
            .iter()
            .any(|one| headers.contains_key(one));
        if passed_on && self.is_due("untrusted proxy") {
            tracing::warn!(
                "a proxy on this machine passes requests on and is not trusted, so nothing is limited by \
                 address; if it is yours: --trusted-proxy 127.0.0.1 --trusted-proxy ::1"
            );
        }
    }

    /// A request over HTTP was answered with 401, 403 or 503.
    fn request(&self, status: StatusCode, noted: &Noted, asked: &Asked) {
        let who = noted.who.as_deref().unwrap_or("nobody who is signed in");
        // Whoever asks for many things is logged once for each kind.
        let kind = asked.path.split('/').take(3).collect::<Vec<_>>().join("/");
        let reason = format!("{status} {who} {} {kind}", asked.method);
        if self.is_due(&reason) {
            let path: String = asked.path.chars().take(QUOTED_CHARS_MAX).collect();
            tracing::warn!(
                status = status.as_u16(),
                code = noted.code,
                who,
                method = %asked.method,
                path,
                peer = asked.peer.map(tracing::field::display),
                "a request was refused; others like it are not logged for a minute"
            );
        }
    }

    fn is_due(&self, reason: &str) -> bool {
        let mut known = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|_, at| now.duration_since(*at) < PAUSE);
        // Whoever makes up origins is logged under one, and drowns no other one.
        let reason = match known.len() < REASONS_MAX || known.contains_key(reason) {
            true => reason,
            false => "",
        };
        let due = !known.contains_key(reason);
        if due {
            known.insert(reason.to_owned(), now);
        }
        due
    }
}

/// What was asked for, and from where.
struct Asked {
    method: Method,
    path: String,
    peer: Option<IpAddr>,
}

/// Logs what is refused over HTTP because of who asks, and what the server could not do.
pub(super) async fn note(State(app): State<App>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let asked = Asked {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        peer: peer.map(|ConnectInfo(peer)| peer.ip()),
    };
    let headers = request.headers();
    let is_handshake = fields::list(headers, &header::UPGRADE)
        .iter()
        .any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
    // Requests to the right address are logged in more detail where they are handled.
    let is_sync = asked.path == "/sync" && request.uri().query().is_none();
    let response = next.run(request).await;
    let status = response.status();
    if is_handshake && !is_sync && status.is_client_error() {
        app.turned_away.elsewhere(&asked);
    }
    let is_logged = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        // The cause is logged where it failed, without the request; a probe expects this answer.
        StatusCode::SERVICE_UNAVAILABLE => asked.path != "/readyz",
        _ => false,
    };
    if is_logged
        && let Some(noted) = response.extensions().get::<Noted>()
        // Of origins, more is said where they are looked at.
        && noted.code != "origin"
    {
        app.turned_away.request(status, noted, &asked);
    }
    response
}

#[cfg(test)]
mod tests {
    //! Guards against refusals that are not logged, and against a log that strangers fill.

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reason_is_due_once_a_minute() {
        let away = TurnedAway::default();
        assert!(away.is_due("https://a.example"));
        assert!(!away.is_due("https://a.example"));
        assert!(away.is_due("https://b.example"));
        tokio::time::advance(PAUSE - Duration::from_secs(1)).await;
        assert!(!away.is_due("https://a.example"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(away.is_due("https://a.example"));
    }

    #[tokio::test(start_paused = true)]
    async fn refused_requests_are_told_apart_by_who_and_kind() {
        let away = TurnedAway::default();
        let reasons = |away: &TurnedAway| away.0.lock().unwrap().len();
        let ask = |who: Option<&str>, path: &str| {
            let noted = Noted {
                code: "forbidden",
                who: who.map(Box::from),
            };
            let asked = Asked {
                method: Method::GET,
                path: path.to_owned(),
                peer: None,
            };
            away.request(StatusCode::FORBIDDEN, &noted, &asked);
            reasons(&away)
        };
        assert_eq!(ask(Some("ada"), "/api/team/a"), 1);
        assert_eq!(ask(Some("ada"), "/api/team/b"), 1);
        assert_eq!(ask(Some("ada"), "/api/site"), 2);
        assert_eq!(ask(Some("bob"), "/api/site"), 3);
        assert_eq!(ask(None, "/api/site"), 4);
        for n in 0..1_000 {
            ask(None, &format!("/api/{n}"));
        }
        assert!(reasons(&away) <= REASONS_MAX + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn made_up_origins_fill_neither_memory_nor_log() {
        let away = TurnedAway::default();
        let due = (0..10_000).filter(|n| away.is_due(&format!("https://{n}.example")));
        assert_eq!(due.count(), REASONS_MAX + 1);
        assert!(away.0.lock().unwrap().len() <= REASONS_MAX + 1);
    }
}
