//! `GET /sync`: from a request to a WebSocket connection.
//!
//! Invariant: pages of foreign origins and clients of other protocols get no connection.
//!
//! Must not know: frames.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use indelible_engine::protocol::SUBPROTOCOL;

use super::App;
use super::accept::Seat;
use super::cors;
use super::problem::Problem;
use crate::relay;

/// How much more than a frame may hold the transport takes, so that the protocol can say itself
/// what is wrong with a frame that is too big.
const TRANSPORT_SLACK_BYTES: usize = 64 << 10;

/// Upgrades to the native protocol.
pub(crate) async fn sync(
    State(app): State<App>,
    Extension(seat): Extension<Seat>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if !cors::is_welcome(&app, &headers) {
        let title = "Pages of this origin may not connect";
        return Problem::new(StatusCode::FORBIDDEN, "origin", title).into_response();
    }
    let Ok(upgrade) = upgrade else {
        let title = "This address speaks WebSocket";
        return Problem::new(StatusCode::UPGRADE_REQUIRED, "websocket", title).into_response();
    };
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Problem::bad_request(format!("the WebSocket subprotocol is {SUBPROTOCOL}"))
            .into_response();
    }
    if app.shutdown.is_cancelled() {
        return Problem::unavailable().into_response();
    }
    let bytes_max = app.config.limits.frame_bytes_max + TRANSPORT_SLACK_BYTES;
    let App {
        hub,
        config,
        shutdown,
        connections,
        ..
    } = app;
    upgrade
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(move |socket| {
            let serving = relay::serve(socket, hub, config.connections.clone(), shutdown);
            connections.track_future(async move {
                serving.await;
                drop(seat);
            })
        })
}
