//! Writing values into a document, each in the form in which its policy stores it.
//!
//! Whatever a schema declares inside an object is made together with the object, so no object is
//! ever there without its containers, counters and defaults.

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{AutomergeError, ObjId, ObjType, ScalarValue};
use serde_json::Value;

use super::{POSITION, stored_scalar};
use crate::id::{Hash, ItemId};
use crate::policy::{NodeId, Policy, Shape};
use crate::position;
use crate::value::{canonical, normal};

type Outcome = Result<(), AutomergeError>;

/// What values are written into: a transaction, or a change that is being drafted.
pub(crate) trait Writer {
    /// Makes an object at a key of a map.
    fn make(&mut self, map: &ObjId, key: &str, kind: ObjType) -> Result<ObjId, AutomergeError>;

    /// Writes a single value to a key of a map.
    fn set(&mut self, map: &ObjId, key: &str, value: ScalarValue) -> Outcome;

    /// Gives a list that was just made its elements.
    fn fill_list(&mut self, list: &ObjId, values: Vec<ScalarValue>) -> Outcome;

    /// Gives a text that was just made its letters.
    fn fill_text(&mut self, text: &ObjId, letters: &str) -> Outcome;
}

impl<T: Transactable> Writer for T {
    fn make(&mut self, map: &ObjId, key: &str, kind: ObjType) -> Result<ObjId, AutomergeError> {
        self.put_object(map, key, kind)
    }

    fn set(&mut self, map: &ObjId, key: &str, value: ScalarValue) -> Outcome {
        self.put(map, key, value)
    }

    fn fill_list(&mut self, list: &ObjId, values: Vec<ScalarValue>) -> Outcome {
        self.splice(list, 0, 0, values)
    }

    fn fill_text(&mut self, text: &ObjId, letters: &str) -> Outcome {
        self.splice_text(text, 0, 0, letters)
    }
}

/// Makes what the schema declares below an object that was just made: containers, counters, and
/// the defaults of scalars that `written` does not name.
pub(crate) fn make_fields<T: Writer>(
    writer: &mut T,
    object: &ObjId,
    policy: &Policy,
    node: NodeId,
    written: &dyn Fn(&str) -> bool,
) -> Outcome {
    let Shape::Object { properties, .. } = &policy.node(node).shape else {
        return Ok(());
    };
    for (name, &child) in properties {
        if !written(name) || !policy.node(child).shape.is_single() {
            make_field(writer, object, policy, (name, child))?;
        }
    }
    Ok(())
}

/// Makes one declared property of an object: a container with its content, a counter, or the
/// default of a single value.
pub(crate) fn make_field<T: Writer>(
    writer: &mut T,
    object: &ObjId,
    policy: &Policy,
    (name, child): (&str, NodeId),
) -> Outcome {
    let declared = policy.node(child);
    match &declared.shape {
        Shape::Object { .. } => {
            let made = writer.make(object, name, ObjType::Map)?;
            make_fields(writer, &made, policy, child, &|_| false)
        }
        Shape::Keyed { .. } => writer.make(object, name, ObjType::Map).map(|_| ()),
        shape => make_leaf(writer, (object, name), shape, declared.default.as_ref()),
    }
}

/// Writes a value to a key where nothing is; without one, what stands for none. What the value
/// lacks inside begins as in every new object.
pub(crate) fn make_value<T: Writer>(
    writer: &mut T,
    policy: &Policy,
    (object, name, node): (&ObjId, &str, NodeId),
    value: Option<&Value>,
) -> Outcome {
    let value = value.map(normal);
    match &policy.node(node).shape {
        Shape::Keyed { item, key } => {
            let made = writer.make(object, name, ObjType::Map)?;
            let items = value.as_ref().and_then(Value::as_array);
            let items = items.map(Vec::as_slice).unwrap_or_default();
            let ids = item_ids(items, key).unwrap_or_default();
            let positions = position::spread(items.len());
            for ((value, id), position) in items.iter().zip(ids).zip(positions) {
                let object = writer.make(&made, &id, ObjType::Map)?;
                writer.set(&object, POSITION, position.into())?;
                fill(writer, policy, (&object, *item), Some(value))?;
            }
            Ok(())
        }
        Shape::Object { .. } => {
            let made = writer.make(object, name, ObjType::Map)?;
            fill(writer, policy, (&made, node), value.as_ref())
        }
        shape => make_leaf(writer, (object, name), shape, value.as_ref()),
    }
}

/// Fills an object that was just made.
fn fill<T: Writer>(
    writer: &mut T,
    policy: &Policy,
    (object, node): (&ObjId, NodeId),
    value: Option<&Value>,
) -> Outcome {
    for (name, child) in policy.children(node) {
        match value.and_then(|value| value.get(name)) {
            Some(value) => make_value(writer, policy, (object, name, child), Some(value))?,
            None => make_field(writer, object, policy, (name, child))?,
        }
    }
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    for (name, value) in entries {
        if let Some(child) = policy
            .child(node, name)
            .filter(|id| policy.is_additional(*id))
        {
            make_value(writer, policy, (object, name, child), Some(value))?;
        }
    }
    Ok(())
}

/// Makes what holds no objects: a list or text with its content, a counter, or a single value.
fn make_leaf<T: Writer>(
    writer: &mut T,
    (object, name): (&ObjId, &str),
    shape: &Shape,
    value: Option<&Value>,
) -> Outcome {
    match (shape, value) {
        (Shape::List { .. }, value) => {
            let made = writer.make(object, name, ObjType::List)?;
            let elements = value.and_then(Value::as_array).into_iter().flatten();
            writer.fill_list(&made, elements.filter_map(stored_scalar).collect())
        }
        (Shape::Text { .. }, value) => {
            let made = writer.make(object, name, ObjType::Text)?;
            match value.and_then(Value::as_str) {
                Some(text) => writer.fill_text(&made, text),
                None => Ok(()),
            }
        }
        (Shape::Counter(_), value) => {
            let start = value.and_then(Value::as_i64).unwrap_or(0);
            writer.set(object, name, ScalarValue::counter(start))
        }
        (Shape::Scalar(_), Some(value)) => match stored_scalar(value) {
            Some(scalar) => writer.set(object, name, scalar),
            None => Ok(()),
        },
        (Shape::Atomic(_), Some(value)) => writer.set(object, name, canonical(value).into()),
        _ => Ok(()),
    }
}

/// The ids of items: those that they bring, and for the others ids that follow from their place.
///
/// # Errors
/// The first item whose id is not valid, and why.
pub(crate) fn item_ids(items: &[Value], key: &str) -> Result<Vec<String>, (usize, String)> {
    let mut seen = BTreeSet::new();
    let mut ids = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let id = match item.get(key) {
            Some(Value::String(id)) => match ItemId::new(id.as_str()) {
                Ok(_) => id.clone(),
                Err(error) => return Err((index, error.to_string())),
            },
            Some(_) => {
                return Err((index, "must be a string, as the id of an item".to_owned()));
            }
            None => {
                let index = index.to_string();
                let text = canonical(item);
                let hash = Hash::of(&[
                    b"indelible/item-id/1\0",
                    index.as_bytes(),
                    b"\0",
                    text.as_bytes(),
                ]);
                hash.to_string()[..24].to_owned()
            }
        };
        if !seen.insert(id.clone()) {
            return Err((index, "an item before it has the same id".to_owned()));
        }
        ids.push(id);
    }
    Ok(ids)
}
