//! From the places of the policy that the changes were made under to those of the target's.
//!
//! A renamed field is another key, and what a container there held was made again when the entity
//! was taken over: each object is found under its new name, each element of a sequence by its place
//! among those that were there then. What is on neither policy's side goes as it is, to be judged.
//! Invariant: reads only; under one and the same policy everything stays where it is.

use std::collections::HashMap;
use std::sync::Arc;

use automerge::legacy::{ObjectId, OpId, OpType};
use automerge::{Automerge, ObjId, ObjType, ReadDoc, Value as Stored};

use super::present::object_id;
use crate::document::plain_value;
use crate::id::Hash;
use crate::merge::Earlier;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Origin, Policy, Shape, Succession};

/// Where something is that the changes name.
#[derive(Debug, Clone)]
pub(super) struct Mapped {
    /// By the names that the target's policy has for it; under those of the old where it has none.
    pub(super) pointer: Pointer,
    /// Its place in the target's schema, where it has one.
    pub(super) node: Option<NodeId>,
    /// Its place in the schema that the changes were made under.
    pub(super) old: Option<NodeId>,
    /// Of an object: what it is in the target. None where the target has no place for it.
    pub(super) object: Option<ObjectId>,
    /// The old schema has a place for it, and the target's has none that takes it.
    pub(super) is_removed: bool,
    /// It lies in a field that is stored in another form now.
    pub(super) conversion: Option<Conversion>,
}

/// A field that was renamed and is stored in another form.
#[derive(Debug, Clone)]
pub(super) struct Conversion {
    /// The object that the field belongs to: by the ids of the changes, and in the target.
    pub(super) old_holder: ObjectId,
    pub(super) holder: ObjectId,
    pub(super) holder_node: NodeId,
    pub(super) holder_at: Pointer,
    /// The field's names and its place in the old schema.
    pub(super) old_name: String,
    pub(super) name: String,
    pub(super) old: NodeId,
}

/// Where a value belongs that one policy has under a name.
pub(super) enum Step {
    To(String, Option<NodeId>),
    Removed,
}

/// The two policies and what leads from one to the other.
pub(crate) struct SchemaMap {
    /// The policy of the target.
    pub(super) new: Arc<Policy>,
    /// The policy that the changes were made under.
    pub(super) old: Arc<Policy>,
    /// Where each place of the old policy went. None: both are the same.
    targets: Option<HashMap<NodeId, NodeId>>,
    /// Where each place of the target's policy comes from.
    origins: HashMap<NodeId, NodeId>,
}

impl SchemaMap {
    pub(crate) fn new(old: &Arc<Policy>, new: &Arc<Policy>) -> Self {
        let mut origins = HashMap::new();
        let targets = (old.hash() != new.hash()).then(|| {
            let succession = Succession::new(old, new);
            let followed = new
                .nodes()
                .filter_map(|(id, _)| match succession.origin(id) {
                    Origin::Kept(source) | Origin::Renamed(source) => Some((id, source)),
                    Origin::New => None,
                });
            origins = followed.collect();
            origins.iter().map(|(id, source)| (*source, *id)).collect()
        });
        Self {
            new: Arc::clone(new),
            old: Arc::clone(old),
            targets,
            origins,
        }
    }

    /// Whether this leads from the policy with that hash.
    pub(crate) fn is_from(&self, policy: Hash) -> bool {
        self.old.hash() == policy
    }

    /// Whether an object at a place of the old policy is one that comes and goes.
    pub(crate) fn is_dynamic(&self, at: &Pointer) -> bool {
        let node = self.old.find(at);
        node.is_some_and(|node| self.old.is_dynamic(node))
    }

    /// The place of the old policy that a place of the target's comes from; none under one policy.
    pub(super) fn origin(&self, new: NodeId) -> Option<NodeId> {
        self.origins.get(&new).copied()
    }

    /// The old policy and the fields that had another form under it; none under one policy.
    pub(super) fn earlier(&self) -> Option<Earlier> {
        let converted = self.origins.keys().copied();
        let converted = converted.filter_map(|new| Some((new, self.converted(new)?)));
        let earlier = || Earlier::new(&self.old, converted.collect());
        self.is_other_schema().then(earlier)
    }

    /// The place of the old policy that a place of the target's comes from, where the form of the
    /// two differs.
    pub(super) fn converted(&self, new: NodeId) -> Option<NodeId> {
        self.origin(new).filter(|old| !self.is_alike(*old, new))
    }

    /// Whether objects of the pending changes may lack what the target's schema declares.
    pub(super) fn is_other_schema(&self) -> bool {
        self.targets.is_some()
    }

    pub(super) fn root(&self) -> Mapped {
        Mapped {
            pointer: Pointer::root(),
            node: Some(self.new.root()),
            old: Some(self.old.root()),
            object: Some(ObjectId::Root),
            is_removed: false,
            conversion: None,
        }
    }

    /// What lies at a name of an object, which the changes know as `holder`; its own `object` is not
    /// looked up.
    pub(super) fn child(&self, mapped: &Mapped, holder: &ObjectId, name: &str) -> Mapped {
        let old = mapped.old.and_then(|old| self.old.child(old, name));
        let step = match (mapped.is_removed, &mapped.conversion) {
            (true, _) => Step::Removed,
            // Inside, only the old schema has names.
            (_, Some(_)) => Step::To(name.to_owned(), None),
            _ => self.step((mapped.old, mapped.node), name),
        };
        let (new_name, node, is_removed) = match step {
            Step::To(name, node) => (name, node, false),
            Step::Removed => (name.to_owned(), None, true),
        };
        let conversion = match (&mapped.conversion, old, node, &mapped.object, mapped.node) {
            (Some(conversion), ..) => Some(conversion.clone()),
            (_, Some(old), Some(node), Some(object), Some(holder_node))
                if !name.starts_with('$') && !self.is_alike(old, node) =>
            {
                Some(Conversion {
                    old_holder: holder.clone(),
                    holder: object.clone(),
                    holder_node,
                    holder_at: mapped.pointer.clone(),
                    old_name: name.to_owned(),
                    name: new_name.clone(),
                    old,
                })
            }
            _ => None,
        };
        Mapped {
            pointer: mapped.pointer.child(new_name),
            node,
            old,
            object: None,
            is_removed,
            conversion,
        }
    }

    pub(super) fn step(&self, (old, new): (Option<NodeId>, Option<NodeId>), name: &str) -> Step {
        let as_it_is = || {
            let node = new.and_then(|new| self.new.child(new, name));
            Step::To(name.to_owned(), node)
        };
        let Some(targets) = &self.targets else {
            return as_it_is();
        };
        let Some(source) = old.and_then(|old| self.old.child(old, name)) else {
            return as_it_is();
        };
        // Reserved registers are no properties, whatever an open map takes.
        if name.starts_with('$') {
            return as_it_is();
        }
        let target = match self.old.is_additional(source) {
            true => new.and_then(|new| self.new.child(new, name)),
            false => targets.get(&source).copied(),
        };
        let Some(target) = target else {
            return Step::Removed;
        };
        match &self.new.node(target).name {
            NodeName::Property(name) => Step::To(name.clone(), Some(target)),
            _ => Step::To(name.to_owned(), Some(target)),
        }
    }

    /// Whether what lies at a place of the old policy is only ever written as a whole.
    pub(super) fn is_whole(&self, old: NodeId) -> bool {
        matches!(
            self.old.node(old).shape,
            Shape::Scalar(_) | Shape::Atomic(_)
        )
    }

    fn is_alike(&self, old: NodeId, new: NodeId) -> bool {
        let (old, new) = (&self.old.node(old).shape, &self.new.node(new).shape);
        std::mem::discriminant(old) == std::mem::discriminant(new)
    }

    /// Where an object of the document is. `path` holds the names on the way, from the root, each
    /// with the object there.
    pub(super) fn find(&self, doc: &Automerge, path: &[(String, ObjectId)]) -> Mapped {
        let mut mapped = self.root();
        let (mut moved, mut holder) = (false, &ObjectId::Root);
        for (name, object) in path {
            let mut next = self.child(&mapped, holder, name);
            let is = next.pointer.tokens().last();
            moved |= is != Some(name);
            holder = object;
            next.object = match (&mapped.object, is) {
                _ if next.is_removed || next.conversion.is_some() => None,
                _ if !moved => Some(object.clone()),
                (Some(holder), Some(is)) => same_sort(doc, holder, is, object),
                _ => None,
            };
            mapped = next;
        }
        mapped
    }
}

/// The object at a key, if it is of the same type as another.
fn same_sort(doc: &Automerge, holder: &ObjectId, name: &str, like: &ObjectId) -> Option<ObjectId> {
    let like = doc.object_type(object_id(like)).ok()?;
    match doc.get(object_id(holder), name).ok()?? {
        (Stored::Object(sort), ObjId::Id(counter, actor, _)) if sort == like => {
            Some(ObjectId::Id(OpId::new(counter, &actor)))
        }
        _ => None,
    }
}

/// The elements of a sequence that was made from another.
pub(super) struct Elements {
    /// Where each element of the other that is there still begins, in units.
    starts: Vec<usize>,
    /// The element that was made from each.
    made: Vec<OpId>,
}

impl Elements {
    /// None when `to` was not made from `from`.
    pub(super) fn match_up(doc: &Automerge, from: &ObjectId, to: &ObjectId) -> Option<Self> {
        let (from, ObjectId::Id(made)) = (object_id(from), to) else {
            return None;
        };
        let change = doc.get_change_by_hash(&doc.hash_for_opid(&object_id(to))?)?;
        let change = change.decode();
        let start = change.start_op.get();
        let inserted = change.operations.iter().enumerate();
        let inserted = inserted.filter(|(_, op)| op.insert && op.obj == *to);
        let (mut elements, mut values) = (Vec::new(), Vec::new());
        for (index, op) in inserted {
            let OpType::Put(value) = &op.action else {
                return None;
            };
            elements.push(OpId::new(start + index as u64, made.actor()));
            values.push(value.clone());
        }
        let mut starts = Vec::with_capacity(elements.len());
        let mut unit = 0;
        let is_text = doc.object_type(&from).ok()? == ObjType::Text;
        for value in &values {
            starts.push(unit);
            let (found, _) = doc.get(&from, unit).ok()??;
            if plain_value(found.as_scalar()?) != plain_value(value) {
                return None;
            }
            let units = |text: &str| text.encode_utf16().count();
            unit += match value {
                automerge::ScalarValue::Str(text) if is_text => units(text),
                _ => 1,
            };
        }
        (doc.length(&from) == unit).then_some(Self {
            starts,
            made: elements,
        })
    }

    /// The element that was made from the one at a place.
    pub(super) fn at(&self, unit: usize) -> Option<&OpId> {
        self.made.get(self.starts.binary_search(&unit).ok()?)
    }

    /// The element that was made from the last one before a place.
    pub(super) fn before(&self, unit: usize) -> Option<&OpId> {
        let before = self.starts.partition_point(|start| *start < unit);
        self.made.get(before.checked_sub(1)?)
    }
}
