//! Emptying places: what a `null` says, what a body with everything in it lacks, and what is named
//! to be removed.
//!
//! Invariant: what can be removed is removed, and what is always there (objects, lists, texts) is
//! emptied; counters stay and are reported.

use automerge::{ObjId, Value as Stored};
use serde_json::{Map, Value};

use super::{Merger, Outcome, Target};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Shape, refusal_text};
use crate::violation::Rule;

impl Merger<'_> {
    /// Removes what the base (or the present) has and the body lacks.
    pub(super) fn remove_absent(
        &mut self,
        target: &Target<'_>,
        body: &Map<String, Value>,
        base: Option<&Map<String, Value>>,
    ) -> Outcome {
        if target.node == self.policy.root() {
            for (name, stamp) in self.entity.stamp_fields() {
                if base.is_none_or(|base| base.contains_key(&name)) && !body.contains_key(&name) {
                    let message = refusal_text(&Rule::STAMP);
                    let at = target.at.child(name);
                    self.protect(&at, Rule::STAMP, message, None, Some(stamp));
                }
            }
        }
        for name in self.held(target) {
            let had = base.is_none_or(|base| base.contains_key(&name));
            if !had || body.contains_key(&name) {
                continue;
            }
            if self.policy.presented_key(target.node) == Some(name.as_str()) {
                continue;
            }
            if let Some(child) = self.policy.child(target.node, &name) {
                let base = base.map(|base| base.get(&name));
                self.empty(target, &name, child, base)?;
            }
        }
        Ok(())
    }

    /// The names at which an object holds something; all declared ones where this merge makes it.
    fn held(&self, target: &Target<'_>) -> Vec<String> {
        if self.draft.is_own(target.object) {
            let declared = self.policy.children(target.node);
            return declared.map(|(name, _)| name.to_owned()).collect();
        }
        let present = self.reader.object(target.object, target.node);
        present.into_iter().map(|(name, _)| name).collect()
    }

    /// Empties one field; `base` as of [`Merger::field`]: what the base lacks is not touched.
    pub(super) fn empty(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        match &self.policy.node(child).shape {
            _ if base == Some(None) => Ok(()),
            _ if self.keeps(target, name) => Ok(()),
            Shape::Object { .. } if !self.policy.is_dynamic(child) => {
                let Some((Stored::Object(_), object)) = self.draft.get(target.object, name)? else {
                    return Ok(());
                };
                let inside = Target {
                    object: &object,
                    node: child,
                    at: &target.at.child(name),
                    fresh: target.fresh || self.is_new(&object),
                };
                let base = base.and_then(|base| base?.as_object());
                self.remove_absent(&inside, &Map::new(), base)
            }
            Shape::Keyed { .. } | Shape::List { .. } => {
                self.field(target, name, child, &Value::Array(Vec::new()), base)
            }
            Shape::Text { .. } => {
                self.field(target, name, child, &Value::String(String::new()), base)
            }
            _ => self.remove(target, name, child),
        }
    }

    /// Removes what was named to be removed.
    pub(super) fn remove_named(&mut self) -> Outcome {
        let options = self.options;
        for at in &options.remove {
            if self.is_preserved(at) {
                self.preserved.push(at.clone());
            } else if let Some((name, above)) = at.tokens().split_last() {
                self.remove_at(at, name, above)?;
            }
        }
        Ok(())
    }

    fn remove_at(&mut self, at: &Pointer, name: &str, above: &[String]) -> Outcome {
        let mut place = (automerge::ROOT, self.policy.root(), Pointer::root());
        for token in above {
            let (object, node, holder) = &place;
            let child = self.policy.child(*node, token);
            let found = self.draft.get(object, token).ok().flatten();
            place = match (child, found) {
                (Some(child), Some((Stored::Object(_), inside))) if !self.is_gone(&inside) => {
                    (inside, child, holder.child(token))
                }
                // There is nothing to be removed.
                _ => return Ok(()),
            };
        }
        let (object, node, holder) = &place;
        let shape = &self.policy.node(*node).shape;
        let Some(child) = self.policy.child(*node, name).filter(|_| {
            matches!(shape, Shape::Object { .. } | Shape::Keyed { .. })
                && self.policy.presented_key(*node) != Some(name)
        }) else {
            let message = match shape {
                Shape::List { .. } => {
                    "is an element of a list without ids: give the list without it"
                }
                Shape::Object { .. } if self.policy.presented_key(*node) == Some(name) => {
                    "is the id of an item, which cannot be removed"
                }
                Shape::Object { .. } => "is not declared by the schema, so it cannot be removed",
                _ => "is inside a value that is written as one: give that value without it",
            };
            self.refuse(at, Rule::TYPE, message, None, None);
            return Ok(());
        };
        let target = Target {
            object,
            node: *node,
            at: holder,
            fresh: self.is_new(object),
        };
        if self.policy.node(child).shape.is_derived() {
            let present = self.entity.stamp_fields().remove(name);
            let rule = match self.policy.node(child).shape {
                Shape::Tally => Rule::TALLY,
                _ => Rule::STAMP,
            };
            let message = refusal_text(&rule);
            self.protect(at, rule, message, None, present);
            return Ok(());
        }
        match self.draft.get(object, name)? {
            Some((Stored::Object(_), inside)) if self.is_gone(&inside) => Ok(()),
            Some(_) => self.empty(&target, name, child, None),
            None => Ok(()),
        }
    }

    /// Whether an item or entry was deleted before this merge, or by it.
    fn is_gone(&self, object: &ObjId) -> bool {
        let deleted = self
            .draft
            .get(object, crate::document::DELETED)
            .ok()
            .flatten();
        deleted.is_some_and(|(value, _)| value.as_bool() == Some(true))
    }
}
