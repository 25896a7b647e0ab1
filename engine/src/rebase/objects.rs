//! Where the objects are that operations work on, and which of them must be made again.
//!
//! Invariant: the name of an object in the report is the one that a violation at its place has.

use std::collections::HashMap;
use std::sync::Arc;

use automerge::legacy::{ObjectId, OpId};
use automerge::{
    Automerge, ChangeHash, ObjId, ObjType, Prop, ReadDoc, ScalarValue, Value as Stored,
};

use super::RebaseError;
use super::pending::Pending;
use super::present::object_id;
use super::schema_map::{Elements, Mapped, SchemaMap};
use crate::change::Op;
use crate::document::{POSITION, Reader};
use crate::entity::Entity;
use crate::merge::Version;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy};
use serde_json::Value;

/// An object of the pending changes that is carried over by values.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    /// The list or map that it is made in, which the server's state has.
    pub(super) holder: ObjId,
    pub(super) holder_place: Mapped,
    pub(super) name: String,
    /// The object in the pending changes.
    pub(super) old: OpId,
    /// What of it was carried already.
    pub(super) version: Option<Renamed>,
    /// Places inside it that a refusal names.
    pub(super) refused: Vec<Pointer>,
}

/// A version of an object under the names of the target's schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Renamed {
    pub(super) version: Version,
    /// What the target's schema has no place for.
    pub(super) removed: Vec<(Pointer, Value)>,
}

/// The objects that are met.
pub(super) struct Objects {
    /// The policy of the target.
    pub(super) policy: Arc<Policy>,
    pub(super) schema_map: SchemaMap,
    /// How the elements of sequences are called that have another name now, by their old ids.
    elements: HashMap<ObjectId, Option<Elements>>,
    /// Where objects are by the ids that the pending changes use.
    found: HashMap<OpId, Mapped>,
    /// The server's state with the pending changes as they were made.
    local: Option<Automerge>,
    pub(super) carried: Vec<Carried>,
}

impl Objects {
    pub(super) fn new(onto: &Entity, old_policy: &Arc<Policy>) -> Self {
        Self {
            policy: Arc::clone(onto.policy()),
            schema_map: SchemaMap::new(old_policy, onto.policy()),
            elements: HashMap::new(),
            found: HashMap::new(),
            local: None,
            carried: Vec::new(),
        }
    }

    /// Whether objects of the pending changes lack what the target's schema declares.
    pub(super) fn is_other_schema(&self) -> bool {
        self.schema_map.is_other_schema()
    }

    /// Notes the object that a pending operation makes, whatever becomes of it.
    pub(super) fn made(&mut self, id: OpId, mapped: Mapped) {
        self.found.insert(id, mapped);
    }

    /// Where an object is.
    pub(super) fn mapped(&mut self, doc: &Automerge, object: &ObjectId) -> Mapped {
        let ObjectId::Id(id) = object else {
            return self.schema_map.root();
        };
        if let Some(mapped) = self.found.get(id) {
            return mapped.clone();
        }
        let mut path: Vec<(String, ObjectId)> = Vec::new();
        let mut at = object.clone();
        for parent in doc.parents(object_id(object)).into_iter().flatten() {
            let holder = match &parent.obj {
                ObjId::Id(counter, actor, _) => ObjectId::Id(OpId::new(*counter, actor)),
                ObjId::Root => ObjectId::Root,
            };
            let name = match parent.prop {
                Prop::Map(name) => name,
                Prop::Seq(place) => place.to_string(),
            };
            path.push((name, std::mem::replace(&mut at, holder)));
        }
        path.reverse();
        let mapped = self.schema_map.find(doc, &path);
        self.found.insert(id.clone(), mapped.clone());
        mapped
    }

    /// The elements of the sequence that `old` is now, where it was made again.
    pub(super) fn elements(
        &mut self,
        doc: &Automerge,
        old: &ObjectId,
        new: &ObjectId,
    ) -> Option<&Elements> {
        let found = self.elements.entry(old.clone());
        found
            .or_insert_with(|| Elements::match_up(doc, old, new))
            .as_ref()
    }

    /// The server's state with the pending changes as they were made.
    fn local(&mut self, doc: &Automerge, pending: &Pending) -> Result<&Automerge, RebaseError> {
        if self.local.is_none() {
            let mut local = doc.clone();
            local
                .apply_changes(pending.changes.iter().map(|change| change.raw().clone()))
                .map_err(|error| RebaseError::Document(error.to_string()))?;
            self.local = Some(local);
        }
        self.local
            .as_ref()
            .ok_or_else(|| RebaseError::Document("there is no local state".to_owned()))
    }

    /// What a carried object was after a pending change; `None` where its place is none of the old
    /// schema's or none of the target's.
    pub(super) fn version(
        &mut self,
        carried: usize,
        doc: &Automerge,
        pending: &Pending,
        change: usize,
    ) -> Result<Option<Renamed>, RebaseError> {
        let Carried {
            holder_place, name, ..
        } = &self.carried[carried];
        let (old, new) = (&self.schema_map.old, &self.policy);
        let node = holder_place.old.and_then(|holder| old.child(holder, name));
        let place = holder_place.node.and_then(|holder| new.child(holder, name));
        let (Some(node), Some(place)) = (node, place) else {
            return Ok(None);
        };
        let (object, old) = (self.carried[carried].old.clone(), Arc::clone(old));
        let heads = [pending.changes[change].raw().hash()];
        let local = self.local(doc, pending)?;
        let mut version = version(local, &old, &heads, &object, node);
        let value = std::mem::take(&mut version.value);
        let (value, removed) = self.schema_map.rename((node, place), value);
        version.value = value;
        Ok(Some(Renamed { version, removed }))
    }
}

fn version(
    doc: &Automerge,
    policy: &Policy,
    heads: &[ChangeHash],
    object: &OpId,
    node: NodeId,
) -> Version {
    let reader = Reader::at(doc, policy, heads);
    let object = object_id(&ObjectId::Id(object.clone()));
    let position = match reader.get(&object, POSITION) {
        Some((Stored::Scalar(scalar), _)) => match scalar.as_ref() {
            ScalarValue::Str(text) => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    };
    Version {
        value: reader.object(&object, node),
        position,
        deleted: reader.is_deleted(&object),
    }
}

/// Whether an operation makes a map at a name of a map.
pub(super) fn makes_map(op: &Op) -> bool {
    matches!(op.action, automerge::legacy::OpType::Make(ObjType::Map)) && op.key.is_map_key()
}
