//! Where the objects are that operations work on, and which of them must be made anew.
//!
//! Invariant: the name of an object in the report is the one that a violation at its place has.
//! Must never know: what becomes of an operation.

use std::collections::HashMap;
use std::sync::Arc;

use automerge::legacy::{ObjectId, OpId};
use automerge::{
    Automerge, ChangeHash, ObjId, ObjType, Prop, ReadDoc, ScalarValue, Value as Stored,
};

use super::RebaseError;
use super::pending::Pending;
use super::present::object_id;
use crate::change::Op;
use crate::document::{POSITION, Reader};
use crate::entity::Entity;
use crate::merge::Version;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy};

/// An object's name, and its place in the schema where there is one.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) pointer: Pointer,
    pub(super) node: Option<NodeId>,
}

impl Spot {
    pub(super) fn child(&self, policy: &Policy, name: &str) -> Self {
        Self {
            pointer: self.pointer.child(name),
            node: self.node.and_then(|node| policy.child(node, name)),
        }
    }
}

/// An object of the pending changes that is carried over by values.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    /// The list or map that it is made in, which the server's state has.
    pub(super) holder: ObjId,
    pub(super) holder_spot: Spot,
    pub(super) name: String,
    /// The object in the pending changes.
    pub(super) old: OpId,
    /// What of it was carried already.
    pub(super) version: Option<Version>,
    /// Places inside it that a refusal names.
    pub(super) refused: Vec<Pointer>,
}

/// The objects that are met.
pub(super) struct Objects {
    /// The policy of the ground.
    pub(super) policy: Arc<Policy>,
    /// The policy that the changes were made under.
    old_policy: Arc<Policy>,
    /// Spots by the ids that the pending changes use.
    spots: HashMap<OpId, Spot>,
    /// The server's state with the pending changes as they were made.
    local: Option<Automerge>,
    pub(super) carried: Vec<Carried>,
}

impl Objects {
    pub(super) fn new(onto: &Entity, old_policy: &Arc<Policy>) -> Self {
        Self {
            policy: Arc::clone(&onto.policy),
            old_policy: Arc::clone(old_policy),
            spots: HashMap::new(),
            local: None,
            carried: Vec::new(),
        }
    }

    /// Whether objects of the pending changes lack what the ground's schema declares.
    pub(super) fn is_other_schema(&self) -> bool {
        self.policy.hash() != self.old_policy.hash()
    }

    /// Notes the object that a pending operation makes, whatever becomes of it.
    pub(super) fn made(&mut self, id: OpId, spot: Spot) {
        self.spots.insert(id, spot);
    }

    /// Where an object is.
    pub(super) fn spot(&mut self, doc: &Automerge, object: &ObjectId) -> Spot {
        let ObjectId::Id(id) = object else {
            return Spot {
                pointer: Pointer::root(),
                node: Some(self.policy.root()),
            };
        };
        if let Some(spot) = self.spots.get(id) {
            return spot.clone();
        }
        let mut names: Vec<String> = Vec::new();
        for parent in doc.parents(object_id(object)).into_iter().flatten() {
            match parent.prop {
                Prop::Map(name) => names.push(name),
                Prop::Seq(place) => names.push(place.to_string()),
            }
        }
        let spot = Spot {
            pointer: names
                .iter()
                .rev()
                .collect::<Vec<_>>()
                .into_iter()
                .cloned()
                .collect(),
            node: names
                .iter()
                .rev()
                .try_fold(self.policy.root(), |node, name| {
                    self.policy.child(node, name)
                }),
        };
        self.spots.insert(id.clone(), spot.clone());
        spot
    }

    /// What a carried object was after a pending change; `None` where its place is none of the old
    /// schema's.
    pub(super) fn version(
        &mut self,
        carried: usize,
        doc: &Automerge,
        pending: &Pending,
        change: usize,
    ) -> Result<Option<Version>, RebaseError> {
        if self.local.is_none() {
            let mut local = doc.clone();
            local
                .apply_changes(pending.changes.iter().map(|change| change.raw().clone()))
                .map_err(|error| RebaseError::Document(error.to_string()))?;
            self.local = Some(local);
        }
        let carried = &self.carried[carried];
        let policy = &self.old_policy;
        let path = carried.holder_spot.pointer.child(&carried.name);
        let node = path
            .tokens()
            .iter()
            .try_fold(policy.root(), |node, name| policy.child(node, name));
        let (Some(local), Some(node)) = (&self.local, node) else {
            return Ok(None);
        };
        let heads = [pending.changes[change].raw().hash()];
        Ok(Some(version(local, policy, &heads, &carried.old, node)))
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
