//! Two sequences that differ in few elements here and there, compared from the front.
//!
//! The greedy forward search (Myers 1986), a bounded number of differences at a time, keeping what
//! it reached after each so that the way can be walked back: O(ND) time, O(D²) space. Where so many
//! differences do not lead far, the two are not near each other any more.

use super::anchors::Match;

/// So many differences are looked for at a time.
const DIFFERENCES_MAX: usize = 64;
/// How many elements of both sides so many differences must get past.
const PROGRESS_MIN: usize = 8 * DIFFERENCES_MAX;
/// What lies behind the last run that is as long may be the same by chance only.
const RUN_MIN: usize = 12;

/// What was found from the front.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// Ascending on both sides.
    pub(super) matches: Vec<Match>,
    /// How far, on both sides; nothing is known about what comes behind.
    pub(super) reached: (usize, usize),
}

/// What both have in common, up to where they are not near each other.
pub(super) fn near(old: &[u32], new: &[u32], steps: &mut usize) -> Near {
    let mut near = Near::default();
    while near.reached != (old.len(), new.len()) {
        let (o, n) = near.reached;
        let found = search(&old[o..], &new[n..], steps);
        let Some(last) = found.last() else {
            return near;
        };
        near.reached = (o + last.old + last.length, n + last.new + last.length);
        near.matches.extend(found.into_iter().map(|found| Match {
            old: o + found.old,
            new: n + found.new,
            length: found.length,
        }));
    }
    near
}

/// The matches on the best way with few differences: to the end, which a last empty match marks, or
/// to the last long run. None if that is not far.
fn search(old: &[u32], new: &[u32], steps: &mut usize) -> Vec<Match> {
    let mut reached: Vec<Vec<usize>> = Vec::with_capacity(DIFFERENCES_MAX + 1);
    for differences in 0..=DIFFERENCES_MAX {
        let before = reached.last().map_or(&[][..], Vec::as_slice);
        let mut now = Vec::with_capacity(differences + 1);
        // The diagonal of `index` has `2 * index - differences` more elements of the new side.
        for index in 0..=differences {
            let mut o = step(before, index).map_or(0, |(o, _)| o);
            let mut n = (o + 2 * index).saturating_sub(differences);
            let run = match (old.get(o..), new.get(n..)) {
                (Some(old), Some(new)) => old.iter().zip(new).take_while(|(a, b)| a == b).count(),
                _ => 0,
            };
            *steps += run + 1;
            (o, n) = (o + run, n + run);
            now.push(o);
            if (o, n) == (old.len(), new.len()) {
                reached.push(now);
                let mut matches = back(&reached, o, n);
                matches.push(Match {
                    old: o,
                    new: n,
                    length: 0,
                });
                return matches;
            }
        }
        reached.push(now);
    }
    let ends = reached.last().map_or(&[][..], Vec::as_slice);
    let ends = ends.iter().enumerate().map(|(index, o)| {
        let n = (o + 2 * index).saturating_sub(DIFFERENCES_MAX);
        (*o, n)
    });
    let inside = ends.filter(|(o, n)| *o <= old.len() && *n <= new.len());
    let Some((o, n)) = inside.max_by_key(|(o, n)| o + n) else {
        return Vec::new();
    };
    let mut matches = back(&reached, o, n);
    while matches.last().is_some_and(|last| last.length < RUN_MIN) {
        matches.pop();
    }
    let reached = matches.last();
    match reached.map(|last| last.old + last.new + 2 * last.length) {
        Some(passed) if passed >= PROGRESS_MIN => matches,
        _ => Vec::new(),
    }
}

/// The old place after the next difference on the diagonal of `index`, and whether that difference
/// is an inserted element; `None` before any difference.
fn step(before: &[usize], index: usize) -> Option<(usize, bool)> {
    let removed = before.get(index).map(|o| (o + 1, false));
    let inserted = index
        .checked_sub(1)
        .and_then(|index| before.get(index))
        .map(|o| (*o, true));
    match (removed, inserted) {
        (Some(removed), Some(inserted)) if removed.0 > inserted.0 => Some(removed),
        (removed, inserted) => inserted.or(removed),
    }
}

/// Walks back from a place that was reached with the last difference.
fn back(reached: &[Vec<usize>], mut o: usize, mut n: usize) -> Vec<Match> {
    let mut matches = Vec::new();
    for differences in (0..reached.len()).rev() {
        let before = match differences {
            0 => &[][..],
            _ => reached[differences - 1].as_slice(),
        };
        let index = (n + differences - o) / 2;
        let (start, was_inserted) = step(before, index).unwrap_or((0, false));
        let length = o - start;
        (o, n) = (start, n - length);
        if length > 0 {
            matches.push(Match {
                old: o,
                new: n,
                length,
            });
        }
        match (differences, was_inserted) {
            (0, _) => {}
            (_, true) => n -= 1,
            (_, false) => o -= 1,
        }
    }
    matches.reverse();
    matches
}
