//! One entry on the way: what it does to an entity, and how it is written down.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Document, Entity};
use crate::id::{ProposalId, SessionId};
use crate::ledger::{Claimed, EntryDraft, EntryKind, Header};
use crate::policy::Policy;
use crate::principal::Principal;
use crate::time::Timestamp;

/// An entry before anything is known of its changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) kind: EntryKind,
    pub(crate) author: &'a Principal,
    pub(crate) proposal: Option<ProposalId>,
    pub(crate) session: Option<SessionId>,
    pub(crate) at: Timestamp,
    pub(crate) claimed: Option<&'a Claimed>,
}

impl<'a> Step<'a> {
    /// An entry that the server makes by itself.
    pub(crate) fn of_system(kind: EntryKind, system: &'a Principal, at: Timestamp) -> Self {
        Self {
            kind,
            author: system,
            proposal: None,
            session: None,
            at,
            claimed: None,
        }
    }
}

impl Entity {
    /// The entity one entry on, under this policy and with this document and value.
    pub(crate) fn advanced(
        &self,
        step: &Step<'_>,
        policy: &Arc<Policy>,
        (document, value): (Document, Arc<Map<String, Value>>),
    ) -> Self {
        Self::new(self.standing.after(step, policy, value), document)
    }

    /// The entry that leads to this state.
    pub(crate) fn entry(&self, step: &Step<'_>, changes: Vec<Vec<u8>>) -> EntryDraft {
        EntryDraft {
            kind: step.kind,
            header: Header {
                entity: self.id().clone(),
                place: self.place(),
                proposal: step.proposal,
                author: step.author.clone(),
                session: step.session,
                at: step.at,
                policy_hash: self.policy().hash(),
            },
            changes,
            heads: self.heads(),
            claimed: step.claimed.cloned(),
        }
    }
}
