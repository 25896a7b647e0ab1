//! A change in the making, beside the document that it is made for.
//!
//! Owns what a transaction of Automerge does for a merge: the ids of new operations, what each of
//! them replaces, and what is there after those before it. A transaction puts every operation into
//! the document's columns by itself; here it is only noted, and admission applies all at once.
//! Invariant: the change is, byte for byte, the one that a transaction makes by the same calls.

mod elements;
mod pieces;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::ops::Range;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{
    ActorId, Automerge, AutomergeError, ChangeHash, ExpandedChange, ObjId, ObjType, ReadDoc,
    ScalarValue, Value as Stored,
};

use crate::document::{Held, Registers, Writer, plain_value};
use crate::entity::Entity;
use elements::{Elements, Found};
use pieces::{Anchor, Cut, Piece, Pieces};

type Outcome = Result<(), AutomergeError>;

/// One splice of a list or text: remove `removed` units at `at`, then insert there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) at: usize,
    pub(crate) removed: usize,
    /// Which of the values at hand to insert.
    pub(crate) inserted: Range<usize>,
}

impl Splice {
    /// The removal of one unit.
    pub(crate) fn removal(at: usize) -> Self {
        Self {
            at,
            removed: 1,
            inserted: 0..0,
        }
    }

    /// The insertion of `count` values into what is empty.
    fn insertion(count: usize) -> [Self; 1] {
        [Self {
            at: 0,
            removed: 0,
            inserted: 0..count,
        }]
    }
}

/// A letter of a text as an element.
pub(crate) fn letter(letter: &char) -> ScalarValue {
    ScalarValue::from(*letter)
}

/// The value at a key that this change wrote to.
#[derive(Debug)]
enum Standing {
    Nothing,
    /// What the operation with this counter wrote.
    Own(u64),
    /// The value that was there already: what was written beside it is gone.
    Kept(Box<Held<'static>>),
}

/// A change in the making.
pub(crate) struct Draft<'a> {
    doc: &'a Automerge,
    actor: ActorId,
    seq: u64,
    /// The counter of the first operation.
    start: u64,
    deps: Vec<ChangeHash>,
    ops: Vec<Op>,
    keys: HashMap<ObjId, BTreeMap<String, Standing>>,
    sequences: HashMap<ObjId, Pieces>,
    /// The values in maps before it.
    registers: Registers<'a>,
    elements: Elements<'a>,
}

impl<'a> Draft<'a> {
    /// The next change of `actor`, depending on everything in the entity's document.
    pub(crate) fn of(entity: &'a Entity, actor: &ActorId) -> Self {
        let doc: &Automerge = entity.doc();
        let mut deps = doc.get_heads();
        let last = last_of(entity, actor);
        if let Some((_, hash)) = last
            && !deps.contains(&hash)
        {
            deps.push(hash);
        }
        deps.sort_unstable();
        Self {
            doc,
            actor: actor.clone(),
            seq: last.map_or(0, |(seq, _)| seq) + 1,
            start: entity.operations() + 1,
            deps,
            ops: Vec::new(),
            keys: HashMap::new(),
            sequences: HashMap::new(),
            registers: Registers::of(doc),
            elements: Elements::of(doc),
        }
    }

    /// How many operations it holds.
    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// The change, unless it does nothing.
    pub(crate) fn finish(self, message: Option<String>) -> Option<ExpandedChange> {
        let is_empty = self.ops.is_empty();
        (!is_empty).then_some(ExpandedChange {
            operations: self.ops,
            actor_id: self.actor,
            hash: None,
            seq: self.seq,
            start_op: NonZeroU64::new(self.start)?,
            time: 0,
            message,
            deps: self.deps,
            extra_bytes: Vec::new(),
            author: None,
        })
    }

    /// The value at a key of a map: the later of several.
    pub(crate) fn get(&self, map: &ObjId, key: &str) -> Result<Option<Held<'_>>, AutomergeError> {
        match self.written(map, key) {
            Some(standing) => Ok(self.value_of(standing)),
            None if self.is_own(map) => Ok(None),
            None => self.registers.get(map, key),
        }
    }

    /// The values in maps before this change, for callers that read them whole.
    pub(crate) fn registers(&self) -> &Registers<'a> {
        &self.registers
    }

    /// The value at a key of a map before this change.
    pub(crate) fn before(&self, map: &ObjId, key: &str) -> Option<Held<'a>> {
        self.registers.get(map, key).ok().flatten()
    }

    /// Writes a single value to a key of a map, unless it is the only value there already.
    pub(crate) fn put(&mut self, map: &ObjId, key: &str, value: impl Into<ScalarValue>) -> Outcome {
        let value = value.into();
        let mut standing = self.standing(map, key)?;
        let stands = |(last, _): &Held<'_>| last.as_scalar() == Some(&value);
        if let Some((_, winner)) = standing.pop_if(|last| stands(last)) {
            if !standing.is_empty() {
                // What was written beside it at the same time goes.
                let others = ids(standing);
                self.push(map, Key::Map(key.into()), OpType::Delete, others);
                let kept = Box::new((value.into(), winner));
                self.note(map, key, Standing::Kept(kept));
            }
            return Ok(());
        }
        let replaced = ids(standing);
        let id = self.push(map, Key::Map(key.into()), OpType::Put(value), replaced);
        self.note(map, key, Standing::Own(id));
        Ok(())
    }

    /// Makes an object at a key of a map.
    pub(crate) fn put_object(
        &mut self,
        map: &ObjId,
        key: &str,
        kind: ObjType,
    ) -> Result<ObjId, AutomergeError> {
        let replaced = ids(self.standing(map, key)?);
        let id = self.push(map, Key::Map(key.into()), OpType::Make(kind), replaced);
        self.note(map, key, Standing::Own(id));
        let id = self.own_id(id);
        if matches!(kind, ObjType::List | ObjType::Text) {
            self.sequences.insert(id.clone(), Pieces::default());
        }
        Ok(id)
    }

    /// Removes the value at a key of a map.
    pub(crate) fn delete(&mut self, map: &ObjId, key: &str) -> Outcome {
        let replaced = ids(self.standing(map, key)?);
        if !replaced.is_empty() {
            self.push(map, Key::Map(key.into()), OpType::Delete, replaced);
            self.note(map, key, Standing::Nothing);
        }
        Ok(())
    }

    /// Moves a counter. ([`Draft::get`] gives it as it was.)
    pub(crate) fn increment(&mut self, map: &ObjId, key: &str, by: i64) -> Outcome {
        let standing = self.standing(map, key)?;
        let is_counter =
            |(value, _): &Held<'_>| matches!(value.as_scalar(), Some(ScalarValue::Counter(_)));
        if !standing.iter().any(is_counter) {
            return Err(AutomergeError::MissingCounter);
        }
        let counted = ids(standing);
        self.push(map, Key::Map(key.into()), OpType::Increment(by), counted);
        Ok(())
    }

    /// How long a list or text is, in units of position.
    pub(crate) fn length(&self, sequence: &ObjId) -> usize {
        match self.sequences.get(sequence) {
            Some(pieces) => pieces.length(),
            None => self.doc.length(sequence),
        }
    }

    /// A text.
    pub(crate) fn text(&self, text: &ObjId) -> String {
        let Some(pieces) = self.sequences.get(text) else {
            return self.doc.text(text).unwrap_or_default();
        };
        let before = match self.is_own(text) {
            true => Vec::new(),
            false => {
                let text = self.doc.text(text).unwrap_or_default();
                text.encode_utf16().collect()
            }
        };
        let mut now: Vec<u16> = Vec::with_capacity(pieces.length());
        for piece in pieces.iter() {
            match piece {
                Piece::Before(units) => now.extend(&before[units.clone()]),
                Piece::Own { elements, .. } => {
                    let letters = self
                        .values(elements.clone())
                        .filter_map(ScalarValue::as_str);
                    now.extend(letters.flat_map(str::encode_utf16));
                }
            }
        }
        String::from_utf16_lossy(&now)
    }

    /// The elements of a list that this change makes.
    pub(crate) fn made_list(&self, list: &ObjId) -> Vec<serde_json::Value> {
        let pieces = self.sequences.get(list).into_iter().flat_map(Pieces::iter);
        let own = pieces.filter_map(|piece| match piece {
            Piece::Own { elements, .. } => Some(self.values(elements.clone())),
            Piece::Before(_) => None,
        });
        own.flatten().filter_map(plain_value).collect()
    }

    /// Splices a list or text; `value` gives what to insert. The splices ascend and do not overlap,
    /// and begin and end between elements. They are written from the last to the first, each as a
    /// transaction would, so that the places of those before it stay.
    pub(crate) fn splice(
        &mut self,
        sequence: &ObjId,
        splices: &[Splice],
        value: impl Fn(usize) -> Option<ScalarValue>,
    ) -> Outcome {
        if splices.is_empty() {
            return Ok(());
        }
        let pieces = match self.sequences.remove(sequence) {
            Some(pieces) => pieces,
            None => Pieces::before(self.doc.length(sequence)),
        };
        let mut cuts = pieces.cut(splices, |elements| self.widths(elements))?;
        let wanted = pieces::wanted(&cuts);
        let length = self.doc.length(sequence);
        let found = self.elements.find(sequence, length, &wanted)?;
        for (cut, splice) in cuts.iter_mut().zip(splices).rev() {
            let inserted = splice.inserted.clone().filter_map(&value);
            self.insert(sequence, cut, &found, inserted)?;
            self.remove(sequence, cut, &found);
        }
        let pieces = Pieces::joined(cuts);
        self.sequences.insert(sequence.clone(), pieces);
        Ok(())
    }

    fn insert(
        &mut self,
        sequence: &ObjId,
        cut: &mut Cut,
        found: &[Found],
        values: impl Iterator<Item = ScalarValue>,
    ) -> Outcome {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut element = match cut.anchor {
            Anchor::Head => ElementId::Head,
            Anchor::Own(counter) => ElementId::Id(OpId::new(counter, &self.actor)),
            Anchor::Before(unit) => match elements::at(found, unit) {
                Some(found) => ElementId::Id(found.element.clone()),
                None => return Err(AutomergeError::InvalidIndex(unit)),
            },
        };
        let is_text = self.is_text(sequence);
        let first = self.next();
        let mut units = 0;
        for value in values {
            units += width(&value, is_text);
            let id = self.next();
            self.ops.push(Op {
                action: OpType::Put(value),
                obj: object_id(sequence),
                key: Key::Seq(element),
                pred: Vec::new().into(),
                insert: true,
            });
            element = ElementId::Id(OpId::new(id, &self.actor));
        }
        cut.inserted = Some(Piece::Own {
            elements: first..self.next(),
            units,
        });
        Ok(())
    }

    fn remove(&mut self, sequence: &ObjId, cut: &Cut, found: &[Found]) {
        for piece in &cut.removed {
            match piece {
                Piece::Before(units) => {
                    for found in elements::within(found, units) {
                        let key = Key::Seq(ElementId::Id(found.element.clone()));
                        self.push(sequence, key, OpType::Delete, found.values.clone());
                    }
                }
                Piece::Own { elements, .. } => {
                    for counter in elements.clone() {
                        let id = OpId::new(counter, &self.actor);
                        let key = Key::Seq(ElementId::Id(id.clone()));
                        self.push(sequence, key, OpType::Delete, vec![id]);
                    }
                }
            }
        }
    }

    /// The counter of the next operation.
    fn next(&self) -> u64 {
        self.start + self.ops.len() as u64
    }

    /// Adds an operation that inserts nothing, and gives its counter.
    fn push(&mut self, object: &ObjId, key: Key, action: OpType, replaced: Vec<OpId>) -> u64 {
        let counter = self.next();
        self.ops.push(Op {
            action,
            obj: object_id(object),
            key,
            pred: replaced.into(),
            insert: false,
        });
        counter
    }

    fn own_id(&self, counter: u64) -> ObjId {
        ObjId::Id(counter, self.actor.clone(), 0)
    }

    fn note(&mut self, map: &ObjId, key: &str, standing: Standing) {
        let keys = self.keys.entry(map.clone()).or_default();
        keys.insert(key.to_owned(), standing);
    }

    fn written(&self, map: &ObjId, key: &str) -> Option<&Standing> {
        self.keys.get(map)?.get(key)
    }

    fn value_of<'s>(&'s self, standing: &'s Standing) -> Option<Held<'s>> {
        match standing {
            Standing::Nothing => None,
            Standing::Kept(kept) => Some((**kept).clone()),
            Standing::Own(counter) => {
                let value = match &self.own(*counter)?.action {
                    OpType::Put(value) => Stored::Scalar(Cow::Borrowed(value)),
                    OpType::Make(kind) => Stored::Object(*kind),
                    _ => return None,
                };
                Some((value, self.own_id(*counter)))
            }
        }
    }

    /// All values at a key of a map; the one that shows comes last.
    fn standing(&self, map: &ObjId, key: &str) -> Result<Vec<Held<'_>>, AutomergeError> {
        match self.written(map, key) {
            Some(standing) => Ok(self.value_of(standing).into_iter().collect()),
            None if self.is_own(map) => Ok(Vec::new()),
            None => self.registers.all(map, key),
        }
    }

    /// Whether this change makes an object.
    pub(crate) fn is_own(&self, object: &ObjId) -> bool {
        matches!(object, ObjId::Id(counter, actor, _)
            if *counter >= self.start && *actor == self.actor)
    }

    fn is_text(&self, sequence: &ObjId) -> bool {
        let kind = match sequence {
            ObjId::Id(counter, ..) if self.is_own(sequence) => self.own(*counter),
            _ => return self.doc.object_type(sequence) == Ok(ObjType::Text),
        };
        kind.is_some_and(|op| op.action == OpType::Make(ObjType::Text))
    }

    fn own(&self, counter: u64) -> Option<&Op> {
        let index = usize::try_from(counter.checked_sub(self.start)?).ok()?;
        self.ops.get(index)
    }

    /// The values of elements that this change inserts.
    fn values(&self, elements: Range<u64>) -> impl Iterator<Item = &ScalarValue> {
        elements.filter_map(|counter| match &self.own(counter)?.action {
            OpType::Put(value) => Some(value),
            _ => None,
        })
    }

    /// How many units each element takes of a text that this change inserts.
    fn widths(&self, elements: Range<u64>) -> impl Iterator<Item = usize> {
        self.values(elements).map(|value| width(value, true))
    }
}

impl Writer for Draft<'_> {
    fn make(&mut self, map: &ObjId, key: &str, kind: ObjType) -> Result<ObjId, AutomergeError> {
        self.put_object(map, key, kind)
    }

    fn set(&mut self, map: &ObjId, key: &str, value: ScalarValue) -> Outcome {
        self.put(map, key, value)
    }

    fn fill_list(&mut self, list: &ObjId, values: Vec<ScalarValue>) -> Outcome {
        let all = Splice::insertion(values.len());
        self.splice(list, &all, |index| values.get(index).cloned())
    }

    fn fill_text(&mut self, text: &ObjId, letters: &str) -> Outcome {
        let letters: Vec<char> = letters.chars().collect();
        let all = Splice::insertion(letters.len());
        self.splice(text, &all, |index| letters.get(index).map(letter))
    }
}

/// The last change that an actor made: its number and hash.
fn last_of(entity: &Entity, actor: &ActorId) -> Option<(u64, ChangeHash)> {
    if let Some(state) = entity.actors().get(actor) {
        return Some((state.seq, state.last.into()));
    }
    // What came with a document is not among the actors whose principals are known.
    let any = ObjId::Id(1, actor.clone(), 0);
    if let Err(AutomergeError::InvalidObjId(_)) = entity.doc().get(&any, "") {
        // No operation of it is known.
        return None;
    }
    let changes = entity.doc().get_changes_meta(&[]);
    let own = changes.iter().filter(|change| *change.actor == *actor);
    own.map(|change| (change.seq, change.hash)).max()
}

fn object_id(object: &ObjId) -> ObjectId {
    match op_id(object) {
        Some(id) => ObjectId::Id(id),
        None => ObjectId::Root,
    }
}

fn op_id(id: &ObjId) -> Option<OpId> {
    match id {
        ObjId::Id(counter, actor, _) => Some(OpId::new(*counter, actor)),
        ObjId::Root => None,
    }
}

fn ids(values: Vec<Held<'_>>) -> Vec<OpId> {
    values.iter().filter_map(|(_, id)| op_id(id)).collect()
}

/// The units of position that an element takes.
fn width(value: &ScalarValue, in_text: bool) -> usize {
    match value {
        ScalarValue::Str(text) if in_text => text.encode_utf16().count(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
