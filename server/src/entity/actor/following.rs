//! What replicas get: what they lack when they come, entries after their place or a snapshot; and
//! what is written while they follow.

use bytes::Bytes;
use indelible_engine::entity::Entity;
use indelible_engine::id::{Epoch, Hash, LogPlace, Seq};
use indelible_engine::ledger::Sealed;

use super::super::loading;
use super::Actor;
use crate::frames::{self, RelayedEntry};
use crate::outbox::Subscriber;
use crate::storage::Presence;

impl Actor {
    /// Sends a replica what it lacks, and everything from now on.
    pub(super) fn follow(
        &mut self,
        subscriber: Subscriber,
        from: Option<(Epoch, Seq, Hash)>,
        absent: &'static str,
    ) {
        let present = |entity: &&Entity| entity.presence() == Presence::Present;
        let Some(entity) = self.entity.as_ref().filter(present) else {
            subscriber.outbox.answer(frames::gone(&self.id, absent));
            self.replicas.insert(subscriber.connection, subscriber);
            return;
        };
        let resumed = from.and_then(|from| self.missed(entity, from));
        if let Some(entries) = resumed {
            for frame in entries {
                subscriber.outbox.answer(frame);
            }
        } else {
            let ended = from.and_then(|from| self.ended(entity, from));
            if let Some(entries) = ended {
                for frame in entries {
                    subscriber.outbox.answer(frame);
                }
            } else if from.is_some() {
                subscriber
                    .outbox
                    .answer(frames::reset(&self.id, "unknown-place"));
            }
            subscriber.outbox.answer(self.snapshot_of(entity));
        }
        self.replicas.insert(subscriber.connection, subscriber);
    }

    /// The entries after a replica's place, if that place is in this log and not too far back.
    fn missed(
        &self,
        entity: &Entity,
        (epoch, seq, hash): (Epoch, Seq, Hash),
    ) -> Option<Vec<Bytes>> {
        let settings = &self.context.settings;
        let stamps = entity.stamp_fields();
        if epoch != entity.epoch()
            || seq > entity.seq()
            || entity.seq().0 - seq.0 > settings.resume_entries_max
        {
            return None;
        }
        if seq == entity.seq() {
            let known = hash == entity.hash();
            return known.then(|| frames::entries(&self.id, epoch, &[], &stamps));
        }
        let missed = self.entries_after((epoch, seq, hash))?;
        let missed: Vec<_> = missed.iter().map(RelayedEntry::of).collect();
        Some(frames::entries(&self.id, epoch, &missed, &stamps))
    }

    /// The entries of an epoch after a place that is in the log, if they are not too many.
    fn entries_after(&self, (epoch, seq, hash): (Epoch, Seq, Hash)) -> Option<Vec<Sealed>> {
        let (store, settings) = (&*self.context.store, &self.context.settings);
        let place = (LogPlace::new(epoch, seq), hash);
        let missed = loading::after(store, &self.id, place, settings.resume_bytes_max);
        let missed = missed.inspect_err(|error| tracing::error!(%error, "entries cannot be read"));
        let missed = missed.ok()??;
        (missed.len() as u64 <= settings.resume_entries_max).then_some(missed)
    }

    /// What a replica lacks of an epoch that is over. It comes before the snapshot of the present
    /// one: so the replica learns which of its edits are in the log, and makes none of them twice.
    fn ended(&self, entity: &Entity, from: (Epoch, Seq, Hash)) -> Option<Vec<Bytes>> {
        if from.0 >= entity.epoch() {
            return None;
        }
        let missed = self.entries_after(from)?;
        if missed.is_empty() {
            return Some(Vec::new());
        }
        let missed: Vec<_> = missed.iter().map(RelayedEntry::of).collect();
        Some(frames::entries(
            &self.id,
            from.0,
            &missed,
            &entity.stamp_fields(),
        ))
    }

    /// Queues entries for all who follow the entity. They go out with the answers, or when
    /// those are given.
    pub(super) fn relay(&mut self, entity: &Entity, entries: &[RelayedEntry<'_>]) {
        if self.replicas.is_empty() {
            return;
        }
        let frames = frames::entries(&self.id, entity.epoch(), entries, &entity.stamp_fields());
        self.queue(&frames);
    }

    /// Queues the whole entity for all who waited for it to be there.
    pub(super) fn relay_snapshot(&mut self, entity: &Entity) {
        if self.replicas.is_empty() {
            return;
        }
        let snapshot = self.snapshot_of(entity);
        self.queue(std::slice::from_ref(&snapshot));
    }

    /// The `snapshot` frame of the present state.
    fn snapshot_of(&self, entity: &Entity) -> Bytes {
        let make = || frames::snapshot(entity);
        self.snapshot.keep(&self.context.memory, make)
    }

    pub(super) fn queue(&mut self, frames: &[Bytes]) {
        let id = &self.id;
        self.replicas.retain(|_, replica| {
            let reset = || frames::reset(id, "slow-consumer");
            let outbox = &replica.outbox;
            let relay = |frame: &Bytes| {
                outbox
                    .queue_relayed(&replica.subscription, frame.clone(), reset)
                    .is_ok()
            };
            frames.iter().all(relay)
        });
    }
}
