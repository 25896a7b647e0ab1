//! Writes that are judged one after the other and committed together.
//!
//! Invariant: each verdict is a function of the state that the admitted writes before it leave and
//! of the write itself; a repeat of a write is answered from the store and never judged again.
//! Once an entry or what was asked waits for the commit, every verdict rests on it.

mod bodies;
mod lifetime;
mod repeats;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use indelible_engine::admission::{Admitted, Origin, Proposal, Staging, Verdict};
use indelible_engine::change;
use indelible_engine::claims::{self, Claim, Step};
use indelible_engine::entity::Entity;
use indelible_engine::history::{Deletions, Derived, Had};
use indelible_engine::id::{EntityId, Epoch, Hash, LogPlace, ProposalId, Seq, SessionId};
use indelible_engine::ledger::{Claimed, EntryKind, Header, RefusalDraft};
use indelible_engine::merge::{self, Attempts, MergeError, MergeOptions};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::violation::{Refusal, RefusalCode, ViolationReport};
use serde_json::Value;

use self::verdict::Judged;
pub(super) use self::verdict::{Decided, Ending, Verdicts};

use super::super::outcome::{WriteError, Written};
use super::super::writes::{Precondition, Task, Write, WriterSession};
use crate::clock;
use crate::context::Context;
use crate::rates::Writer;
use crate::storage::{Append, ClaimStep, NewEntry, Presence, StoreError};
use crate::values::PROJECTION;
use crate::versions::Opened;

/// What was looked up in the log, for the next time that it is asked for.
#[derive(Debug, Default)]
pub(super) struct KnownPast {
    /// Which values protected places had.
    had: Had,
    /// What was deleted in epochs that are over.
    deletions: Deletions,
}

/// The writes of one commit, while they are judged.
pub(super) struct Batch<'a> {
    context: &'a Context,
    id: &'a EntityId,
    policy: &'a Arc<Policy>,
    /// As it is on disk.
    committed: Option<&'a Entity>,
    past: &'a mut KnownPast,
    staging: Option<Staging>,
    /// As it was before the last deletion.
    was: Option<Entity>,
    request: Append,
    verdicts: Vec<Decided>,
    /// Changes that were refused in this batch, and in which session.
    dropped: HashSet<(SessionId, Hash)>,
    /// Which verdict belongs to which write, to recognise repeats within the batch.
    seen: HashMap<(String, ProposalId), (usize, &'a Task)>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        context: &'a Context,
        (id, policy): (&'a EntityId, &'a Arc<Policy>),
        entity: Option<&'a Entity>,
        past: &'a mut KnownPast,
    ) -> Self {
        Self {
            context,
            id,
            policy,
            committed: entity,
            past,
            staging: entity.cloned().map(Staging::new),
            was: None,
            request: Append::new(id.clone()),
            verdicts: Vec::new(),
            dropped: HashSet::new(),
            seen: HashMap::new(),
        }
    }

    /// Decides on one write.
    pub(super) fn judge(&mut self, write: &'a Write) {
        let key = (write.author.id.clone(), write.id);
        let first = self.seen.get(&key).copied();
        let first = first.map(|(first, task)| (&self.verdicts[first].judged, task));
        let (judged, dropped) = match first {
            Some((judged, task)) if *task == write.task => (judged.again(), Vec::new()),
            Some((judged, _)) if judged.takes_its_id() => {
                (Judged::Failed(WriteError::IdReused), Vec::new())
            }
            _ => {
                self.seen.insert(key, (self.verdicts.len(), &write.task));
                self.judge_first(write)
            }
        };
        self.verdicts.push(Decided {
            judged,
            rests_on_commit: !self.request.entries.is_empty() || !self.request.asked.is_empty(),
            dropped,
        });
    }

    /// Decides nothing on a write.
    pub(super) fn turn_away(&mut self, _: &Write) {
        self.verdicts.push(Decided {
            judged: Judged::Failed(WriteError::Busy),
            rests_on_commit: false,
            dropped: Vec::new(),
        });
    }

    /// The verdict, and the changes that it refuses.
    fn judge_first(&mut self, write: &Write) -> (Judged, Vec<Hash>) {
        let mut dropped = Vec::new();
        let case = Case {
            id: write.id,
            author: &write.author,
            session: write.session.as_deref(),
            address: write.address,
        };
        // A panic leaves the batch as it was: what is admitted is taken over last.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            self.decide(&case, &write.task, &mut dropped)
        }));
        let judged = decided
            .unwrap_or_else(|_| {
                tracing::error!(entity = %self.id, "judging a write panicked");
                Err(WriteError::Internal)
            })
            .unwrap_or_else(Judged::Failed);
        self.note(&case, &write.task, &judged);
        if let Some(session) = case.session {
            let dropped = dropped.iter().map(|&change| (session.id, change));
            self.dropped.extend(dropped);
        }
        (judged, dropped)
    }

    pub(super) fn finish(self) -> Verdicts {
        let Self {
            staging,
            was,
            request,
            verdicts,
            ..
        } = self;
        let changed = !request.entries.is_empty();
        let writes = changed || !request.refusals.is_empty() || !request.asked.is_empty();
        let request = writes.then_some(request);
        Verdicts {
            request,
            entity: staging.filter(|_| changed).map(Staging::into_entity),
            was,
            decided: verdicts,
        }
    }

    fn decide(
        &mut self,
        case: &Case<'_>,
        task: &Task,
        dropped: &mut Vec<Hash>,
    ) -> Result<Judged, WriteError> {
        let earlier = self.earlier(case, task)?;
        match (task, earlier) {
            (
                Task::Propose {
                    epoch,
                    changes,
                    whole,
                },
                earlier,
            ) => {
                let origin = if *whole { Origin::Edit } else { Origin::Client };
                let proposal = case.proposal(origin, changes.clone(), None);
                self.propose((case, *epoch), &proposal, earlier, dropped)
            }
            (_, Some(earlier)) => Ok(Judged::Stands(earlier)),
            (Task::Create { value, claimed }, None) => self.create(case, value, claimed.clone()),
            (Task::Merge(merging), None) => self.merge(case, merging),
            (Task::Delete { precondition }, None) => self.delete(case, precondition.as_ref()),
            (Task::Undelete, None) => self.undelete(case),
        }
    }

    /// The entity, if it is there.
    fn present(&mut self) -> Result<Entity, WriteError> {
        let entity = self.logged()?;
        match entity.presence() {
            Presence::Present => Ok(entity),
            _ => Err(WriteError::NotFound),
        }
    }

    /// The entity, if it ever was there.
    fn logged(&mut self) -> Result<Entity, WriteError> {
        let staging = self.staging.as_mut().ok_or(WriteError::NotFound)?;
        Ok(staging.entity().clone())
    }

    /// Judges what a merge made.
    fn admit(
        &self,
        entity: &Entity,
        proposal: &Proposal,
        merged: &mut merge::Merged,
    ) -> Result<Verdict, WriteError> {
        let at = (clock::now(), &self.context.limits);
        let made = (proposal, merged.take_made());
        claims::admit_made(entity, made, at, &mut holders(self.context, self.id))
    }

    fn propose(
        &mut self,
        (case, epoch): (&Case<'_>, Epoch),
        proposal: &Proposal,
        earlier: Option<Written>,
        dropped: &mut Vec<Hash>,
    ) -> Result<Judged, WriteError> {
        let staging = self.staging.as_mut().ok_or(WriteError::NotFound)?;
        let entity = staging.entity();
        if epoch != entity.epoch() {
            return earlier.map(Judged::Stands).ok_or(WriteError::Epoch);
        }
        let (changes, limits) = (&proposal.changes, &self.context.limits);
        let weighed = self.context.budgets.weigh(changes, entity, limits);
        let operations = weighed.operations;
        self.context
            .rates
            .charge_operations(case.writer(), operations);
        if let Some(allowed) = weighed.exceeded {
            let text = format!(
                "{operations} operations, when what they bring and what is there allow {allowed}: \
                 leave out what later ones undo"
            );
            let refusal = Refusal::structural(RefusalCode::OperationsLimit, 0, text);
            return Ok(Judged::refused(refusal));
        }
        let seq = entity.seq();
        let (at, holder) = ((clock::now(), limits), &mut holders(self.context, self.id));
        let mut verdict = claims::admit_next(staging, proposal, at, holder)?;
        if let Some(session) = case.session {
            if let Some(refusal) = &mut verdict.refused {
                self.name_refused_past(session, proposal, refusal);
            }
            dropped.clone_from(&verdict.dropped);
        }
        let repeat = earlier.is_some();
        if repeat && verdict.admitted.is_some() && verdict.refused.is_none() {
            // The rest was refused when it first came: it needs a name of its own now.
            let text = "a part of this proposal was admitted before; propose the rest again";
            let refusal =
                Refusal::structural(RefusalCode::Repeated, verdict.known.len(), text.to_owned());
            return Ok(Judged::refused(refusal));
        }
        let admitted = verdict.admitted.filter(|_| !repeat);
        let partly = admitted.is_some();
        let written = match admitted {
            Some(admitted) => Some(self.take(case, admitted)),
            None if earlier.is_some() => earlier,
            None => self.entry_of(verdict.known.last(), epoch, seq)?,
        };
        match (verdict.refused, written) {
            (Some(refusal), _) => {
                if !repeat && refusal.code.is_recorded() {
                    self.record(case, &refusal);
                }
                Ok(Judged::Refused { refusal, partly })
            }
            (None, Some(written)) if partly => Ok(Judged::Admitted(written)),
            (None, written) => Ok(Judged::Stands(
                written.unwrap_or_else(|| Written::at(epoch, seq)),
            )),
        }
    }

    /// Which entry holds a change; for one that is only in this batch, that is its last entry.
    fn entry_of(
        &self,
        change: Option<&Hash>,
        epoch: Epoch,
        last: Seq,
    ) -> Result<Option<Written>, WriteError> {
        let Some(change) = change else {
            return Ok(None);
        };
        let found = self.context.store.change(self.id, epoch, *change);
        let seq = found.map_err(unreadable)?.unwrap_or(last);
        Ok(Some(Written::at(epoch, seq)))
    }

    /// What is missing may be missing because it was refused earlier in this session: then the
    /// author learns that.
    fn name_refused_past(
        &self,
        session: &WriterSession,
        proposal: &Proposal,
        refusal: &mut Refusal,
    ) {
        let at = refusal.violations.first().map(|violation| violation.change);
        let bytes = at.and_then(|index| proposal.changes.get(index));
        let (Some(index), Some(bytes)) = (at, bytes) else {
            return;
        };
        if refusal.code != RefusalCode::UnknownDeps {
            return;
        }
        let change = change::parse(bytes, &self.context.limits);
        let depends = change.is_ok_and(|change| {
            let mut deps = change.deps().iter().map(|&dependency| dependency.into());
            deps.any(|hash| session.has_refused(hash) || self.dropped.contains(&(session.id, hash)))
        });
        if depends {
            let text = "it depends on a change that was refused earlier in this session";
            let admitted = refusal.admitted;
            *refusal = Refusal::structural(RefusalCode::DependsOnRefused, index, text.to_owned());
            refusal.admitted = admitted;
        }
    }

    /// Merges on behalf of the author, under the one actor that the server has for them here.
    fn merged(
        &mut self,
        case: &Case<'_>,
        entity: &Entity,
        wanted: (&Value, &MergeOptions),
        attempts: &mut Attempts,
    ) -> Result<Result<merge::Merged, Judged>, WriteError> {
        let actor = change::server_actor(entity.id(), entity.epoch(), &case.author.id);
        match merge::merge_watched(entity, case.author, &actor, wanted, attempts) {
            Ok(merged) => Ok(Ok(merged)),
            Err(MergeError::Refused(violations)) => {
                let refusal = Refusal::policy(0, violations);
                self.record(case, &refusal);
                Ok(Err(Judged::refused(refusal)))
            }
            Err(MergeError::UnknownBase) => Err(WriteError::UnknownBase),
            Err(error @ MergeError::TooLarge { .. }) => {
                let refusal = Refusal::structural(RefusalCode::EntitySize, 0, error.to_string());
                Ok(Err(self.refuse(case, refusal)))
            }
            Err(error @ MergeError::Document(_)) => {
                tracing::error!(%error, "a merge failed");
                Err(WriteError::Body("the value cannot be merged".to_owned()))
            }
        }
    }

    fn check_precondition(
        &self,
        entity: &Entity,
        precondition: Option<&Precondition>,
    ) -> Result<(), WriteError> {
        let Some(Precondition::AtVersion(versions)) = precondition else {
            return Ok(());
        };
        let current = |version: &String| {
            let opened = self.open(version)?;
            Some(self.is_current(entity, &opened))
        };
        if versions
            .iter()
            .any(|version| current(version) == Some(true))
        {
            Ok(())
        } else {
            Err(WriteError::Precondition)
        }
    }

    fn open(&self, version: &str) -> Option<Opened> {
        self.context.versions.open(self.id, PROJECTION, version)
    }

    fn take(&mut self, case: &Case<'_>, admitted: Admitted) -> Written {
        let kind = self.id.kind();
        let steps = claims::steps(&admitted).into_iter().map(|step| match step {
            Step::Release(claim) => ClaimStep::Release(claim.key(kind)),
            Step::Gain(claim) => ClaimStep::Gain(claim.key(kind)),
        });
        self.request.claims.extend(steps);
        let effects = Derived::encode(admitted.effects(), admitted.conflicts());
        let draft = match &mut self.staging {
            Some(staging) => {
                if admitted.draft().kind == EntryKind::Deleted {
                    self.was = Some(staging.entity().clone());
                }
                staging.advance(admitted).0
            }
            None => {
                let (entity, draft, _) = admitted.into_parts();
                self.staging = Some(Staging::new(entity));
                draft
            }
        };
        let changes: usize = draft.changes.iter().map(Vec::len).sum();
        let bytes = changes + effects.len();
        self.context.rates.charge_bytes(case.writer(), bytes);
        let written = Written::at(draft.header.place.epoch, draft.header.place.seq);
        self.request.entries.push(NewEntry {
            draft,
            effects: Some(effects),
        });
        written
    }

    /// Charges the operations that a value was turned into.
    fn charge_operations(&self, case: &Case<'_>, changes: &[Vec<u8>]) {
        let counted = |bytes: &Vec<u8>| change::operations(bytes, &self.context.limits);
        let counted = changes.iter().filter_map(|bytes| counted(bytes).ok());
        let operations = counted.map(|counted| counted.all).sum();
        self.context
            .rates
            .charge_operations(case.writer(), operations);
    }

    fn refuse(&mut self, case: &Case<'_>, refusal: Refusal) -> Judged {
        if refusal.code.is_recorded() {
            self.record(case, &refusal);
        }
        Judged::refused(refusal)
    }

    fn record(&mut self, case: &Case<'_>, refusal: &Refusal) {
        if !self.policy.rights(case.author).any() {
            return;
        }
        let staged = self.staging.as_mut().map(Staging::entity);
        let place = staged.map_or(LogPlace::FIRST, Entity::place);
        self.request.refusals.push(RefusalDraft {
            header: Header {
                entity: self.id.clone(),
                place,
                proposal: Some(case.id),
                author: case.author.clone(),
                session: case.session.map(|session| session.id),
                at: clock::now(),
                policy_hash: self.policy.hash(),
            },
            code: refusal.code.to_string(),
            admitted: u32::try_from(refusal.admitted).unwrap_or(u32::MAX),
            change: None,
            violations: refusal
                .violations
                .iter()
                .map(ViolationReport::from)
                .collect(),
            further: 0,
        });
    }
}

/// One write, without what it wants.
struct Case<'a> {
    id: ProposalId,
    author: &'a Principal,
    session: Option<&'a WriterSession>,
    address: Option<IpAddr>,
}

impl Case<'_> {
    fn writer(&self) -> Writer<'_> {
        Writer {
            principal: self.author,
            address: self.address,
        }
    }

    fn proposal(
        &self,
        origin: Origin,
        changes: Vec<Vec<u8>>,
        claimed: Option<Claimed>,
    ) -> Proposal {
        Proposal {
            id: self.id,
            author: self.author.clone(),
            session: self.session.map(|session| session.id),
            origin,
            changes,
            claimed,
        }
    }
}

impl Written {
    fn at(epoch: Epoch, seq: Seq) -> Self {
        Self {
            epoch,
            seq,
            changed: Vec::new(),
            preserved: Vec::new(),
            present: None,
        }
    }
}

/// Finds who else has a value that is to be an entity's only, as far as the disk knows.
fn holders(
    context: &Context,
    id: &EntityId,
) -> impl FnMut(&Claim) -> Result<Option<EntityId>, WriteError> {
    move |claim| {
        let found = context.store.other_holder(id, claim.key(id.kind()));
        found.map_err(unreadable)
    }
}

fn unreadable(error: StoreError) -> WriteError {
    tracing::error!(%error, "the store cannot be read");
    WriteError::Storage
}
