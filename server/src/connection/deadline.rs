//! When a connection ends with its token.

use std::time::Duration;

use indelible_engine::time::Timestamp;

use crate::clock;
use crate::config::TOKEN_LEEWAY;

/// The end of a token, and when to give notice of it.
pub(super) struct Deadline {
    pub(super) expires: Timestamp,
    /// When the connection ends: until then a new one would be taken, too.
    pub(super) ends: Timestamp,
    /// How long before that: of a short-lived token, when half of what it had left is over, so
    /// that fresh ones are asked for no more than twice in the life of one.
    pub(super) notice: Duration,
    pub(super) noticed: bool,
}

impl Deadline {
    /// For a token that is presented now.
    pub(super) fn new(expires: Timestamp, notice: Duration) -> Self {
        let leeway = i64::try_from(TOKEN_LEEWAY.as_millis()).unwrap_or(i64::MAX);
        Self {
            expires,
            ends: Timestamp(expires.0.saturating_add(leeway)),
            notice: notice.min(clock::until(expires) / 2) + TOKEN_LEEWAY,
            noticed: false,
        }
    }
}
