//! The beginning of a new epoch, where the history of the present one has outgrown what the entity
//! shows. The log keeps all of it; what is loaded and sent shrinks to what the value takes.
//!
//! Invariant: the value stays the same. Nothing is judged meanwhile.

use std::time::Duration;

use indelible_engine::entity::Entity;
use indelible_engine::history::Derived;
use indelible_engine::lifecycle::next_epoch;
use indelible_engine::principal::Principal;
use tokio::time::Instant;

use super::super::budget;
use super::Actor;
use crate::clock;
use crate::storage::{Append, NewEntry, Presence};
use crate::work::{self, Lane, Weight};

/// The pause after an epoch that could not be written is no longer than this many of the first one.
const PAUSES_MAX: u32 = 128;

/// When an epoch that could not be written is tried again.
#[derive(Debug)]
pub(super) struct Postponed {
    until: Instant,
    pause: Duration,
}

impl Actor {
    /// How long it has to be quiet before a new epoch begins, if one is due.
    pub(super) fn epoch_due_in(&mut self) -> Option<Duration> {
        if !self.is_due() {
            return None;
        }
        let quiet = self.context.budgets.epoch_quiet;
        let postponed = self.postponed.as_ref();
        let left = postponed.map(|one| one.until.saturating_duration_since(Instant::now()));
        Some(left.map_or(quiet, |left| left.max(quiet)))
    }

    /// Tries again later, and later each time: the disk may be full for hours.
    fn postpone_epoch(&mut self) {
        let first = self.context.budgets.epoch_quiet;
        let pause = match &self.postponed {
            Some(Postponed { pause, .. }) => (*pause * 2).min(first * PAUSES_MAX),
            None => first * 2,
        };
        let until = Instant::now() + pause;
        self.postponed = Some(Postponed { until, pause });
    }

    fn is_due(&mut self) -> bool {
        let is_there = |entity: &&Entity| entity.presence() == Presence::Present;
        let Some(entity) = self.entity.as_ref().filter(is_there) else {
            return false;
        };
        self.weight.is_due(entity, &self.context.budgets) && !self.stale
    }

    /// Whether it is not to wait for one.
    pub(super) fn is_overdue(&mut self) -> bool {
        if !self.is_due()
            || self
                .postponed
                .as_ref()
                .is_some_and(|one| one.until > Instant::now())
        {
            return false;
        }
        let entity = self.entity.as_ref();
        entity.is_some_and(|entity| self.weight.is_overdue(entity, &self.context.budgets))
    }

    /// Begins a new epoch, if that makes the history shorter.
    pub(super) async fn begin_epoch(&mut self) {
        let Some(entity) = self.entity.clone() else {
            return;
        };
        let lane = Lane::of(&Principal::system());
        let Ok(slot) = self
            .context
            .work
            .enter(lane, Weight::of_operations(entity.operations()))
            .await
        else {
            self.postpone_epoch();
            return;
        };
        let made = work::here(|| next_epoch(&entity, entity.policy(), clock::now()));
        drop(slot);
        let next = match made {
            Ok(next) if next.effects().is_empty() => next,
            Ok(_) => {
                tracing::error!("a new epoch would change the value; it does not begin");
                self.weight.is_relieved(&entity, (u64::MAX, u64::MAX));
                return;
            }
            Err(error) => {
                tracing::error!(%error, "a new epoch cannot be made");
                self.weight.is_relieved(&entity, (u64::MAX, u64::MAX));
                return;
            }
        };
        let changes = next.draft().changes.iter();
        let bytes = changes.map(|change| change.len() as u64).sum();
        let operations = (entity.operations(), next.entity().operations());
        if !self.weight.is_relieved(&entity, (operations.1, bytes)) {
            return;
        }
        let effects = Derived::encode(next.effects(), next.conflicts());
        let (entity, draft, _) = next.into_parts();
        let mut request = Append::new(self.id.clone());
        request.entries.push(NewEntry {
            draft,
            effects: Some(effects),
        });
        let epoch = entity.epoch();
        match self.commit(request, Some(entity)).await {
            Ok(_) => {
                tracing::info!(
                    entity = %self.id,
                    epoch = epoch.0,
                    before = operations.0,
                    operations = operations.1,
                    "the history had outgrown the value: a new epoch begins"
                );
                self.weight = budget::Weight::of(bytes);
                for replica in self.replicas.values() {
                    replica.outbox.wake();
                }
                if let Some(entity) = &self.entity {
                    self.snapshots.begin_epoch(&self.context, entity).await;
                }
            }
            Err(error) => {
                self.postpone_epoch();
                self.after(&error).await;
            }
        }
    }
}
