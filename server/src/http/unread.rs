//! What is left of a body when its request is answered already.
//!
//! A connection over which a body still comes cannot take another request, and proxies send the
//! next one as soon as they have the answer. So a short rest is waited for, and the end of the
//! connection is announced where more is to come.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{future, stream};
use tokio::time::timeout;

use super::fields;
use crate::config::{UNREAD_BYTES_MAX, UNREAD_WAIT};

/// A body that the handler reads, and then the middleware behind it.
struct Shared {
    body: Body,
    ended: bool,
}

impl Shared {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_data(cx));
        self.ended = matches!(next, None | Some(Err(_)));
        Poll::Ready(next)
    }

    /// The next bytes; what comes behind them may say nothing of them.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let names = frame.trailers_ref().into_iter().flat_map(|map| map.keys());
            if let Some(late) = { names }.find_map(|name| fields::early(name.as_str())) {
                return Poll::Ready(Some(Err(axum::Error::new(late))));
            }
            if let Ok(data) = frame.into_data() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }
}

/// Answers, and reads what is left or says that the connection ends.
pub(super) async fn mind(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Reading a body that its sender holds back until it is asked for would ask for it.
    let held_back = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let shared = Arc::new(Mutex::new(Shared { body, ended: false }));
    let poll = |shared: &Mutex<Shared>, cx: &mut Context<'_>| {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.poll(cx)
    };
    let handed = Arc::clone(&shared);
    let body = Body::from_stream(stream::poll_fn(move |cx| poll(&handed, cx)));
    let mut response = next.run(Request::from_parts(head, body)).await;
    let rest = async {
        let mut bytes = 0;
        while let Some(part) = future::poll_fn(|cx| poll(&shared, cx)).await {
            bytes += part.map_err(drop)?.len();
            if bytes > UNREAD_BYTES_MAX {
                return Err(());
            }
        }
        Ok(())
    };
    let ended = || {
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.ended
    };
    if !ended() && (held_back || !matches!(timeout(UNREAD_WAIT, rest).await, Ok(Ok(())))) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
