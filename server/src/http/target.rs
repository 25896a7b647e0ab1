//! Whether a request's target is read whole.
//!
//! A target has no fragment (RFC 9112, section 3.2). hyper takes one and drops it, and with it every
//! parameter behind the `#`. What it drops cannot be seen above it, so the first line of each request
//! is looked at below it, where requests are separated by the same framing.
//!
//! Invariant: bytes are looked at and never changed, and a request whose first line was not seen is
//! refused.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Of a line, so much is kept: names of fields with a length behind them are shorter.
const LINE_BYTES_MAX: usize = 256;

/// Requests that may be known ahead of their being handled; hyper reads fewer ahead.
const AHEAD_MAX: usize = 1 << 16;

/// The targets of the requests on one connection, for all that have to do with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets(Arc<Mutex<Reader>>);

/// Whether a target came whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Whole,
    /// There is a `#` in it.
    Cut,
    /// Nothing is known of it.
    Unseen,
}

impl Targets {
    /// Looks at what came.
    pub(super) fn came(&self, bytes: &[u8]) {
        self.reader().read(bytes);
    }

    /// The target of the next request.
    pub(super) fn next(&self) -> Target {
        self.reader().found.pop_front().unwrap_or(Target::Unseen)
    }

    /// What follows is not HTTP.
    pub(super) fn end(&self) {
        self.reader().end();
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses requests whose target was cut.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let detail = match request.extensions().get() {
        None | Some(Target::Whole) => return next.run(request).await,
        Some(Target::Cut) => {
            "the address has a # in it, behind which nothing would be read: write %23 for one that is \
             meant, and leave a fragment out"
        }
        Some(Target::Unseen) => {
            "the first line of the request cannot be separated from what came before it"
        }
    };
    Problem::bad_request(detail).into_response()
}

/// Where in a request the next byte is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// In its first line, or before it.
    #[default]
    First,
    /// In a header field.
    Field,
    /// In a body, of which so much is to come.
    Body(u64),
    /// In the line with the size of a chunk.
    Size,
    /// In a chunk, of which so much is to come.
    Chunk(u64),
    /// In the line end behind a chunk.
    ChunkEnd,
    /// In a trailer field.
    Trailer,
    /// Behind what can be followed.
    Lost,
}

/// Follows the requests on a connection.
#[derive(Debug, Default)]
struct Reader {
    place: Place,
    /// The beginning of the line, in lower case and without blanks.
    line: Vec<u8>,
    /// How many bytes the line has.
    line_bytes: usize,
    /// Its last byte.
    last: u8,
    /// Whether a blank came in the line, behind which a first line has its target.
    is_past_blank: bool,
    is_cut: bool,
    length: u64,
    is_chunked: bool,
    found: VecDeque<Target>,
}

impl Reader {
    fn read(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            bytes = match self.place {
                Place::Lost => return,
                Place::Body(left) => self.skip(bytes, left, Place::Body, Place::First),
                Place::Chunk(left) => self.skip(bytes, left, Place::Chunk, Place::ChunkEnd),
                _ => {
                    self.byte(*first);
                    rest
                }
            };
        }
    }

    /// Passes over what is no line, and gives what comes behind it.
    fn skip<'b>(
        &mut self,
        bytes: &'b [u8],
        left: u64,
        more: fn(u64) -> Place,
        then: Place,
    ) -> &'b [u8] {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - here as u64;
        self.place = if left == 0 { then } else { more(left) };
        &bytes[here..]
    }

    fn byte(&mut self, byte: u8) {
        // Lines of a head may end without a CR, those of chunks may not.
        let is_head = matches!(self.place, Place::First | Place::Field);
        if byte == b'\n' && (is_head || self.last == b'\r') {
            let is_empty = self.line_bytes == usize::from(self.last == b'\r');
            let line = mem::take(&mut self.line);
            self.place = self.after(&line, is_empty);
            self.line_bytes = 0;
            self.last = 0;
            self.is_past_blank = false;
            return;
        }
        self.line_bytes += 1;
        self.last = byte;
        self.is_past_blank |= byte == b' ';
        self.is_cut |= byte == b'#' && self.place == Place::First && self.is_past_blank;
        if self.line.len() < LINE_BYTES_MAX && !matches!(byte, b' ' | b'\t' | b'\r') {
            self.line.push(byte.to_ascii_lowercase());
        }
    }

    /// What comes behind a line.
    fn after(&mut self, line: &[u8], is_empty: bool) -> Place {
        match self.place {
            // Empty lines before a request are passed over.
            Place::First if is_empty => Place::First,
            Place::First => Place::Field,
            Place::Field if is_empty => self.head(),
            Place::Field => self.field(line),
            Place::Size => match chunk_size(line) {
                None => self.end(),
                Some(0) => Place::Trailer,
                Some(size) => Place::Chunk(size),
            },
            Place::ChunkEnd => Place::Size,
            Place::Trailer if is_empty => Place::First,
            other => other,
        }
    }

    /// The end of a head.
    fn head(&mut self) -> Place {
        let is_cut = mem::take(&mut self.is_cut);
        let length = mem::take(&mut self.length);
        if self.found.len() == AHEAD_MAX {
            return self.end();
        }
        self.found
            .push_back(if is_cut { Target::Cut } else { Target::Whole });
        if mem::take(&mut self.is_chunked) {
            return Place::Size;
        }
        match length {
            0 => Place::First,
            length => Place::Body(length),
        }
    }

    fn field(&mut self, line: &[u8]) -> Place {
        if line.starts_with(b"transfer-encoding:") {
            self.is_chunked = true;
        } else if let Some(length) = line.strip_prefix(b"content-length:") {
            match number(length, 10).filter(|_| line.len() < LINE_BYTES_MAX) {
                Some(length) => self.length = length,
                // hyper refuses the request, and ends the connection.
                None => return self.end(),
            }
        }
        Place::Field
    }

    fn end(&mut self) -> Place {
        self.place = Place::Lost;
        self.line = Vec::new();
        Place::Lost
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?;
    number(size, 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_plain = digits.first().is_some_and(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_plain)?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    //! Guards against a target that is cut unseen, and against text in a body that is taken for one.
    use super::*;

    fn found(text: &str, at_once: usize) -> Vec<bool> {
        let targets = Targets::default();
        for part in text.as_bytes().chunks(at_once) {
            targets.came(part);
        }
        let next = || Some(targets.next()).filter(|target| *target != Target::Unseen);
        std::iter::from_fn(next)
            .map(|target| target == Target::Cut)
            .collect()
    }

    #[test]
    fn fragments_are_seen_in_first_lines_only() {
        for (text, cut) in [
            ("GET /a#b HTTP/1.1\r\n\r\n", vec![true]),
            ("GET http://h#b HTTP/1.1\r\n\r\n", vec![true]),
            ("GET /a?b=%23 HTTP/1.1\r\nX: #\r\n\r\n", vec![false]),
            (
                "\r\n\nGET /a#b HTTP/1.1\nX: y\n\nGET / HTTP/1.1\n\n",
                vec![true, false],
            ),
            ("G#T / HTTP/1.1\r\n\r\n", vec![false]),
            (
                "PUT /a HTTP/1.1\r\nContent-Length : x\r\nCONTENT-LENGTH:  014\r\n\r\nGET /#b H\r\n\r\n\
                 GET /#c HTTP/1.1\r\n\r\n",
                vec![],
            ),
            (
                "PUT /a HTTP/1.1\r\nCONTENT-LENGTH:  013\r\n\r\nGET /#b H\r\n\r\n\
                 GET /#c HTTP/1.1\r\n\r\n",
                vec![false, true],
            ),
            (
                "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n\
                 D;x=#\r\nGET /#b H\r\n\r\n\r\n0\r\nX: GET /#b\n\nY: z\r\n\r\n\
                 GET /#c HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                vec![false, true, false],
            ),
        ] {
            for at_once in [1, 2, 7, text.len()] {
                assert_eq!(found(text, at_once), cut, "{text:?}");
            }
        }
    }

    #[test]
    fn nothing_is_looked_at_behind_http() {
        let targets = Targets::default();
        targets.came(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(targets.next(), Target::Whole);
        targets.end();
        targets.came(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(targets.next(), Target::Unseen);
    }
}
