//! Whether the policy allows what a change does, judged on the merged state.
//!
//! Invariant: no operation is let through at a place that the schema does not declare, and none
//! that the author may not do there. All faults of a change are reported, not only the first.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{Automerge, ObjId, ObjType, Prop, ReadDoc, ScalarValue};
use serde_json::Value;

use super::operations::{Fault, Lookup, Operations, fault, is_same};
use super::references::Past;
use crate::document::{DELETED, POSITION, Reader, object_id};
use crate::id::{ItemId, check_map_key};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Rights, Shape, wrong_type};
use crate::position;
use crate::violation::{RefusalCode, Rule, VIOLATIONS_MAX, Violation};

/// What operations are judged on.
pub(super) struct Case<'a> {
    pub(super) doc: &'a Automerge,
    pub(super) policy: &'a Policy,
    pub(super) rights: Rights<'a>,
    pub(super) creation: bool,
}

/// An object, its place in the schema and its name for people.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) pointer: Pointer,
    /// The object in the document; `None` for one that an operation under judgement makes.
    pub(super) object: Option<ObjId>,
    /// Whether `create` fields may be written: the object comes into being with this edit.
    pub(super) fresh: bool,
}

impl Place {
    /// Whether this edit makes the object.
    pub(super) fn is_new(&self) -> bool {
        self.object.is_none() && self.fresh
    }
}

/// An object that the change under judgement makes.
pub(super) struct Made {
    pub(super) place: Rc<Place>,
    op: usize,
    pub(super) fields: BTreeSet<String>,
    /// How much of its default a text (bytes) or list (elements) has got that the author may not
    /// write otherwise, and by which operation last.
    pub(super) filled: (usize, usize),
}

impl Made {
    fn new(op: usize, place: Place) -> Self {
        Self {
            place: Rc::new(place),
            op,
            fields: BTreeSet::new(),
            filled: (0, 0),
        }
    }
}

/// What operations work on.
#[derive(Debug, Clone, Default)]
pub(super) struct Touched {
    /// The names of root fields.
    pub(super) roots: BTreeSet<String>,
    /// Lists in which equal elements are presented once, and that something was written to: the
    /// object and the node of its elements.
    pub(super) lists: BTreeMap<Pointer, (ObjId, NodeId)>,
}

/// Judges operations. Returns what each edit works on, and the faults by policy.
///
/// Each edit is judged on the document as the edits before it leave it, although none of them is
/// applied yet: what they made is remembered. Where that does not say enough, an edit is refused
/// here that would be admitted after the others; it is never the other way round.
///
/// # Errors
/// A fault in their structure.
pub(super) fn judge(
    case: &Case<'_>,
    operations: &Operations<'_>,
    past: &Past,
) -> Result<(Vec<Touched>, Vec<Violation>), Fault> {
    let mut judge = Judge {
        case,
        reader: Reader::now(case.doc, case.policy),
        lookup: Lookup::new(case.doc, operations, past),
        made: BTreeMap::new(),
        items: HashSet::new(),
        places: HashMap::new(),
        last: None,
        counters: HashMap::new(),
        touched: Touched::default(),
        violations: Vec::new(),
        edit: 0..0,
    };
    let mut touched = Vec::new();
    for edit in operations.edits() {
        judge.edit = edit.clone();
        for index in edit {
            judge.operation(index, operations.at(index))?;
            if judge.violations.len() > VIOLATIONS_MAX {
                judge.violations.truncate(VIOLATIONS_MAX);
                return Ok((touched, judge.violations));
            }
        }
        judge.completeness();
        touched.push(judge.end_edit());
    }
    Ok((touched, judge.violations))
}

/// An object that operations work on, and its type; no place if it was refused.
type Found = (Option<Rc<Place>>, ObjType);

pub(super) struct Judge<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) reader: Reader<'a>,
    pub(super) lookup: Lookup<'a>,
    /// By index of the operation that makes it.
    made: BTreeMap<usize, Made>,
    /// Items that this change makes in lists of the document.
    items: HashSet<Pointer>,
    /// Places of objects in the document that are not refused.
    places: HashMap<OpId, (Rc<Place>, ObjType)>,
    /// The object that the operation before works on: most work on the same one.
    last: Option<(ObjectId, Found)>,
    /// The values of counters, with the increments of this change.
    pub(super) counters: HashMap<(ObjectId, String), i64>,
    pub(super) touched: Touched,
    violations: Vec<Violation>,
    /// The operations of the edit that is judged now.
    edit: Range<usize>,
}

impl Judge<'_> {
    /// Closes what the edit made: it is not new to the edits after it.
    fn end_edit(&mut self) -> Touched {
        self.last = None;
        for made in self.made.range_mut(self.edit.clone()) {
            Rc::make_mut(&mut made.1.place).fresh = false;
        }
        std::mem::take(&mut self.touched)
    }

    fn operation(&mut self, index: usize, op: &Op) -> Result<(), Fault> {
        let (place, kind) = match &self.last {
            Some((object, found)) if *object == op.obj => found.clone(),
            _ => {
                let found = self.place(index, &op.obj)?;
                // Each operation at a refused place is reported.
                let last = (op.obj.clone(), found.clone());
                self.last = found.0.is_some().then_some(last);
                found
            }
        };
        self.lookup.check(index, op, kind)?;
        let Some(place) = place else { return Ok(()) };
        let policy = self.case.policy;
        match (&policy.node(place.node).shape, &op.key) {
            (Shape::Object { .. }, Key::Map(name)) => self.field(index, op, &place, name),
            (Shape::Keyed { item, .. }, Key::Map(id)) => self.item(index, op, &place, *item, id),
            (Shape::List { element }, Key::Seq(_)) => self.element(index, op, &place, *element),
            (Shape::Text { .. }, Key::Seq(_)) => self.character(index, op, &place),
            (shape, _) => self.refuse_fault(index, &place.pointer, wrong_type(shape), None),
        }
        Ok(())
    }

    /// The object that the operation at `index` works on.
    fn place(&mut self, index: usize, object: &ObjectId) -> Result<Found, Fault> {
        match object {
            ObjectId::Root => {
                let place = Place {
                    node: self.case.policy.root(),
                    pointer: Pointer::root(),
                    object: Some(automerge::ROOT),
                    fresh: self.case.creation,
                };
                Ok((Some(Rc::new(place)), ObjType::Map))
            }
            ObjectId::Id(id) => match self.lookup.own(id) {
                Some(own) => self.own_place(index, own),
                None => self.document_place(index, id),
            },
        }
    }

    /// An object that an earlier operation of this change made; no place if that was refused.
    fn own_place(&self, index: usize, own: usize) -> Result<Found, Fault> {
        let maker = self
            .lookup
            .own_op(own)
            .filter(|_| own < index)
            .map(|op| &op.action);
        let Some(OpType::Make(kind)) = maker else {
            return fault(
                RefusalCode::UnknownObject,
                index,
                "it works on an object that is not made yet",
            );
        };
        let made = self.made.get(&own);
        Ok((made.map(|made| Rc::clone(&made.place)), *kind))
    }

    fn document_place(&mut self, index: usize, id: &OpId) -> Result<Found, Fault> {
        if let Some((place, kind)) = self.places.get(id) {
            return Ok((Some(Rc::clone(place)), *kind));
        }
        let object = object_id(id);
        let kind = match self.case.doc.object_type(&object) {
            Ok(kind) if self.lookup.is_past(id) => kind,
            _ => {
                return fault(
                    RefusalCode::UnknownObject,
                    index,
                    "there is no such object in its past",
                );
            }
        };
        let Ok(parents) = self.case.doc.parents(&object) else {
            return fault(RefusalCode::UnknownObject, index, "there is no such object");
        };
        let policy = self.case.policy;
        let mut names: Vec<String> = Vec::new();
        let mut visible = true;
        for parent in parents {
            visible &= parent.visible;
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
            self.refuse(
                index,
                &pointer,
                Rule::UNKNOWN_FIELD,
                "the schema declares no such field",
            );
            return Ok((None, kind));
        };
        if !visible {
            // A change of the schema put another in its place.
            let message = "the object is not in use any more";
            self.refuse(index, &pointer, Rule::CONTAINER, message);
            return Ok((None, kind));
        }
        let place = Rc::new(Place {
            node,
            pointer,
            object: Some(object),
            fresh: self.case.creation,
        });
        let known = (Rc::clone(&place), kind);
        self.places.insert(id.clone(), known);
        Ok((Some(place), kind))
    }

    pub(super) fn touch(&mut self, place: &Place, name: &str) {
        let root = place.pointer.tokens().first().map_or(name, String::as_str);
        if !self.touched.roots.contains(root) {
            self.touched.roots.insert(root.to_owned());
        }
    }

    /// An operation at a named key of an object.
    fn field(&mut self, index: usize, op: &Op, place: &Place, name: &str) {
        self.touch(place, name);
        let at = || place.pointer.child(name);
        let policy = self.case.policy;
        if policy.is_dynamic(place.node) && (name == POSITION || name == DELETED) {
            self.register(index, op, place, name);
            return;
        }
        if policy.presented_key(place.node) == Some(name) {
            self.refuse(
                index,
                &at(),
                Rule::KEY,
                "the key of an item cannot be written",
            );
            return;
        }
        let child = if name.starts_with('$') {
            None
        } else {
            policy.child(place.node, name)
        };
        let Some(child) = child else {
            self.undeclared(index, place, name);
            return;
        };
        if policy.is_additional(child) && check_map_key(name).is_err() {
            self.refuse(
                index,
                &at(),
                Rule::NAME,
                "a map key is 1 to 128 bytes of plain text",
            );
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
                self.refuse(
                    index,
                    &at(),
                    Rule::STAMP,
                    "the field is derived from the ledger",
                );
            }
            _ => self.refuse(
                index,
                &at(),
                Rule::TALLY,
                "the field lives beside the document",
            ),
        }
    }

    /// Refuses an operation at a name that the schema does not have there. What was meant is looked for
    /// once, whatever the number of operations.
    fn undeclared(&mut self, index: usize, place: &Place, name: &str) {
        let at = place.pointer.child(name);
        let message = match self.violations.last() {
            Some(last) if last.pointer == at && last.rule == Rule::UNKNOWN_FIELD => {
                last.message.clone()
            }
            _ => {
                let policy = self.case.policy;
                policy.undeclared(place.node, &place.pointer, name)
            }
        };
        self.refuse(index, &at, Rule::UNKNOWN_FIELD, &message);
    }

    /// A declared container: made once, with the object it belongs to.
    fn make_declared(&mut self, index: usize, op: &Op, place: &Place, child: NodeId, name: &str) {
        let at = place.pointer.child(name);
        let declared = object_type(&self.case.policy.node(child).shape);
        let fits = matches!(op.action, OpType::Make(kind) if Some(kind) == declared);
        let owner = self.owner(&op.obj);
        let first = owner.is_some_and(|made| made.fields.insert(name.to_owned()));
        if place.is_new() && first && fits {
            let made = Place {
                node: child,
                pointer: at,
                object: None,
                fresh: true,
            };
            self.made.insert(index, Made::new(index, made));
        } else {
            let message = "a declared container is made once and never put, replaced or deleted";
            self.refuse(index, &at, Rule::CONTAINER, message);
        }
    }

    /// The made object that an operation works on, if this change makes it.
    pub(super) fn owner(&mut self, object: &ObjectId) -> Option<&mut Made> {
        let ObjectId::Id(id) = object else {
            return None;
        };
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
        let there = place
            .object
            .as_ref()
            .is_some_and(|object| !self.lookup.held(object, name).is_empty());
        let again = match self.owner(&op.obj) {
            Some(made) => !made.fields.insert(name.to_owned()),
            None => !self.items.insert(at.clone()),
        };
        if there || again {
            let message = "it exists already; it is deleted by its own register, not replaced";
            self.refuse(index, &at, Rule::EXISTS, message);
        } else if !matches!(op.action, OpType::Make(ObjType::Map)) {
            let fault = wrong_type(&self.case.policy.node(child).shape);
            self.refuse_fault(index, &at, fault, None);
        } else if let Some(rule) = self
            .right(place.node, place.fresh)
            .or_else(|| self.right(child, true))
        {
            let message = "items of this list may not be added by you";
            self.refuse(index, &at, rule, message);
        } else {
            let made = Place {
                node: child,
                pointer: at,
                object: None,
                fresh: true,
            };
            self.made.insert(index, Made::new(index, made));
        }
    }

    /// `$position` or `$deleted` of an item.
    fn register(&mut self, index: usize, op: &Op, place: &Place, name: &str) {
        let policy = self.case.policy;
        let at = || place.pointer.child(name);
        if let Some(made) = self.owner(&op.obj) {
            made.fields.insert(name.to_owned());
        }
        let keyed = policy
            .node(place.node)
            .parent
            .filter(|_| !policy.is_additional(place.node));
        let good = match &op.action {
            OpType::Put(ScalarValue::Str(text)) => {
                name == POSITION && position::check(text).is_ok()
            }
            OpType::Put(ScalarValue::Boolean(_)) => name == DELETED,
            // Automerge resolves a conflict in favour of what wins anyway by deleting the others.
            OpType::Delete => name == DELETED || self.leaves_winner(op, place, name),
            _ => false,
        };
        match keyed.filter(|_| name == POSITION) {
            Some(_) if !good => {
                let message = "a position is 1 to 128 of 0-9A-Za-z and does not end in 0";
                self.refuse(index, &at(), Rule::POSITION, message);
            }
            // The right to move is the list's, whatever brought the item into being.
            Some(list) => {
                if let Some(rule) = self.right(list, place.fresh) {
                    let message = "items of this list may not be moved by you";
                    self.refuse(index, &at(), rule, message);
                }
            }
            None if name == POSITION => {
                self.refuse(index, &at(), Rule::POSITION, "an open map has no order");
            }
            None if !good => {
                self.refuse(
                    index,
                    &at(),
                    Rule::DELETE,
                    "the register holds true or false",
                );
            }
            None => {
                if !self.case.rights.may_delete(place.node) {
                    let message = "deleting and undeleting need the right to write every field";
                    self.refuse(index, &place.pointer, Rule::DELETE, message);
                }
            }
        }
    }

    /// Whether deleting values at a key leaves the one that wins now. What an earlier edit of the
    /// same proposal put there wins over all that this one can name.
    fn leaves_winner(&self, op: &Op, place: &Place, name: &str) -> bool {
        let winner = place
            .object
            .as_ref()
            .and_then(|object| self.reader.get(object, name));
        winner.is_some_and(|(_, winner)| {
            let mut gone = op.pred.iter();
            !gone.any(|pred| is_same(&winner, pred) || self.lookup.own(pred).is_some())
        })
    }

    /// What new objects lack.
    fn completeness(&mut self) {
        let policy = self.case.policy;
        let mut missing = Vec::new();
        for (_, made) in self.made.range(self.edit.clone()) {
            if made.filled.0 > 0 && !made.is_filled(policy) {
                missing.push((made.op, made.place.pointer.clone()));
            }
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
    pub(super) fn right(&self, node: NodeId, fresh: bool) -> Option<Rule> {
        self.case.rights.denied(node, fresh)
    }

    pub(super) fn refuse(&mut self, op: usize, at: &Pointer, rule: Rule, message: &str) {
        self.refuse_value(op, at, rule, message, None, None);
    }

    pub(super) fn refuse_value(
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
            holder: None,
            bound: None,
            message: message.to_owned(),
        });
    }

    /// What the schema states with the keyword that was refused last.
    pub(super) fn bound(&mut self, bound: Option<Value>) {
        if let Some(last) = self.violations.last_mut() {
            last.bound = bound;
        }
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
