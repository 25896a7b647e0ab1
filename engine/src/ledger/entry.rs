//! Entries: what was admitted.

use minicbor::Decoder;

use super::codec::{
    self, Cbor, Encoded, RecordError, list, open_record, optional, put_optional_text, text,
    to_bytes,
};
use super::header::Header;
use crate::id::{Epoch, GlobalSeq, Hash, LogPlace, Seq};
use crate::time::Timestamp;

const VERSION: u64 = 1;
const FIELDS: u64 = 15;
const HASH_DOMAIN: &[u8] = b"indelible/entry/1\0";

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// The containers and defaults that an entity begins with.
    Genesis = 0,
    /// Admitted changes; the first of them is the entity's creation.
    Changes = 1,
    /// The entity was deleted.
    Deleted = 2,
    /// The entity's deletion was undone.
    Undeleted = 3,
    /// A new epoch begins.
    Epoch = 4,
    /// The entity migrated to a different policy.
    Policy = 5,
}

impl EntryKind {
    /// The kind in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Changes => "changes",
            Self::Deleted => "deleted",
            Self::Undeleted => "undeleted",
            Self::Epoch => "epoch",
            Self::Policy => "policy",
        }
    }

    /// Whether the stamps show an entry of this kind, because a principal wrote it. A genesis, a
    /// new epoch and a new policy are the server's own.
    #[must_use]
    pub fn is_stamped(self) -> bool {
        matches!(self, Self::Changes | Self::Deleted | Self::Undeleted)
    }
}

impl TryFrom<u8> for EntryKind {
    type Error = RecordError;

    fn try_from(code: u8) -> Result<Self, RecordError> {
        Ok(match code {
            0 => Self::Genesis,
            1 => Self::Changes,
            2 => Self::Deleted,
            3 => Self::Undeleted,
            4 => Self::Epoch,
            5 => Self::Policy,
            _ => {
                return Err(RecordError::Malformed(format!(
                    "unknown kind of entry {code}"
                )));
            }
        })
    }
}

/// When and by whom an imported entity says it was created. Only the system can claim this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// When.
    pub created_at: Option<Timestamp>,
    /// By whom: a principal's id.
    pub created_by: Option<String>,
}

/// An entry before it has its place among all others: what is known when a proposal is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraft {
    /// What it records.
    pub kind: EntryKind,
    /// Where it belongs and where it comes from. The entry's time is this one or later.
    pub header: Header,
    /// The admitted changes, as Automerge change chunks, in order.
    pub changes: Vec<Vec<u8>>,
    /// The heads of the document after it, in any order.
    pub heads: Vec<Hash>,
    /// Claims of an import.
    pub claimed: Option<Claimed>,
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it records.
    pub kind: EntryKind,
    /// Where it belongs and where it comes from. Its time is never before that of an entry with a
    /// smaller global seq.
    pub header: Header,
    /// The place among all entries.
    pub global: GlobalSeq,
    /// The admitted changes, as Automerge change chunks, in order.
    pub changes: Vec<Vec<u8>>,
    /// The heads of the document after it, sorted.
    pub heads: Vec<Hash>,
    /// Claims of an import.
    pub claimed: Option<Claimed>,
    /// The hash of the entity's entry before this one; zeros for the first.
    pub previous_hash: Hash,
}

/// An entry with its encoding and its hash, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// Its encoding.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
}

impl EntryDraft {
    /// Gives the draft its place and its time, and with them its hash.
    ///
    /// The time becomes `at` or the draft's own, whichever is later; the caller passes the time of
    /// the last entry in the whole ledger, so that time never runs backwards in it.
    pub fn seal(self, global: GlobalSeq, at: Timestamp, previous: Hash) -> Sealed {
        let mut heads = self.heads;
        heads.sort_unstable();
        heads.dedup();
        let mut header = self.header;
        header.at = header.at.max(at);
        let entry = Entry {
            kind: self.kind,
            header,
            global,
            changes: self.changes,
            heads,
            claimed: self.claimed,
            previous_hash: previous,
        };
        let bytes = entry.encode();
        let hash = Entry::hash_of(&bytes);
        Sealed { entry, bytes, hash }
    }
}

impl Entry {
    /// The one encoding of this entry.
    pub fn encode(&self) -> Vec<u8> {
        to_bytes(|cbor| self.write(cbor))
    }

    /// The hash of an entry with this encoding.
    pub fn hash_of(encoding: &[u8]) -> Hash {
        Hash::of(&[HASH_DOMAIN, encoding])
    }

    fn write(&self, cbor: &mut Cbor<'_>) -> Encoded {
        cbor.array(FIELDS)?.u64(VERSION)?.u8(self.kind as u8)?;
        let place = self.header.place;
        cbor.str(&self.header.entity.to_string())?;
        cbor.u64(place.epoch.0)?
            .u64(place.seq.0)?
            .u64(self.global.0)?;
        self.header.write_origin(cbor)?;
        cbor.array(self.changes.len() as u64)?;
        for change in &self.changes {
            cbor.bytes(change)?;
        }
        cbor.array(self.heads.len() as u64)?;
        for head in &self.heads {
            cbor.bytes(&head.0)?;
        }
        match &self.claimed {
            None => cbor.null()?.ok()?,
            Some(claimed) => {
                cbor.array(2)?;
                match claimed.created_at {
                    Some(at) => cbor.i64(at.0)?.ok()?,
                    None => cbor.null()?.ok()?,
                }
                put_optional_text(cbor, claimed.created_by.as_deref())?;
            }
        }
        cbor.bytes(&self.previous_hash.0)?.ok()
    }
}

/// Reads an entry from its encoding.
///
/// # Errors
///
/// [`RecordError`] when the bytes are not exactly the one encoding of an entry.
pub fn decode(bytes: &[u8]) -> Result<Entry, RecordError> {
    let entry = read(&mut Decoder::new(bytes))?;
    let sorted = entry.heads.is_sorted_by(|a, b| a < b);
    if !sorted || entry.encode() != bytes {
        return Err(RecordError::NotCanonical);
    }
    Ok(entry)
}

fn read(decoder: &mut Decoder<'_>) -> Result<Entry, RecordError> {
    open_record(decoder, FIELDS, VERSION)?;
    let kind = decoder.u8()?.try_into()?;
    let entity = codec::entity(decoder)?;
    let place = LogPlace::new(Epoch(decoder.u64()?), Seq(decoder.u64()?));
    let global = GlobalSeq(decoder.u64()?);
    Ok(Entry {
        kind,
        header: Header::read_origin(decoder, entity, place)?,
        global,
        changes: list(decoder, |decoder| Ok(decoder.bytes()?.to_vec()))?,
        heads: list(decoder, codec::hash)?,
        claimed: optional(decoder, read_claimed)?,
        previous_hash: codec::hash(decoder)?,
    })
}

fn read_claimed(decoder: &mut Decoder<'_>) -> Result<Claimed, RecordError> {
    if decoder.array()? != Some(2) {
        return Err(RecordError::Malformed("claims have two fields".to_owned()));
    }
    Ok(Claimed {
        created_at: optional(decoder, |decoder| Ok(Timestamp(decoder.i64()?)))?,
        created_by: optional(decoder, text)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::id::ProposalId;
    use crate::principal::Principal;

    pub(in crate::ledger) fn draft(seq: u64) -> EntryDraft {
        EntryDraft {
            kind: if seq == 0 {
                EntryKind::Genesis
            } else {
                EntryKind::Changes
            },
            header: Header {
                entity: "team/jane".parse().unwrap(),
                place: LogPlace::new(Epoch(1), Seq(seq)),
                proposal: Some(ProposalId([5; 16])),
                author: Principal::new("alice", ["editor", "admin"]),
                session: None,
                at: Timestamp(1_770_000_000_000),
                policy_hash: Hash([1; 32]),
            },
            changes: vec![vec![0x85; 30], vec![]],
            heads: vec![Hash([9; 32]), Hash([8; 32]), Hash([9; 32])],
            claimed: Some(Claimed {
                created_at: Some(Timestamp(-5)),
                created_by: None,
            }),
        }
    }

    #[test]
    fn a_sealed_entry_is_read_back_as_it_was() {
        let sealed = draft(3).seal(GlobalSeq(70), Timestamp(0), Hash([2; 32]));
        assert_eq!(sealed.entry.heads, [Hash([8; 32]), Hash([9; 32])]);
        assert_eq!(sealed.entry.header.at, Timestamp(1_770_000_000_000));
        assert_eq!(decode(&sealed.bytes), Ok(sealed.entry));
        assert_eq!(Entry::hash_of(&sealed.bytes), sealed.hash);
    }

    #[test]
    fn time_never_runs_backwards() {
        let last = Timestamp(1_800_000_000_000);
        assert_eq!(
            draft(1)
                .seal(GlobalSeq(1), last, Hash::ZERO)
                .entry
                .header
                .at,
            last
        );
    }

    #[test]
    fn other_encodings_of_the_same_entry_are_refused() {
        let sealed = draft(3).seal(GlobalSeq(7), Timestamp(0), Hash::ZERO);
        let bytes = &sealed.bytes;
        assert_eq!(bytes[1], 1, "the version comes first");
        let long_version = [&bytes[..1], &[0x18, 1], &bytes[2..]].concat();
        assert_eq!(decode(&long_version), Err(RecordError::NotCanonical));
        let trailing = [&bytes[..], &[0xf6]].concat();
        assert_eq!(decode(&trailing), Err(RecordError::NotCanonical));
        let mut unsorted = sealed.entry.clone();
        unsorted.heads.reverse();
        assert_eq!(decode(&unsorted.encode()), Err(RecordError::NotCanonical));
        let next_version = [&bytes[..1], &[2], &bytes[2..]].concat();
        assert_eq!(decode(&next_version), Err(RecordError::Version(2)));
        assert!(matches!(
            decode(&bytes[..bytes.len() - 1]),
            Err(RecordError::Malformed(_))
        ));
    }

    proptest::proptest! {
        /// Whatever bytes decode, they are the encoding of what they decode to.
        #[test]
        fn decoding_is_the_inverse_of_encoding(at in 0usize..1_000, bits in 1u8..) {
            let mut bytes = draft(3).seal(GlobalSeq(7), Timestamp(0), Hash::ZERO).bytes;
            let at = at % bytes.len();
            bytes[at] ^= bits;
            if let Ok(entry) = decode(&bytes) {
                proptest::prop_assert_eq!(entry.encode(), bytes);
            }
        }
    }
}
