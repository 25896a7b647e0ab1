//! Smallest differences between two sequences: splices and moves.
//!
//! Invariant: applying the edits in the order given, each at its `at` in the sequence as edited so
//! far, turns the first sequence into the second. Time is bounded for hostile sizes.
//! Must never know: what the elements are.

use std::collections::HashMap;
use std::hash::Hash;

use similar::DiffOp;
use similar::algorithms::{Capture, Compact, Replace, myers};

/// Above this product of lengths (after common ends are cut off) the middle is replaced whole:
/// the difference algorithm is O(N·D) (Myers 1986) and its input may be chosen by an attacker.
const PRODUCT_MAX: usize = 4_000_000;

/// One replaced run of elements.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edit<'a, T> {
    /// Where, in the sequence as edited so far.
    pub(crate) at: usize,
    /// What goes.
    pub(crate) removed: &'a [T],
    /// What comes.
    pub(crate) inserted: &'a [T],
}

/// One replaced run, by places in the old and the new sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// The run in the old sequence.
    pub(crate) old: std::ops::Range<usize>,
    /// What stands for it in the new one.
    pub(crate) new: std::ops::Range<usize>,
}

/// The runs that differ, ascending.
pub(crate) fn runs<T: Eq + Hash>(old: &[T], new: &[T]) -> Vec<Run> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let (old_middle, new_middle) = (&old[head..old_end], &new[head..new_end]);
    if old_middle.is_empty() && new_middle.is_empty() {
        return Vec::new();
    }
    let product = old_middle.len().saturating_mul(new_middle.len());
    if old_middle.is_empty() || new_middle.is_empty() || product > PRODUCT_MAX {
        return vec![Run {
            old: head..old_end,
            new: head..new_end,
        }];
    }
    differences(&numbered(old_middle, new_middle))
        .into_iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (old, new) = (op.old_range(), op.new_range());
            Run {
                old: old.start + head..old.end + head,
                new: new.start + head..new.end + head,
            }
        })
        .collect()
}

/// Two sequences, with a number for each element that differs.
type Numbered = (Vec<u32>, Vec<u32>);

/// Elements by numbers: the difference algorithm is long, and there shall be one of it in a client,
/// not one for each type of element.
fn numbered<'a, T: Eq + Hash>(old: &'a [T], new: &'a [T]) -> Numbered {
    let mut numbers: HashMap<&'a T, u32> = HashMap::new();
    let mut number = |element| {
        // Both are shorter than `PRODUCT_MAX`.
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(element).or_insert(next)
    };
    let old = old.iter().map(&mut number).collect();
    (old, new.iter().map(number).collect())
}

fn differences((old, new): &Numbered) -> Vec<DiffOp> {
    let (old, new) = (&old[..], &new[..]);
    let mut found = Compact::new(Replace::new(Capture::new()), old, new);
    match myers::diff(&mut found, old, 0..old.len(), new, 0..new.len()) {
        Ok(()) => found.into_inner().into_inner().into_ops(),
        Err(never) => match never {},
    }
}

/// The edits that turn `old` into `new`, ascending.
pub(crate) fn edits<'a, T: Eq + Hash>(old: &'a [T], new: &'a [T]) -> Vec<Edit<'a, T>> {
    runs(old, new)
        .into_iter()
        .map(|run| Edit {
            at: run.new.start,
            removed: &old[run.old],
            inserted: &new[run.new],
        })
        .collect()
}

/// The fewest elements whose removal and reinsertion turns the order `old` into `new`, in the
/// order of `new`. Elements that `old` lacks are passed over.
///
/// What stays is a longest increasing subsequence of the old places (Fredman 1975).
pub(crate) fn moves<'a, T: Eq + Hash>(old: &[T], new: &'a [T]) -> Vec<&'a T> {
    let places: HashMap<&T, usize> = old.iter().enumerate().map(|(i, t)| (t, i)).collect();
    let sequence: Vec<(usize, &T)> = new
        .iter()
        .filter_map(|element| Some((*places.get(element)?, element)))
        .collect();
    // tails[k]: index in `sequence` of the smallest end of an increasing run of length k + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(sequence.len());
    for (index, (place, _)) in sequence.iter().enumerate() {
        let length = tails.partition_point(|&tail| sequence[tail].0 < *place);
        previous.push(length.checked_sub(1).map(|before| tails[before]));
        if length == tails.len() {
            tails.push(index);
        } else {
            tails[length] = index;
        }
    }
    let mut stays = vec![false; sequence.len()];
    let mut next = tails.last().copied();
    while let Some(index) = next {
        stays[index] = true;
        next = previous[index];
    }
    sequence
        .iter()
        .zip(stays)
        .filter(|(_, stays)| !stays)
        .map(|((_, t), _)| *t)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(old: &str, new: &str) -> usize {
        let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
        let mut text = old.clone();
        let edits = edits(&old, &new);
        for Edit {
            at,
            removed,
            inserted,
        } in &edits
        {
            text.splice(*at..*at + removed.len(), inserted.iter().copied());
        }
        assert_eq!(text, new);
        edits.len()
    }

    #[test]
    fn edits_turn_old_into_new() {
        for (old, new, count) in [
            ("", "", 0),
            ("same", "same", 0),
            ("", "abc", 1),
            ("abc", "", 1),
            ("hello world", "hello brave world", 1),
            ("one two three", "1 two 3", 2),
            ("aaaa", "aa", 1),
        ] {
            assert_eq!(apply(old, new), count, "{old:?} → {new:?}");
        }
    }

    #[test]
    fn huge_differences_are_one_replacement() {
        let old: String = ('a'..='z').cycle().take(10_000).collect();
        let new: String = ('a'..='y').cycle().take(10_000).collect();
        let reversed: String = new.chars().rev().collect();
        assert_eq!(apply(&old, &reversed), 1);
    }

    #[test]
    fn moves_are_the_fewest() {
        let check = |old: &[u8], new: &[u8], moved: &[u8]| {
            let found: Vec<u8> = moves(old, new).into_iter().copied().collect();
            assert_eq!(found, moved, "{old:?} → {new:?}");
        };
        check(&[1, 2, 3], &[1, 2, 3], &[]);
        check(&[1, 2, 3], &[3, 1, 2], &[3]);
        check(&[1, 2, 3, 4], &[2, 3, 4, 1], &[1]);
        check(&[1, 2, 3], &[9, 1, 8, 3], &[]);
        check(&[], &[1, 2], &[]);
        check(&[1, 2, 3], &[3, 2, 1], &[3, 2]);
    }
}
