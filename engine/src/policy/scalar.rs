//! What one value may be, judged alone: types, bounds, patterns, formats.
//!
//! Invariant: the verdict depends on the rule and the value only, so the server and every client
//! come to the same one. Patterns run in linear time.
//! Must never know: where in an entity the value stands, who writes it.

use std::fmt;

use regex_lite::Regex;
use serde_json::{Number, Value, json};

use super::Rules;
use super::fault::ScalarFault;
use super::format::Format;
use crate::excerpt::{Short, cut};
use crate::value::{self, INTEGER_MAX};

/// How much of a list of values, or of a pattern, a message shows.
const OPTIONS_CHARS_MAX: usize = 400;

/// A set of the types of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Types(pub(super) u8);

impl Types {
    /// No type at all.
    pub const NONE: Self = Self(0);
    /// `null`
    pub const NULL: Self = Self(1);
    /// `boolean`
    pub const BOOLEAN: Self = Self(2);
    /// `string`
    pub const STRING: Self = Self(4);
    /// `integer`
    pub const INTEGER: Self = Self(8);
    /// `number`, which includes the integers
    pub const NUMBER: Self = Self(16 | 8);
    /// `array`
    pub const ARRAY: Self = Self(32);
    /// `object`
    pub const OBJECT: Self = Self(64);
    /// The types of values that hold no others.
    pub const SCALARS: Self = Self(1 | 2 | 4 | 8 | 16);
    /// Every type.
    pub const ALL: Self = Self(127);

    /// Each type, its name in JSON Schema, and what people call such a value.
    pub(crate) const NAMES: [(Self, &'static str, &'static str); 7] = [
        (Self::STRING, "string", "a string"),
        (Self::NUMBER, "number", "a number"),
        (Self::INTEGER, "integer", "an integer"),
        (Self::BOOLEAN, "boolean", "true or false"),
        (Self::OBJECT, "object", "an object"),
        (Self::ARRAY, "array", "a list"),
        (Self::NULL, "null", "null"),
    ];

    /// The type of this name in JSON Schema.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known, _)| *known == name)
            .map(|(types, ..)| *types)
    }

    /// The narrowest type of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::String(_) => Self::STRING,
            Value::Number(number) if value::double(number).fract() == 0.0 => Self::INTEGER,
            Value::Number(_) => Self(16),
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// The types of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The types of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the two have no type in common.
    pub fn is_disjoint(self, other: Self) -> bool {
        self.0 & other.0 == 0
    }

    /// Whether every type is also one of `other`.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl fmt::Display for Types {
    /// For people: `a string or null`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.each().map(|(_, name)| name).collect();
        f.write_str(&names.join(" or "))
    }
}

impl Types {
    /// The names in JSON Schema.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        self.each().map(|(name, _)| name)
    }

    fn each(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let mut rest = self;
        Self::NAMES
            .into_iter()
            .filter_map(move |(types, name, said)| {
                let has = types.is_within(rest);
                if has {
                    rest = Self(rest.0 & !types.0);
                }
                has.then_some((name, said))
            })
    }
}

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
    /// Judges a value; one that the constraint does not speak about passes.
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

/// A number as it is written shortest: 10, not 10.0.
fn shortest(number: &Number) -> String {
    value::canonical(&Value::Number(number.clone()))
}

/// The length of a string in JSON Schema: Unicode code points.
pub(super) fn length(text: &str) -> u64 {
    text.chars().count() as u64
}

/// Whether `number` is a whole multiple of `step` as both are written in decimal digits, so that
/// 19.99 is a multiple of 0.01 although the quotient of the two doubles is no integer.
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

/// Characters of a string that a pattern is tried on, where the schema states no maximum.
pub const PATTERN_LENGTH_MAX: u64 = 100_000;

/// What one scalar may be.
#[derive(Debug)]
pub struct ScalarRule {
    types: Types,
    pub(super) constraints: Vec<Constraint>,
    /// The most characters of a string, where the schema does not say.
    length_max: Option<u64>,
}

impl ScalarRule {
    pub(crate) fn new(types: Types, constraints: Vec<Constraint>) -> Self {
        Self {
            types,
            constraints,
            length_max: None,
        }
    }

    /// The same, which counts the characters of a string before it asks anything else of it, and
    /// takes at most `length_max` of them where the schema does not say.
    pub(crate) fn with_length_first(mut self, length_max: Option<u64>) -> Self {
        let is_length = |one: &Constraint| matches!(one, Constraint::MaxLength(_));
        self.constraints.sort_by_key(|one| !is_length(one));
        Self { length_max, ..self }
    }

    /// The most characters of a string, where the schema does not say but tries a pattern.
    pub(crate) fn length_max(&self) -> Option<u64> {
        self.length_max
    }

    /// The types it allows.
    pub fn types(&self) -> Types {
        self.types
    }

    /// What it says besides.
    pub(crate) fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    /// Whether it says more than the type.
    pub fn has_constraints(&self) -> bool {
        !self.constraints.is_empty() || self.length_max.is_some()
    }

    /// Whether a pattern is tried on strings of which neither the schema nor the pattern says how long
    /// they may be.
    #[cfg(feature = "whole-entity")]
    pub fn has_unbounded_pattern(&self) -> bool {
        let is_bounded =
            |one: &Constraint| matches!(one, Constraint::Pattern(one) if one.is_bounded());
        self.length_max.is_some() && !self.constraints.iter().any(is_bounded)
    }

    /// Whether the schema states a pattern for the place itself, not under `anyOf` and the like.
    pub fn states_pattern(&self) -> bool {
        let mut constraints = self.constraints.iter();
        constraints.any(|one| matches!(one, Constraint::Pattern(_)))
    }

    /// Judges a scalar. Where only integers may be, those beyond ±(2^53 − 1) are refused, since most
    /// readers of JSON would take them for another number.
    ///
    /// # Errors
    ///
    /// The first keyword that the value breaks.
    pub fn check(&self, value: &Value) -> Result<(), ScalarFault> {
        let types = Types::of(value);
        if !types.is_within(self.types) {
            return Err(ScalarFault::types(self.types));
        }
        if let Value::Number(number) = value {
            check_exact(number, self.types)?;
        }
        self.check_length(value)?;
        self.constraints
            .iter()
            .try_for_each(|constraint| constraint.check(value))
    }
}

impl ScalarRule {
    /// Everything that is wrong with a scalar, where [`check`](Self::check) tells the first.
    pub(crate) fn faults(&self, value: &Value) -> Vec<ScalarFault> {
        match self.check(value) {
            Err(fault) if fault.keyword != "type" => {
                let checked = self.constraints.iter().map(|one| one.check(value));
                let checked = std::iter::once(self.check_length(value)).chain(checked);
                checked.filter_map(Result::err).collect()
            }
            checked => checked.err().into_iter().collect(),
        }
    }
}

impl ScalarRule {
    /// Refuses a string that is longer than the bound for what the schema does not say.
    fn check_length(&self, value: &Value) -> Result<(), ScalarFault> {
        match value {
            Value::String(text) if text.len() as u64 > PATTERN_LENGTH_MAX => {
                self.too_long(length(text)).map_or(Ok(()), Err)
            }
            _ => Ok(()),
        }
    }

    /// What is wrong with a string of so many characters, by the bound for what the schema does not
    /// say.
    pub(crate) fn too_long(&self, count: u64) -> Option<ScalarFault> {
        let max = self.length_max.filter(|max| count > *max)?;
        Some(pattern_too_long(max))
    }
}

/// The fault of a string that is longer than patterns are tried on.
pub(crate) fn pattern_too_long(max: u64) -> ScalarFault {
    let message = format!(
        "must have at most {max} characters, the bound for a pattern where the schema states no \
         maxLength"
    );
    ScalarFault::new("maxLength", message).bound(max.into())
}

/// Refuses numbers that a double does not hold exactly; where only integers may be, also those that
/// a double cannot tell from their neighbours. How the number is written makes no difference.
fn check_exact(number: &Number, types: Types) -> Result<(), ScalarFault> {
    let near = value::double(number).abs() <= INTEGER_MAX as f64;
    if near {
        return Ok(());
    }
    if !Types::NUMBER.is_within(types) {
        let message = format!("must be an integer between -{INTEGER_MAX} and {INTEGER_MAX}");
        let range = json!({ "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX });
        Err(ScalarFault::new("type", message).bound(range))
    } else if !value::is_exact(number) {
        let message = "must be a number that JSON readers hold exactly, as an IEEE 754 double";
        Err(ScalarFault::new("type", message.to_owned()))
    } else {
        Ok(())
    }
}

/// How deep a value may be nested.
pub const NESTING_MAX: usize = 32;

/// What a value that is stored and replaced as one may be. What its schema says about its inside
/// is judged with the whole entity.
#[derive(Debug)]
pub struct AtomicRule {
    types: Types,
}

impl AtomicRule {
    pub(crate) fn new(types: Types) -> Self {
        Self { types }
    }

    /// The types it allows.
    pub fn types(&self) -> Types {
        self.types
    }

    /// Judges a value as far as it can be judged alone: its type and depth.
    ///
    /// # Errors
    ///
    /// What the value breaks.
    pub fn check(&self, value: &Value) -> Result<(), ScalarFault> {
        if !Types::of(value).is_within(self.types) {
            return Err(ScalarFault::types(self.types));
        }
        if value::depth(value) > NESTING_MAX {
            let message = format!("must be nested at most {NESTING_MAX} deep");
            return Err(ScalarFault::new("nesting", message).bound(NESTING_MAX.into()));
        }
        Ok(())
    }

    /// The text that is stored for a value.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn encode(&self, value: &Value) -> Result<String, ScalarFault> {
        self.check(value)?;
        Ok(value::canonical(value))
    }

    /// Reads the text that is stored for a value.
    ///
    /// # Errors
    ///
    /// When the text is not the canonical JSON of a value that the rule allows.
    pub fn decode(&self, text: &str) -> Result<Value, ScalarFault> {
        let not_canonical = || ScalarFault::new("type", "must be canonical JSON (RFC 8785)");
        let value: Value = serde_json::from_str(text).map_err(|_| not_canonical())?;
        if value::canonical(&value) != text {
            return Err(not_canonical());
        }
        self.check(&value)?;
        Ok(value)
    }
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

    #[test]
    fn integers_are_exact() {
        let integer = ScalarRule::new(Types::INTEGER, vec![]);
        let any = ScalarRule::new(Types::NUMBER, vec![]);
        assert!(integer.check(&json!(1.0)).is_ok());
        assert!(integer.check(&json!(1.5)).is_err());
        assert!(integer.check(&json!(INTEGER_MAX)).is_ok());
        assert!(integer.check(&json!(INTEGER_MAX + 1)).is_err());
        assert!(integer.check(&json!(1e300)).is_err());
        assert!(any.check(&json!(1e300)).is_ok());
        assert!(any.check(&json!(10_000_000_000_000_000_u64)).is_ok());
        assert!(any.check(&json!(1_u64 << 63)).is_ok());
        assert!(any.check(&json!(i64::MIN)).is_ok());
        assert!(any.check(&json!(u64::MAX)).is_err());
        assert!(any.check(&json!(i64::MAX)).is_err());
        assert!(any.check(&json!(INTEGER_MAX + 2)).is_err());
    }

    #[test]
    fn atomic_values_have_one_text() {
        let rule = AtomicRule::new(Types::OBJECT);
        let text = rule.encode(&json!({"b": 1.0, "a": []})).unwrap();
        assert_eq!(text, r#"{"a":[],"b":1}"#);
        assert_eq!(rule.decode(&text).unwrap(), json!({"a": [], "b": 1}));
        assert!(rule.decode(r#"{"b":1,"a":[]}"#).is_err());
        assert!(rule.decode("[]").is_err());
        assert!(
            rule.decode(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))
                .is_err()
        );
    }

    #[test]
    fn types_read_well() {
        assert_eq!(
            Types::STRING.or(Types::NULL).to_string(),
            "a string or null"
        );
        assert_eq!(Types::NUMBER.to_string(), "a number");
        assert_eq!(Types::INTEGER.to_string(), "an integer");
    }
}
