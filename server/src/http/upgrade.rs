//! `GET /sync`: from a request to a WebSocket connection.
//!
//! Invariant: pages of foreign origins and clients of other protocols get no connection, nor does
//! a handshake that RFC 6455 (4.2) does not allow.

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use indelible_engine::protocol::SUBPROTOCOL;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::App;
use super::cors;
use super::fields;
use super::problem::Problem;
use super::sender::Sender;
use crate::connection;
use crate::seats::Seat;

const WEBSOCKET_VERSION: &str = "13";

/// Bytes of the number that `Sec-WebSocket-Key` holds in base64.
const KEY_BYTES: usize = 16;

/// Upgrades to the native protocol.
pub(crate) async fn sync(
    State(app): State<App>,
    Extension(seat): Extension<Seat>,
    request: Request,
) -> Response {
    let mut parts = request.into_parts().0;
    if !cors::is_welcome(&app, &parts.headers) {
        app.turned_away.origin(&parts.headers);
        let title = "Pages of this origin may not connect";
        return Problem::new(StatusCode::FORBIDDEN, "origin", title).into_response();
    }
    // A HEAD would become a connection, too: the router takes it for a GET.
    let asked = match parts.method {
        Method::GET => check(&parts.headers),
        _ => Err(Fault::NoUpgrade),
    };
    if let Err(fault) = asked {
        app.turned_away.handshake(fault.text());
        return fault.into_response();
    }
    let (Some(upgrade), Some(key)) = (
        parts.extensions.remove::<OnUpgrade>(),
        parts.headers.get(header::SEC_WEBSOCKET_KEY),
    ) else {
        app.turned_away.handshake(Fault::HttpVersion.text());
        return Fault::HttpVersion.into_response();
    };
    if app.shutdown.is_cancelled() {
        return Problem::unavailable().into_response();
    }
    let accept = derive_accept_key(key.as_bytes());
    let Sender(address) = Sender::of(&parts, &app);
    let App {
        directory,
        config,
        shutdown,
        connections,
        ..
    } = app;
    connections.spawn(async move {
        match upgrade.await {
            Ok(line) => {
                let line = TokioIo::new(line);
                connection::serve(
                    (line, seat, address),
                    directory,
                    config.connections.clone(),
                    shutdown,
                )
                .await;
            }
            Err(error) => tracing::debug!(%error, "a connection went before it was a WebSocket"),
        }
    });
    let headers = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, &accept),
        (header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

/// What is wrong with a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NoUpgrade,
    HttpVersion,
    Version,
    Key,
    Subprotocol,
    Token,
    Condition,
}

impl Fault {
    const fn text(self) -> &'static str {
        match self {
            Self::NoUpgrade => "it did not ask for an upgrade to WebSocket",
            Self::HttpVersion => {
                "HTTP/1.0 has no upgrade: a proxy in between has to pass the request on in HTTP/1.1"
            }
            Self::Version => "it asked for another version of WebSocket than 13",
            Self::Key => "Sec-WebSocket-Key has to come once and hold 16 bytes in base64",
            Self::Subprotocol => "Sec-WebSocket-Protocol has to offer indelible.v1",
            Self::Token => "the token goes into the frame hello, not into Authorization",
            Self::Condition => {
                "a connection has no version: If-Match and If-None-Match are for /api"
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::NoUpgrade | Self::HttpVersion | Self::Version => {
                let title = "This address speaks WebSocket";
                let headers = [
                    (header::UPGRADE, "websocket"),
                    (header::CONNECTION, "Upgrade"),
                    (header::SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION),
                ];
                let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "websocket", title);
                (headers, problem.detail(self.text())).into_response()
            }
            Self::Key | Self::Subprotocol | Self::Token | Self::Condition => {
                Problem::bad_request(self.text()).into_response()
            }
        }
    }
}

/// Whether a request is a handshake (RFC 6455, 4.2.1) of the version that is spoken here.
fn check(headers: &HeaderMap) -> Result<(), Fault> {
    if !lists(headers, &header::CONNECTION, "upgrade")
        || !lists(headers, &header::UPGRADE, "websocket")
    {
        return Err(Fault::NoUpgrade);
    }
    let mut versions = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    if versions.next().is_none_or(|one| one != WEBSOCKET_VERSION) || versions.next().is_some() {
        return Err(Fault::Version);
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => {}
        _ => return Err(Fault::Key),
    }
    let offered = fields::list(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    if !offered.iter().any(|one| *one == SUBPROTOCOL) {
        return Err(Fault::Subprotocol);
    }
    if headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH) {
        return Err(Fault::Condition);
    }
    // What a proxy asks for (`Basic`) may be left in the request.
    match headers.get(header::AUTHORIZATION) {
        Some(value) if is_bearer(value) => Err(Fault::Token),
        _ => Ok(()),
    }
}

fn is_bearer(value: &HeaderValue) -> bool {
    let scheme = value.as_bytes().split(|byte| *byte == b' ').next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

/// Whether a list holds a word, in upper or lower case.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let list = fields::list(headers, name);
    list.iter().any(|one| one.eq_ignore_ascii_case(word))
}

fn is_key(key: &HeaderValue) -> bool {
    BASE64_STANDARD
        .decode(key.as_bytes())
        .is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}
