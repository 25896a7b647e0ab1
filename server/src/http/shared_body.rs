//! The body of an answer, of parts that others hold too.
//!
//! Invariant: what a slow reader has not taken yet is held once, however many there are.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::taker::Taker;

/// Parts in their order, as far as they were not taken.
#[derive(Debug)]
struct SharedBody {
    parts: VecDeque<Bytes>,
    bytes_left: u64,
}

/// A body of these parts for one consumer, which holds each until it is written.
pub(super) fn of(parts: impl IntoIterator<Item = Bytes>, taker: &Taker) -> Body {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let parts: VecDeque<Bytes> = parts.map(|part| taker.consumer().held(part)).collect();
    let bytes_left = parts.iter().map(|part| part.len() as u64).sum();
    Body::new(SharedBody { parts, bytes_left })
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.parts.pop_front();
        self.bytes_left -= part.as_ref().map_or(0, |part| part.len() as u64);
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes_left)
    }
}
