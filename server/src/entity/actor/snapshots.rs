//! When an entity's snapshot is stored again, and how.
//!
//! A snapshot spares loading the entries before it. It is due when those behind it would take as
//! long as it is worth: by their changes and bytes, not by their number, as one entry may hold a
//! thousand changes; and by its own length, as storing it costs what the whole entity is long.
//! Making one, and proving that it loads again, takes longer than many edits: it is done beside them.

use std::sync::Arc;

use indelible_engine::entity::Entity;
use indelible_engine::ledger::Sealed;
use tokio::task::JoinHandle;

use super::super::loading::{self, Since};
use crate::context::Context;
use crate::storage::{Append, Presence};
use crate::work::{Lane, Weight};

/// What part of a snapshot's own bytes the entries behind it have at least before it is due.
const PART_OF_SNAPSHOT: usize = 8;

/// Changes behind a snapshot from which one is stored before the entity leaves memory: fewer are
/// applied again in less time than it takes to store them.
const WORTH_CHANGES: u64 = 16;
/// The same in bytes.
const WORTH_BYTES: usize = 16 << 10;

/// What is behind the stored snapshot, and whether a newer one is being stored.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    since: Since,
    storing: Option<Storing>,
}

#[derive(Debug)]
struct Storing {
    /// What was behind the one before.
    since: Since,
    /// Gives the bytes of the new one when it is stored.
    task: JoinHandle<Option<usize>>,
}

impl Snapshots {
    /// For an entity that was loaded by a snapshot with this behind it.
    pub(super) fn since(since: Since) -> Self {
        Self {
            since,
            storing: None,
        }
    }

    /// Notes entries that were committed.
    pub(super) fn count(&mut self, entries: &[Sealed]) {
        for sealed in entries {
            self.since.count(&sealed.entry);
        }
    }

    /// Begins to store a snapshot if one is due and none is being stored. What is deleted waits until
    /// it is there again, or leaves memory.
    pub(super) async fn store_if_due(&mut self, context: &Arc<Context>, entity: &Entity) {
        if entity.presence() != Presence::Present {
            return self.give_up();
        }
        if self
            .storing
            .as_ref()
            .is_some_and(|one| one.task.is_finished())
        {
            self.stored().await;
        }
        let settings = &context.settings;
        let many = self.since.changes >= settings.snapshot_changes
            || self.since.bytes >= settings.snapshot_bytes;
        let worth = self.since.bytes >= self.since.snapshot_bytes / PART_OF_SNAPSHOT;
        if many && worth && self.storing.is_none() {
            self.begin(context, entity);
        }
    }

    /// Begins to store the first snapshot of an epoch: without one, all epochs are replayed.
    pub(super) async fn begin_epoch(&mut self, context: &Arc<Context>, entity: &Entity) {
        self.stored().await;
        self.since = Since::default();
        self.begin(context, entity);
    }

    /// Stores a snapshot of an entity that is about to leave memory, if that is worth it.
    pub(super) async fn store_last(&mut self, context: &Arc<Context>, entity: &Entity) {
        self.stored().await;
        if self.since.changes >= WORTH_CHANGES || self.since.bytes >= WORTH_BYTES {
            self.begin(context, entity);
            self.stored().await;
        }
    }

    /// Lets go of the state of which a snapshot is about to be made. Where many wait for their turn,
    /// these would fill the memory.
    pub(super) fn give_up(&mut self) {
        let is_waiting = |one: &mut Storing| !one.task.is_finished();
        if let Some(Storing { since, task }) = self.storing.take_if(is_waiting) {
            task.abort();
            self.since.add(since);
        }
    }

    /// Waits for the one that is being stored, if any.
    async fn stored(&mut self) {
        let Some(Storing { since, task }) = self.storing.take() else {
            return;
        };
        match task.await.ok().flatten() {
            Some(bytes) => self.since.snapshot_bytes = bytes,
            // Without it, loading takes longer; the next one is due soon.
            None => self.since.add(since),
        }
    }

    fn begin(&mut self, context: &Arc<Context>, entity: &Entity) {
        let since = std::mem::take(&mut self.since);
        self.since.snapshot_bytes = since.snapshot_bytes;
        let (entity, own) = (entity.clone(), context.clone());
        let task = context.spawn(async move {
            let weight = Weight::of_operations(entity.operations());
            let slot = own.work.enter(Lane::Snapshots, weight).await.ok()?;
            let mut request = Append::new(entity.id().clone());
            let made = tokio::task::spawn_blocking(move || loading::snapshot(&entity)).await;
            drop(slot);
            match made.ok()? {
                Ok(snapshot) => request.snapshot = Some(snapshot),
                Err(error) => {
                    tracing::error!(%error, "a snapshot would not load again; not stored");
                    return None;
                }
            }
            let bytes = request.bytes();
            own.commit.commit(request).await.ok().map(|_| bytes)
        });
        self.storing = Some(Storing { since, task });
    }
}
