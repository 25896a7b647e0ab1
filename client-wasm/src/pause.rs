//! Waits that the server asks for: too much was written in a short time, or it cannot serve at present
//! what it was asked.

use std::time::Duration;

use indelible_engine::time::Timestamp;

/// The longest wait that is kept to; then it is tried again.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// How long to wait where an older server does not say it.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);

/// Whether a code says that the server cannot serve something at present, but may later.
pub(crate) fn is_passing(code: &str) -> bool {
    matches!(code, "busy" | "unavailable")
}

/// After how long what was answered by an error may be asked for again; `None`: never.
pub(crate) fn wait(code: &str, retry: Option<u64>) -> Option<Duration> {
    let asked = retry.map(Duration::from_millis);
    let wait = asked.or(is_passing(code).then_some(WAIT_DEFAULT))?;
    Some(wait.clamp(Duration::from_millis(1), WAIT_MAX))
}

/// Whether a wait is over. A clock that was set back does not make it longer.
pub(crate) fn is_over(until: Timestamp, now: Timestamp) -> bool {
    until <= now || after(now, WAIT_MAX) < until
}

/// When a wait that begins now will be over.
pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_add(millis))
}

/// Until when the server wants no writes.
#[derive(Debug, Default)]
pub(crate) struct Pause(Option<Timestamp>);

impl Pause {
    /// Of two waits, the longer one counts.
    pub(crate) fn extend(&mut self, until: Timestamp) {
        self.0 = Some(self.0.map_or(until, |other| other.max(until)));
    }

    pub(crate) fn end(&mut self) {
        self.0 = None;
    }

    /// Whether writes have to wait still.
    pub(crate) fn holds(&mut self, now: Timestamp) -> bool {
        self.0.take_if(|until| is_over(*until, now));
        self.0.is_some()
    }

    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.0
    }
}
