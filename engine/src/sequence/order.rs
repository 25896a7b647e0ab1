//! Bringing distinct elements into another order, one by one.
//!
//! Invariant: applying what [`arrangement`] gives, in its order, turns the line into what is wanted
//! with the fewest moves. Takes O(N log N), however many elements move.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::moves;

/// An element that is moved or inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Which, as an index in what is wanted.
    pub(crate) wanted: usize,
    /// Where it was, in the line at that point; `None` for a new one.
    pub(crate) from: Option<usize>,
    /// Where it comes, in the line without it.
    pub(crate) to: usize,
}

/// What comes or moves, in the order of `wanted`, so that `line` becomes that. All elements are
/// different, and every one of `line` is wanted.
///
/// Each one that comes or moves is put right behind the one before it, so that those which are in
/// order need not move.
pub(crate) fn arrangement<T: Eq + Hash>(line: &[T], wanted: &[T]) -> Vec<Placed> {
    let slots: HashMap<&T, usize> = line.iter().enumerate().map(|(i, t)| (t, i)).collect();
    let moved: HashSet<&T> = moves(line, wanted).into_iter().collect();
    // An element that was put somewhere is behind the slot of the last one that stayed. Counted:
    // slots whose element is still there, and elements that were put behind each slot.
    let mut there = Counts::of(line.len(), 1);
    let mut put = Counts::of(line.len() + 1, 0);
    let (mut behind, mut all_put) = (0, 0);
    let mut placed = Vec::new();
    for (index, element) in wanted.iter().enumerate() {
        let slot = slots.get(element).copied();
        let from = match slot {
            Some(slot) if !moved.contains(element) => {
                behind = slot + 1;
                continue;
            }
            Some(slot) => {
                let from = there.before(slot) + put.before(slot + 1);
                there.add(slot, -1);
                Some(from)
            }
            None => None,
        };
        placed.push(Placed {
            wanted: index,
            from,
            to: there.before(behind) + all_put,
        });
        put.add(behind, 1);
        all_put += 1;
    }
    placed
}

/// A count for each of some places, summed up to any of them in O(log N) (Fenwick 1994).
struct Counts(Vec<isize>);

impl Counts {
    fn of(places: usize, each: isize) -> Self {
        let mut counts = vec![each; places + 1];
        counts[0] = 0;
        for place in 1..counts.len() {
            let above = place + (place & place.wrapping_neg());
            if above < counts.len() {
                counts[above] += counts[place];
            }
        }
        Self(counts)
    }

    fn add(&mut self, place: usize, count: isize) {
        let mut at = place + 1;
        while at < self.0.len() {
            self.0[at] += count;
            at += at & at.wrapping_neg();
        }
    }

    /// The sum of the counts of all places before `place`.
    fn before(&self, place: usize) -> usize {
        let mut at = place;
        let mut sum = 0;
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        usize::try_from(sum).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_what_is_wanted() {
        let shuffled = |length: u32, step: u32| (0..length).map(move |i| (i * step + 3) % length);
        let line: Vec<u32> = (0..101).collect();
        let mut wanted: Vec<u32> = shuffled(101, 17).collect();
        for new in 0..30 {
            wanted.insert((new * 7) % wanted.len(), 1_000 + new as u32);
        }
        for wanted in [wanted, line.iter().rev().copied().collect(), line.clone()] {
            let mut now = line.clone();
            for placed in arrangement(&line, &wanted) {
                let element = wanted[placed.wanted];
                if let Some(from) = placed.from {
                    assert_eq!(now.remove(from), element);
                }
                now.insert(placed.to, element);
            }
            assert_eq!(now, wanted);
        }
        let swapped = [vec![100], (0..100).collect()].concat();
        assert_eq!(arrangement(&line, &swapped).len(), 1, "one element moved");
    }
}
