//! What a message must be like before anybody looks for a frame in it.
//!
//! Invariant: one pass over the bytes, without recursion, in memory that does not depend on them.
//! Must never know: the frames.

use minicbor::Decoder;
use minicbor::data::Type;

use super::FrameError;

/// How deep lists and maps may lie in one another; frames need five.
const NESTING_MAX: usize = 16;

/// Whether `bytes` are exactly one CBOR item with definite lengths, without tags, nested no deeper
/// than any frame will ever be.
pub(super) fn check(bytes: &[u8]) -> Result<(), FrameError> {
    let mut decoder = Decoder::new(bytes);
    // How many items are still to come at each level.
    let mut left = [0_u64; NESTING_MAX];
    let mut depth = 0;
    left[0] = 1;
    loop {
        while left[depth] == 0 {
            let Some(outer) = depth.checked_sub(1) else {
                return match decoder.position() == bytes.len() {
                    true => Ok(()),
                    false => Err(FrameError::malformed("bytes after the frame")),
                };
            };
            depth = outer;
        }
        left[depth] -= 1;
        if let Some(inside) = next(&mut decoder)? {
            depth += 1;
            if depth == NESTING_MAX {
                return Err(FrameError::malformed("too much nesting"));
            }
            left[depth] = inside;
        }
    }
}

/// Steps over a plain item, or into a list or map: then how many items it holds.
fn next(decoder: &mut Decoder<'_>) -> Result<Option<u64>, FrameError> {
    let malformed = |error: minicbor::decode::Error| FrameError::malformed(error);
    match decoder.datatype().map_err(malformed)? {
        Type::Array => Ok(decoder.array().map_err(malformed)?),
        Type::Map => {
            let pairs = decoder.map().map_err(malformed)?.unwrap_or(0);
            // More than memory holds ends with the bytes in any case.
            Ok(Some(pairs.saturating_mul(2)))
        }
        Type::ArrayIndef | Type::MapIndef | Type::BytesIndef | Type::StringIndef => {
            Err(FrameError::malformed("lengths are definite"))
        }
        Type::Tag => Err(FrameError::malformed("tags have no meaning here")),
        Type::Break => Err(FrameError::malformed("the end of a list that has a length")),
        Type::Simple => {
            simple(decoder)?;
            Ok(None)
        }
        _ => {
            decoder.skip().map_err(malformed)?;
            Ok(None)
        }
    }
}

/// Steps over a simple value. The decoder takes those below 32 in two bytes too, which RFC 8949
/// (3.3) calls not well-formed.
fn simple(decoder: &mut Decoder<'_>) -> Result<(), FrameError> {
    let at = decoder.position();
    decoder.skip().map_err(FrameError::malformed)?;
    match decoder.input().get(at..decoder.position()) {
        Some([_, value @ 0..32]) => Err(FrameError::malformed(format_args!(
            "simple value {value} in two bytes"
        ))),
        _ => Ok(()),
    }
}
