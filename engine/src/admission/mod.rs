//! Deciding on a proposal: what of it is admitted, what is refused, and why.
//!
//! Owns the order of checks: bytes → references → policy → trial on a copy → the whole entity.
//! Invariant: a verdict is a function of the entity (its log up to now), the proposal and the time
//! given. Only [`admit`] makes [`Admitted`], and only `Admitted` can be committed.
//! Must never know: sockets, storage, other proposals of the same batch.

mod judge;
mod leaves;
mod operations;
mod references;
pub(crate) mod rights;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automerge::{ActorId, Automerge, ReadDoc};
use serde_json::Map;
#[cfg(feature = "whole-entity")]
use serde_json::Value;

use crate::change::{self, Limits, ParsedChange};
use crate::document::Reader;
use crate::effects::{Effect, effects};
use crate::entity::{ActorState, Entity};
use crate::id::{Hash, ProposalId, SessionId};
use crate::ledger::{Claimed, EntryDraft, EntryKind};
use crate::policy::Permission;
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::violation::{Refusal, Violation};

/// How a proposal came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Changes that a client made under an actor of its own.
    Client,
    /// A change that the server made for the principal, under the lasting server actor.
    Server,
    /// The creation of the entity, made by the server for the principal.
    Creation,
}

/// What somebody asks to be written, in one go, to one entity.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Chosen by the client; a repeat is recognised by it.
    pub id: ProposalId,
    /// Who asks.
    pub author: Principal,
    /// The connection it came by, if any.
    pub session: Option<SessionId>,
    /// How its changes came to be.
    pub origin: Origin,
    /// Automerge change chunks, each depending only on admitted changes or earlier ones here.
    pub changes: Vec<Vec<u8>>,
    /// What an import claims of the creation elsewhere.
    pub claimed: Option<Claimed>,
}

/// What admission decided. A proposal may be admitted in part: `admitted` then holds the changes
/// before the first refused one.
#[derive(Debug)]
pub struct Verdict {
    /// What may be committed.
    pub admitted: Option<Admitted>,
    /// What was refused.
    pub refused: Option<Refusal>,
    /// Changes of the proposal that were in the log before.
    pub known: Vec<Hash>,
    /// Hashes of well-formed changes that were refused; what depends on them is refused too.
    pub dropped: Vec<Hash>,
}

/// Admitted changes, not committed yet: the only thing that can be committed.
#[derive(Debug, Clone)]
pub struct Admitted {
    entity: Entity,
    draft: EntryDraft,
    effects: Vec<Effect>,
}

impl Admitted {
    /// The entity as it will be once the entry is on disk.
    #[must_use]
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// What the entry changes, as values.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// The entry to be sealed and committed.
    #[must_use]
    pub fn draft(&self) -> &EntryDraft {
        &self.draft
    }

    /// The parts, for the commit and for the state after it.
    #[must_use]
    pub fn into_parts(self) -> (Entity, EntryDraft, Vec<Effect>) {
        (self.entity, self.draft, self.effects)
    }
}

/// Decides on `proposal` for `entity` at `now`.
///
/// Changes before the first refused one are admitted; that one and all after it are refused. A
/// creation is admitted whole or not at all. The entity itself is not touched.
#[must_use]
pub fn admit(entity: &Entity, proposal: &Proposal, now: Timestamp, limits: &Limits) -> Verdict {
    let (permission, word) = match proposal.origin {
        Origin::Creation => (Permission::Create, "create"),
        Origin::Client | Origin::Server => (Permission::Edit, "edit"),
    };
    if !entity.policy.may(&proposal.author, permission) {
        let message = format!("{} may not {word} {}", proposal.author.id, entity.id.kind());
        return Verdict::refusal(Refusal::structural("forbidden", 0, message));
    }
    if proposal.changes.is_empty() || proposal.changes.len() > limits.changes_per_proposal_max {
        let message = format!(
            "a proposal holds 1 to {} changes, this one {}",
            limits.changes_per_proposal_max,
            proposal.changes.len()
        );
        return Verdict::refusal(Refusal::structural("malformed", 0, message));
    }
    let mut trial = Trial::new(entity, proposal, limits);
    trial.run();
    trial.decide(now)
}

impl Verdict {
    fn refusal(refusal: Refusal) -> Self {
        Self {
            admitted: None,
            refused: Some(refusal),
            known: Vec::new(),
            dropped: Vec::new(),
        }
    }
}

/// A proposal on its way through the checks: the working copy and what was let through so far.
struct Trial<'a> {
    entity: &'a Entity,
    proposal: &'a Proposal,
    limits: &'a Limits,
    doc: Automerge,
    actors: Arc<BTreeMap<ActorId, ActorState>>,
    max_op: u64,
    passed: Vec<(ParsedChange, BTreeSet<String>)>,
    refused: Option<Refusal>,
    known: Vec<Hash>,
    dropped: Vec<Hash>,
}

impl<'a> Trial<'a> {
    fn new(entity: &'a Entity, proposal: &'a Proposal, limits: &'a Limits) -> Self {
        Self {
            entity,
            proposal,
            limits,
            doc: entity.doc.clone(),
            actors: Arc::clone(&entity.actors),
            max_op: entity.max_op,
            passed: Vec::new(),
            refused: None,
            known: Vec::new(),
            dropped: Vec::new(),
        }
    }

    fn run(&mut self) {
        for (index, bytes) in self.proposal.changes.iter().enumerate() {
            let change = match change::parse(bytes, self.limits) {
                Ok(change) => change,
                Err(error) => {
                    self.refuse(Refusal::structural(error.code(), index, error.to_string()));
                    return;
                }
            };
            if self.is_known(&change) {
                self.known.push(change.hash());
                continue;
            }
            if let Err(refusal) = self.step(index, change) {
                self.refuse(refusal);
                self.drop_from(index);
                return;
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refused = Some(refusal);
    }

    fn is_known(&self, change: &ParsedChange) -> bool {
        self.doc
            .get_change_meta_by_hash(&change.hash().into())
            .is_some()
    }

    /// Remembers the hashes of the changes from `index` on, as far as they can be read.
    fn drop_from(&mut self, index: usize) {
        for bytes in &self.proposal.changes[index..] {
            if let Ok(change) = change::parse(bytes, self.limits) {
                self.dropped.push(change.hash());
            }
        }
    }

    fn step(&mut self, index: usize, change: ParsedChange) -> Result<(), Refusal> {
        let fault = |(code, message): (Cow<'static, str>, String)| {
            Refusal::structural(code, index, message)
        };
        let past = references::check(self, &change).map_err(fault)?;
        let case = judge::Case {
            doc: &self.doc,
            entity: self.entity,
            author: &self.proposal.author,
            creation: self.proposal.origin == Origin::Creation,
        };
        let (touched, mut violations) = judge::judge(&case, &change, &past).map_err(fault)?;
        if !violations.is_empty() {
            violations
                .iter_mut()
                .for_each(|violation| violation.change = index);
            return Err(Refusal::policy(index, violations));
        }
        self.apply(index, &change)?;
        self.passed.push((change, touched));
        Ok(())
    }

    /// Applies one checked change to the working copy and proves that the copy holds it.
    fn apply(&mut self, index: usize, change: &ParsedChange) -> Result<(), Refusal> {
        let doc = &mut self.doc;
        let applied = catch_unwind(AssertUnwindSafe(|| {
            doc.apply_changes([change.raw().clone()])
                .map_err(|error| error.to_string())?;
            let back = doc.get_change_by_hash(&change.hash().into());
            match back {
                Some(back) if back.raw_bytes() == change.raw().raw_bytes() => Ok(()),
                _ => Err("it does not come back from the document as it went in".to_owned()),
            }
        }));
        let reason = match applied {
            Ok(Ok(())) => {
                self.max_op = self.max_op.max(change.max_op());
                let state = ActorState {
                    principal: self.proposal.author.id.clone(),
                    seq: change.seq(),
                    last: change.hash(),
                };
                Arc::make_mut(&mut self.actors).insert(change.actor().clone(), state);
                return Ok(());
            }
            Ok(Err(reason)) => reason,
            Err(_) => "applying it failed".to_owned(),
        };
        // The copy may be broken now: make a new one and bring it to where it was.
        self.doc = self.entity.doc.clone();
        let passed: Vec<_> = self
            .passed
            .iter()
            .map(|(change, _)| change.raw().clone())
            .collect();
        if !passed.is_empty() && self.doc.apply_changes(passed).is_err() {
            self.passed.clear();
            self.doc = self.entity.doc.clone();
        }
        Err(Refusal::structural("inapplicable", index, reason))
    }

    fn decide(mut self, now: Timestamp) -> Verdict {
        let creation = self.proposal.origin == Origin::Creation;
        if creation && self.refused.is_some() {
            self.passed.clear();
        }
        while !self.passed.is_empty() {
            let next = self.next_entity(now);
            let violations = introduced(self.entity, &next, creation);
            if violations.is_empty() {
                return self.admitted(next, now);
            }
            self.shorten(violations, creation);
        }
        Verdict {
            admitted: None,
            refused: self.refused,
            known: self.known,
            dropped: self.dropped,
        }
    }

    /// The entity after the changes that passed.
    fn next_entity(&self, now: Timestamp) -> Entity {
        let entity = self.entity;
        let reader = Reader::now(&self.doc, &entity.policy);
        let mut value = Map::clone(&entity.value);
        let touched: BTreeSet<&String> = self.passed.iter().flat_map(|(_, names)| names).collect();
        for name in touched {
            let Some(node) = entity.policy.child(entity.policy.root(), name) else {
                continue;
            };
            match reader.property(&automerge::ROOT, name, node) {
                Some(present) => value.insert(name.clone(), present),
                None => value.remove(name),
            };
        }
        let claimed = self.proposal.claimed.as_ref();
        Entity {
            id: entity.id.clone(),
            epoch: entity.epoch,
            seq: entity.seq.next(),
            hash: entity.hash,
            policy: Arc::clone(&entity.policy),
            doc: self.doc.clone(),
            value: Arc::new(value),
            actors: Arc::clone(&self.actors),
            stamps: entity
                .stamps
                .advanced(now, &self.proposal.author.id, claimed),
            received: entity.received.clone(),
            max_op: self.max_op,
        }
    }

    /// Refuses the first change that introduced a fault of the whole; `violations` are those of
    /// the end state. Redoes the trial change by change, because later changes may have mended
    /// what an earlier one broke.
    fn shorten(&mut self, violations: Vec<Violation>, creation: bool) {
        let passed = std::mem::take(&mut self.passed);
        let first = passed.len();
        let (mut at, mut found) = (first.saturating_sub(1), violations);
        if creation {
            at = 0;
        } else if first > 1 {
            let mut probe = Trial::new(self.entity, self.proposal, self.limits);
            for (index, entry) in passed.iter().enumerate() {
                if probe.doc.apply_changes([entry.0.raw().clone()]).is_err() {
                    break;
                }
                probe.passed.push(entry.clone());
                let introduced =
                    introduced(self.entity, &probe.next_entity(Timestamp(0)), creation);
                if !introduced.is_empty() {
                    (at, found) = (index, introduced);
                    break;
                }
            }
        }
        let change = self.proposal_index(&passed[at].0);
        for violation in &mut found {
            violation.change = change;
        }
        self.dropped.clear();
        self.drop_from(change);
        self.refused = Some(Refusal::policy(change, found));
        self.doc = self.entity.doc.clone();
        self.actors = Arc::clone(&self.entity.actors);
        self.max_op = self.entity.max_op;
        for (index, (change, touched)) in passed.into_iter().take(at).enumerate() {
            if self.apply(index, &change).is_err() {
                break;
            }
            self.passed.push((change, touched));
        }
    }

    fn proposal_index(&self, change: &ParsedChange) -> usize {
        let raw = change.raw().raw_bytes();
        self.proposal
            .changes
            .iter()
            .position(|bytes| bytes == raw)
            .unwrap_or(0)
    }

    fn admitted(mut self, next: Entity, now: Timestamp) -> Verdict {
        if let Some(refusal) = &mut self.refused {
            refusal.admitted = self.passed.len() + self.known.len();
        }
        let draft = EntryDraft {
            kind: EntryKind::Changes,
            entity: next.id.clone(),
            epoch: next.epoch,
            seq: next.seq,
            proposal: Some(self.proposal.id),
            author: self.proposal.author.clone(),
            session: self.proposal.session,
            at: now,
            policy_hash: next.policy.hash(),
            changes: self
                .passed
                .iter()
                .map(|(c, _)| c.raw().raw_bytes().to_vec())
                .collect(),
            heads: next.heads(),
            claimed: self.proposal.claimed.clone(),
        };
        let effects = effects(&next.policy, &self.entity.value, &next.value);
        Verdict {
            admitted: Some(Admitted {
                entity: next,
                draft,
                effects,
            }),
            refused: self.refused,
            known: self.known,
            dropped: self.dropped,
        }
    }
}

/// The faults of the whole entity that are in `after` and were not in `before`.
#[cfg(feature = "whole-entity")]
fn introduced(before: &Entity, after: &Entity, creation: bool) -> Vec<Violation> {
    use crate::violation::Rule;
    if !after.policy.has_whole_constraints() {
        return Vec::new();
    }
    let mut faults = after.policy.check_whole(&after.presented());
    if !faults.is_empty() && !creation {
        let old = before.policy.check_whole(&before.presented());
        faults.retain(|fault| {
            !old.iter()
                .any(|o| o.pointer == fault.pointer && o.keyword == fault.keyword)
        });
    }
    faults
        .into_iter()
        .map(|fault| Violation {
            change: 0,
            ops: Vec::new(),
            kept: value_at(&before.presented(), &after.policy, &fault.pointer),
            attempted: value_at(&after.presented(), &after.policy, &fault.pointer),
            pointer: fault.pointer,
            rule: Rule::keyword(&fault.keyword),
            message: fault.message,
        })
        .collect()
}

/// A client without the validator leaves the faults of the whole to the server.
#[cfg(not(feature = "whole-entity"))]
fn introduced(_before: &Entity, _after: &Entity, _creation: bool) -> Vec<Violation> {
    Vec::new()
}

/// The scalar at a pointer that names items by id; containers are too much for a report.
#[cfg(feature = "whole-entity")]
fn value_at(
    value: &Value,
    policy: &crate::policy::Policy,
    pointer: &crate::pointer::Pointer,
) -> Option<Value> {
    let mut node = policy.root();
    let mut value = value;
    for token in pointer.tokens() {
        value = match (&policy.node(node).shape, value) {
            (crate::policy::Shape::Keyed { key, .. }, Value::Array(items)) => items
                .iter()
                .find(|item| item.get(key).and_then(Value::as_str) == Some(token))?,
            (_, Value::Object(map)) => map.get(token)?,
            _ => return None,
        };
        node = policy.child(node, token)?;
    }
    (!value.is_object() && !value.is_array()).then(|| value.clone())
}
