//! Judges again what a log says was admitted.
//!
//! Each entry is judged on the state that the entries before it leave, by the policy in force and
//! at the time that it names, and must be exactly what that verdict makes. Nothing of an entry is
//! applied that was not admitted here.

use std::sync::Arc;

use super::fault::Flaw;
use crate::admission::{Admitted, Origin, Proposal, Verdict, admit_whole};
use crate::change::{self, ActorClass};
use crate::claims::{self, Claim, Step};
use crate::entity::Entity;
use crate::id::{Hash, ProposalId};
use crate::ledger::{Entry, EntryDraft, EntryKind, Logged, Presence};
use crate::lifecycle::{self, Request};
use crate::limits::Limits;
use crate::migration::migrate;
use crate::policy::{Policy, PolicyBook, PolicySource};

/// What entries are judged with.
#[derive(Debug)]
pub(super) struct RerunContext<'a> {
    pub(super) policies: &'a PolicyBook,
    pub(super) limits: &'a Limits,
}

/// What an entry that was rightly admitted leaves.
#[derive(Debug)]
pub(super) struct Rerun {
    pub(super) entity: Entity,
    /// What it changed in the claims of its entity.
    pub(super) steps: Vec<Step>,
    /// Claims that came with a change of the schema, which were not judged.
    pub(super) carried: Vec<Claim>,
}

/// Judges an entry on what the entries before it left.
///
/// # Errors
/// [`Flaw`] when it was not rightly admitted.
pub(super) fn rerun(
    entity: Option<Entity>,
    (entry, hash): (&Entry, Hash),
    bench: &RerunContext<'_>,
) -> Result<Rerun, Flaw> {
    let header = &entry.header;
    let policies = bench.policies;
    let policy = policies
        .policy(header.policy_hash)
        .ok_or(Flaw::UnknownPolicy(header.policy_hash))?;
    let claimed = match (&entity, entry.kind) {
        (Some(entity), EntryKind::Epoch | EntryKind::Policy) => claims::held_by(entity),
        _ => Vec::new(),
    };
    let mut steps = Vec::new();
    let (mut next, draft) = match (entity, entry.kind) {
        (None, EntryKind::Genesis) => begin(entry, &policy)?,
        (None, _) => {
            return Err(Flaw::Order(
                "the log does not begin with a genesis".to_owned(),
            ));
        }
        (Some(_), EntryKind::Genesis) => {
            return Err(Flaw::Order("a second genesis".to_owned()));
        }
        (Some(entity), EntryKind::Epoch) => {
            let next = lifecycle::next_epoch(&entity, &policy, header.at)
                .map_err(|error| Flaw::Refused(error.to_string()))?;
            parts(next)
        }
        (Some(entity), EntryKind::Policy) => parts(under(&entity, entry, &policy)?),
        (Some(entity), kind) => {
            if entity.policy().hash() != header.policy_hash {
                return Err(Flaw::OtherPolicy {
                    named: header.policy_hash,
                    in_force: entity.policy().hash(),
                });
            }
            let admitted = judge(entity, entry, kind, bench)?;
            steps = claims::steps(&admitted);
            parts(admitted)
        }
    };
    compare(&draft, entry)?;
    next.confirm(Logged::of(entry, hash));
    let mut carried = Vec::new();
    if matches!(entry.kind, EntryKind::Epoch | EntryKind::Policy) {
        carried = claims::held_by(&next);
        let gone = claimed.iter().filter(|claim| !carried.contains(claim));
        steps = gone.cloned().map(Step::Release).collect();
        carried.retain(|claim| !claimed.contains(claim));
    }
    Ok(Rerun {
        entity: next,
        steps,
        carried,
    })
}

fn parts(admitted: Admitted) -> (Entity, EntryDraft) {
    let (entity, draft, _) = admitted.into_parts();
    (entity, draft)
}

fn begin(entry: &Entry, policy: &Arc<Policy>) -> Result<(Entity, EntryDraft), Flaw> {
    let header = &entry.header;
    let id = &header.entity;
    if policy.kind() != id.kind() || policy.is_singleton() != id.id().is_none() {
        return Err(Flaw::Differs("policy"));
    }
    let entity = Entity::genesis(id, header.place.epoch, policy);
    let mut draft = lifecycle::genesis(&entity, header.at);
    if entry.changes.is_empty() {
        // Older stores left the genesis out, since it can be made again.
        draft.changes.clear();
    }
    Ok((entity, draft))
}

fn judge(
    entity: Entity,
    entry: &Entry,
    kind: EntryKind,
    bench: &RerunContext<'_>,
) -> Result<Admitted, Flaw> {
    let header = &entry.header;
    let limits = bench.limits;
    let id = header.proposal.ok_or(Flaw::Differs("proposal"))?;
    let verdict = match kind {
        EntryKind::Deleted => lifecycle::delete(&entity, &request(entry, id), header.at),
        EntryKind::Undeleted => lifecycle::undelete(&entity, &request(entry, id), header.at),
        _ => {
            let origin = origin(&entity, entry, limits);
            let claims = entry.claimed.is_some();
            if claims && !(header.author.is_system() && origin == Origin::Creation) {
                let text = "only the system can claim when and by whom something was created";
                return Err(Flaw::Refused(text.to_owned()));
            }
            let proposal = Proposal {
                id,
                author: header.author.clone(),
                session: header.session,
                origin,
                changes: entry.changes.clone(),
                claimed: entry.claimed.clone(),
            };
            admit_whole(entity, &proposal, header.at, limits)
        }
    };
    let Verdict {
        admitted,
        refused,
        known,
        ..
    } = verdict;
    if let Some(refusal) = refused {
        let violations: Vec<String> = refusal.violations.iter().map(ToString::to_string).collect();
        let text = format!("{}: {}", refusal.code, violations.join("; "));
        return Err(Flaw::Refused(text));
    }
    match admitted {
        Some(admitted) if known.is_empty() => Ok(admitted),
        _ => Err(Flaw::Refused(
            "it holds a change that is in the log before".to_owned(),
        )),
    }
}

fn request(entry: &Entry, id: ProposalId) -> Request {
    Request {
        id,
        author: entry.header.author.clone(),
        session: entry.header.session,
    }
}

/// The entity under another policy: only the system migrates, and what it writes is determined.
fn under(entity: &Entity, entry: &Entry, policy: &Arc<Policy>) -> Result<Admitted, Flaw> {
    if !entry.header.author.is_system() {
        let text = format!("{} may not change the policy", entry.header.author.id);
        return Err(Flaw::Refused(text));
    }
    let step = migrate(entity, policy, entry.header.at)
        .map_err(|error| Flaw::Refused(error.to_string()))?;
    step.ok_or(Flaw::Differs("policy"))
}

/// How the changes came to be, by the actor that made them.
fn origin(entity: &Entity, entry: &Entry, limits: &Limits) -> Origin {
    if entity.presence() == Presence::Unborn {
        return Origin::Creation;
    }
    let first = entry.changes.first();
    let change = first.and_then(|bytes| change::parse(bytes, limits).ok());
    match change.map(|change| ActorClass::of(change.actor())) {
        Some(ActorClass::Server) => Origin::Server,
        _ => Origin::Client,
    }
}

/// What the entry must be, field by field.
fn compare(draft: &EntryDraft, entry: &Entry) -> Result<(), Flaw> {
    let mut heads = draft.heads.clone();
    heads.sort_unstable();
    let (made, found) = (&draft.header, &entry.header);
    let fields = [
        ("kind", draft.kind == entry.kind),
        ("entity", made.entity == found.entity),
        ("place", made.place == found.place),
        ("proposal", made.proposal == found.proposal),
        ("author", made.author == found.author),
        ("session", made.session == found.session),
        ("policy", made.policy_hash == found.policy_hash),
        ("changes", draft.changes == entry.changes),
        ("heads", heads == entry.heads),
        ("claim", draft.claimed == entry.claimed),
    ];
    match fields.iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(Flaw::Differs(field)),
        None => Ok(()),
    }
}
