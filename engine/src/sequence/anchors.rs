//! Runs that two sequences have in common, as places to cut them at.
//!
//! Runs of a fixed length are numbered by their content (so that letters need no blanks between
//! them); those that occur equally often on both sides are paired in order, and the longest chain
//! of pairs that keeps the order on both sides is kept: patience diff (Cohen 2003) on all runs
//! instead of unique lines. Long runs first, since a long run is seldom the same by chance.
//!
//! Invariant: what is found is the same on both sides and in the same order. Takes O(N log N).

use super::longest::increasing;

/// Lengths of the runs that are looked for.
const LENGTHS: [usize; 3] = [32, 8, 1];
const FREE: u32 = u32::MAX;
const PROBES_MAX: usize = 32;

/// Elements that both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) old: usize,
    pub(super) new: usize,
    pub(super) length: usize,
}

/// What was found in common.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// Ascending on both sides.
    pub(super) matches: Vec<Match>,
    /// Whether nothing else is in common.
    pub(super) complete: bool,
}

/// Where to cut `old` and `new`.
pub(super) fn anchors(old: &[u32], new: &[u32], steps: &mut usize) -> Anchors {
    let single = Runs::number(old, new, 1, steps);
    if single.are_unique() {
        return Anchors {
            matches: single.chain(Pairing::Equal, steps),
            complete: true,
        };
    }
    let shorter = old.len().min(new.len());
    let mut best = Vec::new();
    for length in LENGTHS {
        let found = match length {
            1 => single.best(steps),
            _ if length > shorter => continue,
            _ => Runs::number(old, new, length, steps).best(steps),
        };
        if weight(&found) > weight(&best) {
            best = found;
        }
        if 2 * covered(&best) >= shorter {
            break;
        }
    }
    Anchors {
        matches: best,
        complete: false,
    }
}

fn covered(matches: &[Match]) -> usize {
    matches.iter().map(|found| found.length).sum()
}

/// How much matches say: one long run more than many short ones, which may be chance.
fn weight(matches: &[Match]) -> u64 {
    let square = |found: &Match| (found.length as u64).saturating_mul(found.length as u64);
    matches.iter().map(square).fold(0, u64::saturating_add)
}

/// Which occurrences of a run are paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pairing {
    /// Those of runs that occur equally often on both sides.
    Equal,
    /// As many as both sides have.
    All,
}

/// The runs of one length that begin at each place of both sides, numbered by their content.
struct Runs<'a> {
    old: &'a [u32],
    new: &'a [u32],
    length: usize,
    /// By place in `new`: which run begins there, [`FREE`] where the old side has none like it.
    numbers: Vec<u32>,
    /// By run: how often each side has it.
    counts: Vec<(u32, u32)>,
    /// By run: where its places begin in `places`.
    starts: Vec<u32>,
    /// Places in `old`, by run and ascending.
    places: Vec<u32>,
    /// Whether every run of the old side has a number.
    is_complete: bool,
}

impl<'a> Runs<'a> {
    fn number(old: &'a [u32], new: &'a [u32], length: usize, steps: &mut usize) -> Self {
        *steps += old.len() + new.len();
        let mut table = Table::for_entries(old.len());
        let mut counts: Vec<(u32, u32)> = Vec::new();
        let mut numbers_of_old = Vec::with_capacity(old.len());
        each_run(old, length, |hash| {
            let number = table.number(hash, counts.len());
            match number.map(|number| counts.get_mut(number as usize)) {
                Some(Some(count)) => count.0 += 1,
                Some(None) => counts.push((1, 0)),
                None => {}
            }
            numbers_of_old.push(number);
        });
        let mut numbers = Vec::with_capacity(new.len());
        each_run(new, length, |hash| {
            let number = table.find(hash);
            if let Some(count) = counts.get_mut(number as usize) {
                count.1 += 1;
            }
            numbers.push(number);
        });
        let mut starts = Vec::with_capacity(counts.len());
        let mut start = 0;
        for (old, _) in &counts {
            starts.push(start);
            start += old;
        }
        let mut places = vec![0; numbers_of_old.len()];
        let mut next = starts.clone();
        let is_complete = !numbers_of_old.contains(&None);
        let numbered = (0..).zip(numbers_of_old);
        for (place, number) in numbered.filter_map(|(place, number)| Some((place, number?))) {
            let next = &mut next[number as usize];
            places[*next as usize] = place;
            *next += 1;
        }
        Self {
            old,
            new,
            length,
            numbers,
            counts,
            starts,
            places,
            is_complete,
        }
    }

    /// Whether what both sides have, each has once.
    fn are_unique(&self) -> bool {
        let mut counts = self.counts.iter();
        self.is_complete && counts.all(|(old, new)| *new == 0 || (*old, *new) == (1, 1))
    }

    fn pairs(&self, pairing: Pairing) -> Vec<(u32, u32)> {
        let mut seen = vec![0; self.counts.len()];
        let mut pairs = Vec::new();
        for (place, &number) in (0..).zip(&self.numbers) {
            if number == FREE {
                continue;
            }
            let number = number as usize;
            let (old, new) = self.counts[number];
            let nth = seen[number];
            seen[number] += 1;
            if (pairing == Pairing::All && nth < old) || old == new {
                pairs.push((self.places[(self.starts[number] + nth) as usize], place));
            }
        }
        pairs
    }

    /// The longest chain of pairs, joined to runs.
    fn chain(&self, pairing: Pairing, steps: &mut usize) -> Vec<Match> {
        self.joined(&self.pairs(pairing), steps)
    }

    /// The better one of both chains.
    fn best(&self, steps: &mut usize) -> Vec<Match> {
        let equal = self.pairs(Pairing::Equal);
        let all = self.pairs(Pairing::All);
        let found = self.joined(&equal, steps);
        if 2 * equal.len() >= all.len() {
            return found;
        }
        let other = self.joined(&all, steps);
        if weight(&other) > weight(&found) {
            other
        } else {
            found
        }
    }

    fn joined(&self, pairs: &[(u32, u32)], steps: &mut usize) -> Vec<Match> {
        *steps += pairs.len();
        let mut matches: Vec<Match> = Vec::new();
        for index in increasing(pairs.iter().map(|(old, _)| *old)) {
            let (old, new) = (pairs[index].0 as usize, pairs[index].1 as usize);
            let end = matches.last().map_or((0, 0), |last: &Match| {
                (last.old + last.length, last.new + last.length)
            });
            // What overlaps the run before goes on with it or is left out.
            let covered = end.0.saturating_sub(old).max(end.1.saturating_sub(new));
            let is_beside = covered > 0 && end.0 + new != end.1 + old;
            if is_beside || covered >= self.length {
                continue;
            }
            let rest = (
                old + covered..old + self.length,
                new + covered..new + self.length,
            );
            if self.old[rest.0.clone()] != self.new[rest.1.clone()] {
                continue;
            }
            match matches.last_mut() {
                Some(last) if end == (rest.0.start, rest.1.start) => last.length += rest.0.len(),
                _ => matches.push(Match {
                    old: rest.0.start,
                    new: rest.1.start,
                    length: rest.0.len(),
                }),
            }
        }
        matches
    }
}

/// A hash for each run of `length` elements, in order.
fn each_run(elements: &[u32], length: usize, mut take: impl FnMut(u64)) {
    const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
    let spread = |element: u32| (u64::from(element) + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let first = (1..length).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = 0_u64;
    for (place, element) in elements.iter().enumerate() {
        hash = hash.wrapping_mul(BASE).wrapping_add(spread(*element));
        if let Some(start) = (place + 1).checked_sub(length) {
            take(hash);
            hash = hash.wrapping_sub(spread(elements[start]).wrapping_mul(first));
        }
    }
}

/// Numbers by hash: open addressing, half full at most. The author of the elements may choose them
/// so that their hashes crowd: what does not find a place soon gets none.
struct Table {
    entries: Vec<(u64, u32)>,
    shift: u32,
}

impl Table {
    fn for_entries(count: usize) -> Self {
        let size = (2 * count).next_power_of_two().max(16);
        Self {
            entries: vec![(0, FREE); size],
            shift: 64 - size.trailing_zeros(),
        }
    }

    /// The place of a hash, or the free one for it.
    fn place(&self, hash: u64) -> Option<usize> {
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let first = usize::try_from(mixed >> self.shift).unwrap_or(0);
        (first..first + PROBES_MAX)
            .map(|place| place & (self.entries.len() - 1))
            .find(|&place| {
                let (there, number) = self.entries[place];
                number == FREE || there == hash
            })
    }

    /// The number of a hash; `next` if it has none yet.
    fn number(&mut self, hash: u64, next: usize) -> Option<u32> {
        let place = self.place(hash)?;
        if self.entries[place].1 == FREE {
            self.entries[place] = (hash, u32::try_from(next).ok()?);
        }
        Some(self.entries[place].1)
    }

    fn find(&self, hash: u64) -> u32 {
        self.place(hash).map_or(FREE, |place| self.entries[place].1)
    }
}
