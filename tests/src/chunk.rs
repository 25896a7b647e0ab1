//! Chunks by hand, after the Automerge binary document format: their frame (magic bytes, checksum,
//! type, length), and numbers in LEB128.

use indelible_engine::id::Hash;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE: u8 = 1;

/// A change chunk around any content, with the right length and checksum.
#[must_use]
pub fn change(content: &[u8]) -> Vec<u8> {
    sealed(CHANGE, content)
}

/// A chunk of any type around any content, with the right length and checksum.
#[must_use]
pub fn sealed(chunk_type: u8, content: &[u8]) -> Vec<u8> {
    checked(&[&[chunk_type], &unsigned(content.len() as u64)[..], content].concat())
}

/// Magic bytes and checksum before what the checksum covers.
#[must_use]
pub fn checked(covered: &[u8]) -> Vec<u8> {
    let checksum = &Hash::of(&[covered]).0[..4];
    [&MAGIC, checksum, covered].concat()
}

/// The content of what begins like a chunk.
#[must_use]
pub fn content(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&MAGIC)?.get(5..)?;
    let length = rest.iter().position(|byte| byte & 0x80 == 0)?;
    rest.get(length + 1..)
}

/// LEB128.
#[must_use]
pub fn unsigned(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Signed LEB128, as the lengths of runs are written.
#[must_use]
pub fn signed(mut value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !(-64..64).contains(&value) {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8 & 0x7f);
    bytes
}
