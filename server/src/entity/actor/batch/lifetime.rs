//! Writes that make an entity, delete it and bring it back.
//!
//! Invariant: as in the whole batch, each verdict is the engine's; what is decided here is only
//! what it is asked about.

use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::claims;
use indelible_engine::entity::Entity;
use indelible_engine::id::Epoch;
use indelible_engine::ledger::Claimed;
use indelible_engine::lifecycle::{self, Request};
use indelible_engine::merge::{Attempts, MergeOptions};
use indelible_engine::violation::{Refusal, RefusalCode};
use serde_json::Value;

use super::super::super::outcome::WriteError;
use super::super::super::writes::Precondition;
use super::{Batch, Case, Judged, holders};
use crate::clock;
use crate::storage::NewEntry;

impl Batch<'_> {
    /// A new entity. A name that was deleted is not free: its log continues.
    pub(super) fn create(
        &mut self,
        case: &Case<'_>,
        value: &Value,
        claimed: Option<Claimed>,
    ) -> Result<Judged, WriteError> {
        if self.staging.is_some() {
            let text = format!("{} exists", self.id);
            let refusal = Refusal::structural(RefusalCode::Exists, 0, text);
            return Ok(Judged::refused(refusal));
        }
        let genesis = Entity::genesis(self.id, Epoch::FIRST, self.policy);
        let options = MergeOptions {
            creation: true,
            limits: self.context.limits.clone(),
            ..MergeOptions::default()
        };
        let mut merged =
            match self.merged(case, &genesis, (value, &options), &mut Attempts::new())? {
                Ok(merged) => merged,
                Err(refused) => return Ok(refused),
            };
        let changes = std::mem::take(&mut merged.changes);
        self.charge_operations(case, &changes);
        let proposal = case.proposal(Origin::Creation, changes, claimed);
        let verdict = self.admit(&genesis, &proposal, &mut merged)?;
        Ok(match (verdict.admitted, verdict.refused) {
            (Some(admitted), None) => {
                self.request.entries.push(NewEntry {
                    draft: lifecycle::genesis(&genesis, clock::now()),
                    effects: None,
                });
                Judged::Admitted(self.take(case, admitted))
            }
            (_, Some(mut refusal)) => {
                merged.name_as_given(&mut refusal.violations);
                self.refuse(case, refusal)
            }
            (None, None) => unreachable!("a creation is admitted or refused"),
        })
    }

    pub(super) fn delete(
        &mut self,
        case: &Case<'_>,
        precondition: Option<&Precondition>,
    ) -> Result<Judged, WriteError> {
        let entity = self.present()?;
        self.check_precondition(&entity, precondition)?;
        let verdict = lifecycle::delete(&entity, &case.request(), clock::now());
        Ok(self.settle(case, verdict))
    }

    pub(super) fn undelete(&mut self, case: &Case<'_>) -> Result<Judged, WriteError> {
        let entity = self.logged()?;
        let mut holder = holders(self.context, self.id);
        let verdict = claims::undelete(&entity, &case.request(), clock::now(), &mut holder)?;
        Ok(self.settle(case, verdict))
    }

    fn settle(&mut self, case: &Case<'_>, verdict: Verdict) -> Judged {
        match (verdict.admitted, verdict.refused) {
            (Some(admitted), None) => Judged::Admitted(self.take(case, admitted)),
            (_, Some(refusal)) => self.refuse(case, refusal),
            (None, None) => unreachable!("deleting and undeleting are admitted or refused"),
        }
    }
}

impl Case<'_> {
    fn request(&self) -> Request {
        Request {
            id: self.id,
            author: self.author.clone(),
            session: self.session.map(|session| session.id),
        }
    }
}
