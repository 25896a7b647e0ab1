//! Where in a document something can be written, found by walking it along its specification.

use automerge::{Automerge, ObjId, ReadDoc, Value as Stored};

use super::spec::{Field, Object, Shape, Spec, Write};

/// One place where something can be written.
#[derive(Debug, Clone)]
pub(crate) struct Site<'a> {
    /// The object that holds it.
    pub(crate) object: ObjId,
    /// The key in that object; for new items and entries, none yet.
    pub(crate) name: Option<String>,
    pub(crate) what: What<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// A scalar, counter or atomic value at a key.
    Leaf(&'a Field),
    /// A text; `object` is the text itself.
    Text(&'a Field),
    /// A list; `object` is the list itself.
    List(&'a Field),
    /// A new item of the keyed list that is `object`.
    NewItem(&'a Field, &'a Field),
    /// An item of a keyed list: `object` is the item, to be moved or deleted.
    Item(&'a Field, &'a Field),
    /// A new entry of the open map that is `object`, whose own right is the first.
    NewEntry(Write, &'a Field),
    /// An object in an open map: `object` is it, to be deleted.
    Entry(&'a Field),
}

impl Site<'_> {
    /// Whether making `name` here would be no making: it is there, perhaps deleted.
    pub(crate) fn is_taken<R: ReadDoc>(&self, doc: &R, name: &str) -> bool {
        let makes = match self.what {
            What::NewItem(..) => true,
            What::NewEntry(_, entry) => entry.object().is_some(),
            _ => false,
        };
        makes && !matches!(doc.get(&self.object, name), Ok(None))
    }
}

pub(crate) fn sites<'a>(doc: &Automerge, spec: &'a Spec) -> Vec<Site<'a>> {
    let mut found = Vec::new();
    object_sites(doc, &automerge::ROOT, (&spec.root, Write::Edit), &mut found);
    found
}

fn object_sites<'a>(
    doc: &Automerge,
    id: &ObjId,
    (object, write): (&'a Object, Write),
    found: &mut Vec<Site<'a>>,
) {
    for (name, field) in &object.fields {
        field_sites(doc, id, name, field, found);
    }
    let Some(open) = &object.open else { return };
    found.push(Site {
        object: id.clone(),
        name: None,
        what: What::NewEntry(write, open),
    });
    let keys: Vec<String> = doc.keys(id).filter(|key| !key.starts_with('$')).collect();
    for key in keys.iter().filter(|key| !object.fields.contains_key(*key)) {
        field_sites(doc, id, key, open, found);
        if let (Some(_), Some(entry)) = (open.object(), child(doc, id, key)) {
            found.push(Site {
                object: entry,
                name: None,
                what: What::Entry(open),
            });
        }
    }
}

fn child(doc: &Automerge, id: &ObjId, key: &str) -> Option<ObjId> {
    match doc.get(id, key) {
        Ok(Some((Stored::Object(_), child))) => Some(child),
        _ => None,
    }
}

fn field_sites<'a>(
    doc: &Automerge,
    id: &ObjId,
    name: &str,
    field: &'a Field,
    found: &mut Vec<Site<'a>>,
) {
    let mut push = |object: ObjId, name: Option<&str>, what: What<'a>| {
        let name = name.map(str::to_owned);
        found.push(Site { object, name, what });
    };
    match &field.shape {
        Shape::Scalar(_) | Shape::Counter | Shape::Atomic | Shape::Stamp(_) | Shape::Tally => {
            push(id.clone(), Some(name), What::Leaf(field));
        }
        Shape::Text | Shape::List(_) | Shape::Object(_) | Shape::Keyed { .. } => {
            let Some(own) = child(doc, id, name) else {
                return;
            };
            match &field.shape {
                Shape::Text => push(own, Some(name), What::Text(field)),
                Shape::List(_) => push(own, Some(name), What::List(field)),
                Shape::Object(object) => object_sites(doc, &own, (object, field.write), found),
                Shape::Keyed { item, .. } => {
                    push(own.clone(), None, What::NewItem(field, item));
                    for key in doc.keys(&own).collect::<Vec<_>>() {
                        let (Some(at), Some(object)) = (child(doc, &own, &key), item.object())
                        else {
                            continue;
                        };
                        found.push(Site {
                            object: at.clone(),
                            name: None,
                            what: What::Item(field, item),
                        });
                        object_sites(doc, &at, (object, item.write), found);
                    }
                }
                _ => {}
            }
        }
    }
}
