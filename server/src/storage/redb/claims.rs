//! Who has what for itself: the table of claims.
//!
//! Invariant: an entity does not take a claim that another one holds; several may hold one that they had
//! before it was one. What a request gives up and takes is decided before anything of it is written.

use std::collections::BTreeMap;

use ::redb::{ReadableTable, WriteTransaction};
use indelible_engine::id::{EntityId, Hash, Kind};

use super::super::keys::{self, damaged, split_hash};
use super::super::{Append, ClaimStep, StoreResult, Taken};
use super::{CLAIMS, META, Reader, Writing, backend, put};

/// Under which names `meta` has the signatures of claims.
const SIGNATURE: &str = "claims/";

/// What becomes of each claim that a request touches: whether its entity has it in the end.
pub(super) type Steps = BTreeMap<Hash, bool>;

/// Goes through a request's steps on the state that the transaction has by now.
pub(super) fn settle(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    request: &Append,
) -> StoreResult<Result<Steps, Taken>> {
    let mut steps = Steps::new();
    for step in &request.claims {
        match *step {
            ClaimStep::Release(claim) => drop(steps.insert(claim, false)),
            ClaimStep::Gain(claim) => {
                if let Some(holder) = other_in(table, &request.entity, claim)? {
                    return Ok(Err(Taken { claim, holder }));
                }
                steps.insert(claim, true);
            }
        }
    }
    Ok(Ok(steps))
}

/// Writes the result of [`settle`].
pub(super) fn write(table: &mut Writing<'_>, id: &EntityId, steps: Steps) -> StoreResult<()> {
    for (claim, has) in steps {
        let key = keys::claim(id, claim);
        if has {
            put(table, &key, &[])?;
        } else {
            table.remove(&key[..]).map_err(backend("write"))?;
        }
    }
    Ok(())
}

pub(super) fn other_holder(
    reader: &Reader,
    id: &EntityId,
    claim: Hash,
) -> StoreResult<Option<EntityId>> {
    other_in(&reader.table(CLAIMS)?, id, claim)
}

fn other_in(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: &EntityId,
    claim: Hash,
) -> StoreResult<Option<EntityId>> {
    let from = keys::holders(id.kind(), claim);
    let to = keys::after_all(&from);
    let holders = table
        .range::<&[u8]>(&from[..]..&to[..])
        .map_err(backend("read"))?;
    for holder in holders {
        let (key, _) = holder.map_err(backend("read"))?;
        let holder = entity(&key.value()[from.len()..])?;
        if holder != *id {
            return Ok(Some(holder));
        }
    }
    Ok(None)
}

pub(super) fn all(reader: &Reader, kind: &Kind) -> StoreResult<Vec<(Hash, EntityId)>> {
    let from = keys::claims(kind);
    let range = (&from[..], &keys::after_all(&from)[..]);
    reader.collect(CLAIMS, range, usize::MAX, |key, _| {
        let (claim, holder) = split_hash(&key[from.len()..])?;
        Ok((claim, entity(holder)?))
    })
}

pub(super) fn signature(reader: &Reader, kind: &Kind) -> StoreResult<Option<Hash>> {
    let found = reader.get(META, &signature_key(kind))?;
    let hash = found.as_deref().map(split_hash).transpose()?;
    Ok(hash.map(|(hash, _)| hash))
}

pub(super) fn replace(
    txn: &WriteTransaction,
    kind: &Kind,
    signature: Hash,
    claims: &[(Hash, EntityId)],
) -> StoreResult<()> {
    let mut table = txn.open_table(CLAIMS).map_err(backend("open"))?;
    let from = keys::claims(kind);
    let to = keys::after_all(&from);
    table
        .retain_in::<&[u8], _>(&from[..]..&to[..], |_, _| false)
        .map_err(backend("write"))?;
    for (claim, id) in claims {
        put(&mut table, &keys::claim(id, *claim), &[])?;
    }
    let mut meta = txn.open_table(META).map_err(backend("open"))?;
    put(&mut meta, &signature_key(kind), &signature.0)
}

/// The claims of no kind are up to date any more.
pub(super) fn forget_signatures(meta: &mut Writing<'_>) -> StoreResult<()> {
    let from = SIGNATURE.as_bytes();
    let to = keys::after_all(from);
    meta.retain_in::<&[u8], _>(from..&to[..], |_, _| false)
        .map_err(backend("write"))
}

fn signature_key(kind: &Kind) -> Vec<u8> {
    format!("{SIGNATURE}{kind}").into_bytes()
}

fn entity(name: &[u8]) -> StoreResult<EntityId> {
    let name = std::str::from_utf8(name).ok();
    name.and_then(|name| name.parse().ok())
        .ok_or_else(|| damaged("a claim without a holder"))
}
