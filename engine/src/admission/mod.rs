//! Deciding on a proposal: what of it is admitted, what is refused, and why.
//!
//! Owns the order of checks: bytes → references → policy → trial on a copy → the whole entity.
//! Invariant: a verdict is a function of the entity (its log up to now), the proposal and the time
//! given. Only [`admit`] and [`lifecycle`](crate::lifecycle) make [`Admitted`], and only `Admitted`
//! can be committed.
//! Proposals that are judged in turn share a document ([`Staging`]), and nothing else.

mod doubled;
mod judge;
mod leaves;
mod operations;
mod references;
mod runs;
mod staging;
mod trial;
pub(crate) mod whole;

use crate::change::ParsedChange;
use crate::conflicts::Conflict;
use crate::effects::Effect;
use crate::entity::Entity;
use crate::id::{Hash, ProposalId, SessionId};
use crate::ledger::{Claimed, EntryDraft, Presence};
use crate::limits::Limits;
use crate::policy::Permission;
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::violation::{Refusal, RefusalCode};
use trial::Trial;

pub use staging::Staging;

/// How a proposal came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Changes that a client made under an actor of its own, each an edit for itself.
    Client,
    /// One edit that a client made under an actor of its own, divided into several changes.
    Edit,
    /// One edit that the server made for the principal, under the lasting server actor.
    Server,
    /// The creation of the entity, made by the server for the principal.
    Creation,
}

impl Origin {
    /// Whether the proposal is one edit, however many changes that took: it is judged as if it were
    /// one change, and admitted whole or not at all.
    #[must_use]
    pub fn is_whole(self) -> bool {
        !matches!(self, Self::Client)
    }
}

/// Changes to one entity that a principal asks for in one go.
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

impl Proposal {
    /// A proposal that came by no connection and claims nothing of a creation elsewhere.
    #[must_use]
    pub fn new(id: ProposalId, author: Principal, origin: Origin, changes: Vec<Vec<u8>>) -> Self {
        Self {
            id,
            author,
            session: None,
            origin,
            changes,
            claimed: None,
        }
    }
}

/// What admission decided. A proposal of several edits may be admitted in part: `admitted` then
/// holds the changes before the first refused one.
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
    conflicts: Vec<Conflict>,
}

impl Admitted {
    /// What the engine itself decided on elsewhere, by rules of its own.
    pub(crate) fn assembled(entity: Entity, draft: EntryDraft, effects: Vec<Effect>) -> Self {
        Self {
            entity,
            draft,
            effects,
            conflicts: Vec::new(),
        }
    }

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

    /// Which of its writes were concurrent with other writes.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
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
/// Changes before the first refused one are admitted; that one and all after it are refused. What
/// is one edit ([`Origin::is_whole`]) is admitted whole or not at all, and what it may write does
/// not depend on how it is divided: a field that is written only when its object is made is written
/// in any of its changes, where another of them makes the object. The entity itself is not touched.
#[must_use]
pub fn admit(entity: &Entity, proposal: &Proposal, now: Timestamp, limits: &Limits) -> Verdict {
    admit_made(entity, (proposal, Vec::new()), now, limits)
}

/// [`admit`] of changes that a merge [made](crate::merge::Merged::take_made) here, which need not be
/// read again; where these are not the proposal's, they are.
#[must_use]
pub fn admit_made(
    entity: &Entity,
    (proposal, made): (&Proposal, Vec<ParsedChange>),
    now: Timestamp,
    limits: &Limits,
) -> Verdict {
    if let Some(refusal) = barred(entity, proposal, limits) {
        return Verdict::refusal(refusal);
    }
    Trial::new(entity, (proposal, made), limits).decide(now)
}

/// [`admit`] for those who have no use for the entity unless the proposal is admitted whole: the
/// document goes into the verdict instead of being copied. Anything less admits nothing.
pub(crate) fn admit_whole(
    entity: Entity,
    proposal: &Proposal,
    now: Timestamp,
    limits: &Limits,
) -> Verdict {
    if let Some(refusal) = barred(&entity, proposal, limits) {
        return Verdict::refusal(refusal);
    }
    let (standing, document) = entity.into_parts();
    Trial::of_only(&standing, document, proposal, limits).decide(now)
}

/// What keeps a proposal from being looked at.
fn barred(entity: &Entity, proposal: &Proposal, limits: &Limits) -> Option<Refusal> {
    let (policy, author) = (entity.policy(), &proposal.author);
    let (may, word) = match proposal.origin {
        Origin::Creation => (policy.may(author, Permission::Create), "create"),
        Origin::Client | Origin::Edit | Origin::Server => (policy.rights(author).any(), "edit"),
    };
    if !may {
        let message = format!("{} may not {word} {}", author.id, entity.id().kind());
        return Some(Refusal::structural(RefusalCode::Forbidden, 0, message));
    }
    if let Some(refusal) = absent(entity, proposal.origin) {
        return Some(refusal);
    }
    // A creation that only takes over the schema's defaults needs no change.
    let least = usize::from(proposal.origin != Origin::Creation);
    if !(least..=limits.changes_per_proposal_max).contains(&proposal.changes.len()) {
        let message = format!(
            "a proposal holds {least} to {} changes, this one {}",
            limits.changes_per_proposal_max,
            proposal.changes.len()
        );
        return Some(Refusal::structural(RefusalCode::Malformed, 0, message));
    }
    None
}

/// Whether what is to be written to is not there, or what is to be created is.
fn absent(entity: &Entity, origin: Origin) -> Option<Refusal> {
    let creation = origin == Origin::Creation;
    match entity.presence() {
        Presence::Unborn => None,
        Presence::Present if !creation => None,
        Presence::Present => {
            let message = format!("{} exists", entity.id());
            Some(Refusal::structural(RefusalCode::Exists, 0, message))
        }
        Presence::Deleted => {
            let message = format!("{} was deleted", entity.id());
            Some(Refusal::structural(RefusalCode::NotFound, 0, message))
        }
    }
}

impl Verdict {
    pub(crate) fn admission(admitted: Admitted) -> Self {
        Self {
            admitted: Some(admitted),
            refused: None,
            known: Vec::new(),
            dropped: Vec::new(),
        }
    }

    pub(crate) fn refusal(refusal: Refusal) -> Self {
        Self {
            admitted: None,
            refused: Some(refusal),
            known: Vec::new(),
            dropped: Vec::new(),
        }
    }
}
