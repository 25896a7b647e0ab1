//! The one way in which anything reaches the disk.
//!
//! One thread takes the requests of all entities in the order in which they came, gathers what is
//! waiting into one transaction, and answers when that is on disk. While it syncs, the next
//! requests pile up and share the next transaction: under load a sync is shared by many, and a
//! lone request waits for nothing.
//!
//! Invariant: an `Ok` answer means that the request is on disk. An error says whether nothing was
//! written or nobody knows. Requests are written in the order in which they were accepted.
//! Must never know: documents, policy, connections, which database there is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use indelible_engine::ledger::{Entry, EntryDraft, Sealed, decode};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::CommitSettings;
use crate::storage::{
    Append, Appended, Conflict, Place, Rejected, Store, StoreError, StoreResult, Stored, Tail,
    Taken,
};

/// What an actor asks for.
pub type CommitRequest = Append;

/// What it gets.
pub type Committed = Appended;

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

type Answer = oneshot::Sender<Result<Committed, CommitError>>;

enum Message {
    Commit(Box<CommitRequest>, Answer),
    Check(oneshot::Sender<Health>),
    Stop,
}

/// Hands requests to the commit thread. Cheap to clone.
#[derive(Clone)]
pub struct CommitHandle {
    queue: mpsc::Sender<Message>,
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
    /// does not take the request back.
    ///
    /// # Errors
    /// [`CommitError`] says whether nothing was written or nobody knows.
    pub async fn commit(&self, request: CommitRequest) -> Result<Committed, CommitError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .send(Message::Commit(Box::new(request), answer))
            .await
            .map_err(|_| CommitError::Stopped)?;
        // The thread answers whatever it has taken, unless it died of a panic on the way.
        answered.await.unwrap_or(Err(CommitError::Unknown))
    }

    /// Looks whether the server can write now: asks the disk, opens the store again if it failed.
    pub async fn check(&self) -> Health {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Message::Check(answer)).await.is_err() {
            return Health::Failed;
        }
        answered.await.unwrap_or(Health::Failed)
    }

    /// Whether the server could write when it last looked.
    pub fn health(&self) -> Health {
        // Closed while the thread should run: it has died.
        if self.queue.is_closed() {
            return Health::Failed;
        }
        *self.health.borrow()
    }

    /// What the commit thread has done so far.
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
    /// Starts the thread that from now on alone writes to this store.
    ///
    /// # Errors
    /// When the store cannot be read, or the system gives no thread.
    pub fn start(store: Arc<dyn Store>, settings: CommitSettings) -> StoreResult<Self> {
        let appends = store.tail()?.appends;
        let (queue, requests) = mpsc::channel(settings.queue_requests_max);
        let (health_sender, health) = watch::channel(Health::Ready);
        let counters = Arc::new(CommitCounters::default());
        let committer = Committer {
            store,
            settings,
            requests,
            health: health_sender,
            counters: Arc::clone(&counters),
            appends,
        };
        let thread = thread::Builder::new()
            .name("commit".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| StoreError::Backend {
                action: "start the commit thread",
                source: error.into(),
            })?;
        Ok(Self {
            handle: CommitHandle {
                queue,
                health,
                counters,
            },
            thread,
        })
    }

    /// A handle for whoever writes.
    pub fn handle(&self) -> CommitHandle {
        self.handle.clone()
    }

    /// Commits everything that was accepted, then stops the thread. What comes later is answered
    /// with [`CommitError::Stopped`].
    pub async fn stop(self) {
        // An error means that the thread has ended already.
        let _ = self.handle.queue.send(Message::Stop).await;
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the commit thread ended by a panic");
        }
    }
}

struct Waiting {
    requests: Vec<CommitRequest>,
    answers: Vec<Answer>,
}

struct Committer {
    store: Arc<dyn Store>,
    settings: CommitSettings,
    requests: mpsc::Receiver<Message>,
    health: watch::Sender<Health>,
    counters: Arc<CommitCounters>,
    /// How many appends the store is known to have taken.
    appends: u64,
}

impl Committer {
    fn run(mut self) {
        while let Some(message) = self.requests.blocking_recv() {
            let mut waiting = Waiting {
                requests: Vec::new(),
                answers: Vec::new(),
            };
            self.take(message, &mut waiting);
            let first = Instant::now();
            while waiting.requests.len() < self.settings.requests_per_transaction_max
                && first.elapsed() < self.settings.gather_max
                && let Ok(message) = self.requests.try_recv()
            {
                self.take(message, &mut waiting);
            }
            if !waiting.requests.is_empty() {
                self.commit(waiting);
            }
        }
    }

    fn take(&mut self, message: Message, waiting: &mut Waiting) {
        match message {
            Message::Commit(request, answer) => {
                waiting.requests.push(*request);
                waiting.answers.push(answer);
            }
            Message::Check(answer) => {
                // What is wrong is in the health, and in the log.
                let _ = self.check_ready();
                let _ = answer.send(self.health());
            }
            // Nothing more is accepted; what is in the queue is still received.
            Message::Stop => self.requests.close(),
        }
    }

    fn commit(&mut self, waiting: Waiting) {
        let requests = waiting.requests.len();
        let _span = tracing::debug_span!("commit", requests).entered();
        let began = Instant::now();
        let outcomes = self
            .check_ready()
            .and_then(|()| self.append(&waiting.requests));
        match outcomes {
            Ok(outcomes) => {
                let entries = self.count(&outcomes);
                let duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                tracing::debug!(entries, duration_us, "committed");
                for (answer, outcome) in waiting.answers.into_iter().zip(outcomes) {
                    // Whoever asked may have gone; the request is on disk all the same.
                    let _ = answer.send(outcome.map_err(CommitError::from));
                }
            }
            Err(error) => {
                for answer in waiting.answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    fn count(&self, outcomes: &[Result<Committed, Rejected>]) -> u64 {
        let committed = outcomes.iter().flatten();
        let entries = committed
            .clone()
            .map(|outcome| outcome.entries.len() as u64)
            .sum();
        let requests = committed.count() as u64;
        let is_conflict = |outcome: &&Result<_, _>| matches!(outcome, Err(Rejected::Conflict(_)));
        let conflicts = outcomes.iter().filter(is_conflict).count() as u64;
        self.counters.transactions.fetch_add(1, Ordering::Relaxed);
        self.counters
            .requests
            .fetch_add(requests, Ordering::Relaxed);
        self.counters.entries.fetch_add(entries, Ordering::Relaxed);
        self.counters
            .conflicts
            .fetch_add(conflicts, Ordering::Relaxed);
        if conflicts > 0 {
            tracing::warn!(conflicts, "requests did not fit their logs");
        }
        entries
    }

    /// Whether the store is open and there is room on the disk.
    fn check_ready(&mut self) -> Result<(), CommitError> {
        if self.health() == Health::Failed {
            self.reopen().map_err(|error| {
                log_failure(&error, "the store is still closed");
                CommitError::Failed
            })?;
        }
        let free_bytes = match self.store.disk_free_bytes() {
            Ok(free_bytes) => free_bytes,
            Err(error) => {
                log_failure(&error, "cannot tell how much room there is on the disk");
                return Ok(());
            }
        };
        let full = free_bytes < self.settings.disk_free_bytes_min;
        if full && self.health() == Health::Ready {
            tracing::error!(
                free_bytes,
                "the disk is nearly full: nothing is written any more"
            );
        }
        if !full && self.health() != Health::Ready {
            tracing::info!(free_bytes, "writing again");
        }
        self.set_health(if full {
            Health::ReadOnly { free_bytes }
        } else {
            Health::Ready
        });
        if full {
            Err(CommitError::ReadOnly { free_bytes })
        } else {
            Ok(())
        }
    }

    fn append(
        &mut self,
        requests: &[CommitRequest],
    ) -> Result<Vec<Result<Committed, Rejected>>, CommitError> {
        match self.store.append(requests) {
            Ok(outcomes) => {
                self.appends += 1;
                Ok(outcomes)
            }
            Err(error) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                log_failure(&error, "a commit failed; reading back whether it is there");
                self.read_back(requests)
            }
        }
    }

    /// After a failed transaction: opens the store again and looks whether it happened.
    fn read_back(
        &mut self,
        requests: &[CommitRequest],
    ) -> Result<Vec<Result<Committed, Rejected>>, CommitError> {
        let before = self.appends;
        let look = |committer: &mut Self| -> StoreResult<Option<Vec<_>>> {
            let tail = committer.reopen()?;
            if tail.appends == before {
                return Ok(None);
            }
            let outcomes = requests
                .iter()
                .map(|request| recover(&*committer.store, request));
            outcomes.collect::<StoreResult<_>>().map(Some)
        };
        match look(self) {
            Ok(Some(outcomes)) => {
                tracing::warn!("the failed commit is on disk");
                Ok(outcomes)
            }
            Ok(None) => {
                tracing::warn!("the failed commit is not on disk");
                Err(CommitError::Failed)
            }
            Err(error) => {
                log_failure(&error, "the store cannot be read after a failure");
                self.set_health(Health::Failed);
                Err(CommitError::Unknown)
            }
        }
    }

    fn reopen(&mut self) -> StoreResult<Tail> {
        self.store.reopen()?;
        let tail = self.store.tail()?;
        self.appends = tail.appends;
        Ok(tail)
    }

    fn health(&self) -> Health {
        *self.health.borrow()
    }

    fn set_health(&self, health: Health) {
        self.health
            .send_if_modified(|now| std::mem::replace(now, health) != health);
    }
}

/// What a request came to whose transaction is known to have happened. Which of its refusals got a
/// record is not told again.
fn recover(store: &dyn Store, request: &CommitRequest) -> StoreResult<Result<Committed, Rejected>> {
    let mut committed = Committed::default();
    for new in &request.entries {
        let draft = &new.draft;
        let place = Place {
            entity: draft.entity.clone(),
            epoch: draft.epoch,
            seq: draft.seq,
        };
        let found = match store.entry(&place)? {
            Some(Stored { hash, bytes }) => Some(Sealed {
                entry: decode(&bytes)?,
                bytes,
                hash,
            }),
            None => None,
        };
        match found {
            Some(sealed) if is_of(&sealed.entry, draft) => committed.entries.push(sealed),
            _ => {
                let found = store.head(&request.entity)?;
                return Ok(Err(Conflict {
                    expected: place,
                    found,
                }
                .into()));
            }
        }
    }
    Ok(Ok(committed))
}

fn is_of(entry: &Entry, draft: &EntryDraft) -> bool {
    entry.kind == draft.kind
        && entry.proposal == draft.proposal
        && entry.author == draft.author
        && entry.session == draft.session
        && entry.policy_hash == draft.policy_hash
        && entry.changes == draft.changes
}

fn log_failure(error: &StoreError, what: &'static str) {
    let cause = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    tracing::error!(%error, cause, "{what}");
}

#[cfg(test)]
mod tests;
