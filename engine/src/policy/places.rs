//! Questions about places in a policy that reading and writing documents ask.
//!
//! Invariant: answers follow from the tree alone.
//! Must never know: documents, principals.

use super::{Node, NodeId, NodeName, Policy, Rules, Shape, StampKind};

impl Policy {
    /// Whether objects of this node come and go: items of keyed lists, objects in open maps.
    #[must_use]
    pub fn is_dynamic(&self, id: NodeId) -> bool {
        let Node { name, shape, .. } = self.node(id);
        matches!(shape, Shape::Object { .. })
            && matches!(name, NodeName::Item | NodeName::Additional)
    }

    /// Whether this is the node of undeclared properties of an open map.
    #[must_use]
    pub fn is_additional(&self, id: NodeId) -> bool {
        self.node(id).name == NodeName::Additional
    }

    /// Whether equal elements of a list of scalars, of which this is the element, are presented
    /// once: several people may each move an element, and then the list holds it twice.
    pub(crate) fn shows_once(&self, element: NodeId) -> bool {
        let list = self.node(element).parent.map(|list| self.node(list));
        self.rules() >= Rules::V2
            && list
                .is_some_and(|list| list.unique_items && matches!(list.shape, Shape::List { .. }))
    }

    /// The declared properties of an object, in order; nothing for other shapes.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        let properties = match &self.node(id).shape {
            Shape::Object { properties, .. } => Some(properties),
            _ => None,
        };
        properties
            .into_iter()
            .flatten()
            .map(|(name, child)| (name.as_str(), *child))
    }

    /// The root properties that are stamps.
    pub fn stamps(&self) -> impl Iterator<Item = (&str, StampKind)> {
        self.children(self.root())
            .filter_map(|(name, child)| match &self.node(child).shape {
                Shape::Stamp(kind) => Some((name, *kind)),
                _ => None,
            })
    }
}
