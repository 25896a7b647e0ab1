//! One constraint of JSON Schema on a single value: bounds, patterns, formats, lists of values.
//!
//! Invariant: the verdict depends on the constraint and the value only, so that the server and every
//! client reach the same one. Patterns run in linear time.

use regex_lite::Regex;
use serde_json::{Number, Value};

use super::fault::ScalarFault;
use super::format::Format;
use super::{Rules, pattern};
use crate::excerpt::{Short, cut};
use crate::value;

/// How much of a list of values, or of a pattern, a message shows.
const OPTIONS_CHARS_MAX: usize = 400;

/// A pattern: as the schema states it, and compiled.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: String,
    regex: Regex,
    /// What only servers know of it.
    #[cfg(feature = "whole-entity")]
    quick: Quick,
}

/// A pattern for the engine that is quick with long texts, where that takes it.
#[cfg(feature = "whole-entity")]
#[derive(Debug, Default)]
pub(crate) struct Quick {
    pub(crate) regex: Option<regex::Regex>,
    /// Whether no text of more than some length matches.
    pub(crate) is_bounded: bool,
}

impl Pattern {
    pub(crate) fn new(text: &str, regex: Regex) -> Self {
        Self {
            text: text.to_owned(),
            regex,
            #[cfg(feature = "whole-entity")]
            quick: Quick::default(),
        }
    }

    /// The pattern with its like for the quick engine, which matches the same texts.
    #[cfg(feature = "whole-entity")]
    pub(crate) fn with_quick(self, quick: Quick) -> Self {
        Self { quick, ..self }
    }

    /// The pattern as the schema states it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches anywhere in a text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        #[cfg(feature = "whole-entity")]
        if let Some(quick) = &self.quick.regex {
            return quick.is_match(text);
        }
        self.regex.is_match(text)
    }

    /// Whether no text of more than some length matches.
    #[cfg(feature = "whole-entity")]
    pub(crate) fn is_bounded(&self) -> bool {
        self.quick.is_bounded
    }

    /// What each of both engines says, where there are both.
    #[cfg(all(test, feature = "whole-entity"))]
    pub(crate) fn by_both(&self, text: &str) -> Option<[bool; 2]> {
        let quick = self.quick.regex.as_ref()?;
        Some([quick.is_match(text), self.regex.is_match(text)])
    }
}

/// One constraint besides the type.
#[derive(Debug)]
pub(crate) enum Constraint {
    Const(Value),
    Enum(Vec<Value>),
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(u64),
    MaxLength(u64),
    Pattern(Pattern),
    Format(Format, Rules),
}

impl Constraint {
    /// The keywords that [`parse`](Self::parse) knows.
    #[cfg(feature = "whole-entity")]
    pub(super) const KEYWORDS: [&str; 11] = [
        "const",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxLength",
        "maximum",
        "minLength",
        "minimum",
        "multipleOf",
        "pattern",
    ];

    /// The constraint that a keyword states; none of a keyword or value that states none.
    pub(crate) fn parse(rules: Rules, keyword: &str, value: &Value) -> Option<Self> {
        let number = || value.as_number().cloned();
        Some(match keyword {
            "const" => Self::Const(value.clone()),
            "enum" => Self::Enum(value.as_array()?.clone()),
            "minimum" => Self::Minimum(number()?),
            "maximum" => Self::Maximum(number()?),
            "exclusiveMinimum" => Self::ExclusiveMinimum(number()?),
            "exclusiveMaximum" => Self::ExclusiveMaximum(number()?),
            "multipleOf" => Self::MultipleOf(number()?),
            "minLength" => Self::MinLength(count(value)?),
            "maxLength" => Self::MaxLength(count(value)?),
            "pattern" => Self::Pattern(pattern::compile(rules, value.as_str()?).ok()?),
            "format" => Self::Format(Format::named(value.as_str()?)?, rules),
            _ => return None,
        })
    }

    /// The keyword, and its value as a schema states it.
    pub(crate) fn stated(&self) -> (&'static str, Value) {
        match self {
            Self::Const(value) => ("const", value.clone()),
            Self::Enum(values) => ("enum", Value::Array(values.clone())),
            Self::Minimum(n) => ("minimum", n.clone().into()),
            Self::Maximum(n) => ("maximum", n.clone().into()),
            Self::ExclusiveMinimum(n) => ("exclusiveMinimum", n.clone().into()),
            Self::ExclusiveMaximum(n) => ("exclusiveMaximum", n.clone().into()),
            Self::MultipleOf(n) => ("multipleOf", n.clone().into()),
            Self::MinLength(n) => ("minLength", (*n).into()),
            Self::MaxLength(n) => ("maxLength", (*n).into()),
            Self::Pattern(pattern) => ("pattern", pattern.as_str().into()),
            Self::Format(format, _) => ("format", format.name().into()),
        }
    }

    /// Judges a value; one of a type that the constraint is not about passes.
    pub(crate) fn check(&self, value: &Value) -> Result<(), ScalarFault> {
        let (good, keyword) = match (self, value) {
            (Self::Const(expected), value) => (value::same(expected, value), "const"),
            (Self::Enum(options), value) => (options.iter().any(|o| value::same(o, value)), "enum"),
            (Self::Minimum(min), Value::Number(n)) => {
                (value::double(n) >= value::double(min), "minimum")
            }
            (Self::Maximum(max), Value::Number(n)) => {
                (value::double(n) <= value::double(max), "maximum")
            }
            (Self::ExclusiveMinimum(min), Value::Number(n)) => {
                (value::double(n) > value::double(min), "exclusiveMinimum")
            }
            (Self::ExclusiveMaximum(max), Value::Number(n)) => {
                (value::double(n) < value::double(max), "exclusiveMaximum")
            }
            (Self::MultipleOf(step), Value::Number(n)) => (is_multiple(n, step), "multipleOf"),
            (Self::MinLength(min), Value::String(s)) => (length(s) >= *min, "minLength"),
            (Self::MaxLength(max), Value::String(s)) => (length(s) <= *max, "maxLength"),
            (Self::Pattern(pattern), Value::String(s)) => (pattern.is_match(s), "pattern"),
            (Self::Format(format, rules), Value::String(s)) => {
                (format.is_match(*rules, s), "format")
            }
            _ => return Ok(()),
        };
        if good {
            Ok(())
        } else {
            Err(ScalarFault::new(keyword, self.message()).bound(self.stated().1))
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Const(expected) => format!("must be {}", Short(&value::canonical(expected))),
            Self::Enum(options) => {
                let options = options.iter().map(value::canonical);
                let options: Vec<_> = options.map(|one| Short(&one).to_string()).collect();
                let options = options.join(", ");
                format!("must be one of {}", cut(&options, OPTIONS_CHARS_MAX))
            }
            Self::Minimum(min) => format!("must be {} or more", shortest(min)),
            Self::Maximum(max) => format!("must be {} or less", shortest(max)),
            Self::ExclusiveMinimum(min) => format!("must be more than {}", shortest(min)),
            Self::ExclusiveMaximum(max) => format!("must be less than {}", shortest(max)),
            Self::MultipleOf(step) => format!("must be a multiple of {}", shortest(step)),
            Self::MinLength(1) => "must not be empty".to_owned(),
            Self::MinLength(min) => format!("must have {min} characters or more"),
            Self::MaxLength(1) => "must have at most 1 character".to_owned(),
            Self::MaxLength(max) => format!("must have at most {max} characters"),
            Self::Pattern(pattern) => {
                let pattern = cut(pattern.as_str(), OPTIONS_CHARS_MAX);
                format!("must match the pattern {pattern}")
            }
            Self::Format(format, _) => format!("must be {}", format.description()),
        }
    }
}

/// A count, however it is written: 2, 2.0 and 2e0 are one number.
pub(crate) fn count(value: &Value) -> Option<u64> {
    match value::normal(value) {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

/// A number as it is written shortest: 10, not 10.0.
fn shortest(number: &Number) -> String {
    value::canonical(&Value::Number(number.clone()))
}

/// The length of a string in JSON Schema: Unicode code points.
pub(super) fn length(text: &str) -> u64 {
    text.chars().count() as u64
}

/// Whether `number` is a whole multiple of `step` as both are written in decimal digits, so that
/// 19.99 is a multiple of 0.01 although the quotient of the two doubles is not an integer.
fn is_multiple(number: &Number, step: &Number) -> bool {
    let (number, step) = (value::double(number), value::double(step));
    if number == 0.0 {
        return true;
    }
    let (number, number_exponent) = mantissa(number.abs());
    let (step, step_exponent) = mantissa(step.abs());
    if number_exponent >= step_exponent {
        let mut remainder = number % step;
        for _ in step_exponent..number_exponent {
            remainder = remainder * 10 % step;
        }
        remainder == 0
    } else {
        let shift = step_exponent.abs_diff(number_exponent);
        10_u128
            .checked_pow(shift)
            .and_then(|factor| factor.checked_mul(step))
            .is_some_and(|step| number % step == 0)
    }
}

/// A positive number as whole mantissa and power of ten: 120.5 is (1205, -1).
fn mantissa(number: f64) -> (u128, i32) {
    let (digits, exponent) = value::decimal(number);
    let count = i32::try_from(digits.len()).expect("a double has at most 17 digits");
    let mantissa = digits
        .parse()
        .expect("17 decimal digits fit into 128 binary ones");
    (mantissa, exponent + 1 - count)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(value: Value) -> Number {
        match value {
            Value::Number(number) => number,
            _ => panic!("not a number"),
        }
    }

    #[test]
    fn multiples_are_decimal() {
        for (value, step, expected) in [
            (json!(19.99), json!(0.01), true),
            (json!(19.995), json!(0.01), false),
            (json!(0), json!(7), true),
            (json!(-21), json!(7), true),
            (json!(1e300), json!(3), false),
            (json!(3e300), json!(3), true),
            (json!(1e-300), json!(3), false),
            (json!(4.5), json!(1.5), true),
            (json!(1), json!(1e22), false),
            (json!(100), json!(1e2), true),
        ] {
            assert_eq!(
                is_multiple(&number(value.clone()), &number(step.clone())),
                expected,
                "{value} of {step}"
            );
        }
    }
}
