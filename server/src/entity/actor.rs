//! One entity's actor: the only place where the entity's state is advanced in this process.
//!
//! Invariant: nothing is answered or relayed before its commit. Writes that wait are judged one
//! after the other, each on the state that the ones before it leave, and committed together. The
//! state is swapped only when the commit is on disk. When a commit fails, what was judged on its
//! entries is not answered by those verdicts; where it may have been written all the same, the
//! state is read back from the store, and nothing is judged or shown to followers before that.

mod batch;
mod epoch;
mod following;
mod lease;
mod reading;
mod snapshots;
mod unrecorded;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use indelible_engine::effects::{json_patch, spliced_patch};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Hash, Seq};
use indelible_engine::ledger::{Logged, Sealed};
use indelible_engine::policy::Policy;
use indelible_engine::protocol::TextForm;
use indelible_engine::splice::Texts;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use self::batch::{Batch, Ending, KnownPast, Verdicts};
pub(crate) use self::lease::{Lease, Mailboxes};
use self::snapshots::Snapshots;
use self::unrecorded::log_unrecorded;
use super::answer::{self, Delivery};
use super::budget;
use super::loading::Loaded;
use super::outcome::{Outcome, WriteError};
use super::residents::footprint;
use super::writes::Write;
use crate::commit::CommitError;
use crate::context::Context;
use crate::frames::{self, DELETED, RelayedEntry};
use crate::outbox::{ConnectionId, Subscriber};
use crate::storage::{Append, Presence};
use crate::values::Encoded;
use crate::values::{Patches, Present};
use crate::work::{self, Busy, Lane, Weight};

/// How often writes are judged again because another entity was quicker to claim what one of them
/// wants. The disk says who, so once is enough unless claims change hands all the time.
const JUDGED_MAX: usize = 100;

/// What an actor is asked.
#[derive(Debug)]
pub(crate) enum Message {
    /// Publish the value.
    Load {
        /// The id of who asks.
        asker: String,
        /// Where the value goes, if there is one, or why it cannot be read.
        reply: oneshot::Sender<Result<Option<Arc<Present>>, WriteError>>,
    },
    /// Send a replica what it lacks, then all entries to come; or everything once the entity is there.
    Follow {
        /// The id of who asks.
        asker: String,
        /// Where the frames go.
        subscriber: Subscriber,
        /// The replica's place in the log.
        from: Option<(Epoch, Seq, Hash)>,
        /// What is said if it is not there.
        absent: &'static str,
    },
    /// Stop sending entries.
    Unfollow(ConnectionId),
    /// Write something.
    Write(Box<Write>),
}

impl Message {
    /// The id of the asker; to stop following is not to ask for an entity.
    pub(crate) fn asker(&self) -> &str {
        match self {
            Self::Load { asker, .. } | Self::Follow { asker, .. } => asker,
            Self::Unfollow(_) => "",
            Self::Write(write) => &write.author.id,
        }
    }
}

struct Actor {
    context: Arc<Context>,
    lease: Lease,
    id: EntityId,
    /// The id of the principal for whom the entity was brought into memory.
    asker: String,
    policy: Arc<Policy>,
    /// `None` while the entity was never there.
    entity: Option<Entity>,
    present: Option<Arc<Present>>,
    /// About how much memory it takes; of what is deleted, what it took.
    footprint: u64,
    /// Who follows the entity as a replica, or waits for it to be there.
    replicas: HashMap<ConnectionId, Subscriber>,
    /// The `snapshot` frame of the present state, once it was needed.
    snapshot: Arc<Encoded>,
    snapshots: Snapshots,
    /// How much history the epoch has.
    weight: budget::Weight,
    /// Set while a new epoch cannot be written.
    postponed: Option<epoch::Postponed>,
    /// What was asked of the log.
    past: KnownPast,
    /// Whether the store may have gone on without this state, and could not be read since.
    stale: bool,
}

/// Runs the actor of an entity, which `asker` needs first, until it is idle. What is in the mailbox
/// then came too late for it.
#[tracing::instrument(level = "debug", name = "entity", skip_all, fields(entity = %lease.entity))]
pub(crate) async fn run(
    context: Arc<Context>,
    lease: Lease,
    asker: String,
    mailbox: &mut mpsc::Receiver<Message>,
) {
    let mut actor = Actor {
        context,
        id: lease.entity.clone(),
        policy: Arc::clone(&lease.policy),
        lease,
        asker,
        entity: None,
        present: None,
        footprint: 0,
        replicas: HashMap::new(),
        snapshot: Arc::default(),
        snapshots: Snapshots::default(),
        weight: budget::Weight::default(),
        postponed: None,
        past: KnownPast::default(),
        stale: false,
    };
    let served = AssertUnwindSafe(async {
        Box::pin(actor.load()).await?;
        actor.serve(mailbox).await;
        Ok::<_, WriteError>(())
    });
    let failed = match served.catch_unwind().await {
        Ok(served) => served.err(),
        Err(_) => {
            tracing::error!("an actor ends by a panic");
            Some(WriteError::Storage)
        }
    };
    if let Some(why) = failed {
        // What waits is answered; the next message makes another actor.
        mailbox.close();
        // One may still be on its way into the mailbox.
        while let Some(message) = mailbox.recv().await {
            actor.turn_away(message, &why);
        }
    }
}

impl Actor {
    /// Serves until it is not needed. What takes memory only while something is done is in boxes:
    /// most actors do nothing.
    async fn serve(&mut self, mailbox: &mut mpsc::Receiver<Message>) {
        let settings = self.context.settings.clone();
        let warm = settings.frames_kept.min(settings.idle);
        let mut is_warm = true;
        let mut waiting = Vec::new();
        loop {
            let patience = match is_warm {
                true => warm,
                false => settings.idle.saturating_sub(warm),
            };
            let epoch = self.epoch_due_in();
            let epoch = epoch.filter(|quiet| *quiet <= patience || self.postponed.is_none());
            let received = async {
                tokio::select! {
                    biased;
                    received = mailbox.recv_many(&mut waiting, settings.batch_max) => Some(received),
                    () = self.lease.resident.is_unwanted(), if self.replicas.is_empty() => None,
                }
            };
            match tokio::time::timeout(epoch.unwrap_or(patience), received).await {
                Ok(Some(0)) => return,
                Ok(Some(_)) => is_warm = true,
                // Others need the memory at once: a snapshot would have to wait for its turn.
                Ok(None) => {
                    self.snapshots.give_up();
                    if self.leave(mailbox) {
                        return;
                    }
                    continue;
                }
                Err(_) if epoch.is_some() => {
                    Box::pin(self.begin_epoch()).await;
                    continue;
                }
                Err(_) if is_warm => {
                    self.rest();
                    is_warm = false;
                    continue;
                }
                Err(_) if !self.replicas.is_empty() => continue,
                Err(_) => {
                    if let Some(entity) = &self.entity {
                        Box::pin(self.snapshots.store_last(&self.context, entity)).await;
                    }
                    if self.leave(mailbox) {
                        return;
                    }
                    continue;
                }
            }
            if self.stale
                && let Err(why) = Box::pin(self.read_back()).await
            {
                waiting
                    .drain(..)
                    .for_each(|message| self.turn_away(message, &why));
                continue;
            }
            let mut writes = Vec::new();
            for message in waiting.drain(..) {
                match message {
                    Message::Load { reply, .. } => drop(reply.send(Ok(self.present.clone()))),
                    Message::Unfollow(connection) => drop(self.replicas.remove(&connection)),
                    Message::Follow {
                        subscriber,
                        from,
                        absent,
                        ..
                    } => work::here(|| self.follow(subscriber, from, absent)),
                    Message::Write(write) => writes.push(*write),
                }
            }
            if !writes.is_empty() {
                Box::pin(self.write(writes)).await;
            }
            self.lease
                .resident
                .is_used(self.footprint, !self.replicas.is_empty());
        }
    }

    /// Leaves the memory, unless something waits. The actor must end then.
    fn leave(&mut self, mailbox: &mut mpsc::Receiver<Message>) -> bool {
        let leaves = self.lease.retire(mailbox);
        if leaves {
            let (entity, present) = (self.entity.take(), self.present.take());
            work::here(|| drop((entity, present)));
        }
        leaves
    }

    /// Lets go of what was made for those who came lately, and can be made again.
    fn rest(&mut self) {
        self.snapshot.clear();
        if let Some(present) = &self.present {
            present.rest();
        }
    }

    /// Reads the entity from the store and publishes it.
    async fn load(&mut self) -> Result<(), WriteError> {
        let loaded = self.read().await?;
        match loaded {
            Some(Loaded { entity, since }) => {
                self.snapshots = Snapshots::since(since);
                let bytes = since.snapshot_bytes + since.bytes;
                self.weight = budget::Weight::of(bytes as u64);
                work::here(|| self.publish(entity, None));
            }
            None if self.entity.is_some() => {
                tracing::error!("the store has lost the entity");
                return Err(WriteError::Storage);
            }
            None => {}
        }
        Ok(())
    }

    /// Answers that nothing can be done at present, and why.
    fn turn_away(&mut self, message: Message, why: &WriteError) {
        match message {
            Message::Load { reply, .. } => drop(reply.send(Err(why.clone()))),
            Message::Unfollow(connection) => drop(self.replicas.remove(&connection)),
            Message::Follow { subscriber, .. } => {
                subscriber
                    .outbox
                    .answer(answer::failed(why, &self.id, None));
            }
            Message::Write(write) => {
                let outcome = Outcome::Failed(why.clone());
                write
                    .answer
                    .give(&self.id, write.id, outcome, Delivery::Queued);
            }
        }
    }

    /// Judges writes, commits what was admitted, then swaps, relays and answers.
    async fn write(&mut self, writes: Vec<Write>) {
        // Dropping a document takes a while: no answer shall wait for that.
        let before = self.entity.clone();
        let mut left = JUDGED_MAX;
        let (decided, was, ending) = loop {
            left -= 1;
            let Verdicts {
                request,
                entity,
                was,
                decided,
            } = self.judge(&writes).await;
            let Some(request) = request else {
                break (decided, None, Ending::Committed);
            };
            let refusals = request.refusals.clone();
            match self.commit(request, entity).await {
                Ok(entries) => {
                    let was = was.map(|was| self.before_deletion(was, &entries));
                    break (decided, was, Ending::Committed);
                }
                Err(CommitError::Taken(taken)) if left > 0 => {
                    tracing::debug!(%taken, "judging again");
                }
                Err(error) => {
                    log_unrecorded(&refusals);
                    break (decided, None, self.after(&error).await);
                }
            }
        };
        let delivery = if writes.len() == 1 {
            Delivery::Inline
        } else {
            Delivery::Queued
        };
        let present = self.present.clone().or(was);
        work::here(|| {
            for (write, decided) in writes.into_iter().zip(decided) {
                let session = write.session.as_deref();
                let outcome = decided.outcome(session, present.as_ref(), ending);
                write.answer.give(&self.id, write.id, outcome, delivery);
            }
        });
        for replica in self.replicas.values() {
            replica.outbox.wake();
        }
        if self.is_overdue() {
            self.begin_epoch().await;
        }
        if let Some(entity) = &self.entity {
            self.snapshots.store_if_due(&self.context, entity).await;
        }
        work::here(|| drop(before));
    }

    /// Judges writes in their order, those of one author in a slot of theirs.
    async fn judge(&mut self, writes: &[Write]) -> Verdicts {
        let place = (&self.id, &self.policy);
        let own = self.weight();
        let mut batch = Batch::new(&self.context, place, self.entity.as_ref(), &mut self.past);
        for writes in writes.chunk_by(|one, next| one.author.id == next.author.id) {
            let Some(first) = writes.first() else {
                continue;
            };
            let weight = writes.iter().map(|write| write.task.weight());
            let weight = weight.fold(own, Weight::max);
            match self
                .context
                .work
                .enter(Lane::of(&first.author), weight)
                .await
            {
                // Their turn may have come after the end of the token that they came with.
                Ok(_slot) => work::here(|| {
                    for write in writes {
                        match write.session.as_ref().is_some_and(|one| one.is_over()) {
                            true => batch.turn_away(write),
                            false => batch.judge(write),
                        }
                    }
                }),
                Err(Busy) => writes.iter().for_each(|write| batch.turn_away(write)),
            }
        }
        batch.finish()
    }

    /// That of any edit of the entity as it is.
    fn weight(&self) -> Weight {
        let operations = self.entity.as_ref().map_or(0, Entity::operations);
        Weight::of_operations(operations)
    }

    /// Gives the entries as they are on disk.
    async fn commit(
        &mut self,
        request: Append,
        entity: Option<Entity>,
    ) -> Result<Vec<Sealed>, CommitError> {
        let appended = self.context.commit.commit(request).await?;
        self.postponed = None;
        if let Some(mut entity) = entity {
            for sealed in &appended.entries {
                entity.confirm(Logged::of(&sealed.entry, sealed.hash));
            }
            self.snapshots.count(&appended.entries);
            let changes = appended.entries.iter();
            let changes = changes.flat_map(|sealed| &sealed.entry.changes);
            self.weight
                .add(changes.map(|change| change.len() as u64).sum());
            let weight = Weight::of_operations(entity.operations());
            // Where too many wait already, followers are served all the same.
            let _slot = match weight {
                Weight::Heavy => self.context.work.enter(Lane::Publishing, weight).await.ok(),
                Weight::Light => None,
            };
            let entries: Vec<_> = appended.entries.iter().map(RelayedEntry::of).collect();
            work::here(|| self.publish(entity, Some(&entries)));
        }
        Ok(appended.entries)
    }

    /// The value before the commit deleted the entity, for those whose writes it still took.
    fn before_deletion(&self, mut was: Entity, entries: &[Sealed]) -> Arc<Present> {
        let last = was.place();
        for sealed in entries {
            if sealed.entry.header.place <= last {
                was.confirm(Logged::of(&sealed.entry, sealed.hash));
            }
        }
        Arc::new(self.shown(&was))
    }

    /// The value of an entity as readers see it.
    fn shown(&self, entity: &Entity) -> Present {
        let place = (entity.place(), entity.hash());
        let at = entity.stamps().updated_at.unwrap_or_default();
        Present::at(&self.context, &self.id, place, (at, entity.presented()))
    }

    /// After a failed commit: whether this state is still that of the disk.
    async fn after(&mut self, error: &CommitError) -> Ending {
        match error {
            CommitError::Taken(_)
            | CommitError::ReadOnly { .. }
            | CommitError::Failed
            | CommitError::Stopped => {
                tracing::warn!(%error, "nothing was written");
                Ending::NotWritten
            }
            CommitError::Conflict(_) | CommitError::Unknown => {
                tracing::error!(%error, "a commit failed; the entity is read back");
                self.stale = true;
                // Otherwise before the next message is served.
                let _ = self.read_back().await;
                Ending::Unknown
            }
        }
    }

    /// Takes over what the store holds. Replicas start over if that is not the state they know.
    async fn read_back(&mut self) -> Result<(), WriteError> {
        let place = |entity: &Entity| (entity.epoch(), entity.seq(), entity.hash());
        let before = self.entity.as_ref().map(place);
        self.load().await?;
        self.stale = false;
        if before != self.entity.as_ref().map(place) {
            self.reset_replicas("read-back");
        }
        Ok(())
    }

    fn reset_replicas(&mut self, reason: &'static str) {
        for (_, replica) in self.replicas.drain() {
            replica.outbox.answer(frames::reset(&self.id, reason));
        }
    }

    /// Takes over a committed state and publishes it to its followers.
    fn publish(&mut self, entity: Entity, entries: Option<&[RelayedEntry<'_>]>) {
        if entity.presence() != Presence::Present {
            self.withdraw();
            self.entity = Some(entity);
            return;
        }
        let was_there = self.present.is_some();
        let before = self.entity.as_ref();
        let begins = before.is_some_and(|before| before.epoch() != entity.epoch());
        let place = (entity.epoch(), entity.seq());
        let before = self.present.as_ref().map(|before| &before.value);
        let present = Arc::new(self.shown(&entity));
        self.footprint = footprint(&present.value, entity.operations());
        let make = |form| match before {
            Some(before) => self.patch((before, &present.value), &entity, form),
            None => String::new(),
        };
        let patches = before.map(|_| Patches::new(&make));
        let values = &self.lease.values;
        if let Some(patches) = &patches {
            // Before the lock that joining and publishing share.
            for form in values.forms(&self.id) {
                patches.text(form);
            }
        }
        // Followers have it from an actor before this one.
        let known = values.load(&present);
        if let Some(known) = &known {
            debug_assert_eq!(known.value, present.value, "{} at {place:?}", self.id);
        }
        // Followers know what was on disk before; what has just been written they do not.
        let known = known.filter(|_| entries.is_none());
        if known.is_none() {
            values.publish(&present, patches.as_ref());
        }
        self.snapshot.clear();
        // Last, so that what an author gets (entries, then the answer) goes out together.
        if !was_there || begins {
            self.relay_snapshot(&entity);
        } else if let Some(entries) = entries {
            self.relay(&entity, entries);
        }
        self.present = Some(known.unwrap_or(present));
        self.entity = Some(entity);
    }

    /// Reports to all followers that the entity is deleted. They keep following it: once its
    /// deletion is undone, they start over.
    fn withdraw(&mut self) {
        self.lease.values.withdraw(&self.id, DELETED);
        self.queue(&[frames::gone(&self.id, DELETED)]);
        self.snapshot.clear();
        self.present = None;
    }

    /// The patch from the value of the present state to that of a later one.
    fn patch(&self, (before, after): (&Value, &Value), later: &Entity, form: TextForm) -> String {
        let patch = match (form, &self.entity) {
            (TextForm::Splices, Some(entity)) => {
                let texts = Texts::between(entity, later, &[]);
                spliced_patch(&self.policy, before, after, &texts)
            }
            _ => json_patch(&self.policy, before, after),
        };
        serde_json::to_string(&patch).expect("patches are plain JSON with text keys")
    }
}

impl Drop for Actor {
    /// An actor that dies by a panic must not leave replicas waiting for ever.
    fn drop(&mut self) {
        self.reset_replicas("restarted");
    }
}

#[cfg(test)]
mod tests;
