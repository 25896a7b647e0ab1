//! Merging texts and lists of scalars: the difference base → body, at its place in the present.
//!
//! Invariant: an element that others wrote since the base is never removed; positions are carried
//! over by the elements they stand beside (Automerge cursors), never by counting.
//! Must never know: which field this is for.

use automerge::transaction::Transactable;
use automerge::{Automerge, ChangeHash, MoveCursor, ObjId, ReadDoc, Value as Stored};
use serde_json::Value;

use super::{Merger, Outcome, Source, Target};
use crate::admission::rights::{denied, refusal_text};
use crate::document::{plain_value, stored_scalar};
use crate::pointer::Pointer;
use crate::policy::Shape;
use crate::sequence::{Run, runs};
use crate::value::normal;
use crate::violation::Rule;

/// One splice in the present sequence: remove `removed` units at `at`, then insert there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Splice {
    at: usize,
    removed: usize,
    /// Elements of the body to insert.
    inserted: std::ops::Range<usize>,
}

impl Merger<'_, '_> {
    pub(super) fn text(
        &mut self,
        target: &Target<'_>,
        value: &Value,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        let body: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
        let present = self.present_text(target.object);
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
        let widths: Vec<usize> = old.iter().map(|c| c.len_utf16()).collect();
        let now: Vec<char> = present.chars().collect();
        let compared = self.compared(&old, &now, |c| c.len_utf16());
        for splice in self
            .splices(target.object, &found, &widths, compared.as_deref())
            .into_iter()
            .rev()
        {
            let inserted: String = body[splice.inserted].iter().collect();
            let removed = isize::try_from(splice.removed).unwrap_or(isize::MAX);
            self.tx
                .splice_text(target.object, splice.at, removed, &inserted)?;
        }
        Ok(())
    }

    /// The present text; a text that this merge makes holds its default.
    fn present_text(&self, object: &ObjId) -> String {
        self.tx.text(object).unwrap_or_default()
    }

    /// The elements of a list that this merge makes: its default.
    fn made_list(&self, object: &ObjId, count: usize) -> Vec<Value> {
        let element = |index| match self.tx.get(object, index) {
            Ok(Some((Stored::Scalar(scalar), _))) => plain_value(&scalar),
            _ => None,
        };
        (0..count).filter_map(element).collect()
    }

    pub(super) fn list(
        &mut self,
        target: &Target<'_>,
        value: &Value,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        let body: Vec<Value> = value.as_array().into_iter().flatten().map(normal).collect();
        let present: Vec<Value> = match self.tx.length(target.object) {
            0 => Vec::new(),
            count if self.made.contains(target.object) => self.made_list(target.object, count),
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
            || !self.elements_fit(target, &body)
        {
            return Ok(());
        }
        let widths = vec![1; old.len()];
        let compared = self.compared(&old, &present, |_| 1);
        for splice in self
            .splices(target.object, &found, &widths, compared.as_deref())
            .into_iter()
            .rev()
        {
            for _ in 0..splice.removed {
                self.tx.delete(target.object, splice.at)?;
            }
            for (offset, element) in body[splice.inserted].iter().enumerate() {
                if let Some(scalar) = stored_scalar(element) {
                    self.tx.insert(target.object, splice.at + offset, scalar)?;
                }
            }
        }
        Ok(())
    }

    /// Whether every element of a list obeys its schema; reports those that do not.
    fn elements_fit(&mut self, target: &Target<'_>, body: &[Value]) -> bool {
        let Shape::Scalar(rule) = &self.policy.node(target.node).shape else {
            return false;
        };
        let mut fit = true;
        for (index, element) in body.iter().enumerate() {
            if let Err(fault) = rule.check(element) {
                let at: Pointer = target.at.child(index.to_string());
                let rule = Rule::keyword(fault.keyword);
                self.refuse(&at, rule, &fault.message, Some(element), None);
                fit = false;
            }
        }
        fit
    }

    fn may_splice(&mut self, target: &Target<'_>, value: &Value, present: Value) -> bool {
        let Some(rule) = denied(
            &self.policy.node(target.node).write,
            self.author,
            target.fresh,
        ) else {
            return true;
        };
        let message = refusal_text(&rule);
        self.protect(target.at, rule, message, Some(value), Some(present));
        false
    }

    /// Whether texts and lists are compared with their base instead of with the present.
    fn is_based(&self) -> bool {
        self.base_heads.is_some() || self.source == Source::Edits
    }

    /// Where each element of `old` is in the present sequence, where only comparing tells.
    fn compared<T: Eq + std::hash::Hash>(
        &self,
        old: &[T],
        present: &[T],
        width: impl Fn(&T) -> usize,
    ) -> Option<Vec<(usize, bool)>> {
        (self.source == Source::Edits).then(|| places(old, present, width))
    }

    /// The splices in the present sequence for runs that differ between base and body, ascending;
    /// `compared` as in [`Self::compared`].
    fn splices(
        &self,
        object: &ObjId,
        found: &[Run],
        widths: &[usize],
        compared: Option<&[(usize, bool)]>,
    ) -> Vec<Splice> {
        let mut starts = Vec::with_capacity(widths.len() + 1);
        let mut start = 0;
        for width in widths {
            starts.push(start);
            start += width;
        }
        starts.push(start);
        if self.base_heads.is_none() && compared.is_none() {
            return found
                .iter()
                .map(|run| Splice {
                    at: starts[run.old.start],
                    removed: starts[run.old.end] - starts[run.old.start],
                    inserted: run.new.clone(),
                })
                .collect();
        }
        let carried = Carried {
            doc: &self.entity.doc,
            object,
            heads: self.base_heads.unwrap_or_default(),
        };
        let place = |index: usize| match compared {
            Some(compared) => compared.get(index).copied(),
            None => carried.element(starts[index]),
        };
        let mut splices = Vec::new();
        for run in found {
            let anchor = match run.old.start.checked_sub(1) {
                None => 0,
                Some(before) => match place(before) {
                    Some((place, true)) => place + widths[before],
                    Some((place, false)) => place,
                    None => 0,
                },
            };
            splices.push(Splice {
                at: anchor,
                removed: 0,
                inserted: run.new.clone(),
            });
            for index in run.old.clone() {
                if let Some((place, true)) = place(index) {
                    let nothing = run.new.end..run.new.end;
                    splices.push(Splice {
                        at: place,
                        removed: widths[index],
                        inserted: nothing,
                    });
                }
            }
        }
        // Applied from the end; at one place the removal goes first, so the insertion comes first
        // in ascending order.
        splices.sort_by_key(|splice| (splice.at, splice.removed > 0));
        splices
    }
}

/// Where each element of `old` is in `present`, in units of `width`; `false` where it is gone, and
/// the place is the one that it would have.
fn places<T: Eq + std::hash::Hash>(
    old: &[T],
    present: &[T],
    width: impl Fn(&T) -> usize,
) -> Vec<(usize, bool)> {
    let mut starts = vec![0];
    for element in present {
        starts.push(starts[starts.len() - 1] + width(element));
    }
    let mut found = Vec::with_capacity(old.len());
    let mut index = 0;
    for run in runs(old, present) {
        while found.len() < run.old.start {
            found.push((starts[index], true));
            index += 1;
        }
        index = run.new.end;
        found.resize(run.old.end, (starts[index], false));
    }
    while found.len() < old.len() {
        found.push((starts[index], true));
        index += 1;
    }
    found
}

/// Finds elements of an earlier state in the present one.
struct Carried<'a> {
    doc: &'a Automerge,
    object: &'a ObjId,
    heads: &'a [ChangeHash],
}

impl Carried<'_> {
    /// Where the element at `position` of the earlier state is now, or would be (`false`) if it
    /// was deleted since.
    fn element(&self, position: usize) -> Option<(usize, bool)> {
        let cursor = self
            .doc
            .get_cursor_moving(self.object, position, Some(self.heads), MoveCursor::After)
            .ok()?;
        let place = self
            .doc
            .get_cursor_position(self.object, &cursor, None)
            .ok()?;
        let alive = self
            .doc
            .get_cursor_moving(self.object, place, None, MoveCursor::After)
            .is_ok_and(|now| now == cursor);
        Some((place, alive))
    }
}
