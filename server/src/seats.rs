//! Who may be connected: how many at a time, and how many of them without a token.
//!
//! Invariant: never more connections hold a seat than there are, and of these never more without a
//! token than are for all. A connection that comes when those are taken gets one of the seats that
//! are kept, and has to show a token first; where these are taken too, the one that has gone longest
//! without showing one makes room, so that silent strangers keep no one out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All seats.
#[derive(Debug)]
pub(crate) struct Seats {
    /// Those for all.
    open: Arc<Semaphore>,
    /// Those for clients that show a token.
    kept: Arc<Semaphore>,
    /// Who sits on a kept seat and may have shown no token yet, the first to come first.
    newcomers: Mutex<VecDeque<Weak<Held>>>,
}

/// The right to be connected, until the last clone goes.
#[derive(Debug, Clone)]
pub(crate) struct Seat(Arc<Held>);

#[derive(Debug)]
struct Held {
    _permit: OwnedSemaphorePermit,
    is_confirmed: AtomicBool,
    unwanted: CancellationToken,
}

/// Which seats one is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Open,
    Kept,
}

impl Seats {
    /// So many seats, some of which are kept for those with a token.
    pub(crate) fn new(all: usize, kept: usize) -> Self {
        let kept = kept.min(all);
        Self {
            open: Arc::new(Semaphore::new(all - kept)),
            kept: Arc::new(Semaphore::new(kept)),
            newcomers: Mutex::default(),
        }
    }

    /// A seat for a new connection. Waits until there is one.
    pub(crate) async fn take(&self) -> Seat {
        if let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() {
            return self.give(permit, Row::Open);
        }
        if let Ok(permit) = Arc::clone(&self.kept).try_acquire_owned() {
            return self.give(permit, Row::Kept);
        }
        self.make_room();
        let (permit, row) = tokio::select! {
            permit = Arc::clone(&self.open).acquire_owned() => (permit, Row::Open),
            permit = Arc::clone(&self.kept).acquire_owned() => (permit, Row::Kept),
        };
        self.give(permit.expect("nobody closes the semaphores"), row)
    }

    fn give(&self, permit: OwnedSemaphorePermit, row: Row) -> Seat {
        let held = Arc::new(Held {
            _permit: permit,
            is_confirmed: AtomicBool::new(row == Row::Open),
            unwanted: CancellationToken::new(),
        });
        if row == Row::Kept {
            let mut newcomers = self
                .newcomers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            newcomers.retain(|one| one.upgrade().is_some_and(|held| !held.is_confirmed()));
            newcomers.push_back(Arc::downgrade(&held));
        }
        Seat(held)
    }

    /// Ends the connection that has sat on a kept seat without a token for the longest time.
    fn make_room(&self) {
        let mut newcomers = self
            .newcomers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = newcomers.pop_front() {
            if let Some(held) = first.upgrade().filter(|held| !held.is_confirmed()) {
                held.unwanted.cancel();
                return;
            }
        }
    }
}

impl Held {
    fn is_confirmed(&self) -> bool {
        self.is_confirmed.load(Ordering::Relaxed)
    }
}

impl Seat {
    /// Whether it needs no token, or one was shown.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.0.is_confirmed()
    }

    /// A token was shown that is valid.
    pub(crate) fn confirm(&self) {
        self.0.is_confirmed.store(true, Ordering::Relaxed);
    }

    /// Returns when the seat is wanted for another connection.
    pub(crate) async fn unwanted(&self) {
        self.0.unwanted.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    //! Guards against strangers who keep out those with a token, and against seats that are lost.

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn strangers_keep_nobody_with_a_token_out() {
        let seats = Seats::new(5, 2);
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(seats.take().await);
        }
        assert!(open.iter().all(Seat::is_confirmed));
        let (first, known) = (seats.take().await, seats.take().await);
        assert!(!first.is_confirmed() && !known.is_confirmed());
        known.confirm();
        // The stranger makes room; a client that has shown a token does not.
        assert!(seats.take().now_or_never().is_none());
        assert!(first.unwanted().now_or_never().is_some());
        assert!(known.unwanted().now_or_never().is_none());
        drop(first);
        let next = seats.take().await;
        assert!(!next.is_confirmed());
        next.confirm();
        assert!(seats.take().now_or_never().is_none(), "all are known");
        assert!(next.unwanted().now_or_never().is_none());
        open.pop();
        assert!(seats.take().await.is_confirmed());
    }

    #[tokio::test]
    async fn who_waits_takes_whichever_seat_comes_free() {
        let seats = Seats::new(2, 1);
        let (open, kept) = (seats.take().await, seats.take().await);
        kept.confirm();
        let mut waiting = Box::pin(seats.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(kept);
        assert!(!waiting.await.is_confirmed());
        drop(open);
        assert!(seats.take().await.is_confirmed());
    }
}
