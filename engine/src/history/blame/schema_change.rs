//! Carries credits across a change of the schema.
//!
//! Moving a value to another name or into another form does not write it: only what the new schema
//! itself brought is credited to the change.

use std::collections::{BTreeMap, HashSet};
use std::mem::discriminant;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{By, Node};
use crate::history::record::Record;
use crate::history::state::PastError;
use crate::id::LogPlace;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Origin, Policy, PolicySource, Shape, Succession};

type Fields = BTreeMap<String, Node>;

/// A change of the schema, and the entry that made it.
#[derive(Debug)]
pub(in crate::history) struct SchemaChange {
    pub(super) by: By,
    old: Arc<Policy>,
    new: Arc<Policy>,
    succession: Succession,
}

/// A place before and after.
type Places = (NodeId, NodeId);

/// A value under the names of a later schema.
#[derive(Debug)]
pub(in crate::history) struct Renamed {
    /// The value.
    pub(in crate::history) value: Map<String, Value>,
    /// The outermost places with a new name, and their former names.
    pub(in crate::history) names: Vec<(Pointer, Pointer)>,
}

/// The way to a place while names are followed.
#[derive(Debug, Default)]
struct Way {
    now: Vec<String>,
    was: Vec<String>,
    is_renamed: bool,
    names: Vec<(Pointer, Pointer)>,
}

impl Way {
    fn step<T>(&mut self, (now, was): (&str, &str), inside: impl FnOnce(&mut Self) -> T) -> T {
        self.now.push(now.to_owned());
        self.was.push(was.to_owned());
        let is_outermost = now != was && !self.is_renamed;
        if is_outermost {
            let place = |tokens: &[String]| tokens.iter().cloned().collect();
            self.names.push((place(&self.now), place(&self.was)));
            self.is_renamed = true;
        }
        let value = inside(self);
        self.is_renamed &= !is_outermost;
        self.now.pop();
        self.was.pop();
        value
    }
}

impl SchemaChange {
    pub(in crate::history) fn new(by: By, old: &Arc<Policy>, new: &Arc<Policy>) -> Self {
        Self {
            by,
            old: Arc::clone(old),
            new: Arc::clone(new),
            succession: Succession::new(old, new),
        }
    }

    /// Whether any place was renamed.
    pub(super) fn renames(&self) -> bool {
        let mut nodes = self.new.nodes();
        nodes.any(|(id, _)| matches!(self.succession.origin(id), Origin::Renamed(_)))
    }

    /// Where something was before, as far as it existed: what is in a field that was stored in another
    /// form was all of that field.
    pub(in crate::history) fn before(&self, pointer: &Pointer) -> Option<Pointer> {
        let mut places = (NodeId::ROOT, NodeId::ROOT);
        let mut before = Pointer::root();
        for token in pointer.tokens() {
            let (was, next) = self.former(places, token)?;
            before.push(was.to_owned());
            places = next;
            if !self.is_alike(places) {
                break;
            }
        }
        Some(before)
    }

    /// What something is called afterwards, as far as it still has a place of its own.
    pub(super) fn after(&self, pointer: &Pointer) -> Option<Pointer> {
        let mut places = (NodeId::ROOT, NodeId::ROOT);
        let mut after = Pointer::root();
        for token in pointer.tokens() {
            if token.starts_with('$') {
                after.push(token.clone());
                continue;
            }
            let own = std::iter::once(token.as_str());
            let names: Vec<&str> = match &self.new.node(places.1).shape {
                Shape::Object { properties, .. } => {
                    own.chain(properties.keys().map(String::as_str)).collect()
                }
                _ => own.collect(),
            };
            let mut found = names.into_iter().filter_map(|name| {
                let (was, next) = self.former(places, name)?;
                (was == token).then_some((name, next))
            });
            let (name, next) = found.next()?;
            after.push(name.to_owned());
            places = next;
        }
        Some(after)
    }

    /// Puts the credits of `before` where the effects of the change have left its own in `after`,
    /// and takes out what the new schema has no place for.
    pub(super) fn carry(&self, before: &Fields, after: &mut Fields) {
        self.fields((NodeId::ROOT, NodeId::ROOT), before, after, false);
    }

    fn fields(&self, places: Places, before: &Fields, after: &mut Fields, moved: bool) {
        // If the property of their ids was renamed, all items are made again.
        let moved = moved || self.key(places.0, &self.old) != self.key(places.1, &self.new);
        after.retain(|name, _| self.new.child(places.1, name).is_some());
        for (name, node) in after {
            let Some((was, places)) = self.former(places, name) else {
                continue;
            };
            if self.succession.is_dropped(places.1) && !matches!(node, Node::Object(_)) {
                continue;
            }
            let Some(held) = before.get(was) else {
                continue;
            };
            let moved = moved || was != name;
            match (node, held) {
                (Node::Object(after), Node::Object(before)) => {
                    self.fields(places, before, after, moved);
                }
                (Node::Made(by, after), Node::Made(maker, before)) => {
                    if moved {
                        *by = *maker;
                    }
                    self.fields(places, before, after, moved);
                }
                (Node::Sequence(by, runs), Node::Sequence(latest, written)) if moved => {
                    *by = *latest;
                    if runs.length() == written.length() {
                        *runs = written.clone();
                    }
                }
                (node, held) if moved => node.credit(held.latest()),
                _ => {}
            }
        }
    }

    fn key<'p>(&self, id: NodeId, policy: &'p Policy) -> Option<&'p str> {
        match &policy.node(id).shape {
            Shape::Keyed { key, .. } => Some(key),
            _ => None,
        }
    }

    /// The former name of a name in a place of the new schema.
    fn former<'n>(&'n self, (old, new): Places, name: &'n str) -> Option<(&'n str, Places)> {
        let target = self.new.child(new, name)?;
        let source = match self.succession.origin(target) {
            Origin::Kept(source) | Origin::Renamed(source) => source,
            // A key of an open map may have become a property.
            Origin::New => {
                let open = self.old.child(old, name);
                open.filter(|id| self.old.is_additional(*id))?
            }
        };
        let was = match &self.old.node(source).name {
            NodeName::Property(was) => was,
            _ => name,
        };
        (self.old.child(old, was) == Some(source)).then_some((was, (source, target)))
    }

    /// A value of the old schema under the names of the new one, all else as it is. Where a name
    /// that is gone stands beside a field that has it now, that object stays as it was.
    pub(in crate::history) fn renamed(&self, before: &Map<String, Value>) -> Renamed {
        let mut way = Way::default();
        let places = (NodeId::ROOT, NodeId::ROOT);
        let value = self.object(places, before, &mut way);
        Renamed {
            value,
            names: way.names,
        }
    }

    fn object(
        &self,
        places: Places,
        before: &Map<String, Value>,
        way: &mut Way,
    ) -> Map<String, Value> {
        let known = match &self.new.node(places.1).shape {
            Shape::Object { properties, .. } => properties.keys().collect(),
            _ => Vec::new(),
        };
        let open = before.keys().filter(|name| !known.contains(name));
        let names = known.iter().copied().chain(open);
        let names: Vec<_> = names
            .filter_map(|name| {
                let (was, next) = self.former(places, name)?;
                Some((name, was, next, before.get(was)?))
            })
            .collect();
        let taken: HashSet<&str> = names.iter().map(|(_, was, ..)| *was).collect();
        let mut value: Map<String, Value> = before
            .iter()
            .filter(|(name, _)| !taken.contains(name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if names.iter().any(|(name, ..)| value.contains_key(*name)) {
            return before.clone();
        }
        for (name, was, next, held) in names {
            let held = way.step((name, was), |way| self.value(next, held, way));
            value.insert(name.clone(), held);
        }
        value
    }

    fn value(&self, places: Places, before: &Value, way: &mut Way) -> Value {
        let keys = (self.key(places.0, &self.old), self.key(places.1, &self.new));
        match (before, keys) {
            (Value::Object(fields), (None, None)) if self.is_alike(places) => {
                Value::Object(self.object(places, fields, way))
            }
            (Value::Array(items), (Some(old), Some(new))) => items
                .iter()
                .map(|item| self.item(places, item, (old, new), way))
                .collect(),
            _ => before.clone(),
        }
    }

    fn item(&self, places: Places, item: &Value, keys: (&str, &str), way: &mut Way) -> Value {
        let Value::Object(fields) = item else {
            return item.clone();
        };
        let id = fields.get(keys.0).and_then(Value::as_str);
        let Some((id, (_, inner))) = id.and_then(|id| Some((id, self.former(places, id)?))) else {
            return item.clone();
        };
        let mut value = way.step((id, id), |way| self.object(inner, fields, way));
        if keys.0 != keys.1
            && let Some(id) = value.remove(keys.0)
        {
            value.insert(keys.1.to_owned(), id);
        }
        Value::Object(value)
    }

    fn is_alike(&self, (old, new): Places) -> bool {
        discriminant(&self.old.node(old).shape) == discriminant(&self.new.node(new).shape)
    }
}

/// The names that a place had before those that the schemas of `records`, which are the beginning of
/// a log, gave it: the last one first, each with the entry that took it to the next name.
///
/// # Errors
/// [`PastError::Policy`] when a record names a policy that is not known.
pub fn former_names<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    policies: &dyn PolicySource,
    pointer: &Pointer,
) -> Result<Vec<(LogPlace, Pointer)>, PastError> {
    let mut names: Vec<(LogPlace, Pointer)> = Vec::new();
    for (place, schema_change) in schema_changes(records, policies)?.into_iter().rev() {
        let later = names.last().map_or(pointer, |(_, name)| name);
        if names.is_empty() && schema_change.new.find(later).is_none() {
            // A name that was given up before.
            continue;
        }
        match schema_change.before(later) {
            Some(before) if before != *later => names.push((place, before)),
            Some(_) => {}
            None => break,
        }
    }
    Ok(names)
}

/// What became of a place that a new schema does not declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// It was renamed.
    Named(Pointer),
    /// It is a part of this field now, which is replaced as one.
    Within(Pointer),
    /// The schema removed it.
    Gone,
}

/// What became of a place that `records`, which are the beginning of a log, renamed or removed, with
/// the last entry that did so. Changes of the schema that keep its name do not count.
///
/// # Errors
/// [`PastError::Policy`] when a record names a policy that is not known.
pub fn later_name<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    policies: &dyn PolicySource,
    pointer: &Pointer,
) -> Result<Option<(LogPlace, Later)>, PastError> {
    let mut later: Option<(LogPlace, Later)> = None;
    let mut name = pointer.clone();
    for (place, schema_change) in schema_changes(records, policies)? {
        if schema_change.old.find(&name).is_none() {
            continue;
        }
        let next = schema_change.after(&name);
        let next = next.filter(|next| schema_change.new.find(next).is_some());
        if next.as_ref() == Some(&name) {
            continue;
        }
        if let Some(next) = next {
            name = next.clone();
            later = Some((place, Later::Named(next)));
            continue;
        }
        // What it lay in may have become one value.
        let around = std::iter::successors(name.parent(), Pointer::parent);
        let around = around.take_while(|at| !at.is_root());
        let mut around = around.filter_map(|at| schema_change.after(&at));
        let whole = around.next().filter(|at| {
            let node = schema_change.new.find(at);
            node.is_some_and(|node| !schema_change.new.node(node).shape.is_container())
        });
        match whole {
            Some(whole) => {
                later = Some((place, Later::Within(whole.clone())));
                name = whole;
            }
            None => return Ok(Some((place, Later::Gone))),
        }
    }
    Ok(later)
}

/// The changes of the schema in the beginning of a log.
fn schema_changes<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    policies: &dyn PolicySource,
) -> Result<Vec<(LogPlace, SchemaChange)>, PastError> {
    let mut policy: Option<Arc<Policy>> = None;
    let mut schema_changes = Vec::new();
    for record in records {
        let former = policy.take_if(|held| held.hash() != record.header.policy_hash);
        if policy.is_none() {
            let found = policies.policy(record.header.policy_hash);
            let place = record.place();
            let found = found.ok_or(PastError::Policy {
                place,
                policy: record.header.policy_hash,
            })?;
            if let Some(former) = former {
                schema_changes.push((place, SchemaChange::new(0, &former, &found)));
            }
            policy = Some(found);
        }
    }
    Ok(schema_changes)
}

impl Node {
    /// The last entry that had a part in it.
    fn latest(&self) -> By {
        let inner = |fields: &Fields| fields.values().map(Self::latest).max();
        match self {
            Self::Leaf(by) | Self::Sequence(by, _) => *by,
            Self::Made(by, fields) => inner(fields).map_or(*by, |inner| inner.max(*by)),
            Self::Object(fields) => inner(fields).unwrap_or(0),
        }
    }

    /// Credits all of it to one entry.
    fn credit(&mut self, to: By) {
        match self {
            Self::Leaf(by) => *by = to,
            Self::Sequence(by, runs) => {
                *by = to;
                *runs = super::Runs::of(runs.length(), to);
            }
            Self::Made(by, fields) => {
                *by = to;
                fields.values_mut().for_each(|node| node.credit(to));
            }
            Self::Object(fields) => fields.values_mut().for_each(|node| node.credit(to)),
        }
    }
}
