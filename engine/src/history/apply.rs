//! Effects put to a value, forward and back.
//!
//! Invariant: doing an effect and undoing it gives the value there was; an effect that does not fit
//! the value is told, never forced. The cost is that of the effect and of the way to its place.
//! Must never know: entries, stamps, why something changed.

use serde_json::{Map, Value};

use crate::effects::{Effect, EffectChange};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape};

/// An effect that does not fit the value that it was put to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the effect at {pointer} does not fit the value")]
pub struct Misfit {
    /// The place of the effect.
    pub pointer: Pointer,
}

/// Which way an effect is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

/// Puts an effect to the value of an entity (without stamps) under the policy of its entry.
///
/// # Errors
/// [`Misfit`] when the value is not the one that the effect was told of.
pub fn apply(
    policy: &Policy,
    value: &mut Map<String, Value>,
    effect: &Effect,
) -> Result<(), Misfit> {
    go(policy, value, effect, Way::Forward)
}

/// Takes an effect back: the value becomes what it was before.
///
/// # Errors
/// [`Misfit`] when the value is not the one that the effect led to.
pub fn undo(
    policy: &Policy,
    value: &mut Map<String, Value>,
    effect: &Effect,
) -> Result<(), Misfit> {
    go(policy, value, effect, Way::Back)
}

fn go(
    policy: &Policy,
    value: &mut Map<String, Value>,
    effect: &Effect,
    way: Way,
) -> Result<(), Misfit> {
    step(policy, value, effect, way).ok_or_else(|| Misfit {
        pointer: effect.pointer.clone(),
    })
}

fn step(policy: &Policy, root: &mut Map<String, Value>, effect: &Effect, way: Way) -> Option<()> {
    let tokens = effect.pointer.tokens();
    let (last, parents) = tokens.split_last()?;
    let (made, emptied) = match way {
        Way::Forward => (effect.made, effect.emptied),
        Way::Back => (effect.emptied, effect.made),
    };
    let (chain, innermost) = match &effect.change {
        EffectChange::Splice { inserted, .. } if inserted.is_string() => {
            (tokens, Value::String(String::new()))
        }
        EffectChange::Splice { .. } => (tokens, Value::Array(Vec::new())),
        EffectChange::Put { index: Some(_), .. } | EffectChange::Move { .. } => {
            (parents, Value::Array(Vec::new()))
        }
        EffectChange::Put { .. } => (parents, Value::Object(Map::new())),
    };
    let stands = chain.len().checked_sub(usize::try_from(made).ok()?)?;
    let rest = chain.len().checked_sub(usize::try_from(emptied).ok()?)?;
    if chain.is_empty() {
        let EffectChange::Put {
            from,
            to,
            index: None,
        } = &effect.change
        else {
            return None;
        };
        return put(root, last, from.as_ref(), to.as_ref(), way);
    }
    make(policy, root, chain, stands, innermost)?;
    change(walk(policy, root, chain)?, policy, effect, last, way)?;
    if rest < chain.len() {
        let (gone, holder) = chain[..=rest].split_last()?;
        match holder {
            [] => root.remove(gone)?,
            holder => walk(policy, root, holder)?.as_object_mut()?.remove(gone)?,
        };
    }
    Some(())
}

/// Makes the containers of the chain from `stands` on.
fn make(
    policy: &Policy,
    root: &mut Map<String, Value>,
    chain: &[String],
    stands: usize,
    innermost: Value,
) -> Option<()> {
    if stands == chain.len() {
        return Some(());
    }
    let mut made = innermost;
    for name in chain[stands + 1..].iter().rev() {
        made = Value::Object(Map::from_iter([(name.clone(), made)]));
    }
    let map = match &chain[..stands] {
        [] => root,
        holder => walk(policy, root, holder)?.as_object_mut()?,
    };
    map.insert(chain[stands].clone(), made)
        .is_none()
        .then_some(())
}

/// The value at a place that is not the root.
fn walk<'v>(
    policy: &Policy,
    root: &'v mut Map<String, Value>,
    tokens: &[String],
) -> Option<&'v mut Value> {
    let (first, rest) = tokens.split_first()?;
    let mut value = root.get_mut(first)?;
    let mut node = policy.child(NodeId::ROOT, first);
    for token in rest {
        value = match value {
            Value::Object(map) => map.get_mut(token)?,
            Value::Array(items) => {
                let Shape::Keyed { key, .. } = &policy.node(node?).shape else {
                    return None;
                };
                items
                    .iter_mut()
                    .find(|item| item.get(key).and_then(Value::as_str) == Some(token))?
            }
            _ => return None,
        };
        node = node.and_then(|node| policy.child(node, token));
    }
    Some(value)
}

/// Changes what the innermost container of an effect holds.
fn change(
    container: &mut Value,
    policy: &Policy,
    effect: &Effect,
    last: &str,
    way: Way,
) -> Option<()> {
    match (&effect.change, container) {
        (
            EffectChange::Put {
                from,
                to,
                index: None,
            },
            Value::Object(map),
        ) => put(map, last, from.as_ref(), to.as_ref(), way),
        (
            EffectChange::Put {
                from,
                to,
                index: Some(index),
            },
            Value::Array(items),
        ) => {
            let (from, to) = turned(from.as_ref(), to.as_ref(), way);
            match (from, to) {
                (None, Some(to)) if *index <= items.len() => items.insert(*index, to.clone()),
                (Some(from), None) if items.get(*index) == Some(from) => drop(items.remove(*index)),
                _ => return None,
            }
            Some(())
        }
        (EffectChange::Move { from, to }, Value::Array(items)) => {
            let (from, to) = turned(*from, *to, way);
            if from >= items.len() || to >= items.len() {
                return None;
            }
            let (low, high) = (from.min(to), from.max(to));
            if from < to {
                items[low..=high].rotate_left(1);
            } else {
                items[low..=high].rotate_right(1);
            }
            let parent = effect.pointer.parent()?;
            let Shape::Keyed { key, .. } = &policy.node(policy.find(&parent)?).shape else {
                return None;
            };
            (items[to].get(key)?.as_str()? == last).then_some(())
        }
        (
            EffectChange::Splice {
                at,
                removed,
                inserted,
            },
            container,
        ) => {
            let (removed, inserted) = turned(removed, inserted, way);
            splice(container, *at, removed, inserted)
        }
        _ => None,
    }
}

fn turned<T>(a: T, b: T, way: Way) -> (T, T) {
    match way {
        Way::Forward => (a, b),
        Way::Back => (b, a),
    }
}

fn put(
    map: &mut Map<String, Value>,
    name: &str,
    from: Option<&Value>,
    to: Option<&Value>,
    way: Way,
) -> Option<()> {
    let (from, to) = turned(from, to, way);
    let held = match to {
        Some(to) => map.insert(name.to_owned(), to.clone()),
        None => map.remove(name),
    };
    (held.as_ref() == from).then_some(())
}

fn splice(container: &mut Value, at: usize, removed: &Value, inserted: &Value) -> Option<()> {
    match (container, removed, inserted) {
        (Value::String(text), Value::String(removed), Value::String(inserted)) => {
            let start = byte_at(text, at)?;
            let end = start.checked_add(removed.len())?;
            if text.get(start..end)? != removed {
                return None;
            }
            text.replace_range(start..end, inserted);
        }
        (Value::Array(list), Value::Array(removed), Value::Array(inserted)) => {
            let end = at.checked_add(removed.len())?;
            if list.get(at..end)? != removed.as_slice() {
                return None;
            }
            list.splice(at..end, inserted.iter().cloned());
        }
        _ => return None,
    }
    Some(())
}

/// The byte at which the UTF-16 code unit `unit` of a text begins.
fn byte_at(text: &str, unit: usize) -> Option<usize> {
    if text.is_ascii() {
        return (unit <= text.len()).then_some(unit);
    }
    let mut units = 0;
    for (byte, character) in text.char_indices() {
        if units >= unit {
            return (units == unit).then_some(byte);
        }
        units += character.len_utf16();
    }
    (units == unit).then_some(text.len())
}
