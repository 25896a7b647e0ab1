//! A pause that the server asks for: too much was written in a short time.
//!
//! Invariant: nothing is lost by it. What the server did not take is sent again under its id.
//! Must never know: sockets, timers.

use std::time::Duration;

use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::time::Timestamp;

use crate::event::Event;
use crate::session::Session;

/// The longest pause that is kept to; then it is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(300);

impl Session {
    /// The server did not take the write `id`, and says after how many milliseconds it may.
    pub(crate) fn on_pause(
        &mut self,
        (entity, id): (Option<&EntityId>, ProposalId),
        retry: u64,
        now: Timestamp,
    ) {
        let max = i64::try_from(PAUSE_MAX.as_millis()).unwrap_or(i64::MAX);
        let millis = i64::try_from(retry).unwrap_or(max).clamp(1, max);
        let until = Timestamp(now.0.saturating_add(millis));
        self.paused = Some(self.paused.map_or(until, |other| other.max(until)));
        self.events.push_back(Event::Pause { millis });
        if let Some(request) = self.requests.get_mut(&id) {
            request.sent = false;
            return;
        }
        let followed = entity.and_then(|entity| self.followed.get_mut(entity));
        if let Some(replica) = followed.and_then(|followed| followed.replica()) {
            replica.send_again();
        }
    }

    /// Whether a pause is not over yet.
    pub(crate) fn is_paused(&mut self, now: Timestamp) -> bool {
        self.paused = self.paused.filter(|until| now < *until);
        self.paused.is_some()
    }
}
