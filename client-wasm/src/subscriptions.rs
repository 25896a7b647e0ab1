//! Everything that the program follows: entities and kinds.

use std::collections::{BTreeMap, BTreeSet};

use indelible_engine::id::{EntityId, Kind};
use indelible_engine::time::Timestamp;

use crate::pause::is_over;
use crate::replica::Replica;
use crate::subscription::Subscription;

/// A kind that is watched.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Versions of the entities that were reported since `watch` was last sent.
    versions: BTreeMap<EntityId, String>,
    /// Whether all present entities have been reported on this connection.
    complete: bool,
    /// Whether the server does not serve it.
    failed: bool,
    /// When to ask for it again, since the server could not serve it.
    again: Option<Timestamp>,
}

impl Watch {
    /// `watch` is being sent, or would be, were the kind readable.
    pub(crate) fn ask(&mut self, readable: bool) {
        *self = Self {
            failed: !readable,
            ..Self::default()
        };
    }

    /// The server does not serve it; `false` where it has served it on this connection.
    pub(crate) fn fail(&mut self) -> bool {
        self.failed |= !self.complete;
        !self.complete
    }

    /// All present entities have been reported: these.
    pub(crate) fn complete(&mut self) -> Vec<EntityId> {
        self.complete = true;
        self.versions.keys().cloned().collect()
    }

    pub(crate) fn put(&mut self, id: &EntityId, version: &str) {
        self.versions.insert(id.clone(), version.to_owned());
    }

    /// Takes an entity to another version; `false` where it is not known, or is at that version.
    pub(crate) fn advance(&mut self, id: &EntityId, version: &str) -> bool {
        let known = self.versions.get_mut(id).filter(|known| *known != version);
        known.map(|known| version.clone_into(known)).is_some()
    }

    /// Removes an entity; `false` where it is not known.
    pub(crate) fn remove(&mut self, id: &EntityId) -> bool {
        self.versions.remove(id).is_some()
    }

    /// Whether who begins to follow an entity now has missed its value.
    pub(crate) fn has_reported(&self, id: &EntityId) -> bool {
        self.complete || self.versions.contains_key(id)
    }

    /// Whether values come, or will.
    pub(crate) fn is_served(&self) -> bool {
        !self.failed
    }

    /// Whether it has been asked for and not been answered.
    fn is_waiting(&self) -> bool {
        !self.complete && !self.failed
    }

    fn disconnected(&mut self) {
        self.complete = false;
        self.again = None;
        self.versions.clear();
    }
}

/// The entities and kinds that the program follows.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    entities: BTreeMap<EntityId, Subscription>,
    watches: BTreeMap<Kind, Watch>,
}

impl Subscriptions {
    /// Begins to follow an entity; `false` where it is followed already.
    pub(crate) fn open(&mut self, id: &EntityId) -> bool {
        let is_new = !self.entities.contains_key(id);
        if is_new {
            let subscription = Subscription::new(id.clone());
            self.entities.insert(id.clone(), subscription);
        }
        is_new
    }

    /// Follows an entity no longer; `false` where it was not followed.
    pub(crate) fn close(&mut self, id: &EntityId) -> bool {
        self.entities.remove(id).is_some()
    }

    pub(crate) fn get(&self, id: &EntityId) -> Option<&Subscription> {
        self.entities.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &EntityId) -> Option<&mut Subscription> {
        self.entities.get_mut(id)
    }

    pub(crate) fn replica_mut(&mut self, id: &EntityId) -> Option<&mut Replica> {
        self.entities.get_mut(id)?.replica_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.entities.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscription> {
        self.entities.values_mut()
    }

    /// The names of all entities that are followed.
    pub(crate) fn ids(&self) -> Vec<EntityId> {
        self.entities.keys().cloned().collect()
    }

    /// The names of those of one kind.
    pub(crate) fn of_kind(&self, kind: &Kind) -> Vec<EntityId> {
        let ids = self.entities.keys();
        ids.filter(|id| id.kind() == kind).cloned().collect()
    }

    /// All kinds that something is followed of.
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        let of_entities = self.entities.keys().map(EntityId::kind);
        of_entities.chain(self.watches.keys()).cloned().collect()
    }

    /// Begins to watch a kind; `false` where it is watched already.
    pub(crate) fn watch(&mut self, kind: &Kind) -> bool {
        let is_new = !self.watches.contains_key(kind);
        if is_new {
            self.watches.insert(kind.clone(), Watch::default());
        }
        is_new
    }

    /// Watches a kind no longer; `false` where it was not watched.
    pub(crate) fn unwatch(&mut self, kind: &Kind) -> bool {
        self.watches.remove(kind).is_some()
    }

    pub(crate) fn watch_of(&self, kind: &Kind) -> Option<&Watch> {
        self.watches.get(kind)
    }

    pub(crate) fn watch_mut(&mut self, kind: &Kind) -> Option<&mut Watch> {
        self.watches.get_mut(kind)
    }

    /// The kinds that are watched.
    pub(crate) fn watched(&self) -> Vec<Kind> {
        self.watches.keys().cloned().collect()
    }

    /// Whether some watch has been asked for and not been answered.
    pub(crate) fn is_watch_waiting(&self) -> bool {
        self.watches.values().any(Watch::is_waiting)
    }

    pub(crate) fn disconnected(&mut self) {
        for subscription in self.entities.values_mut() {
            subscription.disconnected();
        }
        for watch in self.watches.values_mut() {
            watch.disconnected();
        }
    }

    /// Has something asked for again later. The name of a kind names its only entity, or a watch:
    /// whichever was not answered.
    pub(crate) fn again(&mut self, name: &EntityId, until: Timestamp) {
        let watch = self.watches.get_mut(name.kind());
        if let Some(watch) = watch.filter(|watch| name.id().is_none() && watch.is_waiting()) {
            watch.again = Some(until);
        }
        if let Some(subscription) = self.entities.get_mut(name) {
            subscription.again(until);
        }
    }

    /// The kinds whose watch has waited for long enough to be asked for again.
    pub(crate) fn watches_due(&self, now: Timestamp) -> Vec<Kind> {
        let due = |watch: &Watch| watch.again.is_some_and(|until| is_over(until, now));
        let watches = self.watches.iter().filter(|(_, watch)| due(watch));
        watches.map(|(kind, _)| kind.clone()).collect()
    }

    /// The entities that have waited for long enough to be asked for again.
    pub(crate) fn entities_due(&self, now: Timestamp) -> Vec<EntityId> {
        let due = |waits: Option<Timestamp>| waits.is_some_and(|until| is_over(until, now));
        let entities = self
            .entities
            .iter()
            .filter(|(_, one)| due(one.waits_until()));
        entities.map(|(id, _)| id.clone()).collect()
    }

    /// When the next of them is to be asked for again.
    pub(crate) fn next_again(&self) -> Option<Timestamp> {
        let watches = self.watches.values().filter_map(|watch| watch.again);
        let entities = self.entities.values().filter_map(Subscription::waits_until);
        watches.chain(entities).min()
    }
}
