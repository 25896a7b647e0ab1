//! The position of an item in a keyed list: a fraction, written so that it sorts as text.
//!
//! A position is 1 to 128 bytes of `[0-9A-Za-z]`, compared bytewise, and reads as the digits of a
//! fraction in base 62 after the point; so that each fraction is written in one way it never ends
//! in `0`. Moving an item is one write of one position, between those of its new neighbours. Two
//! items that were moved to the same place at once have equal positions and go by their ids.
//!
//! The idea is that of David Greenspan's "Implementing Fractional Indexing" (2020); new here is how
//! positions at the ends are chosen, so that appending one by one does not make them long.
//!
//! Invariant: every position that comes from here satisfies [`check`]. A list that has no room left
//! somewhere is spaced again with [`spread`].

/// How many bytes a position has at most.
pub const POSITION_BYTES_MAX: usize = 128;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u8 = 62;
/// At the ends of a list, positions are counted up or down in this many digits: 230,000 items can be
/// appended one by one before positions become a byte longer.
const COUNTED_DIGITS: usize = 3;

/// Why a text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// Too short or too long.
    #[error("a position has 1 to 128 bytes, not {0}")]
    Length(usize),
    /// A character that is not a digit in base 62.
    #[error("a position consists of ASCII letters and digits")]
    Character,
    /// The same fraction could be written shorter.
    #[error("a position does not end in '0'")]
    TrailingZero,
}

/// Checks that a text is a position.
///
/// # Errors
///
/// [`PositionError`] saying what it should be like.
pub fn check(position: &str) -> Result<(), PositionError> {
    if position.is_empty() || position.len() > POSITION_BYTES_MAX {
        return Err(PositionError::Length(position.len()));
    }
    if !position.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(PositionError::Character);
    }
    if position.ends_with('0') {
        return Err(PositionError::TrailingZero);
    }
    Ok(())
}

/// A position between two others; without `after` at the beginning of the list, without `before` at
/// its end. The same neighbours always give the same position.
///
/// None when there is no room: the two are equal or in the wrong order, one of them is not a position,
/// or what lies between them would be longer than [`POSITION_BYTES_MAX`].
pub fn between(after: Option<&str>, before: Option<&str>) -> Option<String> {
    let lower = after.map(to_digits).transpose().ok()?;
    let upper = before.map(to_digits).transpose().ok()?;
    to_text(match (lower, upper) {
        (Some(lower), Some(upper)) if lower < upper => middle(&lower, Some(&upper)),
        (Some(_), Some(_)) => return None,
        (Some(lower), None) => count_up(lower),
        (None, Some(upper)) => count_down(upper),
        (None, None) => middle(&[], None),
    })
}

/// Positions for `count` items between two others, evenly spaced and as short as that allows.
///
/// None when there is no room, as in [`between`].
pub fn spread_between(
    after: Option<&str>,
    before: Option<&str>,
    count: usize,
) -> Option<Vec<String>> {
    let lower = after.map(to_digits).transpose().ok()?.unwrap_or_default();
    let upper = before.map(to_digits).transpose().ok()?;
    if upper.as_ref().is_some_and(|upper| lower >= *upper) {
        return None;
    }
    let mut positions = vec![Vec::new(); count];
    fill(&mut positions, &lower, upper.as_deref());
    positions.into_iter().map(to_text).collect()
}

/// Positions for all `count` items of a list, evenly spaced and as short as that allows.
pub fn spread(count: usize) -> Vec<String> {
    spread_between(None, None, count).expect("2^64 positions fit in 12 bytes each")
}

fn to_digits(position: &str) -> Result<Vec<u8>, PositionError> {
    check(position)?;
    let digit = |byte: u8| {
        DIGITS
            .iter()
            .position(|known| *known == byte)
            .map(|at| at as u8)
    };
    position
        .bytes()
        .map(|byte| digit(byte).ok_or(PositionError::Character))
        .collect()
}

fn to_text(digits: Vec<u8>) -> Option<String> {
    let fits = (1..=POSITION_BYTES_MAX).contains(&digits.len());
    fits.then(|| {
        digits
            .into_iter()
            .map(|digit| char::from(DIGITS[usize::from(digit)]))
            .collect()
    })
}

/// Halves the room again and again, so that no position becomes long.
fn fill(positions: &mut [Vec<u8>], lower: &[u8], upper: Option<&[u8]>) {
    let (left, rest) = positions.split_at_mut(positions.len() / 2);
    if let Some((at, right)) = rest.split_first_mut() {
        *at = middle(lower, upper);
        fill(left, lower, Some(at));
        fill(right, at, upper);
    }
}

/// A fraction in the middle between two, with few digits. `lower` empty: zero; no `upper`: one.
fn middle(lower: &[u8], upper: Option<&[u8]>) -> Vec<u8> {
    let mut digits = Vec::new();
    let (mut lower, mut upper) = (
        lower.iter().copied(),
        upper.map(|upper| upper.iter().copied()),
    );
    loop {
        let low = lower.next().unwrap_or(0);
        let high = match &mut upper {
            Some(upper) => upper
                .next()
                .expect("two different fractions differ at some digit"),
            None => BASE,
        };
        if high - low > 1 {
            digits.push(low + (high - low) / 2);
            return digits;
        }
        if high > low {
            if upper.is_some_and(|upper| upper.len() > 0) {
                digits.push(high);
                return digits;
            }
            upper = None;
        }
        digits.push(low);
    }
}

/// The next fraction after `digits` in a count with a fixed number of digits. Digits that are at
/// their end already do not count: each of them makes the position one byte longer.
fn count_up(mut digits: Vec<u8>) -> Vec<u8> {
    let full = digits
        .iter()
        .take_while(|digit| **digit == BASE - 1)
        .count();
    digits.resize(full + COUNTED_DIGITS, 0);
    for digit in digits[full..].iter_mut().rev() {
        *digit = (*digit + 1) % BASE;
        if *digit > 0 {
            break;
        }
    }
    trim(digits)
}

/// The opposite of [`count_up`].
fn count_down(mut digits: Vec<u8>) -> Vec<u8> {
    let empty = digits.iter().take_while(|digit| **digit == 0).count();
    digits.resize(empty + COUNTED_DIGITS, 0);
    for digit in digits[empty..].iter_mut().rev() {
        *digit = digit.checked_sub(1).unwrap_or(BASE - 1);
        if *digit < BASE - 1 {
            break;
        }
    }
    trim(digits)
}

fn trim(mut digits: Vec<u8>) -> Vec<u8> {
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_sorted(positions: &[String]) {
        assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
        for position in positions {
            assert_eq!(check(position), Ok(()), "{position}");
        }
    }

    #[test]
    fn appending_and_prepending_stay_short() {
        let mut positions = vec![between(None, None).unwrap()];
        for _ in 0..10_000 {
            positions.push(between(positions.last().map(String::as_str), None).unwrap());
        }
        assert!(positions.iter().all(|position| position.len() <= 3));
        assert_sorted(&positions);
        let mut positions = vec![between(None, None).unwrap()];
        for _ in 0..10_000 {
            positions.push(between(None, positions.last().map(String::as_str)).unwrap());
        }
        assert!(positions.iter().all(|position| position.len() <= 4));
        positions.reverse();
        assert_sorted(&positions);
    }

    #[test]
    fn counting_goes_on_past_the_last_digit() {
        assert_eq!(between(Some("V"), None).as_deref(), Some("V01"));
        assert_eq!(between(Some("yzz"), None).as_deref(), Some("z"));
        assert_eq!(between(Some("z"), None).as_deref(), Some("z001"));
        assert_eq!(between(Some("zzz"), None).as_deref(), Some("zzz001"));
        assert_eq!(between(None, Some("1")).as_deref(), Some("0zz"));
        assert_eq!(between(None, Some("01")).as_deref(), Some("00zz"));
        assert_eq!(between(Some(&"z".repeat(128)), None), None);
    }

    #[test]
    fn always_inserting_at_one_place_lasts_and_then_says_so() {
        for towards_end in [true, false] {
            let (mut low, mut high) = ("A".to_owned(), "B".to_owned());
            let mut inserted = 0;
            while let Some(position) = between(Some(&low), Some(&high)) {
                assert!(low < position && position < high);
                *(if towards_end { &mut low } else { &mut high }) = position;
                inserted += 1;
            }
            assert!(inserted > 500, "{inserted}");
        }
    }

    #[test]
    fn spreading_is_even_and_short() {
        assert!(spread(0).is_empty());
        assert_eq!(spread(1), ["V"]);
        assert_eq!(spread(3), ["F", "V", "k"]);
        let positions = spread(10_000);
        assert_sorted(&positions);
        assert!(positions.iter().all(|position| position.len() <= 3));
    }

    #[test]
    fn no_room_is_no_position() {
        assert_eq!(between(Some("V"), Some("V")), None);
        assert_eq!(between(Some("W"), Some("V")), None);
        assert_eq!(between(Some("V0"), None), None);
        assert_eq!(between(None, Some("")), None);
        assert_eq!(spread_between(Some("b"), Some("a"), 2), None);
        let deep = format!("{}1", "0".repeat(127));
        assert_eq!(between(None, Some(&deep)), None);
        assert_eq!(between(Some("0"), Some("1")), None);
    }

    #[test]
    fn texts_that_are_no_position_are_told_apart() {
        assert_eq!(check(""), Err(PositionError::Length(0)));
        assert_eq!(check(&"z".repeat(129)), Err(PositionError::Length(129)));
        assert_eq!(check("a-b"), Err(PositionError::Character));
        assert_eq!(check("é"), Err(PositionError::Character));
        assert_eq!(check("a0"), Err(PositionError::TrailingZero));
        assert_eq!(check("0a"), Ok(()));
    }

    fn position() -> impl Strategy<Value = String> {
        "[0-9A-Za-z]{0,9}[1-9A-Za-z]"
    }

    proptest! {
        #[test]
        fn between_is_between(a in position(), b in position(), count in 0usize..40) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let position = between(Some(&low), Some(&high));
            let spread = spread_between(Some(&low), Some(&high), count);
            if low == high {
                prop_assert_eq!((position, spread), (None, None));
            } else {
                assert_sorted(&[low.clone(), position.unwrap(), high.clone()]);
                let mut all = spread.unwrap();
                prop_assert_eq!(all.len(), count);
                all.insert(0, low);
                all.push(high);
                assert_sorted(&all);
            }
        }

        #[test]
        fn ends_are_open(a in position()) {
            let before = between(None, Some(&a)).unwrap();
            let after = between(Some(&a), None).unwrap();
            assert_sorted(&[before, a, after]);
        }
    }
}
