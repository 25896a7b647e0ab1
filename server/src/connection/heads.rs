//! The frames of a WebSocket as they come, held against RFC 6455.
//!
//! The transport would find most of what is wrong, too, but answers some of it itself, in words of its
//! own, and takes the rest.
//!
//! Invariant: what is against the rules is found before its last byte, which is kept from the transport.

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    /// A message is longer than its sender may send.
    #[error("a message of more than {0} bytes")]
    TooLong(u64),
    /// A frame is against the rules.
    #[error("{0}")]
    Rule(&'static str),
    /// A close gives a reason that is not UTF-8.
    #[error("the reason of a close is not UTF-8")]
    NotUtf8,
    /// A close in order, with its code if it has one. The transport takes no answers any more once it
    /// knows of it, and some to what came before may be on their way.
    #[error("closed by the peer")]
    Closed(Option<u16>),
}

/// The place in the frames that come.
#[derive(Debug, Default)]
pub(super) struct Heads {
    head: Vec<u8>,
    /// Of the frame whose head is known.
    payload_left: u64,
    /// Of the message, as far as heads show.
    announced: u64,
    /// Whether frames of a message came of which more are to come.
    is_divided: bool,
    /// Whether the frame ends a message, or is one by itself.
    ends: bool,
    /// The payload of a close that is coming, and what it is masked with.
    close: Option<([u8; MASK_BYTES], Vec<u8>)>,
}

/// The result of reading bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Came {
    pub(super) frames: usize,
    /// Whether a message has begun that has not ended.
    pub(super) is_open: bool,
    /// Whether one ended.
    pub(super) ended: bool,
    /// The longest that was announced.
    pub(super) announced: u64,
    /// What is against the rules, and how many bytes came before it.
    pub(super) flaw: Option<(usize, Flaw)>,
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;
const CLOSE: u8 = 0x08;
const MASKED: u8 = 0x80;
const MASK_BYTES: usize = 4;
const CONTROL_BYTES_MAX: u8 = 125;

impl Heads {
    /// Follows the frames over bytes that came, up to what is against the rules.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Came {
        let mut came = Came::default();
        let mut at = 0;
        while at < bytes.len() {
            if self.payload_left > 0 {
                at += self.pass(&bytes[at..]);
            } else {
                self.head.push(bytes[at]);
                at += 1;
            }
            if let Err(flaw) = self.advance(&mut came) {
                came.flaw = Some((at - 1, flaw));
                break;
            }
        }
        came.is_open = self.is_divided || self.payload_left > 0 || !self.head.is_empty();
        came
    }

    /// Takes what of the bytes belongs to the frame's payload.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let left = usize::try_from(self.payload_left).unwrap_or(usize::MAX);
        let passed = &bytes[..bytes.len().min(left)];
        self.payload_left -= passed.len() as u64;
        if let Some((_, payload)) = &mut self.close {
            payload.extend(passed);
        }
        passed.len()
    }

    /// Judges the head that is coming, and the frame where it is whole.
    fn advance(&mut self, came: &mut Came) -> Result<(), Flaw> {
        if !self.head.is_empty()
            && let Some(length) = judge(&self.head, self.is_divided).map_err(Flaw::Rule)?
        {
            self.begin(length, came);
        }
        if self.payload_left == 0 && self.head.is_empty() {
            if let Some((mask, payload)) = self.close.take() {
                return Err(close(mask, payload));
            }
            if self.ends {
                came.ended = true;
                (self.announced, self.ends) = (0, false);
            }
        }
        Ok(())
    }

    /// The head of a frame is whole.
    fn begin(&mut self, length: u64, came: &mut Came) {
        came.frames += 1;
        let is_last = self.head[0] & FIN != 0;
        if self.head[0] & CONTROL != 0 {
            self.ends = !self.is_divided;
        } else {
            self.ends = is_last;
            self.is_divided = !is_last;
            self.announced = self.announced.saturating_add(length);
            came.announced = came.announced.max(self.announced);
        }
        if self.head[0] & OPCODE == CLOSE {
            let mask = self.head.last_chunk().copied().unwrap_or_default();
            self.close = Some((mask, Vec::new()));
        }
        self.payload_left = length;
        self.head.clear();
    }
}

/// The length of a frame's payload, once its head is whole; or the rule that the head is against, as
/// soon as that shows.
fn judge(head: &[u8], is_divided: bool) -> Result<Option<u64>, &'static str> {
    if let [first] = head {
        return judge_first(*first, is_divided).map(|()| None);
    }
    let [first, second, rest @ ..] = head else {
        return Ok(None);
    };
    let short = second & !MASKED;
    if second & MASKED == 0 {
        return Err("a frame without a mask");
    }
    if first & CONTROL != 0 && short > CONTROL_BYTES_MAX {
        return Err("a control frame of more than 125 bytes");
    }
    let (length, least, bytes) = match short {
        126 => (
            rest.first_chunk()
                .map(|two| u16::from_be_bytes(*two).into()),
            126,
            2,
        ),
        127 => (
            rest.first_chunk().map(|eight| u64::from_be_bytes(*eight)),
            1 << 16,
            8,
        ),
        short => (Some(u64::from(short)), 0, 0),
    };
    match length {
        Some(length) if length < least => Err("a length in more bytes than it takes"),
        Some(length) if length >> 63 != 0 => Err("a length whose first bit is set"),
        length => Ok(length.filter(|_| rest.len() == bytes + MASK_BYTES)),
    }
}

fn judge_first(first: u8, is_divided: bool) -> Result<(), &'static str> {
    if first & RESERVED != 0 {
        return Err("a reserved bit is set");
    }
    match first & OPCODE {
        0 if !is_divided => Err("the next part of a message that has not begun"),
        1 | 2 if is_divided => Err("a message within another"),
        3..=7 | 11..=15 => Err("a reserved opcode"),
        8..=10 if first & FIN == 0 => Err("a control frame in parts"),
        _ => Ok(()),
    }
}

/// The meaning of a close with this payload: it may have none, or a code that may be sent and a reason.
fn close(mask: [u8; MASK_BYTES], mut payload: Vec<u8>) -> Flaw {
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload.is_empty() {
            true => Flaw::Closed(None),
            false => Flaw::Rule("a close code of one byte"),
        };
    };
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1013 | 3000..=4999) => match std::str::from_utf8(reason) {
            Ok(_) => Flaw::Closed(Some(code)),
            Err(_) => Flaw::NotUtf8,
        },
        _ => Flaw::Rule("a close code that may not be sent"),
    }
}

/// A frame as a client sends it, of zeros, masked with zeros.
#[cfg(test)]
pub(super) fn frame(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(length) {
        Ok(length @ 0..126) => bytes.push(MASKED | length as u8),
        Ok(length) => {
            bytes.push(MASKED | 126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(MASKED | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; MASK_BYTES]);
    bytes.extend(vec![0; length]);
    bytes
}

#[cfg(test)]
mod tests {
    //! Guards against frames that are counted wrongly where they come in pieces, and against rules that
    //! are found broken only after the transport had all of the frame.

    use super::*;

    #[test]
    fn frames_are_told_apart_however_they_come() {
        // A text of three frames with a ping between, then one of 70,000 bytes, then the head of one.
        let parts = [
            frame(0x01, 300),
            frame(0x00, 0),
            frame(0x89, 4),
            frame(0x80, 5),
            frame(0x82, 70_000),
            frame(0x82, 9)[..3].to_vec(),
        ];
        let bytes = parts.concat();
        for step in [1, 7, 4_096, bytes.len()] {
            let (mut heads, mut count, mut longest) = (Heads::default(), 0, 0);
            let mut ends = 0;
            let mut is_open = false;
            for chunk in bytes.chunks(step) {
                let came = heads.read(chunk);
                assert_eq!(came.flaw, None, "{step}");
                count += came.frames;
                longest = longest.max(came.announced);
                ends += usize::from(came.ended);
                is_open = came.is_open;
            }
            assert_eq!((count, longest, is_open), (5, 70_000, true), "{step}");
            assert!((1..=2).contains(&ends), "{step}");
        }
    }

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let came = Heads::default().read(&frame(0x82, length));
            assert_eq!(came.flaw, None, "{length}");
        }
        let padded = Flaw::Rule("a length in more bytes than it takes");
        for (head, flaw) in [
            (vec![0x82, 0xfe, 0, 125], padded),
            (vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], padded),
            (
                vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
                Flaw::Rule("a length whose first bit is set"),
            ),
        ] {
            let last = head.len() - 1;
            let bytes = [head, vec![0; MASK_BYTES]].concat();
            assert_eq!(Heads::default().read(&bytes).flaw, Some((last, flaw)));
        }
    }

    /// A close of a code and a reason, masked.
    fn close(payload: &[u8]) -> Vec<u8> {
        let mask = [0x5a, 0xa5, 0x0f, 0xf0];
        let masked = payload.iter().zip(mask.iter().cycle());
        let masked = masked.map(|(byte, mask)| byte ^ mask);
        let head = [0x88, MASKED | payload.len() as u8];
        head.into_iter().chain(mask).chain(masked).collect()
    }

    #[test]
    fn a_close_is_judged_before_its_last_byte_is_passed_on() {
        let unsendable = Flaw::Rule("a close code that may not be sent");
        for (payload, flaw) in [
            (&b""[..], Flaw::Closed(None)),
            (b"\x03\xe8", Flaw::Closed(Some(1000))),
            (b"\x03\xe8caf\xc3\xa9", Flaw::Closed(Some(1000))),
            (b"\x03", Flaw::Rule("a close code of one byte")),
            (b"\x03\xed", unsendable),
            (b"\x13\x88bye", unsendable),
            (b"\x03\xe8\xc3", Flaw::NotUtf8),
        ] {
            let ping = frame(0x89, 3);
            let bytes = [&ping[..], &close(payload)].concat();
            for step in [1, 5, bytes.len()] {
                let mut heads = Heads::default();
                let mut passed = 0;
                let mut found = None;
                for chunk in bytes.chunks(step) {
                    match heads.read(chunk).flaw {
                        Some((good, flaw)) => {
                            found = Some((passed + good, flaw));
                            break;
                        }
                        None => passed += chunk.len(),
                    }
                }
                let expected = Some((bytes.len() - 1, flaw));
                assert_eq!(found, expected, "{payload:02x?} by {step}");
            }
        }
    }

    #[test]
    fn nothing_counts_behind_a_close() {
        let bytes = [close(b"\x03\xe8"), vec![0xff; 20]].concat();
        let came = Heads::default().read(&bytes);
        let end = bytes.len() - 21;
        assert_eq!(
            (came.frames, came.flaw),
            (1, Some((end, Flaw::Closed(Some(1000)))))
        );
    }
}
