//! What one principal may do with entities of a kind, and how to say that they may not.
//!
//! Permissions, write rules and read rules are compared with a principal's roles here and nowhere
//! else.

use serde_json::{Map, Value};

use super::{Node, NodeId, Permission, Policy, ReadRule, Shape, WriteRule};
use crate::pointer::Pointer;
use crate::principal::Principal;
use crate::violation::Rule;

/// What a principal may write in one entity: in one that exists, or in one that they create.
#[derive(Debug, Clone, Copy)]
pub struct Rights<'a> {
    policy: &'a Policy,
    principal: &'a Principal,
    /// Whether they may write fields that carry no rule of their own.
    edits: bool,
    /// Whether they may write fields that only the system writes.
    serves: bool,
}

impl Policy {
    /// Whether the principal has a permission: `edit` implies `read`; `restore` implies `edit` and
    /// `history`; the system may do everything.
    pub fn may(&self, principal: &Principal, permission: Permission) -> bool {
        let given = self.permissions();
        let may_edit = || principal.has_any(&given.edit) || principal.has_any(&given.restore);
        principal.is_system()
            || match permission {
                Permission::Read => principal.has_any(&given.read) || may_edit(),
                Permission::Create => principal.has_any(&given.create),
                Permission::Edit => may_edit(),
                Permission::Delete => principal.has_any(&given.delete),
                Permission::History => {
                    principal.has_any(&given.history) || principal.has_any(&given.restore)
                }
                Permission::Restore => principal.has_any(&given.restore),
                Permission::System => principal.has_any(&given.system),
            }
    }

    /// Whether the principal may read the kind and every field of it.
    pub fn readable(&self, principal: &Principal) -> bool {
        let may_read_all =
            principal.is_system() || self.reads.iter().all(|roles| principal.has_any(roles));
        self.may(principal, Permission::Read) && may_read_all
    }

    /// Whether the principal may read the kind and this node of it.
    pub(crate) fn may_read(&self, principal: &Principal, node: &Node) -> bool {
        let may_read_node = match &node.read {
            ReadRule::Kind => true,
            ReadRule::Roles(roles) => principal.is_system() || principal.has_any(roles),
        };
        self.may(principal, Permission::Read) && may_read_node
    }

    /// Whether the principal may have a replica: see history and read every field.
    pub fn replica_mode(&self, principal: &Principal) -> bool {
        self.may(principal, Permission::History) && self.readable(principal)
    }

    /// What the principal may write in an entity that exists: with `edit` all but the system's
    /// fields, with `system` those and nothing else.
    pub fn rights<'a>(&'a self, principal: &'a Principal) -> Rights<'a> {
        self.rights_of(principal, self.may(principal, Permission::Edit))
    }

    /// What the principal, who may create, may write in an entity that comes into being.
    pub fn rights_at_creation<'a>(&'a self, principal: &'a Principal) -> Rights<'a> {
        self.rights_of(principal, true)
    }

    fn rights_of<'a>(&'a self, principal: &'a Principal, edits: bool) -> Rights<'a> {
        Rights {
            policy: self,
            principal,
            edits,
            serves: self.may(principal, Permission::System),
        }
    }
}

impl Rights<'_> {
    /// Whether they may write anything at all.
    #[must_use]
    pub fn any(&self) -> bool {
        self.edits || self.serves
    }

    /// The rule that keeps them from writing at a node, if any. `fresh`: whether the object that
    /// the node belongs to is only being made.
    pub(crate) fn denied(&self, node: NodeId, fresh: bool) -> Option<Rule> {
        match &self.policy.node(node).write {
            WriteRule::System => (!self.serves).then_some(Rule::SYSTEM),
            _ if !self.edits => Some(Rule::WRITE),
            WriteRule::Edit => None,
            WriteRule::Create => (!fresh).then_some(Rule::CREATE),
            WriteRule::Roles(roles) => {
                let named = self.principal.is_system() || self.principal.has_any(roles);
                (!named).then_some(Rule::WRITE)
            }
        }
    }

    /// Whether they may write here although they may not read the kind: a service that is only
    /// given `system`.
    pub(crate) fn is_blind(&self) -> bool {
        self.serves && !self.policy.readable(self.principal)
    }

    /// The places of a body that somebody who may not read may not name: all but the system's
    /// fields. They are found without a look at what the entity holds, so that nothing of that
    /// can be learnt from them.
    pub(crate) fn barred(&self, body: &Map<String, Value>) -> Vec<Pointer> {
        let mut barred = Vec::new();
        self.bar(NodeId::ROOT, body, &Pointer::root(), &mut barred);
        barred
    }

    /// Of places to be removed, those that somebody who may not read may not name.
    pub(crate) fn barred_from_removing(&self, places: &[Pointer]) -> Vec<Pointer> {
        let is_systems = |at: &&Pointer| {
            let node = self.policy.find(at).map(|id| self.policy.node(id));
            node.is_some_and(|node| !node.shape.is_derived() && node.write == WriteRule::System)
        };
        let barred = places.iter().filter(|at| !is_systems(at));
        barred.cloned().collect()
    }

    fn bar(
        &self,
        node: NodeId,
        body: &Map<String, Value>,
        at: &Pointer,
        barred: &mut Vec<Pointer>,
    ) {
        for (name, value) in body {
            // Fields that the schema does not declare are refused as such.
            let Some(child) = self.policy.child(node, name) else {
                continue;
            };
            let at = at.child(name);
            match (&self.policy.node(child).shape, value) {
                // Nobody writes these; whether a body names the present one is for readers.
                (shape, _) if shape.is_derived() => barred.push(at),
                _ if self.policy.node(child).write == WriteRule::System => {}
                (Shape::Object { .. }, Value::Object(fields)) if !self.policy.is_dynamic(child) => {
                    self.bar(child, fields, &at, barred);
                }
                _ => barred.push(at),
            }
        }
    }

    /// Whether they may write at a node, `create` counting as `edit`. Stamps and tallies are
    /// written by nobody, since nothing is stored for them.
    #[must_use]
    pub fn may_write(&self, node: NodeId) -> bool {
        !self.policy.node(node).shape.is_derived() && self.denied(node, true).is_none()
    }

    /// Whether they may delete and undelete the object at a node: an item of a keyed list or a
    /// value of an open map. That takes the right to write every field in it, `create` counting as
    /// `edit`; or `edit` and a role that the object's `delete` names.
    #[must_use]
    pub fn may_delete(&self, node: NodeId) -> bool {
        let shape = &self.policy.node(node).shape;
        if let Shape::Object {
            delete: Some(roles),
            ..
        } = shape
            && self.edits
            && self.principal.has_any(roles)
        {
            return true;
        }
        (shape.is_derived() || self.may_write(node))
            && match shape {
                Shape::Object {
                    properties,
                    additional,
                    ..
                } => properties
                    .values()
                    .chain(additional)
                    .all(|child| self.may_delete(*child)),
                Shape::Keyed { item, .. } => self.may_delete(*item),
                Shape::List { element } => self.may_delete(*element),
                _ => true,
            }
    }
}

/// Why a value may not be written, for people.
pub(crate) fn refusal_text(rule: &Rule) -> &'static str {
    if *rule == Rule::CREATE {
        "the field is written once, when it is created"
    } else if *rule == Rule::SYSTEM {
        "the field is written by the system only"
    } else if *rule == Rule::STAMP {
        "the field is derived from the ledger"
    } else if *rule == Rule::TALLY {
        "the field lives beside the document"
    } else {
        "the field may not be written by your roles"
    }
}
