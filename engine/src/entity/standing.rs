//! What an entity is apart from its document: whose log, where in it, and what readers see there.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Step;
use crate::id::{EntityId, Epoch, Hash, LogPlace};
use crate::ledger::{EntryKind, Logged, Presence, Stamps};
use crate::policy::Policy;

/// An entity without its document.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(super) id: EntityId,
    pub(super) place: LogPlace,
    pub(super) hash: Hash,
    pub(super) policy: Arc<Policy>,
    pub(super) presence: Presence,
    pub(super) value: Arc<Map<String, Value>>,
    pub(super) stamps: Stamps,
    /// Stamps as a server sent them, where the log's own are not at hand.
    pub(super) received: Option<Map<String, Value>>,
}

impl Standing {
    pub(crate) fn id(&self) -> &EntityId {
        &self.id
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.place.epoch
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The value without stamps.
    pub(crate) fn value(&self) -> &Arc<Map<String, Value>> {
        &self.value
    }

    /// The stamps as the schema's fields present them.
    pub(super) fn stamp_fields(&self) -> Map<String, Value> {
        match &self.received {
            Some(received) => received.clone(),
            None => self.stamps.fields(&self.policy),
        }
    }

    /// The value as a reader gets it, stamps included.
    pub(crate) fn presented(&self) -> Value {
        let mut map = Map::clone(&self.value);
        map.extend(self.stamp_fields());
        Value::Object(map)
    }

    /// The standing one entry on, under the policy and with the value that the entry leaves. Its
    /// hash is that of the entry before until the entry is sealed.
    pub(crate) fn after(
        &self,
        step: &Step<'_>,
        policy: &Arc<Policy>,
        value: Arc<Map<String, Value>>,
    ) -> Self {
        let place = match step.kind {
            EntryKind::Epoch => LogPlace::start_of(self.place.epoch.next()),
            _ => self.place.next(),
        };
        let stamps = match step.kind.is_stamped() {
            true => self.stamps.advanced(step.at, &step.author.id, step.claimed),
            false => self.stamps.clone(),
        };
        Self {
            id: self.id.clone(),
            place,
            hash: self.hash,
            policy: Arc::clone(policy),
            presence: Presence::after(Some(self.presence), step.kind),
            value,
            stamps,
            received: self.received.clone().filter(|_| step.kind.is_stamped()),
        }
    }

    /// Goes on by an entry of the log; its policy and the value that it leaves are set apart.
    pub(super) fn follow(&mut self, entry: &Logged<'_>) {
        self.stamps = self.stamps.after(entry);
        self.presence = Presence::after(Some(self.presence), entry.kind);
        (self.place, self.hash) = (entry.place, entry.hash);
    }
}
