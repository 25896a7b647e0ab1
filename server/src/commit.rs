//! The one way in which anything reaches the disk.
//!
//! Requests wait in one queue, in the order in which they came, and what waits becomes one
//! transaction. A request that finds no commit running is committed at once, on the calling thread:
//! handing it to another thread and being woken again takes longer than admitting a small change. What comes meanwhile piles up, and the commit thread takes it
//! over, transaction after transaction, until nothing waits: under load a sync is shared by many,
//! and no thread commits for others for longer than for itself.
//!
//! Invariant: an `Ok` answer means that the request is on disk. An error says whether nothing was
//! written or that it is unknown. Requests are written in the order in which they were accepted, and one
//! transaction is over before the next begins.

mod committer;
mod queue;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{oneshot, watch};

use self::committer::{Committer, Waiting};
use self::queue::{CommitGuard, Message, Queue};
use crate::config::CommitSettings;
use crate::storage::{Append, Appended, Conflict, Rejected, Store, StoreError, StoreResult, Taken};
use crate::work;

/// Why a request was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Somebody else has written at that place. Nothing was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Another entity has what the request claims. Nothing was written.
    #[error(transparent)]
    Taken(#[from] Taken),
    /// The disk is nearly full. Nothing was written.
    #[error("the disk is nearly full ({free_bytes} bytes free): nothing can be written")]
    ReadOnly {
        /// What is left.
        free_bytes: u64,
    },
    /// The store failed. Nothing was written.
    #[error("the store failed; nothing was written")]
    Failed,
    /// The store failed and cannot be read: it may have been written or not. The entity has to be
    /// loaded again before anything is done on it.
    #[error("the store failed; it is unknown whether the change was written")]
    Unknown,
    /// The server is stopping. Nothing was written.
    #[error("the server is stopping")]
    Stopped,
}

impl CommitError {
    /// The stable name that clients go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "conflict",
            Self::Taken(_) => "taken",
            Self::ReadOnly { .. } => "read-only",
            Self::Failed | Self::Unknown => "store-failed",
            Self::Stopped => "stopping",
        }
    }
}

impl From<Rejected> for CommitError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Conflict(conflict) => Self::Conflict(conflict),
            Rejected::Taken(taken) => Self::Taken(taken),
        }
    }
}

/// Whether the server can write at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ready,
    /// The disk is nearly full.
    ReadOnly {
        /// What is left.
        free_bytes: u64,
    },
    /// The store has failed and could not be opened again yet, or the commit thread has ended.
    Failed,
}

/// What the commit thread has done so far.
#[derive(Debug, Default)]
pub struct CommitCounters {
    /// Transactions committed.
    pub transactions: AtomicU64,
    /// Requests that were committed.
    pub requests: AtomicU64,
    /// Entries that were committed.
    pub entries: AtomicU64,
    /// Requests that were turned away by a conflict.
    pub conflicts: AtomicU64,
    /// Transactions that failed.
    pub failures: AtomicU64,
}

type Answer = oneshot::Sender<Result<Appended, CommitError>>;

/// What all handles and the commit thread share.
struct Shared {
    queue: Queue,
    /// Locked only by the thread that has the turn.
    committer: Mutex<Committer>,
    requests_per_transaction_max: usize,
}

impl Shared {
    /// Commits what waits, in one transaction.
    fn commit(&self, turn: CommitGuard<'_>) {
        let messages = turn.take(self.requests_per_transaction_max);
        let mut committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut waiting = Waiting::default();
        let serve = AssertUnwindSafe(|| committer.serve(messages, &mut waiting));
        if catch_unwind(serve).is_err() {
            tracing::error!("committing panicked: nothing is written any more");
            self.queue.abandon();
        }
        drop(committer);
        // A caller that is answered finds the turn free, or taken by another one.
        drop(turn);
        waiting.answer();
    }
}

/// Takes requests. Cheap to clone.
#[derive(Clone)]
pub struct CommitHandle {
    shared: Arc<Shared>,
    health: watch::Receiver<Health>,
    counters: Arc<CommitCounters>,
}

impl fmt::Debug for CommitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitHandle")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl CommitHandle {
    /// Commits a request; returns when it is on disk. Waits for room when too many are waiting.
    ///
    /// Once this future has been polled to the point where the request is in the queue, dropping it
    /// does not take the request back. On a runtime of many threads the commit may happen within
    /// one poll; what else this thread would do goes to another meanwhile.
    ///
    /// # Errors
    /// [`CommitError`] says whether nothing was written or that is unknown.
    pub async fn commit(&self, request: Append) -> Result<Appended, CommitError> {
        let stopped = |_| CommitError::Stopped;
        let (answer, answered) = oneshot::channel();
        let message = Message::Commit(Box::new(request), answer);
        let room = self.shared.queue.room().await.map_err(stopped)?;
        if work::may_block_here() {
            if let Some(turn) = room.lead(message).map_err(stopped)? {
                work::here(|| self.shared.commit(turn));
            }
        } else {
            room.leave(message).map_err(stopped)?;
        }
        // Whatever was taken is answered, unless committing panicked.
        answered.await.unwrap_or(Err(CommitError::Unknown))
    }

    /// Looks whether the server can write now: asks the disk, opens the store again if it failed.
    pub async fn check(&self) -> Health {
        let (answer, answered) = oneshot::channel();
        let Ok(room) = self.shared.queue.room().await else {
            return Health::Failed;
        };
        if room.leave(Message::Check(answer)).is_err() {
            return Health::Failed;
        }
        answered.await.unwrap_or(Health::Failed)
    }

    /// Whether the server could write when it last looked.
    pub fn health(&self) -> Health {
        if self.shared.queue.is_closed() {
            return Health::Failed;
        }
        *self.health.borrow()
    }

    /// What was committed so far.
    pub fn counters(&self) -> &CommitCounters {
        &self.counters
    }
}

/// The running commit thread.
#[derive(Debug)]
pub struct CommitThread {
    handle: CommitHandle,
    thread: thread::JoinHandle<()>,
}

impl CommitThread {
    /// Starts the thread. From now on this store is written to only through its handles.
    ///
    /// # Errors
    /// When the store cannot be read, or the system gives no thread.
    pub fn start(store: Arc<dyn Store>, settings: &CommitSettings) -> StoreResult<Self> {
        let appends = store.tail()?.appends;
        let (health_sender, health) = watch::channel(Health::Ready);
        let counters = Arc::new(CommitCounters::default());
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue_requests_max),
            committer: Mutex::new(Committer {
                store,
                disk_free_bytes_min: settings.disk_free_bytes_min,
                health: health_sender,
                counters: Arc::clone(&counters),
                appends,
            }),
            requests_per_transaction_max: settings.requests_per_transaction_max,
        });
        let of_thread = Arc::clone(&shared);
        let run = move || {
            while let Some(turn) = of_thread.queue.turn() {
                of_thread.commit(turn);
            }
        };
        let thread = thread::Builder::new()
            .name("commit".to_owned())
            .spawn(run)
            .map_err(|error| StoreError::Backend {
                action: "start the commit thread",
                source: error.into(),
            })?;
        Ok(Self {
            handle: CommitHandle {
                shared,
                health,
                counters,
            },
            thread,
        })
    }

    /// A handle for writers.
    pub fn handle(&self) -> CommitHandle {
        self.handle.clone()
    }

    /// Commits everything that was accepted, then stops the thread. What comes later is answered
    /// with [`CommitError::Stopped`].
    pub async fn stop(self) {
        self.handle.shared.queue.close();
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the commit thread ended by a panic");
        }
    }
}

#[cfg(test)]
mod tests;
