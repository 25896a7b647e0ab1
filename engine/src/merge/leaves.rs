//! Merging single values: registers, counters, atomics.
//!
//! Invariant: a value that is there already is not written again; a counter is moved by as much as its value
//! differs from the base.

use std::borrow::Cow;

use automerge::ObjId;
use serde_json::Value;

use super::{Merger, Outcome, Target};
use crate::document::stored_scalar;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Shape, refusal_text};
use crate::value::{canonical, normalized};
use crate::violation::Rule;

impl Merger<'_> {
    pub(super) fn scalar(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        value: &Value,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        let at = || target.at.child(name);
        let node = self.policy.node(child);
        let base = base.map(|base| base.map(normalized));
        if base
            .as_ref()
            .is_some_and(|base| base.as_deref() == Some(value))
        {
            return Ok(());
        }
        let present = if self.draft.is_own(target.object) {
            node.default.clone()
        } else {
            self.present(target.object, name, child)
        };
        // `null` where the schema does not allow it removes the field.
        let checked = match &node.shape {
            Shape::Scalar(rule) | Shape::Counter(rule) => rule.check(value),
            Shape::Atomic(rule) => rule.check(value),
            _ => Ok(()),
        };
        let removes = value.is_null() && checked.is_err();
        if removes && base == Some(None) {
            // The base has nothing there either.
            return Ok(());
        }
        let same = if removes {
            present.is_none()
        } else {
            present.as_ref() == Some(value)
        };
        let rule = self.rights.denied(child, target.fresh);
        // A counter keeps the increments of others, even where the sum equals the value of the body.
        let counts = matches!(node.shape, Shape::Counter(_)) && base.is_some() && rule.is_none();
        let unset = self.draft.is_own(target.object) && self.is_unset(target.object, name);
        if same && !unset && !counts {
            return Ok(());
        }
        let is_default = target.fresh && node.default.as_ref() == Some(value);
        if let Some(rule) = rule {
            if !is_default {
                let message = refusal_text(&rule);
                self.protect(&at(), rule, message, Some(value), present);
            }
            return Ok(());
        }
        if removes && matches!(node.shape, Shape::Counter(_)) {
            self.keep_counter(&at(), present);
            return Ok(());
        }
        if removes {
            return self.draft.delete(target.object, name);
        }
        if let Err(fault) = checked {
            self.refuse_fault(&at(), fault, Some(value), present);
            return Ok(());
        }
        match &node.shape {
            Shape::Counter(_) => {
                let from = base.flatten().map(Cow::into_owned).or(present);
                let from = from.as_ref().and_then(Value::as_i64).unwrap_or(0);
                match value.as_i64().and_then(|to| to.checked_sub(from)) {
                    Some(by) if by != 0 => self.draft.increment(target.object, name, by),
                    _ => Ok(()),
                }
            }
            Shape::Atomic(_) => self.draft.put(target.object, name, canonical(value)),
            _ => match stored_scalar(value) {
                Some(scalar) => self.draft.put(target.object, name, scalar),
                None => Ok(()),
            },
        }
    }

    /// Whether a made object has no value at `name` yet: its default was left for the body.
    fn is_unset(&self, object: &ObjId, name: &str) -> bool {
        self.draft.get(object, name).ok().flatten().is_none()
    }

    fn keep_counter(&mut self, at: &Pointer, present: Option<Value>) {
        let message = "is a counter, which cannot be removed";
        self.protect(at, Rule::COUNTER, message, None, present);
    }

    /// Removes a scalar field, or deletes an entry of an open map.
    pub(super) fn remove(&mut self, target: &Target<'_>, name: &str, child: NodeId) -> Outcome {
        let at = || target.at.child(name);
        let Some((_, object)) = self.draft.get(target.object, name)? else {
            return Ok(());
        };
        if self.policy.is_dynamic(child) {
            return self.delete_item(&object, child, &at());
        }
        let node = self.policy.node(child);
        let present = match self.draft.is_own(target.object) {
            true => node.default.clone(),
            false => self.present(target.object, name, child),
        };
        if matches!(node.shape, Shape::Counter(_)) {
            self.keep_counter(&at(), present);
            return Ok(());
        }
        if let Some(rule) = self.rights.denied(child, target.fresh) {
            let message = refusal_text(&rule);
            self.protect(&at(), rule, message, None, present);
            return Ok(());
        }
        self.draft.delete(target.object, name)
    }
}
