//! The log of one entity as history in the engine reads it, from the store of a running server.
//!
//! Effects are believed as the store keeps them; what an earlier version kept has no conflicts. An
//! entry whose effects are lost ends the way back. Those of a genesis are not kept: they are made of
//! its changes, which are few.

use indelible_engine::entity::{Entity, LoadError};
use indelible_engine::history::{Archive, Derived, Record};
use indelible_engine::id::{EntityId, Hash, LogPlace, Seq};
use indelible_engine::ledger::{self, Entry, EntryKind, Logged};
use indelible_engine::policy::PolicySource;

use crate::storage::{self, Ledger, StoreError};

/// The log of an entity up to its last entry.
pub(super) struct StoredLog<'a> {
    pub(super) store: &'a dyn Ledger,
    pub(super) entity: &'a EntityId,
    pub(super) last: LogPlace,
    pub(super) policies: &'a dyn PolicySource,
}

/// Why a part of a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has lost what an entry changed.
    #[error("what entry {0} changed is not in the store's cache")]
    Effects(LogPlace),
    /// The first entry makes no document.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl StoredLog<'_> {
    /// What a genesis shows.
    fn first(&self, genesis: &Entry, hash: Hash) -> Result<Derived, LoadError> {
        let genesis = Logged::of(genesis, hash);
        let mut entity = Entity::begin(self.entity, genesis, self.policies)?;
        Derived::of(&mut entity, genesis, self.policies)
    }

    fn place(&self, at: LogPlace) -> storage::Place {
        storage::Place {
            entity: self.entity.clone(),
            epoch: at.epoch,
            seq: at.seq,
        }
    }
}

impl Archive for StoredLog<'_> {
    type Error = LogError;

    fn last(&mut self) -> Result<Option<LogPlace>, LogError> {
        Ok(Some(self.last))
    }

    fn records(&mut self, from: LogPlace, count: usize) -> Result<Vec<Record>, LogError> {
        let entries = self.store.entries(&self.place(from), count)?;
        let effects = self.store.effects(&self.place(from), count)?;
        let mut effects = effects.into_iter().peekable();
        let mut records = Vec::with_capacity(entries.len());
        for stored in entries {
            let entry = ledger::decode(&stored.bytes).map_err(StoreError::from)?;
            while effects
                .next_if(|(seq, _)| *seq < entry.header.place.seq)
                .is_some()
            {}
            let own = effects.next_if(|(seq, _)| *seq == entry.header.place.seq);
            let kept = own.and_then(|(_, bytes)| Derived::decode(&bytes));
            let kinds = [EntryKind::Changes, EntryKind::Epoch, EntryKind::Policy];
            let changes = kinds.contains(&entry.kind);
            let derived = match kept {
                None if changes => return Err(LogError::Effects(entry.header.place)),
                None if entry.kind == EntryKind::Genesis => self.first(&entry, stored.hash)?,
                None => Derived::default(),
                Some(kept) => kept.derived(),
            };
            records.push(Record::with(&entry, stored.hash, derived));
        }
        Ok(records)
    }

    fn bringing(&mut self, change: Hash) -> Result<Option<LogPlace>, LogError> {
        let epoch = self.last.epoch;
        let found: Option<Seq> = self.store.change(self.entity, epoch, change)?;
        Ok(found.map(|seq| LogPlace::new(epoch, seq)))
    }
}
