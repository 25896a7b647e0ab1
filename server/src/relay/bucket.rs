//! A token bucket: how many frames a connection may send.
//!
//! Invariant: in the long run no more than the rate, in one go no more than a burst of five
//! seconds' worth and what came with its last frame. Whoever exceeds it waits; TCP passes the
//! waiting on to the peer.
//!
//! Must not know: frames.

use std::time::Duration;

use tokio::time::Instant;

const BURST_SECONDS: u32 = 5;

/// The bucket of one connection.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket; `per_second` is at least 1.
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = per_second.max(1);
        let burst = f64::from(per_second.saturating_mul(BURST_SECONDS));
        Self {
            per_second: f64::from(per_second),
            burst,
            tokens: burst,
            at: Instant::now(),
        }
    }

    /// Takes a token, whether there is one or not: what is owed has to be waited for.
    pub(crate) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    /// When nothing is owed any more, if that is not yet.
    pub(crate) fn owed_until(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let gained = (now - self.at).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.at = now;
        let owed = Duration::from_secs_f64((-self.tokens / self.per_second).max(0.0));
        (!owed.is_zero()).then(|| now + owed)
    }
}
