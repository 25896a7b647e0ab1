//! Bodies with more letters, elements or entries than a place may hold, which are refused before
//! anything is made of them.
//!
//! Invariant: what is refused here, admission refuses too, whatever others have written since the
//! base. So nothing is counted that may have been deleted, or that is kept as it is.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Merger, Source};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Presented, Rules, ScalarFault, Shape};
use crate::value::normal;

/// A place on the way into a body.
struct Way<'w> {
    before: Option<&'w Self>,
    token: Token<'w>,
}

#[derive(Clone, Copy)]
enum Token<'w> {
    Name(&'w str),
    /// An item without an id, by its index.
    New(usize),
}

impl Way<'_> {
    fn pointer(&self) -> Pointer {
        let before = self.before.map_or_else(Pointer::root, Self::pointer);
        match self.token {
            Token::Name(name) => before.child(name),
            Token::New(index) => before.child(index.to_string()),
        }
    }

    /// Whether it leads into an item that is only being made.
    fn is_new(&self) -> bool {
        matches!(self.token, Token::New(_)) || self.before.is_some_and(Self::is_new)
    }
}

/// A part of a body that has more elements than may be there, as far as the body alone shows.
struct Suspect<'v> {
    node: NodeId,
    value: &'v Value,
    at: Pointer,
    /// Whether it lies in an item that is only being made.
    is_new: bool,
}

impl Merger<'_> {
    /// Whether nothing of a body is certain to be longer than its place may be and than it is;
    /// reports what is.
    pub(super) fn counts_fit(&mut self, body: &Value) -> bool {
        if self.source != Source::Body {
            return true;
        }
        let mut suspects = Vec::new();
        self.count(NodeId::ROOT, body, None, &mut suspects);
        let mut fit = true;
        for suspect in suspects {
            if let Some(fault) = self.surplus(&suspect) {
                self.refuse_fault(&suspect.at, fault, None, None);
                fit = false;
            }
        }
        fit
    }

    fn count_fields<'v>(
        &self,
        node: NodeId,
        fields: &'v Map<String, Value>,
        before: Option<&Way<'_>>,
        suspects: &mut Vec<Suspect<'v>>,
    ) {
        let earlier = self.options.base.as_ref();
        let earlier = earlier.and_then(|base| base.earlier.as_ref());
        for (name, value) in fields {
            let child = self.policy.child(node, name);
            // What had another form is made whole by the rules of that time first.
            let child = child.filter(|child| earlier.is_none_or(|of| !of.converts(*child)));
            if let Some(child) = child {
                let token = Token::Name(name);
                self.count(child, value, Some(&Way { before, token }), suspects);
            }
        }
    }

    fn count<'v>(
        &self,
        node: NodeId,
        value: &'v Value,
        way: Option<&Way<'_>>,
        suspects: &mut Vec<Suspect<'v>>,
    ) {
        let policy = self.policy;
        let is_suspect = match (&policy.node(node).shape, value) {
            // A letter has a byte or more.
            (Shape::Text(_), Value::String(text)) => {
                policy.too_many(node, text.len()).is_some()
                    && policy.too_many(node, text.chars().count()).is_some()
            }
            (Shape::List { .. }, Value::Array(elements)) => {
                policy.too_many(node, elements.len()).is_some()
            }
            (Shape::Keyed { item, key }, Value::Array(items)) => {
                for (index, value) in items.iter().enumerate() {
                    let Value::Object(fields) = value else {
                        continue;
                    };
                    let token = match fields.get(key) {
                        Some(Value::String(id)) => Token::Name(id),
                        _ => Token::New(index),
                    };
                    let before = way;
                    self.count_fields(*item, fields, Some(&Way { before, token }), suspects);
                }
                policy.too_many(node, items.len()).is_some()
            }
            (Shape::Object { additional, .. }, Value::Object(fields)) => {
                self.count_fields(node, fields, way, suspects);
                additional.is_some() && policy.too_many(node, fields.len()).is_some()
            }
            _ => false,
        };
        if is_suspect {
            suspects.push(Suspect {
                node,
                value,
                at: way.map_or_else(Pointer::root, Way::pointer),
                is_new: way.is_some_and(Way::is_new),
            });
        }
    }

    /// What is wrong with a suspect, if there are certain to be too many of it after the merge, and
    /// more than there are.
    fn surplus(&self, suspect: &Suspect<'_>) -> Option<ScalarFault> {
        let fresh = self.options.creation || suspect.is_new;
        let is_denied = self.rights.denied(suspect.node, fresh).is_some();
        if is_denied || self.is_preserved(&suspect.at) {
            return None;
        }
        let whole;
        let present = if suspect.is_new {
            None
        } else if suspect.at.is_root() {
            whole = Value::Object(Map::clone(self.entity.value()));
            Some(&whole)
        } else {
            Presented::new(self.policy, self.entity.value()).get(&suspect.at)
        };
        let base = self.options.base.as_ref().map(|base| &base.value);
        let base = base.filter(|_| !suspect.is_new);
        let base = base.and_then(|base| self.policy.value_at(base, &suspect.at));
        let least = self.least(suspect, base, present)?;
        let least = least.saturating_sub(self.options.remove.len());
        let now = present.map_or(0, length);
        // The rules so far let an old fault excuse a worse one.
        let excused =
            self.policy.rules() < Rules::V3 && self.policy.too_many(suspect.node, now).is_some();
        let fault = self.policy.too_many(suspect.node, least);
        fault.filter(|_| least > now && !excused)
    }

    /// How many there are at least after the merge.
    fn least(
        &self,
        suspect: &Suspect<'_>,
        base: Option<&Value>,
        present: Option<&Value>,
    ) -> Option<usize> {
        let had = base.map_or(0, length);
        Some(
            match (&self.policy.node(suspect.node).shape, suspect.value) {
                (Shape::List { element }, Value::Array(elements))
                    if self.policy.shows_once(*element) =>
                {
                    let distinct: HashSet<Value> = elements.iter().map(normal).collect();
                    distinct.len().saturating_sub(had)
                }
                (Shape::Keyed { item, key }, Value::Array(items)) => {
                    if self.rights.denied(*item, true).is_some() {
                        return None;
                    }
                    let id = |item: &Value| Some(item.get(key)?.as_str()?.to_owned());
                    let ids = |list: Option<&Value>| -> HashSet<String> {
                        let items = list.and_then(Value::as_array).into_iter().flatten();
                        items.filter_map(id).collect()
                    };
                    let (base, present) = (ids(base), ids(present));
                    let stays = |item: &&Value| match id(item) {
                        Some(id) => present.contains(&id) || self.comes(suspect, &base, &id),
                        None => true,
                    };
                    items.iter().filter(stays).count()
                }
                (
                    Shape::Object {
                        additional: Some(additional),
                        ..
                    },
                    Value::Object(entries),
                ) => {
                    if self.rights.denied(*additional, true).is_some() {
                        return None;
                    }
                    let names = |map: Option<&Value>| -> HashSet<String> {
                        let map = map.and_then(Value::as_object).into_iter().flatten();
                        map.map(|(name, _)| name.clone()).collect()
                    };
                    let (base, present) = (names(base), names(present));
                    let stays = |name: &String| present.contains(name);
                    let there = entries.iter().filter(|(name, value)| {
                        self.policy.child(suspect.node, name) == Some(*additional)
                            && !value.is_null()
                            && (stays(name) || self.comes(suspect, &base, name))
                    });
                    there.count()
                }
                (_, value) => length(value).saturating_sub(had),
            },
        )
    }

    /// Whether an item or entry that is not there now will be. What the base had was deleted since;
    /// and what is kept stays deleted.
    fn comes(&self, suspect: &Suspect<'_>, base: &HashSet<String>, name: &str) -> bool {
        !base.contains(name)
            && !self.options.revive
            && (self.options.preserve.is_empty() || !self.is_preserved(&suspect.at.child(name)))
    }
}

/// The letters of a text, elements of a list or entries of a map.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(elements) => elements.len(),
        Value::Object(entries) => entries.len(),
        _ => 0,
    }
}
