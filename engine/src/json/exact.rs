//! Checks that numbers are read as they were written.
//!
//! JSON numbers are IEEE 754 doubles to every reader. A whole number must be exactly that double,
//! or be written as the double is; a fraction may be rounded to the nearest double, but not to zero
//! or to a whole number; nothing may be beyond the largest double. Works on any text, JSON or not,
//! and reports the first number at fault.

use crate::pointer::Pointer;
use crate::value::decimal;

/// The first number of a text that a double cannot hold, with its place in the text.
pub(super) fn first_inexact(text: &[u8]) -> Option<(&str, usize)> {
    let (mut at, mut in_string) = (0, false);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let rest = &text[at..];
                let end = rest.iter().position(|byte| !is_numeric(*byte));
                let number = std::str::from_utf8(&rest[..end.unwrap_or(rest.len())]).ok()?;
                if !is_exact(number) {
                    return Some((number, at));
                }
                at += number.len() - 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn is_numeric(byte: u8) -> bool {
    matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
}

/// All whole numbers of this many digits are doubles.
const EXACT_DIGITS: usize = 15;

/// Whether a double holds the number; texts that are no numbers count as such.
fn is_exact(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() <= EXACT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let Some((digits, exponent)) = significant(text) else {
        return true;
    };
    let Ok(double) = text.parse::<f64>() else {
        return true;
    };
    if digits.is_empty() {
        return true;
    }
    if double == 0.0 || !double.is_finite() {
        return false;
    }
    let places = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if places > exponent.saturating_add(1) {
        return double.fract() != 0.0;
    }
    let (written, first) = decimal(double.abs());
    (written == digits && i64::from(first) == exponent)
        || whole(&digits, exponent).is_some_and(|whole| holds(double.abs(), whole))
}

/// The digits of a number without zeros around them, and the exponent of the first; `None` for what
/// is no number.
fn significant(text: &str) -> Option<(String, i64)> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (text, "0"),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if before.is_empty() || !is_number(before) || !is_number(after) {
        return None;
    }
    let exponent = exponent_of(exponent)?;
    let all = format!("{before}{after}");
    let zeros = all.len() - all.trim_start_matches('0').len();
    let digits = all[zeros..].trim_end_matches('0').to_owned();
    let first = i64::try_from(before.len()).ok()? - 1 - i64::try_from(zeros).ok()?;
    Some((digits, exponent.saturating_add(first)))
}

/// An exponent; one that is beyond all counting is as far as one can count.
fn exponent_of(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(
        sign * digits
            .parse::<i64>()
            .unwrap_or(i64::MAX / 4)
            .min(i64::MAX / 4),
    )
}

/// The whole number of these digits, if it is not too big to be looked at.
fn whole(digits: &str, exponent: i64) -> Option<u128> {
    let zeros = exponent + 1 - i64::try_from(digits.len()).ok()?;
    let zeros = u32::try_from(zeros).ok()?;
    digits
        .parse::<u128>()
        .ok()?
        .checked_mul(10_u128.checked_pow(zeros)?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive whole number below the bound is one of u128"
)]
fn holds(double: f64, whole: u128) -> bool {
    const BOUND: f64 = 1.0e38;
    double < BOUND && double.fract() == 0.0 && double as u128 == whole
}

/// The place in the value of an offset of its text, as far as the text is JSON.
pub(super) fn place(text: &[u8], offset: usize) -> Pointer {
    /// An array with the index of its element, or an object with the property that is read.
    enum Above {
        List(usize),
        Map(Option<String>),
    }
    let mut above: Vec<Above> = Vec::new();
    let mut at = 0;
    while at < offset.min(text.len()) {
        match text[at] {
            b'[' => above.push(Above::List(0)),
            b'{' => above.push(Above::Map(None)),
            b']' | b'}' => drop(above.pop()),
            b',' => match above.last_mut() {
                Some(Above::List(index)) => *index += 1,
                Some(Above::Map(name)) => *name = None,
                None => {}
            },
            b'"' => {
                let end = string_end(text, at);
                if let Some(Above::Map(name @ None)) = above.last_mut() {
                    if end > offset {
                        break;
                    }
                    *name = serde_json::from_slice(&text[at..end]).ok();
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    let tokens = above.into_iter().filter_map(|above| match above {
        Above::List(index) => Some(index.to_string()),
        Above::Map(name) => name,
    });
    tokens.fold(Pointer::root(), |pointer, token| pointer.child(token))
}

/// Where the string that begins at `start` is over.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'"' => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    //! Guards against numbers that are stored as others, and against refusing what a double holds.
    use super::*;

    #[test]
    fn what_a_double_holds_is_exact() {
        for text in [
            "0",
            "-0",
            "-0.0",
            "0e999999999999999999999",
            "9007199254740991",
            "-9007199254740992",
            "9007199254740994",
            // As JavaScript writes it, and as it is.
            "18446744073709552000",
            "18446744073709551616",
            "1e21",
            "1e+23",
            "123e45",
            "1.7976931348623157e308",
            "5e-324",
            "0.1",
            "0.10000000000000001",
            "3.14159265358979323846",
            "1.0",
            "100000000000000000000.000",
            "12.50e1",
        ] {
            assert!(is_exact(text), "{text}");
        }
    }

    #[test]
    fn what_a_double_does_not_hold_is_told() {
        for text in [
            "9007199254740993",
            "-9007199254740993",
            "9007199254740993.0",
            "90071992547409930e-1",
            "18446744073709551615",
            "9007199254740992.5",
            "0.99999999999999999999",
            "1e400",
            "-1e400",
            "1e-400",
            "123456789012345678901234567890",
            "340282366920938463463374607431768211457",
        ] {
            assert!(!is_exact(text), "{text}");
        }
    }

    #[test]
    fn places_are_found_in_whatever_there_is() {
        let text = br#"{"a":[1,{"b~/":"x\",[{","c":1e400}],"d":2}"#;
        let (number, at) = first_inexact(text).unwrap();
        assert_eq!(
            (number, place(text, at).to_string()),
            ("1e400", "/a/1/c".to_owned())
        );
        let inside = |needle: &str| {
            let text = std::str::from_utf8(text).unwrap();
            place(text.as_bytes(), text.find(needle).unwrap()).to_string()
        };
        assert_eq!(inside("x\\"), "/a/1/b~0~1");
        assert_eq!(inside("2}"), "/d");
        assert_eq!(place(b"]]}{\"", 5).to_string(), "");
        assert_eq!(first_inexact(b"\"1e400"), None);
    }
}
