//! What a schema would have said to an edit of the past.
//!
//! Judged are values, not operations: what the edit changed, as it would look under the schema.
//! Renamed fields are then looked at under their new names, and what the schema adds is in no author's
//! way. An operation that changed no value is not seen.
//!
//! Invariant: nothing is written, and the edit stays what it was.

use std::sync::Arc;

use serde_json::Value;

use super::{MigrationError, migrate, migrate_by};
use crate::admission::whole::introduced;
use crate::claims::{Claim, held_by};
use crate::effects::{Effect, EffectChange, effects};
use crate::entity::Entity;
use crate::ledger::{EntryKind, Presence};
use crate::pointer::Pointer;
use crate::policy::{
    Fault, NodeId, Permission, Policy, Rights, ScalarFault, Shape, Succession, refusal_text,
};
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::violation::{Rule, Violation};

/// An entity as it would have been under another schema, to judge the edit that comes next.
#[derive(Debug)]
pub struct Hindsight {
    policy: Arc<Policy>,
    entity: Entity,
    /// The same as it was.
    past: Entity,
}

impl Hindsight {
    /// Looks at `entity` as if it were under `policy`.
    ///
    /// # Errors
    /// [`MigrationError`] when it cannot be.
    pub fn new(entity: &Entity, policy: &Arc<Policy>) -> Result<Self, MigrationError> {
        Ok(Self {
            policy: Arc::clone(policy),
            entity: under(entity, policy)?,
            past: entity.clone(),
        })
    }

    /// Judges the entry of `author` that made the entity into `after`, and goes on from there. What
    /// only the system does is not judged.
    ///
    /// # Errors
    /// [`MigrationError`] when `after` cannot be under the policy; this stays where it was.
    pub fn judge(
        &mut self,
        after: &Entity,
        kind: EntryKind,
        author: &Principal,
    ) -> Result<Vec<Violation>, MigrationError> {
        let next = under(after, &self.policy)?;
        let creation = self.past.presence() == Presence::Unborn;
        let mut rights = self.policy.rights(author);
        let edits = rights.any();
        if creation || !edits {
            // Where the author may not edit at all, that is reported once.
            rights = self.policy.rights_at_creation(author);
        }
        let mut judge = Judge {
            policy: &self.policy,
            author,
            rights,
            creation,
            found: Vec::new(),
        };
        match kind {
            EntryKind::Changes => {
                match creation {
                    true => judge.permission((Permission::Create, "create")),
                    false if !edits => judge.permission((Permission::Edit, "edit")),
                    false => {}
                }
                judge.removed(&self.past, after);
                for effect in effects(&self.policy, self.entity.value(), next.value()) {
                    judge.effect(&effect);
                }
                for violation in introduced(self.entity.standing(), next.standing(), creation) {
                    judge.add(violation);
                }
            }
            EntryKind::Deleted => judge.permission((Permission::Delete, "delete")),
            EntryKind::Undeleted => judge.permission((Permission::Delete, "undelete")),
            EntryKind::Genesis | EntryKind::Epoch | EntryKind::Policy => {}
        }
        let found = judge.found;
        (self.entity, self.past) = (next, after.clone());
        Ok(found)
    }

    /// What the entity would claim at this point. Who had it first, only a caller that sees all
    /// entities knows.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        held_by(&self.entity)
    }
}

/// An entity under a policy. Values that it would drop stay, so that their authors are judged;
/// where they fit nowhere, they go.
fn under(entity: &Entity, policy: &Arc<Policy>) -> Result<Entity, MigrationError> {
    let succession = Succession::new(entity.policy(), policy);
    let step = match migrate_by(entity, policy, succession.keeping(), Timestamp(0)) {
        Err(MigrationError::Values(_)) => migrate(entity, policy, Timestamp(0))?,
        step => step?,
    };
    Ok(step.map_or_else(|| entity.clone(), |step| step.into_parts().0))
}

struct Judge<'a> {
    policy: &'a Policy,
    author: &'a Principal,
    rights: Rights<'a>,
    creation: bool,
    found: Vec<Violation>,
}

impl Judge<'_> {
    fn add(&mut self, violation: Violation) {
        let same =
            |other: &Violation| other.pointer == violation.pointer && other.rule == violation.rule;
        if !self.found.iter().any(same) {
            self.found.push(violation);
        }
    }

    fn refuse(&mut self, at: &Pointer, rule: Rule, message: &str, values: [Option<&Value>; 2]) {
        let [kept, attempted] = values.map(|value| value.cloned());
        self.add(Violation {
            change: 0,
            ops: Vec::new(),
            pointer: at.clone(),
            rule,
            attempted,
            kept,
            holder: None,
            bound: None,
            message: message.to_owned(),
        });
    }

    fn permission(&mut self, (permission, word): (Permission, &str)) {
        if !self.policy.may(self.author, permission) {
            let message = format!("{} may not {word} {}", self.author.id, self.policy.kind());
            self.refuse(&Pointer::root(), Rule::WRITE, &message, [None, None]);
        }
    }

    /// What was written at places that the schema does not have any more.
    fn removed(&mut self, before: &Entity, after: &Entity) {
        let old = after.policy();
        let succession = Succession::new(old, self.policy);
        for effect in effects(old, before.value(), after.value()) {
            let mut at = old.find(&effect.pointer);
            while let Some(id) = at {
                if succession.removed.contains(&id) && !old.node(id).shape.is_derived() {
                    let message = "the schema declares no such field";
                    self.refuse(&effect.pointer, Rule::UNKNOWN_FIELD, message, [None, None]);
                    break;
                }
                at = old.node(id).parent;
            }
        }
    }

    fn effect(&mut self, effect: &Effect) {
        let at = &effect.pointer;
        let Some(node) = self.policy.find(at) else {
            return;
        };
        let dynamic = self.policy.is_dynamic(node);
        match &effect.change {
            EffectChange::Put {
                from: None,
                to: Some(value),
                ..
            } if dynamic => {
                self.right(self.holder(node), self.creation, at, [None, None]);
                self.made(node, value, at);
            }
            EffectChange::Put {
                from: Some(_),
                to: None,
                ..
            } if dynamic => {
                if !self.rights.may_delete(node) {
                    let message = "deleting needs the right to write every field";
                    self.refuse(at, Rule::DELETE, message, [None, None]);
                }
            }
            EffectChange::Put { from, to, .. } => {
                let values = [from.as_ref(), to.as_ref()];
                if self.right(node, self.creation, at, values)
                    && let Some(value) = to
                {
                    self.value(node, value, at);
                }
            }
            EffectChange::Splice { inserted, .. } => {
                self.right(node, self.creation, at, [None, None]);
                if let (Shape::List { element }, Value::Array(inserted)) =
                    (&self.policy.node(node).shape, inserted)
                {
                    for value in inserted {
                        self.value(*element, value, at);
                    }
                }
            }
            EffectChange::Move { .. } => {
                self.right(self.holder(node), self.creation, at, [None, None]);
            }
        }
    }

    /// The list or map that an item lies in.
    fn holder(&self, item: NodeId) -> NodeId {
        self.policy.node(item).parent.unwrap_or(item)
    }

    /// Whether the author may write; reports it if not.
    fn right(
        &mut self,
        node: NodeId,
        fresh: bool,
        at: &Pointer,
        values: [Option<&Value>; 2],
    ) -> bool {
        let rule = self.rights.denied(node, fresh);
        if let Some(rule) = rule {
            let message = refusal_text(&rule);
            self.refuse(at, rule, message, values);
            return false;
        }
        true
    }

    /// A new object: what its maker may not write holds its default or nothing.
    fn made(&mut self, node: NodeId, value: &Value, at: &Pointer) {
        let policy = self.policy;
        self.right(node, true, at, [None, None]);
        for (name, value) in value.as_object().into_iter().flatten() {
            let Some(child) = policy.child(node, name) else {
                continue;
            };
            let at = at.child(name);
            let node = policy.node(child);
            match &node.shape {
                Shape::Object { .. } => self.made(child, value, &at),
                Shape::Keyed { item, key } => {
                    for one in value.as_array().into_iter().flatten() {
                        let id = one.get(key).and_then(Value::as_str).unwrap_or_default();
                        self.made(*item, one, &at.child(id));
                    }
                }
                _ if node.default.as_ref() == Some(value) => {}
                Shape::Counter(_) if node.default.is_none() && value == 0 => {}
                Shape::List { element } => {
                    self.right(child, true, &at, [None, Some(value)]);
                    for one in value.as_array().into_iter().flatten() {
                        self.value(*element, one, &at);
                    }
                }
                _ => {
                    self.right(child, true, &at, [None, Some(value)]);
                    self.value(child, value, &at);
                }
            }
        }
    }

    /// The constraints on one value.
    fn value(&mut self, node: NodeId, value: &Value, at: &Pointer) {
        let checked: Result<(), ScalarFault> = match &self.policy.node(node).shape {
            Shape::Scalar(rule) | Shape::Counter(rule) => rule.check(value),
            Shape::Atomic(rule) => rule.check(value),
            _ => Ok(()),
        };
        if let Err(fault) = checked {
            let Fault {
                keyword, message, ..
            } = fault.at(at.clone());
            self.refuse(at, Rule::keyword(&keyword), &message, [None, Some(value)]);
        }
    }
}
