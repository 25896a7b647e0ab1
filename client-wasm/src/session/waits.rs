//! What a session does when the server asks it to wait.
//!
//! Nothing is lost by a wait. What the server did not take is asked for again: writes under their
//! ids, entities and kinds from where we have them.

use std::time::Duration;

use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::time::Timestamp;

use super::Session;
use crate::event::{Event, Fault};
use crate::pause::{after, is_passing};

impl Session {
    /// The server did not serve what it was asked for: the write `id`, or something to be followed.
    pub(super) fn on_wait(
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
            (None, Some(entity)) => self.subscriptions.again(entity, until),
            (None, None) => {}
        }
    }

    fn write_again(&mut self, entity: Option<&EntityId>, id: ProposalId, until: Timestamp) {
        self.pause.extend(until);
        if self.requests.send_again(id) {
            return;
        }
        let replica = entity.and_then(|entity| self.subscriptions.replica_mut(entity));
        if let Some(replica) = replica {
            replica.send_again();
        }
    }

    /// The server serves again what it could not serve for a while.
    pub(super) fn is_served(&mut self) {
        self.fault.take_if(|fault| is_passing(&fault.code));
    }

    /// Reports when there will be something to send that has to wait now.
    pub(super) fn announce_wait(&mut self, now: Timestamp) {
        if !self.handshake.is_ready() {
            return;
        }
        let followed = self.subscriptions.next_again();
        if let Some(next) = self.pause.until().into_iter().chain(followed).min() {
            let millis = next.0.saturating_sub(now.0).max(1);
            self.events.push_back(Event::Pause { millis });
        }
    }
}
