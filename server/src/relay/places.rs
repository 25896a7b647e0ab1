//! Places that a PUT names to be kept or removed, held against the schema.
//!
//! Invariant: a place that can protect nothing is refused, never passed over.
//! Must never know: values.

use indelible_engine::id::{ItemId, check_map_key};
use indelible_engine::near;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{NodeId, Policy, Shape};

/// What is to become of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// It is to stay as it is.
    Preserve,
    /// It is to be emptied.
    Remove,
}

/// What is wrong with a place, whatever the value is: the end of a sentence that begins with it.
pub(crate) fn misplaced(policy: &Policy, at: &Pointer, care: Care) -> Option<String> {
    let (mut node, mut way) = (policy.root(), Pointer::root());
    for token in at.tokens() {
        let shape = &policy.node(node).shape;
        let is_list = matches!(shape, Shape::List { .. });
        if is_list && care == Care::Preserve {
            return Some(format!(
                "which is an element of a list of single values and cannot be kept by itself: \
                 name {way}"
            ));
        }
        let Some(child) = policy.child(node, token) else {
            return Some(undeclared(policy, (node, &way), at, token));
        };
        let is_keyed = matches!(shape, Shape::Keyed { .. });
        if is_keyed && ItemId::new(token.as_str()).is_err() {
            return Some(format!(
                "and {token:?} can be no id of an item: items are named by id, one by one"
            ));
        }
        if policy.is_additional(child) && check_map_key(token).is_err() {
            return Some(format!("and {token:?} can be no key of a map"));
        }
        way.push(token.clone());
        node = child;
    }
    None
}

fn undeclared(
    policy: &Policy,
    (node, way): (NodeId, &Pointer),
    at: &Pointer,
    token: &str,
) -> String {
    let none = "which the schema does not have";
    if !matches!(policy.node(node).shape, Shape::Object { .. }) {
        return format!("{none}: {way} is kept as one value");
    }
    // A pointer without its first slash.
    if at.tokens().len() == 1 && token.contains('/') {
        return format!("{none}; a pointer begins with \"/\": is it \"/{token}\"?");
    }
    let names = policy.children(node).map(|(name, _)| name);
    match near::nearest(token, names) {
        Some(near) => format!("{none}: is it {}?", way.child(near)),
        None => none.to_owned(),
    }
}
