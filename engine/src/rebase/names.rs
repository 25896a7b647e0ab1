//! Values and places of an earlier policy under the names of the target's.
//!
//! A value that a client sends may use both: a field under its former name, under its present one,
//! or under both. What is said of one place is put together, so that what equals the base is no
//! edit, whichever name it comes under.
//! Invariant: whatever the value holds ends up in the renamed one, or is reported as unplaced.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::schema_map::{SchemaMap, Step};
use crate::merge::{repeats_value, wanted};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape};
use crate::value::same;

/// A value that has no place under the target's policy, or shares its place with another.
#[derive(Debug)]
pub(super) struct Unplaced {
    /// Where it would be, by the present names of what it lies in.
    pub(super) at: Pointer,
    /// The same by the names that the value itself uses; an item without an id by its index.
    pub(super) told: Pointer,
    pub(super) value: Value,
    /// Its place in the old schema, where that has one.
    pub(super) old: Option<NodeId>,
    /// It lies in an item that has no id, so no other value has the same place.
    pub(super) is_new: bool,
    /// The present name, where the value says something else under that.
    pub(super) rival: Option<String>,
}

/// Where a walk through a value is.
#[derive(Clone)]
struct At {
    now: Pointer,
    told: Pointer,
    is_new: bool,
}

impl At {
    fn root() -> Self {
        Self {
            now: Pointer::root(),
            told: Pointer::root(),
            is_new: false,
        }
    }

    fn child(&self, is: &str, told: &str) -> Self {
        Self {
            now: self.now.child(is),
            told: self.told.child(told),
            is_new: self.is_new,
        }
    }
}

impl SchemaMap {
    /// A value under the names of the target's schema. What that has no place for is apart.
    pub(crate) fn rename(
        &self,
        roots: (NodeId, NodeId),
        value: Map<String, Value>,
    ) -> (Map<String, Value>, Vec<(Pointer, Value)>) {
        let (value, unplaced) = self.rename_body(roots, value, None);
        let apart = unplaced.into_iter().map(|one| (one.at, one.value));
        (value, apart.collect())
    }

    /// The same of a value that was made from `base`, which has the present names: it may have
    /// former names and present ones beside each other.
    pub(super) fn rename_body(
        &self,
        roots: (NodeId, NodeId),
        body: Map<String, Value>,
        base: Option<&Map<String, Value>>,
    ) -> (Map<String, Value>, Vec<Unplaced>) {
        let mut renaming = Renaming {
            schema_map: self,
            unplaced: Vec::new(),
        };
        let body = match self.is_other_schema() {
            false => body,
            true => renaming.object(roots, body, base, &At::root()),
        };
        (body, renaming.unplaced)
    }

    /// A place under the names of the target's schema; none where that has removed it.
    ///
    /// # Errors
    /// The field that it lies in, where that had parts and is one value now.
    pub(crate) fn follow(&self, at: &Pointer) -> Result<Option<Pointer>, Pointer> {
        let mut place = (Some(self.old.root()), Some(self.new.root()));
        let mut followed = Pointer::root();
        for token in at.tokens() {
            let (old, new) = place;
            let holder = old.map(|old| &self.old.node(old).shape);
            let is_single = new.is_some_and(|new| self.new.node(new).shape.is_single());
            if is_single && holder.is_some_and(|holder| !holder.is_single()) {
                return Err(followed);
            }
            let (name, node) = match holder {
                Some(Shape::Object { .. }) => match self.step(place, token) {
                    Step::To(name, node) => (name, node),
                    Step::Removed => return Ok(None),
                },
                _ => {
                    let node = new.and_then(|new| self.new.child(new, token));
                    (token.clone(), node)
                }
            };
            followed = followed.child(name);
            place = (old.and_then(|old| self.source(old, token, node)), node);
        }
        Ok(Some(followed))
    }

    /// What the earlier schema had for a name of an object, which is one of its own or a present
    /// one.
    fn source(&self, old: NodeId, name: &str, now: Option<NodeId>) -> Option<NodeId> {
        let child = self.old.child(old, name);
        child.or_else(|| self.origin(now?))
    }
}

struct Renaming<'p> {
    schema_map: &'p SchemaMap,
    unplaced: Vec<Unplaced>,
}

impl Renaming<'_> {
    fn object(
        &mut self,
        (old, new): (NodeId, NodeId),
        value: Map<String, Value>,
        base: Option<&Map<String, Value>>,
        at: &At,
    ) -> Map<String, Value> {
        let schema_map = self.schema_map;
        let keys = (
            schema_map.old.presented_key(old),
            schema_map.new.presented_key(new),
        );
        let mut renamed = Map::new();
        // By its present name, what the value calls each field.
        let mut told: HashMap<String, String> = HashMap::new();
        for (name, value) in value {
            let step = match keys {
                (Some(was), Some(is)) if was == name => Step::To(is.to_owned(), None),
                _ => schema_map.step((Some(old), Some(new)), &name),
            };
            let (is, target) = match step {
                Step::To(is, target) => (is, target),
                Step::Removed => {
                    let source = schema_map.old.child(old, &name);
                    self.apart(at.child(&name, &name), (value, source), None);
                    continue;
                }
            };
            let base = base.and_then(|base| base.get(&is));
            let source = schema_map.source(old, &name, target);
            let value = match (source, target) {
                (Some(source), Some(target)) => {
                    self.value((source, target), value, base, &at.child(&is, &name))
                }
                _ => value,
            };
            let Some(other) = renamed.remove(&is) else {
                told.insert(is.clone(), name);
                renamed.insert(is, value);
                continue;
            };
            // Told under its former name and the present one.
            let value = match self.both(self.place(target), &other, &value, base) {
                Some(both) => both,
                None => {
                    let first = told.insert(is.clone(), name.clone()).unwrap_or_default();
                    let ((former, lost), kept) = match name == is {
                        true => ((first, other), value),
                        false => ((name, value), other),
                    };
                    let source = schema_map.source(old, &former, target);
                    self.apart(at.child(&is, &former), (lost, source), Some(is.clone()));
                    kept
                }
            };
            renamed.insert(is, value);
        }
        renamed
    }

    fn apart(&mut self, at: At, (value, old): (Value, Option<NodeId>), rival: Option<String>) {
        self.unplaced.push(Unplaced {
            at: at.now,
            told: at.told,
            value,
            old,
            is_new: at.is_new,
            rival,
        });
    }

    fn value(
        &mut self,
        (old, new): (NodeId, NodeId),
        value: Value,
        base: Option<&Value>,
        at: &At,
    ) -> Value {
        let schema_map = self.schema_map;
        let shapes = (
            &schema_map.old.node(old).shape,
            &schema_map.new.node(new).shape,
        );
        match (shapes.0, shapes.1, value) {
            (Shape::Object { .. }, Shape::Object { .. }, Value::Object(value)) => {
                let base = base.and_then(Value::as_object);
                Value::Object(self.object((old, new), value, base, at))
            }
            (
                Shape::Keyed {
                    item: old,
                    key: was,
                },
                Shape::Keyed { item: new, key: is },
                Value::Array(items),
            ) => {
                let known = base.and_then(Value::as_array).into_iter().flatten();
                let known: HashMap<&str, &Value> = known
                    .filter_map(|item| Some((item.get(is)?.as_str()?, item)))
                    .collect();
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    let id = item.get(was).or_else(|| item.get(is));
                    let id = id.and_then(Value::as_str).map(str::to_owned);
                    let base = id.as_deref().and_then(|id| known.get(id).copied());
                    let name = id.clone().unwrap_or_else(|| index.to_string());
                    let mut at = at.child(&name, &name);
                    at.is_new |= id.is_none();
                    self.value((*old, *new), item, base, &at)
                });
                items.collect()
            }
            (_, _, value) => value,
        }
    }

    /// A place and the policy by whose rules a body speaks of it: the old one where the form differs.
    fn place(&self, node: Option<NodeId>) -> OpIndex<'_> {
        match node.and_then(|node| self.schema_map.converted(node)) {
            Some(old) => (&self.schema_map.old, Some(old)),
            None => (&self.schema_map.new, node),
        }
    }

    /// What two values for one place say together; nothing where both say something of their own.
    fn both(
        &self,
        (policy, node): OpIndex<'_>,
        one: &Value,
        other: &Value,
        base: Option<&Value>,
    ) -> Option<Value> {
        if same(one, other) || is_said((policy, node), one, base) {
            return Some(other.clone());
        }
        if is_said((policy, node), other, base) {
            return Some(one.clone());
        }
        let shape = node.map(|node| &policy.node(node).shape);
        let (Some(Shape::Object { .. }), Value::Object(one), Value::Object(other)) =
            (shape, one, other)
        else {
            return None;
        };
        let is_old = Arc::ptr_eq(policy, &self.schema_map.old);
        let mut both = one.clone();
        for (name, value) in other {
            let value = match one.get(name) {
                Some(one) => {
                    let child = node.and_then(|node| policy.child(node, name));
                    let place = match is_old {
                        true => (policy, child),
                        false => self.place(child),
                    };
                    let base = base.and_then(|base| base.get(name));
                    self.both(place, one, value, base)?
                }
                None => value.clone(),
            };
            both.insert(name.clone(), value);
        }
        Some(Value::Object(both))
    }
}

/// A place of a policy, where that has one.
pub(super) type OpIndex<'p> = (&'p Arc<Policy>, Option<NodeId>);

/// Whether a value says only what the base says. An item without an id is a new one, whatever it
/// holds.
pub(super) fn is_said((policy, node): OpIndex<'_>, value: &Value, base: Option<&Value>) -> bool {
    let Some(base) = base else {
        return value.is_null();
    };
    same(value, base)
        || match node {
            Some(node) => wanted(policy, node, Some(base), value, false)
                .is_some_and(|wanted| same(&wanted, base)),
            None => repeats_value(value, base, false),
        }
}
