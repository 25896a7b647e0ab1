//! Which entities have an actor, and how an actor leaves.
//!
//! Invariant: an entity has at most one actor at a time. An actor leaves only while nothing is in its
//! mailbox, and before another one can be made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indelible_engine::id::EntityId;
use indelible_engine::policy::Policy;
use tokio::sync::mpsc;

use super::super::residents::Resident;
use super::Message;
use crate::values::KindValues;

/// The mailboxes of all entities that have an actor. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailboxes(Arc<Mutex<HashMap<EntityId, mpsc::Sender<Message>>>>);

impl Mailboxes {
    fn lock(&self) -> MutexGuard<'_, HashMap<EntityId, mpsc::Sender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mailbox of an entity. Where it has no actor, `begin` starts one.
    pub(crate) fn of(
        &self,
        entity: &EntityId,
        begin: impl FnOnce() -> mpsc::Sender<Message>,
    ) -> mpsc::Sender<Message> {
        let mut mailboxes = self.lock();
        let open = mailboxes.get(entity).filter(|one| !one.is_closed());
        if let Some(mailbox) = open {
            return mailbox.clone();
        }
        let mailbox = begin();
        mailboxes.insert(entity.clone(), mailbox.clone());
        mailbox
    }

    /// Forgets all mailboxes. Without senders, each is over once it is empty.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    /// How many actors there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Whether an entity has an actor.
    #[cfg(test)]
    pub(crate) fn has(&self, entity: &EntityId) -> bool {
        self.lock().contains_key(entity)
    }
}

/// What makes an actor the one of its entity, until it retires.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Which entity.
    pub(crate) entity: EntityId,
    /// The policy of its kind.
    pub(crate) policy: Arc<Policy>,
    /// The values of its kind, where it publishes its own.
    pub(crate) values: Arc<KindValues>,
    /// Its share of the memory for entities.
    pub(crate) resident: Resident,
    /// Where its mailbox is.
    pub(crate) mailboxes: Mailboxes,
}

impl Lease {
    /// Ends the lease if nothing is in the mailbox, and says whether it did. The actor must end then;
    /// its value leaves after it, once it has no follower.
    pub(super) fn retire(&self, mailbox: &mut mpsc::Receiver<Message>) -> bool {
        let mut mailboxes = self.mailboxes.lock();
        if !mailbox.is_empty() {
            return false;
        }
        mailbox.close();
        mailboxes.remove(&self.entity);
        // Before another actor can be made.
        self.values.unload(&self.entity);
        drop(mailboxes);
        self.values.leave(&self.entity);
        true
    }
}
