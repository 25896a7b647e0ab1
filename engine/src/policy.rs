//! What a schema compiles to: for one kind, who may do what, and a tree of nodes that says for
//! every place in an entity how it is stored, what it may hold, and who may write and read it.
//!
//! A policy never changes. It does not know how schemas are compiled: `schema` makes it.

mod bounds;
pub(crate) mod constraint;
mod fault;
mod format;
pub(crate) mod long_strings;
mod node;
pub(crate) mod pattern;
mod places;
mod presented;
#[cfg(feature = "whole-entity")]
pub(crate) mod quantity;
mod rights;
mod rules;
mod scalar;
mod source;
mod succession;
#[cfg(feature = "whole-entity")]
pub(crate) mod validator;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

#[cfg(feature = "whole-entity")]
use self::validator::Validator;
pub use bounds::ELEMENTS_MAX;
pub(crate) use constraint::{Constraint, Pattern};
pub(crate) use fault::Known;
#[cfg(feature = "whole-entity")]
pub(crate) use fault::Mark;
pub use fault::{Fault, ScalarFault};
pub use format::Format;
pub(crate) use long_strings::LongStrings;
pub use node::{Node, NodeId, NodeName, ReadRule, Roles, Shape, StampKind, WriteRule};
pub use presented::{Presented, item_index};
pub use rights::Rights;
pub(crate) use rights::refusal_text;
pub use rules::Rules;
pub(crate) use scalar::pattern_too_long;
pub use scalar::{AtomicRule, NESTING_MAX, PATTERN_LENGTH_MAX, ScalarRule, Types};
pub use source::{PolicyBook, PolicySource};
pub(crate) use succession::{Origin, Succession};
pub(crate) use whole::{item_token, wrong_type};

use crate::id::{Hash, Kind};
use crate::pointer::Pointer;

/// Something that the root of a schema permits to roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// See the present values.
    Read,
    /// Make new entities.
    Create,
    /// Change entities.
    Edit,
    /// Delete and undelete entities.
    Delete,
    /// See past values and who changed what.
    History,
    /// Bring past values back.
    Restore,
    /// Write the fields that only the system writes.
    System,
}

/// The roles that have each permission, as the schema states them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Roles that may read.
    pub read: Roles,
    /// Roles that may create.
    pub create: Roles,
    /// Roles that may edit, and therefore read.
    pub edit: Roles,
    /// Roles that may delete and undelete.
    pub delete: Roles,
    /// Roles that may see history.
    pub history: Roles,
    /// Roles that may restore, and therefore edit and see history.
    pub restore: Roles,
    /// Roles that may write the fields that only the system writes, and no others.
    pub system: Roles,
}

/// Everything that compiling a schema found out.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) rules: Rules,
    pub(crate) kind: Kind,
    pub(crate) singleton: bool,
    pub(crate) schema: Value,
    pub(crate) permissions: Permissions,
    pub(crate) nodes: Vec<Node>,
    /// A JSON Schema with only what cannot be judged on one scalar; none when there is nothing.
    pub(crate) whole: Option<Value>,
    /// The same as it is judged: with marks that keep generated ids out.
    #[cfg(feature = "whole-entity")]
    pub(crate) judged: Option<Value>,
    pub(crate) long_strings: Option<LongStrings>,
}

/// What one kind's schema compiles to.
#[derive(Debug)]
pub struct Policy {
    rules: Rules,
    kind: Kind,
    singleton: bool,
    hash: Hash,
    schema: Value,
    permissions: Permissions,
    nodes: Vec<Node>,
    /// The distinct read rules of the nodes that have one of their own.
    reads: Vec<Roles>,
    /// Whether a value can be faulty although each of its scalars is good.
    has_whole_constraints: bool,
    /// What is judged on whole values, as a JSON Schema.
    merged: Option<Value>,
    #[cfg(feature = "whole-entity")]
    validator: Option<Validator>,
    /// The default bound on strings that patterns are matched against; `None` without such patterns.
    long_strings: Option<LongStrings>,
}

impl Policy {
    /// Fails, with the reason, where the constraints on the whole cannot be evaluated.
    pub(crate) fn new(parts: Parts) -> Result<Self, String> {
        let mut reads: Vec<Roles> = Vec::new();
        for node in &parts.nodes {
            if let ReadRule::Roles(roles) = &node.read
                && !reads.contains(roles)
            {
                reads.push(roles.clone());
            }
        }
        let has_merged_rules = parts.nodes.iter().any(|node| match &node.shape {
            Shape::Text(rule) | Shape::Counter(rule) => rule.has_constraints(),
            _ => false,
        });
        Ok(Self {
            hash: Hash::of(&[record(parts.rules, &parts.schema).as_bytes()]),
            rules: parts.rules,
            has_whole_constraints: has_merged_rules || parts.whole.is_some(),
            #[cfg(feature = "whole-entity")]
            validator: match &parts.judged {
                Some(schema) => Some(Validator::new(parts.rules, schema)?),
                None => None,
            },
            merged: parts.whole,
            long_strings: parts.long_strings,
            kind: parts.kind,
            singleton: parts.singleton,
            schema: parts.schema,
            permissions: parts.permissions,
            nodes: parts.nodes,
            reads,
        })
    }

    /// The kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether there is exactly one entity of the kind.
    pub fn is_singleton(&self) -> bool {
        self.singleton
    }

    /// SHA-256 over the [record](Self::record).
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The rules that the schema was compiled under.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// What is kept of the policy, and what `schema::compile_record` compiles again: canonical JSON
    /// (RFC 8785) of `{"rules": N, "schema": …}`, or of the schema alone under [`Rules::V1`].
    pub fn record(&self) -> String {
        record(self.rules, &self.schema)
    }

    /// The schema as it was read.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The part of the schema that is judged on merged values, as a JSON Schema of its own.
    pub(crate) fn merged_rules(&self) -> Option<&Value> {
        self.merged.as_ref()
    }

    /// The roles that the schema gives each permission to.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// The roles that are asked for anywhere: by a permission, or by a rule of a field.
    pub fn roles_named(&self) -> BTreeSet<String> {
        let given = &self.permissions;
        let of_kind = [
            &given.read,
            &given.create,
            &given.edit,
            &given.delete,
            &given.history,
            &given.restore,
            &given.system,
        ];
        let of_fields = self.nodes.iter().flat_map(|node| {
            let write = match &node.write {
                WriteRule::Roles(roles) => Some(roles),
                _ => None,
            };
            let read = match &node.read {
                ReadRule::Roles(roles) => Some(roles),
                ReadRule::Kind => None,
            };
            let delete = match &node.shape {
                Shape::Object { delete, .. } => delete.as_ref(),
                _ => None,
            };
            [write, read, delete].into_iter().flatten()
        });
        of_kind
            .into_iter()
            .chain(of_fields)
            .flatten()
            .cloned()
            .collect()
    }

    /// The node of the entity itself.
    pub fn root(&self) -> NodeId {
        NodeId::ROOT
    }

    /// A node of this policy.
    ///
    /// # Panics
    ///
    /// May panic when the id comes from another policy.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// All nodes, parents before their children.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (NodeId::from_index(index), node))
    }

    /// The node one step down: a property of an object (declared or additional), an item of a
    /// keyed list by its id, an element of a list by its index. None when the schema has nothing
    /// there.
    ///
    /// The property that presents the id of a keyed item has no node. Whether `token` is a
    /// well-formed id, index or key of an open map is not looked at.
    pub fn child(&self, id: NodeId, token: &str) -> Option<NodeId> {
        match &self.node(id).shape {
            Shape::Object {
                properties,
                additional,
                ..
            } => match properties.get(token) {
                Some(child) => Some(*child),
                // The name of the id is not free, even where other properties are open.
                None if self.presented_key(id) == Some(token) => None,
                None => *additional,
            },
            Shape::Keyed { item, .. } => Some(*item),
            Shape::List { element } => Some(*element),
            _ => None,
        }
    }

    /// The node at a place in an entity, items of keyed lists named by id.
    pub fn find(&self, pointer: &Pointer) -> Option<NodeId> {
        pointer
            .tokens()
            .iter()
            .try_fold(NodeId::ROOT, |id, token| self.child(id, token))
    }

    /// For an item of a keyed list: the property that presents its id.
    pub fn presented_key(&self, id: NodeId) -> Option<&str> {
        let node = self.node(id);
        match (
            &node.name,
            node.parent.map(|parent| &self.node(parent).shape),
        ) {
            (NodeName::Item, Some(Shape::Keyed { key, .. })) => Some(key),
            _ => None,
        }
    }

    /// The node of the nearest object around (or at) this one that is made at some moment after
    /// which its `create` fields are fixed: an item of a keyed list, an object in an open map, or the
    /// entity itself.
    pub fn maker(&self, id: NodeId) -> NodeId {
        let mut at = id;
        loop {
            let node = self.node(at);
            let is_object = matches!(node.shape, Shape::Object { .. });
            match node.parent {
                Some(_) if node.name == NodeName::Item => return at,
                Some(_) if node.name == NodeName::Additional && is_object => return at,
                Some(parent) => at = parent,
                None => return at,
            }
        }
    }

    /// Everything that exists from the moment on in which an object of this node is made: its
    /// declared properties, theirs, and so on, in order; not what lies in items, open maps or
    /// lists. The node itself is not included.
    pub fn declared_below(&self, id: NodeId) -> Vec<NodeId> {
        let mut below = Vec::new();
        let mut next = vec![id];
        while let Some(at) = next.pop() {
            if at != id {
                below.push(at);
            }
            if let Shape::Object { properties, .. } = &self.node(at).shape {
                next.extend(properties.values().rev());
            }
        }
        below
    }

    /// Whether an entity can be faulty although every scalar in it is good: whether
    /// `check_whole` (feature `whole-entity`) can find anything that the rules of single values do
    /// not.
    pub fn has_whole_constraints(&self) -> bool {
        self.has_whole_constraints
    }
}

fn record(rules: Rules, schema: &Value) -> String {
    let schema = crate::value::canonical(schema);
    match rules {
        Rules::V1 => schema,
        later => format!(r#"{{"rules":{later},"schema":{schema}}}"#),
    }
}

/// The policies of all kinds.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    kinds: BTreeMap<Kind, Arc<Policy>>,
}

impl Policies {
    /// The policy of a kind.
    pub fn get(&self, kind: &Kind) -> Option<&Arc<Policy>> {
        self.kinds.get(kind)
    }

    /// All policies, in the order of their kinds.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.kinds.values()
    }
}

impl FromIterator<Arc<Policy>> for Policies {
    fn from_iter<I: IntoIterator<Item = Arc<Policy>>>(policies: I) -> Self {
        let by_kind = policies.into_iter();
        let by_kind = by_kind.map(|policy| (policy.kind().clone(), policy));
        Self {
            kinds: by_kind.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
