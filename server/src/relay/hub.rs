//! The directory of entities: who is active, what their values are, and how to reach them.
//!
//! Invariant: at most one actor per entity at a time, and every write to an entity goes through
//! its mailbox. Actors are made when needed and leave when nobody needs them.
//!
//! Must not know: WebSockets, HTTP, what a change means.

mod kinds;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indelible_engine::id::{EntityId, Epoch, Hash, IdError, Kind, ProposalId, Seq};
use indelible_engine::limits::Limits;
use indelible_engine::policy::{Policies, Policy, PolicyBook};
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cold::{self, For};
use super::entity_actor::{self, Message};
use super::fanout::ConnectionId;
use super::loading;
use super::residents::{Resident, Residents};
use super::values::{KindValues, PROJECTION, Present};
use super::writes::{Outcome, Write, WriteError};
use crate::auth::Auth;
use crate::commit::CommitHandle;
use crate::config::{BudgetSettings, PAGES_AT_ONCE, RateSettings, RelaySettings};
use crate::keys::Keys;
use crate::memory::Memory;
use crate::rates::Rates;
use crate::room::Room;
use crate::storage::{Presence, Store, StoreError};
use crate::versions::{Opened, Versions};
use crate::work::{self, Busy, Work};

/// Hexadecimal digits of an id that the server picks: 96 bits.
const GENERATED_ID_DIGITS: usize = 24;

/// How long values are left alone at least.
const LOOK_MIN: Duration = Duration::from_millis(1);

/// Everything that entities, connections and HTTP requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    policies: Policies,
    known: Arc<PolicyBook>,
    limits: Limits,
    settings: RelaySettings,
    budgets: BudgetSettings,
    rates: Rates,
    store: Arc<dyn Store>,
    commit: CommitHandle,
    auth: Auth,
    versions: Versions,
    values: BTreeMap<Kind, KindValues>,
    actors: Mutex<HashMap<EntityId, mpsc::Sender<Message>>>,
    residents: Residents,
    connections: AtomicU64,
    work: Work,
    room: Room,
    memory: Memory,
    /// Pages whose values are read at a time.
    pages: Semaphore,
    /// The actors that run, and what lets go of values.
    running: TaskTracker,
    /// Cancelled when the actors are to end.
    closing: CancellationToken,
}

/// What a hub is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The policies of all kinds.
    pub(crate) policies: Policies,
    /// These and those of the past.
    pub(crate) known: PolicyBook,
    /// What changes may be like.
    pub(crate) limits: Limits,
    /// How entities are held.
    pub(crate) settings: RelaySettings,
    /// How much history is in proportion to what is shown.
    pub(crate) budgets: BudgetSettings,
    /// How much may be written in a minute.
    pub(crate) rates: RateSettings,
    /// Where entries are read.
    pub(crate) store: Arc<dyn Store>,
    /// Where entries are written.
    pub(crate) commit: CommitHandle,
    /// What signs tokens and seals versions.
    pub(crate) keys: Keys,
    /// What may be held of what comes from outside.
    pub(crate) room: Room,
    /// What may wait to go out, and be kept to go out again.
    pub(crate) memory: Memory,
}

impl Hub {
    /// A hub over a store, with no actor yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            policies,
            known,
            limits,
            settings,
            budgets,
            rates,
            store,
            commit,
            keys,
            room,
            memory,
        } = parts;
        let values = policies
            .iter()
            .map(|policy| {
                (
                    policy.kind().clone(),
                    KindValues::new(policy.kind().clone()),
                )
            })
            .collect();
        let hub = Self(Arc::new(Shared {
            policies,
            known: Arc::new(known),
            residents: Residents::new(settings.entities_bytes_max),
            limits,
            settings,
            budgets,
            rates: Rates::new(rates),
            store,
            commit,
            auth: Auth::new(&keys),
            versions: Versions::new(&keys),
            values,
            actors: Mutex::default(),
            connections: AtomicU64::new(1),
            work: Work::new(),
            room,
            memory,
            pages: Semaphore::new(PAGES_AT_ONCE),
            running: TaskTracker::new(),
            closing: CancellationToken::new(),
        }));
        let relieving = hub.0.memory.clone().relieve_always();
        let closing = hub.0.closing.clone();
        let relieving = async move { closing.run_until_cancelled(relieving).await };
        hub.0.running.spawn(relieving);
        hub.0.running.spawn(hub.clone().leave_unused_always());
        hub
    }

    /// The policies of all kinds.
    pub(crate) fn policies(&self) -> &Policies {
        &self.0.policies
    }

    /// The policies of all kinds, and those that they ever had.
    pub(crate) fn known_policies(&self) -> &Arc<PolicyBook> {
        &self.0.known
    }

    /// The policy of a kind, if there is such a kind.
    pub(crate) fn policy(&self, kind: &Kind) -> Option<&Arc<Policy>> {
        self.0.policies.get(kind)
    }

    /// The policy for an entity's name, if the name fits its kind: singletons have no id, all
    /// others have one.
    pub(crate) fn policy_of(&self, entity: &EntityId) -> Option<&Arc<Policy>> {
        self.policy(entity.kind())
            .filter(|policy| policy.is_singleton() == entity.id().is_none())
    }

    /// What changes may be like.
    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// How entities are held.
    pub(crate) fn settings(&self) -> &RelaySettings {
        &self.0.settings
    }

    /// How much history is in proportion to what is shown.
    pub(crate) fn budgets(&self) -> &BudgetSettings {
        &self.0.budgets
    }

    /// How much everybody has written lately.
    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// Where entries are read.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Where entries are written.
    pub(crate) fn commit(&self) -> &CommitHandle {
        &self.0.commit
    }

    /// Who checks and issues tokens.
    pub(crate) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    /// Who seals and opens versions.
    pub(crate) fn versions(&self) -> &Versions {
        &self.0.versions
    }

    /// What takes the processor for long begins here.
    pub(crate) fn work(&self) -> &Work {
        &self.0.work
    }

    /// What may be held of what comes from outside.
    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    /// What may wait to go out, and be kept to go out again.
    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// The values of a kind, if there is such a kind.
    pub(crate) fn values(&self, kind: &Kind) -> Option<&KindValues> {
        self.0.values.get(kind)
    }

    /// A name for a new connection.
    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.0.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a message to an entity's actor, which is made if there is none.
    pub(crate) async fn send(&self, entity: &EntityId, mut message: Message) {
        loop {
            let mailbox = self.mailbox(entity, message.asker());
            match mailbox.send(message).await {
                Ok(()) => return,
                // The actor has just left; the next round makes another.
                Err(mpsc::error::SendError(back)) => message = back,
            }
            // A runtime that ends makes none any more, and ends this, too, once it may.
            tokio::task::yield_now().await;
        }
    }

    /// A place in memory for an entity.
    pub(super) fn resident(&self) -> Resident {
        self.0.residents.enter()
    }

    /// The mailbox of an entity's actor, which is made for `asker` if there is none.
    fn mailbox(&self, entity: &EntityId, asker: &str) -> mpsc::Sender<Message> {
        let mut actors = self.0.actors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mailbox) = actors.get(entity).filter(|mailbox| !mailbox.is_closed()) {
            return mailbox.clone();
        }
        let (sender, receiver) = mpsc::channel(self.0.settings.mailbox_max);
        actors.insert(entity.clone(), sender.clone());
        let actor = entity_actor::run(self.clone(), entity.clone(), asker.to_owned(), receiver);
        self.0.running.spawn(actor);
        sender
    }

    /// Runs what holds the hub beside its actors; it is waited for at the [end](Self::end), too.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.running.spawn(task)
    }

    /// Ends all actors, after what is in their mailboxes. They hold the hub, which holds the store,
    /// so a store that is to be opened again in this process would otherwise stay locked. To be
    /// called when nobody sends anything any more.
    pub(crate) async fn end(&self) {
        // Without its senders, a mailbox is over once it is empty.
        let actors = self.0.actors.lock();
        actors.unwrap_or_else(PoisonError::into_inner).clear();
        self.0.closing.cancel();
        self.0.running.close();
        self.0.running.wait().await;
    }

    /// How many actors there are.
    #[cfg(test)]
    pub(super) fn actors(&self) -> usize {
        let actors = self.0.actors.lock();
        actors.unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether an entity has an actor.
    #[cfg(test)]
    pub(super) fn is_in_memory(&self, entity: &EntityId) -> bool {
        let actors = self.0.actors.lock();
        let actors = actors.unwrap_or_else(PoisonError::into_inner);
        actors.contains_key(entity)
    }

    /// Takes an actor out of the directory if nothing waits for it. It must end then, and its value
    /// leaves after it, once nobody follows it.
    pub(crate) fn retire(&self, entity: &EntityId, mailbox: &mut mpsc::Receiver<Message>) -> bool {
        let mut actors = self.0.actors.lock().unwrap_or_else(PoisonError::into_inner);
        if !mailbox.is_empty() {
            return false;
        }
        mailbox.close();
        actors.remove(entity);
        // Before another actor can be made.
        if let Some(values) = self.values(entity.kind()) {
            values.unload(entity);
        }
        drop(actors);
        if let Some(values) = self.values(entity.kind()) {
            values.leave(entity);
        }
        true
    }

    /// Lets go of values that no actor holds, nobody follows and nobody asks for, until the end.
    async fn leave_unused_always(self) {
        let (closing, pause) = (
            self.0.closing.clone(),
            (self.0.settings.idle / 2).max(LOOK_MIN),
        );
        // What was asked for just after it was looked is found unused the time after next.
        while closing
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            work::here(|| self.0.values.values().for_each(KindValues::leave_unused));
        }
    }

    /// An entity's value after the entry at a place, which has this hash and time.
    pub(super) fn value_at(
        &self,
        entity: &EntityId,
        ((epoch, seq), hash): ((Epoch, Seq), Hash),
        (at, value): (Timestamp, Value),
    ) -> Present {
        let last = (epoch, seq, &hash);
        let version = self.versions().seal(entity, PROJECTION, last);
        let value = (value, self.memory());
        Present::new(entity.clone(), (epoch, seq), version, at, value)
    }

    /// Keeps a value that no actor holds until its memory is wanted.
    pub(super) fn keep_spare(&self, present: &Present) {
        let (hub, entity) = (Arc::downgrade(&self.0), present.entity.clone());
        present.keep_spare(move || {
            let hub = hub.upgrade().map(Self);
            let values = hub.as_ref().and_then(|hub| hub.values(entity.kind()));
            values.is_none_or(|values| values.leave(&entity))
        });
    }

    /// The value of an entity, if it exists, read for `asker`.
    ///
    /// # Errors
    /// [`WriteError::Storage`] when it cannot be read, [`WriteError::Busy`] where there is no memory
    /// for it.
    pub(crate) async fn present(
        &self,
        entity: &EntityId,
        asker: &Principal,
    ) -> Result<Option<Arc<Present>>, WriteError> {
        let known = self
            .values(entity.kind())
            .and_then(|values| values.get(entity));
        match known {
            Some(present) => Ok(Some(present)),
            None => {
                self.settled().await?;
                self.read(entity, asker, For::Itself).await
            }
        }
    }

    /// Waits until there is memory for more.
    pub(super) async fn settled(&self) -> Result<(), WriteError> {
        let settled = self.memory().settled().await;
        settled.map_err(|Busy| {
            tracing::warn!("what waits to be sent leaves no memory for more");
            WriteError::Busy
        })
    }

    async fn read(
        &self,
        entity: &EntityId,
        asker: &Principal,
        what_for: For,
    ) -> Result<Option<Arc<Present>>, WriteError> {
        let Some(values) = self.values(entity.kind()) else {
            return Ok(None);
        };
        if let Some(present) = values.get(entity) {
            return Ok(Some(present));
        }
        let head = self
            .0
            .store
            .head(entity)
            .map_err(|error| log_store(entity, &error))?;
        if !head.is_some_and(|head| head.presence == Presence::Present) {
            return Ok(None);
        }
        if let Some(present) = cold::present(self, values, entity, (&asker.id, what_for)).await? {
            return Ok(Some(present));
        }
        let (reply, loaded) = oneshot::channel();
        let asker = asker.id.clone();
        self.send(entity, Message::Load { asker, reply }).await;
        // Deleted since the head was read, it is not there.
        loaded.await.unwrap_or_else(|_| Err(unanswered(entity)))
    }

    /// Whether a version is that of a value: by itself, or since an epoch has begun in between, which
    /// changes none.
    pub(crate) fn stands_for(&self, version: &str, present: &Present) -> bool {
        if version == present.version {
            return true;
        }
        let opened = self.versions().open(&present.entity, PROJECTION, version);
        opened.is_some_and(|opened| {
            self.begins_after(&present.entity, (present.epoch, present.seq), &opened)
        })
    }

    /// Whether a place is the beginning of an epoch that followed a version's entry.
    pub(super) fn begins_after(
        &self,
        entity: &EntityId,
        (epoch, seq): (Epoch, Seq),
        opened: &Opened,
    ) -> bool {
        if seq != Seq(0) || opened.epoch >= epoch {
            return false;
        }
        let first = loading::entry(&*self.0.store, entity, epoch, seq);
        first.is_ok_and(|first| first.is_some_and(|first| opened.is_of(&first.previous_hash)))
    }

    /// Whether an entity is there no more.
    ///
    /// # Errors
    /// [`WriteError::Storage`] when the store cannot be read.
    pub(crate) fn is_deleted(&self, entity: &EntityId) -> Result<bool, WriteError> {
        let head = self.0.store.head(entity);
        let head = head.map_err(|error| log_store(entity, &error))?;
        Ok(head.is_some_and(|head| head.presence == Presence::Deleted))
    }

    /// The name of an entity that is to be created: the one that was asked for, or one that follows
    /// from who asks and the id of the write, so that a repeat comes to the same entity.
    ///
    /// # Errors
    /// [`WriteError::Name`] when the name cannot be used.
    pub(crate) fn name_for_creation(
        &self,
        policy: &Policy,
        id: Option<&str>,
        author: &Principal,
        write: ProposalId,
    ) -> Result<EntityId, WriteError> {
        let bad = |error: IdError| WriteError::Name(error.to_string());
        match (policy.is_singleton(), id) {
            (true, None) => EntityId::new(policy.kind().clone(), None).map_err(bad),
            (true, Some(_)) => Err(WriteError::Name(
                "there is only one of this kind, without an id".to_owned(),
            )),
            (false, Some(_)) if !policy.readable(author) => {
                // Whether an id is taken is not for somebody to find out who may not read the kind.
                Err(WriteError::Name(
                    "the server picks the ids of this kind".to_owned(),
                ))
            }
            (false, Some(id)) => EntityId::new(policy.kind().clone(), Some(id)).map_err(bad),
            (false, None) => {
                let text = Hash::of(&[
                    b"indelible/entity-id/1\0",
                    policy.kind().as_str().as_bytes(),
                    b"\0",
                    author.id.as_bytes(),
                    b"\0",
                    write.as_bytes(),
                ]);
                let id = &text.to_string()[..GENERATED_ID_DIGITS];
                EntityId::new(policy.kind().clone(), Some(id)).map_err(bad)
            }
        }
    }

    /// Writes to an entity and waits for the outcome.
    pub(crate) async fn write(
        &self,
        entity: &EntityId,
        write: impl FnOnce(oneshot::Sender<Outcome>) -> Write,
    ) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        self.send(entity, Message::Write(Box::new(write(reply))))
            .await;
        outcome
            .await
            .unwrap_or_else(|_| Outcome::Failed(unanswered(entity)))
    }
}

/// What asked an actor that ended by a panic.
fn unanswered(entity: &EntityId) -> WriteError {
    tracing::error!(%entity, "an actor ended without an answer");
    WriteError::Storage
}

fn log_store(entity: &EntityId, error: &StoreError) -> WriteError {
    tracing::error!(%entity, %error, "an entity cannot be read");
    WriteError::Storage
}
