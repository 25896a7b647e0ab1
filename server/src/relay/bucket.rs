//! A token bucket: how many frames a connection may send.
//!
//! Invariant: in the long run no more than the rate, in one go no more than a burst of five
//! seconds' worth. Whoever exceeds it waits; TCP passes the waiting on to the peer.
//!
//! Must not know: frames.

use std::time::Duration;

use tokio::time::{Instant, sleep};

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

    /// Takes a token, waiting for one if need be. Dropping the future takes none.
    pub(crate) async fn wait(&mut self) {
        loop {
            let now = Instant::now();
            let gained = (now - self.at).as_secs_f64() * self.per_second;
            self.tokens = (self.tokens + gained).min(self.burst);
            self.at = now;
            if self.tokens >= 1.0 {
                self.tokens -= 1.0;
                return;
            }
            sleep(Duration::from_secs_f64(
                (1.0 - self.tokens) / self.per_second,
            ))
            .await;
        }
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a flood that is let through, and a burst that is not.
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_a_flood_waits() {
        let mut bucket = Bucket::new(10);
        let start = Instant::now();
        for _ in 0..50 {
            bucket.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..20 {
            bucket.wait().await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&took), "{took}");
    }
}
