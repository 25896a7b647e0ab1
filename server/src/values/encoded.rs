//! What was encoded for one reader, kept for others until its memory is wanted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::memory::{Cache, Hold, Memory, Used};
use crate::work;

/// Bytes that are made when they are asked for, and made again after they were let go.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    made: Mutex<Option<(Option<Hold>, Bytes)>>,
    used: Used,
    is_noted: AtomicBool,
}

impl Encoded {
    fn lock(&self) -> MutexGuard<'_, Option<(Option<Hold>, Bytes)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are there, or new ones. Short ones are not kept: to make them takes less than to keep
    /// them.
    pub(crate) fn get(self: &Arc<Self>, memory: &Memory, make: impl FnOnce() -> Bytes) -> Bytes {
        self.there().unwrap_or_else(|| {
            let made = work::here(make);
            match memory.keep(&made) {
                Some(hold) => self.kept(memory, (Some(hold), made)),
                None => made,
            }
        })
    }

    /// The same for what takes long to make, however short it is.
    pub(crate) fn keep(self: &Arc<Self>, memory: &Memory, make: impl FnOnce() -> Bytes) -> Bytes {
        self.there().unwrap_or_else(|| {
            let made = work::here(make);
            self.kept(memory, (memory.keep(&made), made))
        })
    }

    fn there(&self) -> Option<Bytes> {
        let there = self.lock().as_ref().map(|(_, made)| made.clone());
        there.inspect(|_| self.used.note())
    }

    /// Whoever asks meanwhile has made them, too, rather than wait on a thread that serves others: the
    /// first ones stay.
    fn kept(self: &Arc<Self>, memory: &Memory, made: (Option<Hold>, Bytes)) -> Bytes {
        let kept = self.lock().get_or_insert(made).1.clone();
        if !self.is_noted.swap(true, Ordering::Relaxed) {
            let noted: Weak<Self> = Arc::downgrade(self);
            memory.cache(noted);
        }
        kept
    }

    /// Lets go of them.
    pub(crate) fn clear(&self) {
        let made = self.lock().take();
        drop(made);
    }
}

impl Cache for Encoded {
    fn was_used(&self) -> bool {
        self.used.take()
    }

    fn shed(&self) -> usize {
        self.is_noted.store(false, Ordering::Relaxed);
        self.clear();
        0
    }
}
