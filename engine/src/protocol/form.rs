//! Structural checks on a message before it is decoded as a frame: one pass over the bytes, without
//! recursion, in constant memory.

use std::fmt;

use minicbor::Decoder;
use minicbor::data::Type;

use super::FrameError;

/// How deep lists and maps may be nested; frames need five levels.
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
                let end = decoder.position();
                return match end == bytes.len() {
                    true => Ok(()),
                    false => Err(wrong(end, "bytes after the frame")),
                };
            };
            depth = outer;
        }
        left[depth] -= 1;
        let at = decoder.position();
        if let Some(inside) = next(&mut decoder)? {
            depth += 1;
            if depth == NESTING_MAX {
                let what = format_args!("lists and maps in more than {} others", NESTING_MAX - 2);
                return Err(wrong(at, what));
            }
            left[depth] = inside;
        }
    }
}

/// What is wrong, and where.
pub(super) fn wrong(at: usize, what: impl fmt::Display) -> FrameError {
    FrameError::malformed(format_args!("{what}, at byte {at}"))
}

/// Steps over a plain item, or into a list or map: then how many items it holds.
fn next(decoder: &mut Decoder<'_>) -> Result<Option<u64>, FrameError> {
    let at = decoder.position();
    let unsound = |error: minicbor::decode::Error| match error.is_end_of_input() {
        true => wrong(at, "the bytes end within the value that begins"),
        false => wrong(at, "a value that is not well-formed"),
    };
    match decoder.datatype().map_err(unsound)? {
        Type::Array => decoder.array().map_err(unsound),
        Type::Map => {
            let pairs = decoder.map().map_err(unsound)?.unwrap_or(0);
            // More than memory holds ends with the bytes in any case.
            Ok(Some(pairs.saturating_mul(2)))
        }
        Type::ArrayIndef | Type::MapIndef | Type::BytesIndef | Type::StringIndef => {
            Err(wrong(at, "a length that is not definite"))
        }
        Type::Tag => Err(wrong(at, "a tag, which has no meaning here")),
        Type::Break => Err(wrong(at, "the end of a list that has a length")),
        Type::String => match decoder.str() {
            Err(error) if !error.is_end_of_input() => Err(wrong(at, "a text that is not UTF-8")),
            text => text.map(|_| None).map_err(unsound),
        },
        Type::Simple => {
            decoder.skip().map_err(unsound)?;
            simple(at, decoder)
        }
        _ => {
            decoder.skip().map_err(unsound)?;
            Ok(None)
        }
    }
}

/// Looks at a simple value that was stepped over. The decoder takes those below 32 in two bytes too,
/// which RFC 8949 (3.3) calls not well-formed.
fn simple(at: usize, decoder: &Decoder<'_>) -> Result<Option<u64>, FrameError> {
    match decoder.input().get(at..decoder.position()) {
        Some([_, value @ 0..32]) => {
            Err(wrong(at, format_args!("simple value {value} in two bytes")))
        }
        _ => Ok(None),
    }
}
