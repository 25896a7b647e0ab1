//! The present values of one kind, and who follows them: value subscribers and kind watchers.
//!
//! Invariant: a value is published by its entity's actor only, after the commit that made it, in
//! order, or adopted while none is known, at the end of its log; a follower gets every value or patch
//! after the one it joined at, each exactly once. Joining and publishing hold the same lock, so
//! nothing falls between them. A value that no actor holds is dropped when it is not asked for, or its
//! memory is wanted; of one that is followed, its place stays.

mod encoded;
mod present;

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use indelible_engine::id::{EntityId, Kind, LogPlace};
use indelible_engine::protocol::TextForm;

pub(crate) use self::encoded::Encoded;
pub(crate) use self::present::{PROJECTION, Present};
use crate::frames;
use crate::outbox::{ConnectionId, Subscriber};

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
    /// Where those were that have left while they were followed: their followers have them.
    left: HashMap<EntityId, LogPlace>,
    /// How many are about to watch.
    gathering: usize,
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

    /// Lets go of a value that no actor holds, and gives it.
    fn leave(&mut self, entity: &EntityId) -> Option<Arc<Present>> {
        self.present.get(entity).filter(|kept| !kept.is_loaded)?;
        if self.gathering > 0 {
            return None;
        }
        let Kept { present, .. } = self.present.remove(entity)?;
        self.complete = false;
        if self.is_followed(entity) {
            self.left.insert(entity.clone(), present.place());
        } else {
            self.readers.remove(entity);
        }
        Some(present)
    }
}

/// Keeps the values of a kind while they are gathered for a connection that is about to watch it. Only so can
/// they be said to be all there are: one that left meanwhile would be missed.
#[derive(Debug)]
pub(crate) struct Gathering<'a>(&'a KindValues);

impl Gathering<'_> {
    /// Whether every entity of the kind has been published.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.lock().complete
    }

    /// Notes that every entity that was there when this began has been published. Those made later
    /// publish themselves.
    pub(crate) fn set_complete(&self) {
        self.0.lock().complete = true;
    }

    /// Starts following all entities: their values now, `watched`, then patches and new values. All
    /// have to be known.
    pub(crate) fn watch(self, subscriber: Subscriber) {
        let Self(values) = &self;
        let mut table = values.lock();
        let consumer = subscriber.outbox.consumer();
        consumer.takes_kind();
        for kept in table.present.values() {
            let hold = kept.present.hold(consumer);
            subscriber.outbox.answer_later(kept.present.clone(), hold);
        }
        subscriber.outbox.answer(frames::watched(&values.kind));
        table.watchers.insert(subscriber.connection, subscriber);
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        let mut table = self.0.lock();
        table.gathering -= 1;
        if table.gathering == 0
            && let Some((_, kept)) = table.present.first_key_value()
        {
            kept.present.memory.look_again();
        }
    }
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
        let kept = table.present.get(entity)?;
        kept.present.used.note();
        Some(Arc::clone(&kept.present))
    }

    /// Whether followers have a value that an actor has loaded and holds from now on; gives the one
    /// that is known.
    pub(crate) fn load(&self, loaded: &Arc<Present>) -> Option<Arc<Present>> {
        let mut table = self.lock();
        let entity = &loaded.entity;
        let is_it = |kept: &&mut Kept| kept.present.place() == loaded.place();
        if let Some(kept) = table.present.get_mut(entity).filter(is_it) {
            kept.is_loaded = true;
            *kept.present.spare() = None;
            return Some(Arc::clone(&kept.present));
        }
        let left = table.left.remove(entity)?;
        (left == loaded.place()).then(|| {
            table.present.insert(entity.clone(), Kept::loaded(loaded));
            Arc::clone(loaded)
        })
    }

    /// The actor holds the value no more.
    pub(crate) fn unload(&self, entity: &EntityId) {
        if let Some(kept) = self.lock().present.get_mut(entity) {
            kept.is_loaded = false;
        }
    }

    /// Lets go of a value that no actor holds, unless all are needed now; whether it may go.
    pub(crate) fn leave(&self, entity: &EntityId) -> bool {
        let mut table = self.lock();
        let (may_go, left) = (table.gathering == 0, table.leave(entity));
        drop(table);
        // A long one takes a while, and not under the lock.
        drop(left);
        may_go
    }

    /// Keeps a value that no actor holds until its memory is wanted.
    pub(crate) fn keep_spare(self: &Arc<Self>, present: &Present) {
        let (values, entity) = (Arc::downgrade(self), present.entity.clone());
        present.keep_spare(move || {
            let values = values.upgrade();
            values.is_none_or(|values| values.leave(&entity))
        });
    }

    /// The same for all that were not used since this was called last, unless the kind is watched:
    /// the next one to watch it needs all of them.
    pub(crate) fn leave_unused(&self) {
        let mut table = self.lock();
        if !table.watchers.is_empty() {
            return;
        }
        let unused = |(_, kept): &(&EntityId, &Kept)| !kept.is_loaded && !kept.present.used.take();
        let unused: Vec<EntityId> = table
            .present
            .iter()
            .filter(unused)
            .map(|(entity, _)| entity.clone())
            .collect();
        let left: Vec<_> = unused.iter().map(|entity| table.leave(entity)).collect();
        let mut places = std::mem::take(&mut table.left);
        places.retain(|entity, _| table.is_followed(entity));
        table.left = places;
        drop(table);
        drop(left);
    }

    /// Lets none of the values leave, until what this gives is dropped.
    pub(crate) fn gather(&self) -> Gathering<'_> {
        self.lock().gathering += 1;
        Gathering(self)
    }

    /// Takes a value from elsewhere if none is known and `is_last` says that nothing was written
    /// since; gives the one that is known then.
    pub(crate) fn adopt(
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
        table.left.remove(&present.entity);
        Some(present)
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
        let outbox = &subscriber.outbox;
        match (present, version, absent) {
            (None, _, Some(absent)) => outbox.answer(frames::gone(entity, absent)),
            (None, _, None) => return Err(subscriber),
            (Some(present), Some(version), _) if version == present.version => {
                outbox.answer(frames::patch(present.named(), "[]"));
            }
            (Some(present), ..) => {
                let hold = present.hold(outbox.consumer());
                outbox.answer_later(present.clone(), hold);
            }
        }
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

    /// Replaces an entity's value and sends it to its followers, all of one form the same bytes;
    /// `patches` lead there from the value before, `None` when the entity is new or the difference
    /// is not known.
    pub(crate) fn publish(&self, present: &Arc<Present>, patches: Option<&Patches<'_>>) {
        let mut table = self.lock();
        table
            .present
            .insert(present.entity.clone(), Kept::loaded(present));
        table.left.remove(&present.entity);
        let (whole, splices) = (OnceCell::new(), OnceCell::new());
        let frame = |form: TextForm| {
            let make = || match patches {
                Some(patches) => frames::patch(present.named(), patches.text(form)),
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
    /// Forgets an entity's value and reports to its followers that it is gone. They keep following it:
    /// it may come back.
    pub(crate) fn withdraw(&self, entity: &EntityId, code: &str) {
        let mut table = self.lock();
        let was_here = table.present.remove(entity).is_some();
        if table.left.remove(entity).is_none() && !was_here {
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
