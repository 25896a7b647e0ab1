//! The store in one file, `indelible.redb`, with the embedded database redb.
//!
//! Invariant: no other process writes in the data directory meanwhile, and what is written is in the
//! file that lies there; every write transaction is durable (two-phase commit with quick repair: opening after
//! a crash does not walk the file) and leaves entries and caches in step. Nothing of redb is in a
//! signature of this module.

mod claims;
mod handle;
mod opening;
mod place;
mod reader;
mod watched;
mod writer;

use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use ::redb::{ReadOnlyTable, ReadableTable, Table, TableDefinition, WriteTransaction};
use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Kind, ProposalId, Seq};

use self::handle::Handle;
use self::opening::{Missing, backend};
use self::place::{Identity, Use};
use self::reader::Reader;
use self::watched::Watch;
use self::writer::Writer;
use super::keys::{self, damaged, split_hash, split_number};
use super::values::{
    check_policy, read_count, read_head, read_policy, read_snapshot, read_tail, stored,
};

use super::{
    Append, Appended, Asked, Claims, Head, Ledger, Notes, Place, PolicyText, PolicyTexts,
    RefusalCount, Refusals, Rejected, Scope, Snapshot, StoreError, StoreResult, Stored, Tail,
    Upkeep,
};
use crate::config::RefusalSettings;

/// The file's name in the data directory.
pub const STORE_FILE: &str = "indelible.redb";

/// The version of keys and values, noted in `meta`.
pub const STORE_FORMAT: u32 = 1;

/// The version of what is derived from entries; another one is made again at opening.
pub const CACHE_FORMAT: u32 = 4;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type Writing<'txn> = Table<'txn, &'static [u8], &'static [u8]>;
type Reading = ReadOnlyTable<&'static [u8], &'static [u8]>;

const ENTRIES: Definition = TableDefinition::new("entries");
const REFUSALS: Definition = TableDefinition::new("refusals");
const REFUSAL_COUNTS: Definition = TableDefinition::new("refusal-counts");
const HEADS: Definition = TableDefinition::new("heads");
const REFUSAL_HEADS: Definition = TableDefinition::new("refusal-heads");
const GLOBAL: Definition = TableDefinition::new("global");
const PROPOSALS: Definition = TableDefinition::new("proposals");
const ASKED: Definition = TableDefinition::new("asked");
const CHANGES: Definition = TableDefinition::new("changes");
const EFFECTS: Definition = TableDefinition::new("effects");
const SNAPSHOTS: Definition = TableDefinition::new("snapshots");
const POLICIES: Definition = TableDefinition::new("policies");
const CLAIMS: Definition = TableDefinition::new("claims");
const META: Definition = TableDefinition::new("meta");

const TABLES: [Definition; 14] = [
    ENTRIES,
    REFUSALS,
    REFUSAL_COUNTS,
    HEADS,
    REFUSAL_HEADS,
    GLOBAL,
    PROPOSALS,
    ASKED,
    CHANGES,
    EFFECTS,
    SNAPSHOTS,
    POLICIES,
    CLAIMS,
    META,
];

const META_FORMAT: &[u8] = b"format";
const META_CACHES: &[u8] = b"caches";
const META_TAIL: &[u8] = b"tail";

/// The store of one data directory.
#[derive(Debug)]
pub struct RedbStore {
    dir: PathBuf,
    refusals: RefusalSettings,
    database: RwLock<Option<Handle>>,
    /// The file that was opened first, where it is the one in the directory and is written to.
    file: Option<Identity>,
    /// Whether another program has written to that file.
    watch: Watch,
    /// Keeps others from writing in the directory.
    _lock: Option<File>,
}

impl RedbStore {
    /// Opens the store in a data directory, which must exist; makes it if it is not there.
    ///
    /// # Errors
    /// When another process has it, a newer version wrote it, or it cannot be read.
    pub fn open(dir: &Path, refusals: RefusalSettings) -> StoreResult<Self> {
        let lock = place::lock(dir, Use::Writing)?;
        let watch = Watch::default();
        let (database, file) = opening::to_write(dir, Missing::Make, &watch)?;
        let mut store = Self::of(dir, refusals, Handle::Writing(database));
        (store.file, store.watch, store._lock) = (Some(file), watch, lock);
        store.prepared()
    }

    /// Opens a copy of the store in a data directory, which is altered in the place of the original.
    ///
    /// # Errors
    /// As [`open`](Self::open); what is wrong is said of the original, since it is wrong there too.
    pub fn open_copy(dir: &Path, copy: File, refusals: RefusalSettings) -> StoreResult<Self> {
        let (database, _) = opening::database(dir, copy, &Watch::default())?;
        Self::of(dir, refusals, Handle::Writing(database)).prepared()
    }

    fn of(dir: &Path, refusals: RefusalSettings, database: Handle) -> Self {
        Self {
            dir: dir.to_owned(),
            refusals,
            database: RwLock::new(Some(database)),
            file: None,
            watch: Watch::default(),
            _lock: None,
        }
    }

    /// The store with tables and indexes of this version.
    fn prepared(self) -> StoreResult<Self> {
        if self.prepare()? == Caches::Stale {
            tracing::info!("making the store's indexes again");
            self.rebuild_caches()?;
        }
        Ok(self)
    }

    /// Opens the store in a data directory to read it: not a byte of the file changes, and nothing
    /// can be written.
    ///
    /// # Errors
    /// [`StoreError::NeedsWriting`] where that is not possible without writing; otherwise as
    /// [`open`](Self::open).
    pub fn open_to_read(dir: &Path, refusals: RefusalSettings) -> StoreResult<Self> {
        let lock = place::lock(dir, Use::Reading)?;
        let database = opening::to_read(dir)?;
        let mut store = Self::of(dir, refusals, Handle::Reading(database));
        store._lock = lock;
        let (format, caches) = store.read(|reader| {
            let meta = reader.table(META)?;
            let format = format_of(&meta, META_FORMAT)?;
            Ok((format, format_of(&meta, META_CACHES)?))
        })?;
        store.check_format(format)?;
        match caches == Some(CACHE_FORMAT) {
            true => Ok(store),
            false => Err(StoreError::NeedsWriting),
        }
    }

    fn check_format(&self, found: Option<u32>) -> StoreResult<()> {
        match found {
            Some(found) if found > STORE_FORMAT => Err(StoreError::TooNew {
                path: self.dir.join(STORE_FILE),
                found,
                known: STORE_FORMAT,
            }),
            _ => Ok(()),
        }
    }

    /// Makes the tables of a new store, or checks the format of an existing one.
    fn prepare(&self) -> StoreResult<Caches> {
        let txn = self.begin_write()?;
        for table in TABLES {
            txn.open_table(table).map_err(backend("open"))?;
        }
        let mut caches = Caches::Current;
        {
            let mut meta = txn.open_table(META).map_err(backend("open"))?;
            let format = format_of(&meta, META_FORMAT)?;
            self.check_format(format)?;
            match format {
                None => put(&mut meta, META_FORMAT, &STORE_FORMAT.to_be_bytes())?,
                Some(_) if format_of(&meta, META_CACHES)? != Some(CACHE_FORMAT) => {
                    caches = Caches::Stale;
                }
                Some(_) => {}
            }
            if caches == Caches::Current {
                put(&mut meta, META_CACHES, &CACHE_FORMAT.to_be_bytes())?;
            }
        }
        txn.commit().map_err(backend("commit"))?;
        Ok(caches)
    }

    fn database(&self) -> RwLockReadGuard<'_, Option<Handle>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_write(&self) -> StoreResult<WriteTransaction> {
        self.check_place()?;
        let database = self.database();
        let database = database.as_ref().ok_or(StoreError::Closed)?;
        let mut txn = database.begin_write()?;
        txn.set_quick_repair(true);
        Ok(txn)
    }

    /// Reads at one point in time. The database stays open until `read` is done.
    fn read<T>(&self, read: impl FnOnce(&Reader) -> StoreResult<T>) -> StoreResult<T> {
        let database = self.database();
        let database = database.as_ref().ok_or(StoreError::Closed)?;
        read(&Reader::new(database.begin_read()?))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Caches {
    Current,
    Stale,
}

fn format_of(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &[u8],
) -> StoreResult<Option<u32>> {
    let Some(value) = get(meta, name)? else {
        return Ok(None);
    };
    let bytes = value
        .try_into()
        .map_err(|_| damaged("a version that is not a number"))?;
    Ok(Some(u32::from_be_bytes(bytes)))
}

fn get(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> StoreResult<Option<Vec<u8>>> {
    let found = table.get(key).map_err(backend("read"))?;
    Ok(found.map(|value| value.value().to_vec()))
}

fn put(table: &mut Writing<'_>, key: &[u8], value: &[u8]) -> StoreResult<()> {
    table.insert(key, value).map_err(backend("write")).map(drop)
}

impl Ledger for RedbStore {
    fn append(&self, requests: &[Append]) -> StoreResult<Vec<Result<Appended, Rejected>>> {
        let txn = self.begin_write()?;
        let mut outcomes = Vec::with_capacity(requests.len());
        {
            let mut writer = Writer::open(&txn)?;
            let mut tail = writer.tail()?;
            for request in requests {
                outcomes.push(writer.append(request, &mut tail, self.refusals)?);
            }
            tail.appends += 1;
            writer.put_tail(&tail)?;
        }
        txn.commit().map_err(backend("commit"))?;
        // Before it is reported to be on disk.
        self.check_place()?;
        Ok(outcomes)
    }

    fn tail(&self) -> StoreResult<Tail> {
        self.read(|reader| read_tail(reader.get(META, META_TAIL)?.as_deref()))
    }

    fn head(&self, entity: &EntityId) -> StoreResult<Option<Head>> {
        self.read(|reader| {
            reader
                .get(HEADS, &keys::entity(entity))?
                .as_deref()
                .map(read_head)
                .transpose()
        })
    }

    fn heads(
        &self,
        scope: Scope<'_>,
        after: Option<&EntityId>,
        limit: usize,
    ) -> StoreResult<Vec<(EntityId, Head)>> {
        let ranges = match scope {
            Scope::All => vec![(Vec::new(), vec![u8::MAX])],
            Scope::Kind(kind) => keys::kind_ranges(kind).to_vec(),
        };
        let after = after
            .map(|entity| keys::after_all(&keys::entity(entity)))
            .unwrap_or_default();
        self.read(|reader| {
            let mut heads = Vec::new();
            for (from, to) in &ranges {
                let from = from.max(&after);
                heads.extend(reader.collect(
                    HEADS,
                    (from, to),
                    limit - heads.len(),
                    |key, value| Ok((keys::split_entity(key)?.0, read_head(value)?)),
                )?);
            }
            Ok(heads)
        })
    }

    fn entry(&self, place: &Place) -> StoreResult<Option<Stored>> {
        self.read(|reader| {
            reader
                .get(ENTRIES, &keys::place(place))?
                .as_deref()
                .map(stored)
                .transpose()
        })
    }

    fn entries(&self, from: &Place, limit: usize) -> StoreResult<Vec<Stored>> {
        let end = keys::after_all(&keys::epoch(&from.entity, from.epoch));
        self.read(|reader| {
            let range = (&keys::place(from)[..], &end[..]);
            reader.collect(ENTRIES, range, limit, |_, value| stored(value))
        })
    }

    fn feed(&self, after: GlobalSeq, limit: usize) -> StoreResult<Vec<Stored>> {
        self.read(|reader| {
            let range = (&keys::global(after.next())[..], &[u8::MAX; 9][..]);
            let places = reader.collect(GLOBAL, range, limit, |_, place| Ok(place.to_vec()))?;
            let entries = reader.table(ENTRIES)?;
            let entry = |place: Vec<u8>| {
                let value = get(&entries, &place)?;
                stored(&value.ok_or_else(|| damaged("the global order names no entry"))?)
            };
            places.into_iter().map(entry).collect()
        })
    }

    fn snapshot(&self, entity: &EntityId, epoch: Epoch) -> StoreResult<Option<Snapshot>> {
        let prefix = keys::epoch(entity, epoch);
        self.read(|reader| {
            let range = (&prefix[..], &keys::after_all(&prefix)[..]);
            Ok(reader
                .collect(SNAPSHOTS, range, usize::MAX, read_snapshot)?
                .pop())
        })
    }

    fn effects(&self, from: &Place, limit: usize) -> StoreResult<Vec<(Seq, Vec<u8>)>> {
        let end = keys::after_all(&keys::epoch(&from.entity, from.epoch));
        self.read(|reader| {
            let range = (&keys::place(from)[..], &end[..]);
            reader.collect(EFFECTS, range, limit, |key, value| {
                Ok((keys::split_place(key)?.seq, value.to_vec()))
            })
        })
    }

    fn proposal(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Place>> {
        self.read(|reader| {
            let place = reader.get(PROPOSALS, &keys::proposal(principal, proposal))?;
            place.as_deref().map(keys::split_place).transpose()
        })
    }

    fn asked(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Asked>> {
        let found = self.read(|reader| reader.get(ASKED, &keys::proposal(principal, proposal)))?;
        let asked = |value: Vec<u8>| {
            let (digest, answer) = split_hash(&value)?;
            Ok(Asked {
                principal: principal.to_owned(),
                proposal,
                digest,
                answer: answer.to_vec(),
            })
        };
        found.map(asked).transpose()
    }

    fn change(&self, entity: &EntityId, epoch: Epoch, change: Hash) -> StoreResult<Option<Seq>> {
        self.read(|reader| {
            let seq = reader.get(CHANGES, &keys::change(entity, epoch, change))?;
            seq.map(|seq| Ok(Seq(split_number(&seq)?.0))).transpose()
        })
    }
}

impl Refusals for RedbStore {
    fn refusals(&self, entity: &EntityId, from: u64, limit: usize) -> StoreResult<Vec<Stored>> {
        let prefix = keys::entity(entity);
        let end = keys::after_all(&prefix);
        let mut found = Vec::new();
        self.read(|reader| {
            reader.scan(REFUSALS, (Bound::Included(&prefix), &end), |key, value| {
                // The seq of this table's places is the number of the refusal.
                if found.len() < limit && keys::split_place(key)?.seq.0 >= from {
                    found.push(stored(value)?);
                }
                Ok(found.len() < limit)
            })
        })?;
        Ok(found)
    }

    fn all_refusals(
        &self,
        after: Option<&Place>,
        limit: usize,
    ) -> StoreResult<Vec<(Place, Stored)>> {
        let from = after.map_or_else(Vec::new, |after| keys::after_all(&keys::place(after)));
        self.read(|reader| {
            let range = (&from[..], &[u8::MAX][..]);
            reader.collect(REFUSALS, range, limit, |key, value| {
                Ok((keys::split_place(key)?, stored(value)?))
            })
        })
    }

    fn refusal_count(
        &self,
        entity: &EntityId,
        epoch: Epoch,
        principal: &str,
    ) -> StoreResult<RefusalCount> {
        let key = keys::refusal_count(entity, epoch, principal);
        self.read(|reader| read_count(reader.get(REFUSAL_COUNTS, &key)?.as_deref()))
    }
}

impl Claims for RedbStore {
    fn other_holder(&self, entity: &EntityId, claim: Hash) -> StoreResult<Option<EntityId>> {
        self.read(|reader| claims::other_holder(reader, entity, claim))
    }

    fn claims(&self, kind: &Kind) -> StoreResult<Vec<(Hash, EntityId)>> {
        self.read(|reader| claims::all(reader, kind))
    }

    fn claims_signature(&self, kind: &Kind) -> StoreResult<Option<Hash>> {
        self.read(|reader| claims::signature(reader, kind))
    }

    fn replace_claims(
        &self,
        kind: &Kind,
        signature: Hash,
        claims: &[(Hash, EntityId)],
    ) -> StoreResult<()> {
        let txn = self.begin_write()?;
        claims::replace(&txn, kind, signature, claims)?;
        txn.commit().map_err(backend("commit"))
    }
}

impl Notes for RedbStore {
    fn note(&self, name: &str) -> StoreResult<Option<Vec<u8>>> {
        self.read(|reader| reader.get(META, &note_key(name)))
    }

    fn set_note(&self, name: &str, value: &[u8]) -> StoreResult<()> {
        let txn = self.begin_write()?;
        put(
            &mut txn.open_table(META).map_err(backend("open"))?,
            &note_key(name),
            value,
        )?;
        txn.commit().map_err(backend("commit"))
    }
}

impl PolicyTexts for RedbStore {
    fn keep_policies(&self, policies: &[PolicyText]) -> StoreResult<()> {
        let txn = self.begin_write()?;
        {
            let mut table = txn.open_table(POLICIES).map_err(backend("open"))?;
            for policy in policies {
                check_policy(policy)?;
                put(&mut table, policy.hash.as_bytes(), policy.text.as_bytes())?;
            }
        }
        txn.commit().map_err(backend("commit"))
    }

    fn policies(&self) -> StoreResult<Vec<PolicyText>> {
        let mut policies = Vec::new();
        self.read(|reader| {
            let table = reader.table(POLICIES)?;
            for item in table.iter().map_err(backend("read"))? {
                let (key, value) = item.map_err(backend("read"))?;
                policies.push(read_policy(key.value(), value.value())?);
            }
            Ok(())
        })?;
        Ok(policies)
    }
}

impl Upkeep for RedbStore {
    fn check_place(&self) -> StoreResult<()> {
        let Some(file) = self.file else {
            return Ok(());
        };
        file.check(&self.dir)?;
        let path = self.dir.join(STORE_FILE);
        match self.watch.is_ours(&path) {
            true => Ok(()),
            false => Err(StoreError::Overwritten { path }),
        }
    }

    fn disk_free_bytes(&self) -> StoreResult<u64> {
        let disk = rustix::fs::statvfs(&self.dir)
            .map_err(|error| backend("ask for free space")(std::io::Error::from(error)))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn reopen(&self) -> StoreResult<()> {
        // What was there is still read, and nothing else is taken for it.
        self.check_place()?;
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock on the file until it is dropped.
        drop(database.take());
        let (opened, file) = opening::to_write(&self.dir, Missing::Fail, &self.watch)?;
        if self.file != Some(file) {
            let path = self.dir.join(STORE_FILE);
            return Err(StoreError::Replaced { path });
        }
        *database = Some(Handle::Writing(opened));
        Ok(())
    }

    fn rebuild_caches(&self) -> StoreResult<()> {
        let txn = self.begin_write()?;
        self.read(|reader| {
            let mut writer = Writer::open(&txn)?;
            let mut tail = Tail {
                appends: writer.tail()?.appends + 1,
                ..Tail::START
            };
            writer.clear_caches()?;
            writer.index_entries(reader, &mut tail)?;
            writer.index_refusals(reader, &mut tail)?;
            writer.put_tail(&tail)?;
            put(&mut writer.meta, META_CACHES, &CACHE_FORMAT.to_be_bytes())
        })?;
        txn.commit().map_err(backend("commit"))
    }
}

fn note_key(name: &str) -> Vec<u8> {
    format!("note/{name}").into_bytes()
}

#[cfg(test)]
mod tests;
