//! What a session does when edits are refused, or when what they were made on is gone.
//!
//! What is lost is reported once, with all of it. What is not reported remains pending.

use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::time::Timestamp;

use super::Session;
use crate::event::{Event, Fault, ViolationView};
use crate::replica::{Losses, Refused};

impl Session {
    pub(super) fn on_refused(
        &mut self,
        id: ProposalId,
        entity: &EntityId,
        refused: &Refused<'_>,
        now: Timestamp,
    ) {
        let views = refused.violations.iter().cloned().map(Into::into);
        let violations: Vec<ViolationView> = views.collect();
        let message = violations.first().map_or_else(
            || "the server refused this".to_owned(),
            |violation| violation.message.clone(),
        );
        let fault = Fault::new(refused.code.code(), message);
        if let Some(request) = self.requests.answered(id) {
            self.events
                .push_back(Event::request_failed(request.number, violations, fault));
            return;
        }
        let fresh = || self.ids.draw(now);
        let Some(author) = self.handshake.author(now, fresh) else {
            return;
        };
        let Some(subscription) = self.subscriptions.get_mut(entity) else {
            return;
        };
        let fault = subscription.in_view(&fault);
        let Some(replica) = subscription.replica_mut() else {
            return;
        };
        if !replica.is_in_flight(id) {
            return;
        }
        match replica.refused(refused, &author) {
            Ok((saved, losses)) => {
                self.report_saved(entity, saved);
                self.report_losses(entity, &fault, violations, losses);
            }
            Err(_) => self.start_over(entity),
        }
    }

    /// Drops the pending edits; the replica continues from the server's state.
    pub(super) fn drop_edits(&mut self, id: &EntityId, fault: &Fault) {
        let limits = self.handshake.limits();
        let replica = self.subscriptions.replica_mut(id);
        if let Some(losses) = replica.map(|replica| replica.discard(&fault.code, limits)) {
            self.report_losses(id, fault, Vec::new(), losses);
        }
    }

    /// The entity does not exist (any more), or we may not read it.
    pub(super) fn lose(&mut self, id: &EntityId, fault: &Fault) {
        let Some(fault) = self.subscriptions.get(id).map(|one| one.in_view(fault)) else {
            return;
        };
        self.drop_edits(id, &fault);
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.gone(fault.clone());
            let entity = id.clone();
            self.events.push_back(Event::Gone { entity, fault });
        }
    }

    /// Reports that edits up to this ordinal are durable, if any are.
    pub(super) fn report_saved(&mut self, id: &EntityId, edit: Option<u64>) {
        if let Some(edit) = edit {
            let entity = id.clone();
            self.events.push_back(Event::Saved { entity, edit });
        }
    }

    /// Reports what edits lost, if they did.
    pub(super) fn report_losses(
        &mut self,
        id: &EntityId,
        fault: &Fault,
        violations: Vec<ViolationView>,
        losses: Losses,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        if losses.dropped.is_empty() {
            return;
        }
        let Losses {
            dropped,
            first,
            settled,
        } = losses;
        subscription.lose(fault, &violations, &dropped);
        self.events.push_back(Event::Refused {
            entity: id.clone(),
            edit: first,
            settled,
            violations,
            dropped,
            fault: fault.clone(),
        });
    }
}
