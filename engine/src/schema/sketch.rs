//! What could be read of a schema with mistakes, so that it can be shown who may do what.
//!
//! Invariant: nothing is judged by a sketch. A place that could not be bound is left out, with all
//! that lies in it.

use std::collections::BTreeMap;

use super::{Report, bind, extension};
use crate::id::Kind;
use crate::json;
use crate::pointer::Pointer;
use crate::policy::{Node, NodeId, NodeName, Parts, Policy, ReadRule, Rules, Shape, WriteRule};

/// The readable part of a schema with mistakes, to show who may do what. Nothing may be judged by
/// it. None where the text is not a JSON object, or says nothing about a kind; a kind without a
/// name is called like the file.
#[must_use]
pub fn sketch(file: &str, text: &str) -> Option<Policy> {
    let schema = json::parse_rounding(text.as_bytes()).ok()?;
    let mut report = Report::default();
    let kind = extension::kind(&schema, &mut report)?;
    let file = file.trim_end_matches(".json");
    let name = kind.name.or_else(|| Kind::new(file).ok())?;
    let nodes = bind::nodes(Rules::LATEST, &schema, kind.singleton, &mut report);
    let parts = Parts {
        rules: Rules::LATEST,
        kind: name,
        singleton: kind.singleton,
        permissions: kind.permissions,
        nodes: whole_branches(nodes),
        whole: None,
        #[cfg(feature = "whole-entity")]
        judged: None,
        long_strings: None,
        schema,
    };
    Policy::new(parts).ok()
}

/// The nodes that could be made and hang together; at least the root.
fn whole_branches(mut nodes: Vec<Option<Node>>) -> Vec<Node> {
    // Children come after their parents.
    for index in (0..nodes.len()).rev() {
        let lacks = nodes[index].as_ref().is_some_and(|node| {
            let inside = match &node.shape {
                Shape::Keyed { item, .. } => Some(item),
                Shape::List { element } => Some(element),
                _ => None,
            };
            inside.is_some_and(|id| nodes[id.index()].is_none())
        });
        if lacks {
            nodes[index] = None;
        }
    }
    let mut places: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let hangs = |node: &Node| {
            node.parent
                .is_none_or(|parent| places.contains_key(&parent))
        };
        if node.as_ref().is_some_and(hangs) {
            let next = NodeId::from_index(places.len());
            places.insert(NodeId::from_index(index), next);
        }
    }
    let kept = nodes.into_iter().enumerate().filter_map(|(index, node)| {
        let is_kept = places.contains_key(&NodeId::from_index(index));
        node.filter(|_| is_kept).map(|node| moved(node, &places))
    });
    let kept: Vec<Node> = kept.collect();
    match kept.is_empty() {
        true => vec![root()],
        false => kept,
    }
}

/// A node with the new names of the others.
fn moved(mut node: Node, places: &BTreeMap<NodeId, NodeId>) -> Node {
    let new = |id: &NodeId| places.get(id).copied();
    node.parent = node.parent.as_ref().and_then(new);
    match &mut node.shape {
        Shape::Object {
            properties,
            additional,
            ..
        } => {
            properties.retain(|_, id| places.contains_key(id));
            for id in properties.values_mut() {
                *id = places[id];
            }
            *additional = additional.as_ref().and_then(new);
        }
        Shape::Keyed { item, .. } => *item = places[item],
        Shape::List { element } => *element = places[element],
        _ => {}
    }
    node
}

/// The entity itself, of which nothing else is known.
fn root() -> Node {
    Node {
        parent: None,
        name: NodeName::Root,
        shape: Shape::Object {
            properties: BTreeMap::new(),
            additional: None,
            delete: None,
        },
        write: WriteRule::Edit,
        read: ReadRule::Kind,
        drops: false,
        required: true,
        default: None,
        unique: false,
        unique_items: false,
        count_max: None,
        index: false,
        was: None,
        schema_pointer: Pointer::root(),
    }
}
