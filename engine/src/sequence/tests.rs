//! Guards against differences that replace what both sides kept, at any length, and against input
//! that makes them take longer than their length allows. Work is counted, not timed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::alignment::{Alignment, WORK_PER_ELEMENT};
use super::*;

/// Numbers that look random, the same in every run (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn text(&mut self, length: usize, letters: &str) -> Vec<char> {
        let letters: Vec<char> = letters.chars().collect();
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }

    fn words(&mut self, length: usize) -> Vec<char> {
        let mut text = Vec::new();
        while text.len() < length {
            let (word, letters) = (self.below(400).min(self.below(400)), 2 + self.below(9));
            let mut spelling = Self(word as u64 * 1_000_003 + 17);
            text.extend(spelling.text(letters, "aaabcdeeefghiiijklmnooopqrssttuvwxyz"));
            text.push(' ');
        }
        text.truncate(length);
        text
    }

    fn shuffle<T>(&mut self, elements: &mut [T]) {
        for index in (1..elements.len()).rev() {
            elements.swap(index, self.below(index + 1));
        }
    }

    /// The text with `edits` elements removed, replaced or inserted.
    fn edited(&mut self, text: &[char], edits: usize) -> Vec<char> {
        let mut places: Vec<usize> = (0..edits).map(|_| self.below(text.len())).collect();
        places.sort_unstable();
        places.dedup();
        let mut places = places.into_iter().peekable();
        let mut edited = Vec::new();
        for (place, letter) in text.iter().enumerate() {
            if places.next_if_eq(&place).is_none() {
                edited.push(*letter);
                continue;
            }
            match self.below(3) {
                0 => {}
                1 => edited.push('#'),
                _ => edited.extend(['#', *letter]),
            }
        }
        edited
    }
}

/// What is left of `old`, after checking that the edits lead to `new`.
fn kept<T: Element + Clone + std::fmt::Debug>(old: &[T], new: &[T]) -> usize {
    let mut now = Vec::with_capacity(new.len());
    let mut done = 0;
    for run in runs(old, new) {
        assert!(!(run.old.is_empty() && run.new.is_empty()), "an empty run");
        now.extend_from_slice(&old[done..run.old.start]);
        assert_eq!(now.len(), run.new.start, "runs ascend on both sides");
        now.extend_from_slice(&new[run.new]);
        done = run.old.end;
    }
    now.extend_from_slice(&old[done..]);
    assert!(now == new, "the edits lead to the new sequence");
    let removed: usize = runs(old, new).iter().map(|run| run.old.len()).sum();
    old.len() - removed
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

#[test]
fn small_differences_are_the_smallest() {
    for (old, new, count) in [
        ("", "", 0),
        ("same", "same", 0),
        ("", "abc", 1),
        ("abc", "", 1),
        ("hello world", "hello brave world", 1),
        ("one two three", "1 two 3", 2),
        ("aaaa", "aa", 1),
    ] {
        let (from, to) = (letters(old), letters(new));
        kept(&from, &to);
        assert_eq!(edits(&from, &to).len(), count, "{old:?} → {new:?}");
    }
}

/// The length of a longest common subsequence, by the table.
fn most(old: &[char], new: &[char]) -> usize {
    let mut row = vec![0; new.len() + 1];
    for a in old {
        let mut diagonal = 0;
        for (index, b) in new.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = match a == b {
                true => diagonal + 1,
                false => above.max(row[index]),
            };
            diagonal = above;
        }
    }
    row[new.len()]
}

#[test]
fn short_sequences_keep_as_much_as_there_is() {
    let mut numbers = Numbers(0x9E37_79B9);
    for round in 0..600 {
        let alphabet = ["ab", "abcd", "abcdefghijklmnop"][round % 3];
        let (n, m) = (numbers.below(90), numbers.below(90));
        let old = numbers.text(n, alphabet);
        let new = match round % 2 {
            0 => numbers.text(m, alphabet),
            _ => numbers.edited(&[&old[..], &['x']].concat(), 12),
        };
        assert_eq!(kept(&old, &new), most(&old, &new), "round {round}");
    }
}

#[test]
fn few_differences_are_found_exactly_at_any_length() {
    let mut numbers = Numbers(77);
    for letters in ["ab", "abcdefghijklmnopqrstuvwxyz"] {
        let old = numbers.text(3_000, letters);
        let new = numbers.edited(&old, 20);
        assert_eq!(kept(&old, &new), most(&old, &new));
    }
}

#[test]
fn what_both_sides_kept_stays_at_every_length() {
    let mut numbers = Numbers(5);
    for length in [2_050, 30_000, 100_000] {
        let words = numbers.words(length);
        let unbroken = numbers.text(length, "abcdefghijklmnopqrstuvwxyz");
        let two = numbers.text(length, "ab");
        let period: Vec<char> = "abcdefghij".chars().cycle().take(length).collect();
        let texts = [words, unbroken, two, period, vec!['a'; length]];
        for (index, old) in texts.iter().enumerate() {
            let head = numbers.words(300);
            let tail = numbers.words(500);
            let ends = [&head, &old[5..], &tail].concat();
            assert!(
                kept(old, &ends) >= length - 5 - 40,
                "{length}, text {index}"
            );
            let edits = length / 50;
            let scattered = numbers.edited(old, edits);
            let left = kept(old, &scattered);
            assert!(left + 2 * edits >= length, "{length}, text {index}: {left}");
        }
    }
}

#[test]
fn a_million_elements_keep_what_is_common() {
    let mut numbers = Numbers(6);
    let old = numbers.text(1_000_000, "abcdefghijklmnopqrstuvwxyz ");
    let new = [&letters("Another"), &old[7..], &letters(" end.")].concat();
    assert!(kept(&old, &new) >= 999_993);
    let (head, tail) = (numbers.words(400), numbers.words(400));
    assert!(kept(&old, &[&head, &old[7..], &tail].concat()) >= 999_993);
}

#[test]
fn lists_of_distinct_elements_keep_as_much_as_there_is() {
    let mut numbers = Numbers(8);
    let old: Vec<Value> = (0..4_000).map(|n| json!(format!("tag {n}"))).collect();
    let shifted = [&old[1..], &[json!("new")]].concat();
    assert_eq!(kept(&old, &shifted), 3_999);
    let mut alternating = old.clone();
    for (index, tag) in alternating.iter_mut().enumerate().step_by(2) {
        *tag = json!(index);
    }
    assert_eq!(kept(&old, &alternating), 2_000);
    let mut shuffled = old.clone();
    numbers.shuffle(&mut shuffled);
    let moved = moves(&old, &shuffled).len();
    assert_eq!(kept(&old, &shuffled), old.len() - moved);
}

#[test]
fn one_element_that_moved_does_not_cost_the_rest() {
    let mut numbers = Numbers(9);
    let old = numbers.text(20_000, "ab");
    let old = [vec!['X'], old].concat();
    let edited = numbers.edited(&old[1..], 400);
    let new = [edited, vec!['X']].concat();
    assert!(kept(&old, &new) > 19_000);
    // Nor a paragraph, where everything else has an edit every 20 letters.
    let old = numbers.text(20_000, "abcdefghijklmnopqrstuvwxyz");
    let mut new = old.clone();
    new.iter_mut().step_by(20).for_each(|letter| *letter = '#');
    let paragraph: Vec<char> = new.drain(..500).collect();
    new.extend(paragraph);
    assert!(kept(&old, &new) > 18_000);
}

#[test]
fn work_is_bounded_for_every_input() {
    let mut numbers = Numbers(10);
    let length = 20_000;
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let words = numbers.words(length);
    let mut shuffled = words.clone();
    numbers.shuffle(&mut shuffled);
    let mut by_word: Vec<Vec<char>> = words.split(|c| *c == ' ').map(<[char]>::to_vec).collect();
    numbers.shuffle(&mut by_word);
    let reversed: Vec<char> = words.iter().rev().copied().collect();
    let cycle = |period: &str, length| period.chars().cycle().take(length).collect::<Vec<char>>();
    // Every run of four letters of ten once: none is at the same place twice.
    let sequence =
        |step: usize| (0..length).map(move |n| char::from(b'a' + (n * n / step % 10) as u8));
    let pairs: Vec<(&str, Vec<char>, Vec<char>)> = vec![
        ("unrelated words", words.clone(), numbers.words(length)),
        ("shuffled letters", words.clone(), shuffled),
        ("shuffled words", words.clone(), by_word.join(&' ')),
        ("reversed", words.clone(), reversed),
        (
            "halves",
            words.clone(),
            [&words[length / 2..], &words[..length / 2]].concat(),
        ),
        (
            "no blanks",
            numbers.text(length, letters),
            numbers.text(length, letters),
        ),
        (
            "two letters",
            numbers.text(length, "ab"),
            numbers.text(length, "ab"),
        ),
        ("one letter", vec!['a'; length], vec!['a'; length / 3]),
        (
            "one letter between",
            vec!['a'; length],
            [vec!['b'; 99], vec!['a'; length / 3], vec!['c'; 99]].concat(),
        ),
        (
            "periods",
            cycle("abcdefghij", length),
            cycle("abcdefghi", length),
        ),
        (
            "period back",
            cycle(letters, length),
            cycle("zyxwvutsrqponmlkjihgfedcba", length),
        ),
        ("squares", sequence(1).collect(), sequence(3).collect()),
        (
            "interleaved",
            words.clone(),
            words.iter().flat_map(|c| [*c, '#']).collect(),
        ),
        (
            "doubled letters",
            words.clone(),
            words.iter().flat_map(|c| [*c, *c]).collect(),
        ),
        ("very different lengths", words, numbers.words(300)),
    ];
    for (name, old, new) in pairs {
        kept(&old, &new);
        let (old, new) = char::numbered(&old, &new);
        for (old, new) in [(&old, &new), (&new, &old)] {
            let each = Alignment::of(old, new).steps / (old.len() + new.len());
            assert!(
                each <= WORK_PER_ELEMENT,
                "{name}: {each} steps for each element"
            );
        }
    }
}

#[test]
fn hashes_that_crowd_cost_no_more() {
    // Elements whose multiples by the hash's factor have the same upper bits.
    let crowd = |from: u32| -> Vec<u32> {
        let near = |n: &u32| (u64::from(*n) + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 58 == 0;
        (from..).filter(near).take(5_000).collect()
    };
    let (old, new) = (crowd(0), crowd(100_000));
    let each = Alignment::of(&old, &new).steps / (old.len() + new.len());
    assert!(each <= WORK_PER_ELEMENT, "{each} steps for each element");
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

/// One letter that an author replaces, removes (nothing comes) or puts before a place.
#[derive(Debug, Clone, Copy)]
enum Single {
    Replace(char),
    Remove,
    Insert(char),
}

fn singly(text: &[char], edits: &BTreeMap<usize, Single>) -> Vec<char> {
    let mut made = Vec::new();
    for (place, letter) in text.iter().enumerate() {
        match edits.get(&place) {
            None => made.push(*letter),
            Some(Single::Replace(new)) => made.push(*new),
            Some(Single::Remove) => {}
            Some(Single::Insert(new)) => made.extend([*new, *letter]),
        }
    }
    made
}

/// What comes of two differences from one text: what either removed is gone, what either inserted is
/// where it was inserted.
fn merged(text: &[char], one: &[char], two: &[char]) -> Vec<char> {
    let mut gone = vec![false; text.len()];
    let mut come = vec![Vec::new(); text.len() + 1];
    for new in [one, two] {
        for run in runs(text, new) {
            come[run.old.start].extend_from_slice(&new[run.new]);
            gone[run.old].fill(true);
        }
    }
    let mut made = std::mem::take(&mut come[0]);
    for (place, letter) in text.iter().enumerate() {
        made.extend((!gone[place]).then_some(*letter));
        made.append(&mut come[place + 1]);
    }
    made
}

/// Places in a text for edits of two authors, each so many letters from the next one of its own
/// author and from those of the other.
fn apart(numbers: &mut Numbers, length: usize, own: usize, other: usize) -> [Vec<usize>; 2] {
    let mut places = [Vec::new(), Vec::new()];
    for _ in 0..length / 20 {
        let (author, place) = (numbers.below(2), numbers.below(length));
        let is_apart = |author: usize, least: usize| {
            places[author]
                .iter()
                .all(|held: &usize| held.abs_diff(place) >= least)
        };
        if is_apart(author, own) && is_apart(1 - author, other) {
            places[author].push(place);
        }
    }
    places
}

/// Letters that two authors replace, at least eight letters from the next one of their own, are all
/// replaced and nothing else is, even right beside each other and among equal letters.
#[test]
fn replaced_letters_are_replaced_where_they_are() {
    let mut numbers = Numbers(71);
    for round in 0..120 {
        let letters = ["abcdefghijklmnopqrstuvwxyz", "abcd"][round % 2];
        let length = [300, 2_000, 12_000][round % 3];
        let text = numbers.text(length, letters);
        let edits = apart(&mut numbers, length, 8, 1).map(|places| {
            let mut edits = BTreeMap::new();
            for place in places {
                // Most like one beside it.
                let near = place.saturating_sub(1) + numbers.below(3);
                let new = match text.get(near) {
                    Some(new) if *new != text[place] => *new,
                    _ => '#',
                };
                edits.insert(place, Single::Replace(new));
            }
            edits
        });
        let [one, two] = edits.each_ref().map(|edits| singly(&text, edits));
        let [mut both, more] = edits;
        both.extend(more);
        let found = merged(&text, &one, &two);
        let differ = found
            .iter()
            .zip(singly(&text, &both))
            .filter(|(a, b)| *a != b);
        assert_eq!((found.len(), differ.count()), (length, 0), "round {round}");
    }
}

/// The same for letters that are removed and inserted too, where the edits of both authors are at
/// least four letters apart.
#[test]
fn single_letters_merge_where_edits_are_apart() {
    let mut numbers = Numbers(72);
    for round in 0..60 {
        let length = [300, 2_000, 12_000][round % 3];
        let text = numbers.text(length, "abcdefghijklmnopqrstuvwxyz");
        let edits = apart(&mut numbers, length, 8, 4).map(|places| {
            let mut edits = BTreeMap::new();
            for place in places {
                let new = numbers.text(1, "abcdefghijklmnopqrstuvwxyz")[0];
                let edit = [Single::Replace(new), Single::Remove, Single::Insert(new)];
                edits.insert(place, edit[numbers.below(3)]);
            }
            edits
        });
        let [one, two] = edits.each_ref().map(|edits| singly(&text, edits));
        let [mut both, more] = edits;
        both.extend(more);
        let (found, expected) = (merged(&text, &one, &two), singly(&text, &both));
        assert!(
            found == expected,
            "round {round}: {} and {}",
            found.len(),
            expected.len()
        );
    }
}
