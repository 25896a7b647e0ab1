//! Waits that the server asks for: too much was written in a short time, or it cannot serve at present
//! what it was asked.
//!
//! Invariant: nothing is lost by them. What the server did not take is asked for again: writes under
//! their ids, entities and kinds from where we have them.
//! Must never know: sockets, timers.

use std::time::Duration;

use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::time::Timestamp;

use crate::event::{Event, Fault};
use crate::followed::Phase;
use crate::session::Session;

/// The longest wait that is kept to; then it is tried again.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// How long to wait where an older server does not say it.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);

/// Whether a code says that the server cannot serve something at present, but may later.
fn is_passing(code: &str) -> bool {
    matches!(code, "busy" | "unavailable")
}

/// After how long what was answered by an error may be asked for again; `None`: never.
pub(crate) fn wait(code: &str, retry: Option<u64>) -> Option<Duration> {
    let told = retry.map(Duration::from_millis);
    let wait = told.or(is_passing(code).then_some(WAIT_DEFAULT))?;
    Some(wait.clamp(Duration::from_millis(1), WAIT_MAX))
}

/// Whether a wait is over. A clock that was set back does not make it longer.
pub(crate) fn is_over(until: Timestamp, now: Timestamp) -> bool {
    until <= now || after(now, WAIT_MAX) < until
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_add(millis))
}

impl Session {
    /// The server did not serve what it was asked: the write `id`, or what was to be followed.
    pub(crate) fn on_wait(
        &mut self,
        fault: Fault,
        wait: Duration,
        (entity, id): (Option<&EntityId>, Option<ProposalId>),
        now: Timestamp,
    ) {
        let until = after(now, wait);
        if is_passing(&fault.code) {
            self.fault = Some(fault);
        }
        match (id, entity) {
            (Some(id), _) => self.write_again(entity, id, until),
            (None, Some(entity)) => self.follow_again(entity, until),
            (None, None) => {}
        }
    }

    fn write_again(&mut self, entity: Option<&EntityId>, id: ProposalId, until: Timestamp) {
        self.paused = Some(self.paused.map_or(until, |other| other.max(until)));
        if let Some(request) = self.requests.get_mut(&id) {
            request.sent = false;
            return;
        }
        let followed = entity.and_then(|entity| self.followed.get_mut(entity));
        if let Some(replica) = followed.and_then(|followed| followed.replica()) {
            replica.send_again();
        }
    }

    /// The server serves again what it could not serve for a while.
    pub(crate) fn is_served(&mut self) {
        self.fault.take_if(|fault| is_passing(&fault.code));
    }

    /// Whether a pause of all writes is not over yet.
    pub(crate) fn is_paused(&mut self, now: Timestamp) -> bool {
        self.paused.take_if(|until| is_over(*until, now));
        self.paused.is_some()
    }

    /// Says when there will be something to send that has to wait now.
    pub(crate) fn announce_wait(&mut self, now: Timestamp) {
        if self.phase != Phase::Ready {
            return;
        }
        let watches = self.watches.values().filter_map(|watch| watch.again);
        let followed = self.followed.values().filter_map(|one| one.again);
        let next = self.paused.into_iter().chain(watches).chain(followed).min();
        if let Some(next) = next {
            let millis = next.0.saturating_sub(now.0).max(1);
            self.events.push_back(Event::Pause { millis });
        }
    }
}
