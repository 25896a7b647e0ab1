//! Fan-out: what one connection still has to be sent, and the handles that others push into it.
//!
//! Invariant: the bytes that other people's edits put into a queue are bounded; a consumer that
//! falls behind loses the subscription that no longer fits (and gets a `reset`), never the
//! server its memory. Frames are encoded once where they are made, and shared as [`Bytes`].

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use indelible_engine::id::{EntityId, Kind};
use indelible_engine::protocol::TextForm;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::memory::{Consumer, Hold};

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
/// the caller must forget the subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// How a connection is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    /// The WebSocket close code.
    pub(crate) code: u16,
    /// A short reason for people.
    pub(crate) reason: Cow<'static, str>,
}

/// Where the frames of an outbox go.
pub(crate) trait Wire: fmt::Debug + Send + Sync {
    /// Sends what is queued as far as that needs no waiting. What is left is for the task that
    /// waits for the peer.
    fn send_now(&self, outbox: &Outbox);
}

/// A frame that is made when its turn comes, so that what waits takes no memory of its own.
pub(crate) trait Deferred: fmt::Debug + Send + Sync {
    /// About how long it will be.
    fn length(&self) -> usize;
    /// The frame.
    fn frame(&self) -> Bytes;
}

/// A frame on its way, and the memory that it takes. That is given back before the bytes are: what
/// is allocated in their place is counted again.
#[derive(Debug)]
pub(crate) struct Outgoing {
    _hold: Option<Hold>,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
enum Content {
    Made(Outgoing),
    Deferred(Arc<dyn Deferred>, Hold),
}

#[derive(Debug)]
struct Queued {
    content: Content,
    length: usize,
    /// Set on frames that came from elsewhere, not in answer to what the connection asked.
    relayed: Option<Arc<Subscription>>,
}

impl Queued {
    /// The bytes that count together with those of other frames.
    fn short_bytes(&self) -> usize {
        match &self.content {
            Content::Made(Outgoing { _hold: None, .. }) => self.length,
            _ => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Queued>,
    bytes: usize,
    relayed_bytes: usize,
    short_bytes: usize,
    /// How many of these have been counted.
    short_counted: usize,
    closing: Option<Closing>,
}

/// The send queue of one connection.
///
/// Answers are always taken: the connection reads no further frame while the queue is over its
/// limit, so they are bounded by what was asked. Relayed frames are bounded here.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    wire: OnceLock<Arc<dyn Wire>>,
    filled: Notify,
    drained: Notify,
    bytes_max: usize,
    consumer: Consumer,
    cut: CancellationToken,
}

/// Short frames are counted in steps of so many bytes: those of a peer that takes them never are.
const SHORT_STEP_BYTES: usize = 64 << 10;

impl Outbox {
    /// An empty queue that holds at most `bytes_max` bytes of relayed frames, plus one frame.
    pub(crate) fn new(bytes_max: usize, consumer: Consumer) -> Self {
        Self {
            consumer,
            cut: CancellationToken::new(),
            queue: Mutex::default(),
            wire: OnceLock::new(),
            filled: Notify::new(),
            drained: Notify::new(),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the frames go. The first call counts.
    pub(crate) fn connect(&self, wire: Arc<dyn Wire>) {
        self.wire.get_or_init(|| wire);
    }

    /// Queues an answer to something the connection asked for.
    pub(crate) fn answer(&self, bytes: Bytes) {
        self.queue_answer(bytes);
        self.filled.notify_one();
    }

    /// Queues an answer that is made when its turn comes, and counts until then as `hold` says.
    pub(crate) fn answer_later(&self, frame: Arc<dyn Deferred>, hold: Hold) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            queue.push(Queued {
                length: frame.length(),
                content: Content::Deferred(frame, hold),
                relayed: None,
            });
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Queues an answer and sends what is queued from here, on the caller's thread, unless the
    /// peer has to be waited for.
    pub(crate) fn answer_now(&self, bytes: Bytes) {
        self.queue_answer(bytes);
        if let Some(wire) = self.wire.get() {
            wire.send_now(self);
        }
        self.wake();
    }

    fn queue_answer(&self, bytes: Bytes) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            self.push(&mut queue, bytes, None);
        }
    }

    fn push(&self, queue: &mut Queue, bytes: Bytes, relayed: Option<Arc<Subscription>>) {
        queue.push(Queued {
            length: bytes.len(),
            content: Content::Made(Outgoing {
                _hold: self.consumer.hold(&bytes),
                bytes,
            }),
            relayed,
        });
        self.count_short(queue);
    }

    fn count_short(&self, queue: &mut Queue) {
        let counted = queue.short_bytes / SHORT_STEP_BYTES * SHORT_STEP_BYTES;
        if counted != queue.short_counted {
            queue.short_counted = counted;
            self.consumer.short(counted);
        }
    }

    /// Who takes what is queued.
    pub(crate) fn consumer(&self) -> &Consumer {
        &self.consumer
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
        self.queue_relayed(subscription, bytes, reset)?;
        self.filled.notify_one();
        Ok(())
    }

    /// Like [`Self::relay`], but what fits is sent with the next answer or after [`Self::wake`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn queue_relayed(
        &self,
        subscription: &Arc<Subscription>,
        bytes: Bytes,
        reset: impl FnOnce() -> Bytes,
    ) -> Result<(), Overflow> {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return Err(Overflow);
        }
        if queue.relayed_bytes >= self.bytes_max {
            queue.drop_frames_of(subscription);
            self.push(&mut queue, reset(), None);
            drop(queue);
            self.filled.notify_one();
            return Err(Overflow);
        }
        self.push(&mut queue, bytes, Some(Arc::clone(subscription)));
        Ok(())
    }

    /// Wakes the task that sends, if anything is queued.
    pub(crate) fn wake(&self) {
        if !self.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Whether no frame waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().frames.is_empty()
    }

    /// Closes the connection after what is queued has been sent. The first call counts.
    pub(crate) fn close(&self, code: u16, reason: impl Into<Cow<'static, str>>) {
        let reason = reason.into();
        self.lock().closing.get_or_insert(Closing { code, reason });
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// The same without sending what is queued, which goes at once.
    pub(crate) fn cut(&self, code: u16, reason: impl Into<Cow<'static, str>>) {
        let reason = reason.into();
        let mut queue = self.lock();
        queue.closing.get_or_insert(Closing { code, reason });
        queue.frames.clear();
        (queue.bytes, queue.relayed_bytes, queue.short_bytes) = (0, 0, 0);
        self.count_short(&mut queue);
        drop(queue);
        self.cut.cancel();
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Waits until what is on its way is not to be sent any more.
    pub(crate) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }

    /// Waits until there is something to send, or to look at again. One task only may call this.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Tells the task that sends to look again.
    pub(crate) fn call(&self) {
        self.filled.notify_one();
    }

    /// The next frame, if one waits that is no longer than `bytes_max`. Only who holds the wire may
    /// call this: the order is that of the calls.
    pub(crate) fn pop(&self, bytes_max: usize) -> Option<Outgoing> {
        let mut queue = self.lock();
        if queue.frames.front()?.length > bytes_max {
            return None;
        }
        let frame = queue.pop()?;
        self.count_short(&mut queue);
        let room = queue.bytes <= self.bytes_max;
        drop(queue);
        if room {
            self.drained.notify_waiters();
        }
        Some(match frame.content {
            Content::Made(made) => made,
            Content::Deferred(later, _hold) => {
                let bytes = later.frame();
                let hold = self.consumer.hold(&bytes);
                Outgoing { _hold: hold, bytes }
            }
        })
    }

    /// How to close, once every frame has been taken and the outbox was closed.
    pub(crate) fn closing(&self) -> Option<Closing> {
        let queue = self.lock();
        queue.closing.clone().filter(|_| queue.frames.is_empty())
    }

    /// Waits until no more than the limit is queued; called before each request is read.
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
    fn push(&mut self, frame: Queued) {
        self.count(&frame);
        self.frames.push_back(frame);
    }

    fn pop(&mut self) -> Option<Queued> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.length;
        self.relayed_bytes -= frame.relayed.as_ref().map_or(0, |_| frame.length);
        self.short_bytes -= frame.short_bytes();
        Some(frame)
    }

    fn count(&mut self, frame: &Queued) {
        self.bytes += frame.length;
        self.relayed_bytes += frame.relayed.as_ref().map_or(0, |_| frame.length);
        self.short_bytes += frame.short_bytes();
    }

    fn drop_frames_of(&mut self, subscription: &Arc<Subscription>) {
        let is_other = |frame: &Queued| frame.relayed.as_ref() != Some(subscription);
        self.frames.retain(is_other);
        (self.bytes, self.relayed_bytes, self.short_bytes) = (0, 0, 0);
        let frames = std::mem::take(&mut self.frames);
        frames.iter().for_each(|frame| self.count(frame));
        self.frames = frames;
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
    /// How changes of texts are to come.
    pub(crate) texts: TextForm,
}

#[cfg(test)]
mod tests {
    //! Guards against a slow reader that grows the server's memory, or loses frames silently, and
    //! against frames that are not sent.

    use futures_util::FutureExt;

    use super::*;
    use crate::memory::{COUNTED_BYTES_MIN, Memory};

    fn subscription(name: &str) -> Arc<Subscription> {
        Arc::new(Subscription::Entity(
            name.parse().expect("a valid entity id"),
        ))
    }

    fn outbox(bytes_max: usize) -> Outbox {
        Outbox::new(bytes_max, Memory::new(usize::MAX).consumer("ada"))
    }

    fn next(outbox: &Outbox, bytes_max: usize) -> Option<Bytes> {
        outbox.pop(bytes_max).map(|next| next.bytes)
    }

    fn frame(size: usize) -> Bytes {
        Bytes::from(vec![7; size])
    }

    const RESET: &[u8] = b"reset";

    #[tokio::test]
    async fn a_full_queue_drops_one_subscription_and_says_so() {
        let outbox = outbox(100);
        let (slow, other) = (subscription("team/a"), subscription("team/b"));
        let reset = || Bytes::from_static(RESET);
        assert_eq!(outbox.relay(&slow, frame(60), reset), Ok(()));
        assert_eq!(outbox.relay(&other, frame(50), reset), Ok(()));
        assert_eq!(outbox.relay(&slow, frame(1), reset), Err(Overflow));
        assert_eq!(outbox.relay(&other, frame(2), reset), Ok(()));
        outbox.close(1000, "done");
        let mut sent = Vec::new();
        while let Some(bytes) = next(&outbox, usize::MAX) {
            assert_eq!(outbox.closing().is_some(), outbox.is_empty());
            sent.push(bytes.len());
        }
        assert_eq!(sent, [50, RESET.len(), 2]);
    }

    #[tokio::test]
    async fn what_waits_is_gathered_in_order_as_far_as_it_fits() {
        let outbox = outbox(100);
        for size in [1, 2, 3, 40] {
            outbox.answer(frame(size));
        }
        outbox.filled().await;
        assert_eq!(next(&outbox, usize::MAX), Some(frame(1)));
        assert_eq!(next(&outbox, 10), Some(frame(2)));
        assert_eq!(next(&outbox, 8), Some(frame(3)));
        assert_eq!(next(&outbox, 5), None);
        assert_eq!(next(&outbox, usize::MAX), Some(frame(40)));
        assert_eq!(outbox.closing(), None);
        outbox.close(1000, "done");
        outbox.filled().await;
        assert_eq!(next(&outbox, 5), None);
        assert_eq!(outbox.closing().map(|closing| closing.code), Some(1000));
    }

    #[tokio::test]
    async fn answers_are_never_dropped_but_stop_the_reader() {
        let outbox = outbox(10);
        outbox.answer(frame(20));
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(5), outbox.room());
        assert!(waiting.await.is_err(), "the queue is over its limit");
        assert_eq!(next(&outbox, usize::MAX), Some(frame(20)));
        outbox.room().await;
    }

    /// A frame that notes when it is made.
    #[derive(Debug, Default)]
    struct Late(std::sync::atomic::AtomicBool);

    impl Deferred for Late {
        fn length(&self) -> usize {
            30
        }

        fn frame(&self) -> Bytes {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            frame(28)
        }
    }

    #[test]
    fn a_frame_is_made_at_its_turn() {
        let outbox = outbox(100);
        let late = Arc::new(Late::default());
        outbox.answer(frame(1));
        let consumer = outbox.consumer();
        let hold = consumer.hold_at(consumer.memory().key(), 30);
        outbox.answer_later(Arc::<Late>::clone(&late), hold);
        outbox.answer(frame(2));
        assert_eq!(next(&outbox, 10), Some(frame(1)));
        assert_eq!(next(&outbox, 10), None, "about as long as it says");
        assert!(!late.0.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(next(&outbox, 30), Some(frame(28)));
        assert_eq!(next(&outbox, 30), Some(frame(2)));
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[tokio::test]
    async fn what_is_cut_off_holds_nothing() {
        let memory = Memory::new(usize::MAX);
        let outbox = Outbox::new(10, memory.consumer("ada"));
        let long = 2 * COUNTED_BYTES_MIN;
        outbox.answer(frame(long));
        for _ in 0..2 * SHORT_STEP_BYTES / 1_000 {
            outbox.answer(frame(1_000));
        }
        assert_eq!(memory.bytes(), long + SHORT_STEP_BYTES);
        assert_eq!(outbox.is_cut().now_or_never(), None);
        outbox.cut(1013, "later");
        outbox.answer(frame(long));
        assert_eq!(memory.bytes(), 0);
        assert_eq!(outbox.is_cut().now_or_never(), Some(()));
        assert_eq!(outbox.room().now_or_never(), Some(()));
        assert_eq!(outbox.closing().map(|closing| closing.code), Some(1013));
    }

    /// A wire that takes frames up to some length at once.
    #[derive(Debug)]
    struct Takes {
        bytes_max: usize,
        taken: Mutex<Vec<usize>>,
    }

    impl Wire for Takes {
        fn send_now(&self, outbox: &Outbox) {
            while let Some(bytes) = next(outbox, self.bytes_max) {
                self.taken.lock().unwrap().push(bytes.len());
            }
        }
    }

    fn connected(bytes_max: usize) -> (Outbox, Arc<Takes>) {
        let wire = Arc::new(Takes {
            bytes_max,
            taken: Mutex::default(),
        });
        let outbox = outbox(100);
        outbox.connect(Arc::<Takes>::clone(&wire));
        (outbox, wire)
    }

    #[test]
    fn an_answer_takes_along_what_waits_and_wakes_nobody() {
        let (outbox, wire) = connected(50);
        let reset = || Bytes::from_static(RESET);
        let relayed = outbox.queue_relayed(&subscription("team/a"), frame(3), reset);
        assert_eq!(relayed, Ok(()));
        assert!(!outbox.is_empty());
        outbox.answer_now(frame(4));
        assert_eq!(*wire.taken.lock().unwrap(), [3, 4]);
        assert_eq!(outbox.filled().now_or_never(), None);
    }

    #[test]
    fn what_cannot_go_at_once_is_for_the_task_in_its_order() {
        let (outbox, wire) = connected(50);
        outbox.answer_now(frame(60));
        outbox.answer_now(frame(1));
        assert!(wire.taken.lock().unwrap().is_empty());
        assert_eq!(outbox.filled().now_or_never(), Some(()));
        assert_eq!(next(&outbox, usize::MAX), Some(frame(60)));
        assert_eq!(next(&outbox, usize::MAX), Some(frame(1)));
    }

    #[test]
    fn what_was_queued_quietly_goes_with_a_call_and_a_reset_at_once() {
        let outbox = outbox(10);
        let slow = subscription("team/a");
        let reset = || Bytes::from_static(RESET);
        assert_eq!(outbox.queue_relayed(&slow, frame(20), reset), Ok(()));
        assert_eq!(outbox.filled().now_or_never(), None);
        outbox.wake();
        assert_eq!(outbox.filled().now_or_never(), Some(()));
        assert_eq!(outbox.queue_relayed(&slow, frame(1), reset), Err(Overflow));
        assert_eq!(outbox.filled().now_or_never(), Some(()));
        assert_eq!(next(&outbox, usize::MAX), Some(Bytes::from_static(RESET)));
        outbox.wake();
        assert_eq!(outbox.filled().now_or_never(), None);
    }
}
