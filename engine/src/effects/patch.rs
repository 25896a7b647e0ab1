//! What changed between two presented values, as operations for readers.
//!
//! Invariant: applied in order, the operations make `before` into `after`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{by_id, ids, names};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Shape};
use crate::sequence::{Edit, arrangement, edits};
use crate::splice::{Splice, Texts};

/// One operation of a JSON Patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum PatchOp {
    /// Adds a member or inserts an element.
    Add {
        /// Where, with indices in arrays.
        path: Pointer,
        /// The value.
        value: Value,
    },
    /// Removes a member or element.
    Remove {
        /// Where, with indices in arrays.
        path: Pointer,
    },
    /// Replaces a value.
    Replace {
        /// Where, with indices in arrays.
        path: Pointer,
        /// The new value.
        value: Value,
    },
    /// Moves an element within its array.
    Move {
        /// Where it was.
        from: Pointer,
        /// Where it goes, counted without it.
        path: Pointer,
    },
    /// Replaces a part of a text. Not in RFC 6902: only in [`spliced_patch`].
    Splice {
        /// The text, with indices in arrays.
        path: Pointer,
        /// Where and what.
        #[serde(flatten)]
        splice: Splice,
    },
}

/// The patch that makes `before` into `after`, with moves for items of keyed lists. A text that
/// changed is replaced as a whole.
#[must_use]
pub fn json_patch(policy: &Policy, before: &Value, after: &Value) -> Vec<PatchOp> {
    patch(policy, (before, after), None)
}

/// Like [`json_patch`], with each change of a text as the splices that `texts` has for it. Splices
/// come after all operations on the lists around them, so that their paths are those of `after`.
#[must_use]
pub fn spliced_patch(
    policy: &Policy,
    before: &Value,
    after: &Value,
    texts: &Texts<'_>,
) -> Vec<PatchOp> {
    patch(policy, (before, after), Some(texts))
}

fn patch(
    policy: &Policy,
    (before, after): (&Value, &Value),
    texts: Option<&Texts<'_>>,
) -> Vec<PatchOp> {
    let mut patch = Patch {
        policy,
        texts,
        ops: Vec::new(),
    };
    let root = Place::default();
    patch.value(Some(policy.root()), before, after, &root);
    patch.ops
}

/// A place in a value: as a patch names it, and with the ids of items in keyed lists.
#[derive(Default)]
struct Place {
    path: Pointer,
    ids: Pointer,
}

impl Place {
    fn child(&self, name: &str) -> Self {
        self.item(name, name)
    }

    fn item(&self, index: impl Into<String>, id: &str) -> Self {
        Self {
            path: self.path.child(index),
            ids: self.ids.child(id),
        }
    }
}

struct Patch<'a> {
    policy: &'a Policy,
    texts: Option<&'a Texts<'a>>,
    ops: Vec<PatchOp>,
}

impl Patch<'_> {
    fn value(&mut self, node: Option<NodeId>, before: &Value, after: &Value, at: &Place) {
        if before == after {
            return;
        }
        let shape = node.map(|node| (node, &self.policy.node(node).shape));
        match (shape, before, after) {
            (Some((node, Shape::Object { .. })), Value::Object(from), Value::Object(to)) => {
                self.object(node, from, to, at);
            }
            (Some((_, Shape::Keyed { item, key })), Value::Array(from), Value::Array(to)) => {
                self.keyed(*item, key, (from, to), at);
            }
            (Some((_, Shape::List { .. })), Value::Array(from), Value::Array(to)) => {
                self.list(from, to, &at.path);
            }
            (Some((_, Shape::Text { .. })), Value::String(from), Value::String(to))
                if self.texts.is_some() =>
            {
                let texts = self.texts.into_iter();
                let splices = texts.flat_map(|texts| texts.splices(&at.ids, from, to));
                self.ops.extend(splices.map(|splice| PatchOp::Splice {
                    path: at.path.clone(),
                    splice,
                }));
            }
            _ => self.ops.push(PatchOp::Replace {
                path: at.path.clone(),
                value: after.clone(),
            }),
        }
    }

    fn object(
        &mut self,
        node: NodeId,
        from: &Map<String, Value>,
        to: &Map<String, Value>,
        at: &Place,
    ) {
        for name in names(from, to) {
            let place = at.child(name);
            match (from.get(name), to.get(name)) {
                (None, Some(value)) => self.ops.push(PatchOp::Add {
                    path: place.path,
                    value: value.clone(),
                }),
                (Some(_), None) => self.ops.push(PatchOp::Remove { path: place.path }),
                (Some(old), Some(new)) => {
                    self.value(self.policy.child(node, name), old, new, &place);
                }
                (None, None) => {}
            }
        }
    }

    fn list(&mut self, from: &[Value], to: &[Value], at: &Pointer) {
        for Edit {
            at: start,
            removed,
            inserted,
        } in edits(from, to)
        {
            let path = at.child(start.to_string());
            for _ in removed {
                self.ops.push(PatchOp::Remove { path: path.clone() });
            }
            for (offset, value) in inserted.iter().enumerate() {
                let path = at.child((start + offset).to_string());
                self.ops.push(PatchOp::Add {
                    path,
                    value: value.clone(),
                });
            }
        }
    }

    fn keyed(&mut self, item: NodeId, key: &str, (from, to): (&[Value], &[Value]), at: &Place) {
        let (before, after) = (by_id(from, key), by_id(to, key));
        let mut line = Vec::with_capacity(from.len());
        let mut gone = Vec::new();
        for (index, id) in ids(from, key).into_iter().enumerate() {
            if after.contains_key(id) {
                line.push(id);
            } else {
                gone.push(index);
            }
        }
        let path = |index: usize| at.path.child(index.to_string());
        let removed = gone.into_iter().rev();
        self.ops
            .extend(removed.map(|index| PatchOp::Remove { path: path(index) }));
        for placed in arrangement(&line, &ids(to, key)) {
            self.ops.push(match placed.from {
                Some(from) => PatchOp::Move {
                    from: path(from),
                    path: path(placed.to),
                },
                None => PatchOp::Add {
                    path: path(placed.to),
                    value: to[placed.wanted].clone(),
                },
            });
        }
        for (index, value) in to.iter().enumerate() {
            let id = value.get(key).and_then(Value::as_str);
            if let Some((id, (_, old))) = id.and_then(|id| Some((id, before.get(id)?))) {
                self.value(Some(item), old, value, &at.item(index.to_string(), id));
            }
        }
    }
}
