//! The first change of every entity: its declared containers and defaults.
//!
//! Invariant: the genesis is a function of the entity's name, the epoch and the policy alone, byte
//! for byte, so that a client can start on it without asking the server.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge};

use crate::change::genesis_actor;
use crate::document::{self, make_fields};
use crate::id::{EntityId, Epoch};
use crate::policy::Policy;

/// The document that holds nothing but the genesis of `entity`.
pub(crate) fn document(entity: &EntityId, epoch: Epoch, policy: &Policy) -> Automerge {
    let actor: ActorId = genesis_actor();
    let mut doc = document::empty(actor);
    let mut tx = doc.transaction();
    make_fields(&mut tx, &automerge::ROOT, policy, policy.root(), &|_| false)
        .expect("a new document takes every put");
    if tx.pending_ops() == 0 {
        // A schema of nothing but optional scalars declares no container; the genesis must still
        // be a change, because an empty one cannot be told from its absence.
        tx.put(automerge::ROOT, "$genesis", true)
            .expect("a new document takes every put");
    }
    tx.commit_with(
        CommitOptions::default()
            .with_message(format!(
                "indelible genesis {entity} {epoch} {}",
                policy.hash()
            ))
            .with_time(0),
    );
    doc
}
