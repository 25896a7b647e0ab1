//! Elements that were replaced where they are.
//!
//! A letter that is replaced by the one beside it can be read in two ways: it was replaced, or it
//! was removed and the other one written once more behind its like. Both are as short, but the
//! second one keeps another element than its author did, and an author who edits beside it finds
//! letters twice or in another place.
//!
//! Invariant: what is found is as short as what was given, or shorter.

use super::Run;

/// Runs that are looked at together.
const TOGETHER_MAX: usize = 32;

/// Reads runs that together remove as many elements as they insert as replacements in place, where
/// that is no longer.
pub(super) fn in_place(runs: Vec<Run>, old: &[u32], new: &[u32]) -> Vec<Run> {
    let mut found = Vec::with_capacity(runs.len());
    let mut rest = &runs[..];
    while let Some((first, others)) = rest.split_first() {
        match balanced(rest).and_then(|count| replaced(&rest[..count], old, new).zip(Some(count))) {
            Some((replaced, count)) => {
                found.extend(replaced);
                rest = &rest[count..];
            }
            None => {
                found.push(first.clone());
                rest = others;
            }
        }
    }
    found
}

/// How many runs from the first on, at least two, remove as many elements as they insert.
fn balanced(runs: &[Run]) -> Option<usize> {
    let (mut gone, mut come) = (0, 0);
    let mut counts = (1..).zip(runs.iter().take(TOGETHER_MAX));
    let count = counts.find_map(|(count, run)| {
        gone += run.old.len();
        come += run.new.len();
        (gone == come).then_some(count)
    });
    count.filter(|count| *count > 1)
}

/// The elements that differ place by place between the first and the last of some runs, unless they
/// are more than the runs have.
fn replaced(runs: &[Run], old: &[u32], new: &[u32]) -> Option<Vec<Run>> {
    let (first, last) = (runs.first()?, runs.last()?);
    let places = (first.old.start..last.old.end).zip(first.new.start..last.new.end);
    let mut left: usize = runs.iter().map(|run| run.old.len()).sum();
    let mut found: Vec<Run> = Vec::new();
    for (was, is) in places.filter(|(was, is)| old[*was] != new[*is]) {
        left = left.checked_sub(1)?;
        match found.last_mut() {
            Some(run) if run.old.end == was => (run.old.end, run.new.end) = (was + 1, is + 1),
            _ => found.push(Run {
                old: was..was + 1,
                new: is..is + 1,
            }),
        }
    }
    Some(found)
}
