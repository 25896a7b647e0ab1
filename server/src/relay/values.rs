//! The present values of one kind, and who follows them: value subscribers and kind watchers.
//!
//! Invariant: a value is published by its entity's actor only, after the commit that made it, in
//! order; a follower gets every value or patch after the one it joined at, each exactly once.
//! Joining and publishing hold the same lock, so nothing falls between them.
//!
//! Must not know: changes, admission, the store, sockets.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::body::Bytes;
use indelible_engine::id::{EntityId, Epoch, Kind, Seq};
use indelible_engine::protocol::TextForm;
use indelible_engine::time::Timestamp;
use serde_json::Value;

use super::fanout::{ConnectionId, Subscriber};
use super::frames;
use crate::work;

/// The value of an entity as readers see it, at one version.
#[derive(Debug)]
pub(crate) struct Present {
    /// Whose value this is.
    pub(crate) entity: EntityId,
    /// The epoch it was made in.
    pub(crate) epoch: Epoch,
    /// The last entry that changed what a reader sees.
    pub(crate) seq: Seq,
    /// Epoch, seq and hash of that entry, sealed.
    pub(crate) version: String,
    /// When that entry was committed.
    pub(crate) at: Timestamp,
    /// The value, stamps included.
    pub(crate) value: Value,
    text: OnceLock<Bytes>,
    frame: OnceLock<Bytes>,
}

impl Present {
    /// Puts a value together; `version` is its entry, sealed.
    pub(crate) fn new(
        entity: EntityId,
        (epoch, seq): (Epoch, Seq),
        version: String,
        at: Timestamp,
        value: Value,
    ) -> Self {
        Self {
            entity,
            epoch,
            seq,
            version,
            at,
            value,
            text: OnceLock::new(),
            frame: OnceLock::new(),
        }
    }

    /// The value as compact JSON, made when it is first asked for and shared from then on. To make it
    /// may take a while: where that has to be done, other work goes on elsewhere.
    pub(crate) fn encoded(&self) -> Bytes {
        let make = || work::here(|| Bytes::from(self.value.to_string()));
        self.text.get_or_init(make).clone()
    }

    /// The `value` frame, encoded once.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame
            .get_or_init(|| work::here(|| frames::value(self)))
            .clone()
    }
}

/// The patch that leads to a value, in each form of which it is asked for.
pub(crate) struct Patches<'a> {
    make: &'a dyn Fn(TextForm) -> String,
    whole: OnceCell<String>,
    splices: OnceCell<String>,
}

impl<'a> Patches<'a> {
    /// `make` gives the patch as text.
    pub(crate) fn new(make: &'a dyn Fn(TextForm) -> String) -> Self {
        Self {
            make,
            whole: OnceCell::new(),
            splices: OnceCell::new(),
        }
    }

    /// The patch in one form, made once.
    pub(crate) fn text(&self, form: TextForm) -> &str {
        let made = match form {
            TextForm::Whole => &self.whole,
            TextForm::Splices => &self.splices,
        };
        made.get_or_init(|| (self.make)(form))
    }
}

#[derive(Debug, Default)]
struct Table {
    complete: bool,
    present: BTreeMap<EntityId, Arc<Present>>,
    watchers: HashMap<ConnectionId, Subscriber>,
    readers: HashMap<EntityId, HashMap<ConnectionId, Subscriber>>,
}

/// The values of one kind that have been needed so far, and their followers.
#[derive(Debug)]
pub(crate) struct KindValues {
    kind: Kind,
    table: Mutex<Table>,
}

impl KindValues {
    /// Knows nothing yet.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            table: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entity's value, if its actor has published one.
    pub(crate) fn get(&self, entity: &EntityId) -> Option<Arc<Present>> {
        self.lock().present.get(entity).cloned()
    }

    /// Whether every entity of the kind has been published.
    pub(crate) fn is_complete(&self) -> bool {
        self.lock().complete
    }

    /// Notes that every entity that existed at first use has been published. Those made later
    /// publish themselves.
    pub(crate) fn set_complete(&self) {
        self.lock().complete = true;
    }

    /// Up to `limit` values after the given id, in the order of their ids.
    pub(crate) fn page(&self, after: Option<&EntityId>, limit: usize) -> Vec<Arc<Present>> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let table = self.lock();
        let range = table
            .present
            .range::<EntityId, _>((start, Bound::Unbounded));
        range
            .take(limit)
            .map(|(_, present)| Arc::clone(present))
            .collect()
    }

    /// Encodes the value of one entity, or those of all, so that nobody has to wait for that who
    /// waits for the lock.
    pub(crate) fn encode(&self, entity: Option<&EntityId>) {
        let known: Vec<Arc<Present>> = match entity {
            Some(entity) => self.get(entity).into_iter().collect(),
            None => self.lock().present.values().cloned().collect(),
        };
        work::here(|| known.iter().for_each(|present| drop(present.frame())));
    }

    /// Starts following one entity: its value now, unless the reader has that `version`, or that
    /// there is none; then every patch, its deletion, and its value when it is there (again).
    /// `absent` is what is said then.
    pub(crate) fn follow(
        &self,
        subscriber: Subscriber,
        entity: &EntityId,
        (version, absent): (Option<&str>, &str),
    ) {
        let mut table = self.lock();
        let first = match (table.present.get(entity), version) {
            (None, _) => frames::gone(entity, absent),
            (Some(present), Some(version)) if version == present.version => {
                frames::patch(present, "[]")
            }
            (Some(present), _) => present.frame(),
        };
        subscriber.outbox.answer(first);
        let readers = table.readers.entry(entity.clone()).or_default();
        readers.insert(subscriber.connection, subscriber);
    }

    /// Stops following one entity.
    pub(crate) fn unfollow(&self, connection: ConnectionId, entity: &EntityId) {
        let mut table = self.lock();
        if let Some(readers) = table.readers.get_mut(entity) {
            readers.remove(&connection);
            if readers.is_empty() {
                table.readers.remove(entity);
            }
        }
    }

    /// Starts following all entities: their values now, `watched`, then patches and new values.
    pub(crate) fn watch(&self, subscriber: Subscriber) {
        let mut table = self.lock();
        for present in table.present.values() {
            subscriber.outbox.answer(present.frame());
        }
        subscriber.outbox.answer(frames::watched(&self.kind));
        table.watchers.insert(subscriber.connection, subscriber);
    }

    /// Stops following all entities.
    pub(crate) fn unwatch(&self, connection: ConnectionId) {
        self.lock().watchers.remove(&connection);
    }

    /// In which forms patches of the entity are followed, by itself or with its kind.
    pub(crate) fn forms(&self, entity: &EntityId) -> Vec<TextForm> {
        let table = self.lock();
        let readers = table.readers.get(entity);
        let asked = |form: &TextForm| {
            let mut all = table
                .watchers
                .values()
                .chain(readers.into_iter().flat_map(HashMap::values));
            all.any(|follower| follower.texts == *form)
        };
        let forms = [TextForm::Whole, TextForm::Splices];
        forms.into_iter().filter(asked).collect()
    }

    /// Replaces an entity's value and tells its followers, all of one form by the same bytes;
    /// `patches` lead there from the value before, `None` when the entity is new or the difference
    /// is not known.
    pub(crate) fn publish(&self, present: &Arc<Present>, patches: Option<&Patches<'_>>) {
        let mut table = self.lock();
        table
            .present
            .insert(present.entity.clone(), Arc::clone(present));
        let (whole, splices) = (OnceCell::new(), OnceCell::new());
        let frame = |form: TextForm| {
            let make = || match patches {
                Some(patches) => frames::patch(present, patches.text(form)),
                None => present.frame(),
            };
            let made: &OnceCell<Bytes> = match form {
                TextForm::Whole => &whole,
                TextForm::Splices => &splices,
            };
            made.get_or_init(make).clone()
        };
        let Table {
            watchers, readers, ..
        } = &mut *table;
        let kind = EntityId::singleton(self.kind.clone());
        watchers.retain(|_, watcher| send(watcher, frame(watcher.texts), &kind));
        if let Some(readers) = readers.get_mut(&present.entity) {
            readers.retain(|connection, reader| {
                watchers.contains_key(connection)
                    || send(reader, frame(reader.texts), &present.entity)
            });
        }
    }
}

impl KindValues {
    /// Forgets an entity's value and tells its followers that it is gone. They go on following it:
    /// it may come back.
    pub(crate) fn withdraw(&self, entity: &EntityId, code: &str) {
        let mut table = self.lock();
        if table.present.remove(entity).is_none() {
            return;
        }
        let frame = frames::gone(entity, code);
        let kind = EntityId::singleton(self.kind.clone());
        let Table {
            watchers, readers, ..
        } = &mut *table;
        watchers.retain(|_, watcher| send(watcher, frame.clone(), &kind));
        if let Some(readers) = readers.get_mut(entity) {
            readers.retain(|connection, reader| {
                watchers.contains_key(connection) || send(reader, frame.clone(), entity)
            });
        }
    }
}

fn send(subscriber: &Subscriber, frame: Bytes, name: &EntityId) -> bool {
    let reset = || frames::reset(name, "slow-consumer");
    subscriber
        .outbox
        .relay(&subscriber.subscription, frame, reset)
        .is_ok()
}
