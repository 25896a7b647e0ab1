//! Writes a bundle.
//!
//! The caller passes the policies in the order of their hashes, then the entries in global order,
//! then the refusals in the order of entities and numbers. A verifier accepts no other order.

use std::collections::BTreeMap;

use super::line::{FORMAT, Line, Sum, Tail, VERSION, entry_line, refusal_line, to_base64};
use crate::id::{EntityId, Hash};
use crate::ledger::{RecordError, decode, decode_refusal};
use crate::time::Timestamp;

/// Makes the lines of a bundle, each ending in a newline.
#[derive(Debug)]
pub struct Writer {
    sum: Sum,
    tails: BTreeMap<EntityId, Tail>,
    latest: Timestamp,
}

impl Writer {
    /// A bundle with this many policies; gives its first line.
    #[must_use]
    pub fn new(policies: u64) -> (Self, String) {
        let mut writer = Self {
            sum: Sum::new(),
            tails: BTreeMap::new(),
            latest: Timestamp(0),
        };
        let header = Line::Header {
            format: FORMAT,
            version: VERSION,
            policies,
        };
        let line = writer.added(header.spell());
        (writer, line)
    }

    fn added(&mut self, line: String) -> String {
        self.sum.add(line.as_bytes());
        line
    }

    /// The line of a policy's text.
    pub fn policy(&mut self, hash: Hash, text: &str) -> String {
        self.sum.policies += 1;
        self.added(Line::Policy { hash, text }.spell())
    }

    /// The line of an entry.
    ///
    /// # Errors
    /// When the bytes are not an entry.
    pub fn entry(&mut self, bytes: &[u8], hash: Hash) -> Result<String, RecordError> {
        let entry = decode(bytes)?;
        let tail = self.tails.entry(entry.header.entity.clone()).or_default();
        tail.entry = Some((entry.header.place, hash));
        self.latest = self.latest.max(entry.header.at);
        self.sum.entries += 1;
        Ok(self.added(entry_line(&entry, hash, &to_base64(bytes))))
    }

    /// The line of a refusal.
    ///
    /// # Errors
    /// When the bytes are not a refusal.
    pub fn refusal(&mut self, bytes: &[u8], hash: Hash) -> Result<String, RecordError> {
        let record = decode_refusal(bytes)?;
        let tail = self.tails.entry(record.header.entity.clone()).or_default();
        (tail.refusals, tail.refusal) = (tail.refusals + 1, Some(hash));
        self.sum.refusals += 1;
        self.latest = self.latest.max(record.header.at);
        Ok(self.added(refusal_line(&record, hash, &to_base64(bytes))))
    }

    /// The last lines: where each entity's records end, and the sum of all. `made` is when the
    /// bundle was made; a clock that is before the latest record is not believed.
    #[must_use]
    pub fn finish(mut self, made: Timestamp) -> String {
        let mut lines = String::new();
        for (entity, tail) in &self.tails {
            let line = tail.line(entity);
            self.sum.add(line.as_bytes());
            lines.push_str(&line);
        }
        lines + &self.sum.trailer(&self.tails, made.max(self.latest))
    }

    /// One hash over all records written so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        super::line::root(self.tails.iter())
    }
}
