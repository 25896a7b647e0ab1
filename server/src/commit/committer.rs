//! What one transaction is: what waits becomes one append, and each gets its answer.
//!
//! Invariant: an outcome is reported after the append is on disk, or when it is known what became of
//! it; after a failure the store is opened again and read back before anything else is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use indelible_engine::ledger::{Entry, EntryDraft, Sealed, decode};
use tokio::sync::{oneshot, watch};

use super::queue::Message;
use super::{Answer, CommitCounters, CommitError, Health};
use crate::storage::{
    Append, Appended, Conflict, Place, Rejected, Store, StoreError, StoreResult, Stored, Tail,
};

/// The requests of one transaction, where each is answered, and what.
#[derive(Default)]
pub(super) struct Waiting {
    requests: Vec<Append>,
    answers: Vec<Answer>,
    outcomes: Vec<Result<Appended, CommitError>>,
    checks: Vec<(oneshot::Sender<Health>, Health)>,
}

impl Waiting {
    /// Answers every request; one without an outcome (committing panicked) gets `Unknown`.
    pub(super) fn answer(self) {
        // Whoever asked may have gone; the request is on disk all the same.
        for (answer, outcome) in self.answers.into_iter().zip(self.outcomes) {
            let _ = answer.send(outcome);
        }
        for (answer, health) in self.checks {
            let _ = answer.send(health);
        }
    }
}

/// What writes to the store.
pub(super) struct Committer {
    pub(super) store: Arc<dyn Store>,
    /// Below this many free bytes nothing is written.
    pub(super) disk_free_bytes_min: u64,
    pub(super) health: watch::Sender<Health>,
    pub(super) counters: Arc<CommitCounters>,
    /// How many appends the store is known to have taken.
    pub(super) appends: u64,
}

impl Committer {
    /// Does what was asked, in one transaction. What came of it is in `waiting`, as far as a panic
    /// let it come.
    pub(super) fn serve(&mut self, messages: Vec<Message>, waiting: &mut Waiting) {
        for message in messages {
            match message {
                Message::Commit(request, answer) => {
                    waiting.requests.push(*request);
                    waiting.answers.push(answer);
                }
                Message::Check(answer) => {
                    // What is wrong is in the health, and in the log.
                    let _ = self.check_ready();
                    waiting.checks.push((answer, self.health()));
                }
            }
        }
        if !waiting.requests.is_empty() {
            self.commit(waiting);
        }
    }

    fn commit(&mut self, waiting: &mut Waiting) {
        let requests = waiting.requests.len();
        let _span = tracing::debug_span!("commit", requests).entered();
        let began = Instant::now();
        let outcomes = self
            .check_ready()
            .and_then(|()| self.append(&waiting.requests));
        waiting.outcomes = match outcomes {
            Ok(outcomes) => {
                let entries = self.count(&outcomes);
                let duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                tracing::debug!(entries, duration_us, "committed");
                let outcomes = outcomes.into_iter();
                outcomes
                    .map(|done| done.map_err(CommitError::from))
                    .collect()
            }
            Err(error) => vec![Err(error); requests],
        };
    }

    fn count(&self, outcomes: &[Result<Appended, Rejected>]) -> u64 {
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

    /// Whether the store is open and at its place, and there is room on the disk.
    fn check_ready(&mut self) -> Result<(), CommitError> {
        if self.health() == Health::Failed {
            self.reopen().map_err(|error| {
                log_failure(&error, "the store is still closed");
                CommitError::Failed
            })?;
        }
        if let Err(error) = self.store.check_place() {
            log_failure(&error, "nothing is written any more");
            self.set_health(Health::Failed);
            return Err(CommitError::Failed);
        }
        let free_bytes = match self.store.disk_free_bytes() {
            Ok(free_bytes) => free_bytes,
            Err(error) => {
                log_failure(&error, "cannot find out how much room there is on the disk");
                return Ok(());
            }
        };
        let full = free_bytes < self.disk_free_bytes_min;
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
        requests: &[Append],
    ) -> Result<Vec<Result<Appended, Rejected>>, CommitError> {
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
        requests: &[Append],
    ) -> Result<Vec<Result<Appended, Rejected>>, CommitError> {
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

/// The outcome of a request whose transaction is known to have happened. Which of its refusals got a
/// record is not reported again.
fn recover(store: &dyn Store, request: &Append) -> StoreResult<Result<Appended, Rejected>> {
    let mut committed = Appended::default();
    for new in &request.entries {
        let draft = &new.draft;
        let place = Place {
            entity: draft.header.entity.clone(),
            epoch: draft.header.place.epoch,
            seq: draft.header.place.seq,
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
    let (found, expected) = (&entry.header, &draft.header);
    entry.kind == draft.kind
        && found.proposal == expected.proposal
        && found.author == expected.author
        && found.session == expected.session
        && found.policy_hash == expected.policy_hash
        && entry.changes == draft.changes
}

fn log_failure(error: &StoreError, what: &'static str) {
    match std::error::Error::source(error) {
        Some(cause) => tracing::error!(%error, %cause, "{what}"),
        None => tracing::error!(%error, "{what}"),
    }
}
