//! Whether the policy allows what a change does, judged on the merged state.
//!
//! Invariant: no operation is let through at a place that the schema does not declare, and none
//! that the author may not do there. All faults of a change are reported, not only the first.
//! Must never know: how the change arrived; what else waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{Automerge, ObjId, ObjType, Prop, ReadDoc, ScalarValue, Value as Stored};
use serde_json::Value;

use super::operations::{Fault, Lookup, fault, object_id};
use super::references::Past;
use crate::change::ParsedChange;
use crate::document::{DELETED, POSITION, Reader, plain_value};
use crate::entity::Entity;
use crate::id::{ItemId, check_map_key};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Shape, WriteRule};
use crate::position;
use crate::principal::Principal;
use crate::value::canonical;
use crate::violation::{Rule, Violation};

/// More faults of one change than this are not told one by one.
const VIOLATIONS_MAX: usize = 100;
/// U+FFFC stands for a block inside an Automerge text.
const OBJECT_REPLACEMENT: char = '\u{fffc}';

/// What a change is judged on.
pub(super) struct Case<'a> {
    pub(super) doc: &'a Automerge,
    pub(super) entity: &'a Entity,
    pub(super) author: &'a Principal,
    pub(super) creation: bool,
}

/// An object, its place in the schema and its name for people.
#[derive(Clone)]
struct Place {
    node: NodeId,
    pointer: Pointer,
    /// The object in the document; `None` for one that this change makes.
    object: Option<ObjId>,
    /// Whether `create` fields may be written: the object comes into being now.
    fresh: bool,
}

/// An object that the change under judgement makes.
struct Made {
    place: Place,
    op: usize,
    fields: BTreeSet<String>,
}

/// Judges `change`; gives the names of the root fields it touches.
///
/// # Errors
/// A fault in its structure. Faults by policy are in the second part of the result.
pub(super) fn judge(
    case: &Case<'_>,
    change: &ParsedChange,
    past: &Past,
) -> Result<(BTreeSet<String>, Vec<Violation>), Fault> {
    let mut judge = Judge {
        case,
        reader: Reader::now(case.doc, &case.entity.policy),
        lookup: Lookup::new(case.doc, change, past),
        made: BTreeMap::new(),
        items: HashSet::new(),
        places: HashMap::new(),
        counters: HashMap::new(),
        touched: BTreeSet::new(),
        violations: Vec::new(),
    };
    for (index, op) in change.ops().iter().enumerate() {
        judge.operation(index, op)?;
        if judge.violations.len() > VIOLATIONS_MAX {
            judge.violations.truncate(VIOLATIONS_MAX);
            return Ok((judge.touched, judge.violations));
        }
    }
    judge.completeness();
    Ok((judge.touched, judge.violations))
}

struct Judge<'a> {
    case: &'a Case<'a>,
    reader: Reader<'a>,
    lookup: Lookup<'a>,
    /// By index of the operation that makes it.
    made: BTreeMap<usize, Made>,
    /// Items that this change makes in lists of the document.
    items: HashSet<Pointer>,
    /// Places of objects in the document; `None` where the schema does not know them.
    places: HashMap<OpId, Option<(Place, ObjType)>>,
    /// What counters stand at, with the increments of this change.
    counters: HashMap<(ObjectId, String), i64>,
    touched: BTreeSet<String>,
    violations: Vec<Violation>,
}

impl Judge<'_> {
    fn operation(&mut self, index: usize, op: &Op) -> Result<(), Fault> {
        let (place, kind) = match &op.obj {
            ObjectId::Root => {
                let policy = &self.case.entity.policy;
                let place = Place {
                    node: policy.root(),
                    pointer: Pointer::root(),
                    object: Some(automerge::ROOT),
                    fresh: self.case.creation,
                };
                (Some(place), ObjType::Map)
            }
            ObjectId::Id(id) => match self.lookup.own(id) {
                Some(own) => self.own_place(index, own)?,
                None => self.document_place(index, id)?,
            },
        };
        self.lookup.check(index, op, kind)?;
        let Some(place) = place else { return Ok(()) };
        let policy = &self.case.entity.policy;
        match (&policy.node(place.node).shape, &op.key) {
            (Shape::Object { .. }, Key::Map(name)) => self.field(index, op, &place, name),
            (Shape::Keyed { item, .. }, Key::Map(id)) => self.item(index, op, &place, *item, id),
            (Shape::List { element }, Key::Seq(_)) => self.element(index, op, &place, *element),
            (Shape::Text { .. }, Key::Seq(_)) => self.character(index, op, &place),
            _ => self.refuse(index, &place.pointer, Rule::TYPE, "the object is of another type"),
        }
        Ok(())
    }

    /// An object that an earlier operation of this change made; no place if that was refused.
    fn own_place(&self, index: usize, own: usize) -> Result<(Option<Place>, ObjType), Fault> {
        let maker = self.lookup.own_op(own).filter(|_| own < index).map(|op| &op.action);
        let Some(OpType::Make(kind)) = maker else {
            return fault("unknown-object", index, "it works on an object that is not made yet");
        };
        Ok((self.made.get(&own).map(|made| made.place.clone()), *kind))
    }

    fn document_place(
        &mut self,
        index: usize,
        id: &OpId,
    ) -> Result<(Option<Place>, ObjType), Fault> {
        if let Some(Some((place, kind))) = self.places.get(id) {
            return Ok((Some(place.clone()), *kind));
        }
        let object = object_id(id);
        let kind = match self.case.doc.object_type(&object) {
            Ok(kind) if self.lookup.is_past(id) => kind,
            _ => return fault("unknown-object", index, "there is no such object in its past"),
        };
        let Ok(parents) = self.case.doc.parents(&object) else {
            return fault("unknown-object", index, "there is no such object");
        };
        let policy = &self.case.entity.policy;
        let mut names: Vec<String> = Vec::new();
        for parent in parents {
            match parent.prop {
                Prop::Map(name) => names.push(name),
                Prop::Seq(place) => names.push(place.to_string()),
            }
        }
        let mut pointer = Pointer::root();
        let mut node = Some(policy.root());
        for name in names.iter().rev() {
            pointer = pointer.child(name);
            node = node.and_then(|node| policy.child(node, name));
        }
        let Some(node) = node else {
            self.refuse(index, &pointer, Rule::UNKNOWN_FIELD, "the schema declares no such field");
            return Ok((None, kind));
        };
        let place = Place { node, pointer, object: Some(object), fresh: self.case.creation };
        self.places.insert(id.clone(), Some((place.clone(), kind)));
        Ok((Some(place), kind))
    }

    fn touch(&mut self, place: &Place, name: &str) {
        let root = place.pointer.tokens().first().map_or(name, String::as_str).to_owned();
        self.touched.insert(root);
    }

    /// An operation at a named key of an object.
    fn field(&mut self, index: usize, op: &Op, place: &Place, name: &str) {
        self.touch(place, name);
        let at = place.pointer.child(name);
        let policy = &self.case.entity.policy;
        if policy.is_dynamic(place.node) && (name == POSITION || name == DELETED) {
            self.register(index, op, place, name);
            return;
        }
        if policy.presented_key(place.node) == Some(name) {
            self.refuse(index, &at, Rule::KEY, "the key of an item cannot be written");
            return;
        }
        let child = if name.starts_with('$') { None } else { policy.child(place.node, name) };
        let Some(child) = child else {
            self.refuse(index, &at, Rule::UNKNOWN_FIELD, "the schema declares no such field");
            return;
        };
        if policy.is_additional(child) && check_map_key(name).is_err() {
            self.refuse(index, &at, Rule::NAME, "a map key is 1 to 128 bytes of plain text");
            return;
        }
        match &policy.node(child).shape {
            Shape::Object { .. } if policy.is_dynamic(child) => {
                self.make_dynamic(index, op, place, child, name);
            }
            shape if shape.is_container() => self.make_declared(index, op, place, child, name),
            Shape::Scalar(_) | Shape::Atomic(_) => self.scalar(index, op, place, child, name),
            Shape::Counter(_) => self.counter(index, op, place, child, name),
            Shape::Stamp(_) => {
                self.refuse(index, &at, Rule::STAMP, "the field is derived from the ledger");
            }
            _ => self.refuse(index, &at, Rule::TALLY, "the field lives beside the document"),
        }
    }

    /// A declared container: made once, with the object it belongs to.
    fn make_declared(&mut self, index: usize, op: &Op, place: &Place, child: NodeId, name: &str) {
        let at = place.pointer.child(name);
        let declared = object_type(&self.case.entity.policy.node(child).shape);
        let fits = matches!(op.action, OpType::Make(kind) if Some(kind) == declared);
        let owner = self.owner(&op.obj);
        let first = owner.is_some_and(|made| made.fields.insert(name.to_owned()));
        if place.object.is_none() && first && fits {
            let made = Place { node: child, pointer: at, object: None, fresh: true };
            self.made.insert(index, Made { place: made, op: index, fields: BTreeSet::new() });
        } else {
            let message = "a declared container is made once and never put, replaced or deleted";
            self.refuse(index, &at, Rule::CONTAINER, message);
        }
    }

    /// The made object that an operation works on, if this change makes it.
    fn owner(&mut self, object: &ObjectId) -> Option<&mut Made> {
        let ObjectId::Id(id) = object else { return None };
        let own = self.lookup.own(id)?;
        self.made.get_mut(&own)
    }

    /// An item of a keyed list.
    fn item(&mut self, index: usize, op: &Op, place: &Place, item: NodeId, id: &str) {
        self.touch(place, id);
        if ItemId::new(id).is_err() {
            let message = "an item id is 1 to 64 ASCII letters, digits, '_' or '-'";
            self.refuse(index, &place.pointer.child(id), Rule::NAME, message);
            return;
        }
        self.make_dynamic(index, op, place, item, id);
    }

    /// An item of a keyed list or an object value of an open map.
    fn make_dynamic(&mut self, index: usize, op: &Op, place: &Place, child: NodeId, name: &str) {
        let at = place.pointer.child(name);
        let there = place.object.as_ref().is_some_and(|object| {
            self.case.doc.get_all(object, name).is_ok_and(|found| !found.is_empty())
        });
        let again = match self.owner(&op.obj) {
            Some(made) => !made.fields.insert(name.to_owned()),
            None => !self.items.insert(at.clone()),
        };
        if there || again {
            let message = "it exists already; it is deleted by its own register, not replaced";
            self.refuse(index, &at, Rule::EXISTS, message);
        } else if !matches!(op.action, OpType::Make(ObjType::Map)) {
            self.refuse(index, &at, Rule::TYPE, "only an object can be made here");
        } else if let Some(rule) = self.right(place.node, place.fresh) {
            self.refuse(index, &at, rule, "items of this list may not be added by you");
        } else {
            let made = Place { node: child, pointer: at, object: None, fresh: true };
            self.made.insert(index, Made { place: made, op: index, fields: BTreeSet::new() });
        }
    }

    /// `$position` or `$deleted` of an item.
    fn register(&mut self, index: usize, op: &Op, place: &Place, name: &str) {
        let policy = &self.case.entity.policy;
        let at = place.pointer.child(name);
        if let Some(made) = self.owner(&op.obj) {
            made.fields.insert(name.to_owned());
        }
        let keyed = policy.node(place.node).parent.filter(|_| !policy.is_additional(place.node));
        match (&op.action, name, keyed) {
            (OpType::Put(ScalarValue::Str(text)), POSITION, Some(list)) => {
                // The right to move is the list's, whatever brought the item into being.
                let rule = self.right(list, place.fresh);
                if position::check(text).is_err() {
                    let message = "a position is 1 to 128 of 0-9A-Za-z and does not end in 0";
                    self.refuse(index, &at, Rule::POSITION, message);
                } else if let Some(rule) = rule {
                    self.refuse(index, &at, rule, "items of this list may not be moved by you");
                }
            }
            (OpType::Put(ScalarValue::Boolean(_)), DELETED, _) => {
                if !policy.writable_throughout(place.node, self.case.author) {
                    let message = "deleting and undeleting need the right to write every field";
                    self.refuse(index, &place.pointer, Rule::DELETE, message);
                }
            }
            _ if name == POSITION => {
                self.refuse(index, &at, Rule::POSITION, "this is no position");
            }
            _ => self.refuse(index, &at, Rule::DELETE, "the register holds true or false"),
        }
    }

    fn scalar(&mut self, index: usize, op: &Op, place: &Place, child: NodeId, name: &str) {
        let at = place.pointer.child(name);
        let node = self.case.entity.policy.node(child);
        if let Some(made) = self.owner(&op.obj) {
            made.fields.insert(name.to_owned());
        }
        let attempted = match &op.action {
            OpType::Put(scalar) => match put_value(&node.shape, scalar) {
                Ok(value) => Some(value),
                Err((rule, message)) => return self.refuse(index, &at, rule, message),
            },
            OpType::Delete => None,
            OpType::Make(_) => {
                let message = "the field holds one value, not an object";
                return self.refuse(index, &at, Rule::TYPE, message);
            }
            _ => return self.refuse(index, &at, Rule::TYPE, "the field is not a counter"),
        };
        let is_default = place.fresh && attempted.is_some() && attempted == node.default;
        if let Some(rule) = self.right(child, place.fresh).filter(|_| !is_default) {
            let kept = place
                .object
                .as_ref()
                .and_then(|object| self.reader.property(object, name, child));
            let message = refusal_text(&rule);
            self.refuse_value(index, &at, rule, message, attempted, kept);
        } else if let Some(value) = attempted {
            self.constraint(index, &at, child, value);
        }
    }

    /// The constraints of one scalar or atomic value.
    fn constraint(&mut self, index: usize, at: &Pointer, node: NodeId, value: Value) {
        let checked = match &self.case.entity.policy.node(node).shape {
            Shape::Scalar(rule) | Shape::Counter(rule) => rule.check(&value),
            Shape::Atomic(rule) => rule.check(&value),
            _ => Ok(()),
        };
        if let Err(fault) = checked {
            let rule = Rule::keyword(&fault.keyword);
            self.refuse_value(index, at, rule, &fault.message, Some(value), None);
        }
    }

    fn counter(&mut self, index: usize, op: &Op, place: &Place, child: NodeId, name: &str) {
        let at = place.pointer.child(name);
        let right = self.right(child, place.fresh);
        let key = (op.obj.clone(), name.to_owned());
        match &op.action {
            OpType::Put(ScalarValue::Counter(start)) if place.object.is_none() => {
                let start = i64::from(start);
                let default = self.case.entity.policy.node(child).default.as_ref();
                let default = default.and_then(Value::as_i64).unwrap_or(0);
                let first =
                    self.owner(&op.obj).is_some_and(|made| made.fields.insert(name.to_owned()));
                if !first {
                    self.refuse(index, &at, Rule::COUNTER, "a counter is made once");
                } else if let Some(rule) = right.filter(|_| start != default) {
                    self.refuse(index, &at, rule, "only the default may be set here by you");
                } else {
                    self.counters.insert(key, start);
                    self.constraint(index, &at, child, Value::from(start));
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
                    self.refuse(index, &at, rule, "the counter may not be changed by you");
                } else if let Some(next) = next {
                    self.counters.insert(key, next);
                    self.constraint(index, &at, child, Value::from(next));
                } else {
                    self.refuse(index, &at, Rule::COUNTER, "the counter would overflow");
                }
            }
            _ => self.refuse(index, &at, Rule::COUNTER, "a counter changes by increments only"),
        }
    }

    /// An element of a list of scalars.
    fn element(&mut self, index: usize, op: &Op, place: &Place, element: NodeId) {
        self.touch(place, "");
        let at = place.pointer.clone();
        let attempted = match &op.action {
            OpType::Put(scalar) => {
                match put_value(&self.case.entity.policy.node(element).shape, scalar) {
                    Ok(value) => Some(value),
                    Err((rule, message)) => return self.refuse(index, &at, rule, message),
                }
            }
            OpType::Delete => None,
            _ => return self.refuse(index, &at, Rule::TYPE, "the list holds plain values"),
        };
        if let Some(rule) = self.right(element, place.fresh) {
            let message = refusal_text(&rule);
            self.refuse_value(index, &at, rule, message, attempted, None);
        } else if let Some(value) = attempted {
            self.constraint(index, &at, element, value);
        }
    }

    /// An element of a text.
    fn character(&mut self, index: usize, op: &Op, place: &Place) {
        self.touch(place, "");
        let at = place.pointer.clone();
        let fits = match &op.action {
            OpType::Put(ScalarValue::Str(text)) if op.insert => {
                let mut chars = text.chars();
                matches!((chars.next(), chars.next()), (Some(c), None) if c != OBJECT_REPLACEMENT)
            }
            OpType::Delete => true,
            _ => false,
        };
        if !fits {
            let message = "a text takes single characters, inserted or deleted";
            self.refuse(index, &at, Rule::TEXT, message);
        } else if let Some(rule) = self.right(place.node, place.fresh) {
            let message = refusal_text(&rule);
            self.refuse(index, &at, rule, message);
        }
    }

    /// What new objects lack.
    fn completeness(&mut self) {
        let policy = &self.case.entity.policy;
        let mut missing = Vec::new();
        for made in self.made.values() {
            let Shape::Object { properties, .. } = &policy.node(made.place.node).shape else {
                continue;
            };
            let declared = properties.iter().filter(|(_, child)| {
                let shape = &policy.node(**child).shape;
                shape.is_container() || matches!(shape, Shape::Counter(_))
            });
            let position = policy
                .presented_key(made.place.node)
                .map(|_| POSITION)
                .filter(|_| policy.is_dynamic(made.place.node));
            let names = declared.map(|(name, _)| name.as_str()).chain(position);
            for name in names.filter(|name| !made.fields.contains(*name)) {
                missing.push((made.op, made.place.pointer.child(name)));
            }
        }
        for (op, at) in missing {
            let message = "a new item must be made with everything that its schema declares";
            self.refuse(op, &at, Rule::INCOMPLETE, message);
        }
    }

    /// The rule that keeps the author from writing at `node`, if any.
    fn right(&self, node: NodeId, fresh: bool) -> Option<Rule> {
        denied(&self.case.entity.policy.node(node).write, self.case.author, fresh)
    }

    fn refuse(&mut self, op: usize, at: &Pointer, rule: Rule, message: &str) {
        self.refuse_value(op, at, rule, message, None, None);
    }

    fn refuse_value(
        &mut self,
        op: usize,
        at: &Pointer,
        rule: Rule,
        message: &str,
        attempted: Option<Value>,
        kept: Option<Value>,
    ) {
        // Runs of one fault (a typed text) are one violation with many operations.
        if let Some(last) = self.violations.last_mut() {
            let same = last.pointer == *at && last.rule == rule && last.message == message;
            if same && attempted.is_none() && last.attempted.is_none() {
                last.ops.push(op);
                return;
            }
        }
        self.violations.push(Violation {
            change: 0,
            ops: vec![op],
            pointer: at.clone(),
            rule,
            attempted,
            kept,
            message: message.to_owned(),
        });
    }
}

/// The rule that keeps `author` from writing under `write`, if any.
pub(crate) fn denied(write: &WriteRule, author: &Principal, fresh: bool) -> Option<Rule> {
    match write {
        WriteRule::Edit => None,
        WriteRule::Create => (!fresh).then_some(Rule::CREATE),
        WriteRule::System => (!author.is_system()).then_some(Rule::SYSTEM),
        WriteRule::Roles(roles) => {
            (!author.is_system() && !author.has_any(roles)).then_some(Rule::WRITE)
        }
    }
}

/// Why a value may not be written, for people.
pub(crate) fn refusal_text(rule: &Rule) -> &'static str {
    if *rule == Rule::CREATE {
        "the field is written once, when it is created"
    } else if *rule == Rule::SYSTEM {
        "the field is written by the system only"
    } else if *rule == Rule::STAMP {
        "the field is derived from the ledger"
    } else if *rule == Rule::TALLY {
        "the field lives beside the document"
    } else {
        "the field may not be written by your roles"
    }
}

fn object_type(shape: &Shape) -> Option<ObjType> {
    match shape {
        Shape::Object { .. } | Shape::Keyed { .. } => Some(ObjType::Map),
        Shape::List { .. } => Some(ObjType::List),
        Shape::Text { .. } => Some(ObjType::Text),
        _ => None,
    }
}

/// The JSON that a put stores, or why it cannot be stored.
fn put_value(shape: &Shape, scalar: &ScalarValue) -> Result<Value, (Rule, &'static str)> {
    if let Shape::Atomic(_) = shape {
        let ScalarValue::Str(text) = scalar else {
            return Err((Rule::ATOMIC, "the field holds canonical JSON as text"));
        };
        return match serde_json::from_str::<Value>(text) {
            Ok(value) if canonical(&value) == text.as_str() => Ok(value),
            _ => Err((Rule::ATOMIC, "the field holds canonical JSON (RFC 8785) as text")),
        };
    }
    match scalar {
        ScalarValue::Counter(_) => Err((Rule::TYPE, "the field is not a counter")),
        scalar => plain_value(scalar).ok_or((Rule::TYPE, "JSON has no word for this value")),
    }
}
