//! Judging whole values by JSON Schema.
//!
//! Invariant: nothing is fetched, patterns run in linear time, and what a single value must be is
//! decided by the same code as everywhere else.
//! Must never know: nodes; who asks.

use std::borrow::Cow;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Draft, Keyword, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::ids;
use super::scalar::{SCALAR_KEYWORDS, constraint, count};
use crate::pointer::Pointer;
use crate::policy::{Constraint, Fault, Mark, Rules};
use crate::value::canonical;

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
            options = options.with_keyword(keyword, move |beside, value, _| {
                match beside.get(ids::IDS) {
                    Some(marks) if ["const", "enum"].contains(&keyword) => {
                        seeing(keyword, value, marks)
                    }
                    _ => own(rules, keyword, value),
                }
            });
        }
        for (keyword, renamed) in ids::COUNTING {
            options = options.with_keyword(renamed, move |beside, value, _| {
                let ids = beside.get(ids::IDS).unwrap_or(&Value::Null);
                seeing(keyword, value, ids)
            });
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
        checked.map_err(|fault| ValidationError::custom(with_bound(fault.message, fault.bound)))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.constraint.check(instance).is_ok()
    }
}

/// A constraint on a whole object or list, which does not see the ids that the server made.
struct Seeing {
    keyword: &'static str,
    /// `const` has one, `enum` several, the others the number or flag that they state.
    options: Vec<Value>,
    ids: Value,
    message: String,
}

fn seeing<'a>(
    keyword: &'static str,
    value: &'a Value,
    ids: &Value,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    use ValidationErrorKind as Kind;
    let limit = || count(value).unwrap_or_default();
    let (options, message) = match keyword {
        "const" => (
            vec![value.clone()],
            Constraint::Const(value.clone()).message(),
        ),
        "enum" => {
            let options = value.as_array().cloned().unwrap_or_default();
            (options.clone(), Constraint::Enum(options).message())
        }
        "maxProperties" => (
            vec![limit().into()],
            message(&Kind::MaxProperties { limit: limit() }),
        ),
        "minProperties" => (
            vec![limit().into()],
            message(&Kind::MinProperties { limit: limit() }),
        ),
        _ => (vec![value.clone()], message(&Kind::UniqueItems)),
    };
    Ok(Box::new(Seeing {
        keyword,
        options,
        ids: ids.clone(),
        message,
    }))
}

impl<'i> Keyword<'i> for Seeing {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => {
                let bound = match (self.keyword, self.options.as_slice()) {
                    ("enum", options) => Some(options.into()),
                    (_, options) => options.first().cloned(),
                };
                Err(ValidationError::custom(with_bound(
                    self.message.clone(),
                    bound,
                )))
            }
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let limit = self.options.first().and_then(Value::as_u64).unwrap_or(0);
        match (self.keyword, instance) {
            ("const" | "enum", value) => {
                let mut options = self.options.iter();
                options.any(|option| ids::same(value, option, &self.ids))
            }
            ("maxProperties", Value::Object(entries)) => {
                ids::count(entries, &self.ids) as u64 <= limit
            }
            ("minProperties", Value::Object(entries)) => {
                ids::count(entries, &self.ids) as u64 >= limit
            }
            ("uniqueItems", Value::Array(_)) if self.options == [Value::Bool(true)] => {
                let bare = ids::without(instance, None, &self.ids);
                let mut texts: Vec<String> = bare
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(canonical)
                    .collect();
                texts.sort_unstable();
                texts.windows(2).all(|pair| pair[0] != pair[1])
            }
            _ => true,
        }
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
    let keyword = error.kind().keyword();
    let stated = ids::COUNTING
        .iter()
        .find(|(_, renamed)| *renamed == keyword);
    let keyword = stated.map_or(keyword, |(stated, _)| stated);
    let (message, bound) = said(error.kind());
    Fault {
        pointer,
        keyword: Cow::Owned(keyword.to_owned()),
        bound,
        message,
        mark: Mark {
            source: error.evaluation_path().to_string(),
            beyond: Mark::reach(keyword, error.instance()),
            names: names(error.kind()),
        },
    }
}

/// The properties that an error is about.
fn names(kind: &ValidationErrorKind) -> Vec<String> {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.clone()
        }
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str();
            name.map(str::to_owned).into_iter().collect()
        }
        _ => Vec::new(),
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

/// The validator takes nothing but a text from keywords of ours: what the schema states goes behind
/// the sentence.
const BEFORE_BOUND: char = '\u{1f}';

fn with_bound(message: String, bound: Option<Value>) -> String {
    match bound {
        Some(bound) => format!("{message}{BEFORE_BOUND}{bound}"),
        None => message,
    }
}

/// The sentence, and what the schema states with the keyword.
fn said(kind: &ValidationErrorKind) -> (String, Option<Value>) {
    use ValidationErrorKind as Kind;
    let bound = match kind {
        Kind::MinItems { limit }
        | Kind::MaxItems { limit }
        | Kind::MinProperties { limit }
        | Kind::MaxProperties { limit } => Some((*limit).into()),
        Kind::UniqueItems => Some(Value::Bool(true)),
        Kind::Type { kind } => {
            let names: Value = match kind {
                TypeKind::Single(only) => [only.to_string()].into_iter().collect(),
                TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect(),
            };
            Some(names)
        }
        _ => None,
    };
    let message = message(kind);
    match message.rsplit_once(BEFORE_BOUND) {
        Some((message, bound)) => (message.to_owned(), serde_json::from_str(bound).ok()),
        None => (message, bound),
    }
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
        Kind::Contains => {
            "holds too few or too many of the items that the schema's \"contains\" counts"
                .to_owned()
        }
        Kind::AnyOf { .. } => "must satisfy one of the alternatives".to_owned(),
        Kind::OneOfNotValid { .. } => "must satisfy one of the alternatives".to_owned(),
        Kind::OneOfMultipleValid { .. } => {
            "must satisfy one of the alternatives and no other".to_owned()
        }
        Kind::Not { .. } => "must not be like this".to_owned(),
        Kind::FalseSchema => "must not be here".to_owned(),
        Kind::PropertyNames { error } => match error.instance().as_str() {
            Some(name) => format!("must not have the property \"{name}\": its name breaks a rule"),
            None => "must not have a property of this name".to_owned(),
        },
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!(
                "must not have the property \"{}\"",
                unexpected.join("\", \"")
            )
        }
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => {
            "has an item that must not be here".to_owned()
        }
        Kind::Type { kind } => format!("must be {}", types(kind)),
        Kind::Custom { message, .. } => message.clone(),
        other => format!("breaks the rule {}", other.keyword()),
    }
}

fn types(kind: &TypeKind) -> String {
    let types: Vec<String> = match kind {
        TypeKind::Single(only) => vec![only.to_string()],
        TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect(),
    };
    types.join(" or ")
}
