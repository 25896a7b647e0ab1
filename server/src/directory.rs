//! The directory of entities: which are active, what their values are, and how to reach them.
//!
//! Invariant: at most one actor per entity at a time, and every write to an entity goes through
//! its mailbox. Actors are made when needed and leave when they are not.

mod kinds;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::principal::Principal;
use tokio::sync::{mpsc, oneshot};

use crate::config::PAGES_AT_ONCE;
use crate::context::Context;
use crate::entity::{
    self, Lease, Mailboxes, Message, Outcome, Purpose, Residents, Write, WriteError, begins_after,
    cold_value, settled,
};
use crate::outbox::ConnectionId;
use crate::storage::{Presence, StoreError};
use crate::values::{KindValues, PROJECTION, Present};
use crate::work::{self, Work};

/// How long values are left alone at least.
const LOOK_MIN: Duration = Duration::from_millis(1);

/// All entities, active or not. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    context: Arc<Context>,
    values: BTreeMap<Kind, Arc<KindValues>>,
    mailboxes: Mailboxes,
    residents: Residents,
    connections: AtomicU64,
    /// Pages whose values are read at a time.
    pages: Work,
}

impl Directory {
    /// A directory in which no entity is active yet.
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let kinds = context.policies.iter().map(|policy| policy.kind());
        let values = kinds.map(|kind| (kind.clone(), Arc::new(KindValues::new(kind.clone()))));
        let directory = Self(Arc::new(Shared {
            values: values.collect(),
            mailboxes: Mailboxes::default(),
            residents: Residents::new(context.settings.entities_bytes_max),
            connections: AtomicU64::new(1),
            pages: Work::of_pages(PAGES_AT_ONCE),
            context,
        }));
        let leaving = directory.clone().leave_unused_always();
        directory.context().spawn(leaving);
        directory
    }

    /// What all entities share.
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.0.context
    }

    /// The values of a kind, if there is such a kind.
    pub(crate) fn values(&self, kind: &Kind) -> Option<&Arc<KindValues>> {
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

    /// The mailbox of an entity's actor, which is made for `asker` if there is none.
    fn mailbox(&self, entity: &EntityId, asker: &str) -> mpsc::Sender<Message> {
        self.0.mailboxes.of(entity, || {
            let (sender, receiver) = mpsc::channel(self.context().settings.mailbox_max);
            self.begin(entity, asker, receiver);
            sender
        })
    }

    /// Starts the actor of an entity. What comes into its mailbox while it leaves is for the next one.
    fn begin(&self, entity: &EntityId, asker: &str, mut mailbox: mpsc::Receiver<Message>) {
        let Some(lease) = self.lease(entity) else {
            tracing::error!(%entity, "an actor was asked for an entity of no kind");
            return;
        };
        let (directory, entity, asker) = (self.clone(), entity.clone(), asker.to_owned());
        self.context().spawn(async move {
            let context = Arc::clone(directory.context());
            entity::run(context, lease, asker, &mut mailbox).await;
            while let Some(message) = mailbox.recv().await {
                directory.send(&entity, message).await;
            }
        });
    }

    fn lease(&self, entity: &EntityId) -> Option<Lease> {
        Some(Lease {
            policy: Arc::clone(self.context().policy_of(entity)?),
            values: Arc::clone(self.values(entity.kind())?),
            entity: entity.clone(),
            resident: self.0.residents.enter(),
            mailboxes: self.0.mailboxes.clone(),
        })
    }

    /// Ends all actors, after what is in their mailboxes, and everything else in the background. They
    /// hold the store, so one that is to be opened again in this process would otherwise stay locked.
    /// To be called when nothing is sent any more.
    pub(crate) async fn end(&self) {
        self.0.mailboxes.forget();
        self.context().end().await;
    }

    /// Which entities have an actor.
    #[cfg(test)]
    pub(crate) fn mailboxes(&self) -> &Mailboxes {
        &self.0.mailboxes
    }

    /// Drops values that no actor holds, no connection follows and no request asks for, until the end.
    async fn leave_unused_always(self) {
        let closing = self.context().closing().clone();
        let pause = (self.context().settings.idle / 2).max(LOOK_MIN);
        // What was asked for just after it was looked is found unused the time after next.
        while closing
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            work::here(|| {
                let values = self.0.values.values();
                values.for_each(|values| values.leave_unused());
            });
        }
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
                settled(&self.context().memory).await?;
                self.read(entity, asker, Purpose::Single).await
            }
        }
    }

    async fn read(
        &self,
        entity: &EntityId,
        asker: &Principal,
        purpose: Purpose,
    ) -> Result<Option<Arc<Present>>, WriteError> {
        let Some(values) = self.values(entity.kind()) else {
            return Ok(None);
        };
        if let Some(present) = values.get(entity) {
            return Ok(Some(present));
        }
        let context = &**self.context();
        let head = context.store.head(entity);
        let head = head.map_err(|error| log_store(entity, &error))?;
        if !head.is_some_and(|head| head.presence == Presence::Present) {
            return Ok(None);
        }
        let cold = cold_value(context, values, entity, (&asker.id, purpose));
        if let Some(present) = cold.await? {
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
        let context = self.context();
        let opened = context.versions.open(&present.entity, PROJECTION, version);
        opened.is_some_and(|opened| {
            let place = present.place();
            begins_after(&*context.store, &present.entity, place, &opened)
        })
    }

    /// Whether an entity was deleted.
    ///
    /// # Errors
    /// [`WriteError::Storage`] when the store cannot be read.
    pub(crate) fn is_deleted(&self, entity: &EntityId) -> Result<bool, WriteError> {
        let head = self.context().store.head(entity);
        let head = head.map_err(|error| log_store(entity, &error))?;
        Ok(head.is_some_and(|head| head.presence == Presence::Deleted))
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
