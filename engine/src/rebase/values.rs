//! Rebasing by values, where operation ids no longer help.
//!
//! Each pending change is the difference of two values; the difference is merged into the server's
//! state, and what cannot be taken is left out, place by place, until the rest can.
//! Invariant: a difference ends up in the new change or in the report.

use std::collections::{BTreeMap, HashMap};

use automerge::{Automerge, ChangeHash};
use serde_json::{Map, Value};

use super::pending::Pending;
use super::present::Present;
use super::report::{DropReason, Dropped};
use super::schema_map::SchemaMap;
use super::{RebaseError, RebaseTarget, Rebased, RebasedChange};
use crate::conflicts::unseen_in;
use crate::document::Reader;
use crate::entity::Entity;
use crate::limits::Limits;
use crate::merge::{CarryOptions, MergeError, Merged, Protected, carry_value};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape};
use crate::violation::Rule;

/// Rebases `changes`, made in this order on `before`, onto a target that shares no operations with
/// them: another epoch, another genesis. What each change did to the value is done to the target's
/// value: scalars are set, counters go on by the same amount, texts and lists get the same splices
/// at the places that comparing the values gives, items keep their ids. What a change did is seen from
/// what its author had seen, also where `before` has heard of more since.
///
/// # Errors
/// [`RebaseError::Unreadable`], or [`RebaseError::NotThere`] when the changes were not made on
/// `before`.
pub fn rebase_values(
    target: &RebaseTarget<'_>,
    before: &Entity,
    changes: &[Vec<u8>],
) -> Result<Rebased, RebaseError> {
    let pending = Pending::read(changes, target.limits)?;
    let mut present = Present::new(target.entity, target.actor);
    let mut rebased = Rebased::default();
    let policy = target.entity.policy();
    let by = (target.author, target.actor);
    let root = Pointer::root();
    let mut local = Automerge::clone(before.doc());
    let schema_map = SchemaMap::new(before.policy(), policy);
    let roots = (before.policy().root(), policy.root());
    let at = |doc: &Automerge, heads: &[ChangeHash]| {
        let value = Reader::at(doc, before.policy(), heads).root();
        schema_map.rename(roots, value)
    };
    for (from, change) in pending.changes.iter().enumerate() {
        local
            .apply_changes([change.raw().clone()])
            .map_err(|error| RebaseError::Document(error.to_string()))?;
        let hash = change.raw().hash();
        if local.get_change_meta_by_hash(&hash).is_none() {
            return Err(RebaseError::NotThere { change: from });
        }
        let (mut base, was_removed) = at(&local, change.deps());
        let (mut body, removed) = at(&local, &[hash]);
        let mut lost = Lost::new((&schema_map, target.limits), policy.root(), &root, from);
        lost.removed(&was_removed, removed);
        let now = Reader::now(present.doc(), policy).root();
        lost.fit(Some(&mut base), Some(&now), &mut body);
        let values = (&Value::Object(base), &Value::Object(body.clone()));
        // It may have been brought over from an epoch before.
        let unseen = change.message().and_then(unseen_in).unwrap_or_default();
        let made = lost.persist(&body, Vec::new(), |care| {
            carry_value(&present.entity, by, values, (&unseen, care))
        })?;
        present.take(&made)?;
        let made = made.into_iter();
        rebased
            .changes
            .extend(made.map(|change| RebasedChange { from, change }));
        rebased.dropped.extend(lost.into_dropped());
        rebased
            .carried
            .extend((0..change.ops().len()).map(|op| (from, op)));
    }
    Ok(rebased)
}

/// What of a change's values cannot be carried over.
pub(super) struct Lost<'a> {
    schema_map: &'a SchemaMap,
    policy: &'a Policy,
    limits: &'a Limits,
    node: NodeId,
    at: &'a Pointer,
    change: usize,
    found: BTreeMap<Pointer, (Option<Value>, DropReason)>,
}

impl<'a> Lost<'a> {
    /// For the value at `node`, which is called `at`, of a pending change.
    pub(super) fn new(
        (schema_map, limits): (&'a SchemaMap, &'a Limits),
        node: NodeId,
        at: &'a Pointer,
        change: usize,
    ) -> Self {
        Self {
            schema_map,
            policy: &schema_map.new,
            limits,
            node,
            at,
            change,
            found: BTreeMap::new(),
        }
    }

    pub(super) fn into_dropped(self) -> impl Iterator<Item = Dropped> {
        let change = self.change;
        self.found
            .into_iter()
            .map(move |(pointer, (attempted, why))| Dropped {
                change,
                op: None,
                pointer,
                attempted,
                why,
            })
    }

    /// Notes what was written where the target's schema has no place.
    pub(super) fn removed(&mut self, before: &[(Pointer, Value)], after: Vec<(Pointer, Value)>) {
        let before: HashMap<&Pointer, &Value> = before.iter().map(|(at, had)| (at, had)).collect();
        for removed in after {
            if before.get(&removed.0) != Some(&&removed.1) {
                let why = DropReason::Forbidden(Rule::UNKNOWN_FIELD.code().to_owned());
                let at = removed
                    .0
                    .tokens()
                    .iter()
                    .fold(self.at.clone(), |at, token| at.child(token));
                self.found.insert(at, (Some(removed.1), why));
            }
        }
    }

    /// Takes out of both versions what they agree in, and out of `body` what the target's schema
    /// does not declare and items that were there before and are not any more. A field that was
    /// one value and has parts now is replaced: its difference is the one from what is there.
    pub(super) fn fit(
        &mut self,
        base: Option<&mut Map<String, Value>>,
        present: Option<&Map<String, Value>>,
        body: &mut Map<String, Value>,
    ) {
        let (node, at) = (self.node, self.at.clone());
        self.object(node, &at, base, present, body);
    }

    fn object(
        &mut self,
        node: NodeId,
        at: &Pointer,
        mut base: Option<&mut Map<String, Value>>,
        present: Option<&Map<String, Value>>,
        body: &mut Map<String, Value>,
    ) {
        let key = self.policy.presented_key(node).map(str::to_owned);
        if let Some(base) = &mut base {
            self.replace(node, base, present, body);
        }
        for name in body.keys().cloned().collect::<Vec<_>>() {
            if key.as_ref() == Some(&name) {
                continue;
            }
            let old = base.as_ref().and_then(|base| base.get(&name));
            let same = old.is_some() && old == body.get(&name);
            let child = self.policy.child(node, &name);
            let Some(child) = child.filter(|_| !same) else {
                let value = body.remove(&name);
                if let Some(base) = &mut base {
                    base.remove(&name);
                }
                if !same {
                    let why = DropReason::Forbidden(Rule::UNKNOWN_FIELD.code().to_owned());
                    self.found.insert(at.child(name), (value, why));
                }
                continue;
            };
            let at = at.child(&name);
            let now = present.and_then(|present| present.get(&name));
            // An entry that others deleted is gone, as an item is.
            if old.is_some() && now.is_none() && self.policy.is_dynamic(child) {
                let value = body.remove(&name);
                self.found.insert(at, (value, DropReason::Gone));
                continue;
            }
            if self.schema_map.converted(child).is_some() {
                continue;
            }
            let old = base.as_mut().and_then(|base| base.get_mut(&name));
            match (&self.policy.node(child).shape, body.get_mut(&name)) {
                (Shape::Object { .. }, Some(Value::Object(body))) => {
                    let old = old.and_then(Value::as_object_mut);
                    self.object(child, &at, old, now.and_then(Value::as_object), body);
                }
                (Shape::Keyed { item, key }, Some(Value::Array(body))) => {
                    let old = old.and_then(Value::as_array_mut);
                    let now = now.and_then(Value::as_array);
                    self.items((*item, key), &at, old, now, body);
                }
                _ => {}
            }
        }
    }

    /// Puts what is there now in the place of what fields held that were one value and have parts
    /// now, where a change wrote them: it replaced them as a whole.
    fn replace(
        &self,
        node: NodeId,
        base: &mut Map<String, Value>,
        present: Option<&Map<String, Value>>,
        body: &Map<String, Value>,
    ) {
        let is_whole = |child: NodeId| {
            let form = self.schema_map.converted(child);
            form.is_some_and(|form| self.schema_map.is_whole(form))
        };
        let names = base.keys().chain(body.keys()).filter(|name| {
            let child = self.policy.child(node, name);
            child.is_some_and(is_whole) && base.get(*name) != body.get(*name)
        });
        for name in names.cloned().collect::<Vec<_>>() {
            match present.and_then(|present| present.get(&name)) {
                Some(now) => base.insert(name, now.clone()),
                None => base.remove(&name),
            };
        }
        // An object that is empty now is left out.
        for (name, base) in base
            .iter_mut()
            .filter(|(name, _)| !body.contains_key(*name))
        {
            let child = self.policy.child(node, name);
            if let (Some(child), Value::Object(base)) = (child, base) {
                let present = present.and_then(|present| present.get(name)?.as_object());
                self.replace(child, base, present, &Map::new());
            }
        }
    }

    fn items(
        &mut self,
        (item, key): (NodeId, &str),
        at: &Pointer,
        mut base: Option<&mut Vec<Value>>,
        present: Option<&Vec<Value>>,
        body: &mut Vec<Value>,
    ) {
        let by_id = |items: &[Value]| -> HashMap<String, usize> {
            let named = (0..).zip(items);
            named
                .filter_map(|(at, item)| Some((item.get(key)?.as_str()?.to_owned(), at)))
                .collect()
        };
        let places = base.as_ref().map(|base| by_id(base)).unwrap_or_default();
        let there = present.map(|present| by_id(present)).unwrap_or_default();
        body.retain_mut(|value| {
            let Some(id) = value.get(key).and_then(Value::as_str).map(str::to_owned) else {
                return true;
            };
            let at = at.child(&id);
            let mut old = base
                .as_mut()
                .and_then(|base| base.get_mut(*places.get(&id)?));
            let now = present.and_then(|present| present.get(*there.get(&id)?));
            if old.is_some() && now.is_none() {
                if old.as_deref() != Some(value) {
                    self.found
                        .insert(at, (Some(value.clone()), DropReason::Gone));
                }
                return false;
            }
            if let Value::Object(body) = value {
                let old = old.as_mut().and_then(|old| old.as_object_mut());
                self.object(item, &at, old, now.and_then(Value::as_object), body);
            }
            true
        });
    }

    /// Makes the changes with as much of `body` as can be taken, and nothing at `refused`; none when
    /// nothing is left.
    pub(super) fn persist(
        &mut self,
        body: &Map<String, Value>,
        refused: Vec<Pointer>,
        attempt: impl Fn(CarryOptions<'_>) -> Result<Merged, MergeError>,
    ) -> Result<Vec<Vec<u8>>, RebaseError> {
        let mut skipped = refused;
        loop {
            let care = |protected| CarryOptions {
                protected,
                preserve: &skipped,
                limits: self.limits,
            };
            let violations = match attempt(care(Protected::Keep)) {
                Ok(merged) => {
                    let kept = merged.preserved.into_iter();
                    let kept: Vec<Pointer> = kept.filter(|at| !skipped.contains(at)).collect();
                    let rules = match attempt(care(Protected::Refuse)) {
                        Err(MergeError::Refused(violations)) if !kept.is_empty() => violations,
                        _ => Vec::new(),
                    };
                    for at in kept {
                        let rule = rules.iter().find(|violation| violation.pointer == at);
                        let why = match rule {
                            Some(violation) => {
                                DropReason::Forbidden(violation.rule.code().to_owned())
                            }
                            None => DropReason::Gone,
                        };
                        self.lose(body, at, why);
                    }
                    return Ok(merged.changes);
                }
                Err(MergeError::Refused(violations)) => violations,
                Err(error) => return Err(RebaseError::Document(error.to_string())),
            };
            for violation in violations {
                let why = DropReason::Forbidden(violation.rule.code().to_owned());
                let mut at = violation.pointer;
                // What cannot be left out alone is left out with what is around it.
                while skipped.contains(&at) {
                    match at.parent().filter(|around| self.at.contains(around)) {
                        Some(around) => at = around,
                        None => break,
                    }
                }
                if at == *self.at || skipped.contains(&at) {
                    self.lose(body, self.at.clone(), why);
                    return Ok(Vec::new());
                }
                self.lose(body, at.clone(), why);
                skipped.push(at);
            }
        }
    }

    fn lose(&mut self, body: &Map<String, Value>, at: Pointer, why: DropReason) {
        let attempted = self.value_at(body, &at);
        self.found.insert(at, (attempted, why));
    }

    fn value_at(&self, body: &Map<String, Value>, at: &Pointer) -> Option<Value> {
        let rest = at.tokens().get(self.at.tokens().len()..)?;
        let Some((first, rest)) = rest.split_first() else {
            return Some(Value::Object(body.clone()));
        };
        let (mut value, mut node) = (body.get(first)?, self.policy.child(self.node, first)?);
        for token in rest {
            value = match (&self.policy.node(node).shape, value) {
                (Shape::List { .. }, Value::Array(items)) => {
                    items.get(token.parse::<usize>().ok()?)?
                }
                _ => self.policy.inner(node, value, token)?,
            };
            node = self.policy.child(node, token)?;
        }
        Some(value.clone())
    }
}
