//! Items and entries that were deleted before the epoch began, made again for a body that has them.
//!
//! Undeleting an object keeps what it held; the document has nothing of these, so what they held is
//! given, and the body's edits are made to that.
//! Invariant: what equals the base is not an edit, and what is to be preserved is as it was held.

use serde_json::{Map, Value};

use super::repeats::repeats_value;
use super::{Merger, Outcome, Target, wanted};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Shape};

impl Merger<'_> {
    /// What an object held that the document does not know: when it was last shown or, where that is
    /// not known, in the base.
    pub(super) fn held_formerly(
        &self,
        at: &Pointer,
        base: Option<&Value>,
    ) -> Option<Map<String, Value>> {
        let held = self.options.deleted.get(at).or(base);
        held.and_then(Value::as_object).cloned()
    }

    /// What becomes of an object of `node` that held `made`, by a body that was made from `base`.
    pub(super) fn remade(
        &mut self,
        (node, at): (NodeId, &Pointer),
        mut made: Map<String, Value>,
        (body, base): (&Map<String, Value>, Option<&Value>),
    ) -> Map<String, Value> {
        let base = base.and_then(Value::as_object);
        let whole = self.is_whole();
        if whole {
            let had = |name: &String| base.is_none_or(|base| base.contains_key(name));
            made.retain(|name, _| body.contains_key(name) || !had(name));
        }
        for (name, value) in body {
            let base = base.and_then(|base| base.get(name));
            if base.is_some_and(|base| repeats_value(value, base, whole)) {
                continue;
            }
            let child = self.policy.child(node, name);
            let child = child.filter(|_| self.policy.presented_key(node) != Some(name));
            let at = at.child(name);
            if self.is_preserved(&at) {
                self.preserved.push(at);
                continue;
            }
            let held = made.remove(name);
            let value = match (child, held, value) {
                (Some(child), Some(Value::Object(held)), Value::Object(body))
                    if matches!(self.policy.node(child).shape, Shape::Object { .. }) =>
                {
                    let made = self.remade((child, &at), held, (body, base));
                    Some(Value::Object(made))
                }
                (Some(child), held, value) => {
                    wanted(self.policy, child, held.as_ref(), value, whole)
                }
                (None, _, value) => Some(value.clone()),
            };
            made.extend(value.map(|value| (name.clone(), value)));
        }
        made
    }

    /// Makes such an object, with the ids of the items in it.
    pub(super) fn make_anew(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        (body, position): (&Map<String, Value>, Option<&String>),
    ) -> Outcome {
        self.is_anew = true;
        let made = self.make_item(target, name, child, body, position);
        self.is_anew = false;
        made
    }
}
