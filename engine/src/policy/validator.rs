//! Judging whole values by JSON Schema.
//!
//! Invariant: nothing is fetched, patterns run in linear time, and what a single value must be is
//! decided by the same code as everywhere else.

mod extent;
mod faults;
pub(crate) mod ids;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Draft, Keyword, PatternOptions, ValidationError};
use serde_json::{Value, json};

use self::faults::with_bound;
use super::constraint::{Constraint, count};
use super::quantity::{PROPERTIES, at_least, at_most};
use super::{Fault, Rules};
use crate::pointer::Pointer;
use crate::value::canonical;

/// A compiled schema for whole values.
#[derive(Debug)]
pub(crate) struct Validator {
    rules: Rules,
    compiled: jsonschema::Validator,
    /// What the validator was made of, for the bounds that its errors do not have.
    pub(super) schema: Value,
    /// What was compiled of it besides, by place.
    parts: Mutex<HashMap<String, Option<Arc<jsonschema::Validator>>>>,
}

/// What a part of a schema is called for the validator, and the schema that it is a part of.
const PART: &str = "x-part";
const AROUND: &str = "urn:indelible:around";

impl Validator {
    /// Compiles a schema; the error says why it is not one.
    pub(crate) fn new(rules: Rules, schema: &Value) -> Result<Self, String> {
        Ok(Self {
            rules,
            compiled: Self::compile(rules, schema)?,
            schema: schema.clone(),
            parts: Mutex::default(),
        })
    }

    fn compile(rules: Rules, schema: &Value) -> Result<jsonschema::Validator, String> {
        let mut options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex());
        for keyword in Constraint::KEYWORDS {
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
        options.build(schema).map_err(|error| error.to_string())
    }

    /// The schema at a place in this one, whose definitions it may refer to. It is compiled once: a
    /// value can have thousands of faults.
    pub(super) fn part(&self, at: &Pointer) -> Option<Arc<jsonschema::Validator>> {
        let at = at.to_string();
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parts.get(&at) {
            return known.clone();
        }
        let part = self.compile_part(&at).map(Arc::new);
        parts.insert(at, part.clone());
        part
    }

    fn compile_part(&self, at: &str) -> Option<jsonschema::Validator> {
        let part = self.schema.pointer(at)?.clone();
        let mut around = self.schema.as_object()?.clone();
        around.insert("$id".to_owned(), AROUND.into());
        around.insert(PART.to_owned(), part);
        let schema = json!({ "$ref": format!("{AROUND}#/{PART}"), "$defs": { "around": around } });
        Self::compile(self.rules, &schema).ok()
    }

    /// What is wrong with a value, array items named by their index.
    pub(crate) fn faults(&self, value: &Value) -> Vec<Fault> {
        if self.compiled.is_valid(value) {
            return Vec::new();
        }
        let errors = self.compiled.iter_errors(value);
        let found = errors.map(|error| match self.rules < Rules::V5 {
            true => faults::fault(&self.schema, &error),
            false => extent::fault(self, value, &error),
        });
        found.collect()
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
    match Constraint::parse(rules, keyword, value) {
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
    let limit = count(value).unwrap_or_default();
    let (options, message) = match keyword {
        "const" => (
            vec![value.clone()],
            Constraint::Const(value.clone()).message(),
        ),
        "enum" => {
            let options = value.as_array().cloned().unwrap_or_default();
            (options.clone(), Constraint::Enum(options).message())
        }
        "maxProperties" => (vec![limit.into()], at_most(limit, PROPERTIES)),
        "minProperties" => (vec![limit.into()], at_least(limit, PROPERTIES)),
        _ => (vec![value.clone()], faults::TWICE.to_owned()),
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
