//! What an Automerge document holds, conflicts and operation ids included, read by Automerge alone.

use std::collections::BTreeMap;

use automerge::{ActorId, Automerge, ObjId, ObjType, ReadDoc, ScalarValue, TextEncoding, Value};

/// The operation that wrote a value, in the order in which Automerge lets the last one win.
pub(crate) type Op = (u64, ActorId);

/// One of the values at a key or element; several are a conflict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    pub(crate) op: Op,
    pub(crate) value: Raw,
}

pub(crate) type Slots = Vec<Slot>;
pub(crate) type Entries = BTreeMap<String, Slots>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    Scalar(ScalarValue),
    Map(Entries),
    List(Vec<Slots>),
    /// A text and how many marks lie on it.
    Text(String, usize),
}

static NO_ENTRIES: Entries = BTreeMap::new();

impl Raw {
    pub(crate) fn entries(&self) -> &Entries {
        match self {
            Self::Map(entries) => entries,
            _ => &NO_ENTRIES,
        }
    }
}

/// The value that wins.
pub(crate) fn winner(slots: &[Slot]) -> Option<&Slot> {
    slots.iter().max_by(|a, b| a.op.cmp(&b.op))
}

pub(crate) fn op_of(id: &ObjId) -> Op {
    match id {
        ObjId::Root => (0, ActorId::from([0_u8; 16])),
        ObjId::Id(counter, actor, _) => (*counter, actor.clone()),
    }
}

/// Everything in a document.
pub(crate) fn read(doc: &Automerge) -> Entries {
    entries(doc, &automerge::ROOT)
}

fn entries(doc: &Automerge, object: &ObjId) -> Entries {
    doc.keys(object)
        .map(|key| {
            let found = doc.get_all(object, key.as_str()).expect("a map");
            let slots = slots(doc, found);
            (key, slots)
        })
        .collect()
}

fn slots(doc: &Automerge, found: Vec<(Value<'_>, ObjId)>) -> Slots {
    found
        .into_iter()
        .map(|(value, id)| Slot {
            op: op_of(&id),
            value: match value {
                Value::Scalar(scalar) => Raw::Scalar(scalar.into_owned()),
                Value::Object(ObjType::Map | ObjType::Table) => Raw::Map(entries(doc, &id)),
                Value::Object(ObjType::List) => Raw::List(
                    (0..doc.length(&id))
                        .map(|index| slots(doc, doc.get_all(&id, index).expect("a list")))
                        .collect(),
                ),
                Value::Object(ObjType::Text) => Raw::Text(
                    doc.text(&id).expect("a text"),
                    doc.marks(&id).expect("a text").len(),
                ),
            },
        })
        .collect()
}

/// A document from a saved one, counting text as everybody here does.
pub(crate) fn load(document: &[u8]) -> Automerge {
    let options = automerge::LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    Automerge::load_with_options(document, options).expect("what was saved loads")
}

/// The hashes of all changes, sorted.
pub(crate) fn hashes(doc: &Automerge) -> Vec<automerge::ChangeHash> {
    let mut hashes: Vec<_> = doc
        .get_changes_meta(&[])
        .into_iter()
        .map(|meta| meta.hash)
        .collect();
    hashes.sort_unstable();
    hashes
}
