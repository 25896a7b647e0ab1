//! Places that a PUT names to be kept or removed, held against the schema and against what is there.
//!
//! Invariant: a place that can protect nothing is refused, never passed over.

use indelible_engine::entity::Entity;
use indelible_engine::excerpt::{PLACE_CHARS_MAX, Short, cut};
use indelible_engine::id::{ItemId, check_map_key};
use indelible_engine::near;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{NodeId, Policy, Presented, Shape};
use serde_json::Value;

/// How many names a refusal lists at most.
const NAMES_MAX: usize = 5;

/// What is to become of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceAction {
    /// It is to stay as it is.
    Preserve,
    /// It is to be emptied.
    Remove,
}

/// What is wrong with a place, for any value: the end of a sentence that begins with it.
pub(crate) fn misplaced(policy: &Policy, at: &Pointer, care: PlaceAction) -> Option<String> {
    let (mut node, mut way) = (policy.root(), Pointer::root());
    for token in at.tokens() {
        let shape = &policy.node(node).shape;
        let is_list = matches!(shape, Shape::List { .. });
        if is_list && care == PlaceAction::Preserve {
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
                "and {:?} can be no id of an item: items are named by id, one by one",
                Short(token)
            ));
        }
        if policy.is_additional(child) && check_map_key(token).is_err() {
            return Some(format!("and {:?} can be no key of a map", Short(token)));
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
        return format!(
            "which is not a field of its own: {way} is kept as one value, so name {way}"
        );
    }
    // A pointer without its first slash.
    if at.tokens().len() == 1 && token.contains('/') {
        return format!(
            "{none}; a pointer begins with \"/\": is it \"/{}\"?",
            Short(token)
        );
    }
    match policy.meant(node, way, token) {
        Some(meant) => format!("{none}: is it {meant}?"),
        None => none.to_owned(),
    }
}

/// Where items of lists and entries of open maps can be: in the entity, in a body, in its base.
pub(crate) struct There<'a> {
    entity: &'a Entity,
    values: Vec<Presented<'a>>,
}

impl<'a> There<'a> {
    pub(crate) fn new(entity: &'a Entity, values: impl Iterator<Item = &'a Value>) -> Self {
        let policy = entity.policy();
        let values = values.filter_map(|value| Some(Presented::new(policy, value.as_object()?)));
        Self {
            entity,
            values: values.collect(),
        }
    }

    /// What is wrong with a place of the schema on whose way there is an item or an entry that is
    /// nowhere, as [`misplaced`] has it. A deleted item is known; an entry that is to be removed
    /// need not be there, since nothing remembers those that were.
    pub(crate) fn lacks(&mut self, at: &Pointer, care: PlaceAction) -> Option<String> {
        let policy = self.entity.policy();
        let (mut node, mut way) = (policy.root(), Pointer::root());
        for token in at.tokens() {
            let child = policy.child(node, token)?;
            let is_item = matches!(policy.node(node).shape, Shape::Keyed { .. });
            let is_entry = policy.is_additional(child) && care == PlaceAction::Preserve;
            let inner = way.child(token);
            if (is_item || is_entry) && !self.is_known(&inner) {
                let what = if is_item { "item" } else { "entry" };
                return Some(self.nowhere(&way, token, what));
            }
            (node, way) = (child, inner);
        }
        None
    }

    fn is_known(&mut self, at: &Pointer) -> bool {
        let mut values = self.values.iter_mut();
        self.entity.holds_at(at) || values.any(|value| value.get(at).is_some())
    }

    fn nowhere(&self, holder: &Pointer, token: &str, what: &str) -> String {
        let names = self.names(holder);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let none = format!(
            "and {} has no {what} {:?}, nor has the body",
            cut(&holder.to_string(), PLACE_CHARS_MAX),
            Short(token)
        );
        if let Some(near) = near::nearest(token, names.iter().copied()) {
            return format!("{none}: is it {}?", holder.child(near));
        }
        let listed: Vec<String> = names
            .iter()
            .take(NAMES_MAX)
            .map(|n| format!("{:?}", Short(n)))
            .collect();
        match (listed.is_empty(), names.len().saturating_sub(NAMES_MAX)) {
            (true, _) => format!("{none}: it is empty"),
            (false, 0) => format!("{none}: it has {}", listed.join(", ")),
            (false, more) => format!("{none}: it has {} and {more} more", listed.join(", ")),
        }
    }

    /// What the entity has now in a list or map.
    fn names(&self, holder: &Pointer) -> Vec<String> {
        let (policy, value) = (self.entity.policy(), self.entity.presented());
        let key = policy.find(holder).and_then(|node| policy.key(node));
        match (policy.value_at(&value, holder), key) {
            (Some(Value::Array(items)), Some(key)) => {
                let ids = items.iter().filter_map(|item| item.get(key)?.as_str());
                ids.map(str::to_owned).collect()
            }
            (Some(Value::Object(entries)), _) => entries.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }
}
