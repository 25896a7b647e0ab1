//! What a replica does after a refusal: drop the refused operations, keep the rest.
//!
//! Pending changes were made on a state that will never be. [`rebase`] makes new ones under a fresh
//! actor: the surviving operations, in order, applied to the server's state as it is now, each with
//! the predecessors that an honest new operation has (all values at its key or element).
//! What depends on a dropped operation is dropped too; an insertion after a dropped element goes
//! after the nearest surviving element on the left in the sequence as it was when the insertion was
//! made. Everything that is dropped is reported. Where operation ids no longer help
//! ([`rebase_values`]), and for single objects that must be made again, values are carried over.
//!
//! Invariant: every operation of the pending changes is kept, carried or dropped, and only that;
//! each refusal takes at least one operation, so that refusing and rebasing ends.
//!
//! ```
//! # use std::sync::Arc;
//! # use automerge::ActorId;
//! # use indelible_engine::entity::Entity;
//! # use indelible_engine::id::Epoch;
//! # use indelible_engine::limits::Limits;
//! # use indelible_engine::merge::{MergeOptions, merge};
//! # use indelible_engine::principal::Principal;
//! # use indelible_engine::schema;
//! use indelible_engine::rebase::{RebaseTarget, RefusedOps, DropReason, rebase};
//! use serde_json::json;
//!
//! # let schema = json!({
//! #     "type": "object",
//! #     "x-indelible": { "kind": "team", "create": ["editor"], "edit": ["editor"] },
//! #     "properties": { "name": { "type": "string" }, "office": { "type": "string" } }
//! # });
//! # let policy = schema::compile("team.json", &schema.to_string()).expect("it has no mistakes");
//! # let policy = Arc::new(policy);
//! # let entity = Entity::genesis(&"team/jane".parse()?, Epoch::FIRST, &policy);
//! # let alice = Principal::new("alice", ["editor"]);
//! # let (first, second) = (ActorId::from([1; 16]), ActorId::from([2; 16]));
//! // Offline, Alice wrote a name and an office; the server refuses the name.
//! let body = json!({ "name": "Jane", "office": "Bern" });
//! let edit = merge(&entity, &alice, &first, &body, &MergeOptions::default())?;
//! let pending = edit.changes;
//! let refused = [RefusedOps { change: 0, ops: vec![0], rule: "maxLength".to_owned() }];
//!
//! let target = RebaseTarget {
//!     entity: &entity,
//!     author: &alice,
//!     actor: &second,
//!     limits: &Limits::default(),
//! };
//! let rebased = rebase(&target, &policy, &pending, &refused)?;
//! assert_eq!((rebased.changes.len(), rebased.kept.len()), (1, 1));
//! assert_eq!(rebased.dropped[0].pointer.to_string(), "/name");
//! assert_eq!(rebased.dropped[0].attempted, Some(json!("Jane")));
//! assert_eq!(rebased.dropped[0].why, DropReason::Refused("maxLength".to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod gone;
mod names;
mod objects;
mod old_schema;
mod operations;
mod pending;
mod present;
mod report;
mod schema_map;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use automerge::ActorId;

use self::objects::Objects;
use self::operations::Rebase;
use self::pending::Pending;
use self::present::Present;
use crate::change::{ChangeError, Limits};
use crate::entity::Entity;
use crate::policy::Policy;
use crate::principal::Principal;

pub use self::body::{Followed, Read};
pub use self::gone::gone;
pub use self::report::{DropReason, Dropped, RefusedOps};
pub(crate) use self::schema_map::SchemaMap;
pub use self::values::rebase_values;

/// A pending change and one of its operations, both from 0.
pub type OpIndex = (usize, usize);

/// Onto what, for whom and as which actor changes are rebased.
#[derive(Debug, Clone, Copy)]
pub struct RebaseTarget<'a> {
    /// The server's present state, with everything of the author's that was admitted.
    pub entity: &'a Entity,
    /// Whose changes they are.
    pub author: &'a Principal,
    /// An actor that has written nothing yet.
    pub actor: &'a ActorId,
    /// Bounds on a change.
    pub limits: &'a Limits,
}

/// A new change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebasedChange {
    /// The pending change that it comes from, from 0. Ascending; one may leave several.
    pub from: usize,
    /// An Automerge change chunk.
    pub change: Vec<u8>,
}

/// What became of pending changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rebased {
    /// The new changes, to be proposed in this order.
    pub changes: Vec<RebasedChange>,
    /// The operations that survived as operations; each is one operation of a new change.
    pub kept: Vec<OpIndex>,
    /// The operations whose effect was carried over by values.
    pub carried: Vec<OpIndex>,
    /// What is in no new change.
    pub dropped: Vec<Dropped>,
}

/// Why changes cannot be rebased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebaseError {
    /// A pending change cannot be decoded.
    #[error("pending change {change} cannot be read")]
    Unreadable {
        /// Which, from 0.
        change: usize,
        /// What is wrong with it.
        #[source]
        error: ChangeError,
    },
    /// A pending change depends on changes that the server does not have: of another epoch or
    /// genesis. [`rebase_values`] can do it.
    #[error("pending change {change} depends on changes that are not there")]
    NotThere {
        /// Which, from 0.
        change: usize,
    },
    /// Automerge does not take a change.
    #[error("the changes cannot be applied: {0}")]
    Document(String),
}

/// Rebases `changes`, made in this order under `policy`, onto `target`, without what `refused`
/// names.
///
/// A refusal that names no operation of these changes takes the change that it names, or else all.
/// An object that is made at a name where another author's is now, and every object that is
/// made under a policy which is not the target's, is carried over by values.
///
/// # Errors
/// [`RebaseError`]; with [`RebaseError::NotThere`], [`rebase_values`] is left.
pub fn rebase(
    target: &RebaseTarget<'_>,
    policy: &Arc<Policy>,
    changes: &[Vec<u8>],
    refused: &[RefusedOps],
) -> Result<Rebased, RebaseError> {
    let mut pending = Pending::read(changes, target.limits)?;
    pending.look_back(target.entity.doc())?;
    pending.is_current = policy.hash() == target.entity.policy().hash();
    let named = named(&pending, refused);
    Rebase {
        target,
        named,
        former: None,
        objects: Objects::new(target.entity, policy),
        present: Present::new(target.entity, target.actor),
        fates: vec![Vec::new(); pending.changes.len()],
        pending,
        rebased: Rebased::default(),
    }
    .run()
}

/// The operations that a refusal names, each with its rule.
fn named(pending: &Pending, refused: &[RefusedOps]) -> HashMap<OpIndex, String> {
    let count = |change: usize| pending.changes.get(change).map_or(0, |c| c.ops().len());
    let mut found = HashMap::new();
    for named in refused {
        let whole: Vec<usize> = match named.ops.as_slice() {
            [] => (0..count(named.change)).collect(),
            ops => ops.to_vec(),
        };
        for op in whole.into_iter().filter(|op| *op < count(named.change)) {
            found
                .entry((named.change, op))
                .or_insert_with(|| named.rule.clone());
        }
    }
    if let Some(first) = refused.first().filter(|_| found.is_empty()) {
        let all = 0..pending.changes.len();
        let taken = all.filter(|change| count(first.change) == 0 || *change == first.change);
        for place in taken.flat_map(|change| (0..count(change)).map(move |op| (change, op))) {
            found.insert(place, first.rule.clone());
        }
    }
    found
}
