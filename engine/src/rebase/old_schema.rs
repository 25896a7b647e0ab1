//! What the pending changes would have resulted in if the schema had stayed as it was.
//!
//! A field that is stored in another form now has no place for operations. What it was is still in
//! the document, so the operations are rebased there, aside, and the values are carried over.
//! Invariant: nothing of it is proposed.

use std::collections::HashMap;
use std::sync::Arc;

use automerge::{Automerge, ChangeHash};
use serde_json::Value;

use super::pending::Pending;
use super::present::object_id;
use super::report::{DropReason, RefusedOps};
use super::schema_map::Conversion;
use super::{OpIndex, RebaseError, RebaseTarget, rebase};
use crate::document::Reader;
use crate::policy::Policy;

/// The document with the pending changes, rebased under their own schema.
pub(super) struct OldSchemaRebase {
    doc: Automerge,
    policy: Arc<Policy>,
    /// Before the first pending change, and after each.
    heads: Vec<Vec<ChangeHash>>,
    dropped: HashMap<OpIndex, DropReason>,
}

impl OldSchemaRebase {
    pub(super) fn new(
        target: &RebaseTarget<'_>,
        policy: &Arc<Policy>,
        pending: &Pending,
        named: &HashMap<OpIndex, String>,
    ) -> Result<Self, RebaseError> {
        let entity = target.entity.under(policy);
        let changes: Vec<Vec<u8>> = pending
            .changes
            .iter()
            .map(|change| change.raw().raw_bytes().to_vec())
            .collect();
        let named: Vec<RefusedOps> = named
            .iter()
            .map(|(&(change, op), rule)| RefusedOps {
                change,
                ops: vec![op],
                rule: rule.clone(),
            })
            .collect();
        let aside = RebaseTarget {
            entity: &entity,
            ..*target
        };
        let rebased = rebase(&aside, policy, &changes, &named)?;
        let mut doc = Automerge::clone(entity.doc());
        let mut heads = vec![doc.get_heads()];
        let mut made = rebased.changes.into_iter().peekable();
        for index in 0..changes.len() {
            while let Some(one) = made.next_if(|one| one.from == index) {
                automerge::Change::try_from(one.change.as_slice())
                    .map_err(|error| RebaseError::Document(error.to_string()))
                    .and_then(|change| {
                        let applied = doc.apply_changes([change]);
                        applied.map_err(|error| RebaseError::Document(error.to_string()))
                    })?;
            }
            heads.push(doc.get_heads());
        }
        let dropped = rebased.dropped.into_iter();
        Ok(Self {
            doc,
            policy: Arc::clone(policy),
            heads,
            dropped: dropped
                .filter_map(|one| Some(((one.change, one.op?), one.why)))
                .collect(),
        })
    }

    /// Why an operation has no effect even so.
    pub(super) fn dropped(&self, place: OpIndex) -> Option<&DropReason> {
        self.dropped.get(&place)
    }

    /// What a field held before and after a pending change.
    pub(super) fn values(
        &self,
        field: &Conversion,
        change: usize,
    ) -> (Option<Value>, Option<Value>) {
        let value = |heads: &[ChangeHash]| {
            let holder = object_id(&field.old_holder);
            let reader = Reader::at(&self.doc, &self.policy, heads);
            reader.property(&holder, &field.old_name, field.old)
        };
        (value(&self.heads[change]), value(&self.heads[change + 1]))
    }
}
