//! What a session does when edits are refused or lose their ground, and how it tells.
//!
//! Invariant: what is lost is told, once, with all of it; what is not told goes on.
//! Must never know: how edits are rebased.

use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::time::Timestamp;

use crate::edit::{Author, Mended, Refused};
use crate::event::{Event, Fault, ViolationView};
use crate::followed::Refusal;
use crate::session::Session;

impl Session {
    pub(crate) fn on_refused(
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
        if let Some(request) = self.requests.remove(&id) {
            let request = request.number;
            self.events.push_back(Event::NotDone {
                request,
                violations,
                fault,
            });
            return;
        }
        let Some(principal) = &self.principal else {
            return;
        };
        let author = Author {
            principal,
            limits: &self.limits,
            now,
            fresh: self.ids.draw(now),
        };
        let Some(followed) = self.followed.get_mut(entity) else {
            return;
        };
        let fault = followed.in_view(&fault);
        let Some(replica) = followed.replica() else {
            return;
        };
        if !replica.is_in_flight(id) {
            return;
        }
        match replica.refused(refused, &author) {
            Ok((saved, mended)) => {
                if let Some(edit) = saved {
                    let entity = entity.clone();
                    self.events.push_back(Event::Saved { entity, edit });
                }
                self.tell_lost(entity, &fault, violations, mended);
            }
            Err(_) => self.start_over(entity),
        }
    }

    /// Pending edits are lost; the replica goes on from the server's state.
    pub(crate) fn drop_edits(&mut self, id: &EntityId, fault: &Fault) {
        let replica = self.followed.get_mut(id).and_then(|f| f.replica());
        if let Some(mended) = replica.map(|replica| replica.discard(&fault.code, &self.limits)) {
            self.tell_lost(id, fault, Vec::new(), mended);
        }
    }

    /// Tells what edits lost, if they did.
    pub(crate) fn tell_lost(
        &mut self,
        id: &EntityId,
        fault: &Fault,
        violations: Vec<ViolationView>,
        mended: Mended,
    ) {
        let Some(followed) = self.followed.get_mut(id) else {
            return;
        };
        if mended.dropped.is_empty() {
            return;
        }
        let Mended {
            dropped,
            first,
            settled,
        } = mended;
        // Nobody has seen to what was lost before: the next edit has not been made.
        let refusal = followed.refusal.get_or_insert_with(Refusal::default);
        refusal.fault = fault.clone();
        refusal.violations.extend(violations.iter().cloned());
        refusal.dropped.extend(dropped.iter().cloned());
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
