//! The life of an entity: its first entry, deleting, undeleting, new epochs.
//!
//! Owns the entries that are not about the content of an entity, and the right to make them.
//! They leave the value as it is (a new epoch under another policy aside); what is made here is [`Admitted`], like every edit,
//! or the first entry of a log.

mod epoch;

use std::sync::Arc;

use crate::admission::{Admitted, Verdict};
use crate::entity::{Entity, Step};
use crate::id::{ProposalId, SessionId};
use crate::ledger::{EntryDraft, EntryKind, Presence};
use crate::policy::Permission;
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::violation::{Refusal, RefusalCode};

pub use epoch::next_epoch;

/// Who asks for an entity to be deleted or undeleted.
#[derive(Debug, Clone)]
pub struct Request {
    /// Chosen by the client; a repeat is recognised by it.
    pub id: ProposalId,
    /// Who asks.
    pub author: Principal,
    /// The connection it came by, if any.
    pub session: Option<SessionId>,
}

/// The entry that the log of a new entity begins with.
#[must_use]
pub fn genesis(entity: &Entity, now: Timestamp) -> EntryDraft {
    let system = Principal::system();
    let step = Step::of_system(EntryKind::Genesis, &system, now);
    entity.entry(&step, entity.genesis_change().into_iter().collect())
}

/// Decides on deleting `entity`. Its document stays as it is.
#[must_use]
pub fn delete(entity: &Entity, request: &Request, now: Timestamp) -> Verdict {
    if let Some(refusal) = forbidden(entity, request, "delete") {
        return Verdict::refusal(refusal);
    }
    if entity.presence() != Presence::Present {
        let message = format!("{} is not there", entity.id());
        return Verdict::refusal(Refusal::structural(RefusalCode::NotFound, 0, message));
    }
    Verdict::admission(step(entity, EntryKind::Deleted, request, now))
}

/// Decides on undoing the deletion of `entity`.
#[must_use]
pub fn undelete(entity: &Entity, request: &Request, now: Timestamp) -> Verdict {
    if let Some(refusal) = forbidden(entity, request, "undelete") {
        return Verdict::refusal(refusal);
    }
    match entity.presence() {
        Presence::Deleted => Verdict::admission(step(entity, EntryKind::Undeleted, request, now)),
        Presence::Present => {
            let message = format!("{} exists", entity.id());
            Verdict::refusal(Refusal::structural(RefusalCode::Exists, 0, message))
        }
        Presence::Unborn => {
            let message = format!("{} was never there", entity.id());
            Verdict::refusal(Refusal::structural(RefusalCode::NotFound, 0, message))
        }
    }
}

fn forbidden(entity: &Entity, request: &Request, word: &str) -> Option<Refusal> {
    let policy = entity.policy();
    let message = if policy.is_singleton() {
        format!("{} always exists: nobody can {word} it", entity.id())
    } else if policy.may(&request.author, Permission::Delete) {
        return None;
    } else {
        format!("{} may not {word} {}", request.author.id, policy.kind())
    };
    Some(Refusal::structural(RefusalCode::Forbidden, 0, message))
}

/// The entity one entry on, with the document as it is.
fn step(entity: &Entity, kind: EntryKind, request: &Request, now: Timestamp) -> Admitted {
    let step = Step {
        kind,
        author: &request.author,
        proposal: Some(request.id),
        session: request.session,
        at: now,
        claimed: None,
    };
    let value = Arc::clone(entity.value());
    let next = entity.advanced(
        &step,
        entity.policy(),
        (entity.live_document().clone(), value),
    );
    let draft = next.entry(&step, Vec::new());
    Admitted::assembled(next, draft, Vec::new())
}
