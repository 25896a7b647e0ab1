//! What waits to be committed, and whose turn it is to commit.
//!
//! Invariant: at most one commits at a time. Requests are taken in the order in which they came,
//! except that large ones let small ones go first, once each: a large one is a transaction by
//! itself, so that a small writer waits for at most one of them. (Of the entries of one
//! entity, no two requests wait at a time.)
//! A request that finds no commit running and nothing waiting is committed by its own thread; what
//! comes meanwhile is the commit thread's.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::{Answer, Health};
use crate::storage::Append;

/// What the committing thread may be asked.
pub(super) enum Message {
    /// To put this on disk.
    Commit(Box<Append>, Answer),
    /// To look whether that is possible.
    Check(oneshot::Sender<Health>),
}

/// Nothing is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// Bytes from which a request is large.
const LARGE_BYTES: usize = 64 << 10;

impl Message {
    fn is_large(&self) -> bool {
        match self {
            Self::Commit(request, _) => request.bytes() >= LARGE_BYTES,
            Self::Check(_) => false,
        }
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    /// Those of them that are large, apart.
    large: VecDeque<Message>,
    /// Small ones went before a large one that waits.
    large_is_next: bool,
    /// Somebody commits.
    led: bool,
    closed: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.large.is_empty()
    }
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
        let mut state = self.lock();
        let abandoned = (
            std::mem::take(&mut state.waiting),
            std::mem::take(&mut state.large),
        );
        drop(state);
        drop(abandoned);
    }

    /// Waits until something waits and no commit runs; `None` when nothing will come any more.
    pub(super) fn turn(&self) -> Option<CommitGuard<'_>> {
        let idle = |state: &mut State| state.led || state.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.is_empty() {
            return None;
        }
        state.led = true;
        Some(CommitGuard { queue: self })
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

    /// Takes the turn for a message if no commit runs and nothing waits, otherwise leaves it to the
    /// commit thread.
    ///
    /// # Errors
    /// [`Closed`].
    pub(super) fn lead(self, message: Message) -> Result<Option<CommitGuard<'a>>, Closed> {
        let queue = self.queue;
        let mut state = queue.lock();
        if state.led || !state.is_empty() {
            drop(state);
            return self.leave(message).map(|()| None);
        }
        self.push(&mut state, message)?;
        state.led = true;
        Ok(Some(CommitGuard { queue }))
    }

    fn push(self, state: &mut State, message: Message) -> Result<(), Closed> {
        if state.closed {
            return Err(Closed);
        }
        if message.is_large() {
            state.large.push_back(message);
        } else {
            state.waiting.push_back(message);
        }
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
pub(super) struct CommitGuard<'a> {
    queue: &'a Queue,
}

impl CommitGuard<'_> {
    /// What waits: small ones from the front, as far as `max` goes, or one large one.
    pub(super) fn take(&self, max: usize) -> Vec<Message> {
        let mut state = self.queue.lock();
        let large_is_next = state.large_is_next || state.waiting.is_empty();
        let taken: Vec<_> = match state.large.pop_front_if(|_| large_is_next) {
            Some(large) => vec![large],
            None => {
                let count = max.min(state.waiting.len());
                state.waiting.drain(..count).collect()
            }
        };
        state.large_is_next = !large_is_next && !state.large.is_empty();
        drop(state);
        self.queue.room.add_permits(taken.len());
        taken
    }
}

impl Drop for CommitGuard<'_> {
    /// What came meanwhile is the commit thread's; until it is done, no other thread takes a turn.
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.led = false;
        if !state.is_empty() || state.closed {
            drop(state);
            self.queue.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    //! Guards against small requests that wait for all the large ones before them, and large ones
    //! that wait for ever.

    use indelible_engine::id::EntityId;

    use super::*;
    use crate::storage::Snapshot;

    fn request(name: &str, bytes: usize) -> Message {
        let entity: EntityId = format!("team/{name}").parse().unwrap();
        let mut request = Append::new(entity);
        request.snapshot = Some(Snapshot {
            epoch: indelible_engine::id::Epoch::FIRST,
            seq: indelible_engine::id::Seq(0),
            document: vec![0; bytes],
            state: Vec::new(),
        });
        Message::Commit(Box::new(request), oneshot::channel().0)
    }

    async fn put(queue: &Queue, messages: Vec<Message>) {
        for message in messages {
            queue.room().await.unwrap().leave(message).unwrap();
        }
    }

    fn taken(queue: &Queue) -> Vec<String> {
        let turn = queue.turn().unwrap();
        let name = |message: Message| match message {
            Message::Commit(request, _) => request.entity.id().unwrap().to_owned(),
            Message::Check(_) => "check".to_owned(),
        };
        turn.take(3).into_iter().map(name).collect()
    }

    #[tokio::test]
    async fn large_requests_let_small_ones_go_first_once_each() {
        let queue = Queue::new(100);
        let (large, small) = (LARGE_BYTES, 10);
        let first = vec![
            request("large-1", large),
            request("large-2", large),
            request("small-1", small),
            request("large-3", large),
            request("small-2", small),
        ];
        put(&queue, first).await;
        assert_eq!(taken(&queue), ["small-1", "small-2"]);
        let next = (3..8).map(|n| request(&format!("small-{n}"), small));
        put(&queue, next.collect()).await;
        assert_eq!(taken(&queue), ["large-1"]);
        assert_eq!(taken(&queue), ["small-3", "small-4", "small-5"]);
        assert_eq!(taken(&queue), ["large-2"]);
        assert_eq!(taken(&queue), ["small-6", "small-7"]);
        assert_eq!(taken(&queue), ["large-3"]);
        put(&queue, vec![request("large-4", large)]).await;
        assert_eq!(taken(&queue), ["large-4"]);
        assert!(queue.lock().is_empty());
    }
}
