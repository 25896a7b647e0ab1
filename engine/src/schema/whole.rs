//! Judging whole values by JSON Schema.
//!
//! Invariant: nothing is fetched, patterns run in linear time, and what a single value must be is
//! decided by the same code as everywhere else.
//! Must never know: nodes; who asks.

use std::borrow::Cow;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Draft, Keyword, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::scalar::{SCALAR_KEYWORDS, constraint};
use crate::pointer::Pointer;
use crate::policy::{Constraint, Fault, Rules};

/// A compiled schema for whole values.
#[derive(Debug)]
pub(crate) struct Whole {
    validator: Validator,
}

impl Whole {
    /// Compiles a schema; the error says why it is not one.
    pub(crate) fn new(rules: Rules, schema: &Value) -> Result<Self, String> {
        let mut options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex());
        for keyword in SCALAR_KEYWORDS {
            options = options.with_keyword(keyword, move |_, value, _| own(rules, keyword, value));
        }
        let validator = options.build(schema).map_err(|error| error.to_string())?;
        Ok(Self { validator })
    }

    /// What is wrong with a value, array items named by their index.
    pub(crate) fn faults(&self, value: &Value) -> Vec<Fault> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        self.validator
            .iter_errors(value)
            .map(|e| fault(&e))
            .collect()
    }
}

/// A constraint on scalars, as the validator wants it.
struct Own {
    constraint: Constraint,
}

fn own<'a>(
    rules: Rules,
    keyword: &str,
    value: &'a Value,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    match constraint(rules, keyword, value) {
        Some(constraint) => Ok(Box::new(Own { constraint })),
        None => Err(ValidationError::custom(format!(
            "{keyword} has no such value"
        ))),
    }
}

impl<'i> Keyword<'i> for Own {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        let checked = self.constraint.check(instance);
        checked.map_err(|fault| ValidationError::custom(fault.message))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.constraint.check(instance).is_ok()
    }
}

fn fault(error: &ValidationError<'_>) -> Fault {
    let mut pointer = pointer(error.instance_path());
    // Two missing properties are two faults, at two places.
    if let ValidationErrorKind::Required { property } = error.kind()
        && let Some(name) = property.as_str()
    {
        pointer = pointer.child(name);
    }
    Fault {
        pointer,
        keyword: Cow::Owned(error.kind().keyword().to_owned()),
        message: message(error.kind()),
    }
}

fn pointer(location: &Location) -> Pointer {
    location
        .iter()
        .map(|segment| match segment {
            LocationSegment::Property(name) => name.into_owned(),
            LocationSegment::Index(index) => index.to_string(),
        })
        .collect()
}

/// A sentence for people that does not repeat the value.
fn message(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Required { .. } => "is required".to_owned(),
        Kind::MinItems { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinItems { limit } => format!("must have {limit} items or more"),
        Kind::MaxItems { limit: 1 } => "must have at most 1 item".to_owned(),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinProperties { limit } => format!("must have {limit} properties or more"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} properties"),
        Kind::UniqueItems => "must not hold the same value twice".to_owned(),
        Kind::Contains => "does not hold the number of matching items that it must".to_owned(),
        Kind::AnyOf { .. } => "must satisfy one of the alternatives".to_owned(),
        Kind::OneOfNotValid { .. } => "must satisfy one of the alternatives".to_owned(),
        Kind::OneOfMultipleValid { .. } => {
            "must satisfy one of the alternatives and no other".to_owned()
        }
        Kind::Not { .. } => "must not be like this".to_owned(),
        Kind::FalseSchema => "must not be here".to_owned(),
        Kind::PropertyNames { .. } => "has a property with a name it must not have".to_owned(),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "has a property that must not be here".to_owned()
        }
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => {
            "has an item that must not be here".to_owned()
        }
        Kind::Type { .. } => "has the wrong type".to_owned(),
        Kind::Custom { message, .. } => message.clone(),
        other => format!("breaks the rule {}", other.keyword()),
    }
}
