//! Operations on single values: scalars, counters, list elements, characters.
//!
//! Invariant: a value is let through only with the right to write it and within its own rule.

use automerge::ScalarValue;
use automerge::Value as Stored;
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpType};
use serde_json::Value;

use super::judge::{Judge, Made, Place};
use crate::document::{object_id, plain_value};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, ScalarFault, Shape, refusal_text, wrong_type};
use crate::value::{INTEGER_MAX, canonical, nearest};
use crate::violation::Rule;

/// U+FFFC stands for a block inside an Automerge text.
const OBJECT_REPLACEMENT: char = '\u{fffc}';

impl Judge<'_> {
    pub(super) fn scalar(
        &mut self,
        index: usize,
        op: &Op,
        place: &Place,
        child: NodeId,
        name: &str,
    ) {
        let at = || place.pointer.child(name);
        let node = self.case.policy.node(child);
        if let Some(made) = self.owner(&op.obj) {
            made.fields.insert(name.to_owned());
        }
        let attempted = match &op.action {
            OpType::Put(scalar) => match put_value(&node.shape, scalar) {
                Ok(value) => Some(value),
                Err(fault) => return self.refuse_fault(index, &at(), fault, None),
            },
            OpType::Delete => None,
            _ => return self.refuse_fault(index, &at(), wrong_type(&node.shape), None),
        };
        let is_default = place.fresh && attempted.is_some() && attempted == node.default;
        if let Some(rule) = self.right(child, place.fresh).filter(|_| !is_default) {
            let kept = place
                .object
                .as_ref()
                .and_then(|object| self.reader.property(object, name, child));
            let message = refusal_text(&rule);
            self.refuse_value(index, &at(), rule, message, attempted, kept);
        } else if let Some(value) = attempted {
            self.constraint(index, at, child, value);
        }
    }

    /// The constraints of one scalar or atomic value.
    fn constraint(
        &mut self,
        index: usize,
        at: impl FnOnce() -> Pointer,
        node: NodeId,
        value: Value,
    ) {
        let checked = match &self.case.policy.node(node).shape {
            Shape::Scalar(rule) | Shape::Counter(rule) => rule.check(&value),
            Shape::Atomic(rule) => rule.check(&value),
            _ => Ok(()),
        };
        if let Err(fault) = checked {
            self.refuse_fault(index, &at(), fault, Some(value));
        }
    }

    /// Refuses what breaks a keyword of the schema.
    pub(super) fn refuse_fault(
        &mut self,
        index: usize,
        at: &Pointer,
        fault: ScalarFault,
        attempted: Option<Value>,
    ) {
        let rule = Rule::keyword(fault.keyword);
        self.refuse_value(index, at, rule, &fault.message, attempted, None);
        self.bound(fault.bound);
    }

    pub(super) fn counter(
        &mut self,
        index: usize,
        op: &Op,
        place: &Place,
        child: NodeId,
        name: &str,
    ) {
        let at = || place.pointer.child(name);
        let right = self.right(child, place.fresh);
        let key = (op.obj.clone(), name.to_owned());
        match &op.action {
            OpType::Put(ScalarValue::Counter(start)) if place.is_new() => {
                let start = i64::from(start);
                let default = self.case.policy.node(child).default.as_ref();
                let default = default.and_then(Value::as_i64).unwrap_or(0);
                let first = self
                    .owner(&op.obj)
                    .is_some_and(|made| made.fields.insert(name.to_owned()));
                if !first {
                    self.refuse(
                        index,
                        &at(),
                        Rule::COUNTER,
                        "is a counter, which is made once",
                    );
                } else if let Some(rule) = right.filter(|_| start != default) {
                    self.refuse(
                        index,
                        &at(),
                        rule,
                        "only the default may be set here by you",
                    );
                } else {
                    self.counters.insert(key, start);
                    self.constraint(index, at, child, Value::from(start));
                }
            }
            OpType::Increment(by) => {
                let stored = place.object.as_ref().and_then(|o| self.reader.get(o, name));
                let now = self.counters.get(&key).copied().or(match stored {
                    Some((Stored::Scalar(scalar), _)) => match scalar.as_ref() {
                        ScalarValue::Counter(counter) => Some(i64::from(counter)),
                        _ => None,
                    },
                    _ => None,
                });
                let next = now.and_then(|now| now.checked_add(*by));
                if let Some(rule) = right {
                    self.refuse(
                        index,
                        &at(),
                        rule,
                        "is a counter, which may not be changed by you",
                    );
                } else if let Some(next) = next {
                    self.counters.insert(key, next);
                    self.constraint(index, at, child, Value::from(next));
                } else {
                    let most = INTEGER_MAX;
                    let message = format!("must be an integer between -{most} and {most}");
                    self.refuse(index, &at(), Rule::COUNTER, &message);
                }
            }
            _ => self.refuse(
                index,
                &at(),
                Rule::COUNTER,
                "is a counter, which changes by increments only",
            ),
        }
    }

    /// An element of a list of scalars.
    pub(super) fn element(&mut self, index: usize, op: &Op, place: &Place, element: NodeId) {
        self.touch(place, "");
        let at = &place.pointer;
        let attempted = match &op.action {
            OpType::Put(scalar) => match put_value(&self.case.policy.node(element).shape, scalar) {
                Ok(value) => Some(value),
                Err(fault) => return self.refuse_fault(index, at, fault, None),
            },
            OpType::Delete => None,
            _ => {
                let fault = wrong_type(&self.case.policy.node(element).shape);
                return self.refuse_fault(index, at, fault, None);
            }
        };
        if attempted.is_some() && self.case.policy.shows_once(element) {
            self.note_list(op, at, element);
        }
        let rule = self.right(element, place.fresh);
        if let Some(rule) = rule.filter(|_| !self.fills(index, op, place, attempted.as_ref())) {
            let message = refusal_text(&rule);
            self.refuse_value(index, at, rule, message, attempted, None);
        } else if let Some(value) = attempted {
            self.constraint(index, || at.clone(), element, value);
        }
    }

    /// Notes a list whose elements must differ for the author who writes them.
    fn note_list(&mut self, op: &Op, at: &Pointer, element: NodeId) {
        let ObjectId::Id(id) = &op.obj else { return };
        if !self.touched.lists.contains_key(at) {
            let list = (object_id(id), element);
            self.touched.lists.insert(at.clone(), list);
        }
    }

    /// An element of a text.
    pub(super) fn character(&mut self, index: usize, op: &Op, place: &Place) {
        self.touch(place, "");
        let at = &place.pointer;
        let character = match &op.action {
            OpType::Put(ScalarValue::Str(text)) if op.insert => Some(text.as_str()),
            _ => None,
        };
        let fits = character.map_or(op.action == OpType::Delete, |text| {
            let mut chars = text.chars();
            matches!((chars.next(), chars.next()), (Some(c), None) if c != OBJECT_REPLACEMENT)
        });
        if !fits {
            let message = "is a text, which takes single characters, inserted or deleted";
            self.refuse(index, at, Rule::TEXT, message);
        } else if let Some(rule) = self.right(place.node, place.fresh) {
            let value = character.map(Value::from);
            if !self.fills(index, op, place, value.as_ref()) {
                let message = refusal_text(&rule);
                self.refuse(index, at, rule, message);
            }
        }
    }

    /// Whether an operation gives a new text or list the next part of its default, which is
    /// allowed in a new item, whoever makes it.
    fn fills(&mut self, index: usize, op: &Op, place: &Place, value: Option<&Value>) -> bool {
        let default = self.case.policy.node(place.node).default.as_ref();
        let (Some(default), Some(value)) = (default, value) else {
            return false;
        };
        if !place.is_new() {
            return false;
        }
        let element = match &op.key {
            Key::Seq(ElementId::Id(id)) => self.lookup.own(id),
            _ => None,
        };
        let Some(made) = self.owner(&op.obj) else {
            return false;
        };
        let (done, last) = made.filled;
        let follows = op.insert && element == (done > 0).then_some(last);
        let (next, length) = match (default, value) {
            (Value::String(text), Value::String(part)) => {
                (text[done..].starts_with(part.as_str()), part.len())
            }
            (Value::Array(items), part) => (items.get(done) == Some(part), 1),
            _ => (false, 0),
        };
        if follows && next {
            made.filled = (done + length, index);
        }
        follows && next
    }
}

impl Made {
    /// Whether it holds the whole of its default.
    pub(super) fn is_filled(&self, policy: &Policy) -> bool {
        let length = match &policy.node(self.place.node).default {
            Some(Value::String(text)) => text.len(),
            Some(Value::Array(items)) => items.len(),
            _ => 0,
        };
        self.filled.0 == length
    }
}

/// The JSON that a put stores, or why it cannot be stored.
fn put_value(shape: &Shape, scalar: &ScalarValue) -> Result<Value, ScalarFault> {
    if let Shape::Atomic(_) = shape {
        let value = match scalar {
            ScalarValue::Str(text) => serde_json::from_str::<Value>(text)
                .ok()
                .filter(|value| canonical(value) == text.as_str()),
            _ => None,
        };
        let message = "holds canonical JSON (RFC 8785) as text";
        let fault = || ScalarFault::new("atomic", message);
        return value.as_ref().map(nearest).ok_or_else(fault);
    }
    let plain = match scalar {
        ScalarValue::Counter(_) => None,
        scalar => plain_value(scalar),
    };
    plain.ok_or_else(|| wrong_type(shape))
}
