//! A token bucket: how many frames a connection may send.
//!
//! Invariant: in the long run no more than the rate, in one go no more than a burst of five
//! seconds' worth and what came with its last frame. Whoever exceeds it waits; TCP passes the
//! waiting on to the peer.

use std::time::Duration;

use tokio::time::Instant;

use crate::rates::{Level, Rate};

const SECOND: Duration = Duration::from_secs(1);
const BURST: Duration = Duration::from_secs(5);

/// The bucket of one connection.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    level: Level,
}

impl Bucket {
    /// A full bucket; `per_second` is at least 1.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            rate: Rate::new(per_second.into(), SECOND, BURST),
            level: Level::full(Instant::now()),
        }
    }

    /// Takes a token, whether there is one or not: what is owed has to be waited for.
    pub(crate) fn take(&mut self) {
        self.level.take(self.rate, 1, Instant::now());
    }

    /// When nothing is owed any more, if that is not yet.
    pub(crate) fn owed_until(&self) -> Option<Instant> {
        let now = Instant::now();
        let owed = self.level.owed(self.rate, now);
        (!owed.is_zero()).then(|| now + owed)
    }
}
