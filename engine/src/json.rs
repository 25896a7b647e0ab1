//! Reads JSON strictly: what readers differ on, or cannot hold as it is written, is an error. That
//! is a property that is twice in one object (RFC 8259, section 4), a number that no double holds,
//! and half of a surrogate pair.

mod exact;
mod faults;

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::excerpt::{PLACE_CHARS_MAX, Short, cut};
use crate::pointer::Pointer;

/// How much of a number an error shows.
const NUMBER_SHOWN_MAX: usize = 40;

/// How deep lists and objects may be nested.
const DEPTH_MAX: usize = 127;

/// Reads one value.
///
/// ```
/// use indelible_engine::json;
///
/// assert_eq!(json::parse(b"[1, {\"a\": null}]").unwrap()[0], 1);
/// let error = json::parse(b"[1, {\"a\": null, \"a\": 2}]").unwrap_err();
/// assert_eq!(error.to_string(), "\"a\" appears twice in /1 at line 1 column 19");
/// ```
///
/// # Errors
/// Says what is wrong and where: with line and column, and with the place in the value.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let value = parse_rounding(text)?;
    if let Some((number, at)) = exact::first_inexact(text) {
        return Err(inexact(text, number, at));
    }
    Ok(value)
}

/// Reads one value; numbers that no double holds are rounded. For schemas under the first rules,
/// which were read so.
pub(crate) fn parse_rounding(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = At::Root.deserialize(&mut deserializer);
    let value = read.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| with_place(text, error))
}

fn inexact(text: &[u8], number: &str, at: usize) -> serde_json::Error {
    let shown = cut(number, NUMBER_SHOWN_MAX);
    let place = object_of(&exact::place(text, at));
    serde_json::Error::custom(format!(
        "{shown} {place} is a number that JSON readers do not hold exactly"
    ))
}

/// What a reader of JSON found wrong with the syntax, in our words.
#[must_use]
pub fn said(error: &serde_json::Error) -> String {
    let reason = error.to_string();
    match faults::sentence(&reason) {
        Some(sentence) => {
            let (line, column) = (error.line(), error.column());
            format!("{sentence}, at line {line} column {column}")
        }
        None => reason,
    }
}

/// Says what is wrong in our words, and adds the place in the value where the reader of the text
/// knows line and column only.
fn with_place(text: &[u8], error: serde_json::Error) -> serde_json::Error {
    let reason = error.to_string();
    let of_value = [
        "recursion limit",
        "number out of range",
        "surrogate",
        "unicode code point",
        "hex escape",
    ];
    let sentence = faults::sentence(&reason);
    if !of_value.iter().any(|word| reason.contains(word)) {
        return match sentence {
            Some(_) => serde_json::Error::custom(said(&error)),
            None => error,
        };
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let at = before + error.column().saturating_sub(1);
    if reason.contains("number") {
        let start = text[..at.min(text.len())]
            .iter()
            .rposition(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
        let start = start.map_or(0, |before| before + 1);
        if let Some((number, offset)) = exact::first_inexact(&text[start..]) {
            return inexact(text, number, start + offset);
        }
    }
    let place = object_of(&exact::place(text, at));
    if reason.contains("recursion") {
        return serde_json::Error::custom(format!(
            "what stands {place} lies deeper than {DEPTH_MAX} lists and objects in one another"
        ));
    }
    let reason = sentence.unwrap_or(&reason);
    serde_json::Error::custom(format!("what stands {place} is not text: {reason}"))
}

/// "here", or "in" with the place.
fn object_of(place: &Pointer) -> String {
    match place.tokens() {
        [] => "here".to_owned(),
        _ => format!("in {}", cut(&place.to_string(), PLACE_CHARS_MAX)),
    }
}

/// A whole number as every reader has it: beyond what is exact, it is the nearest double, which is
/// how a double is written that large.
fn whole(number: Number) -> Value {
    crate::value::number(crate::value::double(&number)).unwrap_or(Value::Number(number))
}

/// Where in the text the reader is: as a chain, so that nothing is copied on the way down.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Item(&'a Self, usize),
    Property(&'a Self, &'a str),
}

impl At<'_> {
    fn pointer(&self) -> Pointer {
        match self {
            Self::Root => Pointer::root(),
            Self::Item(above, index) => above.pointer().child(index.to_string()),
            Self::Property(above, name) => above.pointer().child(*name),
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(whole(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(whole(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(At::Item(&self, items.len()))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if entries.contains_key(&key) {
                let object = object_of(&self.pointer());
                return Err(A::Error::custom(format!(
                    "{:?} appears twice {object}",
                    Short(&key)
                )));
            }
            let value = access.next_value_seed(At::Property(&self, &key))?;
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    //! Guards against texts that mean one thing here and another elsewhere, and against reading
    //! anything else than `serde_json` reads.
    use super::*;

    #[test]
    fn twice_is_told_with_its_place() {
        for (text, told) in [
            (r#"{"a":1,"b":2,"a":1}"#, r#""a" appears twice here"#),
            (
                r#"{"x":{"y~":[0,{"b":1,"b":1}]}}"#,
                r#""b" appears twice in /x/y~0/1"#,
            ),
            // The same name, spelt otherwise.
            ("{\"a\":1,\"\\u0061\":2}", r#""a" appears twice here"#),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{told} at line 1 column ")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_cannot_be_held_is_told_with_its_place() {
        for (text, told) in [
            (
                r#"{"a":[{"b":9007199254740993}]}"#,
                "9007199254740993 in /a/0/b is a number that JSON readers do not hold exactly",
            ),
            (
                "{\"a\":1,\n \"b\":{\"c\":[0, -1e400]}}",
                "-1e400 in /b/c/1 is a number that JSON readers do not hold exactly",
            ),
            (
                "1e-400",
                "1e-400 here is a number that JSON readers do not hold exactly",
            ),
            (
                r#"{"a":[0,"x\ud800"]}"#,
                "what stands in /a/1 is not text: ",
            ),
            (
                r#"{"a":{"b":"\udc00\ud800"}}"#,
                "what stands in /a/b is not text: ",
            ),
            (r#"{"a":{"\ud800":1}}"#, "what stands in /a is not text: "),
            (r#"{"a":"\ud800\u0041"}"#, "what stands in /a is not text: "),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }

    #[test]
    fn faults_of_syntax_are_reported_in_sentences() {
        for (text, told) in [
            ("{", "the text ends inside an object, at line 1 column 1"),
            ("[1,\n2", "the text ends inside a list, at line 2 column 1"),
            (
                "{\"a\":",
                "the text ends where a value has to be, at line 1 column 5",
            ),
            (
                "{'a':1}",
                "the name of a member is not in double quotes, at line 1 column 2",
            ),
            (
                "nope",
                "a word is not true, false or null, at line 1 column 2",
            ),
            ("[1,]", "no value follows a comma, at line 1 column 4"),
            ("{} {}", "there is more after the value, at line 1 column 4"),
            (
                "[01]",
                "a number is not written as JSON writes numbers, at line 1 column 3",
            ),
        ] {
            assert_eq!(
                parse(text.as_bytes()).unwrap_err().to_string(),
                told,
                "{text}"
            );
        }
        // Whatever byte is wrong, nothing is said in the reader's own terms.
        let good = br#"{"a": [1.5e3, true, null], "b\u00e9": "x\ud83e\udd80\n", "c": {"d": "e"}}"#;
        assert!(parse(good).is_ok());
        for at in 0..good.len() {
            let cut = &good[..at];
            let others = b"\0\n\"\\{}[],:-0e+xu\xff\xc3".iter().map(|byte| {
                let mut other = good.to_vec();
                other[at] = *byte;
                other
            });
            for text in others.chain([cut.to_vec()]) {
                let Err(error) = parse(&text) else { continue };
                let told = error.to_string();
                let shown = String::from_utf8_lossy(&text);
                for term in ["EOF", "expected", "ident", "trailing", "hex", "code point"] {
                    assert!(!told.contains(term), "{shown}: {told}");
                }
            }
        }
    }

    #[test]
    fn what_lies_too_deep_is_told_with_its_place_and_the_bound() {
        let nested = |levels: usize| {
            let (open, close) = ("{\"ab\":[".repeat(levels / 2), "]}".repeat(levels / 2));
            format!("{{\"a\": {open}{close}}}")
        };
        assert!(parse(nested(126).as_bytes()).is_ok());
        let error = parse(nested(128).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("what stands in /a/ab/0/ab/0/"), "{error}");
        assert!(
            error.contains("… lies deeper than 127 lists and objects"),
            "{error}"
        );
        let flat = format!("[0,{}{}]", "[".repeat(127), "]".repeat(127));
        let error = parse(flat.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("what stands in /1/0/0/0/"), "{error}");
    }

    #[test]
    fn all_else_is_read_as_everybody_reads_it() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in [
            r#"{"a":{"c":1},"b":{"c":1},"":[{},{}]}"#,
            r#"[0,-1,18446744073709551616,-9223372036854775808,0.1,1e300,"\ud83d\ude00",null,true]"#,
            "7",
            " \"x\" ",
            "",
            "{",
            "[1,]",
            "1 2",
            "1e400",
            "\"\\ud800\"",
            "nul",
            &deep,
        ] {
            let (ours, theirs) = (parse(text.as_bytes()), serde_json::from_str::<Value>(text));
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}");
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                assert!(crate::value::same(&ours, &theirs), "{ours} {theirs}");
            }
        }
    }
}
