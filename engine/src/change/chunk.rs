//! The chunk around a change, and the fields before its columns.
//!
//! The format is that of the Automerge binary document format, section "Change chunks".

use super::actors::is_derived;
use super::columns;
use super::reader::Reader;
use super::{Bounded, ChangeError, ChangeHead, OPERATION_COUNTER_END, Operations, TIME_MAX};
use crate::id::Hash;
use crate::limits::Limits;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHUNK_TYPE_CHANGE: u8 = 1;
const HASH_BYTES: u64 = 32;
const FOOTER_AUTHOR: u64 = 1;
const AUTHOR_BYTES_MAX: u64 = 256;

/// Checks what surrounds the content of a change chunk, and returns the content.
pub(super) fn open(bytes: &[u8]) -> Result<&[u8], ChangeError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(ChangeError::NotAChunk)?;
    let (checksum, hashed) = rest.split_at_checked(4).ok_or(ChangeError::NotAChunk)?;
    let mut reader = Reader::new(hashed, "chunk header");
    match reader.byte()? {
        CHUNK_TYPE_CHANGE => {}
        other => return Err(ChangeError::ChunkType(other)),
    }
    let length = reader.unsigned()?;
    if length != reader.rest().len() as u64 {
        return Err(ChangeError::Length);
    }
    if Hash::of(&[hashed]).0[..4] != *checksum {
        return Err(ChangeError::Checksum);
    }
    Ok(reader.rest())
}

/// Reads the fields before the columns, without checking what surrounds them.
pub(super) fn head(bytes: &[u8]) -> Result<ChangeHead, ChangeError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(ChangeError::NotAChunk)?;
    let (_, rest) = rest.split_at_checked(4).ok_or(ChangeError::NotAChunk)?;
    let mut reader = Reader::new(rest, "change header");
    match reader.byte()? {
        CHUNK_TYPE_CHANGE => {}
        other => return Err(ChangeError::ChunkType(other)),
    }
    reader.unsigned()?;
    let dependencies = reader.unsigned()?;
    reader.take(dependencies.saturating_mul(HASH_BYTES))?;
    let length = reader.unsigned()?;
    let actor = reader.take(length)?.into();
    let seq = reader.unsigned()?;
    reader.unsigned()?;
    reader.signed()?;
    let length = reader.unsigned()?;
    let message = std::str::from_utf8(reader.take(length)?);
    let message = message.map_err(|_| ChangeError::MessageEncoding)?;
    Ok(ChangeHead {
        actor,
        seq,
        message: (!message.is_empty()).then(|| message.to_owned()),
        // Of the chunk without magic bytes and checksum.
        hash: Hash::of(&[&bytes[MAGIC.len() + 4..]]),
    })
}

fn bounded(what: Bounded, found: u64, max: u64) -> Result<u64, ChangeError> {
    if found > max {
        Err(ChangeError::TooMany { what, found, max })
    } else {
        Ok(found)
    }
}

/// Checks the content of a change chunk and counts its operations.
pub(super) fn check_body(body: &[u8], limits: &Limits) -> Result<Operations, ChangeError> {
    let mut reader = Reader::new(body, "change header");
    check_dependencies(&mut reader, limits)?;

    let actor = read_actor(&mut reader, limits)?;
    if is_derived(actor) {
        return Err(ChangeError::ActorDerived);
    }
    let seq = reader.unsigned()?;
    if seq == 0 || seq >= OPERATION_COUNTER_END {
        return Err(ChangeError::Seq(seq));
    }
    let start_op = reader.unsigned()?;
    let time = reader.signed()?;
    if !(-TIME_MAX..=TIME_MAX).contains(&time) {
        return Err(ChangeError::Time(time));
    }

    let message_length = reader.unsigned()?;
    bounded(
        Bounded::MessageBytes,
        message_length,
        limits.message_bytes_max as u64,
    )?;
    let message = reader.take(message_length)?;
    if std::str::from_utf8(message).is_err() {
        return Err(ChangeError::MessageEncoding);
    }

    let actors = 1 + check_other_actors(&mut reader, actor, limits)?;
    let columns = columns::split(&mut reader)?;
    check_footer(reader.rest(), seq)?;
    let operations = columns.check(actors, limits)?;
    let in_range = start_op
        .checked_add(operations.all)
        .is_some_and(|end| start_op > 0 && end <= OPERATION_COUNTER_END);
    if !in_range {
        return Err(ChangeError::OperationCounter(start_op));
    }
    Ok(operations)
}

fn check_dependencies(reader: &mut Reader<'_>, limits: &Limits) -> Result<(), ChangeError> {
    let count = reader.unsigned()?;
    bounded(Bounded::Dependencies, count, limits.dependencies_max as u64)?;
    let mut last: Option<&[u8]> = None;
    for _ in 0..count {
        let hash = reader.take(HASH_BYTES)?;
        if last.is_some_and(|last| last >= hash) {
            return Err(ChangeError::DependencyOrder);
        }
        last = Some(hash);
    }
    Ok(())
}

fn read_actor<'a>(reader: &mut Reader<'a>, limits: &Limits) -> Result<&'a [u8], ChangeError> {
    let length = reader.unsigned()?;
    let actor = reader.take(length)?;
    if actor.len() < limits.actor_bytes_min || actor.len() > limits.actor_bytes_max {
        return Err(ChangeError::ActorLength {
            found: actor.len(),
            min: limits.actor_bytes_min,
            max: limits.actor_bytes_max,
        });
    }
    Ok(actor)
}

fn check_other_actors(
    reader: &mut Reader<'_>,
    own: &[u8],
    limits: &Limits,
) -> Result<u64, ChangeError> {
    let count = reader.unsigned()?;
    bounded(Bounded::Actors, count, limits.other_actors_max as u64)?;
    let mut last: Option<&[u8]> = None;
    for _ in 0..count {
        let actor = read_actor(reader, limits)?;
        if actor == own || last.is_some_and(|last| last >= actor) {
            return Err(ChangeError::ActorOrder);
        }
        last = Some(actor);
    }
    Ok(count)
}

/// After the columns comes nothing, or at an actor's first change one author footer: Automerge
/// panics on a footer anywhere else and ignores what follows it.
fn check_footer(footer: &[u8], seq: u64) -> Result<(), ChangeError> {
    if footer.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(footer, "author footer");
    if seq != 1 || reader.unsigned()? != FOOTER_AUTHOR {
        return Err(ChangeError::Footer);
    }
    let length = reader.unsigned()?;
    bounded(Bounded::AuthorBytes, length, AUTHOR_BYTES_MAX)?;
    reader.take(length)?;
    if reader.is_empty() {
        Ok(())
    } else {
        Err(ChangeError::Footer)
    }
}
