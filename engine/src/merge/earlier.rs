//! Bodies whose base had a field in another form: an object that is one value now, or the reverse.
//!
//! Owns what a body means there. It was made under the rules of the base's schema, so it is made
//! whole by these ([`wanted`]), and the whole is compared with the base. What was one value then
//! replaces what is there now; what had parts has its difference from the base brought in.
//! Invariant: what equals the base is not an edit.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Absent, Merger, Outcome, Target, wanted};
use crate::policy::{NodeId, Policy};
use crate::value::normal;

/// The policy of a base, where a different one is in force now.
#[derive(Debug, Clone)]
pub struct Earlier {
    policy: Arc<Policy>,
    /// The fields of now that had another form, and what they were.
    converted: HashMap<NodeId, NodeId>,
}

impl Earlier {
    pub(crate) fn new(policy: &Arc<Policy>, converted: HashMap<NodeId, NodeId>) -> Self {
        Self {
            policy: Arc::clone(policy),
            converted,
        }
    }

    /// Whether a field of now had another form.
    pub(super) fn converts(&self, field: NodeId) -> bool {
        self.converted.contains_key(&field)
    }
}

impl Merger<'_> {
    /// Whether what the body lacks here was removed.
    pub(super) fn is_whole(&self) -> bool {
        self.is_converted || self.options.absent == Absent::Removed
    }

    /// Merges one field; `base` is `None` without a base, `Some(None)` where the base lacks it.
    pub(super) fn field(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        value: &Value,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        let earlier = self.options.base.as_ref();
        let earlier = earlier.and_then(|base| base.earlier.as_ref());
        let earlier = earlier.filter(|_| !self.is_converted);
        let Some((policy, old)) =
            earlier.and_then(|earlier| Some((&earlier.policy, *earlier.converted.get(&child)?)))
        else {
            return self.alike(target, name, child, value, base);
        };
        let had = base.flatten().map(normal);
        let whole = self.options.absent == Absent::Removed;
        let value = wanted(policy, old, had.as_ref(), &normal(value), whole);
        if base.is_some() && value == had {
            return Ok(());
        }
        let replaces = policy.node(old).shape.is_single();
        let present = match replaces {
            true if self.draft.is_own(target.object) => None,
            true => self.present(target.object, name, child),
            false => None,
        };
        let base = match replaces {
            true => Some(present.as_ref()),
            false => base,
        };
        self.is_converted = true;
        let merged = match &value {
            Some(value) => self.alike(target, name, child, value, base),
            None => self.empty(target, name, child, base),
        };
        self.is_converted = false;
        merged
    }
}
