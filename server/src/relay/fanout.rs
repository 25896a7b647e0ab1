//! Fan-out: what one connection still has to be sent, and the handles that others push into it.
//!
//! Invariant: the bytes that other people's edits put into a queue are bounded; a consumer that
//! falls behind loses the subscription that no longer fits (and is told so by `reset`), never the
//! server its memory. Frames are encoded once by whoever makes them and shared as [`Bytes`].
//!
//! Must not know: the engine's documents, the store, HTTP, or what a frame says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use indelible_engine::id::{EntityId, Kind};
use tokio::sync::Notify;

/// Names one connection for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What a connection follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subscription {
    /// One entity, opened in either mode.
    Entity(EntityId),
    /// All entities of a kind.
    Kind(Kind),
}

/// The subscription does not fit into the connection's queue any more and has been ended there;
/// whoever pushed must forget the subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// How a connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing {
    /// The WebSocket close code.
    pub(crate) code: u16,
    /// A short reason for people.
    pub(crate) reason: &'static str,
}

/// The next thing to put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// One encoded frame.
    Frame(Bytes),
    /// Nothing more comes; close the socket.
    Close(Closing),
}

#[derive(Debug)]
struct Queued {
    bytes: Bytes,
    /// Set on frames that came from elsewhere, not in answer to what the connection asked.
    relayed: Option<Arc<Subscription>>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Queued>,
    bytes: usize,
    relayed_bytes: usize,
    closing: Option<Closing>,
}

/// The send queue of one connection.
///
/// Answers are always taken: the connection reads no further frame while the queue is over its
/// limit, so they are bounded by what was asked. Relayed frames are bounded here.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
    bytes_max: usize,
}

impl Outbox {
    /// An empty queue that holds at most `bytes_max` bytes of relayed frames, plus one frame.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an answer to something the connection asked for.
    pub(crate) fn answer(&self, bytes: Bytes) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        queue.bytes += bytes.len();
        queue.frames.push_back(Queued {
            bytes,
            relayed: None,
        });
        drop(queue);
        self.filled.notify_one();
    }

    /// Queues a frame of a subscription.
    ///
    /// # Errors
    /// [`Overflow`] when the queue is full: the subscription's waiting frames are dropped and
    /// `reset` takes their place.
    pub(crate) fn relay(
        &self,
        subscription: &Arc<Subscription>,
        bytes: Bytes,
        reset: impl FnOnce() -> Bytes,
    ) -> Result<(), Overflow> {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return Err(Overflow);
        }
        let fits = queue.relayed_bytes < self.bytes_max;
        if fits {
            queue.bytes += bytes.len();
            queue.relayed_bytes += bytes.len();
            let relayed = Some(Arc::clone(subscription));
            queue.frames.push_back(Queued { bytes, relayed });
        } else {
            queue.drop_frames_of(subscription);
            let reset = reset();
            queue.bytes += reset.len();
            queue.frames.push_back(Queued {
                bytes: reset,
                relayed: None,
            });
        }
        drop(queue);
        self.filled.notify_one();
        if fits { Ok(()) } else { Err(Overflow) }
    }

    /// Closes the connection after what is queued has been sent. The first call counts.
    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        self.lock().closing.get_or_insert(Closing { code, reason });
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Waits for the next thing to send. One task only may call this.
    pub(crate) async fn next(&self) -> Outgoing {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.filled.notified().await;
        }
    }

    /// The next frame, if one waits that is no longer than `bytes_max`. Only the task that calls
    /// [`Self::next`] may call this.
    pub(crate) fn waiting(&self, bytes_max: usize) -> Option<Bytes> {
        let queue = self.lock();
        let fits = queue.frames.front()?.bytes.len() <= bytes_max;
        if fits { self.pop(queue) } else { None }
    }

    fn take(&self) -> Option<Outgoing> {
        let queue = self.lock();
        let closing = queue.closing.map(Outgoing::Close);
        self.pop(queue).map(Outgoing::Frame).or(closing)
    }

    fn pop(&self, mut queue: MutexGuard<'_, Queue>) -> Option<Bytes> {
        let frame = queue.frames.pop_front()?;
        queue.bytes -= frame.bytes.len();
        if frame.relayed.is_some() {
            queue.relayed_bytes -= frame.bytes.len();
        }
        let room = queue.bytes <= self.bytes_max;
        drop(queue);
        if room {
            self.drained.notify_waiters();
        }
        Some(frame.bytes)
    }

    /// Waits until no more than the limit is queued: whoever reads requests waits here first.
    pub(crate) async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            {
                let queue = self.lock();
                if queue.bytes <= self.bytes_max || queue.closing.is_some() {
                    return;
                }
            }
            drained.await;
        }
    }
}

impl Queue {
    fn drop_frames_of(&mut self, subscription: &Arc<Subscription>) {
        let (mut bytes, mut relayed_bytes) = (0, 0);
        self.frames.retain(|frame| {
            let stays = frame.relayed.as_ref().is_none_or(|of| of != subscription);
            if stays {
                bytes += frame.bytes.len();
                relayed_bytes += frame.relayed.as_ref().map_or(0, |_| frame.bytes.len());
            }
            stays
        });
        (self.bytes, self.relayed_bytes) = (bytes, relayed_bytes);
    }
}

/// One connection's interest in one thing.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    /// Whose it is.
    pub(crate) connection: ConnectionId,
    /// Where its frames go.
    pub(crate) outbox: Arc<Outbox>,
    /// What it follows.
    pub(crate) subscription: Arc<Subscription>,
}

#[cfg(test)]
mod tests {
    //! Guards against a slow reader that grows the server's memory, or loses frames silently.
    use super::*;

    fn subscription(name: &str) -> Arc<Subscription> {
        Arc::new(Subscription::Entity(
            name.parse().expect("a valid entity id"),
        ))
    }

    fn frame(size: usize) -> Bytes {
        Bytes::from(vec![7; size])
    }

    const RESET: &[u8] = b"reset";

    #[tokio::test]
    async fn a_full_queue_drops_one_subscription_and_says_so() {
        let outbox = Outbox::new(100);
        let (slow, other) = (subscription("team/a"), subscription("team/b"));
        let reset = || Bytes::from_static(RESET);
        assert_eq!(outbox.relay(&slow, frame(60), reset), Ok(()));
        assert_eq!(outbox.relay(&other, frame(50), reset), Ok(()));
        assert_eq!(outbox.relay(&slow, frame(1), reset), Err(Overflow));
        assert_eq!(outbox.relay(&other, frame(2), reset), Ok(()));
        outbox.close(1000, "done");
        let mut sent = Vec::new();
        while let Outgoing::Frame(bytes) = outbox.next().await {
            sent.push(bytes.len());
        }
        assert_eq!(sent, [50, RESET.len(), 2]);
    }

    #[tokio::test]
    async fn what_waits_is_gathered_in_order_as_far_as_it_fits() {
        let outbox = Outbox::new(100);
        for size in [1, 2, 3, 40] {
            outbox.answer(frame(size));
        }
        assert_eq!(outbox.next().await, Outgoing::Frame(frame(1)));
        assert_eq!(outbox.waiting(10), Some(frame(2)));
        assert_eq!(outbox.waiting(8), Some(frame(3)));
        assert_eq!(outbox.waiting(5), None);
        assert_eq!(outbox.next().await, Outgoing::Frame(frame(40)));
        outbox.close(1000, "done");
        assert_eq!(outbox.waiting(5), None);
        assert!(matches!(outbox.next().await, Outgoing::Close(_)));
    }

    #[tokio::test]
    async fn answers_are_never_dropped_but_stop_the_reader() {
        let outbox = Outbox::new(10);
        outbox.answer(frame(20));
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(5), outbox.room());
        assert!(waiting.await.is_err(), "the queue is over its limit");
        assert_eq!(outbox.next().await, Outgoing::Frame(frame(20)));
        outbox.room().await;
    }
}
