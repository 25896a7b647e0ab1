//! Questions about places in a policy, answered from the tree alone.

use super::{Node, NodeId, NodeName, Policy, Rules, Shape, StampKind};
use crate::near;
use crate::pointer::Pointer;

/// Longer names are not compared with the declared ones: they are not misspelt field names.
const NAME_BYTES_MAX: usize = 100;

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

    /// The field that was probably meant by a name that the object at `way`, of this node, does not
    /// declare: one beside it, or one elsewhere that lies in no item and no open map.
    #[must_use]
    pub fn meant(&self, id: NodeId, way: &Pointer, name: &str) -> Option<Pointer> {
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let beside = self.children(id).map(|(name, _)| name);
        if let Some(near) = near::nearest_ascii(name, beside) {
            return Some(way.child(near));
        }
        let fields = self.declared_below(self.root()).into_iter();
        let fields = fields.filter_map(|field| match &self.node(field).name {
            NodeName::Property(field_name) => {
                Some((near::distance_ascii(name, field_name)?, self.place(field)))
            }
            _ => None,
        });
        // That the object itself has nearly this name says nothing about what is in it.
        let fields = fields.filter(|(_, at)| at != way);
        let nearest = fields.min_by_key(|(distance, at)| (*distance, at.tokens().len()));
        nearest.map(|(_, at)| at)
    }

    /// What is said of a name that the object at `way`, of this node, does not declare.
    pub(crate) fn undeclared(&self, id: NodeId, way: &Pointer, name: &str) -> String {
        let none = "the schema declares no such field";
        match self.meant(id, way, name) {
            // An item that is being made has no id that its author knows.
            Some(meant) if way.contains(&meant) => {
                let beside = &meant.tokens()[way.tokens().len()..];
                let beside: Pointer = beside.iter().cloned().collect();
                format!("{none} (is it {}?)", &beside.to_string()[1..])
            }
            Some(meant) => format!("{none} (is it {meant}?)"),
            None => none.to_owned(),
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::pointer::Pointer;
    use crate::schema;

    #[test]
    fn what_was_meant_by_a_name_is_never_the_object_itself() {
        let schema = json!({
            "type": "object",
            "x-indelible": { "kind": "page", "edit": ["editor"] },
            "properties": {
                "place": { "type": "object", "properties": { "city": { "type": "string" } } }
            }
        });
        let policy =
            schema::compile("page.json", &schema.to_string()).expect("the schema has no mistakes");
        let place: Pointer = "/place".parse().expect("a pointer");
        let node = policy.child(policy.root(), "place").expect("a field");
        let unknown = "the schema declares no such field";
        for (name, says) in [
            ("plaec", unknown.to_owned()),
            ("ctiy", format!("{unknown} (is it city?)")),
        ] {
            assert_eq!(policy.undeclared(node, &place, name), says, "{name}");
        }
        let root = Pointer::root();
        let says = format!("{unknown} (is it place?)");
        assert_eq!(policy.undeclared(policy.root(), &root, "plaec"), says);
    }
}
