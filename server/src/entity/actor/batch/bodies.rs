//! Bodies of PUT: what one asks of the entity, under the current names, and the verdict on it.
//!
//! Invariant: a place that is to be kept or removed and does not exist is refused.

use std::collections::{BTreeMap, HashSet};

use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;
use indelible_engine::history::{Past, State};
use indelible_engine::id::{Epoch, LogPlace};
use indelible_engine::merge::{Attempts, MergeOptions};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::PolicySource;
use indelible_engine::rebase::Read;
use indelible_engine::violation::{Refusal, Rule, Violation};
use serde_json::{Map, Value};

use super::super::super::loading;
use super::super::super::log::StoredLog;
use super::super::super::outcome::{WriteError, Written};
use super::super::super::places::{self, PlaceAction};
use super::super::super::writes::Merging;
use super::{Batch, Case, Judged, unreadable};
use crate::versions::Opened;

/// A body, how to merge it, and what it preserves that has no place any more.
type Wanted = (Value, MergeOptions, Vec<Pointer>);

impl<'a> Batch<'a> {
    pub(super) fn merge(
        &mut self,
        case: &Case<'_>,
        merging: &Merging,
    ) -> Result<Judged, WriteError> {
        let entity = self.present()?;
        self.check_precondition(&entity, merging.precondition.as_ref())?;
        let (body, options, mut gone) = match self.options(case, &entity, merging)? {
            Ok(wanted) => wanted,
            Err(violations) => return Ok(self.refuse(case, Refusal::policy(0, violations))),
        };
        let mut attempts = Attempts::new();
        let merged = self.merged(case, &entity, (&body, &options), &mut attempts);
        let attempts = self.new_to_the_field(attempts);
        let mut merged = match merged? {
            Ok(merged) => merged,
            Err(refused) => {
                self.record_kept(case, 0, attempts);
                return Ok(refused);
            }
        };
        merged.preserved.append(&mut gone);
        if merged.changes.is_empty() {
            self.record_kept(case, 0, attempts);
            let mut written = Written::at(entity.epoch(), entity.seq());
            written.preserved = merged.preserved;
            return Ok(Judged::Idle(written));
        }
        let count = merged.changes.len();
        let changes = std::mem::take(&mut merged.changes);
        self.charge_operations(case, &changes);
        let proposal = case.proposal(Origin::Server, changes, None);
        let verdict = self.admit(&entity, &proposal, &mut merged)?;
        // Judged after the same entry as the rest.
        let whole = verdict.admitted.is_some() && verdict.refused.is_none();
        self.record_kept(case, if whole { count } else { 0 }, attempts);
        Ok(match (verdict.admitted, verdict.refused) {
            (Some(admitted), None) => {
                let mut named = HashSet::new();
                let places = admitted.effects().iter().map(|effect| &effect.pointer);
                let changed = places.filter(|at| named.insert(*at)).cloned().collect();
                let mut written = self.take(case, admitted);
                (written.changed, written.preserved) = (changed, merged.preserved);
                Judged::Admitted(written)
            }
            (_, Some(mut refusal)) => {
                merged.name_as_given(&mut refusal.violations);
                self.refuse(case, refusal)
            }
            (_, None) => {
                let mut written = Written::at(entity.epoch(), entity.seq());
                written.preserved = merged.preserved;
                Judged::Idle(written)
            }
        })
    }

    /// The body and how to merge it, under the names of now, and what it preserves that has no place
    /// any more; or what else of it has none.
    fn options(
        &mut self,
        case: &Case<'_>,
        entity: &Entity,
        merging: &Merging,
    ) -> Result<Result<Wanted, Vec<Violation>>, WriteError> {
        let mut options = MergeOptions {
            protected: merging.protected,
            preserve: merging.preserve.clone(),
            remove: merging.remove.clone(),
            limits: self.context.limits.clone(),
            ..MergeOptions::default()
        };
        let (mut body, mut preserved) = (merging.body.clone(), Vec::new());
        if let Some(version) = &merging.base
            && let Some(read) = self.read(entity, version)?
        {
            let places = (merging.preserve.as_slice(), merging.remove.as_slice());
            let followed = read.follow(entity, &body, places);
            let followed = followed.map_err(|_| WriteError::UnknownBase)?;
            if !followed.lost.is_empty() {
                return Ok(Err(followed.lost));
            }
            (body, options.base) = (followed.body, Some(followed.base));
            (options.preserve, options.remove) = (followed.preserve, followed.remove);
            preserved = followed.preserved;
        }
        let unknown = self.unknown(case, entity, (&body, &options))?;
        if !unknown.is_empty() {
            return Ok(Err(unknown));
        }
        options.deleted = self.deleted_in(entity, &body)?;
        Ok(Ok((body, options, preserved)))
    }

    /// The places to be kept or removed that do not exist. Without the right to read, an author does
    /// not learn what exists.
    fn unknown(
        &mut self,
        case: &Case<'_>,
        entity: &Entity,
        (body, options): (&Value, &MergeOptions),
    ) -> Result<Vec<Violation>, WriteError> {
        let readable = self.policy.readable(case.author);
        let base = options.base.as_ref().map(|base| &base.value);
        let mut there = places::There::new(entity, [Some(body), base].into_iter().flatten());
        let preserve = options
            .preserve
            .iter()
            .map(|at| (at, PlaceAction::Preserve));
        let named = preserve.chain(options.remove.iter().map(|at| (at, PlaceAction::Remove)));
        let mut unknown = Vec::new();
        for (at, care) in named {
            let why = match places::misplaced(self.policy, at, care) {
                None => match there.lacks(at, care).filter(|_| readable) {
                    Some(_) if self.was_deleted(entity, at)? => None,
                    why => why,
                },
                why => why,
            };
            unknown.extend(why.map(|why| no_such_place(at, why)));
        }
        Ok(unknown)
    }

    /// What was read at a version; `None` when that is the present.
    fn read(&self, entity: &Entity, version: &str) -> Result<Option<Read>, WriteError> {
        let opened = self.open(version).ok_or(WriteError::UnknownBase)?;
        if self.is_current(entity, &opened) {
            return Ok(None);
        }
        let place = LogPlace::new(opened.epoch, opened.seq);
        if place >= entity.place() {
            return Err(WriteError::UnknownBase);
        }
        // A version is sent only after its entry's commit, so the entry is in the store, unless the
        // store was put back to a time before it.
        let store = &*self.context.store;
        let entry = loading::sealed(store, self.id, opened.epoch, opened.seq);
        let entry = entry.map_err(unreadable)?;
        let entry = entry.filter(|(_, hash)| opened.is_of(hash));
        let (entry, _) = entry.ok_or(WriteError::UnknownBase)?;
        let policy = self.context.known.policy(entry.header.policy_hash);
        let policy = policy.ok_or(WriteError::UnknownBase)?;
        let stamps = entity.stamp_fields_after(&policy, (entry.header.at, &entry.header.author.id));
        let value = match opened.epoch == entity.epoch() {
            true => None,
            false => Some(self.past_value(place)?),
        };
        Ok(Some(Read {
            value,
            policy,
            heads: entry.heads,
            stamps,
        }))
    }

    /// Whether a version is that of the present value. The first entry of an epoch changes none, so
    /// the version before it stays good.
    pub(super) fn is_current(&self, entity: &Entity, opened: &Opened) -> bool {
        let place = entity.place();
        LogPlace::new(opened.epoch, opened.seq) == place && opened.is_of(&entity.hash())
            || loading::begins_after(&*self.context.store, self.id, place, opened)
    }

    /// The value after an entry of an epoch that is over: by what each entry since has changed.
    fn past_value(&self, place: LogPlace) -> Result<Map<String, Value>, WriteError> {
        let entity = self.committed.ok_or(WriteError::UnknownBase)?;
        let mut log = self.log(entity);
        let mut past = Past {
            archive: &mut log,
            checkpoints: &mut (),
            policies: &*self.context.known,
        };
        let state = past.state(place, Some(&State::of(entity)));
        let state = state.map_err(|error| {
            tracing::error!(entity = %self.id, %error, "a past value cannot be read");
            WriteError::UnknownBase
        })?;
        Ok(state.value().clone())
    }

    /// The items and entries of a body that were deleted before this epoch began, and what they held.
    fn deleted_in(
        &mut self,
        entity: &Entity,
        body: &Value,
    ) -> Result<BTreeMap<Pointer, Value>, WriteError> {
        if entity.epoch() == Epoch::FIRST {
            return Ok(BTreeMap::new());
        }
        let mut log = self.log(entity);
        let asked = (&mut log, &*self.context.known as &dyn PolicySource);
        let deleted = self.past.deletions.named_in(body, entity, asked);
        deleted.map_err(|error| self.unreadable_past(&error))
    }

    /// Whether a place is, or lies in, what was deleted before this epoch began.
    fn was_deleted(&mut self, entity: &Entity, at: &Pointer) -> Result<bool, WriteError> {
        if entity.epoch() == Epoch::FIRST {
            return Ok(false);
        }
        let mut log = self.log(entity);
        let asked = (&mut log, &*self.context.known as &dyn PolicySource);
        let deleted = self.past.deletions.know(at, entity, asked);
        deleted.map_err(|error| self.unreadable_past(&error))
    }

    fn unreadable_past(&self, error: &dyn std::error::Error) -> WriteError {
        tracing::error!(entity = %self.id, %error, "former epochs cannot be read");
        WriteError::Storage
    }

    /// The log of the entity, up to its last entry.
    fn log(&self, entity: &Entity) -> StoredLog<'a> {
        StoredLog {
            store: &*self.context.store,
            entity: self.id,
            last: entity.place(),
            policies: &*self.context.known,
        }
    }

    /// Those attempts at protected fields whose value the field never had: a form that puts
    /// back what it once read attempts nothing.
    fn new_to_the_field(&mut self, attempts: Attempts) -> Attempts {
        let Some(entity) = self.committed.filter(|_| !attempts.is_empty()) else {
            return attempts;
        };
        let policies = &*self.context.known;
        let mut log = self.log(entity);
        let had = &mut self.past.had;
        let never = had.never(entity, &mut log, policies, attempts.clone());
        never.unwrap_or_else(|error| {
            // Rather too much is recorded than too little.
            tracing::warn!(entity = %self.id, %error, "the values of a field cannot be read");
            attempts
        })
    }

    /// Records what was tried at fields that a PUT keeps as they are.
    fn record_kept(&mut self, case: &Case<'_>, admitted: usize, attempts: Attempts) {
        if !attempts.is_empty() {
            self.record(case, &Refusal::preserved(admitted, attempts));
        }
    }
}

/// A place to be preserved or removed that there is not.
fn no_such_place(at: &Pointer, why: String) -> Violation {
    Violation {
        change: 0,
        ops: Vec::new(),
        pointer: at.clone(),
        rule: Rule::UNKNOWN_FIELD,
        attempted: None,
        kept: None,
        holder: None,
        bound: None,
        message: format!("it is to be kept or removed, {why}"),
    }
}
