//! The memory that all together may hold of what comes from outside: bodies, messages that have not
//! ended, and what is made of both until it is answered.
//!
//! Room is taken as bytes come, not as they are announced. An owner may have as much as is left for
//! all others (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6,
//! 1998): one alone gets half, two get a third each, and the next one always finds as much as
//! those before have each. So that those who are all half-way do not wait for each other, one of them
//! at a time may go on into a reserve that lasts for the longest body.
//!
//! Invariant: never more is held than the room and its reserve; what waits goes on as soon as
//! something is given back.

use std::collections::HashMap;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// All of the room. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes_max: usize,
    reserve_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    owners: HashMap<Arc<str>, usize>,
    /// Who goes on into the reserve.
    reserved_for: Option<u64>,
    last_id: u64,
    waiting: Vec<Waker>,
}

/// Room that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Room,
    id: u64,
    owner: Arc<str>,
    bytes: usize,
    /// Of the reserve.
    reserved: usize,
    waits: bool,
}

impl Room {
    /// Room for so many bytes beside the reserve.
    pub(crate) fn new(bytes_max: usize, reserve_bytes: usize) -> Self {
        Self(Arc::new(Shared {
            bytes_max,
            reserve_bytes,
            state: Mutex::default(),
        }))
    }

    /// Nothing yet, for an owner.
    pub(crate) fn of(&self, owner: impl Into<Arc<str>>) -> Taken {
        let mut state = self.lock();
        state.last_id += 1;
        Taken {
            room: self.clone(),
            id: state.last_id,
            owner: owner.into(),
            bytes: 0,
            reserved: 0,
            waits: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Whose it is from now on. What is held already stays with whom it was.
    pub(crate) fn belongs_to(&mut self, owner: impl Into<Arc<str>>) {
        *self = self.room.of(owner);
    }

    /// Makes it as large as `bytes` if it is smaller; waits for room.
    pub(crate) async fn reach(&mut self, bytes: usize) {
        poll_fn(|cx| self.poll_reach(cx, bytes)).await;
    }

    /// The same for who polls.
    pub(crate) fn poll_reach(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        let Some(more) = bytes.checked_sub(self.held()).filter(|more| *more > 0) else {
            return Poll::Ready(());
        };
        let room = self.room.clone();
        let mut state = room.lock();
        let own = state.owners.get(&self.owner).copied().unwrap_or(0);
        let left = room.0.bytes_max.saturating_sub(state.taken);
        if own + more <= left {
            state.taken += more;
            *state.owners.entry(Arc::clone(&self.owner)).or_default() += more;
            self.bytes += more;
            self.waits = false;
            return Poll::Ready(());
        }
        let holds_reserve = *state.reserved_for.get_or_insert(self.id) == self.id;
        if holds_reserve && self.reserved + more <= room.0.reserve_bytes {
            self.reserved += more;
            self.waits = false;
            return Poll::Ready(());
        }
        self.waits = true;
        if !state.waiting.iter().any(|one| one.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Gives back all.
    pub(crate) fn clear(&mut self) {
        let mut state = self.room.lock();
        if state.reserved_for == Some(self.id) {
            state.reserved_for = None;
        } else if self.bytes == 0 {
            return;
        }
        state.taken -= self.bytes;
        if let Some(own) = state.owners.get_mut(&self.owner) {
            *own -= self.bytes;
            if *own == 0 {
                state.owners.remove(&self.owner);
            }
        }
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        (self.bytes, self.reserved) = (0, 0);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// What it is of.
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> &Arc<str> {
        &self.owner
    }

    /// Whether more was wanted than there was.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.held() == 0
    }

    fn held(&self) -> usize {
        self.bytes + self.reserved
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    //! Guards against one owner who keeps the others out, and against owners who wait for each other.

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn whoever_comes_next_finds_as_much_as_those_before_have_each() {
        let room = Room::new(120, 0);
        let mut all = Vec::new();
        let mut fills = |owner: &str| {
            let mut bytes = 0;
            loop {
                let mut one = room.of(owner);
                if one.reach(1).now_or_never().is_none() {
                    return bytes;
                }
                bytes += 1;
                all.push(one);
            }
        };
        assert_eq!(fills("ada"), 60);
        assert_eq!(fills("ada"), 0);
        assert_eq!(fills("bob"), 30);
        assert_eq!(fills("carol"), 15);
        all.clear();
        assert!(room.lock().owners.is_empty());
        assert_eq!(room.of("dora").reach(60).now_or_never(), Some(()));
    }

    #[test]
    fn those_who_are_half_way_do_not_wait_for_each_other() {
        let room = Room::new(100, 80);
        let (mut ada, mut bob) = (room.of("ada"), room.of("bob"));
        assert!(ada.reach(50).now_or_never().is_some());
        assert!(bob.reach(25).now_or_never().is_some());
        assert!(ada.reach(80).now_or_never().is_some(), "into the reserve");
        assert!(bob.reach(80).now_or_never().is_none(), "one at a time");
        let mut waits = Box::pin(bob.reach(80));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(ada);
        assert!(waits.now_or_never().is_some());
        assert!(bob.reach(500).now_or_never().is_none(), "the reserve ends");
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_something_is_given_back() {
        let room = Room::new(10, 0);
        let mut first = room.of("ada");
        first.reach(5).await;
        let waits = tokio::spawn({
            let mut second = room.of("ada");
            async move { second.reach(5).await }
        });
        tokio::task::yield_now().await;
        first.clear();
        waits.await.unwrap();
    }
}
