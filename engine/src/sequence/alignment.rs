//! Which elements of two sequences are the same, in linear space and bounded work.
//!
//! A stretch that differs is cut at what both sides have, then each part in the same way:
//! - a short stretch is compared exactly;
//! - a long one is compared from the front while differences are few ([`near`]);
//! - what is left is cut at runs that both sides have ([`anchors`]), and into blocks where there is
//!   none.
//!
//! Invariant: what is not marked as changed is the same on both sides, element by element in order.
//! The work is at most [`WORK_PER_ELEMENT`] steps for each element.

use std::ops::Range;

use similar::DiffOp;
use similar::algorithms::{Capture, Compact, Replace, myers};

use super::Run;
use super::anchors::{Match, anchors};
use super::near::near;

/// Up to so many elements, those of both sides together, a stretch is compared exactly.
const EXACT_MAX: usize = 512;
/// The same when many such stretches have cost too much already.
const BLOCK_MAX: usize = 64;
/// Steps for exact comparisons, for each element of both sides.
const EXACT_WORK: usize = 24;
/// How often a stretch and what is left of it are cut at anchors.
const ROUNDS: u32 = 2;

/// An upper bound for [`Alignment::steps`], for each element of both sides.
#[cfg(test)]
pub(super) const WORK_PER_ELEMENT: usize = 300;

/// A stretch of both sides that differs.
#[derive(Debug, Clone)]
struct Gap {
    old: Range<usize>,
    new: Range<usize>,
    round: u32,
}

/// Two sequences of numbers, and what is known to differ.
#[derive(Debug)]
pub(super) struct Alignment<'a> {
    old: &'a [u32],
    new: &'a [u32],
    removed: Vec<bool>,
    inserted: Vec<bool>,
    /// Steps that exact comparisons may still take.
    exact: usize,
    /// What was done: elements visited and compared.
    pub(super) steps: usize,
}

impl<'a> Alignment<'a> {
    pub(super) fn of(old: &'a [u32], new: &'a [u32]) -> Self {
        let mut alignment = Self {
            old,
            new,
            removed: vec![false; old.len()],
            inserted: vec![false; new.len()],
            exact: (old.len() + new.len()) * EXACT_WORK,
            steps: 0,
        };
        let mut gaps = vec![Gap {
            old: 0..old.len(),
            new: 0..new.len(),
            round: 0,
        }];
        while let Some(gap) = gaps.pop() {
            alignment.gap(gap, &mut gaps);
        }
        alignment
    }

    fn gap(&mut self, gap: Gap, gaps: &mut Vec<Gap>) {
        let gap = self.trimmed(gap);
        let (old, new) = (&self.old[gap.old.clone()], &self.new[gap.new.clone()]);
        let size = old.len() + new.len();
        if old.is_empty() || new.is_empty() {
            self.replace(gap.old, gap.new);
        } else if size <= BLOCK_MAX || (size <= EXACT_MAX && self.exact > 0) {
            self.exactly(&gap);
        } else {
            let gap = self.nearly(gap);
            self.anchored(&gap, gaps);
        }
    }

    /// Compares from the front while there are few differences; gives what is left.
    fn nearly(&mut self, mut gap: Gap) -> Gap {
        let (old, new) = (&self.old[gap.old.clone()], &self.new[gap.new.clone()]);
        let found = near(old, new, &mut self.steps);
        let rest = Gap {
            old: gap.old.start + found.reached.0..gap.old.end,
            new: gap.new.start + found.reached.1..gap.new.end,
            round: gap.round,
        };
        gap.old.end = rest.old.start;
        gap.new.end = rest.new.start;
        self.cut(&gap, &found.matches, None);
        rest
    }

    /// Cuts a gap at what both sides have, or into blocks.
    fn anchored(&mut self, gap: &Gap, gaps: &mut Vec<Gap>) {
        let (old, new) = (&self.old[gap.old.clone()], &self.new[gap.new.clone()]);
        if old.is_empty() || new.is_empty() {
            self.replace(gap.old.clone(), gap.new.clone());
            return;
        }
        if gap.round == ROUNDS {
            self.blocks(gap, gaps);
            return;
        }
        let found = anchors(old, new, &mut self.steps);
        if found.matches.is_empty() && !found.complete {
            self.blocks(gap, gaps);
        } else {
            let rest = (!found.complete).then_some(gaps);
            self.cut(gap, &found.matches, rest);
        }
    }

    /// The gap without what both sides begin and end with.
    fn trimmed(&mut self, mut gap: Gap) -> Gap {
        let (old, new) = (&self.old[gap.old.clone()], &self.new[gap.new.clone()]);
        let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
        let tail = tails.take_while(|(a, b)| a == b).count();
        self.steps += head + tail;
        gap.old = gap.old.start + head..gap.old.end - tail;
        gap.new = gap.new.start + head..gap.new.end - tail;
        gap
    }

    fn replace(&mut self, old: Range<usize>, new: Range<usize>) {
        self.removed[old].fill(true);
        self.inserted[new].fill(true);
    }

    /// Keeps what matches, and leaves what is between to `rest`, or replaces it.
    fn cut(&mut self, gap: &Gap, matches: &[Match], mut rest: Option<&mut Vec<Gap>>) {
        let (mut old, mut new) = (gap.old.start, gap.new.start);
        let end = Match {
            old: gap.old.len(),
            new: gap.new.len(),
            length: 0,
        };
        for found in matches.iter().chain([&end]) {
            let (next_old, next_new) = (gap.old.start + found.old, gap.new.start + found.new);
            match &mut rest {
                Some(gaps) => gaps.push(Gap {
                    old: old..next_old,
                    new: new..next_new,
                    round: gap.round + 1,
                }),
                None => self.replace(old..next_old, new..next_new),
            }
            (old, new) = (next_old + found.length, next_new + found.length);
        }
    }

    /// Cuts both sides into as many parts.
    fn blocks(&mut self, gap: &Gap, gaps: &mut Vec<Gap>) {
        let (n, m) = (gap.old.len(), gap.new.len());
        let parts = (n + m).div_ceil(BLOCK_MAX / 2);
        // In 64 bits, since the product of two lengths does not fit in the 32 of a browser.
        let place = |part: usize, length: usize| {
            let place = part as u64 * length as u64 / parts as u64;
            usize::try_from(place).unwrap_or(length)
        };
        gaps.extend((0..parts).map(|part| Gap {
            old: gap.old.start + place(part, n)..gap.old.start + place(part + 1, n),
            new: gap.new.start + place(part, m)..gap.new.start + place(part + 1, m),
            round: gap.round,
        }));
    }

    fn exactly(&mut self, gap: &Gap) {
        let (old, new) = (&self.old[gap.old.clone()], &self.new[gap.new.clone()]);
        let mut found = Compact::new(Replace::new(Capture::new()), old, new);
        let ops = match myers::diff(&mut found, old, 0..old.len(), new, 0..new.len()) {
            Ok(()) => found.into_inner().into_inner().into_ops(),
            Err(never) => match never {},
        };
        let mut differ = 0;
        for op in ops {
            if !matches!(op, DiffOp::Equal { .. }) {
                let (old, new) = (op.old_range(), op.new_range());
                differ += old.len() + new.len();
                let start = (gap.old.start, gap.new.start);
                self.replace(
                    start.0 + old.start..start.0 + old.end,
                    start.1 + new.start..start.1 + new.end,
                );
            }
        }
        let steps = differ * differ;
        self.exact = self.exact.saturating_sub(steps);
        self.steps += steps + gap.old.len() + gap.new.len();
    }

    /// The runs that differ, ascending.
    pub(super) fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        let (mut old, mut new) = (0, 0);
        loop {
            let kept = self.removed[old..].iter().zip(&self.inserted[new..]);
            let kept = kept.take_while(|changed| *changed == (&false, &false));
            let kept = kept.count();
            let (start_old, start_new) = (old + kept, new + kept);
            let changed = |flags: &[bool]| flags.iter().take_while(|changed| **changed).count();
            old = start_old + changed(&self.removed[start_old..]);
            new = start_new + changed(&self.inserted[start_new..]);
            if (old, new) == (start_old, start_new) {
                return runs;
            }
            runs.push(Run {
                old: start_old..old,
                new: start_new..new,
            });
        }
    }
}
