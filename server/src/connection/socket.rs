//! The sending half of one WebSocket: takes what the outbox holds and puts it on the wire.
//!
//! A task waits for the peer to take frames. An answer is put on the wire by the thread that has it, where
//! the peer need not be waited for: to wake the task for that takes longer than to send.
//!
//! Invariant: one sends at a time, in the order of the outbox; a peer that takes nothing for
//! a while is given up, so that it holds memory no longer.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{FutureExt, SinkExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::end::close_code;
use super::heard::Counted;
use crate::config::{ConnectionSettings, PART_BYTES};
use crate::outbox::{Closing, Outbox, Wire};

/// Bytes of frames that are sent behind another in one go; longer ones have their own time.
pub(super) const GATHERED_BYTES_MAX: usize = PART_BYTES;

/// What a WebSocket is spoken on.
pub(crate) type Line = TokioIo<Upgraded>;

/// A WebSocket.
pub(super) type WebSocket = WebSocketStream<Counted<Line>>;

type Sink<L = Counted<Line>> = SplitSink<WebSocketStream<L>, Message>;

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
        match send_gathered(open, outbox, GATHERED_BYTES_MAX).now_or_never() {
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
            () = outbox.filled() => false,
            _ = ping.tick() => true,
        };
        let mut sink = socket.0.lock().await;
        let Some(open) = sink.as_mut() else { return };
        let mut sending = Sending {
            sink: open,
            ping: &mut ping,
            patience: settings.stuck_timeout,
        };
        let sent = tokio::select! {
            sent = sending.send_all(&outbox, beat) => sent,
            () = outbox.is_cut() => Ok(Next::Cut),
        };
        match sent {
            Ok(Next::More) => outbox.wake(),
            Ok(Next::Closed) => break,
            Ok(Next::Cut) => {
                if let Some(closing) = outbox.closing() {
                    let close = open.send(close_message(closing));
                    let _ = timeout(settings.stuck_timeout, close).await;
                }
                break;
            }
            Err(Failure::Gone(error)) => {
                tracing::debug!(%error, "the peer is gone");
                break;
            }
            Err(Failure::Stuck) => {
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
    Cut,
}

/// Why nothing more is sent.
enum Failure {
    Gone(Error),
    Stuck,
}

/// Sends where the peer has to be waited for.
struct Sending<'a, L> {
    sink: &'a mut Sink<L>,
    ping: &'a mut Interval,
    /// How long the peer may take for each part.
    patience: Duration,
}

impl<L: AsyncRead + AsyncWrite + Unpin> Sending<'_, L> {
    /// Sends what comes first and as much as goes with it.
    async fn send_all(&mut self, outbox: &Outbox, beat: bool) -> Result<Next, Failure> {
        if beat {
            let beat = self.sink.send(Message::Ping(Bytes::new()));
            in_time(self.patience, beat).await?;
        }
        if let Some(frame) = outbox.pop(usize::MAX) {
            self.send_parts(&frame.bytes).await?;
        }
        let gathered = send_gathered(self.sink, outbox, GATHERED_BYTES_MAX);
        in_time(self.patience, gathered).await?;
        match outbox.closing() {
            Some(closing) => {
                let close = self.sink.send(close_message(closing));
                in_time(self.patience, close).await?;
                Ok(Next::Closed)
            }
            None => Ok(Next::More),
        }
    }

    /// Sends a frame, a long one in parts: the transport copies what it writes, and a peer that takes
    /// it slowly is asked for signs of life in between.
    async fn send_parts(&mut self, bytes: &Bytes) -> Result<(), Failure> {
        let mut start = 0;
        loop {
            let end = bytes.len().min(start + PART_BYTES);
            let is_last = end == bytes.len();
            let kind = if start == 0 {
                Data::Binary
            } else {
                Data::Continue
            };
            let part = bytes.slice(start..end);
            let part = Frame::message(part, OpCode::Data(kind), is_last);
            in_time(self.patience, self.sink.feed(Message::Frame(part))).await?;
            if is_last {
                return Ok(());
            }
            if self.ping.tick().now_or_never().is_some() {
                let beat = self.sink.feed(Message::Ping(Bytes::new()));
                in_time(self.patience, beat).await?;
            }
            start = end;
        }
    }
}

async fn in_time(
    patience: Duration,
    sent: impl Future<Output = Result<(), Error>>,
) -> Result<(), Failure> {
    match timeout(patience, sent).await {
        Ok(sent) => sent.map_err(Failure::Gone),
        Err(_) => Err(Failure::Stuck),
    }
}

/// Sends short frames that wait together, so that entries and the answer to what caused them are one
/// packet. Dropped on the way, it leaves every frame in the outbox or the sink.
async fn send_gathered<L: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut Sink<L>,
    outbox: &Outbox,
    mut room: usize,
) -> Result<(), Error> {
    loop {
        poll_fn(|cx| sink.poll_ready_unpin(cx)).await?;
        let Some(frame) = outbox.pop(room) else { break };
        room = room.saturating_sub(frame.bytes.len());
        sink.start_send_unpin(Message::Binary(frame.bytes))?;
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

#[cfg(test)]
mod tests {
    //! Guards against long frames that a slow line never gets, and against a peer that takes nothing and
    //! is waited for.

    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::{Instant, interval, sleep};
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

    use super::*;
    use crate::memory::Memory;

    const PATIENCE: Duration = Duration::from_secs(20);
    const PARTS: usize = 32;

    /// Sends a frame of many parts on a line; how that went, and how long it took.
    async fn send_long(line: DuplexStream) -> (Result<Next, Failure>, Duration) {
        let config = WebSocketConfig::default().write_buffer_size(GATHERED_BYTES_MAX);
        let socket = WebSocketStream::from_raw_socket(line, Role::Server, Some(config)).await;
        let (mut sink, _stream) = socket.split();
        let outbox = Outbox::new(1 << 20, Memory::new(usize::MAX).consumer("ada"));
        outbox.answer(Bytes::from(vec![7; PARTS * PART_BYTES]));
        let mut ping = interval(Duration::from_secs(60));
        ping.tick().await;
        let began = Instant::now();
        let mut sending = Sending {
            sink: &mut sink,
            ping: &mut ping,
            patience: PATIENCE,
        };
        let sent = sending.send_all(&outbox, false).await;
        (sent, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_frame_goes_on_for_as_long_as_the_peer_takes_parts_of_it() {
        let (line, mut peer) = duplex(PART_BYTES);
        let sending = tokio::spawn(send_long(line));
        let mut taken = vec![0; PART_BYTES];
        let mut came = 0;
        while came < PARTS * PART_BYTES {
            sleep(PATIENCE / 4).await;
            came += peer.read(&mut taken).await.unwrap();
        }
        let (sent, took) = sending.await.unwrap();
        assert!(matches!(sent, Ok(Next::More)), "it was given up");
        assert!(took > 5 * PATIENCE, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (line, _peer) = duplex(PART_BYTES);
        let (sent, took) = send_long(line).await;
        assert!(matches!(sent, Err(Failure::Stuck)));
        assert!(took >= PATIENCE && took < 2 * PATIENCE, "{took:?}");
    }
}
