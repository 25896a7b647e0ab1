//! The values at the keys of a document's maps.
//!
//! Invariant: few keys of a map are looked up one by one, and many in one pass over it, so that each
//! costs the same however large the map is; both give the same.

use std::cell::RefCell;
use std::collections::HashMap;

use automerge::iter::MapRangeItem;
use automerge::{Automerge, AutomergeError, ObjId, ObjType, ReadDoc, Value as Stored, ValueRef};

use super::owned;

/// So many keys of a map are looked up before its length is.
const LOOKUPS: usize = 8;
/// Looking a key up takes as long as passing so many of them.
const PASSED_PER_LOOKUP: usize = 16;

/// A value, and the operation that wrote it.
pub(crate) type Held<'a> = (Stored<'a>, ObjId);

/// Finds the values at keys of maps, for callers that look up many.
pub(crate) struct Registers<'a> {
    doc: &'a Automerge,
    maps: RefCell<HashMap<ObjId, Keys>>,
}

/// What is known of a map.
enum Keys {
    /// So many of its keys were looked up.
    LookedUp(usize),
    /// All that it holds: by key, the value that shows, unless there are several.
    Read(Fields),
}

type Fields = HashMap<String, Option<Held<'static>>>;

impl<'a> Registers<'a> {
    pub(crate) fn of(doc: &'a Automerge) -> Self {
        Self {
            doc,
            maps: RefCell::default(),
        }
    }

    /// All values at a key of a map, the one that shows last.
    pub(crate) fn all(&self, map: &ObjId, key: &str) -> Result<Vec<Held<'a>>, AutomergeError> {
        match self.read(map, key) {
            Some(Some(held)) => Ok(vec![held]),
            Some(None) => Ok(Vec::new()),
            None => self.doc.get_all(map, key),
        }
    }

    /// The value that shows at a key of a map.
    pub(crate) fn get(&self, map: &ObjId, key: &str) -> Result<Option<Held<'a>>, AutomergeError> {
        match self.read(map, key) {
            Some(held) => Ok(held),
            None => self.doc.get(map, key),
        }
    }

    /// The only value at a key, if the map was read and does not hold several there.
    fn read(&self, map: &ObjId, key: &str) -> Option<Option<Held<'a>>> {
        let mut maps = self.maps.borrow_mut();
        let Some(keys) = maps.get_mut(map) else {
            maps.insert(map.clone(), Keys::LookedUp(1));
            return None;
        };
        if let Keys::LookedUp(count) = keys {
            *count += 1;
            // Whether these are many is found out each time that the number has doubled.
            if *count < LOOKUPS || !count.is_power_of_two() || !self.is_many(*count, map) {
                return None;
            }
            *keys = Keys::Read(self.pass(map));
        }
        match keys {
            Keys::Read(read) => match read.get(key) {
                Some(held) => held.clone().map(Some),
                None => Some(None),
            },
            Keys::LookedUp(_) => None,
        }
    }

    /// Whether passing a map over takes no longer than so many lookups did.
    fn is_many(&self, count: usize, map: &ObjId) -> bool {
        let is_map = matches!(self.doc.object_type(map), Ok(ObjType::Map));
        is_map && count * PASSED_PER_LOOKUP >= self.doc.length(map)
    }

    fn pass(&self, map: &ObjId) -> Fields {
        self.doc
            .map_range(map, ..)
            .map(|field| held(&field))
            .collect()
    }

    /// Takes over a field of a map from a caller that reads all of its fields.
    pub(crate) fn take(&self, map: &ObjId, field: &MapRangeItem<'_>) {
        let (key, held) = held(field);
        let mut maps = self.maps.borrow_mut();
        match maps.get_mut(map) {
            Some(Keys::Read(read)) => drop(read.insert(key, held)),
            Some(keys) => *keys = Keys::Read(HashMap::from([(key, held)])),
            None => {
                let read = HashMap::from([(key, held)]);
                maps.insert(map.clone(), Keys::Read(read));
            }
        }
    }
}

fn held(field: &MapRangeItem<'_>) -> (String, Option<Held<'static>>) {
    let value = match &field.value {
        ValueRef::Object(kind) => Stored::Object(*kind),
        ValueRef::Scalar(scalar) => Stored::from(owned(scalar)),
    };
    let held = (!field.conflict).then(|| (value, field.id()));
    (field.key.to_string(), held)
}

#[cfg(test)]
mod tests {
    //! Guards against a pass that gives other values than lookups do.
    use automerge::transaction::Transactable;
    use automerge::{ActorId, ROOT, ScalarValue};

    use super::*;
    use crate::change::genesis_actor;
    use crate::document;

    #[test]
    fn a_pass_gives_what_lookups_give() {
        let mut doc = document::empty(genesis_actor());
        let mut tx = doc.transaction();
        for n in 0..40 {
            tx.put(ROOT, format!("k{n}"), n).unwrap();
        }
        tx.put(ROOT, "counter", ScalarValue::counter(1)).unwrap();
        tx.put_object(ROOT, "text", ObjType::Text).unwrap();
        tx.put(ROOT, "gone", 1).unwrap();
        tx.commit();
        let mut other = doc.fork().with_actor(ActorId::from([7; 16]));
        for (doc, value) in [(&mut doc, "here"), (&mut other, "there")] {
            let mut tx = doc.transaction();
            tx.put(ROOT, "k3", value).unwrap();
            tx.increment(ROOT, "counter", 2).unwrap();
            tx.delete(ROOT, "gone").unwrap();
            tx.commit();
        }
        doc.merge(&mut other).unwrap();

        let registers = Registers::of(&doc);
        let names = (0..40).map(|n| format!("k{n}"));
        let names = names.chain(["counter", "text", "gone", "never"].map(str::to_owned));
        let names: Vec<String> = names.collect();
        // The second time the map has been read.
        for name in names.iter().chain(&names) {
            let (all, shown) = (doc.get_all(ROOT, name), doc.get(ROOT, name));
            assert_eq!(registers.all(&ROOT, name).unwrap(), all.unwrap(), "{name}");
            assert_eq!(
                registers.get(&ROOT, name).unwrap(),
                shown.unwrap(),
                "{name}"
            );
        }
        assert_eq!(registers.all(&ROOT, "k3").unwrap().len(), 2);
        let maps = registers.maps.borrow();
        assert!(matches!(maps.get(&ROOT), Some(Keys::Read(_))));
    }
}
