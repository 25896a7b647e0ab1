//! Smallest differences between two sequences: splices and moves.
//!
//! Invariant: applying the edits in the order given, each at its `at` in the sequence as edited so
//! far, turns the first sequence into the second. What both sides kept is not replaced, at any
//! length; the work for it is bounded for hostile input too (`sequence/alignment.rs`).

mod alignment;
mod anchors;
mod in_place;
mod longest;
mod near;
mod order;

use std::collections::HashMap;
use std::hash::Hash;

use serde_json::Value;

use alignment::Alignment;
use longest::increasing;
pub(crate) use order::arrangement;

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
    /// What replaces it in the new one.
    pub(crate) new: std::ops::Range<usize>,
}

/// The runs that differ, ascending.
pub(crate) fn runs<T: Element>(old: &[T], new: &[T]) -> Vec<Run> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    if old_end == head && new_end == head {
        return Vec::new();
    }
    if old_end == head || new_end == head {
        return vec![Run {
            old: head..old_end,
            new: head..new_end,
        }];
    }
    let (old, new) = T::numbered(&old[head..old_end], &new[head..new_end]);
    let mut runs = in_place::in_place(Alignment::of(&old, &new).runs(), &old, &new);
    for run in &mut runs {
        run.old = run.old.start + head..run.old.end + head;
        run.new = run.new.start + head..run.new.end + head;
    }
    runs
}

/// What sequences are made of. Elements are compared by numbers, so that there is one difference
/// algorithm in a client and not one for each type.
pub(crate) trait Element: Eq + Sized {
    /// Two sequences as numbers that are equal where the elements are.
    fn numbered(old: &[Self], new: &[Self]) -> (Vec<u32>, Vec<u32>);
}

impl Element for char {
    fn numbered(old: &[Self], new: &[Self]) -> (Vec<u32>, Vec<u32>) {
        let numbers = |text: &[Self]| text.iter().map(|c| u32::from(*c)).collect();
        (numbers(old), numbers(new))
    }
}

impl Element for Value {
    fn numbered(old: &[Self], new: &[Self]) -> (Vec<u32>, Vec<u32>) {
        let mut numbers: HashMap<&Self, u32> = HashMap::new();
        let mut number = |element| {
            // No value holds as many elements as there are numbers.
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(element).or_insert(next)
        };
        let old = old.iter().map(&mut number).collect();
        (old, new.iter().map(number).collect())
    }
}

/// The edits that turn `old` into `new`, ascending.
pub(crate) fn edits<'a, T: Element>(old: &'a [T], new: &'a [T]) -> Vec<Edit<'a, T>> {
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
/// What stays is a longest increasing subsequence of the old places.
pub(crate) fn moves<'a, T: Eq + Hash>(old: &[T], new: &'a [T]) -> Vec<&'a T> {
    let places: HashMap<&T, usize> = old.iter().enumerate().map(|(i, t)| (t, i)).collect();
    let sequence: Vec<(usize, &T)> = new
        .iter()
        .filter_map(|element| Some((*places.get(element)?, element)))
        .collect();
    let mut stays = increasing(sequence.iter().map(|(place, _)| *place))
        .into_iter()
        .peekable();
    let moved = sequence.iter().enumerate();
    moved
        .filter(|(index, _)| stays.next_if_eq(index).is_none())
        .map(|(_, (_, element))| *element)
        .collect()
}
#[cfg(test)]
mod tests;
