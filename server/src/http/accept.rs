//! Taking connections and speaking HTTP on them.
//!
//! Invariant: there are never more connections than seats, WebSockets included, and none is held
//! for a request that does not come: whoever sends no whole head in time loses the connection,
//! idle ones too.
//!
//! Must not know: what is asked for.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::Config;

/// How long to wait when the system has no more connections to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);

/// The right to be connected, until the last clone goes.
#[derive(Debug, Clone)]
pub(crate) struct Seat(#[allow(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>);

/// Serves until `stopping`, then until the requests that are being answered are.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: Arc<Config>,
    stopping: CancellationToken,
) {
    let settings = &config.connections;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout);
    let seats = Arc::new(Semaphore::new(settings.connections_max));
    let connections = TaskTracker::new();
    let next = async || {
        let seat = Arc::clone(&seats).acquire_owned().await;
        let seat = Seat(Arc::new(seat.expect("nobody closes the semaphore")));
        (seat, accept(&listener).await)
    };
    while let Some((seat, (stream, peer))) = stopping.run_until_cancelled(next()).await {
        let (router, http, stopping) = (router.clone(), http.clone(), stopping.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                request.extensions_mut().insert(seat.clone());
                router.clone().oneshot(request)
            });
            let stream = TokioIo::new(stream);
            let mut connection = pin!(http.serve_connection(stream, service).with_upgrades());
            let ended = match stopping.run_until_cancelled(connection.as_mut()).await {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
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
