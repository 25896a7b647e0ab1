//! The present values of one kind, and who follows them: value subscribers and kind watchers.
//!
//! Invariant: a value is published by its entity's actor only, after the commit that made it, in
//! order, or adopted while none is known, at the end of its log; a follower gets every value or patch
//! after the one it joined at, each exactly once. Joining and publishing hold the same lock, so
//! nothing falls between them. A value that no actor holds any more and nobody follows leaves.
//!
//! Must not know: changes, admission, the store, sockets.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use indelible_engine::id::{EntityId, Epoch, Kind, Seq};
use indelible_engine::protocol::TextForm;
use indelible_engine::time::Timestamp;
use serde_json::Value;

use super::fanout::{ConnectionId, Subscriber};
use super::frames;
use crate::work;

/// The name of the projection that holds everything; readers get it or nothing.
pub(super) const PROJECTION: &str = "whole";

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
    text: Encoded,
    frame: Encoded,
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
            text: Encoded::default(),
            frame: Encoded::default(),
        }
    }

    /// The value as compact JSON, made when it is first asked for and shared from then on. To make it
    /// may take a while: where that has to be done, other work goes on elsewhere.
    pub(crate) fn encoded(&self) -> Bytes {
        self.text.get(|| Bytes::from(self.value.to_string()))
    }

    /// The `value` frame, encoded once.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame.get(|| frames::value(self))
    }

    /// Lets go of what can be made again. Whoever is being sent it holds it until then.
    pub(crate) fn rest(&self) {
        self.text.clear();
        self.frame.clear();
    }
}

/// Bytes that are made when they are asked for, and made again after they were let go.
#[derive(Debug, Default)]
struct Encoded(Mutex<Option<Bytes>>);

impl Encoded {
    fn lock(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        let made = self.lock().clone();
        // Whoever asks meanwhile makes them, too, rather than wait on a thread that serves others.
        made.unwrap_or_else(|| {
            let made = work::here(make);
            self.lock().get_or_insert(made).clone()
        })
    }

    fn clear(&self) {
        *self.lock() = None;
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
    present: BTreeMap<EntityId, Kept>,
    watchers: HashMap<ConnectionId, Subscriber>,
    readers: HashMap<EntityId, HashMap<ConnectionId, Subscriber>>,
}

/// A value, and what keeps it beside its followers.
#[derive(Debug)]
struct Kept {
    present: Arc<Present>,
    /// Whether the entity has an actor.
    is_loaded: bool,
}

impl Kept {
    fn loaded(present: &Arc<Present>) -> Self {
        Self {
            present: Arc::clone(present),
            is_loaded: true,
        }
    }
}

impl Table {
    fn is_followed(&self, entity: &EntityId) -> bool {
        let readers = self.readers.get(entity);
        !self.watchers.is_empty() || readers.is_some_and(|readers| !readers.is_empty())
    }
}

/// What becomes of a value that no actor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It is followed, and stays for now.
    Followed,
    /// It is gone, or has an actor again.
    Over,
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
        let table = self.lock();
        table
            .present
            .get(entity)
            .map(|kept| Arc::clone(&kept.present))
    }

    /// The same for the actor, which holds it from now on.
    pub(crate) fn load(&self, entity: &EntityId) -> Option<Arc<Present>> {
        let mut table = self.lock();
        let kept = table.present.get_mut(entity)?;
        kept.is_loaded = true;
        Some(Arc::clone(&kept.present))
    }

    /// The actor holds the value no more.
    pub(crate) fn unload(&self, entity: &EntityId) {
        if let Some(kept) = self.lock().present.get_mut(entity) {
            kept.is_loaded = false;
        }
    }

    /// Lets go of a value that no actor holds, unless it is followed.
    pub(crate) fn leave(&self, entity: &EntityId) -> Leaving {
        let mut table = self.lock();
        let kept = match table.present.get(entity) {
            Some(kept) if !kept.is_loaded => kept,
            _ => return Leaving::Over,
        };
        if table.is_followed(entity) {
            kept.present.rest();
            return Leaving::Followed;
        }
        table.present.remove(entity);
        table.readers.remove(entity);
        table.complete = false;
        Leaving::Over
    }

    /// Takes a value from elsewhere if none is known and `is_last` says that nothing was written
    /// since; gives the one that is known then.
    pub(super) fn adopt(
        &self,
        present: Arc<Present>,
        is_last: impl FnOnce() -> bool,
    ) -> Option<Arc<Present>> {
        let mut table = self.lock();
        if let Some(known) = table.present.get(&present.entity) {
            return Some(Arc::clone(&known.present));
        }
        if !is_last() {
            return None;
        }
        let adopted = Kept {
            present: Arc::clone(&present),
            is_loaded: false,
        };
        table.present.insert(present.entity.clone(), adopted);
        Some(present)
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

    /// Up to `limit` values after the given id, in the order of their ids; nothing where not all are
    /// known.
    pub(crate) fn page(&self, after: Option<&EntityId>, limit: usize) -> Option<Vec<Arc<Present>>> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let table = self.lock();
        let range = table
            .present
            .range::<EntityId, _>((start, Bound::Unbounded));
        let values = range.take(limit).map(|(_, kept)| Arc::clone(&kept.present));
        table.complete.then(|| values.collect())
    }

    /// Encodes the value of one entity, or those of all, so that nobody has to wait for that who
    /// waits for the lock.
    pub(crate) fn encode(&self, entity: Option<&EntityId>) {
        let known: Vec<Arc<Present>> = match entity {
            Some(entity) => self.get(entity).into_iter().collect(),
            None => {
                let table = self.lock();
                let known = table.present.values().map(|kept| Arc::clone(&kept.present));
                known.collect()
            }
        };
        work::here(|| known.iter().for_each(|present| drop(present.frame())));
    }

    /// Starts following one entity: its value now, unless the reader has that `version`, or that
    /// there is none; then every patch, its deletion, and its value when it is there (again).
    /// `absent` is what is said then; where it is `None` the value is there, and if it has left since,
    /// the subscriber comes back.
    ///
    /// # Errors
    /// The subscriber, who has to make sure of the value again.
    pub(crate) fn follow(
        &self,
        subscriber: Subscriber,
        entity: &EntityId,
        (version, absent): (Option<&str>, Option<&str>),
    ) -> Result<(), Subscriber> {
        let mut table = self.lock();
        let present = table.present.get(entity).map(|kept| &kept.present);
        let first = match (present, version, absent) {
            (None, _, Some(absent)) => frames::gone(entity, absent),
            (None, _, None) => return Err(subscriber),
            (Some(present), Some(version), _) if version == present.version => {
                frames::patch(present, "[]")
            }
            (Some(present), ..) => present.frame(),
        };
        subscriber.outbox.answer(first);
        let readers = table.readers.entry(entity.clone()).or_default();
        readers.insert(subscriber.connection, subscriber);
        Ok(())
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
    ///
    /// # Errors
    /// The subscriber, where not all values are known any more.
    pub(crate) fn watch(&self, subscriber: Subscriber) -> Result<(), Subscriber> {
        let mut table = self.lock();
        if !table.complete {
            return Err(subscriber);
        }
        for kept in table.present.values() {
            subscriber.outbox.answer(kept.present.frame());
        }
        subscriber.outbox.answer(frames::watched(&self.kind));
        table.watchers.insert(subscriber.connection, subscriber);
        Ok(())
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
            .insert(present.entity.clone(), Kept::loaded(present));
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
