//! The elements of a list or text of a document, by their places.
//!
//! Invariant: many are found in one pass over the object, few by looking each up; nothing is looked
//! at that is not asked for, but for the changes that made the elements of a list.

use std::ops::Range;

use automerge::legacy::{ElementId, Key, OpId};
use automerge::{
    Automerge, AutomergeError, ObjId, ObjType, ReadDoc, ScalarValueRef, Value, ValueRef,
};

use super::{ids, op_id, width};
use crate::document::{Changes, object_id};

/// Looking an element up takes as long as passing so many of them.
const PASSED_PER_LOOKUP: usize = 32;

/// One element.
#[derive(Debug)]
pub(super) struct Found {
    /// The units of position that it takes.
    units: Range<usize>,
    /// The operation that inserted it.
    pub(super) element: OpId,
    /// The operations that gave it the values that it has now.
    pub(super) values: Vec<OpId>,
}

/// The element that has a unit.
pub(super) fn at(found: &[Found], unit: usize) -> Option<&Found> {
    let next = found.partition_point(|found| found.units.end <= unit);
    found.get(next).filter(|found| found.units.start <= unit)
}

/// The elements that are within some units.
pub(super) fn within<'f>(
    found: &'f [Found],
    units: &Range<usize>,
) -> impl Iterator<Item = &'f Found> {
    let first = found.partition_point(|found| found.units.start < units.start);
    let end = units.end;
    found[first..]
        .iter()
        .take_while(move |found| found.units.start < end)
}

/// Finds elements in a document.
pub(super) struct Elements<'a> {
    doc: &'a Automerge,
    changes: Changes,
}

impl<'a> Elements<'a> {
    pub(super) fn of(doc: &'a Automerge) -> Self {
        Self {
            doc,
            changes: Changes::default(),
        }
    }

    /// The elements of a sequence of `length` units that are `wanted`, ascending.
    pub(super) fn find(
        &mut self,
        sequence: &ObjId,
        length: usize,
        wanted: &[Range<usize>],
    ) -> Result<Vec<Found>, AutomergeError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let kind = self.doc.object_type(sequence)?;
        let many: usize = wanted.iter().map(ExactSizeIterator::len).sum();
        let mut found = match many.saturating_mul(PASSED_PER_LOOKUP) < length {
            true => self.look_up(sequence, kind, wanted)?,
            false => self.pass(sequence, kind, wanted)?,
        };
        if kind == ObjType::List {
            for found in &mut found {
                self.resolve(found)?;
            }
        }
        Ok(found)
    }

    fn look_up(
        &self,
        sequence: &ObjId,
        kind: ObjType,
        wanted: &[Range<usize>],
    ) -> Result<Vec<Found>, AutomergeError> {
        let mut found = Vec::new();
        let mut done = 0;
        for units in wanted {
            let mut unit = units.start.max(done);
            while unit < units.end {
                let values = self.doc.get_all(sequence, unit)?;
                let width = match values.last() {
                    Some((Value::Scalar(value), _)) => width(value, kind == ObjType::Text),
                    Some((Value::Object(_), _)) => 1,
                    None => return Err(AutomergeError::InvalidIndex(unit)),
                };
                // An anchor may be asked for by its second half.
                done = (unit + width.max(1)).min(units.end);
                found.extend(element(unit..done, ids(values)));
                unit = done;
            }
        }
        Ok(found)
    }

    fn pass(
        &self,
        sequence: &ObjId,
        kind: ObjType,
        wanted: &[Range<usize>],
    ) -> Result<Vec<Found>, AutomergeError> {
        let mut found = Vec::new();
        let mut wanted = wanted.iter().peekable();
        let mut start = 0;
        for item in self.doc.list_range(sequence, ..) {
            let end = start + ref_width(&item.value, kind);
            while wanted.next_if(|units| units.end <= start).is_some() {}
            let Some(next) = wanted.peek() else { break };
            if next.start < end {
                let values = match item.conflict {
                    false => op_id(&item.id()).into_iter().collect(),
                    true => ids(self.doc.get_all(sequence, start)?),
                };
                found.extend(element(start..end, values));
            }
            start = end;
        }
        Ok(found)
    }

    /// Finds out what inserted the element of a list whose value may have been put there later.
    fn resolve(&mut self, found: &mut Found) -> Result<(), AutomergeError> {
        let missing = || AutomergeError::InvalidObjId(object_id(&found.element).to_string());
        let op = self.changes.find(self.doc, &found.element);
        let op = op.ok_or_else(missing)?;
        if let (false, Key::Seq(ElementId::Id(element))) = (op.insert, &op.key) {
            found.element = element.clone();
        }
        Ok(())
    }
}

/// An element, by the operations of its values; that of its insertion is the only one as a rule.
fn element(units: Range<usize>, values: Vec<OpId>) -> Option<Found> {
    Some(Found {
        units,
        element: values.last()?.clone(),
        values,
    })
}

fn ref_width(value: &ValueRef<'_>, kind: ObjType) -> usize {
    match value {
        ValueRef::Scalar(ScalarValueRef::Str(text)) if kind == ObjType::Text => {
            text.encode_utf16().count()
        }
        _ => 1,
    }
}
