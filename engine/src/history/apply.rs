//! Applies effects to a value, and reverts them.
//!
//! Applying an effect and reverting it results in the value before. An effect that does not fit the
//! value is reported, never forced. The cost of many effects is about that of reading the value
//! once and each of them, wherever in it they are.

use std::collections::BTreeMap;
use std::ops::{Bound, Deref};

use serde_json::{Map, Value};

use super::items::Items;
use crate::effects::{Effect, EffectChange};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape};

/// An effect that does not fit the value that it is applied to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the effect at {pointer} does not fit the value")]
pub struct Misfit {
    /// The place of the effect.
    pub pointer: Pointer,
}

/// Which way effects are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

/// Applies effects, one after the other, to the value of an entity (without stamps) under the policy
/// of their entry.
///
/// # Errors
/// [`Misfit`] when the value is not the one that the effects were made from.
pub fn apply(
    policy: &Policy,
    value: &mut Map<String, Value>,
    effects: &[Effect],
) -> Result<(), Misfit> {
    let mut applying = Applying::new(policy, std::mem::take(value));
    let done = applying.forward(effects);
    *value = applying.finish();
    done
}

/// Reverts effects, the last one first: the value becomes what it was before them.
///
/// # Errors
/// [`Misfit`] when the value is not the one that the effects led to.
pub fn undo(
    policy: &Policy,
    value: &mut Map<String, Value>,
    effects: &[Effect],
) -> Result<(), Misfit> {
    let mut applying = Applying::new(policy, std::mem::take(value));
    let done = applying.back(effects);
    *value = applying.finish();
    done
}

/// A value that effects are applied to. Keyed lists that effects reach into are held open, so that
/// items can come, go, move and be looked up by the thousand.
#[derive(Debug)]
pub(super) struct Applying<P> {
    policy: P,
    root: Map<String, Value>,
    /// The open lists, by the tokens that lead there. An empty array is in place of each.
    lists: BTreeMap<Vec<String>, Items>,
}

/// What is at a place of a value.
enum Holder<'v> {
    Object(&'v mut Map<String, Value>),
    Items(&'v mut Items),
    Other(&'v mut Value),
}

impl<P: Deref<Target = Policy>> Applying<P> {
    pub(super) fn new(policy: P, value: Map<String, Value>) -> Self {
        Self {
            policy,
            root: value,
            lists: BTreeMap::new(),
        }
    }

    /// The value as it is now.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        self.close(&[]);
        self.root
    }

    /// Continues under another policy.
    pub(super) fn turn(&mut self, policy: P) {
        self.close(&[]);
        self.policy = policy;
    }

    pub(super) fn forward(&mut self, effects: &[Effect]) -> Result<(), Misfit> {
        groups(effects).try_for_each(|group| self.go(group, Way::Forward))
    }

    pub(super) fn back(&mut self, effects: &[Effect]) -> Result<(), Misfit> {
        let groups: Vec<&[Effect]> = groups(effects).collect();
        let mut groups = groups.into_iter().rev();
        groups.try_for_each(|group| self.go(group, Way::Back))
    }

    fn go(&mut self, group: &[Effect], way: Way) -> Result<(), Misfit> {
        self.step(group, way).ok_or_else(|| Misfit {
            pointer: group[0].pointer.clone(),
        })
    }

    fn step(&mut self, group: &[Effect], way: Way) -> Option<()> {
        let (effect, end) = (group.first()?, group.last()?);
        let tokens = effect.pointer.tokens();
        let (last, parents) = tokens.split_last()?;
        let (made, emptied) = turned(effect.made, end.emptied, way);
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
        if matches!(effect.change, EffectChange::Put { .. }) {
            self.close(tokens);
        }
        self.make(chain, stands, innermost)?;
        match (self.holder(chain)?, &effect.change) {
            (Holder::Items(items), change) => arrange(items, change, last, way)?,
            (
                Holder::Object(map),
                EffectChange::Put {
                    from,
                    to,
                    index: None,
                },
            ) => put(map, last, turned(from.as_ref(), to.as_ref(), way))?,
            (Holder::Other(Value::String(text)), _) => splice_text(text, group, way)?,
            (Holder::Other(Value::Array(list)), _) => splice_list(list, group, way)?,
            _ => return None,
        }
        if rest < chain.len() {
            let (gone, around) = chain[..=rest].split_last()?;
            self.close(&chain[..=rest]);
            match self.holder(around)? {
                Holder::Object(map) => map.remove(gone)?,
                Holder::Items(_) | Holder::Other(_) => return None,
            };
        }
        Some(())
    }

    /// Makes the containers of the chain after the first `stands`, which exist.
    fn make(&mut self, chain: &[String], stands: usize, innermost: Value) -> Option<()> {
        if stands == chain.len() {
            return Some(());
        }
        let mut made = innermost;
        for name in chain[stands + 1..].iter().rev() {
            made = Value::Object(Map::from_iter([(name.clone(), made)]));
        }
        match self.holder(&chain[..stands])? {
            Holder::Object(map) => {
                let held = map.insert(chain[stands].clone(), made);
                held.is_none().then_some(())
            }
            Holder::Items(_) | Holder::Other(_) => None,
        }
    }

    /// The item of a keyed list that `tokens` lead to, and its index.
    pub(super) fn item(&mut self, tokens: &[String]) -> Option<(usize, &Value)> {
        let (id, list) = tokens.split_last()?;
        match self.holder(list)? {
            Holder::Items(items) => items.indexed(id),
            Holder::Object(_) | Holder::Other(_) => None,
        }
    }

    /// The text that `tokens` lead to.
    pub(super) fn text(&mut self, tokens: &[String]) -> Option<&str> {
        match self.holder(tokens)? {
            Holder::Other(value) => value.as_str(),
            Holder::Object(_) | Holder::Items(_) => None,
        }
    }

    /// What is at a place, after opening the keyed lists on the way there.
    fn holder(&mut self, tokens: &[String]) -> Option<Holder<'_>> {
        let mut node = Some(NodeId::ROOT);
        for (depth, token) in (1..).zip(tokens) {
            node = node.and_then(|node| self.policy.child(node, token));
            if let Some(Shape::Keyed { key, .. }) = node.map(|node| &self.policy.node(node).shape)
                && !self.lists.contains_key(&tokens[..depth])
            {
                let key = key.clone();
                let Holder::Other(Value::Array(items)) = self.reach(&tokens[..depth])? else {
                    return None;
                };
                let items = Items::new(&key, std::mem::take(items));
                self.lists.insert(tokens[..depth].to_vec(), items);
            }
        }
        self.reach(tokens)
    }

    /// What is at a place to which only open lists lead.
    fn reach(&mut self, tokens: &[String]) -> Option<Holder<'_>> {
        let mut depths = (1..=tokens.len()).rev();
        let open = depths.find(|depth| self.lists.contains_key(&tokens[..*depth]));
        let (mut value, rest) = match (open, tokens) {
            (None, []) => return Some(Holder::Object(&mut self.root)),
            (None, [first, rest @ ..]) => (self.root.get_mut(first)?, rest),
            (Some(depth), _) => {
                let items = self.lists.get_mut(&tokens[..depth])?;
                match &tokens[depth..] {
                    [] => return Some(Holder::Items(items)),
                    [id, rest @ ..] => (items.named(id)?, rest),
                }
            }
        };
        for token in rest {
            value = value.as_object_mut()?.get_mut(token)?;
        }
        Some(match value {
            Value::Object(map) => Holder::Object(map),
            other => Holder::Other(other),
        })
    }

    /// Puts the lists at a place and in it back to where they belong.
    fn close(&mut self, tokens: &[String]) {
        let range = (Bound::Included(tokens), Bound::Unbounded);
        let lists = self.lists.range::<[String], _>(range);
        let lists = lists.take_while(|(list, _)| list.starts_with(tokens));
        let lists: Vec<Vec<String>> = lists.map(|(list, _)| list.clone()).collect();
        // The inner ones come behind those that they lie in.
        for list in lists.iter().rev() {
            let items = self.lists.remove(list);
            if let (Some(items), Some(Holder::Other(value))) = (items, self.reach(list)) {
                *value = Value::Array(items.into_array());
            }
        }
    }
}

/// Effects that are applied together: splices of one text or list, each behind the one before it.
pub(super) fn groups(effects: &[Effect]) -> impl Iterator<Item = &[Effect]> {
    effects.chunk_by(|effect, next| match (&effect.change, &next.change) {
        (EffectChange::Splice { at, inserted, .. }, EffectChange::Splice { at: then, .. }) => {
            effect.pointer == next.pointer
                && (effect.emptied, next.made) == (0, 0)
                && at + length(inserted) <= *then
        }
        _ => false,
    })
}

/// Of a text in UTF-16 code units, of a list in elements.
pub(super) fn length(value: &Value) -> usize {
    match value {
        Value::String(text) if text.is_ascii() => text.len(),
        Value::String(text) => text.encode_utf16().count(),
        Value::Array(list) => list.len(),
        _ => 0,
    }
}

/// Changes which items a keyed list has, or their order.
fn arrange(items: &mut Items, change: &EffectChange, id: &str, way: Way) -> Option<()> {
    match change {
        EffectChange::Put {
            from,
            to,
            index: Some(index),
        } => match turned(from.as_ref(), to.as_ref(), way) {
            (None, Some(to)) => items.insert(*index, to.clone()),
            (Some(from), None) if items.get(*index) == Some(from) => items.remove(*index).map(drop),
            _ => None,
        },
        EffectChange::Move { from, to } => {
            let (from, to) = turned(*from, *to, way);
            if to >= items.len() || !items.is_named(items.get(from)?, id) {
                return None;
            }
            let item = items.remove(from)?;
            items.insert(to, item)
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
    (from, to): (Option<&Value>, Option<&Value>),
) -> Option<()> {
    let held = match to {
        Some(to) => map.insert(name.to_owned(), to.clone()),
        None => map.remove(name),
    };
    (held.as_ref() == from).then_some(())
}

/// The splices of a group by their places in the sequence as it is before all of them.
fn splices(group: &[Effect], way: Way) -> impl Iterator<Item = Option<(usize, &Value, &Value)>> {
    let (mut added, mut gone) = (0, 0);
    group.iter().map(move |effect| {
        let EffectChange::Splice {
            at,
            removed,
            inserted,
        } = &effect.change
        else {
            return None;
        };
        let (before, after) = turned(removed, inserted, way);
        if way == Way::Back {
            return Some((*at, before, after));
        }
        let at = (at + gone).checked_sub(added)?;
        (added, gone) = (added + length(inserted), gone + length(removed));
        Some((at, before, after))
    })
}

fn splice_text(text: &mut String, group: &[Effect], way: Way) -> Option<()> {
    let mut made = String::with_capacity(text.len());
    let mut done = Units::of(text);
    let mut taken = 0;
    for splice in splices(group, way) {
        let (at, removed, inserted) = splice?;
        let start = done.byte_at(at)?;
        let end = start.checked_add(removed.as_str()?.len())?;
        if start < taken || text.get(start..end)? != removed.as_str()? {
            return None;
        }
        made.push_str(&text[taken..start]);
        made.push_str(inserted.as_str()?);
        taken = end;
    }
    made.push_str(&text[taken..]);
    *text = made;
    Some(())
}

fn splice_list(list: &mut Vec<Value>, group: &[Effect], way: Way) -> Option<()> {
    let mut taken = 0;
    for splice in splices(group, way) {
        let (at, removed, inserted) = splice?;
        let (removed, _) = (removed.as_array()?, inserted.as_array()?);
        let end = at.checked_add(removed.len())?;
        if at < taken || list.get(at..end)? != removed.as_slice() {
            return None;
        }
        taken = end;
    }
    let mut made = Vec::with_capacity(list.len());
    let mut rest = std::mem::take(list).into_iter();
    let mut taken = 0;
    for (at, removed, inserted) in splices(group, way).flatten() {
        made.extend(rest.by_ref().take(at - taken));
        let gone = length(removed);
        rest.by_ref().take(gone).for_each(drop);
        made.extend(inserted.as_array().into_iter().flatten().cloned());
        taken = at + gone;
    }
    made.extend(rest);
    *list = made;
    Some(())
}

/// The bytes at which UTF-16 code units of a text begin, asked for in ascending order.
pub(super) struct Units<'t> {
    text: &'t str,
    is_ascii: bool,
    byte: usize,
    unit: usize,
}

impl<'t> Units<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            text,
            is_ascii: text.is_ascii(),
            byte: 0,
            unit: 0,
        }
    }

    /// None within a character and behind the end.
    pub(super) fn byte_at(&mut self, unit: usize) -> Option<usize> {
        if self.is_ascii {
            return (unit <= self.text.len()).then_some(unit);
        }
        let mut characters = self.text[self.byte..].chars();
        while self.unit < unit {
            let character = characters.next()?;
            self.unit += character.len_utf16();
            self.byte += character.len_utf8();
        }
        (self.unit == unit).then_some(self.byte)
    }
}
