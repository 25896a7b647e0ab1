//! Whether an entity is there: how it begins, is deleted, comes back, and begins anew.
//!
//! Owns the entries that are not about the content of an entity, and the right to make them.
//! Invariant: they leave the value as it is; what is made here is [`Admitted`], like every edit,
//! or the first entry of a log.
//! Must never know: storage, what an entity holds.

mod epoch;

use crate::admission::{Admitted, Verdict};
use crate::entity::Entity;
use crate::id::{LogPlace, ProposalId, SessionId};
use crate::ledger::{EntryDraft, EntryKind, Header, Presence};
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
    EntryDraft {
        kind: EntryKind::Genesis,
        header: Header {
            entity: entity.id.clone(),
            place: LogPlace::new(entity.epoch, entity.seq),
            proposal: None,
            author: Principal::system(),
            session: None,
            at: now,
            policy_hash: entity.policy.hash(),
        },
        changes: entity.genesis_change().into_iter().collect(),
        heads: entity.heads(),
        claimed: None,
    }
}

/// Decides on deleting `entity`. Its document stays as it is.
#[must_use]
pub fn delete(entity: &Entity, request: &Request, now: Timestamp) -> Verdict {
    if let Some(refusal) = forbidden(entity, request, "delete") {
        return Verdict::refusal(refusal);
    }
    if entity.presence != Presence::Present {
        let message = format!("{} is not there", entity.id);
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
    match entity.presence {
        Presence::Deleted => Verdict::admission(step(entity, EntryKind::Undeleted, request, now)),
        Presence::Present => {
            let message = format!("{} exists", entity.id);
            Verdict::refusal(Refusal::structural(RefusalCode::Exists, 0, message))
        }
        Presence::Unborn => {
            let message = format!("{} was never there", entity.id);
            Verdict::refusal(Refusal::structural(RefusalCode::NotFound, 0, message))
        }
    }
}

fn forbidden(entity: &Entity, request: &Request, word: &str) -> Option<Refusal> {
    let policy = &entity.policy;
    let message = if policy.is_singleton() {
        format!("{} always exists: nobody can {word} it", entity.id)
    } else if policy.may(&request.author, Permission::Delete) {
        return None;
    } else {
        format!("{} may not {word} {}", request.author.id, policy.kind())
    };
    Some(Refusal::structural(RefusalCode::Forbidden, 0, message))
}

/// The entity one entry on, with the document as it is.
fn step(entity: &Entity, kind: EntryKind, request: &Request, now: Timestamp) -> Admitted {
    let mut next = entity.clone();
    next.seq = entity.seq.next();
    next.presence = Presence::after(Some(entity.presence), kind);
    next.stamps = entity.stamps.advanced(now, &request.author.id, None);
    let draft = EntryDraft {
        kind,
        header: Header {
            entity: next.id.clone(),
            place: LogPlace::new(next.epoch, next.seq),
            proposal: Some(request.id),
            author: request.author.clone(),
            session: request.session,
            at: now,
            policy_hash: next.policy.hash(),
        },
        changes: Vec::new(),
        heads: next.heads(),
        claimed: None,
    };
    Admitted::assembled(next, draft, Vec::new())
}
