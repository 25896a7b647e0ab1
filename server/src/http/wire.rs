//! The bytes of a connection, below HTTP.
//!
//! hyper answers by itself what it cannot parse (400, 414, 431), with an empty body and no way to
//! give another. Such an answer is recognised by its form, since ours always say what is wrong, and goes
//! out as a problem. Who still sends then is heard out for a while: on a connection that is closed
//! over unread bytes, the answer would be lost.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::patience::Patience;
use super::problem::Problem;
use super::target::Targets;
use super::{CLOSED, HARDENED};
use crate::config::BODY_REST_BYTES_MAX;

/// What an answer of hyper's own holds at most: its status, length and date.
const BARE_BYTES_MAX: usize = 256;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    patience: Patience,
    targets: Targets,
    /// The rest of an answer that goes out instead of another.
    instead: Bytes,
    /// How much of what still comes is thrown away before the connection is closed.
    rest_bytes: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, patience: Patience, targets: Targets) -> Self {
        Self {
            stream,
            patience,
            targets,
            instead: Bytes::new(),
            rest_bytes: 0,
        }
    }

    /// Writes what goes out instead of something else.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            drop(self.instead.split_to(written));
        }
        Poll::Ready(Ok(()))
    }

    /// Whether these bytes are an answer of hyper's own, for which another goes out.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        let problem = self
            .patience
            .is_between()
            .then(|| unparsed(bytes))
            .flatten();
        let is_other = problem.is_some();
        if let Some(problem) = problem {
            self.instead = answer(&problem);
            self.rest_bytes = BODY_REST_BYTES_MAX;
        }
        is_other
    }

    /// Notes what became of so many bytes.
    fn wrote(&self, written: Poll<io::Result<usize>>, offered: usize) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) if *bytes > 0 => self.patience.went(*bytes, *bytes == offered),
            Poll::Ready(_) => {}
            Poll::Pending => self.patience.stuck(),
        }
        written
    }
}

/// Bytes of an address that hyper takes.
const ADDRESS_BYTES_MAX: usize = (u16::MAX - 1) as usize;

/// The problem behind an answer of hyper's own.
fn unparsed(bytes: &[u8]) -> Option<Problem> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_bare = text.len() <= BARE_BYTES_MAX
        && text.contains("\r\ncontent-length: 0\r\n")
        && text.ends_with("\r\n\r\n");
    match text
        .strip_prefix("HTTP/1.1 ")?
        .get(..3)
        .filter(|_| is_bare)?
    {
        "400" => Some(Problem::bad_request(
            "this is no HTTP/1.1: its first line or a header field is malformed, the lengths that it \
             states contradict each other, or its Transfer-Encoding does not end with chunked",
        )),
        "414" => {
            let title = "The address is too long";
            let problem = Problem::new(StatusCode::URI_TOO_LONG, "too-big", title);
            Some(problem.detail(format!("at most {ADDRESS_BYTES_MAX} bytes")))
        }
        "431" => {
            let title = "The head of the request is too big";
            let problem = Problem::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too-big",
                title,
            );
            Some(problem.detail("it has at most 100 header fields and some 400 KB"))
        }
        _ => None,
    }
}

/// An answer after which the connection is closed.
fn answer(problem: &Problem) -> Bytes {
    let (status, body) = (problem.status(), problem.body().to_string());
    let hardened = HARDENED.into_iter().chain(CLOSED);
    let hardened: String = hardened
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\n{hardened}connection: close\r\ndate: {}\r\n\r\n{body}",
        body.len(),
        httpdate::fmt_http_date(std::time::SystemTime::now()),
    );
    head.into()
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.targets.came(&buffer.filled()[before..]);
            self.patience.came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        if let [only] = parts
            && self.replaces(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(written, parts.iter().map(|part| part.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        let mut thrown_away = [0; 4 << 10];
        while self.rest_bytes > 0 {
            let mut buffer = ReadBuf::new(&mut thrown_away);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let came = read.map_or(0, |()| buffer.filled().len());
            self.rest_bytes = match came {
                0 => 0,
                came => self.rest_bytes.saturating_sub(came),
            };
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    //! Guards against taking an answer of ours for one of hyper's.
    use super::*;

    #[test]
    fn only_bare_answers_are_replaced() {
        let bare = |status: &str| {
            format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\ndate: today\r\n\r\n").into_bytes()
        };
        for (status, is) in [
            ("400 Bad Request", true),
            ("414 URI Too Long", true),
            ("431 Request Header Fields Too Large", true),
            ("204 No Content", false),
            ("404 Not Found", false),
        ] {
            assert_eq!(unparsed(&bare(status)).is_some(), is, "{status}");
        }
        let ours = Problem::bad_request("why");
        assert!(unparsed(&answer(&ours)).is_none());
    }
}
