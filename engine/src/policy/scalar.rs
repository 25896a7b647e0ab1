//! What one value may be, judged alone: its types, its constraints, and that every reader of JSON
//! holds its numbers exactly.

use std::fmt;

use serde_json::{Number, Value, json};

use super::constraint::{Constraint, length};
use super::fault::ScalarFault;
use crate::value::{self, INTEGER_MAX};

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

    /// As a schema states them: one name, or a list.
    pub(crate) fn stated(self) -> Value {
        let mut names: Vec<Value> = self.names().map(Value::from).collect();
        match names.len() {
            1 => names.remove(0),
            _ => Value::Array(names),
        }
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

    /// The constraints besides the type: keyword and value, as a schema states them, numbers as they
    /// are written shortest (10, not 10.0).
    pub(crate) fn stated(&self) -> impl Iterator<Item = (&'static str, Value)> {
        self.constraints.iter().map(|constraint| {
            let (keyword, value) = constraint.stated();
            match value {
                Value::Number(_) => (keyword, value::normal(&value)),
                other => (keyword, other),
            }
        })
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
    /// All faults of a scalar; [`check`](Self::check) returns only the first.
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

    /// The fault of a string of this many characters, by the default bound.
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
/// a double cannot distinguish from their neighbours, however the number is written.
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
