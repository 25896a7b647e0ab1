//! A real store whose appends can be held up and can fail, for tests.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Kind, ProposalId, Seq};

use super::redb::RedbStore;
use super::{
    Append, Appended, Asked, Claims, Head, Ledger, Notes, Place, PolicyText, PolicyTexts,
    RefusalCount, Refusals, Rejected, Scope, Snapshot, StoreError, StoreResult, Stored, Tail,
    Upkeep,
};
use crate::config::RefusalSettings;

/// What goes wrong with the next append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    BeforeCommit,
    AfterCommit,
    Panic,
}

/// A real store whose appends can be held up and can fail.
#[derive(Debug)]
pub(crate) struct Faulty {
    store: RedbStore,
    fault: Mutex<Fault>,
    held: Mutex<bool>,
    released: Condvar,
    /// The names of the threads that have appended, or begun to.
    threads: Mutex<Vec<Option<String>>>,
    /// Whether it can be opened again. Where it cannot, nothing is read either.
    pub(crate) reopens: AtomicBool,
    closed: AtomicBool,
    pub(crate) free_bytes: AtomicU64,
    /// How often the free bytes were asked for.
    pub(crate) looks: AtomicU64,
    /// How often the end of a log was asked for.
    pub(crate) heads_read: AtomicU64,
    /// How many entries were read, their effects not counted.
    pub(crate) entries_read: AtomicU64,
}

impl Faulty {
    pub(crate) fn open(dir: &Path) -> Self {
        Self {
            store: RedbStore::open(dir, RefusalSettings::default()).unwrap(),
            fault: Mutex::new(Fault::None),
            held: Mutex::new(false),
            released: Condvar::new(),
            threads: Mutex::default(),
            reopens: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            free_bytes: AtomicU64::new(u64::MAX),
            looks: AtomicU64::new(0),
            heads_read: AtomicU64::new(0),
            entries_read: AtomicU64::new(0),
        }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(crate) fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }

    /// Which appends were begun on the commit thread.
    pub(crate) fn by_the_thread(&self) -> Vec<bool> {
        let threads = self.threads.lock().unwrap();
        let is_it = |name: &Option<String>| name.as_deref() == Some("commit");
        threads.iter().map(is_it).collect()
    }

    fn open_store(&self) -> StoreResult<&RedbStore> {
        match self.closed.load(Ordering::Relaxed) {
            true => Err(StoreError::Closed),
            false => Ok(&self.store),
        }
    }

    fn broken() -> StoreError {
        StoreError::Backend {
            action: "commit",
            source: "the disk is gone".into(),
        }
    }
}

impl Ledger for Faulty {
    fn append(&self, requests: &[Append]) -> StoreResult<Vec<Result<Appended, Rejected>>> {
        let name = thread::current().name().map(str::to_owned);
        self.threads.lock().unwrap().push(name);
        let held = self.held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
        let fault = std::mem::replace(&mut *self.fault.lock().unwrap(), Fault::None);
        if fault == Fault::BeforeCommit {
            return Err(Self::broken());
        }
        assert_ne!(fault, Fault::Panic, "as it was told to");
        let done = self.store.append(requests);
        if fault == Fault::AfterCommit {
            Err(Self::broken())
        } else {
            done
        }
    }

    fn tail(&self) -> StoreResult<Tail> {
        self.open_store()?.tail()
    }
    fn head(&self, entity: &EntityId) -> StoreResult<Option<Head>> {
        self.heads_read.fetch_add(1, Ordering::Relaxed);
        self.open_store()?.head(entity)
    }
    fn heads(
        &self,
        scope: Scope<'_>,
        after: Option<&EntityId>,
        limit: usize,
    ) -> StoreResult<Vec<(EntityId, Head)>> {
        self.store.heads(scope, after, limit)
    }
    fn entry(&self, place: &Place) -> StoreResult<Option<Stored>> {
        self.entries_read.fetch_add(1, Ordering::Relaxed);
        self.store.entry(place)
    }
    fn entries(&self, from: &Place, limit: usize) -> StoreResult<Vec<Stored>> {
        let read = self.store.entries(from, limit)?;
        let count = read.len() as u64;
        self.entries_read.fetch_add(count, Ordering::Relaxed);
        Ok(read)
    }
    fn feed(&self, after: GlobalSeq, limit: usize) -> StoreResult<Vec<Stored>> {
        self.store.feed(after, limit)
    }
    fn snapshot(&self, entity: &EntityId, epoch: Epoch) -> StoreResult<Option<Snapshot>> {
        self.store.snapshot(entity, epoch)
    }
    fn effects(&self, from: &Place, limit: usize) -> StoreResult<Vec<(Seq, Vec<u8>)>> {
        self.store.effects(from, limit)
    }
    fn proposal(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Place>> {
        self.open_store()?.proposal(principal, proposal)
    }
    fn asked(&self, principal: &str, proposal: ProposalId) -> StoreResult<Option<Asked>> {
        self.store.asked(principal, proposal)
    }
    fn change(&self, entity: &EntityId, epoch: Epoch, change: Hash) -> StoreResult<Option<Seq>> {
        self.store.change(entity, epoch, change)
    }
}

impl Refusals for Faulty {
    fn refusals(&self, entity: &EntityId, from: u64, limit: usize) -> StoreResult<Vec<Stored>> {
        self.store.refusals(entity, from, limit)
    }
    fn all_refusals(
        &self,
        after: Option<&Place>,
        limit: usize,
    ) -> StoreResult<Vec<(Place, Stored)>> {
        self.store.all_refusals(after, limit)
    }
    fn refusal_count(
        &self,
        entity: &EntityId,
        epoch: Epoch,
        principal: &str,
    ) -> StoreResult<RefusalCount> {
        self.store.refusal_count(entity, epoch, principal)
    }
}

impl Claims for Faulty {
    fn other_holder(&self, entity: &EntityId, claim: Hash) -> StoreResult<Option<EntityId>> {
        self.store.other_holder(entity, claim)
    }
    fn claims(&self, kind: &Kind) -> StoreResult<Vec<(Hash, EntityId)>> {
        self.store.claims(kind)
    }
    fn claims_signature(&self, kind: &Kind) -> StoreResult<Option<Hash>> {
        self.store.claims_signature(kind)
    }
    fn replace_claims(
        &self,
        kind: &Kind,
        signature: Hash,
        claims: &[(Hash, EntityId)],
    ) -> StoreResult<()> {
        self.store.replace_claims(kind, signature, claims)
    }
}

impl Notes for Faulty {
    fn note(&self, name: &str) -> StoreResult<Option<Vec<u8>>> {
        self.store.note(name)
    }
    fn set_note(&self, name: &str, value: &[u8]) -> StoreResult<()> {
        self.store.set_note(name, value)
    }
}

impl PolicyTexts for Faulty {
    fn keep_policies(&self, policies: &[PolicyText]) -> StoreResult<()> {
        self.store.keep_policies(policies)
    }
    fn policies(&self) -> StoreResult<Vec<PolicyText>> {
        self.store.policies()
    }
}

impl Upkeep for Faulty {
    fn check_place(&self) -> StoreResult<()> {
        self.store.check_place()
    }

    fn disk_free_bytes(&self) -> StoreResult<u64> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Ok(self.free_bytes.load(Ordering::Relaxed))
    }

    fn reopen(&self) -> StoreResult<()> {
        let reopens = self.reopens.load(Ordering::Relaxed);
        self.closed.store(!reopens, Ordering::Relaxed);
        if !reopens {
            return Err(Self::broken());
        }
        self.store.reopen()
    }

    fn rebuild_caches(&self) -> StoreResult<()> {
        self.store.rebuild_caches()
    }
}
