//! The lines of a bundle: their content and their only spelling.
//!
//! Only `spell` makes a line. A line that was read is valid only if spelling its content gives the
//! same bytes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use std::borrow::Cow;

use super::fault::Flaw;
use crate::id::{EntityId, Hash, LogPlace};
use crate::ledger::{Entry, RefusalRecord};
use crate::time::Timestamp;

/// What the first line of a bundle calls the format.
pub const FORMAT: &str = "indelible-bundle";

/// The version of the format that is written here.
pub const VERSION: u32 = 1;

/// No line is longer, in bytes. Whoever reads a file need not take more.
pub const LINE_BYTES_MAX: usize = 64 << 20;

const DIGEST_DOMAIN: &[u8] = b"indelible/bundle/1\0";
const ROOT_DOMAIN: &[u8] = b"indelible/root/1\0";

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    Header {
        format: &'a str,
        version: u32,
        policies: u64,
    },
    Policy {
        hash: Hash,
        text: &'a str,
    },
    Entry {
        global: u64,
        entity: &'a EntityId,
        epoch: u64,
        seq: u64,
        kind: &'a str,
        at: String,
        by: &'a str,
        hash: Hash,
        raw: &'a str,
    },
    Refusal {
        entity: &'a EntityId,
        number: u64,
        at: String,
        by: &'a str,
        hash: Hash,
        raw: &'a str,
    },
    Tail {
        entity: &'a EntityId,
        epoch: Option<u64>,
        seq: Option<u64>,
        hash: Option<Hash>,
        refusals: u64,
        refusal: Option<Hash>,
    },
    Trailer {
        made: String,
        policies: u64,
        entries: u64,
        refusals: u64,
        entities: u64,
        root: Hash,
        digest: Hash,
    },
}

/// What of a line is read; everything else in it follows from that.
#[derive(Debug, Deserialize)]
pub(super) struct Read<'a> {
    pub(super) line: &'a str,
    #[serde(default)]
    pub(super) version: Option<u32>,
    #[serde(default)]
    pub(super) policies: Option<u64>,
    #[serde(default, borrow)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) hash: Option<Hash>,
    #[serde(default)]
    pub(super) raw: Option<&'a str>,
    #[serde(default)]
    pub(super) entity: Option<&'a str>,
    #[serde(default)]
    pub(super) made: Option<&'a str>,
}

/// How the first line begins, in any version.
const BEGINNING: &[u8] = b"{\"line\":\"header\"";

/// Byte order marks.
const MARKS: [(&[u8], &str); 3] = [
    (b"\xef\xbb\xbf", "UTF-8"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

impl<'a> Read<'a> {
    /// Reads a line with what ends it.
    pub(super) fn of(line: &'a [u8]) -> Result<Self, Flaw> {
        if line.len() > LINE_BYTES_MAX {
            let reason = format!("it has more than {LINE_BYTES_MAX} bytes");
            return Err(Flaw::Malformed(reason));
        }
        let (text, wrong_end) = match line {
            [text @ .., b'\r', b'\n'] => (text, Some(Flaw::CarriageReturn)),
            [text @ .., b'\n'] => (text, None),
            text => (text, Some(Flaw::NoLineFeed)),
        };
        match (serde_json::from_slice(text), wrong_end) {
            (Ok(read), None) => Ok(read),
            (Ok(_), Some(wrong_end)) => Err(wrong_end),
            (Err(_), Some(Flaw::NoLineFeed)) => Err(Flaw::Cut),
            (Err(_), _) if text.is_empty() => Err(Flaw::Malformed("it is empty".to_owned())),
            (Err(error), _) => Err(malformed(&error)),
        }
    }

    /// Reads the first line, or says what sort of file begins with it.
    pub(super) fn first(line: &'a [u8]) -> Result<Self, Flaw> {
        if let Some((_, encoding)) = MARKS.iter().find(|(mark, _)| line.starts_with(mark)) {
            return Err(Flaw::Mark(encoding));
        }
        let begins = line.starts_with(BEGINNING) || BEGINNING.starts_with(line);
        match Self::of(line) {
            Err(Flaw::Malformed(_) | Flaw::Cut) if !begins => Err(Flaw::NoBundle),
            read => read,
        }
    }
}

/// What is wrong with the JSON of a line, and where in it.
fn malformed(error: &serde_json::Error) -> Flaw {
    let what = match error.classify() {
        Category::Eof => "it ends in the middle of its JSON".to_owned(),
        Category::Data => {
            let text = error.to_string();
            // `missing field `line``
            let field = text.strip_prefix("missing field `");
            match field.and_then(|rest| rest.split_once('`')) {
                Some((field, _)) => format!("its field {field:?} is missing"),
                None => "a field has a value of the wrong form".to_owned(),
            }
        }
        Category::Syntax | Category::Io => "it is not JSON".to_owned(),
    };
    Flaw::Malformed(format!("{what}, at its byte {}", error.column()))
}

impl Line<'_> {
    pub(super) fn spell(&self) -> String {
        let mut text = serde_json::to_string(self).expect("lines are plain JSON with text keys");
        text.push('\n');
        text
    }
}

/// The line of an entry with this hash and encoding.
pub(super) fn entry_line(entry: &Entry, hash: Hash, raw: &str) -> String {
    let header = &entry.header;
    let line = Line::Entry {
        global: entry.global.0,
        entity: &header.entity,
        epoch: header.place.epoch.0,
        seq: header.place.seq.0,
        kind: entry.kind.name(),
        at: header.at.to_rfc3339(),
        by: &header.author.id,
        hash,
        raw,
    };
    line.spell()
}

/// The line of a refusal with this hash and encoding.
pub(super) fn refusal_line(record: &RefusalRecord, hash: Hash, raw: &str) -> String {
    let header = &record.header;
    let line = Line::Refusal {
        entity: &header.entity,
        number: record.number,
        at: header.at.to_rfc3339(),
        by: &header.author.id,
        hash,
        raw,
    };
    line.spell()
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Where the records of one entity end.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// The last entry, if there is one.
    pub(super) entry: Option<(LogPlace, Hash)>,
    /// How many refusals there are, and the hash of the last.
    pub(super) refusals: u64,
    pub(super) refusal: Option<Hash>,
}

impl Tail {
    pub(super) fn line(&self, entity: &EntityId) -> String {
        let line = Line::Tail {
            entity,
            epoch: self.entry.map(|(place, _)| place.epoch.0),
            seq: self.entry.map(|(place, _)| place.seq.0),
            hash: self.entry.map(|(_, hash)| hash),
            refusals: self.refusals,
            refusal: self.refusal,
        };
        line.spell()
    }
}

/// One hash over all records: over the tails of all entities in order.
pub(super) fn root<'a>(tails: impl Iterator<Item = (&'a EntityId, &'a Tail)>) -> Hash {
    let mut text = Vec::new();
    for (entity, tail) in tails {
        text.extend(entity.to_string().into_bytes());
        text.push(0);
        let last = tail.entry.map_or(Hash::ZERO, |(_, hash)| hash);
        text.extend(last.0);
        text.extend(tail.refusal.unwrap_or(Hash::ZERO).0);
    }
    Hash::of(&[ROOT_DOMAIN, &text])
}

/// How much of what has gone by, and a running hash over it.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    pub(super) policies: u64,
    pub(super) entries: u64,
    pub(super) refusals: u64,
    digest: Hash,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self {
            policies: 0,
            entries: 0,
            refusals: 0,
            digest: Hash::ZERO,
        }
    }

    pub(super) fn add(&mut self, line: &[u8]) {
        self.digest = Hash::of(&[DIGEST_DOMAIN, &self.digest.0, line]);
    }

    /// The last line.
    pub(super) fn trailer(&self, tails: &BTreeMap<EntityId, Tail>, made: Timestamp) -> String {
        let trailer = |digest| Line::Trailer {
            made: made.to_rfc3339(),
            policies: self.policies,
            entries: self.entries,
            refusals: self.refusals,
            entities: tails.len() as u64,
            root: root(tails.iter()),
            digest,
        };
        // The digest covers the line that it is in, with zeros in its place.
        let mut all = self.clone();
        all.add(trailer(Hash::ZERO).spell().as_bytes());
        trailer(all.digest).spell()
    }
}
