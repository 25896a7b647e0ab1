//! Headers and columns of changes by hand, after the Automerge binary document format.

use indelible_tests::chunk;
pub(super) use indelible_tests::chunk::{checked, sealed, signed, unsigned};

/// The content of a change chunk.
pub(super) fn content(chunk: &[u8]) -> &[u8] {
    chunk::content(chunk).expect("a chunk")
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
            out.extend(unsigned(bytes.len() as u64));
            out.extend(bytes);
        };
        field(&mut out, &self.actor);
        out.extend(unsigned(self.seq));
        out.extend(unsigned(self.start_op));
        out.extend(signed(self.time));
        field(&mut out, &self.message);
        out.extend(unsigned(self.others.len() as u64));
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
        out.extend(unsigned(*number));
        out.extend(unsigned(data.len() as u64));
    }
    columns.iter().for_each(|(_, data)| out.extend(data));
    out
}
