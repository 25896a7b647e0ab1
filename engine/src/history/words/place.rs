//! The path to a field in words: one part for each token of its pointer.

use serde::Serialize;
use serde_json::Value;

use crate::history::apply::Applying;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Policy, Presented, Shape};

/// One step of the path to a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
pub enum Part {
    /// A property of the schema.
    Field {
        /// Its title in the schema, or its name in words.
        title: String,
    },
    /// A key of an open map.
    Key {
        /// The key.
        key: String,
    },
    /// An item of a keyed list.
    Item {
        /// Its id.
        id: String,
        /// Its place in the list, from 1, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<usize>,
        /// What it is called: its name, title or label, or else another short text in it, one that
        /// every item has if possible.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

/// A value in which items of keyed lists can be looked up.
pub(super) trait Known {
    /// The item that tokens lead to, and its index.
    fn item(&mut self, tokens: &[String]) -> Option<(usize, &Value)>;
}

impl Known for Applying<&Policy> {
    fn item(&mut self, tokens: &[String]) -> Option<(usize, &Value)> {
        Applying::item(self, tokens)
    }
}

impl Known for Presented<'_> {
    fn item(&mut self, tokens: &[String]) -> Option<(usize, &Value)> {
        Presented::item(self, tokens)
    }
}

/// The parts of a path. `value` is the current one, if it is known; `comes` is the item that the
/// pointer itself names, with its index, if it is being added or removed.
pub(super) fn path(
    policy: &Policy,
    pointer: &Pointer,
    mut value: Option<&mut dyn Known>,
    comes: Option<(usize, &Value)>,
) -> Vec<Part> {
    let mut node = Some(NodeId::ROOT);
    let tokens = pointer.tokens();
    let mut parts = Vec::with_capacity(tokens.len());
    for (length, token) in (1..).zip(tokens) {
        let child = node.and_then(|node| policy.child(node, token));
        parts.push(match child.map(|child| &policy.node(child).name) {
            Some(NodeName::Item) => {
                let coming = comes.filter(|_| length == tokens.len());
                let held = value.as_mut().filter(|_| coming.is_none());
                let found = coming.or_else(|| held?.item(&tokens[..length]));
                Part::Item {
                    id: token.clone(),
                    position: found.map(|(index, _)| index + 1),
                    name: child
                        .zip(found)
                        .and_then(|(child, (_, item))| name_of(policy, child, item)),
                }
            }
            Some(NodeName::Additional) => Part::Key { key: token.clone() },
            _ => Part::Field {
                title: title(policy, child, token),
            },
        });
        node = child;
    }
    parts
}

/// The title that the schema gives, or the name in words: `joinDate` → `Join date`.
fn title(policy: &Policy, node: Option<NodeId>, name: &str) -> String {
    let described = node.and_then(|node| {
        let at = policy.node(node).schema_pointer.child("title");
        policy.schema().pointer(&at.to_string())?.as_str()
    });
    if let Some(title) = described {
        return title.to_owned();
    }
    let mut words = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if words.is_empty() {
            words.extend(character.to_uppercase());
        } else if character == '_' || character == '-' {
            words.push(' ');
        } else if character.is_uppercase() && words.ends_with(char::is_lowercase) {
            words.push(' ');
            words.extend(character.to_lowercase());
        } else {
            words.push(character);
        }
    }
    words
}

/// What properties that name an item are called, the best first.
const NAMES: [&str; 5] = ["name", "title", "label", "heading", "question"];
const NAME_CHARS_MAX: usize = 80;

/// What an item is called: the first of its short texts, those that are named like a name before
/// those that every item has, and these before the others.
fn name_of(policy: &Policy, node: NodeId, item: &Value) -> Option<String> {
    let Shape::Object { properties, .. } = &policy.node(node).shape else {
        return None;
    };
    let mut texts: Vec<(&str, NodeId, &str)> = properties
        .iter()
        .filter_map(|(name, id)| Some((name.as_str(), *id, item.get(name)?.as_str()?)))
        .filter(|(.., text)| !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX)
        .collect();
    if texts.len() > 1 {
        let required = required(policy, node);
        texts.sort_by_cached_key(|(name, id, _)| {
            let own = NAMES.iter().position(|like| like == name);
            let like = own.is_none().then(|| likeness(policy, *id, name)).flatten();
            let place = required.iter().position(|required| required == name);
            (
                own.unwrap_or(NAMES.len()),
                like.unwrap_or(NAMES.len()),
                !policy.node(*id).required,
                place.unwrap_or(required.len()),
            )
        });
    }
    texts.first().map(|(.., text)| (*text).to_owned())
}

/// Which of [`NAMES`] the words for a property end with: `displayName`, or "Full name".
fn likeness(policy: &Policy, id: NodeId, name: &str) -> Option<usize> {
    let own = title(policy, None, name).to_lowercase();
    let titled = title(policy, Some(id), name).to_lowercase();
    let ends = |words: &str, like: &str| words.rsplit(' ').next() == Some(like);
    NAMES
        .iter()
        .position(|like| ends(&own, like) || ends(&titled, like))
}

/// The required properties of an object, in the order of the schema.
fn required(policy: &Policy, node: NodeId) -> Vec<&str> {
    let at = policy.node(node).schema_pointer.child("required");
    let listed = policy.schema().pointer(&at.to_string());
    let listed = listed.and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).collect()
}
