//! The wall clock, read in one place.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indelible_engine::time::Timestamp;

/// The time now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// How long it is until `at`; zero when it is past.
pub(crate) fn until(at: Timestamp) -> Duration {
    let left = at.0.saturating_sub(now().0);
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}
