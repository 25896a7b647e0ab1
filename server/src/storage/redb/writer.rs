//! What one write transaction does to the tables.
//!
//! Invariant: an entry and its place in every index are written together.

use std::ops::Bound;

use ::redb::WriteTransaction;
use indelible_engine::id::EntityId;
use indelible_engine::ledger::{self, Chain, Sealed, SealedRefusal};

use super::super::keys::{self, damaged, split_hash};
use super::super::sealing::{RefusalHead, change_hash, seal_entries, seal_refusal};
use super::super::values::{
    count_value, head_value, read_count, read_head, read_refusal_head, read_tail, record_value,
    refusal_head_value, snapshot_value, tail_value,
};
use super::super::{
    Append, Appended, Head, Place, Presence, Rejected, Snapshot, StoreResult, Tail,
};
use super::{
    ASKED, CHANGES, CLAIMS, EFFECTS, ENTRIES, GLOBAL, HEADS, META, META_TAIL, PROPOSALS,
    REFUSAL_COUNTS, REFUSAL_HEADS, REFUSALS, Reader, SNAPSHOTS, Writing, backend, claims, get, put,
};
use crate::config::RefusalSettings;

/// The tables of one write transaction.
pub(super) struct Writer<'txn> {
    entries: Writing<'txn>,
    refusals: Writing<'txn>,
    counts: Writing<'txn>,
    heads: Writing<'txn>,
    refusal_heads: Writing<'txn>,
    global: Writing<'txn>,
    proposals: Writing<'txn>,
    asked: Writing<'txn>,
    changes: Writing<'txn>,
    effects: Writing<'txn>,
    snapshots: Writing<'txn>,
    claims: Writing<'txn>,
    pub(super) meta: Writing<'txn>,
}

impl<'txn> Writer<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> StoreResult<Self> {
        let open = |definition| txn.open_table(definition).map_err(backend("open"));
        Ok(Self {
            entries: open(ENTRIES)?,
            refusals: open(REFUSALS)?,
            counts: open(REFUSAL_COUNTS)?,
            heads: open(HEADS)?,
            refusal_heads: open(REFUSAL_HEADS)?,
            global: open(GLOBAL)?,
            proposals: open(PROPOSALS)?,
            asked: open(ASKED)?,
            changes: open(CHANGES)?,
            effects: open(EFFECTS)?,
            snapshots: open(SNAPSHOTS)?,
            claims: open(CLAIMS)?,
            meta: open(META)?,
        })
    }

    pub(super) fn append(
        &mut self,
        request: &Append,
        tail: &mut Tail,
        refusals: RefusalSettings,
    ) -> StoreResult<Result<Appended, Rejected>> {
        let key = keys::entity(&request.entity);
        let mut head = get(&self.heads, &key)?
            .as_deref()
            .map(read_head)
            .transpose()?;
        let steps = match claims::settle(&self.claims, request)? {
            Ok(steps) => steps,
            Err(taken) => return Ok(Err(taken.into())),
        };
        let entries = match seal_entries(request, &mut head, tail) {
            Ok(entries) => entries,
            Err(conflict) => return Ok(Err(conflict.into())),
        };
        claims::write(&mut self.claims, &request.entity, steps)?;
        for (sealed, new) in entries.iter().zip(&request.entries) {
            self.put_entry(sealed)?;
            if let Some(effects) = &new.effects {
                let place = keys::numbered(
                    &request.entity,
                    sealed.entry.header.place.epoch,
                    sealed.entry.header.place.seq.0,
                );
                put(&mut self.effects, &place, effects)?;
            }
        }
        if let (Some(head), false) = (&head, entries.is_empty()) {
            put(&mut self.heads, &key, &head_value(head))?;
        }
        for asked in &request.asked {
            let key = keys::proposal(&asked.principal, asked.proposal);
            put(
                &mut self.asked,
                &key,
                &record_value(asked.digest, &asked.answer),
            )?;
        }
        let refusals = self.refuse(request, &key, tail, refusals)?;
        if let Some(snapshot) = &request.snapshot {
            self.put_snapshot(&request.entity, snapshot)?;
        }
        Ok(Ok(Appended { entries, refusals }))
    }

    fn put_entry(&mut self, sealed: &Sealed) -> StoreResult<()> {
        let entry = &sealed.entry;
        let header = &entry.header;
        let place = keys::numbered(&header.entity, header.place.epoch, header.place.seq.0);
        put(
            &mut self.entries,
            &place,
            &record_value(sealed.hash, &sealed.bytes),
        )?;
        self.index_entry(entry, &place)
    }

    fn index_entry(&mut self, entry: &ledger::Entry, place: &[u8]) -> StoreResult<()> {
        let header = &entry.header;
        put(&mut self.global, &keys::global(entry.global), place)?;
        if let Some(proposal) = header.proposal {
            put(
                &mut self.proposals,
                &keys::proposal(&header.author.id, proposal),
                place,
            )?;
        }
        for change in &entry.changes {
            let key = keys::change(&header.entity, header.place.epoch, change_hash(change));
            put(&mut self.changes, &key, &header.place.seq.0.to_be_bytes())?;
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        request: &Append,
        key: &[u8],
        tail: &mut Tail,
        settings: RefusalSettings,
    ) -> StoreResult<Vec<SealedRefusal>> {
        if request.refusals.is_empty() {
            return Ok(Vec::new());
        }
        let mut head = read_refusal_head(get(&self.refusal_heads, key)?.as_deref())?;
        let mut kept = Vec::new();
        for draft in &request.refusals {
            let count_key = keys::refusal_count(
                &request.entity,
                draft.header.place.epoch,
                &draft.header.author.id,
            );
            let mut count = read_count(get(&self.counts, &count_key)?.as_deref())?;
            let draft = draft.clone();
            let epoch = draft.header.place.epoch;
            let max = settings.kept_per_principal_max;
            if let Some(sealed) = seal_refusal(draft, max, &mut count, &mut head, tail) {
                let place = keys::numbered(&request.entity, epoch, sealed.record.number);
                put(
                    &mut self.refusals,
                    &place,
                    &record_value(sealed.hash, &sealed.bytes),
                )?;
                kept.push(sealed);
            }
            put(&mut self.counts, &count_key, &count_value(&count))?;
        }
        put(&mut self.refusal_heads, key, &refusal_head_value(&head))?;
        Ok(kept)
    }

    /// One snapshot per entity is enough: it replaces whatever is there.
    fn put_snapshot(&mut self, entity: &EntityId, snapshot: &Snapshot) -> StoreResult<()> {
        let prefix = keys::entity(entity);
        let end = keys::after_all(&prefix);
        self.snapshots
            .retain_in::<&[u8], _>(&prefix[..]..&end[..], |_, _| false)
            .map_err(backend("write"))?;
        let key = keys::numbered(entity, snapshot.epoch, snapshot.seq.0);
        put(&mut self.snapshots, &key, &snapshot_value(snapshot))
    }

    pub(super) fn tail(&self) -> StoreResult<Tail> {
        read_tail(get(&self.meta, META_TAIL)?.as_deref())
    }

    pub(super) fn put_tail(&mut self, tail: &Tail) -> StoreResult<()> {
        put(&mut self.meta, META_TAIL, &tail_value(tail))
    }

    pub(super) fn clear_caches(&mut self) -> StoreResult<()> {
        for table in [
            &mut self.heads,
            &mut self.refusal_heads,
            &mut self.global,
            &mut self.proposals,
            &mut self.changes,
            &mut self.effects,
            &mut self.snapshots,
            &mut self.claims,
        ] {
            table.retain(|_, _| false).map_err(backend("write"))?;
        }
        claims::forget_signatures(&mut self.meta)
    }

    /// Goes through all entries, in the order of entities and their logs.
    pub(super) fn index_entries(&mut self, reader: &Reader, tail: &mut Tail) -> StoreResult<()> {
        let mut log: Option<(EntityId, Chain, Option<Presence>)> = None;
        reader.scan(ENTRIES, (Bound::Unbounded, &[u8::MAX]), |key, value| {
            let Place { entity, .. } = keys::split_place(key)?;
            let (hash, bytes) = split_hash(value)?;
            let (chain, presence) = match &mut log {
                Some((current, chain, presence)) if *current == entity => (chain, presence),
                log => {
                    let (_, chain, presence) = log.insert((entity.clone(), Chain::new(), None));
                    (chain, presence)
                }
            };
            let entry = chain
                .check(bytes, hash)
                .map_err(|error| damaged(format!("the log of {entity}: {error}")))?;
            *presence = Some(Presence::after(*presence, entry.kind));
            let head = Head {
                epoch: entry.header.place.epoch,
                seq: entry.header.place.seq,
                hash,
                presence: presence.unwrap_or(Presence::Unborn),
            };
            put(&mut self.heads, &keys::entity(&entity), &head_value(&head))?;
            tail.global = tail.global.max(entry.global);
            tail.at = tail.at.max(entry.header.at);
            self.index_entry(&entry, key)?;
            Ok(true)
        })
    }

    pub(super) fn index_refusals(&mut self, reader: &Reader, tail: &mut Tail) -> StoreResult<()> {
        reader.scan(REFUSALS, (Bound::Unbounded, &[u8::MAX]), |key, value| {
            let (hash, bytes) = split_hash(value)?;
            let record = ledger::decode_refusal(bytes)?;
            let (entity, _) = keys::split_entity(key)?;
            tail.at = tail.at.max(record.header.at);
            let head = RefusalHead {
                next: record.number + 1,
                hash,
            };
            put(
                &mut self.refusal_heads,
                &keys::entity(&entity),
                &refusal_head_value(&head),
            )?;
            Ok(true)
        })
    }
}
