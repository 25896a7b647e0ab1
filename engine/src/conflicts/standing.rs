//! What a replica asks its document: which conflicts entries brought, and whether they still are.

use automerge::{Change, ChangeHash, ObjId, ReadDoc, Value as Stored};
use serde_json::Value;

use super::{Around, Conflict, conflicts, op_of};
use crate::document::{DELETED, Reader, scalar_value};
use crate::entity::Entity;
use crate::id::Hash;
use crate::pointer::Pointer;

/// One of the values that a field has at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The value, as far as JSON can express it.
    pub value: Option<Value>,
    /// The change that wrote it.
    pub change: Option<Hash>,
    /// The id of the actor that made the change.
    pub actor: Vec<u8>,
}

impl Entity {
    /// The conflicts of an entry that is in the document and was applied at the heads `before`,
    /// and the heads after it.
    #[must_use]
    pub fn conflicts_of(&self, before: &[Hash], changes: &[Vec<u8>]) -> (Vec<Conflict>, Vec<Hash>) {
        let changes = changes.iter().map(Vec::as_slice).map(Change::try_from);
        let changes: Vec<Change> = changes.filter_map(Result::ok).collect();
        let before: Vec<ChangeHash> = before.iter().map(|hash| (*hash).into()).collect();
        let mut after = before.clone();
        for change in &changes {
            after.retain(|head| !change.deps().contains(head));
            after.push(change.hash());
        }
        after.sort();
        let around = Around {
            doc: self.doc(),
            policy: self.policy(),
            actors: self.actors(),
            before: &before,
            after: &after,
        };
        let found = conflicts(around, &changes.iter().collect::<Vec<_>>());
        (found, after.into_iter().map(Hash::from).collect())
    }

    /// All values that a field has at the same time, the current one last; none for texts, lists
    /// and other containers.
    #[must_use]
    pub fn held_at(&self, pointer: &Pointer) -> Vec<Held> {
        self.held(pointer).unwrap_or_default()
    }

    fn held(&self, pointer: &Pointer) -> Option<Vec<Held>> {
        let (last, way) = pointer.tokens().split_last()?;
        let (mut object, mut node) = (ObjId::Root, self.policy().root());
        for token in way {
            node = self.policy().child(node, token)?;
            object = self.doc().get(&object, token.as_str()).ok()??.1;
        }
        if !last.starts_with('$') {
            node = self.policy().child(node, last)?;
        }
        let all = self.doc().get_all(&object, last.as_str()).ok()?;
        let held = all.iter().filter_map(|(stored, op)| match stored {
            Stored::Object(_) => None,
            Stored::Scalar(scalar) => Some(Held {
                value: scalar_value(self.policy().node(node), scalar),
                change: self.doc().hash_for_opid(op).map(Hash::from),
                actor: op_of(op).map_or_else(Vec::new, |(_, actor)| actor.to_bytes().to_vec()),
            }),
        });
        Some(held.collect())
    }

    /// The id of the principal who deleted the outermost item or object of an open map that is
    /// deleted on the way to a place; none where nothing on the way is.
    #[must_use]
    pub fn deleted_by(&self, pointer: &Pointer) -> Option<String> {
        let reader = Reader::now(self.doc(), self.policy());
        let mut object = ObjId::Root;
        for token in pointer.tokens() {
            object = self.doc().get(&object, token.as_str()).ok()??.1;
            if reader.is_deleted(&object) {
                let (_, op) = self.doc().get(&object, DELETED).ok()??;
                let (_, actor) = op_of(&op)?;
                return Some(self.actors().get(&actor)?.principal.clone());
            }
        }
        None
    }

    /// Whether the document has an object at a place, be it deleted or not.
    #[must_use]
    pub fn ever_held(&self, object: &Pointer) -> bool {
        let mut tokens = object.tokens().iter();
        let found = tokens.try_fold(ObjId::Root, |holder, token| {
            let (stored, id) = self.doc().get(&holder, token.as_str()).ok()??;
            stored.is_object().then_some(id)
        });
        found.is_some()
    }

    /// The id of the actor that made a change of the document.
    #[must_use]
    pub fn maker(&self, change: Hash) -> Option<Vec<u8>> {
        let meta = self.doc().get_change_meta_by_hash(&change.into())?;
        Some(meta.actor.to_bytes().to_vec())
    }

    /// The index that an item of a keyed list would have at a position.
    #[must_use]
    pub fn index_at(&self, item: &Pointer, position: &str) -> Option<usize> {
        let (id, list) = item.tokens().split_last()?;
        let mut object = ObjId::Root;
        for token in list {
            object = self.doc().get(&object, token.as_str()).ok()??.1;
        }
        let rows = Reader::now(self.doc(), self.policy()).rows(&object);
        let before = rows.iter().filter(|row| {
            !row.deleted && row.id != *id && (row.position.as_str(), &row.id) < (position, id)
        });
        Some(before.count())
    }
}
