//! One place in an entity of a kind: how it is stored, and who may write and read it.
//!
//! Write and read rules are the effective ones: inheritance has been applied.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::scalar::{AtomicRule, ScalarRule, Types};
use crate::pointer::Pointer;

/// Role names.
pub type Roles = BTreeSet<String>;

/// The name of a node within its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// The entity itself.
    pub const ROOT: Self = Self(0);

    pub(crate) fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).expect("the number of nodes in a policy is bounded"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a node is reached from its parent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeName {
    /// It is the entity itself.
    Root,
    /// It is the value of this declared property.
    Property(String),
    /// It is the value of any other property (`additionalProperties`).
    Additional,
    /// It is an item of a keyed list.
    Item,
    /// It is an element of a list of scalars.
    Element,
}

/// A place in the entities of a kind.
#[derive(Debug)]
pub struct Node {
    /// The node that this one belongs to; none for the root.
    pub parent: Option<NodeId>,
    /// How it is reached from its parent.
    pub name: NodeName,
    /// What is stored there.
    pub shape: Shape,
    /// Who may write there.
    pub write: WriteRule,
    /// Who may read there.
    pub read: ReadRule,
    /// Whether values are dropped by a change of the schema after which fewer may write them.
    pub drops: bool,
    /// Whether its parent must have it.
    pub required: bool,
    /// What it holds from the beginning.
    pub default: Option<Value>,
    /// Whether a value may occur only once in the kind.
    pub unique: bool,
    /// For a list of scalars: whether an element may occur only once.
    pub unique_items: bool,
    /// The most characters of a text, elements of a list or entries of a map, where the schema
    /// states it.
    pub count_max: Option<u64>,
    /// Whether entities of the kind can be filtered and sorted by it.
    pub index: bool,
    /// The name that the property had before.
    pub was: Option<String>,
    /// Where in the schema file it is described.
    pub schema_pointer: Pointer,
}

/// What is stored at a place.
#[derive(Debug)]
pub enum Shape {
    /// A map with declared properties.
    Object {
        /// The declared properties. In an item of a keyed list, without the property that
        /// presents its id.
        properties: BTreeMap<String, NodeId>,
        /// The node of every other property; `None` if there may be no others.
        additional: Option<NodeId>,
        /// For an item of a keyed list or a value of an open map: the roles that may delete and
        /// undelete it, whatever is in it.
        delete: Option<Roles>,
    },
    /// A list of objects, stored as a map by id.
    Keyed {
        /// The items, which are objects.
        item: NodeId,
        /// The property that presents an item's id.
        key: String,
    },
    /// A list of scalars.
    List {
        /// The elements.
        element: NodeId,
    },
    /// A string that merges by characters. The rule is judged on the merged state.
    Text(ScalarRule),
    /// A scalar; the last write wins.
    Scalar(ScalarRule),
    /// An integer to which increments add up. The rule is judged on the sum.
    Counter(ScalarRule),
    /// Any JSON value, stored as the string of its canonical JSON and replaced as one.
    Atomic(AtomicRule),
    /// A value that follows from the ledger; nothing is stored.
    Stamp(StampKind),
    /// A number beside the entity; nothing is stored.
    Tally,
}

impl Shape {
    /// Whether it is an object of Automerge that is made once, with the object it belongs to:
    /// a declared object, list, keyed list or text.
    pub fn is_container(&self) -> bool {
        matches!(
            self,
            Self::Object { .. } | Self::Keyed { .. } | Self::List { .. } | Self::Text(_)
        )
    }

    /// The types of the values that are presented at a place of this shape; none where the server
    /// makes them.
    pub(crate) fn types(&self) -> Types {
        match self {
            Self::Object { .. } => Types::OBJECT,
            Self::Keyed { .. } | Self::List { .. } => Types::ARRAY,
            Self::Text(_) => Types::STRING,
            Self::Counter(_) => Types::INTEGER,
            Self::Scalar(rule) => rule.types(),
            Self::Atomic(rule) => rule.types(),
            Self::Stamp(_) | Self::Tally => Types::NONE,
        }
    }

    /// Whether it is one stored value that is written whole: a register or an atomic value.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Self::Scalar(_) | Self::Atomic(_))
    }

    /// Whether nothing is stored for it: stamps and tallies.
    pub fn is_derived(&self) -> bool {
        matches!(self, Self::Stamp(_) | Self::Tally)
    }

    /// What it is, for messages to people.
    pub fn description(&self) -> &'static str {
        match self {
            Self::Object { .. } => "an object",
            Self::Keyed { .. } => "a list of items",
            Self::List { .. } => "a list of values",
            Self::Text(_) => "a text",
            Self::Scalar(_) => "a single value",
            Self::Counter(_) => "a counter",
            Self::Atomic(_) => "a value that is replaced as one",
            Self::Stamp(_) => "a stamp",
            Self::Tally => "a tally",
        }
    }
}

/// What a stamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StampKind {
    /// When the entity was created.
    CreatedAt,
    /// The id of the principal who created it.
    CreatedBy,
    /// When it was last changed.
    UpdatedAt,
    /// The id of the principal who last changed it.
    UpdatedBy,
}

impl StampKind {
    /// All of them, with the words of the schema.
    pub const ALL: [(&'static str, Self); 4] = [
        ("created-at", Self::CreatedAt),
        ("created-by", Self::CreatedBy),
        ("updated-at", Self::UpdatedAt),
        ("updated-by", Self::UpdatedBy),
    ];

    /// The stamp of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, kind)| *kind)
    }

    /// Whether it is a time (and not a principal).
    pub fn is_time(self) -> bool {
        matches!(self, Self::CreatedAt | Self::UpdatedAt)
    }
}

/// Who may write at a place, besides what the kind demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteRule {
    /// Principals who may edit the kind.
    Edit,
    /// Principals who may edit the kind, in the change that makes the object; afterwards no one.
    Create,
    /// The server itself, and principals with a role that the kind's `system` names.
    System,
    /// Principals who may edit the kind and have one of these roles.
    Roles(Roles),
}

impl WriteRule {
    /// Whether `self` permits every principal whom `other` permits.
    #[must_use]
    pub fn admits_all_of(&self, other: &Self) -> bool {
        other.is_within(self)
    }

    /// Whether everything that `self` allows is allowed by `outer` too.
    pub(crate) fn is_within(&self, outer: &Self) -> bool {
        match (self, outer) {
            (_, Self::Edit) | (Self::System, _) => true,
            (Self::Roles(inner), Self::Roles(outer)) => {
                outer.contains(crate::principal::ROLE_PUBLIC) || inner.is_subset(outer)
            }
            _ => self == outer,
        }
    }
}

impl fmt::Display for WriteRule {
    /// As the schema writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit => f.write_str("\"edit\""),
            Self::Create => f.write_str("\"create\""),
            Self::System => f.write_str("\"system\""),
            Self::Roles(roles) => {
                let names: Vec<_> = roles.iter().map(|role| format!("{role:?}")).collect();
                write!(f, "[{}]", names.join(", "))
            }
        }
    }
}

/// Who may read at a place, besides what the kind demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadRule {
    /// Whoever may read the kind.
    Kind,
    /// Whoever may read the kind and has one of these roles.
    Roles(Roles),
}

impl ReadRule {
    /// Whether everything that `self` allows is allowed by `outer` too.
    pub(crate) fn is_within(&self, outer: &Self) -> bool {
        match (self, outer) {
            (_, Self::Kind) => true,
            (Self::Roles(inner), Self::Roles(outer)) => {
                outer.contains(crate::principal::ROLE_PUBLIC) || inner.is_subset(outer)
            }
            (Self::Kind, Self::Roles(_)) => false,
        }
    }
}
