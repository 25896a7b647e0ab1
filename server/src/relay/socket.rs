//! The sending half of one WebSocket: takes what the outbox holds and puts it on the wire.
//!
//! Invariant: one frame at a time, in the order of the outbox; a peer that takes nothing for
//! a while is given up, so that it holds memory no longer.
//!
//! Must not know: what frames mean.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::fanout::{Closing, Outbox, Outgoing};
use crate::config::ConnectionSettings;

/// Bytes of frames that are sent behind another in one go; longer ones have their own time.
const GATHERED_BYTES_MAX: usize = 16 << 10;

/// Sends until the outbox is closed or the peer is gone; cancels `gone` then.
pub(crate) async fn send_all(
    mut sink: SplitSink<WebSocket, Message>,
    outbox: Arc<Outbox>,
    settings: ConnectionSettings,
    gone: CancellationToken,
) {
    let _gone = gone.drop_guard();
    let mut ping = interval(settings.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.tick().await;
    loop {
        let message = tokio::select! {
            outgoing = outbox.next() => match outgoing {
                Outgoing::Frame(bytes) => Message::Binary(bytes),
                Outgoing::Close(closing) => {
                    let _ = timeout(settings.stuck_timeout, sink.send(close_message(closing))).await;
                    return;
                }
            },
            _ = ping.tick() => Message::Ping(axum::body::Bytes::new()),
        };
        match timeout(settings.stuck_timeout, send(&mut sink, message, &outbox)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the peer is gone");
                return;
            }
            Err(_) => {
                tracing::info!("the peer takes nothing any more");
                return;
            }
        }
    }
}

/// Sends a message together with the frames that wait behind it, so that entries and the answer to
/// what caused them are one packet.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    first: Message,
    outbox: &Outbox,
) -> Result<(), axum::Error> {
    sink.feed(first).await?;
    let mut room = GATHERED_BYTES_MAX;
    while let Some(bytes) = outbox.waiting(room) {
        room -= bytes.len();
        sink.feed(Message::Binary(bytes)).await?;
    }
    sink.flush().await
}

fn close_message(closing: Closing) -> Message {
    Message::Close(Some(CloseFrame {
        code: closing.code,
        reason: Utf8Bytes::from_static(closing.reason),
    }))
}
