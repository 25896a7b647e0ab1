//! Longest increasing subsequences (Fredman 1975).

/// The indices of a longest strictly increasing subsequence. O(N log N), linear where the sequence
/// is increasing already.
pub(super) fn increasing<T: Ord + Copy>(sequence: impl Iterator<Item = T>) -> Vec<usize> {
    let values: Vec<T> = sequence.collect();
    // tails[k]: index of the smallest end of an increasing run of length k + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let length = match tails.last() {
            Some(&last) if values[last] < *value => tails.len(),
            _ => tails.partition_point(|&tail| values[tail] < *value),
        };
        previous.push(length.checked_sub(1).map(|before| tails[before]));
        if length == tails.len() {
            tails.push(index);
        } else {
            tails[length] = index;
        }
    }
    let mut found = Vec::with_capacity(tails.len());
    let mut next = tails.last().copied();
    while let Some(index) = next {
        found.push(index);
        next = previous[index];
    }
    found.reverse();
    found
}
