//! Taking connections and speaking HTTP on them.
//!
//! Invariant: every connection has a seat ([`Seats`]), WebSockets included, and none is held for a
//! request that does not come ([`Patience`]).

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use axum::response::IntoResponse as _;
use futures_util::FutureExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use indelible_engine::principal::Principal;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::patience::{Patience, Serving};
use super::problem::Problem;
use super::target::Targets;
use super::wire::Wire;
use crate::config::Config;
use crate::memory::{self, Memory};
use crate::seats::Seats;

/// How long to wait when the system has no more connections to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);

/// Serves until `stopping`, then until the requests that are being answered are.
pub(crate) async fn serve(
    listener: TcpListener,
    (router, memory): (Router, Memory),
    config: Arc<Config>,
    stopping: CancellationToken,
) {
    let settings = &config.connections;
    let mut http = http1::Builder::new();
    // hyper counts the time for a head from the end of the request before, so that a connection that
    // rests would be cut off in the time for a head.
    http.header_read_timeout(None);
    let seats = Seats::new(settings.connections_max, settings.token_seats());
    let connections = TaskTracker::new();
    let next = async || {
        let accepted = accept(&listener).await;
        (seats.take().await, accepted)
    };
    while let Some((seat, (stream, peer))) = stopping.run_until_cancelled(next()).await {
        let (router, http, stopping) = (router.clone(), http.clone(), stopping.clone());
        let patience = Patience::new(settings);
        let owner = memory::owner(&Principal::anonymous(), Some(peer.ip()));
        let consumer = Arc::new(memory.consumer(owner));
        connections.spawn(async move {
            let targets = Targets::default();
            let stream = Wire::new(stream, patience.clone(), targets.clone());
            let stream = TokioIo::new(stream);
            let (ended, held) = (patience.clone(), seat.clone());
            let too_much = consumer.ended().clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                request.extensions_mut().insert(targets.next());
                request.extensions_mut().insert(seat.clone());
                request.extensions_mut().insert(Arc::clone(&consumer));
                let (answer, serving) = (router.clone().oneshot(request), patience.begin());
                let targets = targets.clone();
                async move {
                    // A panic was logged where it happened; the client is answered, too.
                    let answer = AssertUnwindSafe(answer).catch_unwind().await;
                    let mut answer = match answer {
                        Ok(answer) => answer?,
                        Err(_) => Problem::internal().into_response(),
                    };
                    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                        targets.end();
                    }
                    if answer.status() == StatusCode::NOT_MODIFIED {
                        // Stated, it is that of the answer with a body (RFC 9110, 8.6); the router
                        // states that of its empty one.
                        answer.headers_mut().remove(header::CONTENT_LENGTH);
                    }
                    Ok::<_, Infallible>(answer.map(|body| Until::written(body, serving)))
                }
            });
            let mut connection = pin!(http.serve_connection(stream, service).with_upgrades());
            let served = async {
                match stopping.run_until_cancelled(connection.as_mut()).await {
                    Some(served) => served,
                    None => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            };
            tokio::select! {
                served = served => if let Err(error) = served {
                    tracing::debug!(%error, "a connection ended");
                },
                () = ended.ended() => tracing::debug!("a connection that asks nothing is closed"),
                () = too_much.cancelled() => tracing::info!("an answer that waits takes too much memory"),
                () = held.unwanted() => tracing::debug!("a stranger makes room"),
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// A body, and the request that is being served until it is written.
struct Until {
    body: Body,
    _serving: Serving,
}

impl Until {
    fn written(body: Body, serving: Serving) -> Body {
        Body::new(Self {
            body,
            _serving: serving,
        })
    }
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Frames are small and wanted at once: no waiting for more to fill a packet.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps gathering small packets");
                }
                return (stream, peer);
            }
            // It was gone before it was taken.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "cannot take a connection");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}
