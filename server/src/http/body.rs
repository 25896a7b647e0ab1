//! The bodies of requests.
//!
//! Invariant: no body is read before its sender's rights are checked, and all that are being read
//! or served at a time share one bound in bytes; whoever brings more waits for room.
//!
//! Must not know: what is in them.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::App;
use super::problem::Problem;
use crate::config::{BODIES_BYTES_MAX, BODY_TIMEOUT};

/// What a permit stands for.
const UNIT_BYTES: usize = 4 << 10;

/// The room for bodies.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    /// All of it.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_BYTES_MAX / UNIT_BYTES)))
    }

    /// Waits for as much as `bytes` need.
    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = bytes.min(BODIES_BYTES_MAX).div_ceil(UNIT_BYTES).max(1);
        let units = u32::try_from(units).expect("the whole room has fewer units");
        let taken = Arc::clone(&self.0).acquire_many_owned(units).await;
        taken.expect("nobody closes the semaphore")
    }
}

/// A body, and the room that it takes for as long as it is held.
pub(crate) struct Held {
    bytes: Result<Bytes, Problem>,
    _room: OwnedSemaphorePermit,
}

impl Held {
    /// What came, or why it was not taken. The room stays taken until `self` goes: what is made of
    /// the bytes needs it, too.
    pub(crate) fn take(&mut self) -> Result<Bytes, Problem> {
        std::mem::replace(&mut self.bytes, Ok(Bytes::new()))
    }
}

/// Reads a body to its end. The sender's rights have been checked.
pub(crate) async fn read(app: &App, headers: &HeaderMap, body: Body) -> Held {
    let bytes_max = app.config.limits.entity_bytes_max;
    let told = headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    let too_big = || {
        let title = "The body is too big";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-big", title)
    };
    let room = app
        .bodies
        .take(told.unwrap_or(bytes_max).min(bytes_max))
        .await;
    let bytes = if told.is_some_and(|bytes| bytes > bytes_max) {
        Err(too_big())
    } else {
        match timeout(BODY_TIMEOUT, to_bytes(body, bytes_max)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) if is_limit(&error) => Err(too_big()),
            Ok(Err(error)) => Err(Problem::bad_request(error.to_string())),
            Err(_) => Err(Problem::bad_request("the body did not come in time")),
        }
    };
    Held { bytes, _room: room }
}

fn is_limit(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string().contains("length limit"))
}
