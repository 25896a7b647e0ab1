//! The mapping between stored and presented values along a policy: keyed lists become arrays,
//! deleted items and empty optional containers are left out.
//!
//! Reading is here, writing in `write`. The same document and policy always give the same value.
//! Stamps and tallies are not stored, so they never appear here.

mod changes;
mod registers;
mod write;

use std::collections::HashSet;

use automerge::iter::{MapRange, MapRangeItem};
use automerge::legacy::OpId;
use automerge::{
    ActorId, Automerge, ChangeHash, ObjId, ObjType, ReadDoc, ScalarValue, ScalarValueRef,
    TextEncoding, Value as Stored, ValueRef,
};
use serde_json::{Map, Value};

use crate::policy::{Node, NodeId, Policy, Shape};
use crate::value::{nearest, normal, normalized, number};

pub(crate) use changes::Changes;
pub(crate) use registers::{Held, Registers};
pub(crate) use write::{Writer, item_ids, make_field, make_fields, make_value};

/// The register that holds an item's place in its keyed list.
pub(crate) const POSITION: &str = "$position";
/// The register that says whether an item of a keyed list or open map is deleted.
pub(crate) const DELETED: &str = "$deleted";

/// Text positions are UTF-16 code units everywhere.
pub(crate) const ENCODING: TextEncoding = TextEncoding::Utf16CodeUnit;

/// An empty document whose actor is `actor`; never a random one.
pub(crate) fn empty(actor: ActorId) -> Automerge {
    Automerge::new_with_encoding(ENCODING).with_actor(actor)
}

/// The Automerge id of the object that an operation made, or of the operation itself.
pub(crate) fn object_id(id: &OpId) -> ObjId {
    ObjId::Id(id.counter(), id.actor().clone(), 0)
}

/// One item of a keyed list, deleted or not.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) position: String,
    pub(crate) id: String,
    pub(crate) object: ObjId,
    pub(crate) deleted: bool,
}

/// Reads a document now, or as it was at some heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    doc: &'a Automerge,
    policy: &'a Policy,
    at: Option<&'a [ChangeHash]>,
    /// Whether deleted items and entries are read like others.
    with_deleted: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn now(doc: &'a Automerge, policy: &'a Policy) -> Self {
        Self {
            doc,
            policy,
            at: None,
            with_deleted: false,
        }
    }

    /// Reads what there would be if everything that is deleted were undeleted.
    pub(crate) fn with_deleted(doc: &'a Automerge, policy: &'a Policy) -> Self {
        Self {
            with_deleted: true,
            ..Self::now(doc, policy)
        }
    }

    pub(crate) fn at(doc: &'a Automerge, policy: &'a Policy, heads: &'a [ChangeHash]) -> Self {
        Self {
            doc,
            policy,
            at: Some(heads),
            with_deleted: false,
        }
    }

    /// The whole entity, without stamps.
    pub(crate) fn root(&self) -> Map<String, Value> {
        self.object(&automerge::ROOT, self.policy.root())
    }

    /// One property of an object as presented; `None` where it is absent.
    pub(crate) fn property(&self, object: &ObjId, name: &str, node: NodeId) -> Option<Value> {
        self.presented(&self.get(object, name)?, node)
    }

    /// The value of a property, as presented.
    pub(crate) fn presented(&self, (stored, id): &Held<'_>, node: NodeId) -> Option<Value> {
        match stored {
            Stored::Object(_) => self.container(id, node, self.policy.node(node).required),
            Stored::Scalar(scalar) => scalar_value(self.policy.node(node), scalar),
        }
    }

    /// The items of a keyed list in order, deleted ones included.
    pub(crate) fn rows(&self, list: &ObjId) -> Vec<Row> {
        let rows = self.read_rows(list, None);
        rows.into_iter().map(|(row, _)| row).collect()
    }

    /// The same with the values of each, if `item` says how they are presented. Each item is read in
    /// one go, since looking up a property costs as much.
    pub(crate) fn read_rows(
        &self,
        list: &ObjId,
        item: Option<NodeId>,
    ) -> Vec<(Row, Map<String, Value>)> {
        self.read_rows_for(list, item, |_, _| {})
    }

    /// The same for a caller that looks up registers of the items afterwards: `seen` gets each.
    pub(crate) fn read_rows_for(
        &self,
        list: &ObjId,
        item: Option<NodeId>,
        mut seen: impl FnMut(&ObjId, &MapRangeItem<'_>),
    ) -> Vec<(Row, Map<String, Value>)> {
        let mut rows: Vec<(Row, Map<String, Value>)> = self
            .range(list)
            .filter(|found| matches!(found.value, ValueRef::Object(ObjType::Map)))
            .map(|found| {
                let mut row = Row {
                    position: String::new(),
                    object: found.id(),
                    id: found.key.into_owned(),
                    deleted: false,
                };
                let mut fields = Map::new();
                for field in self.range(&row.object) {
                    seen(&row.object, &field);
                    match (&*field.key, &field.value) {
                        (POSITION, ValueRef::Scalar(ScalarValueRef::Str(text))) => {
                            row.position = text.to_string();
                        }
                        (DELETED, ValueRef::Scalar(ScalarValueRef::Boolean(deleted))) => {
                            row.deleted = *deleted;
                        }
                        _ => {
                            fields.extend(item.and_then(|item| self.field(field, item)));
                        }
                    }
                }
                (row, fields)
            })
            .collect();
        rows.sort_by(|(a, _), (b, _)| (&a.position, &a.id).cmp(&(&b.position, &b.id)));
        rows
    }

    pub(crate) fn is_deleted(&self, object: &ObjId) -> bool {
        matches!(self.get(object, DELETED),
            Some((Stored::Scalar(scalar), _)) if *scalar == ScalarValue::Boolean(true))
    }

    /// The text of a text object; empty where there is none.
    pub(crate) fn text(&self, object: &ObjId) -> String {
        match self.at {
            None => self.doc.text(object),
            Some(heads) => self.doc.text_at(object, heads),
        }
        .unwrap_or_default()
    }

    /// The elements of a list of scalars, as presented.
    pub(crate) fn list(&self, object: &ObjId, element: NodeId) -> Vec<Value> {
        let mut elements = self.stored_list(object, element);
        if self.policy.shows_once(element) {
            let mut doubles = doubles(&elements).into_iter().peekable();
            let mut index = 0..;
            elements.retain(|_| doubles.next_if_eq(&index.next().unwrap_or(0)).is_none());
        }
        elements
    }

    /// The elements of a list of scalars, as they are stored: where [`Policy::shows_once`] holds,
    /// some may be equal.
    pub(crate) fn stored_list(&self, object: &ObjId, element: NodeId) -> Vec<Value> {
        let node = self.policy.node(element);
        let range = match self.at {
            None => self.doc.list_range(object, ..),
            Some(heads) => self.doc.list_range_at(object, .., heads),
        };
        range
            .filter_map(|item| match item.value {
                ValueRef::Scalar(scalar) => scalar_ref_value(node, &scalar),
                ValueRef::Object(_) => None,
            })
            .collect()
    }

    pub(crate) fn get(&self, object: &ObjId, name: &str) -> Option<Held<'a>> {
        match self.at {
            None => self.doc.get(object, name),
            Some(heads) => self.doc.get_at(object, name, heads),
        }
        .ok()
        .flatten()
    }

    fn range(&self, object: &ObjId) -> MapRange<'a> {
        match self.at {
            None => self.doc.map_range(object, ..),
            Some(heads) => self.doc.map_range_at(object, .., heads),
        }
    }

    /// An object's properties as presented.
    pub(crate) fn object(&self, object: &ObjId, node: NodeId) -> Map<String, Value> {
        self.range(object)
            .filter_map(|field| self.field(field, node))
            .collect()
    }

    /// One property of an object of `node`, if it is presented.
    fn field(&self, field: MapRangeItem<'_>, node: NodeId) -> Option<(String, Value)> {
        if field.key.starts_with('$') {
            return None;
        }
        let child = self.policy.child(node, &field.key)?;
        let value = match &field.value {
            ValueRef::Object(_) => {
                self.container(&field.id(), child, self.policy.node(child).required)
            }
            ValueRef::Scalar(scalar) => scalar_ref_value(self.policy.node(child), scalar),
        };
        Some((field.key.into_owned(), value?))
    }

    /// A container as presented; empty ones only if `required`, deleted ones never.
    fn container(&self, object: &ObjId, node: NodeId, required: bool) -> Option<Value> {
        let (value, empty) = match &self.policy.node(node).shape {
            Shape::Object { .. } => {
                let hides = !self.with_deleted && self.policy.is_dynamic(node);
                if hides && self.is_deleted(object) {
                    return None;
                }
                let map = self.object(object, node);
                let empty = map.is_empty() && !self.policy.is_dynamic(node);
                (Value::Object(map), empty)
            }
            Shape::Keyed { item, key } => {
                let items = self.items(object, *item, key);
                let empty = items.is_empty();
                (Value::Array(items), empty)
            }
            Shape::List { element } => {
                let elements = self.list(object, *element);
                let empty = elements.is_empty();
                (Value::Array(elements), empty)
            }
            Shape::Text { .. } => {
                let text = self.text(object);
                let empty = text.is_empty();
                (Value::String(text), empty)
            }
            _ => return None,
        };
        (required || !empty).then_some(value)
    }

    /// A container with everything in it, empty or not; `None` for a deleted one.
    pub(crate) fn content(&self, object: &ObjId, node: NodeId) -> Option<Value> {
        self.container(object, node, true)
    }

    fn items(&self, list: &ObjId, item: NodeId, key: &str) -> Vec<Value> {
        self.read_rows(list, Some(item))
            .into_iter()
            .filter(|(row, _)| self.with_deleted || !row.deleted)
            .map(|(row, mut map)| {
                map.insert(key.to_owned(), Value::String(row.id));
                Value::Object(map)
            })
            .collect()
    }
}

/// The places of elements that equal an earlier one. The first is the one that is presented.
pub(crate) fn doubles(elements: &[Value]) -> Vec<usize> {
    let mut seen = HashSet::with_capacity(elements.len());
    let all = elements.iter().enumerate();
    all.filter(|(_, element)| !seen.insert(*element))
        .map(|(index, _)| index)
        .collect()
}

/// A scalar by itself.
pub(crate) fn owned(scalar: &ScalarValueRef<'_>) -> ScalarValue {
    match scalar {
        ScalarValueRef::Bytes(bytes) => ScalarValue::Bytes(bytes.to_vec()),
        ScalarValueRef::Str(text) => ScalarValue::Str(text.as_ref().into()),
        ScalarValueRef::Int(n) => ScalarValue::Int(*n),
        ScalarValueRef::Uint(n) => ScalarValue::Uint(*n),
        ScalarValueRef::F64(x) => ScalarValue::F64(*x),
        ScalarValueRef::Counter(n) => ScalarValue::counter(*n),
        ScalarValueRef::Timestamp(n) => ScalarValue::Timestamp(*n),
        ScalarValueRef::Boolean(b) => ScalarValue::Boolean(*b),
        ScalarValueRef::Null => ScalarValue::Null,
        ScalarValueRef::Unknown { type_code, bytes } => ScalarValue::Unknown {
            type_code: *type_code,
            bytes: bytes.to_vec(),
        },
    }
}

/// [`scalar_value`], of a scalar in its document.
fn scalar_ref_value(node: &Node, scalar: &ScalarValueRef<'_>) -> Option<Value> {
    match (&node.shape, scalar) {
        (Shape::Atomic(_), _) => scalar_value(node, &owned(scalar)),
        (_, ScalarValueRef::Str(text)) => Some(Value::String(text.to_string())),
        (_, scalar) => plain_value(&owned(scalar)),
    }
}

/// A stored scalar as JSON: atomics are parsed, numbers get their one form.
pub(crate) fn scalar_value(node: &Node, scalar: &ScalarValue) -> Option<Value> {
    match (&node.shape, scalar) {
        (Shape::Atomic(_), ScalarValue::Str(text)) => {
            serde_json::from_str(text).ok().map(|value| nearest(&value))
        }
        (_, scalar) => plain_value(scalar),
    }
}

/// A scalar as JSON; `None` for what JSON has no word for (bytes, timestamps, NaN, …).
pub(crate) fn plain_value(scalar: &ScalarValue) -> Option<Value> {
    Some(match scalar {
        ScalarValue::Str(text) => Value::String(text.to_string()),
        ScalarValue::Int(n) => normal(&Value::from(*n)),
        ScalarValue::Uint(n) => normal(&Value::from(*n)),
        ScalarValue::F64(x) => number(*x)?,
        ScalarValue::Counter(counter) => Value::from(i64::from(counter)),
        ScalarValue::Boolean(b) => Value::Bool(*b),
        ScalarValue::Null => Value::Null,
        ScalarValue::Bytes(_) | ScalarValue::Timestamp(_) | ScalarValue::Unknown { .. } => {
            return None;
        }
    })
}

/// The scalar that stores a JSON scalar; `None` for arrays and objects.
pub(crate) fn stored_scalar(value: &Value) -> Option<ScalarValue> {
    Some(match &*normalized(value) {
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Bool(b) => ScalarValue::Boolean(*b),
        Value::Null => ScalarValue::Null,
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), _, _) => ScalarValue::Int(i),
            (None, Some(u), _) => ScalarValue::Uint(u),
            (None, None, Some(x)) => ScalarValue::F64(x),
            (None, None, None) => return None,
        },
        Value::Array(_) | Value::Object(_) => return None,
    })
}
