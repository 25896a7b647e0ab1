//! Merging texts and lists of scalars: the difference base → body, at its place in the present.
//!
//! Invariant: an element that others wrote since the base is never removed; positions are carried
//! over by the elements they are beside ([`Carried`]), never by counting.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use automerge::{AutomergeError, ObjId};
use serde_json::Value;

use super::carried::Carried;
use super::{Merger, Outcome, Source, Target};
use crate::document::{Reader, doubles, stored_scalar};
use crate::draft::{Splice, letter};
use crate::pointer::Pointer;
use crate::policy::{ScalarFault, Shape, refusal_text};
use crate::sequence::{Element, Run, runs};
use crate::value::normal;

/// What a body is compared with, and what is there.
pub(super) struct Sides<'a, T> {
    pub(super) old: &'a [T],
    pub(super) present: &'a [T],
    /// Whether `old` is of the base. It is of the present where the base has no such value, as of
    /// an item that was deleted then and is written back now.
    pub(super) is_base: bool,
}

/// A list of which not all that is stored need be presented.
struct Stored {
    /// The stored places of the elements that it is compared with, and how many are stored there.
    starts: Vec<usize>,
    /// The stored places of elements that go, ascending.
    superfluous: Vec<usize>,
}

impl Merger<'_> {
    pub(super) fn text(
        &mut self,
        target: &Target<'_>,
        value: &Value,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        let body: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
        let present = self.present_text(target.object);
        if !self.is_taken(target, value, &present) {
            return Ok(());
        }
        let old: Vec<char> = match (self.is_based(), base) {
            (true, Some(base)) => base
                .and_then(Value::as_str)
                .unwrap_or_default()
                .chars()
                .collect(),
            _ => present.chars().collect(),
        };
        let found = runs(&old, &body);
        if found.is_empty() || present.chars().eq(body.iter().copied()) {
            return Ok(());
        }
        if !self.may_splice(target, value, Value::String(present.clone())) {
            return Ok(());
        }
        let now: Vec<char> = present.chars().collect();
        let sides = Sides {
            old: &old,
            present: &now,
            is_base: base.is_some(),
        };
        let splices = self.splices(target.object, &found, &sides, |c| c.len_utf16())?;
        let inserted = |index| body.get(index).map(letter);
        self.draft.splice(target.object, &splices, inserted)
    }

    /// Whether a text is within its bounds, or what is there is not either; reports it otherwise.
    /// Admission decides on the merged text, but what is far too long need not be merged.
    fn is_taken(&mut self, target: &Target<'_>, value: &Value, present: &str) -> bool {
        let Shape::Text(rule) = &self.policy.node(target.node).shape else {
            return true;
        };
        let policy = self.policy;
        let few = self.options.limits.operations_per_change_max;
        let too_long = |text: &Value| {
            let length = text.as_str().map_or(0, |text| text.chars().count());
            if length <= few {
                return None;
            }
            let fault = rule.check(text).err();
            let fault = fault.filter(|fault| fault.keyword == "maxLength");
            fault.or_else(|| policy.too_long(target.node, length))
        };
        let Some(fault) = too_long(value) else {
            return true;
        };
        let is_so = too_long(&Value::from(present)).is_some();
        if !is_so {
            self.refuse_fault(target.at, fault, None, None);
        }
        is_so
    }

    /// The present text; a text that this merge makes holds its default.
    fn present_text(&self, object: &ObjId) -> String {
        self.draft.text(object)
    }

    pub(super) fn list(
        &mut self,
        target: &Target<'_>,
        value: &Value,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        let body: Vec<Value> = value.as_array().into_iter().flatten().map(normal).collect();
        let present: Vec<Value> = match self.draft.length(target.object) {
            0 => Vec::new(),
            _ if self.draft.is_own(target.object) => self.draft.made_list(target.object),
            _ => self.reader.list(target.object, target.node),
        };
        let old: Vec<Value> = match (self.is_based(), base) {
            (true, Some(base)) => base
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(normal)
                .collect(),
            _ => present.clone(),
        };
        let found = runs(&old, &body);
        if found.is_empty() || present == body {
            return Ok(());
        }
        if !self.may_splice(target, value, Value::Array(present.clone()))
            || !self.inserted_fit(target, &body, &found)
        {
            return Ok(());
        }
        let inserted = found.iter().flat_map(|run| &body[run.new.clone()]);
        let sides = Sides {
            old: &old,
            present: &present,
            is_base: base.is_some(),
        };
        let stored = self.stored(target, &sides, inserted)?;
        let splices = self.splices_of(target.object, &found, &sides, |_| 1, stored)?;
        let inserted = |index| body.get(index).and_then(stored_scalar);
        self.draft.splice(target.object, &splices, inserted)
    }

    /// For a list whose elements are presented once: where those of `old` are stored, and what of
    /// the list goes besides what the splices remove. That is what is not presented, since writing
    /// to a list cleans it up, and what is there already of what is `inserted`: it moves.
    fn stored<'v>(
        &mut self,
        target: &Target<'_>,
        sides: &Sides<'_, Value>,
        inserted: impl Iterator<Item = &'v Value>,
    ) -> Result<Option<Stored>, AutomergeError> {
        let (list, element) = (target.object, target.node);
        if !self.policy.shows_once(element) || self.draft.is_own(list) {
            return Ok(None);
        }
        let mut now = self.reader.stored_list(list, element);
        let mut superfluous: BTreeSet<usize> = doubles(&now).into_iter().collect();
        let by_values = self.is_by_values(list);
        if by_values {
            // Nothing refers to places in the document.
            let gone: Vec<Splice> = superfluous.iter().map(|&at| Splice::removal(at)).collect();
            self.draft.splice(list, &gone, |_| None)?;
            let mut index = 0..;
            now.retain(|_| {
                !index
                    .next()
                    .is_some_and(|index| superfluous.contains(&index))
            });
            superfluous.clear();
        }
        let inserted: HashSet<&Value> = inserted.collect();
        let present = now.iter().enumerate();
        let moved = present.filter(|(_, element)| inserted.contains(element));
        superfluous.extend(moved.map(|(index, _)| index));
        let old = sides.old;
        let carried = match self.base_heads {
            _ if by_values => Vec::new(),
            Some(heads) if sides.is_base => {
                Reader::at(self.entity.doc(), self.policy, heads).stored_list(list, element)
            }
            _ => now,
        };
        let twice: HashSet<usize> = doubles(&carried).into_iter().collect();
        let starts = match carried.len() - twice.len() == old.len() {
            true => {
                let presented = (0..carried.len()).filter(|index| !twice.contains(index));
                presented.chain([carried.len()]).collect()
            }
            false => (0..=old.len()).collect(),
        };
        Ok(Some(Stored {
            starts,
            superfluous: superfluous.into_iter().collect(),
        }))
    }

    /// Whether the elements that an edit inserts into a list obey their schema; reports those that
    /// do not. What was there before may be from the time of another schema.
    fn inserted_fit(&mut self, target: &Target<'_>, body: &[Value], edit: &[Run]) -> bool {
        let Shape::Scalar(rule) = &self.policy.node(target.node).shape else {
            return false;
        };
        let mut fit = true;
        if self.policy.shows_once(target.node)
            && let Some(&index) = doubles(body).first()
        {
            let at = target.at.child(index.to_string());
            let message = "is in the list twice, whose elements must differ";
            let fault = ScalarFault::new("uniqueItems", message).bound(true.into());
            self.refuse_fault(&at, fault, body.get(index), None);
            fit = false;
        }
        for index in edit.iter().flat_map(|run| run.new.clone()) {
            let element = &body[index];
            if let Err(fault) = rule.check(element) {
                let at: Pointer = target.at.child(index.to_string());
                self.refuse_fault(&at, fault, Some(element), None);
                fit = false;
            }
        }
        fit
    }

    pub(super) fn may_splice(
        &mut self,
        target: &Target<'_>,
        value: &Value,
        present: Value,
    ) -> bool {
        let Some(rule) = self.rights.denied(target.node, target.fresh) else {
            return true;
        };
        let message = refusal_text(&rule);
        self.protect(target.at, rule, message, Some(value), Some(present));
        false
    }

    /// Whether texts and lists are compared with their base instead of with the present.
    fn is_based(&self) -> bool {
        self.base_heads.is_some() || self.is_elsewhere()
    }

    /// Whether the base is not a state of this document.
    fn is_elsewhere(&self) -> bool {
        let base = self.options.base.as_ref();
        self.source == Source::Edits || base.is_some_and(|base| base.heads.is_empty())
    }

    /// Whether places in a text or list are carried over by comparing values: its elements are not
    /// those of the base, but such as were made from them when the schema changed.
    fn is_by_values(&self, object: &ObjId) -> bool {
        let made = || self.entity.doc().hash_for_opid(object);
        self.is_elsewhere()
            || (!self.since.is_empty() && made().is_some_and(|made| self.since.contains(&made)))
    }

    /// The splices in the present sequence for runs that differ between base and body, ascending.
    /// `width` gives the units of position that an element takes.
    pub(super) fn splices<T: Element>(
        &self,
        object: &ObjId,
        found: &[Run],
        sides: &Sides<'_, T>,
        width: impl Fn(&T) -> usize,
    ) -> Result<Vec<Splice>, AutomergeError> {
        self.splices_of(object, found, sides, width, None)
    }

    /// [`Self::splices`] of a list of which not all that is stored is presented.
    fn splices_of<T: Element>(
        &self,
        object: &ObjId,
        found: &[Run],
        sides: &Sides<'_, T>,
        width: impl Fn(&T) -> usize,
        stored: Option<Stored>,
    ) -> Result<Vec<Splice>, AutomergeError> {
        let (old, present) = (sides.old, sides.present);
        let Stored {
            starts,
            superfluous,
        } = stored.unwrap_or_else(|| Stored {
            starts: starts(old, &width),
            superfluous: Vec::new(),
        });
        let length = starts[old.len()];
        let carried = match self.base_heads {
            _ if self.is_by_values(object) => {
                let differ = runs(old, present);
                Carried::compared(&differ, &starts, &self::starts(present, &width))
            }
            // What this merge makes is in no earlier state, and has no other writer.
            _ if self.draft.is_own(object) => Carried::unchanged(length),
            Some(heads) if sides.is_base => {
                Carried::since(self.entity.doc(), object, heads, length)?
            }
            _ => Carried::unchanged(length),
        };
        let mut splices = Vec::new();
        for run in found {
            let old = starts[run.old.start]..starts[run.old.end];
            splices.push(Splice {
                at: carried.behind(old.start),
                removed: 0,
                inserted: run.new.clone(),
            });
            splices.extend(carried.present(&old).map(|present| Splice {
                at: present.start,
                removed: present.len(),
                inserted: run.new.end..run.new.end,
            }));
        }
        let removals = splices.iter().filter(|splice| splice.removed > 0);
        let mut removed: Vec<Range<usize>> = removals
            .map(|splice| splice.at..splice.at + splice.removed)
            .collect();
        removed.sort_unstable_by_key(|removed| removed.start);
        let is_removed = |at: &usize| {
            let before = removed.partition_point(|removed| removed.start <= *at);
            before > 0 && removed[before - 1].contains(at)
        };
        let superfluous = superfluous.into_iter().filter(|at| !is_removed(at));
        splices.extend(superfluous.map(Splice::removal));
        Ok(joined(splices))
    }
}

/// The units before each element, and of all of them last.
fn starts<T>(elements: &[T], width: impl Fn(&T) -> usize) -> Vec<usize> {
    let mut starts = Vec::with_capacity(elements.len() + 1);
    let mut start = 0;
    starts.push(start);
    for element in elements {
        start += width(element);
        starts.push(start);
    }
    starts
}

/// Splices in ascending order, so that they can be applied from the end. What is removed where
/// something is inserted is one splice with it.
fn joined(mut splices: Vec<Splice>) -> Vec<Splice> {
    // At one place the insertion comes first.
    splices.sort_by_key(|splice| (splice.at, splice.removed > 0));
    let mut joined: Vec<Splice> = Vec::with_capacity(splices.len());
    for splice in splices {
        match joined.last_mut() {
            Some(last) if last.at == splice.at && last.removed == 0 && splice.removed > 0 => {
                last.removed = splice.removed;
            }
            _ if splice.removed == 0 && splice.inserted.is_empty() => {}
            _ => joined.push(splice),
        }
    }
    joined
}
