//! What an entry changed, as values; and the same as RFC 6902 patches for readers.
//!
//! Owns the comparison of two presented values of one entity along its policy.
//! Invariant: a function of the two values and the policy; applying [`json_patch`] to `before`
//! gives `after`. Effects are exact: one after the other they lead from `before` to `after`, and
//! undone from the last to the first they lead back.

mod patch;

use std::collections::{BTreeSet, HashMap};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape};
use crate::sequence::{Edit, arrangement, edits};

pub use patch::{PatchOp, json_patch, spliced_patch};

/// One field that an entry changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// Where; items of keyed lists are named by their ids.
    pub pointer: Pointer,
    /// How many of the containers that it writes into were absent before: counted from the innermost outward.
    /// An empty optional container is left out of values, so its first content brings it in.
    #[serde(skip_serializing_if = "is_zero")]
    pub made: u32,
    /// How many of them are absent afterwards.
    #[serde(skip_serializing_if = "is_zero")]
    pub emptied: u32,
    /// What happened there.
    #[serde(flatten)]
    pub change: EffectChange,
}

/// What happened to one field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum EffectChange {
    /// The value was set, replaced or removed.
    Put {
        /// The value before; absent where there was none.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<Value>,
        /// The value after; absent where it was removed.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Value>,
        /// For an item of a keyed list that comes or goes: its index in the list, as that is by
        /// then, with the item in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
    },
    /// A part of a text or list was replaced.
    Splice {
        /// Where it begins: UTF-16 code units in a text, elements in a list.
        at: usize,
        /// What was there: a string or an array.
        removed: Value,
        /// What is there now: a string or an array.
        inserted: Value,
    },
    /// An item of a keyed list changed its place among the items.
    Move {
        /// Its index in the list at that point.
        from: usize,
        /// Its index after, counted without it (as in RFC 6902).
        to: usize,
    },
}

/// All fields of all effects, as JSON has them. A value that is null is one, and not none.
#[derive(Deserialize)]
struct Spelt {
    pointer: Pointer,
    #[serde(default)]
    made: u32,
    #[serde(default)]
    emptied: u32,
    effect: Word,
    #[serde(default, deserialize_with = "there")]
    from: Option<Value>,
    #[serde(default, deserialize_with = "there")]
    to: Option<Value>,
    #[serde(default)]
    index: Option<usize>,
    #[serde(default)]
    at: usize,
    #[serde(default)]
    removed: Value,
    #[serde(default)]
    inserted: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Put,
    Splice,
    Move,
}

fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Effect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spelt = Spelt::deserialize(deserializer)?;
        let place = |value: &Option<Value>| {
            let number = value.as_ref().and_then(Value::as_u64);
            let place = number.and_then(|number| usize::try_from(number).ok());
            place.ok_or_else(|| D::Error::custom("a move goes from one index to another"))
        };
        let change = match spelt.effect {
            Word::Put => EffectChange::Put {
                from: spelt.from,
                to: spelt.to,
                index: spelt.index,
            },
            Word::Splice => EffectChange::Splice {
                at: spelt.at,
                removed: spelt.removed,
                inserted: spelt.inserted,
            },
            Word::Move => EffectChange::Move {
                from: place(&spelt.from)?,
                to: place(&spelt.to)?,
            },
        };
        Ok(Self {
            pointer: spelt.pointer,
            made: spelt.made,
            emptied: spelt.emptied,
            change,
        })
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What changed between two presented values.
#[must_use]
pub fn effects(
    policy: &Policy,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Effect> {
    let mut found = Effects {
        policy,
        effects: Vec::new(),
    };
    found.object(policy.root(), before, after, &Pointer::root());
    found.effects
}

/// What changed between two values of one field.
pub(crate) fn effects_at(
    policy: &Policy,
    node: NodeId,
    (before, after): (Option<&Value>, Option<&Value>),
    at: Pointer,
) -> Vec<Effect> {
    let mut found = Effects {
        policy,
        effects: Vec::new(),
    };
    if before != after {
        found.field(Some(node), before, after, at);
    }
    found.effects
}

struct Effects<'a> {
    policy: &'a Policy,
    effects: Vec<Effect>,
}

impl Effects<'_> {
    fn push(&mut self, pointer: Pointer, change: EffectChange) {
        self.effects.push(Effect {
            pointer,
            made: 0,
            emptied: 0,
            change,
        });
    }

    fn put(&mut self, at: Pointer, from: Option<&Value>, to: Option<&Value>) {
        let change = EffectChange::Put {
            from: from.cloned(),
            to: to.cloned(),
            index: None,
        };
        self.push(at, change);
    }

    fn object(
        &mut self,
        node: NodeId,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        at: &Pointer,
    ) {
        for name in names(before, after) {
            let (from, to) = (before.get(name), after.get(name));
            if from != to {
                let child = self.policy.child(node, name);
                self.field(child, from, to, at.child(name));
            }
        }
    }

    /// A field that differs.
    fn field(
        &mut self,
        node: Option<NodeId>,
        from: Option<&Value>,
        to: Option<&Value>,
        at: Pointer,
    ) {
        let first = self.effects.len();
        let is_container = node.is_some_and(|node| self.inside(node, from, to, &at));
        if !is_container || self.effects.len() == first {
            self.put(at, from, to);
            return;
        }
        if from.is_none() {
            self.effects[first].made += 1;
        } else if to.is_none()
            && let Some(last) = self.effects.last_mut()
        {
            last.emptied += 1;
        }
    }

    /// The effects inside a container; false where the field is replaced as one.
    fn inside(
        &mut self,
        node: NodeId,
        from: Option<&Value>,
        to: Option<&Value>,
        at: &Pointer,
    ) -> bool {
        let policy = self.policy;
        let each = |fits: fn(&Value) -> bool| from.is_none_or(fits) && to.is_none_or(fits);
        match &policy.node(node).shape {
            Shape::Object { .. } if each(Value::is_object) => {
                if policy.is_dynamic(node) && (from.is_none() || to.is_none()) {
                    return false;
                }
                let none = Map::new();
                let from = from.and_then(Value::as_object).unwrap_or(&none);
                let to = to.and_then(Value::as_object).unwrap_or(&none);
                self.object(node, from, to, at);
            }
            Shape::Keyed { item, key } if each(Value::is_array) => {
                let (from, to) = (elements(from), elements(to));
                if by_id(from, key).len() != from.len() || by_id(to, key).len() != to.len() {
                    return false;
                }
                self.keyed(*item, key, from, to, at);
            }
            Shape::List { .. } if each(Value::is_array) => {
                for Edit {
                    at: start,
                    removed,
                    inserted,
                } in edits(elements(from), elements(to))
                {
                    let change = EffectChange::Splice {
                        at: start,
                        removed: Value::Array(removed.to_vec()),
                        inserted: Value::Array(inserted.to_vec()),
                    };
                    self.push(at.clone(), change);
                }
            }
            Shape::Text { .. } if each(Value::is_string) => self.text(text(from), text(to), at),
            _ => return false,
        }
        true
    }

    /// Splices in ascending order; each position counts in the text at that point.
    fn text(&mut self, from: &str, to: &str, at: &Pointer) {
        let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
        let mut units: usize = 0;
        let mut done = 0;
        for Edit {
            at: start,
            removed,
            inserted,
        } in edits(&from, &to)
        {
            // `start` counts in the text as edited so far, which equals `to` up to here.
            units += to[done..start].iter().map(|c| c.len_utf16()).sum::<usize>();
            let change = EffectChange::Splice {
                at: units,
                removed: Value::String(removed.iter().collect()),
                inserted: Value::String(inserted.iter().collect()),
            };
            self.push(at.clone(), change);
            units += inserted.iter().map(|c| c.len_utf16()).sum::<usize>();
            done = start + inserted.len();
        }
    }

    /// First what goes; then what comes or moves, in the order of `to`; then what
    /// changes inside items that stay.
    fn keyed(&mut self, item: NodeId, key: &str, from: &[Value], to: &[Value], at: &Pointer) {
        let (before, after) = (by_id(from, key), by_id(to, key));
        let mut line = Vec::with_capacity(from.len());
        for (value, id) in from.iter().zip(ids(from, key)) {
            if after.contains_key(id) {
                line.push(id);
                continue;
            }
            let change = EffectChange::Put {
                from: Some(value.clone()),
                to: None,
                index: Some(line.len()),
            };
            self.push(at.child(id), change);
        }
        let wanted = ids(to, key);
        for placed in arrangement(&line, &wanted) {
            let change = match placed.from {
                Some(from) => EffectChange::Move {
                    from,
                    to: placed.to,
                },
                None => EffectChange::Put {
                    from: None,
                    to: Some(to[placed.wanted].clone()),
                    index: Some(placed.to),
                },
            };
            self.push(at.child(wanted[placed.wanted]), change);
        }
        for value in to {
            let id = value.get(key).and_then(Value::as_str);
            let old = id.and_then(|id| Some((id, before.get(id)?.1)));
            if let Some((id, old)) = old.filter(|(_, old)| *old != value) {
                self.field(Some(item), Some(old), Some(value), at.child(id));
            }
        }
    }
}

fn names<'a>(a: &'a Map<String, Value>, b: &'a Map<String, Value>) -> BTreeSet<&'a str> {
    a.keys().chain(b.keys()).map(String::as_str).collect()
}

fn elements(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or("")
}

fn ids<'a>(items: &'a [Value], key: &str) -> Vec<&'a str> {
    items
        .iter()
        .filter_map(|item| item.get(key)?.as_str())
        .collect()
}

fn by_id<'a>(items: &'a [Value], key: &str) -> HashMap<&'a str, (usize, &'a Value)> {
    let named = items.iter().enumerate();
    named
        .filter_map(|(index, item)| Some((item.get(key)?.as_str()?, (index, item))))
        .collect()
}
