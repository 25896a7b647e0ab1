//! Values that may occur only once in a kind (`unique`): what an entity claims, what an entry takes
//! and gives up, and the refusal of those who come second.
//!
//! Invariant: which claims an entity has follows from its policy and its present value; a field
//! that is absent or null claims nothing, an entity that is not there has no claims.

mod holders;

use automerge::legacy::{Key, ObjectId, OpType};
use automerge::{ObjId, ReadDoc};
use serde_json::Value;

use crate::admission::{self, Admitted, Proposal, Staging, Verdict};
use crate::change::{self, ParsedChange};
use crate::effects::{Effect, EffectChange};
use crate::entity::Entity;
use crate::id::{EntityId, Hash, Kind};
use crate::ledger::{EntryKind, Presence};
use crate::lifecycle::{self, Request};
use crate::limits::Limits;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Policy};
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::value::canonical;
use crate::violation::{Refusal, Rule, Violation};

pub use holders::Holders;

/// A value that one entity has for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The field.
    pub pointer: Pointer,
    /// The value; never null.
    pub value: Value,
}

impl Claim {
    /// The name of the claim among all of a kind: equal for equal values of one field.
    #[must_use]
    pub fn key(&self, kind: &Kind) -> Hash {
        Hash::of(&[
            b"indelible/claim/1\0",
            kind.as_str().as_bytes(),
            b"\0",
            self.pointer.to_string().as_bytes(),
            b"\0",
            canonical(&self.value).as_bytes(),
        ])
    }
}

/// One step in what an entity claims.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It no longer has this.
    Release(Claim),
    /// It now has this.
    Gain(Claim),
}

/// The fields of a kind that hold a value of their own.
#[must_use]
pub fn fields(policy: &Policy) -> Vec<Pointer> {
    let unique = policy.nodes().filter(|(_, node)| node.unique);
    unique.map(|(id, _)| pointer_of(policy, id)).collect()
}

fn pointer_of(policy: &Policy, mut id: NodeId) -> Pointer {
    let mut names = Vec::new();
    while let NodeName::Property(name) = &policy.node(id).name {
        names.push(name.as_str());
        let Some(parent) = policy.node(id).parent else {
            break;
        };
        id = parent;
    }
    names.into_iter().rev().collect()
}

/// Identifies the schema that claims were taken under: a different one may have other unique fields,
/// or may have changed what is in them.
#[must_use]
pub fn signature(policy: &Policy) -> Hash {
    Hash::of(&[b"indelible/claims/2\0", &policy.hash().0])
}

/// What an entity with this value claims, where it is there.
///
/// ```
/// use indelible_engine::claims::held;
/// use indelible_engine::schema;
/// use serde_json::json;
///
/// let schema = json!({
///     "type": "object",
///     "x-indelible": { "kind": "team", "edit": ["editor"] },
///     "properties": {
///         "name": { "type": "string" },
///         "employeeId": { "type": "string", "x-indelible": { "unique": true } }
///     }
/// });
/// let policy = schema::compile("team.json", &schema.to_string()).expect("it has no mistakes");
///
/// let claims = held(&policy, &json!({ "name": "Jane", "employeeId": "E-17" }));
/// assert_eq!((claims.len(), claims[0].pointer.to_string()), (1, "/employeeId".to_owned()));
/// assert!(held(&policy, &json!({ "name": "Jane" })).is_empty());
/// ```
#[must_use]
pub fn held(policy: &Policy, value: &Value) -> Vec<Claim> {
    let claims = fields(policy).into_iter().filter_map(|pointer| {
        let value = at(value, pointer.tokens())?.clone();
        Some(Claim { pointer, value })
    });
    claims.collect()
}

/// What an entity claims: nothing where it is not there.
#[must_use]
pub fn held_by(entity: &Entity) -> Vec<Claim> {
    match entity.presence() {
        Presence::Present => held(entity.policy(), &entity.presented()),
        Presence::Unborn | Presence::Deleted => Vec::new(),
    }
}

/// The value at a place below; none where there is nothing or null.
fn at<'v>(value: &'v Value, tokens: &[String]) -> Option<&'v Value> {
    let found = tokens.iter().try_fold(value, |value, name| value.get(name));
    found.filter(|value| !value.is_null())
}

/// What an entry changes in the claims of its entity, in order: everything is given up before
/// anything is taken.
#[must_use]
pub fn steps(admitted: &Admitted) -> Vec<Step> {
    let entity = admitted.entity();
    let policy = entity.policy();
    let value = || entity.presented();
    match admitted.draft().kind {
        EntryKind::Changes => changed(&fields(policy), admitted.effects()),
        EntryKind::Deleted => held(policy, &value())
            .into_iter()
            .map(Step::Release)
            .collect(),
        EntryKind::Undeleted => held(policy, &value()).into_iter().map(Step::Gain).collect(),
        EntryKind::Genesis | EntryKind::Epoch | EntryKind::Policy => Vec::new(),
    }
}

fn changed(fields: &[Pointer], effects: &[Effect]) -> Vec<Step> {
    let (mut released, mut gained) = (Vec::new(), Vec::new());
    for pointer in fields {
        for effect in effects
            .iter()
            .filter(|effect| effect.pointer.contains(pointer))
        {
            let EffectChange::Put { from, to, .. } = &effect.change else {
                continue;
            };
            let below = &pointer.tokens()[effect.pointer.tokens().len()..];
            let claim = |value: &Value| Claim {
                pointer: pointer.clone(),
                value: value.clone(),
            };
            let find = |value: &Option<Value>| at(value.as_ref()?, below).map(claim);
            released.extend(find(from).map(Step::Release));
            gained.extend(find(to).map(Step::Gain));
        }
    }
    released.extend(gained);
    released
}

/// Like [`admission::admit`], but also refuses values claimed by another entity: the first change
/// after which this one would hold such a value is refused, with the rest of its proposal.
///
/// `holder` returns which entity, other than this one, has a claim.
///
/// # Errors
/// Those of `holder`.
pub fn admit<E>(
    entity: &Entity,
    proposal: &Proposal,
    (now, limits): (Timestamp, &Limits),
    holder: &mut impl FnMut(&Claim) -> Result<Option<EntityId>, E>,
) -> Result<Verdict, E> {
    admit_made(entity, (proposal, Vec::new()), (now, limits), holder)
}

/// [`admit`] of changes that were made here, as in [`admission::admit_made`].
///
/// # Errors
/// Those of `holder`.
pub fn admit_made<E>(
    entity: &Entity,
    (proposal, made): (&Proposal, Vec<ParsedChange>),
    (now, limits): (Timestamp, &Limits),
    holder: &mut impl FnMut(&Claim) -> Result<Option<EntityId>, E>,
) -> Result<Verdict, E> {
    let verdict = admission::admit_made(entity, (proposal, made), now, limits);
    match first_taken(&verdict, holder)? {
        Some(taken) => without_taken(entity, proposal, (verdict, taken), (now, limits), holder),
        None => Ok(verdict),
    }
}

/// Like [`Staging::admit`], but also refuses values claimed by another entity, as [`admit`] does.
///
/// # Errors
/// Those of `holder`.
pub fn admit_next<E>(
    staging: &mut Staging,
    proposal: &Proposal,
    (now, limits): (Timestamp, &Limits),
    holder: &mut impl FnMut(&Claim) -> Result<Option<EntityId>, E>,
) -> Result<Verdict, E> {
    let verdict = staging.admit(proposal, now, limits);
    match first_taken(&verdict, holder)? {
        Some(taken) => {
            let entity = staging.entity();
            without_taken(entity, proposal, (verdict, taken), (now, limits), holder)
        }
        None => Ok(verdict),
    }
}

/// The verdict on a proposal that as a whole would take a claim from another entity.
fn without_taken<E>(
    entity: &Entity,
    proposal: &Proposal,
    (verdict, mut taken): (Verdict, (Claim, EntityId)),
    (now, limits): (Timestamp, &Limits),
    holder: &mut impl FnMut(&Claim) -> Result<Option<EntityId>, E>,
) -> Result<Verdict, E> {
    let known = verdict.known;
    let (mut clean, mut before) = (0, None);
    if !proposal.origin.is_whole() {
        let whole = proposal.changes.len();
        let mut beyond = verdict.refused.map_or(whole, |refusal| refusal.admitted);
        while beyond - clean > 1 {
            let middle = clean + (beyond - clean) / 2;
            let part = Proposal {
                changes: proposal.changes[..middle].to_vec(),
                ..proposal.clone()
            };
            let mut verdict = admission::admit(entity, &part, now, limits);
            match first_taken(&verdict, holder)? {
                Some(found) => (beyond, taken) = (middle, found),
                None if verdict.refused.is_some() => {
                    // It is not valid without what comes after it, which is refused.
                    let rest = &proposal.changes[middle..];
                    verdict.dropped.extend(hashes(rest, limits));
                    return Ok(verdict);
                }
                None => (clean, before) = (middle, verdict.admitted),
            }
        }
    }
    // The change that writes the value: the first that may not be admitted, or one of an edit.
    let last = if proposal.origin.is_whole() {
        proposal.changes.len()
    } else {
        proposal.changes.len().min(clean + 1)
    };
    let written = (clean..last).find_map(|index| {
        let change = &proposal.changes[index];
        let ops = operations(entity, change, &taken.0.pointer, limits);
        (!ops.is_empty()).then_some((index, ops))
    });
    let (change, ops) = written.unwrap_or((clean, Vec::new()));
    let violation = Violation {
        change,
        ops,
        ..violation(entity, &proposal.author, &taken)
    };
    Ok(Verdict {
        admitted: before,
        refused: Some(Refusal::policy(clean, vec![violation])),
        known,
        dropped: hashes(&proposal.changes[clean..], limits),
    })
}

/// Like [`lifecycle::undelete`], but refuses if another entity now holds what this one would claim.
///
/// # Errors
/// Those of `holder`.
pub fn undelete<E>(
    entity: &Entity,
    request: &Request,
    now: Timestamp,
    holder: &mut impl FnMut(&Claim) -> Result<Option<EntityId>, E>,
) -> Result<Verdict, E> {
    let verdict = lifecycle::undelete(entity, request, now);
    let Some(taken) = first_taken(&verdict, holder)? else {
        return Ok(verdict);
    };
    let violation = violation(entity, &request.author, &taken);
    Ok(Verdict::refusal(Refusal::policy(0, vec![violation])))
}

/// The first claim that the admitted part of a verdict would take from another entity.
fn first_taken<E>(
    verdict: &Verdict,
    holder: &mut impl FnMut(&Claim) -> Result<Option<EntityId>, E>,
) -> Result<Option<(Claim, EntityId)>, E> {
    for step in verdict.admitted.iter().flat_map(steps) {
        let Step::Gain(claim) = step else { continue };
        if let Some(by) = holder(&claim)? {
            return Ok(Some((claim, by)));
        }
    }
    Ok(None)
}

fn violation(entity: &Entity, author: &Principal, (claim, by): &(Claim, EntityId)) -> Violation {
    let policy = entity.policy();
    let may_read = policy.readable(author);
    let message = if may_read {
        taken_text(by)
    } else {
        "another one has this value, which only one of its kind may have".to_owned()
    };
    let value = entity.presented();
    let kept = at(&value, claim.pointer.tokens());
    let stands = entity.presence() == Presence::Present && may_read;
    Violation {
        change: 0,
        ops: Vec::new(),
        pointer: claim.pointer.clone(),
        rule: Rule::UNIQUE,
        attempted: Some(claim.value.clone()),
        kept: kept.filter(|_| stands).cloned(),
        holder: may_read.then(|| by.clone()),
        bound: None,
        message,
    }
}

/// Says that another entity has the value.
#[must_use]
pub fn taken_text(by: &EntityId) -> String {
    format!("{by} has this value, which only one of its kind may have")
}

/// The operations of a change that write a field.
fn operations(entity: &Entity, bytes: &[u8], field: &Pointer, limits: &Limits) -> Vec<usize> {
    let Some((name, parents)) = field.tokens().split_last() else {
        return Vec::new();
    };
    let mut object = automerge::ROOT;
    for parent in parents {
        match entity.doc().get(&object, parent.as_str()) {
            Ok(Some((_, below))) => object = below,
            Ok(None) | Err(_) => return Vec::new(),
        }
    }
    let is_here = |id: &ObjectId| match (id, &object) {
        (ObjectId::Root, ObjId::Root) => true,
        (ObjectId::Id(id), ObjId::Id(counter, actor, _)) => {
            id.counter() == *counter && id.actor() == actor
        }
        _ => false,
    };
    let Ok(change) = change::parse(bytes, limits) else {
        return Vec::new();
    };
    let writes = change.ops().iter().enumerate().filter(|(_, op)| {
        matches!(&op.key, Key::Map(key) if key == name)
            && matches!(op.action, OpType::Put(_))
            && is_here(&op.obj)
    });
    writes.map(|(index, _)| index).collect()
}

/// The hashes of those changes that are well-formed.
fn hashes(changes: &[Vec<u8>], limits: &Limits) -> Vec<Hash> {
    let parsed = changes
        .iter()
        .filter_map(|bytes| change::parse(bytes, limits).ok());
    parsed.map(|change| change.hash()).collect()
}
