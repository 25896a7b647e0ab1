//! The memory for what goes out, and for what is kept to go out again: answers that wait for readers
//! who take them slowly, and values and frames that are cached.
//!
//! What many hold counts once. Where there is more than the bound, caches go first, those that were
//! not used lately before the others. Then connections are ended: of the owner that holds the most, the one
//! that has been taking longest, so that those who take what they ask for go on. What several hold
//! counts for each of them as an equal part.
//!
//! Invariant: as soon as there is more than the bound, something goes; it is not waited for, since
//! the caller may hold locks.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use indelible_engine::principal::Principal;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::MEMORY_WAIT;
use crate::work::{self, Busy};

/// Shorter ones count only where many of them wait.
pub(crate) const COUNTED_BYTES_MIN: usize = 4 << 10;

/// How long a connection may take for all values of a kind before it is ended for what it holds of them.
const KIND_PATIENCE: Duration = Duration::from_secs(30);

/// How long connections that were ended may take to let go before others are.
const LETTING_GO: Duration = Duration::from_millis(100);

/// Caches that are not there any more are forgotten when there are this many.
const CACHES_LOOKED_THROUGH_MIN: usize = 1_024;

/// The memory of one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Shared>);

struct Shared {
    bytes_max: usize,
    state: Mutex<State>,
    /// There is more than the bound.
    pressed: Notify,
    /// There is not any more.
    relieved: Notify,
}

#[derive(Default)]
struct State {
    bytes: usize,
    held: HashMap<Key, Held>,
    consumers: HashMap<u64, Consuming>,
    caches: VecDeque<Weak<dyn Cache>>,
    caches_looked_through: usize,
    last_id: u64,
}

/// Whose connections are taken together: those of a principal, and of those who have not signed in
/// the ones that come from one address.
pub(crate) fn owner(principal: &Principal, address: Option<IpAddr>) -> Arc<str> {
    match (principal.is_anonymous(), address) {
        (true, Some(address)) => format!("\0{address}").into(),
        _ => principal.id.as_str().into(),
    }
}

/// What identifies one thing that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Where its bytes begin.
    Buffer(usize),
    Other(u64),
}

struct Held {
    bytes: usize,
    holders: u32,
}

/// What one connection holds.
struct Consuming {
    owner: Arc<str>,
    held: HashMap<Key, u32>,
    /// Since when it has held something.
    since: Instant,
    /// Until when it may take all values of a kind, whatever that is.
    lenient_until: Option<Instant>,
    short_bytes: usize,
    ended: CancellationToken,
}

/// Something that can be made again.
pub(crate) trait Cache: Send + Sync {
    /// Whether it was used since this was asked last.
    fn was_used(&self) -> bool;
    /// Lets go of it. Once it is there again, it is noted again. Gives the bytes of what has to stay
    /// for now.
    fn shed(&self) -> usize;
}

/// Something that is held, until this is dropped.
pub(crate) struct Hold {
    memory: Weak<Shared>,
    key: Key,
    consumer: Option<u64>,
}

/// A connection that answers are sent on.
pub(crate) struct Consumer {
    memory: Memory,
    id: u64,
    ended: CancellationToken,
}

impl Memory {
    /// Memory for so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Shared {
            bytes_max,
            state: Mutex::default(),
            pressed: Notify::new(),
            relieved: Notify::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// A connection of an owner.
    pub(crate) fn consumer(&self, owner: impl Into<Arc<str>>) -> Consumer {
        let ended = CancellationToken::new();
        let consuming = Consuming {
            owner: owner.into(),
            held: HashMap::new(),
            since: Instant::now(),
            lenient_until: None,
            short_bytes: 0,
            ended: ended.clone(),
        };
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.consumers.insert(id, consuming);
        Consumer {
            memory: self.clone(),
            id,
            ended,
        }
    }

    /// Counts bytes that are kept, once for all who hold them.
    pub(crate) fn keep(&self, bytes: &Bytes) -> Option<Hold> {
        self.hold(None, bytes)
    }

    /// What something counts as that is no buffer.
    pub(crate) fn key(&self) -> Key {
        let mut state = self.lock();
        state.last_id += 1;
        Key::Other(state.last_id)
    }

    /// Counts something that is kept, of about so many bytes.
    pub(crate) fn keep_at(&self, key: Key, bytes: usize) -> Hold {
        self.enter(&mut self.lock(), (key, bytes), None)
    }

    /// Looks again whether there is too much, where something need not stay any more.
    pub(crate) fn look_again(&self) {
        if self.is_over(self.0.bytes_max) {
            self.0.pressed.notify_one();
        }
    }

    /// Notes what may go first.
    pub(crate) fn cache(&self, cache: Weak<dyn Cache>) {
        let mut state = self.lock();
        state.caches.push_back(cache);
        let many = (2 * state.caches_looked_through).max(CACHES_LOOKED_THROUGH_MIN);
        if state.caches.len() >= many {
            state.caches.retain(|cache| cache.strong_count() > 0);
            state.caches_looked_through = state.caches.len();
        }
    }

    fn hold(&self, consumer: Option<u64>, bytes: &Bytes) -> Option<Hold> {
        if bytes.len() < COUNTED_BYTES_MIN {
            return None;
        }
        let key = Key::Buffer(bytes.as_ptr() as usize);
        Some(self.enter(&mut self.lock(), (key, bytes.len()), consumer))
    }

    fn enter(&self, state: &mut State, (key, bytes): (Key, usize), consumer: Option<u64>) -> Hold {
        let mut more = 0;
        let held = state.held.entry(key).or_insert_with(|| {
            more = bytes;
            Held { bytes, holders: 0 }
        });
        held.holders += 1;
        state.bytes += more;
        if let Some(one) = consumer.and_then(|id| state.consumers.get_mut(&id)) {
            if one.held.is_empty() {
                one.since = Instant::now();
            }
            *one.held.entry(key).or_default() += 1;
        }
        if state.bytes > self.0.bytes_max {
            self.0.pressed.notify_one();
        }
        Hold {
            memory: Arc::downgrade(&self.0),
            key,
            consumer,
        }
    }

    /// Waits until there is no more than the bound.
    ///
    /// # Errors
    /// [`Busy`] where that takes too long.
    pub(crate) async fn settled(&self) -> Result<(), Busy> {
        timeout(MEMORY_WAIT, self.relieved())
            .await
            .map_err(|_| Busy)
    }

    /// Whether there is more than the bound.
    pub(crate) fn is_full(&self) -> bool {
        self.is_over(self.0.bytes_max)
    }

    async fn relieved(&self) {
        loop {
            let mut relieved = pin!(self.0.relieved.notified());
            relieved.as_mut().enable();
            if !self.is_over(self.0.bytes_max) {
                return;
            }
            relieved.await;
        }
    }

    fn is_over(&self, bytes: usize) -> bool {
        self.lock().bytes > bytes
    }

    /// Lets go of what there is too much of, for as long as it is polled.
    pub(crate) async fn relieve_always(self) {
        loop {
            self.0.pressed.notified().await;
            let staying = work::here(|| self.shed());
            while self.is_over(self.0.bytes_max) && self.end_largest(staying) {
                // What they hold goes when their tasks are polled.
                let _ = timeout(LETTING_GO, self.relieved()).await;
            }
        }
    }

    /// How much there is to be once something has to go: so that not every further byte presses.
    fn aim(&self) -> usize {
        self.0.bytes_max / 8 * 7
    }

    /// Lets go of caches, each that was used since only when all others are gone. Gives the bytes of
    /// those that have to stay for now.
    fn shed(&self) -> usize {
        let mut turns = 2 * self.lock().caches.len();
        let (mut staying, mut stay) = (0, Vec::new());
        while turns > 0 && self.is_over(self.aim()) {
            turns -= 1;
            let Some(cache) = self.lock().caches.pop_front() else {
                break;
            };
            match cache.upgrade() {
                Some(used) if used.was_used() => self.lock().caches.push_back(cache),
                Some(other) => {
                    let bytes = other.shed();
                    staying += bytes;
                    stay.extend((bytes > 0).then_some(cache));
                }
                None => {}
            }
        }
        self.lock().caches.extend(stay);
        staying
    }

    /// Ends connections until what they hold is what there is too much; whether some are about to let
    /// go. Nobody is ended for caches that are `staying`, nor for what others are sent of a kind.
    fn end_largest(&self, staying: usize) -> bool {
        let state = self.lock();
        let now = Instant::now();
        let is_lenient = |one: &&Consuming| one.lenient_until.is_some_and(|until| now < until);
        let kinds = state.consumers.values().filter(is_lenient);
        let kinds: HashSet<&Key> = kinds.flat_map(|one| one.held.keys()).collect();
        let kinds = kinds.into_iter().filter_map(|key| state.held.get(key));
        let kinds: usize = kinds.map(|held| held.bytes).sum();
        // They let go when their tasks are polled.
        let going = state.consumers.values();
        let going = going.filter(|one| one.ended.is_cancelled());
        let going: usize = going.map(|one| one.part(&state.held)).sum();
        let mut left = state
            .bytes
            .saturating_sub(self.aim() + staying + kinds + going);
        let mut owners: HashMap<&Arc<str>, Vec<(usize, &Consuming)>> = HashMap::new();
        for one in state.consumers.values() {
            let part = one.part(&state.held);
            if part > 0 && !one.ended.is_cancelled() && !is_lenient(&one) {
                owners.entry(&one.owner).or_default().push((part, one));
            }
        }
        let mut owners: Vec<(usize, Vec<(usize, &Consuming)>)> = owners
            .into_values()
            .map(|mut all| {
                all.sort_by_key(|(_, one)| Reverse(one.since));
                (all.iter().map(|(part, _)| part).sum(), all)
            })
            .collect();
        let mut ended = 0;
        while left > 0 {
            let Some((sum, all)) = owners.iter_mut().max_by_key(|(sum, _)| *sum) else {
                break;
            };
            let Some((part, one)) = all.pop() else { break };
            *sum -= part;
            left = left.saturating_sub(part);
            one.ended.cancel();
            ended += 1;
        }
        // The log may have to wait for whoever reads it.
        drop(state);
        if ended > 0 {
            tracing::warn!(
                connections = ended,
                "answers wait that take too much memory: connections of those with the most end"
            );
        }
        ended > 0 || going > 0
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fell(&self, state: &State) {
        if state.bytes <= self.bytes_max {
            self.relieved.notify_waiters();
        }
    }
}

impl Consuming {
    /// Its part of what it holds.
    fn part(&self, held: &HashMap<Key, Held>) -> usize {
        let parts = self.held.iter().map(|(key, times)| {
            held.get(key).map_or(0, |held| {
                let holders = held.holders.max(1) as usize;
                held.bytes / holders * (*times as usize)
            })
        });
        parts.sum::<usize>() + self.short_bytes
    }
}

impl Consumer {
    /// The memory that it takes of.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whose it is from now on.
    pub(crate) fn belongs_to(&self, owner: Arc<str>) {
        if let Some(one) = self.memory.lock().consumers.get_mut(&self.id) {
            one.owner = owner;
        }
    }

    /// Counts bytes until they are taken, once for all who hold them; nothing if they are few.
    pub(crate) fn hold(&self, bytes: &Bytes) -> Option<Hold> {
        self.memory.hold(Some(self.id), bytes)
    }

    /// Counts something else until it is taken, once for all who hold it.
    pub(crate) fn hold_at(&self, key: Key, bytes: usize) -> Hold {
        let memory = &self.memory;
        memory.enter(&mut memory.lock(), (key, bytes), Some(self.id))
    }

    /// All values of a kind are sent: that may take a while, whatever they are.
    pub(crate) fn takes_kind(&self) {
        let mut state = self.memory.lock();
        let Some(one) = state.consumers.get_mut(&self.id) else {
            return;
        };
        let now = Instant::now();
        // A peer that keeps asking gets no more time for it.
        if one
            .lenient_until
            .is_none_or(|until| until <= now && one.held.is_empty())
        {
            one.lenient_until = Some(now + KIND_PATIENCE);
        }
    }

    /// The same bytes, counted until the last of them is dropped.
    pub(crate) fn held(&self, bytes: Bytes) -> Bytes {
        match self.hold(&bytes) {
            Some(hold) => Bytes::from_owner(HeldBytes { bytes, _hold: hold }),
            None => bytes,
        }
    }

    /// Sets how many bytes wait in frames that do not count by themselves.
    pub(crate) fn short(&self, bytes: usize) {
        let mut state = self.memory.lock();
        let State {
            consumers,
            bytes: all,
            ..
        } = &mut *state;
        let Some(one) = consumers.get_mut(&self.id) else {
            return;
        };
        *all = *all - one.short_bytes + bytes;
        one.short_bytes = bytes;
        if *all > self.memory.0.bytes_max {
            self.memory.0.pressed.notify_one();
        }
        self.memory.0.fell(&state);
    }

    /// Cancelled when the connection is to end.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("id", &self.id).finish()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        if let Some(one) = state.consumers.remove(&self.id) {
            state.bytes -= one.short_bytes;
        }
        self.memory.0.fell(&state);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("key", &self.key).finish()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(memory) = self.memory.upgrade() else {
            return;
        };
        let mut state = memory.lock();
        let consumer = self.consumer.and_then(|id| state.consumers.get_mut(&id));
        if let Some(one) = consumer
            && let Some(times) = one.held.get_mut(&self.key)
        {
            *times -= 1;
            if *times == 0 {
                one.held.remove(&self.key);
            }
        }
        if let Some(held) = state.held.get_mut(&self.key) {
            held.holders -= 1;
            if held.holders == 0 {
                let bytes = held.bytes;
                state.held.remove(&self.key);
                state.bytes -= bytes;
            }
        }
        memory.fell(&state);
    }
}

/// The hold goes before the bytes: what is allocated in their place is counted again.
struct HeldBytes {
    _hold: Hold,
    bytes: Bytes,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether something was used, for [`Cache::was_used`].
#[derive(Debug, Default)]
pub(crate) struct Used(AtomicBool);

impl Used {
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
