//! Refusal records: what policy refused, to whom, and why.

use minicbor::Decoder;

use super::chain::ChainError;
use super::codec::{
    self, Cbor, Encoded, RecordError, list, open_record, optional, put_optional_bytes,
    put_optional_text, text, to_bytes,
};
use super::header::Header;
use crate::id::{EntityId, Epoch, Hash, LogPlace, Seq};
use crate::pointer::Pointer;
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::violation::ViolationReport;

const VERSION: u64 = 1;
const FIELDS: u64 = 17;
const HASH_DOMAIN: &[u8] = b"indelible/refusal/1\0";

/// How many bytes the encoding of a refusal has at most.
pub const REFUSAL_BYTES_MAX: usize = 4096;

// Bounds on the parts, chosen so that a record without violations stays below half of the whole.
const AUTHOR_TEXT_BYTES_MAX: usize = 256;
const ROLES_MAX: usize = 16;
const ROLE_BYTES_MAX: usize = 64;
const CODE_BYTES_MAX: usize = 64;
const VIOLATION_TEXT_BYTES_MAX: usize = 256;
const VIOLATION_OPS_MAX: usize = 32;
/// The header of the list of violations, when it is as long as it can become in a record.
const LIST_HEADER_BYTES_MAX: usize = 3;

/// A refusal before it has its place in the entity's chain of refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalDraft {
    /// What was refused. The record's time is this one or later.
    pub header: Header,
    /// The stable code of the refusal.
    pub code: String,
    /// How many changes at the beginning of the proposal were admitted.
    pub admitted: u32,
    /// The hash of the first refused change.
    pub change: Option<Hash>,
    /// What was wrong.
    pub violations: Vec<ViolationReport>,
    /// How many further refusals of the same author this record counts.
    pub further: u64,
}

/// A refusal in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRecord {
    /// What was refused; long texts of the author are cut.
    pub header: Header,
    /// The place in the entity's chain of refusals, from 0, through all epochs.
    pub number: u64,
    /// The stable code of the refusal.
    pub code: String,
    /// How many changes at the beginning of the proposal were admitted.
    pub admitted: u32,
    /// The hash of the first refused change.
    pub change: Option<Hash>,
    /// How many violations there were.
    pub violations_total: u64,
    /// The first of them, as many as fit, with long texts cut.
    pub violations: Vec<ViolationReport>,
    /// How many further refusals of the same author this record counts.
    pub further: u64,
    /// The hash of the refusal before this one; zeros for the first.
    pub previous_hash: Hash,
}

/// A refusal with its encoding and its hash, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRefusal {
    /// The record.
    pub record: RefusalRecord,
    /// Its encoding, at most [`REFUSAL_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
}

impl RefusalDraft {
    /// Gives the draft its place and its time, cuts it to size, and hashes it.
    pub fn seal(self, number: u64, at: Timestamp, previous: Hash) -> SealedRefusal {
        let violations_total = self.violations.len() as u64;
        let mut header = self.header;
        header.author = clip_principal(header.author);
        header.at = header.at.max(at);
        let mut record = RefusalRecord {
            header,
            number,
            code: clip(self.code, CODE_BYTES_MAX),
            admitted: self.admitted,
            change: self.change,
            violations_total,
            violations: Vec::new(),
            further: self.further,
            previous_hash: previous,
        };
        let mut room = REFUSAL_BYTES_MAX
            .checked_sub(record.encode().len() + LIST_HEADER_BYTES_MAX)
            .expect("everything but the violations is cut to half of the bound");
        for violation in self.violations {
            let violation = clip_violation(violation);
            let length = to_bytes(|cbor| write_violation(cbor, &violation)).len();
            if length > room {
                break;
            }
            room -= length;
            record.violations.push(violation);
        }
        let bytes = record.encode();
        let hash = RefusalRecord::hash_of(&bytes);
        SealedRefusal {
            record,
            bytes,
            hash,
        }
    }
}

/// Cuts a text at a character boundary and marks the cut.
fn clip(mut text: String, bytes_max: usize) -> String {
    const MARK: char = '…';
    if text.len() > bytes_max {
        let mut at = bytes_max - MARK.len_utf8();
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.truncate(at);
        text.push(MARK);
    }
    text
}

fn clip_principal(principal: Principal) -> Principal {
    Principal {
        id: clip(principal.id, AUTHOR_TEXT_BYTES_MAX),
        name: principal.name.map(|name| clip(name, AUTHOR_TEXT_BYTES_MAX)),
        roles: principal
            .roles
            .into_iter()
            .take(ROLES_MAX)
            .map(|role| clip(role, ROLE_BYTES_MAX))
            .collect(),
    }
}

fn clip_violation(mut violation: ViolationReport) -> ViolationReport {
    let cut = |text| clip(text, VIOLATION_TEXT_BYTES_MAX);
    violation.ops.truncate(VIOLATION_OPS_MAX);
    violation.pointer = clip_pointer(violation.pointer);
    violation.rule = cut(violation.rule);
    violation.attempted = violation.attempted.map(cut);
    violation.kept = violation.kept.map(cut);
    violation.message = cut(violation.message);
    // Names another entity, which is not for all who read this one's ledger.
    violation.holder = None;
    // The policy says it, and the record names that.
    violation.bound = None;
    violation
}

/// Cuts a pointer between two steps and marks the cut with a last step.
fn clip_pointer(pointer: Pointer) -> Pointer {
    let mut room = VIOLATION_TEXT_BYTES_MAX;
    let fits = |token: &&String| {
        // A step takes a slash, and an escaped character twice its place.
        let left = room.checked_sub(1 + 2 * token.len());
        room = left.unwrap_or(0);
        left.is_some()
    };
    let mut kept: Pointer = pointer.tokens().iter().take_while(fits).cloned().collect();
    if kept.tokens().len() == pointer.tokens().len() {
        return pointer;
    }
    kept.push("…");
    kept
}

impl RefusalRecord {
    /// The one encoding of this record.
    pub fn encode(&self) -> Vec<u8> {
        to_bytes(|cbor| self.write(cbor))
    }

    /// The hash of a refusal record with this encoding.
    pub fn hash_of(encoding: &[u8]) -> Hash {
        Hash::of(&[HASH_DOMAIN, encoding])
    }

    fn write(&self, cbor: &mut Cbor<'_>) -> Encoded {
        cbor.array(FIELDS)?
            .u64(VERSION)?
            .str(&self.header.entity.to_string())?;
        let place = self.header.place;
        cbor.u64(self.number)?
            .u64(place.epoch.0)?
            .u64(place.seq.0)?;
        self.header.write_origin(cbor)?;
        cbor.str(&self.code)?.u32(self.admitted)?;
        put_optional_bytes(cbor, self.change.as_ref().map(|hash| &hash.0[..]))?;
        cbor.u64(self.violations_total)?
            .array(self.violations.len() as u64)?;
        for violation in &self.violations {
            write_violation(cbor, violation)?;
        }
        cbor.u64(self.further)?.bytes(&self.previous_hash.0)?.ok()
    }
}

fn write_violation(cbor: &mut Cbor<'_>, violation: &ViolationReport) -> Encoded {
    cbor.array(7)?
        .u32(violation.change)?
        .array(violation.ops.len() as u64)?;
    for op in &violation.ops {
        cbor.u32(*op)?;
    }
    cbor.str(&violation.pointer.to_string())?
        .str(&violation.rule)?;
    put_optional_text(cbor, violation.attempted.as_deref())?;
    put_optional_text(cbor, violation.kept.as_deref())?;
    cbor.str(&violation.message)?.ok()
}

/// Reads a refusal record from its encoding.
///
/// # Errors
///
/// [`RecordError`] when the bytes are not exactly the one encoding of a refusal record.
pub fn decode_refusal(bytes: &[u8]) -> Result<RefusalRecord, RecordError> {
    let record = read(&mut Decoder::new(bytes))?;
    if record.encode() != bytes {
        return Err(RecordError::NotCanonical);
    }
    Ok(record)
}

fn read(decoder: &mut Decoder<'_>) -> Result<RefusalRecord, RecordError> {
    open_record(decoder, FIELDS, VERSION)?;
    let entity = codec::entity(decoder)?;
    let number = decoder.u64()?;
    let place = LogPlace::new(Epoch(decoder.u64()?), Seq(decoder.u64()?));
    Ok(RefusalRecord {
        header: Header::read_origin(decoder, entity, place)?,
        number,
        code: text(decoder)?,
        admitted: decoder.u32()?,
        change: optional(decoder, codec::hash)?,
        violations_total: decoder.u64()?,
        violations: list(decoder, read_violation)?,
        further: decoder.u64()?,
        previous_hash: codec::hash(decoder)?,
    })
}

fn read_violation(decoder: &mut Decoder<'_>) -> Result<ViolationReport, RecordError> {
    if decoder.array()? != Some(7) {
        return Err(RecordError::Malformed(
            "a violation has seven fields".to_owned(),
        ));
    }
    Ok(ViolationReport {
        change: decoder.u32()?,
        ops: list(decoder, |decoder| Ok(decoder.u32()?))?,
        pointer: decoder
            .str()?
            .parse()
            .map_err(|error| RecordError::Malformed(format!("pointer of a violation: {error}")))?,
        rule: text(decoder)?,
        attempted: optional(decoder, text)?,
        kept: optional(decoder, text)?,
        holder: None,
        bound: None,
        message: text(decoder)?,
    })
}

/// Checks one entity's refusals one by one, from the first.
#[derive(Debug, Clone, Default)]
pub struct RefusalChain {
    checked: u64,
    last: Option<(EntityId, Timestamp, Hash)>,
}

impl RefusalChain {
    /// Checks the next refusal: its encoding, its hash, that it names its predecessor, that its
    /// number is the next, and that time does not run back.
    ///
    /// # Errors
    ///
    /// [`ChainError`]; the chain is unchanged then.
    pub fn check(&mut self, bytes: &[u8], hash: Hash) -> Result<RefusalRecord, ChainError> {
        let index = self.index();
        let record =
            decode_refusal(bytes).map_err(|source| ChainError::Record { index, source })?;
        self.check_decoded(&record, bytes, hash)?;
        Ok(record)
    }

    fn index(&self) -> usize {
        usize::try_from(self.checked).unwrap_or(usize::MAX)
    }

    /// Checks the next refusal, which was decoded from these bytes.
    pub(crate) fn check_decoded(
        &mut self,
        record: &RefusalRecord,
        bytes: &[u8],
        hash: Hash,
    ) -> Result<(), ChainError> {
        let index = self.index();
        if RefusalRecord::hash_of(bytes) != hash {
            return Err(ChainError::Hash { index });
        }
        if record.previous_hash != self.hash().unwrap_or(Hash::ZERO) {
            return Err(ChainError::Previous { index });
        }
        if record.number != self.checked {
            return Err(ChainError::Order { index });
        }
        if let Some((entity, at, _)) = &self.last {
            if record.header.entity != *entity {
                return Err(ChainError::Entity { index });
            }
            if record.header.at < *at {
                return Err(ChainError::Time { index });
            }
        }
        self.checked += 1;
        let header = &record.header;
        self.last = Some((header.entity.clone(), header.at, hash));
        Ok(())
    }

    /// The hash of the last refusal checked.
    #[must_use]
    pub fn hash(&self) -> Option<Hash> {
        self.last.as_ref().map(|(.., hash)| *hash)
    }
}

/// Checks an entity's chain of refusals from its beginning: encodings, hashes, numbers, time.
/// Returns the hash of the last one, `None` if there is none.
///
/// # Errors
///
/// [`ChainError`] for the first record that does not fit.
pub fn verify_refusal_chain<B: AsRef<[u8]>>(
    records: impl IntoIterator<Item = (B, Hash)>,
) -> Result<Option<Hash>, ChainError> {
    let mut chain = RefusalChain::default();
    for (bytes, hash) in records {
        chain.check(bytes.as_ref(), hash)?;
    }
    Ok(chain.hash())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ProposalId, SessionId};

    fn draft(violations: usize, text: &str) -> RefusalDraft {
        let report = ViolationReport {
            change: 1,
            ops: (0..1_000).collect(),
            pointer: std::iter::repeat_n(text, 20).collect(),
            rule: text.to_owned(),
            attempted: Some(text.to_owned()),
            kept: None,
            holder: None,
            bound: None,
            message: text.to_owned(),
        };
        RefusalDraft {
            header: Header {
                entity: format!("{}/{}", "k".repeat(32), "i".repeat(64))
                    .parse()
                    .unwrap(),
                place: LogPlace::new(Epoch(u64::MAX), Seq(u64::MAX)),
                proposal: Some(ProposalId([255; 16])),
                author: Principal {
                    id: text.to_owned(),
                    name: Some(text.to_owned()),
                    roles: (0..100).map(|role| format!("{role}{text}")).collect(),
                },
                session: Some(SessionId([255; 16])),
                at: Timestamp(i64::MIN),
                policy_hash: Hash([255; 32]),
            },
            code: text.to_owned(),
            admitted: u32::MAX,
            change: Some(Hash([255; 32])),
            violations: vec![report; violations],
            further: u64::MAX,
        }
    }

    #[test]
    fn a_record_always_fits_and_says_how_much_was_cut() {
        for text in ["", "short", &"é".repeat(1_000)] {
            for violations in [0, 1, 50] {
                let sealed = draft(violations, text).seal(u64::MAX, Timestamp(0), Hash::ZERO);
                assert!(
                    sealed.bytes.len() <= REFUSAL_BYTES_MAX,
                    "{}",
                    sealed.bytes.len()
                );
                assert_eq!(sealed.record.violations_total, violations as u64);
                assert!(violations == 0 || !sealed.record.violations.is_empty());
                assert_eq!(decode_refusal(&sealed.bytes), Ok(sealed.record));
            }
        }
    }

    #[test]
    fn chains_hold_together() {
        let first = draft(1, "a").seal(0, Timestamp(5), Hash::ZERO);
        let second = draft(0, "b").seal(1, Timestamp(5), first.hash);
        let early = draft(0, "b").seal(1, Timestamp(4), first.hash);
        let chain = |records: &[&SealedRefusal]| {
            verify_refusal_chain(records.iter().map(|r| (r.bytes.clone(), r.hash)))
        };
        assert_eq!(chain(&[]), Ok(None));
        assert_eq!(chain(&[&first, &second]), Ok(Some(second.hash)));
        assert_eq!(chain(&[&second]), Err(ChainError::Previous { index: 0 }));
        assert_eq!(
            chain(&[&first, &first]),
            Err(ChainError::Previous { index: 1 })
        );
        assert_eq!(chain(&[&first, &early]), Err(ChainError::Time { index: 1 }));
    }
}
