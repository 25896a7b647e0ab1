//! Where the elements of an earlier text or list are now, run by run.
//!
//! Owns the two ways to know that: by identity, where both states are of one document (Automerge's
//! own difference between heads, one pass over the object); by comparing values, where they are not.
//! Invariant: linear in the object and not in what changes; an element that was written since is in
//! no run.

use std::ops::Range;

use automerge::{Automerge, AutomergeError, ChangeHash, ObjId, PatchAction};

use crate::sequence::Run;

/// A run of the earlier sequence, in units of position (UTF-16 code units in texts).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    old: Range<usize>,
    /// Where it begins now; of a run that is gone, where it would be.
    now: usize,
    is_there: bool,
}

/// The whole of an earlier sequence, in runs.
#[derive(Debug, Default)]
pub(super) struct Carried {
    stretches: Vec<Stretch>,
}

impl Carried {
    /// A sequence of `length` units that is as it was.
    pub(super) fn unchanged(length: usize) -> Self {
        let mut carried = Self::default();
        carried.push(length, 0, true);
        carried
    }

    /// By identity: from the `length` units at `heads` to the present.
    pub(super) fn since(
        doc: &Automerge,
        object: &ObjId,
        heads: &[ChangeHash],
        length: usize,
    ) -> Result<Self, AutomergeError> {
        let mut carried = Self::default();
        // Patches ascend, each counting in the sequence at that point: up to `now` as in the end.
        let (mut old, mut now) = (0, 0);
        for patch in doc.diff_obj(object, heads, &doc.get_heads(), false)? {
            let (at, inserted, removed) = match patch.action {
                PatchAction::Insert { index, values } => (index, values.len(), 0),
                PatchAction::SpliceText { index, value, .. } => {
                    (index, value.make_string().encode_utf16().count(), 0)
                }
                PatchAction::DeleteSeq { index, length } => (index, 0, length),
                // An element whose value changed is the same element.
                _ => continue,
            };
            let kept = at.saturating_sub(now).min(length.saturating_sub(old));
            carried.push(kept, now, true);
            (old, now) = (old + kept, now + kept);
            carried.push(removed, now, false);
            (old, now) = (old + removed, now + inserted);
        }
        carried.push(length.saturating_sub(old), now, true);
        Ok(carried)
    }

    /// By values: from the old side of `runs` to their new side; `old` and `now` give the units
    /// before each element of either, and of all of them last.
    pub(super) fn compared(runs: &[Run], old: &[usize], now: &[usize]) -> Self {
        let mut carried = Self::default();
        let (mut done, mut reached) = (0, 0);
        let ends = (old.len() - 1, now.len() - 1);
        let end = Run {
            old: ends.0..ends.0,
            new: ends.1..ends.1,
        };
        for run in runs.iter().chain([&end]) {
            carried.push(old[run.old.start] - old[done], now[reached], true);
            carried.push(
                old[run.old.end] - old[run.old.start],
                // Behind what came instead of it.
                now[run.new.end],
                false,
            );
            (done, reached) = (run.old.end, run.new.end);
        }
        carried
    }

    fn push(&mut self, length: usize, now: usize, is_there: bool) {
        if length > 0 {
            let start = self.stretches.last().map_or(0, |last| last.old.end);
            self.stretches.push(Stretch {
                old: start..start + length,
                now,
                is_there,
            });
        }
    }

    /// The stretches that lie in `old` or partly so.
    fn within(&self, old: &Range<usize>) -> impl Iterator<Item = &Stretch> {
        let first = self.stretches.partition_point(|s| s.old.end <= old.start);
        let end = old.end;
        self.stretches[first..]
            .iter()
            .take_while(move |stretch| stretch.old.start < end)
    }

    /// Where what followed the units before `at` begins now: right behind the last of them.
    pub(super) fn behind(&self, at: usize) -> usize {
        let Some(last) = at.checked_sub(1) else {
            return 0;
        };
        let found = self.within(&(last..at)).next();
        found.map_or(0, |stretch| match stretch.is_there {
            true => stretch.now + at - stretch.old.start,
            false => stretch.now,
        })
    }

    /// Where the units of `old` are now that are still there: ascending, in runs.
    pub(super) fn present(&self, old: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (start, end) = (old.start, old.end);
        let there = self.within(old).filter(|stretch| stretch.is_there);
        there.map(move |stretch| {
            let from = stretch.old.start.max(start) - stretch.old.start;
            let to = stretch.old.end.min(end) - stretch.old.start;
            stretch.now + from..stretch.now + to
        })
    }
}
