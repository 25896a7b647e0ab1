//! How full a bucket of tokens is.
//!
//! A bucket fills at a steady rate up to a burst. What is taken is known only afterwards at times, so
//! it may be more than there was: the bucket then owes, and nothing is given until that is filled.
//!
//! Invariant: in the long run no more is taken than the rate and one overdraft.

use std::time::Duration;

use tokio::time::Instant;

/// What a bucket may owe at most, in the time that it takes to fill.
const DEBT_MAX: Duration = Duration::from_secs(60 * 60);

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// The time in which one token comes.
    each: Duration,
    /// The time in which an empty bucket fills.
    burst: Duration,
}

impl Rate {
    /// `count` tokens, at least one, in a time; a full bucket holds what comes in `burst`.
    pub(crate) fn new(count: u64, time: Duration, burst: Duration) -> Self {
        let nanos = time.as_nanos() / u128::from(count.max(1));
        let each = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).max(1));
        let burst = burst.max(each);
        Self { each, burst }
    }
}

/// A bucket: when it will be full again is all that there is to remember.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level(Instant);

impl Level {
    /// A full bucket.
    pub(crate) fn full(now: Instant) -> Self {
        Self(now)
    }

    /// Whether it is full.
    pub(crate) fn is_full(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// When it will be.
    pub(crate) fn full_at(self) -> Instant {
        self.0
    }

    /// How long until there is a token.
    pub(crate) fn wait(self, rate: Rate, now: Instant) -> Duration {
        let missing = self.0.saturating_duration_since(now) + rate.each;
        missing.saturating_sub(rate.burst)
    }

    /// How long until nothing is owed.
    pub(crate) fn owed(self, rate: Rate, now: Instant) -> Duration {
        self.0
            .saturating_duration_since(now)
            .saturating_sub(rate.burst)
    }

    /// Takes tokens, also more than there are.
    pub(crate) fn take(&mut self, rate: Rate, tokens: u64, now: Instant) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let full = self.0.max(now) + rate.each.saturating_mul(tokens).min(DEBT_MAX);
        self.0 = full.min(now + rate.burst + DEBT_MAX);
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a bound that lets more through in the long run, or less at once.
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate::new(60, MINUTE, MINUTE);
        let start = Instant::now();
        let mut level = Level::full(start);
        for _ in 0..60 {
            assert_eq!(level.wait(rate, start), Duration::ZERO);
            level.take(rate, 1, start);
        }
        assert_eq!(level.wait(rate, start), Duration::from_secs(1));
        let later = start + Duration::from_secs(1);
        assert_eq!(level.wait(rate, later), Duration::ZERO);
        assert!(level.is_full(start + MINUTE));
    }

    #[test]
    fn what_was_overdrawn_is_waited_for() {
        let rate = Rate::new(100, MINUTE, MINUTE);
        let start = Instant::now();
        let mut level = Level::full(start);
        level.take(rate, 250, start);
        // 150 are owed, and one has to be there.
        let wait = level.wait(rate, start);
        assert_eq!(wait, Duration::from_millis(90_600));
        level.take(rate, u64::MAX, start);
        assert!(level.wait(rate, start) <= DEBT_MAX + MINUTE);
    }
}
