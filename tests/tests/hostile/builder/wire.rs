//! Chunks and columns by hand, after the Automerge binary document format.

use indelible_engine::id::Hash;

/// A chunk around any content, with a good checksum.
pub(super) fn seal(chunk_type: u8, content: &[u8]) -> Vec<u8> {
    let mut hashed = vec![chunk_type];
    put_unsigned(&mut hashed, content.len() as u64);
    hashed.extend_from_slice(content);
    around(&hashed)
}

/// Magic bytes and checksum before what the checksum covers.
pub(super) fn around(hashed: &[u8]) -> Vec<u8> {
    let checksum = &Hash::of(&[hashed]).0[..4];
    [&[0x85, 0x6f, 0x4a, 0x83], checksum, hashed].concat()
}

/// What stands in a change chunk.
pub(super) fn content(chunk: &[u8]) -> &[u8] {
    let mut at = 9;
    while chunk[at] & 0x80 != 0 {
        at += 1;
    }
    &chunk[at + 1..]
}

/// LEB128.
pub(super) fn unsigned(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_unsigned(&mut out, value);
    out
}

pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Signed LEB128, as the lengths of runs are written.
pub(super) fn signed(mut value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = value as u8 & 0x7f;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// The fields of a change before its columns.
pub(super) struct Header {
    pub(super) deps: Vec<[u8; 32]>,
    pub(super) actor: Vec<u8>,
    pub(super) seq: u64,
    pub(super) start_op: u64,
    pub(super) time: i64,
    pub(super) message: Vec<u8>,
    pub(super) others: Vec<Vec<u8>>,
}

impl Header {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = unsigned(self.deps.len() as u64);
        self.deps.iter().for_each(|dep| out.extend(dep));
        let field = |out: &mut Vec<u8>, bytes: &[u8]| {
            put_unsigned(out, bytes.len() as u64);
            out.extend(bytes);
        };
        field(&mut out, &self.actor);
        put_unsigned(&mut out, self.seq);
        put_unsigned(&mut out, self.start_op);
        out.extend(signed(self.time));
        field(&mut out, &self.message);
        put_unsigned(&mut out, self.others.len() as u64);
        self.others.iter().for_each(|other| field(&mut out, other));
        out
    }
}

/// Numbers and data of columns.
pub(super) type Columns = Vec<(u64, Vec<u8>)>;

pub(super) const OBJECT_ACTOR: u64 = 0x01;
pub(super) const OBJECT_COUNTER: u64 = 0x02;
pub(super) const KEY_ACTOR: u64 = 0x11;
pub(super) const KEY_COUNTER: u64 = 0x13;
pub(super) const KEY_STRING: u64 = 0x15;
pub(super) const INSERT: u64 = 0x34;
pub(super) const ACTION: u64 = 0x42;
pub(super) const VALUE_METADATA: u64 = 0x56;
pub(super) const VALUE: u64 = 0x57;
pub(super) const PREDECESSOR_COUNT: u64 = 0x70;
pub(super) const PREDECESSOR_ACTOR: u64 = 0x71;
pub(super) const PREDECESSOR_COUNTER: u64 = 0x73;
pub(super) const EXPAND: u64 = 0x94;
pub(super) const MARK_NAME: u64 = 0xa5;

/// A run of `count` equal values.
pub(super) fn run(count: i64, value: &[u8]) -> Vec<u8> {
    [&signed(count), value].concat()
}

/// `count` times the same operation: put null at the root's key "tagline".
pub(super) fn puts(count: u32) -> Columns {
    let count = i64::from(count);
    vec![
        (KEY_STRING, run(count, b"\x07tagline")),
        (INSERT, unsigned(count.unsigned_abs())),
        (ACTION, run(count, &[1])),
        (VALUE_METADATA, run(count, &[0])),
        (PREDECESSOR_COUNT, run(count, &[0])),
    ]
}

/// Columns as they stand in a change.
pub(super) fn columns(columns: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = unsigned(columns.len() as u64);
    for (number, data) in columns {
        put_unsigned(&mut out, *number);
        put_unsigned(&mut out, data.len() as u64);
    }
    columns.iter().for_each(|(_, data)| out.extend(data));
    out
}
