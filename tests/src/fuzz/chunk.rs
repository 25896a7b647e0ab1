//! The frame of a change chunk: magic bytes, checksum, type, length.
//!
//! Invariant: what it makes has length and checksum right.
//! Must never know: what is in a change.

use indelible_engine::id::Hash;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE: u8 = 1;

/// A change chunk with this body.
pub(crate) fn around(body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![CHANGE];
    let mut length = body.len();
    while length > 0x7f {
        hashed.push(length as u8 | 0x80);
        length >>= 7;
    }
    hashed.push(length as u8);
    hashed.extend_from_slice(body);
    let checksum = Hash::of(&[&hashed]);
    [&MAGIC, &checksum.0[..4], &hashed].concat()
}

/// The body of what begins like a chunk.
pub(crate) fn body(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&MAGIC)?.get(5..)?;
    let length = rest.iter().position(|byte| byte & 0x80 == 0)?;
    rest.get(length + 1..)
}
