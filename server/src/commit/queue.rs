//! What waits to be committed, and whose turn it is to commit.
//!
//! Invariant: at most one commits at a time; requests are taken in the order in which they came.
//! Who finds nobody committing and nothing waiting commits itself; what comes meanwhile is the
//! commit thread's.
//!
//! Must never know: what is committed, the store.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::{Answer, CommitRequest, Health};

/// What may be asked of whoever commits.
pub(super) enum Message {
    /// To put this on disk.
    Commit(Box<CommitRequest>, Answer),
    /// To look whether that is possible.
    Check(oneshot::Sender<Health>),
}

/// Nothing is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    /// Somebody commits.
    led: bool,
    closed: bool,
}

/// The queue of all requests.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Tells the commit thread to look again.
    changed: Condvar,
    /// One permit for each message that still fits.
    room: Semaphore,
}

impl Queue {
    /// An empty queue for so many messages.
    pub(super) fn new(messages_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            room: Semaphore::new(messages_max),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room.
    ///
    /// # Errors
    /// [`Closed`].
    pub(super) async fn room(&self) -> Result<Room<'_>, Closed> {
        let permit = self.room.acquire().await.map_err(|_| Closed)?;
        permit.forget();
        Ok(Room { queue: self })
    }

    /// Whether nothing is taken any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes nothing from now on. What was taken is still committed.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.changed.notify_all();
    }

    /// Takes nothing from now on and drops what waits.
    pub(super) fn abandon(&self) {
        self.close();
        let abandoned = std::mem::take(&mut self.lock().waiting);
        drop(abandoned);
    }

    /// Waits until something waits and nobody commits; `None` when nothing will come any more.
    pub(super) fn turn(&self) -> Option<Turn<'_>> {
        let idle = |state: &mut State| state.led || state.waiting.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return None;
        }
        state.led = true;
        Some(Turn { queue: self })
    }
}

/// Room for one message, given back when it is not used.
pub(super) struct Room<'a> {
    queue: &'a Queue,
}

impl<'a> Room<'a> {
    /// Leaves a message to the commit thread.
    ///
    /// # Errors
    /// [`Closed`].
    pub(super) fn leave(self, message: Message) -> Result<(), Closed> {
        let queue = self.queue;
        let mut state = queue.lock();
        self.push(&mut state, message)?;
        if !state.led {
            drop(state);
            queue.changed.notify_all();
        }
        Ok(())
    }

    /// Takes the turn for a message if nobody commits and nothing waits, otherwise leaves it to the
    /// commit thread.
    ///
    /// # Errors
    /// [`Closed`].
    pub(super) fn lead(self, message: Message) -> Result<Option<Turn<'a>>, Closed> {
        let queue = self.queue;
        let mut state = queue.lock();
        if state.led || !state.waiting.is_empty() {
            drop(state);
            return self.leave(message).map(|()| None);
        }
        self.push(&mut state, message)?;
        state.led = true;
        Ok(Some(Turn { queue }))
    }

    fn push(self, state: &mut State, message: Message) -> Result<(), Closed> {
        if state.closed {
            return Err(Closed);
        }
        state.waiting.push_back(message);
        // Given back when the message is taken.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.queue.room.add_permits(1);
    }
}

/// The right to commit, until it is dropped.
pub(super) struct Turn<'a> {
    queue: &'a Queue,
}

impl Turn<'_> {
    /// What waits, from the front, as far as `max` goes.
    pub(super) fn take(&self, max: usize) -> Vec<Message> {
        let mut state = self.queue.lock();
        let count = max.min(state.waiting.len());
        let taken: Vec<_> = state.waiting.drain(..count).collect();
        drop(state);
        self.queue.room.add_permits(taken.len());
        taken
    }
}

impl Drop for Turn<'_> {
    /// What came meanwhile is the commit thread's; while it is, nobody else takes a turn.
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.led = false;
        if !state.waiting.is_empty() || state.closed {
            drop(state);
            self.queue.changed.notify_all();
        }
    }
}
