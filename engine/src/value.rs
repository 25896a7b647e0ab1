//! JSON values: their canonical text, and when two are the same, which is when their canonical
//! texts are equal.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Number, Value};

/// The largest integer up to which every integer is a number of its own in JSON as everybody
/// reads it, that is as IEEE 754 double (RFC 7493, section 2.2): 2^53 − 1.
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// Integers up to here are exact in every JSON reader (2^53).
const EXACT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// The canonical text of a value after RFC 8785 (JCS): no white space, properties sorted by
/// UTF-16 code units, numbers as ECMAScript writes them.
///
/// Numbers are IEEE 754 doubles there, so an integer beyond [`INTEGER_MAX`] is rounded.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

/// The canonical text of the list of some values.
pub fn canonical_list<'v>(values: impl IntoIterator<Item = &'v Value>) -> String {
    let mut text = String::new();
    write_list(&mut text, values);
    text
}

/// Whether two values are the same in JSON: `1` and `1.0` are, and properties have no order.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || double(a) == double(b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// The same JSON with every number in one form, however it was written: whole numbers up to
/// [`INTEGER_MAX`] as integers, all others as doubles. An integer that no double holds stays.
pub(crate) fn normal(value: &Value) -> Value {
    with_numbers(value, &|n| is_exact(n).then(|| number(double(n))).flatten())
}

/// The same for values read from canonical text, where every number means the nearest double.
pub(crate) fn nearest(value: &Value) -> Value {
    with_numbers(value, &|n| number(double(n)))
}

/// [`normal`], without a copy of what holds no number.
pub(crate) fn normalized(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Number(_) | Value::Array(_) | Value::Object(_) => Cow::Owned(normal(value)),
        Value::Null | Value::Bool(_) | Value::String(_) => Cow::Borrowed(value),
    }
}

fn with_numbers(value: &Value, form: &dyn Fn(&Number) -> Option<Value>) -> Value {
    match value {
        Value::Number(n) => form(n).unwrap_or_else(|| value.clone()),
        Value::Array(items) => items.iter().map(|item| with_numbers(item, form)).collect(),
        Value::Object(map) => {
            let entries = map.iter().map(|(k, v)| (k.clone(), with_numbers(v, form)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// Whether a number is one that a double holds as it is.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a double of an integer of 64 bits is within those of 128"
)]
pub(crate) fn is_exact(number: &Number) -> bool {
    let double = double(number);
    match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => double as i128 == i128::from(integer),
        (None, Some(integer)) => double as i128 == i128::from(integer),
        (None, None) => true,
    }
}

/// A double as JSON, whole numbers as integers; none for what JSON has no word for.
#[expect(
    clippy::cast_possible_truncation,
    reason = "guarded by the bound on exact integers"
)]
pub(crate) fn number(x: f64) -> Option<Value> {
    if x.fract() == 0.0 && x.abs() < EXACT_INTEGER_MAX {
        Some(Value::from(x as i64))
    } else {
        Number::from_f64(x).map(Value::Number)
    }
}

/// The number as a double.
pub fn double(number: &Number) -> f64 {
    number
        .as_f64()
        .expect("without arbitrary precision every JSON number converts to a double")
}

/// How deep containers are nested: 0 for a scalar, 1 for `[]`, 2 for `[[]]`.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// About the bytes that an object takes as JSON.
pub(crate) fn size<'v>(fields: impl IntoIterator<Item = (&'v String, &'v Value)>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len() + 2,
            Value::Array(items) => items.iter().map(|item| of(item) + 1).sum::<usize>() + 2,
            Value::Object(map) => size(map),
            Value::Null => 4,
            Value::Bool(_) => 5,
            Value::Number(number) => of_number(number).min(8),
        }
    }
    // As digits, where that is less: a list of a million small numbers has room.
    fn of_number(number: &Number) -> usize {
        let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
        match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => digits(whole),
            (None, Some(negative)) => digits(negative.unsigned_abs()) + 1,
            (None, None) => number.to_string().len(),
        }
    }
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| name.len() + 4 + of(value))
        .sum::<usize>()
        + 2
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, double(number)),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => write_list(text, items),
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_string(text, key);
                text.push(':');
                write_value(text, value);
            }
            text.push('}');
        }
    }
}

fn write_list<'v>(text: &mut String, values: impl IntoIterator<Item = &'v Value>) {
    text.push('[');
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_value(text, value);
    }
    text.push(']');
}

fn write_string(text: &mut String, string: &str) {
    let is_escaped = |character: char| matches!(character, '"' | '\\' | '\0'..='\u{1f}');
    text.push('"');
    let mut rest = string;
    while let Some(at) = rest.find(is_escaped) {
        text.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            0x8 => text.push_str("\\b"),
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            0xc => text.push_str("\\f"),
            b'\r' => text.push_str("\\r"),
            control => {
                write!(text, "\\u{control:04x}").expect("writing to a string does not fail");
            }
        }
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
    text.push('"');
}

/// ECMAScript's `Number::toString` (ECMA-262, section 6.1.6.1.20).
#[expect(
    clippy::cast_possible_truncation,
    reason = "guarded by the bound on exact integers"
)]
fn write_number(text: &mut String, number: f64) {
    // Zero without a sign, too.
    if number.fract() == 0.0 && number.abs() < EXACT_INTEGER_MAX {
        write!(text, "{}", number as i64).expect("writing to a string does not fail");
        return;
    }
    if number < 0.0 {
        text.push('-');
    }
    let (digits, exponent) = decimal(number.abs());
    let count = i32::try_from(digits.len()).expect("a double has at most 17 digits");
    // The decimal point is after this many digits.
    let point = exponent + 1;
    if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(digits.len().min(unsigned(point)));
        text.push_str(whole);
        text.extend(std::iter::repeat_n('0', unsigned(point - count)));
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(fraction);
        }
    } else if (-5..=0).contains(&point) {
        text.push_str("0.");
        text.extend(std::iter::repeat_n('0', unsigned(-point)));
        text.push_str(&digits);
    } else {
        let (first, rest) = digits.split_at(1);
        text.push_str(first);
        if !rest.is_empty() {
            text.push('.');
            text.push_str(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(text, "e{sign}{}", exponent.abs()).expect("writing to a string does not fail");
    }
}

fn unsigned(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// The shortest decimal digits that denote a positive double, and the exponent of the first:
/// 120.5 is ("1205", 2).
///
/// Of two shortest numbers equally near, ECMAScript takes the even one. The printer of serde_json
/// does so too; that of the standard library does not.
pub(crate) fn decimal(number: f64) -> (String, i32) {
    let printed = Number::from_f64(number).map(|number| number.to_string());
    let printed = printed.expect("a number in JSON is finite");
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let leading_zeros = digits.len() - digits.trim_start_matches('0').len();
    let exponent: i32 = exponent
        .parse()
        .expect("the exponent of a double is a small integer");
    let places = |count: usize| i32::try_from(count).expect("a double has few digits");
    let exponent = exponent + places(whole.len()) - 1 - places(leading_zeros);
    let digits = digits[leading_zeros..].trim_end_matches('0');
    (digits.to_owned(), exponent)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn writes_numbers_as_rfc_8785_appendix_b_has_them() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut text = String::new();
            write_number(&mut text, f64::from_bits(bits));
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn sorts_properties_by_utf_16_and_escapes_little() {
        let value = json!({
            "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6,
            "\u{f6}": 7, "b": [true, null, -1.50, 1e2, {"": "\u{0}\"\\/\u{1f}\u{7f}é\n"}]
        });
        assert_eq!(
            canonical(&value),
            "{\"\\r\":2,\"1\":4,\"b\":[true,null,-1.5,100,{\"\":\"\\u0000\\\"\\\\/\\u001f\u{7f}é\\n\"}],\
             \"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn weighs_numbers_by_their_digits() {
        let empty = size(&Map::new());
        for number in [
            json!(0),
            json!(9),
            json!(10),
            json!(-1),
            json!(-99_999),
            json!(1_234_567),
            json!(0.5),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1.0 / 3.0),
        ] {
            let bytes = number.to_string().len().min(8);
            let map = Map::from_iter([("a".to_owned(), number.clone())]);
            assert_eq!(size(&map) - empty, 1 + 4 + bytes, "{number}");
        }
    }

    #[test]
    fn knows_equal_values() {
        assert!(same(
            &json!({"a": [1, {"b": 2.0}]}),
            &json!({"a": [1.0, {"b": 2}]})
        ));
        assert!(!same(&json!([1, 2]), &json!([2, 1])));
        assert!(!same(&json!({"a": null}), &json!({})));
        assert!(!same(&json!("1"), &json!(1)));
        assert_eq!(depth(&json!([{"a": []}, 1])), 3);
    }
}
