//! One WebSocket connection: its handshake, what it may do, what it follows.
//!
//! Invariant: every frame is checked against the principal's current rights; what a principal may not
//! read is answered like what does not exist; a connection lives no longer than its token.
//! Nothing is read from a peer that does not take its answers.

mod bucket;
mod deadline;
mod end;
mod heads;
mod heard;
mod session;
mod socket;

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use indelible_engine::limits::Limits;
use indelible_engine::policy::Policies;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{ClientFrame, FrameError, PROTOCOL_VERSION, TextForm, Token};
use indelible_engine::time::Timestamp;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;

use self::deadline::Deadline;
use self::end::{End, close_code, crowded, too_big, transport_end};
use self::heard::{Counted, Heard, Overdue, SMALL_BYTES};
use self::session::{Asker, Session};
use self::socket::{GATHERED_BYTES_MAX, Line, Socket, WebSocket};
use crate::auth::{Auth, TokenError};
use crate::clock;
use crate::config::{ConnectionSettings, SOCKET_READ_BYTES};
use crate::directory::Directory;
use crate::frames;
use crate::memory;
use crate::outbox::Outbox;
use crate::room::Taken;
use crate::seats::Seat;
use crate::work;

/// How much more than a frame may hold the transport takes, so that the protocol can say itself
/// what is wrong with a frame that is too big.
const TRANSPORT_SLACK_BYTES: usize = 64 << 10;

/// Timers are armed for no longer than this; a token may live for years.
const TIMER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The answers that wait take too much of the memory of all. They are dropped.
async fn crowded_out(outbox: &Outbox) -> End {
    outbox.consumer().ended().cancelled().await;
    let end = End::new(close_code::TRY_AGAIN, "too much waits to be sent");
    outbox.cut(end.code, end.reason.clone());
    end
}

/// Serves one socket until it closes, the token ends, or the server goes away.
#[tracing::instrument(name = "connection", skip_all, fields(id = Empty, principal = Empty))]
pub(crate) async fn serve(
    (line, seat, address): (Line, Seat, Option<IpAddr>),
    directory: Directory,
    settings: ConnectionSettings,
    shutdown: CancellationToken,
) {
    let context = Arc::clone(directory.context());
    let heard = Heard::new(settings.reader_message_bytes_max);
    let line = Counted::new(line, heard.clone(), &context.room, &settings);
    let (sink, stream) = socket(line, &context.limits).await.split();
    let sending = Arc::new(Socket::new(sink));
    let consumer = context
        .memory
        .consumer(memory::owner(&Principal::anonymous(), address));
    let outbox = Arc::new(Outbox::new(settings.send_queue_bytes_max, consumer));
    outbox.connect(Arc::<Socket>::clone(&sending));
    let gone = CancellationToken::new();
    let sender = socket::send_all(sending, Arc::clone(&outbox), settings.clone(), gone.clone());
    let sender = tokio::spawn(sender);
    let mut incoming = Incoming {
        stream,
        last: Bytes::new(),
        heard,
        room: context.room.of(""),
        settings: settings.clone(),
        limits: context.limits.clone(),
        greeted: false,
    };

    let hello = timeout(
        settings.handshake_timeout,
        hello(&mut incoming, &context.auth, (&seat, address), &outbox),
    );
    let end = tokio::select! {
        hello = hello => match hello {
            Ok(Ok(caller)) => {
                incoming.introduce(&context.policies, &caller.asks.principal);
                outbox.consumer().belongs_to(memory::owner(&caller.asks.principal, address));
                let mut session = Session::new(directory, caller.asks, Arc::clone(&outbox), &settings);
                tracing::Span::current()
                    .record("id", session.connection().0)
                    .record("principal", session.principal().id.as_str());
                tracing::info!(client = %caller.client, "connected");
                let mut serving = Serving {
                    incoming,
                    deadline: caller.expires.map(|at| Deadline::new(at, settings.token_notice)),
                    notice: settings.token_notice,
                    outbox: &outbox,
                };
                serving.tell_end(&session);
                session.welcome();
                let end = serving.serve(&mut session, &shutdown, &gone).await;
                // Before what may have to wait: the peer learns at once that it is over.
                outbox.close(end.code, end.reason.clone());
                session.leave().await;
                end
            }
            Ok(Err(end)) => end,
            Err(_) => End::new(close_code::POLICY, "no hello in time"),
        },
        () = shutdown.cancelled() => End::new(close_code::GOING_AWAY, "going away"),
        () = seat.unwanted() => crowded(),
        end = crowded_out(&outbox) => end,
    };
    let End { code, reason } = end;
    tracing::info!(code, %reason, "disconnected");
    outbox.close(code, reason);
    // A peer that does not take its last frames is left to the operating system.
    let _ = timeout(settings.shutdown_timeout, sender).await;
}

/// A WebSocket that takes little memory while nothing comes.
async fn socket(line: Counted<Line>, limits: &Limits) -> WebSocket {
    let bytes_max = limits.frame_bytes_max + TRANSPORT_SLACK_BYTES;
    let config = WebSocketConfig::default()
        .read_buffer_size(SOCKET_READ_BYTES)
        .write_buffer_size(GATHERED_BYTES_MAX)
        .max_message_size(Some(bytes_max))
        .max_frame_size(Some(bytes_max));
    WebSocketStream::from_raw_socket(line, Role::Server, Some(config)).await
}

/// Who said hello.
struct Caller {
    asks: Asker,
    expires: Option<Timestamp>,
    client: String,
}

async fn hello(
    incoming: &mut Incoming,
    auth: &Auth,
    (seat, address): (&Seat, Option<IpAddr>),
    outbox: &Outbox,
) -> Result<Caller, End> {
    let ClientFrame::Hello {
        protocol,
        token,
        client,
        texts,
    } = incoming.frame(outbox).await?.0
    else {
        return Err(hello_first(outbox));
    };
    if protocol != PROTOCOL_VERSION {
        let text = "this server speaks protocol version 1";
        outbox.answer(frames::error("protocol", text, None, None));
        return Err(End::new(close_code::POLICY, "unknown protocol version"));
    }
    let client: String = client
        .chars()
        .filter(|c| !c.is_control())
        .take(80)
        .collect();
    let texts = texts.unwrap_or(TextForm::Whole);
    let Some(Token(token)) = token else {
        if !seat.is_confirmed() {
            return Err(crowded());
        }
        return Ok(Caller {
            asks: Asker {
                principal: Principal::anonymous(),
                address,
                texts,
            },
            expires: None,
            client,
        });
    };
    match auth.verify(&token) {
        Ok(verified) => {
            seat.confirm();
            Ok(Caller {
                asks: Asker {
                    principal: verified.principal,
                    address,
                    texts,
                },
                expires: Some(verified.expires),
                client,
            })
        }
        Err(error) => {
            tracing::info!(%error, "a token was refused");
            let why = error.text();
            outbox.answer(frames::error("bad-token", why.clone(), None, None));
            Err(End::new(close_code::UNAUTHORIZED, why))
        }
    }
}

/// Answers a frame that came in the place of a `hello`.
fn hello_first(outbox: &Outbox) -> End {
    let text = "a client has to introduce itself first";
    outbox.answer(frames::error("hello-expected", text, None, None));
    End::new(close_code::POLICY, "hello comes first")
}

/// The receiving half: frames, and what makes a connection end.
struct Incoming {
    stream: SplitStream<WebSocket>,
    /// The last message, until the transport has looked for another one.
    last: Bytes,
    heard: Heard,
    room: Taken,
    settings: ConnectionSettings,
    limits: Limits,
    /// Whether a `hello` came.
    greeted: bool,
}

impl Incoming {
    /// The next frame. Unknown frames are answered here, and the next one is waited for; before
    /// each message, whatever it is, until the peer has taken its answers. What is made of a long one
    /// takes room, which comes along.
    async fn frame(&mut self, outbox: &Outbox) -> Result<(ClientFrame, Taken), End> {
        loop {
            outbox.room().await;
            let bytes = match self.next().await? {
                None => return Err(End::gone("the connection was lost")),
                // Closes are judged before the transport sees them, and end the stream.
                Some(Ok(Message::Close(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Text(_))) => {
                    return Err(End::new(close_code::BAD_FRAME, "frames are binary"));
                }
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Err(error)) => return Err(self.failed(&error)),
                Some(Ok(Message::Frame(_))) => continue,
            };
            self.last = bytes.clone();
            let mut room = self.room.room().of(self.heard.owner());
            if bytes.len() > SMALL_BYTES {
                room.reach(bytes.len()).await;
            }
            let decode = || ClientFrame::decode(&bytes, &self.limits);
            match work::weighed(bytes.len(), decode) {
                Ok(frame) => return Ok((frame, room)),
                Err(error @ FrameError::Unknown { .. }) => {
                    outbox.answer(frames::error(
                        "unknown-frame",
                        error.to_string(),
                        None,
                        None,
                    ));
                }
                Err(FrameError::TooBig { .. }) => {
                    return Err(too_big());
                }
                Err(FrameError::TooMany { .. }) if !self.greeted => {
                    return Err(hello_first(outbox));
                }
                Err(error @ FrameError::TooMany { .. }) => {
                    outbox.answer(frames::error("too-many", error.to_string(), None, None));
                }
                Err(error @ FrameError::Malformed { .. }) => {
                    outbox.answer(frames::error("malformed", error.to_string(), None, None));
                    return Err(End::new(close_code::BAD_FRAME, "not a frame"));
                }
            }
        }
    }

    /// How to end after the transport failed.
    fn failed(&self, error: &Error) -> End {
        let end = transport_end(error);
        if self.greeted || end != too_big() {
            return end;
        }
        let max = self.settings.reader_message_bytes_max;
        End::new(
            close_code::TOO_BIG,
            format!("a hello has at most {max} bytes: is its token too long?"),
        )
    }

    /// Who it is that sends: those who may write nothing have nothing long to say.
    fn introduce(&mut self, policies: &Policies, principal: &Principal) {
        self.greeted = true;
        let bytes_max = match session::may_write(policies, principal) {
            true => self.limits.frame_bytes_max + TRANSPORT_SLACK_BYTES,
            false => self.settings.reader_message_bytes_max,
        };
        self.heard.introduce(&principal.id, bytes_max);
    }

    /// The next message, or the end of them; fails when not a single byte came for too long, or a
    /// message that has begun does not end.
    async fn next(&mut self) -> Result<Option<Result<Message, Error>>, End> {
        self.heard.resume();
        let (at, _) = self.heard.due(&self.settings);
        let mut alarm = pin!(sleep_until(at));
        let next = poll_fn(|cx| {
            if let Poll::Ready(next) = self.stream.poll_next_unpin(cx) {
                return Poll::Ready(Ok(next));
            }
            // While it was there, the transport took another buffer for what comes next. The one
            // that a long message was read into goes with it.
            self.last = Bytes::new();
            loop {
                let (at, why) = self.heard.due(&self.settings);
                if at <= Instant::now() {
                    return Poll::Ready(Err(match why {
                        Overdue::Silence => End::new(close_code::POLICY, "no sign of life"),
                        Overdue::Message => End::new(close_code::POLICY, "a message did not end"),
                    }));
                }
                alarm.as_mut().reset(at);
                ready!(alarm.as_mut().poll(cx));
            }
        })
        .await;
        self.heard.pause();
        next
    }
}

struct Serving<'a> {
    incoming: Incoming,
    /// None for anonymous callers.
    deadline: Option<Deadline>,
    notice: Duration,
    outbox: &'a Outbox,
}

/// Why a connection ends that has done nothing wrong.
async fn over(shutdown: &CancellationToken, gone: &CancellationToken, outbox: &Outbox) -> End {
    tokio::select! {
        () = shutdown.cancelled() => End::new(close_code::GOING_AWAY, "going away"),
        () = gone.cancelled() => End::gone("the peer takes no frames"),
        end = crowded_out(outbox) => end,
    }
}

impl Serving<'_> {
    async fn serve(
        &mut self,
        session: &mut Session,
        shutdown: &CancellationToken,
        gone: &CancellationToken,
    ) -> End {
        loop {
            let alarm = self.alarm();
            let frame = tokio::select! {
                end = over(shutdown, gone, self.outbox) => return end,
                () = sleep_until(alarm) => {
                    if let Some(end) = self.check_token() {
                        return end;
                    }
                    continue;
                }
                frame = self.incoming.frame(self.outbox) => frame,
            };
            match frame {
                Ok((
                    ClientFrame::Auth {
                        token: Token(token),
                    },
                    _,
                )) => {
                    if let Err(end) = self.renew(session, &token) {
                        return end;
                    }
                }
                Ok((frame, room)) => {
                    if let Some(end) = self.check_token() {
                        return end;
                    }
                    let mut handling = pin!(session.handle(frame, room));
                    loop {
                        let alarm = self.alarm();
                        tokio::select! {
                            () = handling.as_mut() => break,
                            // What waits for its place outlives neither server nor token.
                            end = over(shutdown, gone, self.outbox) => return end,
                            () = sleep_until(alarm) => {
                                if let Some(end) = self.check_token() {
                                    return end;
                                }
                            }
                        }
                    }
                }
                Err(end) => return end,
            }
        }
    }

    /// Has what waits judged no later than the token ends.
    fn tell_end(&self, session: &Session) {
        if let Some(deadline) = &self.deadline {
            session.ends_at(deadline.ends);
        }
    }

    /// When to look at the token again.
    fn alarm(&self) -> Instant {
        let Some(deadline) = &self.deadline else {
            return Instant::now() + TIMER_MAX;
        };
        let notice = match deadline.noticed {
            true => Duration::ZERO,
            false => deadline.notice,
        };
        let left = clock::until(deadline.ends).saturating_sub(notice);
        Instant::now() + left.min(TIMER_MAX)
    }

    /// Gives notice of the token's end, and says when it has come.
    fn check_token(&mut self) -> Option<End> {
        let deadline = self.deadline.as_mut()?;
        let left = clock::until(deadline.ends);
        if left.is_zero() {
            let why = TokenError::Expired.text();
            return Some(End::new(close_code::UNAUTHORIZED, why));
        }
        if left <= deadline.notice && !deadline.noticed {
            deadline.noticed = true;
            let text = "the token ends soon; present a fresh one";
            self.outbox
                .answer(frames::error("token-expiring", text, None, None));
        }
        None
    }

    /// Takes a fresh token for the same principal with the same rights.
    fn renew(&mut self, session: &Session, token: &str) -> Result<(), End> {
        let verified = self.verify(session, token)?;
        let known = session.principal();
        if verified.principal.id != known.id {
            return Err(End::new(
                close_code::UNAUTHORIZED,
                "a token for somebody else",
            ));
        }
        if verified.principal.roles != known.roles {
            return Err(End::new(
                close_code::RIGHTS_CHANGED,
                "the rights have changed",
            ));
        }
        let known = self.deadline.as_ref().map(|deadline| deadline.expires);
        // A token that lasts no longer changes nothing: the notice that was given holds.
        if known.is_none_or(|known| known < verified.expires) {
            self.deadline = Some(Deadline::new(verified.expires, self.notice));
            self.tell_end(session);
        }
        Ok(())
    }

    fn verify(&self, session: &Session, token: &str) -> Result<crate::auth::Authenticated, End> {
        session.context().auth.verify(token).map_err(|error| {
            tracing::info!(%error, "a fresh token was refused");
            let why = error.text();
            self.outbox
                .answer(frames::error("bad-token", why.clone(), None, None));
            End::new(close_code::UNAUTHORIZED, why)
        })
    }
}
