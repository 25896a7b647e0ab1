//! What entries and refusals share on the way to CBOR and back.
//!
//! Invariant: nothing here reserves memory for a length before the bytes that it announces are there.

use std::collections::BTreeSet;
use std::convert::Infallible;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder, decode, encode};

use crate::id::{EntityId, Hash, IdError, ProposalId, SessionId};
use crate::principal::Principal;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not the CBOR that a record consists of.
    #[error("the bytes are not a ledger record: {0}")]
    Malformed(String),
    /// The record says a version that this program does not know.
    #[error("the ledger record has version {0}, which this indelible does not know")]
    Version(u64),
    /// The bytes hold a record, but not in its one encoding.
    #[error("the ledger record is not in its canonical encoding")]
    NotCanonical,
}

impl From<decode::Error> for RecordError {
    fn from(error: decode::Error) -> Self {
        let what = match error.is_end_of_input() {
            true => "it is cut off",
            false => "a field has another form than it should",
        };
        let at = error.position().map(|byte| format!(", at its byte {byte}"));
        Self::Malformed(format!("{what}{}", at.unwrap_or_default()))
    }
}

impl From<IdError> for RecordError {
    fn from(error: IdError) -> Self {
        Self::Malformed(error.to_string())
    }
}

pub(super) type Encoded = Result<(), encode::Error<Infallible>>;
pub(super) type Cbor<'a> = Encoder<&'a mut Vec<u8>>;

/// Runs an encoder into memory.
pub(super) fn to_bytes(write: impl FnOnce(&mut Cbor<'_>) -> Encoded) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes)).expect("memory takes any bytes");
    bytes
}

/// Expects a definite array of `length` items, the first of which is the version.
pub(super) fn open_record(
    decoder: &mut Decoder<'_>,
    length: u64,
    version: u64,
) -> Result<(), RecordError> {
    let found = decoder.array()?;
    let found_version = decoder.u64()?;
    if found_version != version {
        return Err(RecordError::Version(found_version));
    }
    if found != Some(length) {
        let found = found.map_or_else(|| "an open list".to_owned(), |found| found.to_string());
        return Err(RecordError::Malformed(format!(
            "it has {found} fields, and a record has {length}"
        )));
    }
    Ok(())
}

/// Reads a definite array, item by item.
pub(super) fn list<'b, T>(
    decoder: &mut Decoder<'b>,
    mut item: impl FnMut(&mut Decoder<'b>) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    let Some(length) = decoder.array()? else {
        return Err(RecordError::NotCanonical);
    };
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(item(decoder)?);
    }
    Ok(items)
}

/// Reads null or something.
pub(super) fn optional<'b, T>(
    decoder: &mut Decoder<'b>,
    item: impl FnOnce(&mut Decoder<'b>) -> Result<T, RecordError>,
) -> Result<Option<T>, RecordError> {
    if decoder.datatype()? == Type::Null {
        decoder.null()?;
        return Ok(None);
    }
    item(decoder).map(Some)
}

pub(super) fn text(decoder: &mut Decoder<'_>) -> Result<String, RecordError> {
    Ok(decoder.str()?.to_owned())
}

pub(super) fn entity(decoder: &mut Decoder<'_>) -> Result<EntityId, RecordError> {
    Ok(decoder.str()?.parse()?)
}

pub(super) fn hash(decoder: &mut Decoder<'_>) -> Result<Hash, RecordError> {
    Ok(Hash::try_from(decoder.bytes()?)?)
}

pub(super) fn proposal(decoder: &mut Decoder<'_>) -> Result<ProposalId, RecordError> {
    Ok(ProposalId::try_from(decoder.bytes()?)?)
}

pub(super) fn session(decoder: &mut Decoder<'_>) -> Result<SessionId, RecordError> {
    Ok(SessionId::try_from(decoder.bytes()?)?)
}

pub(super) fn put_optional_bytes(cbor: &mut Cbor<'_>, bytes: Option<&[u8]>) -> Encoded {
    match bytes {
        Some(bytes) => cbor.bytes(bytes)?.ok(),
        None => cbor.null()?.ok(),
    }
}

pub(super) fn put_optional_text(cbor: &mut Cbor<'_>, text: Option<&str>) -> Encoded {
    match text {
        Some(text) => cbor.str(text)?.ok(),
        None => cbor.null()?.ok(),
    }
}

/// `[id, name | null, [roles, sorted]]`
pub(super) fn put_principal(cbor: &mut Cbor<'_>, principal: &Principal) -> Encoded {
    cbor.array(3)?.str(&principal.id)?;
    put_optional_text(cbor, principal.name.as_deref())?;
    cbor.array(principal.roles.len() as u64)?;
    for role in &principal.roles {
        cbor.str(role)?;
    }
    Ok(())
}

pub(super) fn principal(decoder: &mut Decoder<'_>) -> Result<Principal, RecordError> {
    if decoder.array()? != Some(3) {
        return Err(RecordError::Malformed(
            "an author has three fields".to_owned(),
        ));
    }
    let id = text(decoder)?;
    let name = optional(decoder, text)?;
    let roles: BTreeSet<String> = list(decoder, text)?.into_iter().collect();
    Ok(Principal { id, name, roles })
}
