//! Turns the validator's errors into faults: the place, the keyword, what it states, and a
//! sentence.
//!
//! A sentence says what the schema asks for and does not repeat the value. A number, name or list
//! in it is there as data too.

use std::borrow::Cow;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::{Location, LocationSegment};
use serde_json::{Value, json};

use super::ids;
use crate::pointer::Pointer;
use crate::policy::constraint::count;
use crate::policy::quantity::{ITEMS, PROPERTIES, at_least, at_most};
use crate::policy::{Fault, Mark, Types};
use crate::value::{canonical, normal};

pub(super) const TWICE: &str = "must not hold the same value twice";

/// So many alternatives are described one by one, and so long a value is shown.
const ALTERNATIVES_MAX: usize = 4;
const SHOWN_MAX: usize = 200;

/// What an error says, in the terms of `schema`, by which it was found.
pub(super) fn fault(schema: &Value, error: &ValidationError<'_>) -> Fault {
    let unsaid = unsaid(error);
    let said = said(schema, error);
    Fault {
        keyword: said.keyword.unwrap_or(unsaid.keyword),
        bound: said.bound.map(|bound| normal(&bound)),
        message: said.message,
        ..unsaid
    }
}

/// Where an error is and what distinguishes it from others, without a sentence.
pub(super) fn unsaid(error: &ValidationError<'_>) -> Fault {
    let mut pointer = place(error.instance_path());
    let as_compared = self::pointer(error.instance_path());
    let mut as_compared = Some(as_compared).filter(|compared| *compared != pointer);
    // Two missing properties are two faults, at two places.
    if let Kind::Required { property } = error.kind()
        && let Some(name) = property.as_str()
    {
        pointer = pointer.child(name);
        as_compared = as_compared.map(|at| at.child(name));
    }
    let as_found = error.kind().keyword();
    let stated = ids::COUNTING
        .iter()
        .find(|(_, renamed)| *renamed == as_found);
    let as_found = stated.map_or(as_found, |(stated, _)| stated);
    Fault {
        pointer,
        keyword: Cow::Owned(as_found.to_owned()),
        bound: None,
        message: String::new(),
        mark: Mark {
            keyword: Cow::Owned(as_found.to_owned()),
            source: error.evaluation_path().to_string(),
            beyond: Mark::reach(as_found, error.instance()),
            names: names(error.kind()),
            pointer: as_compared,
            alternatives: None,
        },
    }
}

/// The properties that an error is about.
fn names(kind: &Kind) -> Vec<String> {
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

/// A place in a value. The segments of a location do not distinguish the name 007 from the index 7.
fn place(location: &Location) -> Pointer {
    location
        .as_str()
        .parse()
        .unwrap_or_else(|_| pointer(location))
}

pub(super) fn pointer(location: &Location) -> Pointer {
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

pub(super) fn with_bound(message: String, bound: Option<Value>) -> String {
    match bound {
        Some(bound) => format!("{message}{BEFORE_BOUND}{bound}"),
        None => message,
    }
}

/// What is said of an error.
struct Said {
    /// The keyword, where the error calls it otherwise.
    keyword: Option<Cow<'static, str>>,
    bound: Option<Value>,
    message: String,
}

impl Said {
    fn new(message: impl Into<String>, bound: impl Into<Option<Value>>) -> Self {
        Self {
            keyword: None,
            bound: bound.into(),
            message: message.into(),
        }
    }

    fn of(self, keyword: impl Into<Cow<'static, str>>) -> Self {
        let keyword = Some(keyword.into());
        Self { keyword, ..self }
    }
}

fn said(schema: &Value, error: &ValidationError<'_>) -> Said {
    match error.kind() {
        Kind::Required { property } => match trigger(schema, error, property) {
            Some(name) => Said::new(format!("is required where {name} is given"), json!([name])),
            None => Said::new("is required", None),
        },
        Kind::MinItems { limit: 1 } => Said::new("must not be empty", json!(1)),
        Kind::MinItems { limit } => Said::new(at_least(*limit, ITEMS), json!(limit)),
        Kind::MaxItems { limit } => Said::new(at_most(*limit, ITEMS), json!(limit)),
        Kind::MinProperties { limit } => Said::new(at_least(*limit, PROPERTIES), json!(limit)),
        Kind::MaxProperties { limit } => Said::new(at_most(*limit, PROPERTIES), json!(limit)),
        Kind::UniqueItems => Said::new(TWICE, Value::Bool(true)),
        Kind::Contains => contains(schema, error),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            Said::new(alternatives(schema, error, context), json!(context.len()))
        }
        Kind::OneOfMultipleValid { context } => {
            let fitting = (1..).zip(context).filter(|(_, errors)| errors.is_empty());
            let fitting: Vec<String> = fitting.map(|(place, _)| place.to_string()).collect();
            let message = format!(
                "must satisfy one of the {} alternatives and no other, and satisfies the \
                 alternatives {}",
                context.len(),
                fitting.join(" and ")
            );
            Said::new(message, json!(context.len()))
        }
        Kind::Not { schema: stated } => {
            let beside = pointer(error.schema_path()).parent();
            let beside = beside.and_then(|at| schema.pointer(&at.to_string()));
            let written = beside.and_then(|keywords| ids::as_written(keywords, "not"));
            let written = written.unwrap_or(stated);
            let is_short = shown(written).is_some();
            Said::new(excluded(written), is_short.then(|| written.clone()))
        }
        Kind::FalseSchema => refused(schema, error),
        Kind::PropertyNames { error } => misnamed(schema, error),
        Kind::AdditionalProperties { unexpected } => {
            Said::new(undeclared(unexpected), Value::Bool(false))
        }
        Kind::UnevaluatedProperties { unexpected } => Said::new(undeclared(unexpected), None),
        Kind::AdditionalItems { limit } => Said::new(at_most(*limit as u64, ITEMS), json!(limit)),
        Kind::UnevaluatedItems { unexpected } => Said::new(surplus(unexpected), None),
        Kind::Type { kind } => {
            let names: Vec<String> = match kind {
                TypeKind::Single(only) => vec![only.to_string()],
                TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect(),
            };
            let types = names.iter().filter_map(|name| Types::named(name));
            let types = types.fold(Types::NONE, Types::or);
            Said::new(format!("must be {types}"), json!(names))
        }
        Kind::Custom { message, .. } => match message.rsplit_once(BEFORE_BOUND) {
            Some((message, bound)) => Said::new(message, serde_json::from_str(bound).ok()),
            None => Said::new(message.clone(), None),
        },
        other => Said::new(format!("breaks the rule {}", other.keyword()), None),
    }
}

/// The value of a keyword in the schema, by its path.
fn stated<'s>(schema: &'s Value, at: &Location) -> Option<&'s Value> {
    schema.pointer(at.as_str())
}

fn last(at: &Location) -> Option<String> {
    pointer(at).last().map(str::to_owned)
}

/// Of a property that is required beside another one, the other.
fn trigger(schema: &Value, error: &ValidationError<'_>, property: &Value) -> Option<String> {
    let mut asking = asking(schema, error, property)?;
    asking.next().cloned()
}

/// The properties there that ask for another one, which is required beside them.
pub(super) fn asking<'e>(
    schema: &'e Value,
    error: &'e ValidationError<'_>,
    property: &'e Value,
) -> Option<impl Iterator<Item = &'e String>> {
    let at = pointer(error.schema_path());
    let at = at
        .last()
        .filter(|last| *last == "dependentRequired")
        .map(|_| &at)?;
    let by_name = schema.pointer(&at.to_string())?.as_object()?;
    let value = error.instance().as_object()?;
    let asking = by_name.iter().filter(|(name, names)| {
        let names = names.as_array();
        value.contains_key(*name) && names.is_some_and(|names| names.contains(property))
    });
    Some(asking.map(|(name, _)| name))
}

fn contains(schema: &Value, error: &ValidationError<'_>) -> Said {
    let at = error.schema_path();
    let limit = || stated(schema, at).and_then(count);
    let beside = pointer(at).parent();
    let beside = beside.and_then(|at| schema.pointer(&at.to_string()));
    let written = beside.and_then(|keywords| ids::as_written(keywords, "contains"));
    let kind = written.map_or_else(|| OF_THAT_KIND.to_owned(), counted);
    let least = |least: u64| {
        let noun = if least == 1 { ITEMS.0 } else { ITEMS.1 };
        let message = format!("must have at least {least} {noun} {kind}");
        Said::new(message, json!(least))
    };
    match last(at).as_deref() {
        Some("minContains") if let Some(limit) = limit() => least(limit).of("minContains"),
        Some("maxContains") if let Some(most) = limit() => {
            let message = format!("{} {kind}", at_most(most, ITEMS));
            Said::new(message, json!(most)).of("maxContains")
        }
        _ => least(1),
    }
}

const OF_THAT_KIND: &str = "of the kind that the schema asks for";

/// What the items are that `contains` counts: the end of a sentence.
fn counted(schema: &Value) -> String {
    let single = schema.as_object().filter(|keywords| keywords.len() == 1);
    let single = single.and_then(|keywords| keywords.iter().next());
    let said = match single {
        Some((keyword, value)) if keyword == "const" => {
            shown(value).map(|value| format!("equal to {value}"))
        }
        Some((keyword, Value::Array(values))) if keyword == "enum" => {
            let values: Option<Vec<String>> = values.iter().map(shown).collect();
            values.map(|values| format!("equal to one of {}", values.join(", ")))
        }
        _ => shown(schema).map(|schema| format!("satisfying {schema}")),
    };
    said.unwrap_or_else(|| OF_THAT_KIND.to_owned())
}

/// What each of the first alternatives asks for first.
fn alternatives(
    schema: &Value,
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
) -> String {
    let depth = pointer(error.instance_path()).tokens().len();
    let first = |errors: &Vec<ValidationError<'static>>| {
        let fault = fault(schema, errors.first()?);
        let inside: Pointer = fault.pointer.tokens()[depth..].iter().cloned().collect();
        let place = inside.to_string();
        Some(match place.strip_prefix('/') {
            Some(place) => format!("{place} {}", fault.message),
            None => fault.message,
        })
    };
    let count = context.len();
    let described = context.iter().take(ALTERNATIVES_MAX);
    let Some(mut found) = described.map(first).collect::<Option<Vec<String>>>() else {
        return format!("must satisfy one of {count} alternatives");
    };
    if count == 1 {
        return found.remove(0);
    }
    match count - found.len() {
        0 => {}
        1 => found.push("another one".to_owned()),
        more => found.push(format!("one of {more} more")),
    }
    let found = found.join("; or ");
    format!("must satisfy one of {count} alternatives: {found}")
}

/// A value as JSON, unless it is long.
fn shown(value: &Value) -> Option<String> {
    Some(canonical(value)).filter(|text| text.len() <= SHOWN_MAX)
}

/// Which items must not be there, as JSON texts.
fn surplus(items: &[String]) -> String {
    let text = items.join(", ");
    match items.len() {
        _ if text.len() > SHOWN_MAX => format!("must not have {} of its items", items.len()),
        1 => format!("must not have the item {text}"),
        _ => format!("must not have the items {text}"),
    }
}

/// What `not` rules out.
fn excluded(schema: &Value) -> String {
    let single = schema.as_object().filter(|keywords| keywords.len() == 1);
    let single = single.and_then(|keywords| keywords.iter().next());
    let said = match single {
        Some((keyword, value)) if keyword == "const" => {
            shown(value).map(|value| format!("must not be {value}"))
        }
        Some((keyword, Value::Array(values))) if keyword == "enum" => {
            let values: Option<Vec<String>> = values.iter().map(shown).collect();
            values.map(|values| format!("must not be one of {}", values.join(", ")))
        }
        Some((keyword, Value::Array(names))) if keyword == "required" => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            Some(format!("must not have {}", names.join(" and ")))
        }
        Some((keyword, Value::String(pattern))) if keyword == "pattern" => {
            Some(format!("must not match the pattern {pattern}"))
        }
        _ => shown(schema).map(|schema| format!("must not satisfy {schema}")),
    };
    said.unwrap_or_else(|| "must not satisfy what \"not\" describes".to_owned())
}

/// What a schema that takes nothing refuses: by the keyword that holds it.
fn refused(schema: &Value, error: &ValidationError<'_>) -> Said {
    let condition = pointer(error.schema_path()).parent();
    let condition = condition.and_then(|at| schema.pointer(&at.to_string()));
    let condition = condition.and_then(|keywords| ids::as_written(keywords, "if"));
    let at = pointer(error.evaluation_path());
    let tokens = at.tokens();
    let above = tokens.len().checked_sub(2).map(|at| tokens[at].as_str());
    let (keyword, name) = match (above, tokens.last().map(String::as_str)) {
        (Some(keyword @ ("dependentSchemas" | "properties" | "patternProperties")), name) => {
            (keyword, name)
        }
        (Some(keyword @ ("allOf" | "prefixItems")), _) | (_, Some(keyword)) => (keyword, None),
        _ => return Said::new("must not be there", Value::Bool(false)),
    };
    let message = match (keyword, name) {
        ("dependentSchemas", Some(name)) => format!("must not have the property \"{name}\""),
        ("patternProperties", Some(pattern)) => {
            format!("must not be there: its name matches the pattern {pattern}")
        }
        // Nothing is named beside it, so nothing may be there.
        ("additionalProperties" | "propertyNames", _) => "must have no properties".to_owned(),
        ("then", _) if let Some(condition) = condition => excluded(condition),
        ("else", _) if let Some(condition) = condition.and_then(shown) => {
            format!("must satisfy {condition}")
        }
        ("then", _) => "must not satisfy what \"if\" describes, where \"then\" is false".to_owned(),
        ("else", _) => "must satisfy what \"if\" describes, since \"else\" is false".to_owned(),
        _ => "must not be there".to_owned(),
    };
    Said::new(message, Value::Bool(false)).of(keyword.to_owned())
}

fn undeclared<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("{:?}", name.as_ref()))
        .collect();
    match &names[..] {
        [] => "must not be there".to_owned(),
        [only] => format!("must not have the property {only}"),
        several => format!("must not have the properties {}", several.join(", ")),
    }
}

/// Which rule the name of a property breaks.
fn misnamed(schema: &Value, error: &ValidationError<'_>) -> Said {
    // The name of an item's id is accepted besides, which the schema does not say.
    if let Kind::AnyOf { context } = error.kind()
        && let Some(at) = pointer(error.schema_path()).parent()
        && let Some(beside) = schema.pointer(&at.to_string())
        && beside.get(ids::IDS).is_some()
        && let Some(stated) = context.get(1).and_then(|errors| errors.first())
    {
        return misnamed(schema, stated);
    }
    let fault = fault(schema, error);
    let rule = match &fault.bound {
        Some(bound) => Some(json!({ (fault.keyword.into_owned()): bound })),
        None => None,
    };
    let message = match error.instance().as_str() {
        None => "must not have a property of this name".to_owned(),
        Some(name) => {
            let why = fault.message;
            format!("must not have the property \"{name}\": the name {why}")
        }
    };
    Said::new(message, rule)
}
