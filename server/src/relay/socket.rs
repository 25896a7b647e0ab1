//! The sending half of one WebSocket: takes what the outbox holds and puts it on the wire.
//!
//! A task waits for the peer to take frames. An answer is put on the wire by whoever has it, where
//! the peer need not be waited for: to wake the task for that takes longer than to send.
//!
//! Invariant: one sends at a time, in the order of the outbox; a peer that takes nothing for
//! a while is given up, so that it holds memory no longer.
//!
//! Must not know: what frames mean.

use std::future::poll_fn;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{FutureExt, SinkExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::connection::close_code;
use super::fanout::{Closing, Outbox, Wire};
use super::heard::Counted;
use crate::config::ConnectionSettings;

/// Bytes of frames that are sent behind another in one go; longer ones have their own time.
const GATHERED_BYTES_MAX: usize = 16 << 10;

/// What a WebSocket is spoken on.
pub(crate) type Line = TokioIo<Upgraded>;

/// A WebSocket.
pub(super) type WebSocket = WebSocketStream<Counted<Line>>;

type Sink = SplitSink<WebSocket, Message>;

/// The sending half, for the task that waits and for those who do not. Empty when it has ended.
#[derive(Debug)]
pub(crate) struct Socket(Mutex<Option<Sink>>);

impl Socket {
    /// A socket that is open.
    pub(crate) fn new(sink: Sink) -> Self {
        Self(Mutex::new(Some(sink)))
    }
}

impl Wire for Socket {
    fn send_now(&self, outbox: &Outbox) {
        // Who has it now looks into the outbox again before it waits.
        let Ok(mut sink) = self.0.try_lock() else {
            return;
        };
        let Some(open) = sink.as_mut() else { return };
        match send(open, outbox, Longest::Gathered).now_or_never() {
            Some(Ok(())) => {}
            // The bytes are in the sink, but the peer does not take them.
            None => outbox.call(),
            Some(Err(error)) => {
                tracing::debug!(%error, "the peer is gone");
                *sink = None;
                outbox.call();
            }
        }
    }
}

/// Sends until the outbox is closed or the peer is gone; cancels `gone` then.
pub(crate) async fn send_all(
    socket: Arc<Socket>,
    outbox: Arc<Outbox>,
    settings: ConnectionSettings,
    gone: CancellationToken,
) {
    let _gone = gone.drop_guard();
    let mut ping = interval(settings.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.tick().await;
    loop {
        let beat = tokio::select! {
            () = outbox.filled() => None,
            _ = ping.tick() => Some(Message::Ping(Bytes::new())),
        };
        let mut sink = socket.0.lock().await;
        let Some(open) = sink.as_mut() else { return };
        let sent = timeout(settings.stuck_timeout, send_one(open, &outbox, beat)).await;
        match sent {
            Ok(Ok(Next::More)) => outbox.wake(),
            Ok(Ok(Next::Closed)) => break,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the peer is gone");
                break;
            }
            Err(_) => {
                tracing::info!("the peer takes nothing any more");
                break;
            }
        }
    }
    // Others may hold the socket for longer, but nothing is sent any more.
    *socket.0.lock().await = None;
}

/// What comes after something was sent.
enum Next {
    More,
    Closed,
}

/// Sends what comes first and as much as goes with it.
async fn send_one(sink: &mut Sink, outbox: &Outbox, beat: Option<Message>) -> Result<Next, Error> {
    if let Some(beat) = beat {
        sink.feed(beat).await?;
    }
    send(sink, outbox, Longest::Any).await?;
    match outbox.closing() {
        Some(closing) => {
            sink.send(close_message(closing)).await?;
            Ok(Next::Closed)
        }
        None => Ok(Next::More),
    }
}

/// How long the first frame may be that is sent.
#[derive(Clone, Copy)]
enum Longest {
    Any,
    Gathered,
}

/// Sends a frame together with those that wait behind it, so that entries and the answer to what
/// caused them are one packet. Dropped on the way, it leaves every frame in the outbox or the sink.
async fn send(sink: &mut Sink, outbox: &Outbox, first: Longest) -> Result<(), Error> {
    let mut room = match first {
        Longest::Any => usize::MAX,
        Longest::Gathered => GATHERED_BYTES_MAX,
    };
    loop {
        poll_fn(|cx| sink.poll_ready_unpin(cx)).await?;
        let Some(bytes) = outbox.pop(room) else { break };
        room = room.min(GATHERED_BYTES_MAX).saturating_sub(bytes.len());
        sink.start_send_unpin(Message::Binary(bytes))?;
    }
    sink.flush().await
}

fn close_message(closing: Closing) -> Message {
    // A close without a code is answered by one, and no frame may have the code of a lost line.
    let has_code = ![close_code::NONE, close_code::ABNORMAL].contains(&closing.code);
    Message::Close(has_code.then(|| CloseFrame {
        code: closing.code.into(),
        reason: closing.reason.into_owned().into(),
    }))
}
