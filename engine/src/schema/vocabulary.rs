//! The keywords of JSON Schema 2020-12: which we know, what form their values have, what types
//! they are about.
//!
//! Invariant: after [`check`] without a mistake, every known keyword in the file has a value of the
//! form that JSON Schema asks for, every pattern compiles, every format is known and every `$ref`
//! leads into `$defs`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Mistake, Report, extension};
use crate::near;
use crate::pointer::Pointer;
use crate::policy::constraint::count;
use crate::policy::{Format, Rules, Types, pattern};

/// Our own keyword.
pub(super) const EXTENSION: &str = "x-indelible";

/// How the schema of schema files is called where it lies beside them, for editors: the dialect is
/// the same, and our keyword belongs to it.
pub(super) const META_FILE: &str = "indelible.schema.json";

/// The form of a keyword's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Anything,
    Text,
    Flag,
    Count,
    Number,
    Positive,
    Values,
    Examples,
    Names,
    NamesByName,
    Schema,
    Schemas,
    SchemasByName,
    TypeNames,
    Pattern,
    Format,
    Reference,
    Dialect,
    RootText,
    Extension,
    /// It cannot be used here, for this reason.
    Refused(&'static str),
}

const ANY: Types = Types::ALL;
const STRING: Types = Types::STRING;
const NUMBER: Types = Types::NUMBER;
const ARRAY: Types = Types::ARRAY;
const OBJECT: Types = Types::OBJECT;

/// Every keyword with its form and the types that it is about.
pub(super) const KEYWORDS: &[(&str, Form, Types)] = &[
    ("$comment", Form::Text, ANY),
    ("$defs", Form::SchemasByName, ANY),
    ("$id", Form::RootText, ANY),
    ("$ref", Form::Reference, ANY),
    ("$schema", Form::Dialect, ANY),
    ("additionalProperties", Form::Schema, OBJECT),
    ("allOf", Form::Schemas, ANY),
    ("anyOf", Form::Schemas, ANY),
    ("const", Form::Anything, ANY),
    ("contains", Form::Schema, ARRAY),
    ("contentEncoding", Form::Text, STRING),
    ("contentMediaType", Form::Text, STRING),
    ("default", Form::Anything, ANY),
    ("dependentRequired", Form::NamesByName, OBJECT),
    ("dependentSchemas", Form::SchemasByName, OBJECT),
    ("deprecated", Form::Flag, ANY),
    ("description", Form::Text, ANY),
    ("else", Form::Schema, ANY),
    ("enum", Form::Values, ANY),
    ("examples", Form::Examples, ANY),
    ("exclusiveMaximum", Form::Number, NUMBER),
    ("exclusiveMinimum", Form::Number, NUMBER),
    ("format", Form::Format, STRING),
    ("if", Form::Schema, ANY),
    ("items", Form::Schema, ARRAY),
    ("maxContains", Form::Count, ARRAY),
    ("maxItems", Form::Count, ARRAY),
    ("maxLength", Form::Count, STRING),
    ("maxProperties", Form::Count, OBJECT),
    ("maximum", Form::Number, NUMBER),
    ("minContains", Form::Count, ARRAY),
    ("minItems", Form::Count, ARRAY),
    ("minLength", Form::Count, STRING),
    ("minProperties", Form::Count, OBJECT),
    ("minimum", Form::Number, NUMBER),
    ("multipleOf", Form::Positive, NUMBER),
    ("not", Form::Schema, ANY),
    ("oneOf", Form::Schemas, ANY),
    ("pattern", Form::Pattern, STRING),
    ("patternProperties", Form::SchemasByName, OBJECT),
    ("prefixItems", Form::Schemas, ARRAY),
    ("properties", Form::SchemasByName, OBJECT),
    ("propertyNames", Form::Schema, OBJECT),
    ("readOnly", Form::Flag, ANY),
    ("required", Form::Names, OBJECT),
    ("then", Form::Schema, ANY),
    ("title", Form::Text, ANY),
    ("type", Form::TypeNames, ANY),
    ("unevaluatedItems", Form::Schema, ARRAY),
    ("unevaluatedProperties", Form::Schema, OBJECT),
    ("uniqueItems", Form::Flag, ARRAY),
    (EXTENSION, Form::Extension, ANY),
    (
        "$anchor",
        Form::Refused("refer to definitions by #/$defs/…"),
        ANY,
    ),
    (
        "$dynamicAnchor",
        Form::Refused("refer to definitions by #/$defs/…"),
        ANY,
    ),
    (
        "$dynamicRef",
        Form::Refused("use $ref to a definition in $defs"),
        ANY,
    ),
    (
        "$recursiveRef",
        Form::Refused("schemas cannot be recursive"),
        ANY,
    ),
    (
        "$vocabulary",
        Form::Refused("the vocabulary is that of JSON Schema 2020-12"),
        ANY,
    ),
    (
        "additionalItems",
        Form::Refused("JSON Schema 2020-12 has only items"),
        ANY,
    ),
    (
        "contentSchema",
        Form::Refused("what is inside a string is not checked; leave it out"),
        ANY,
    ),
    ("definitions", Form::Refused("write $defs"), ANY),
    (
        "dependencies",
        Form::Refused("write dependentRequired or dependentSchemas"),
        ANY,
    ),
    ("id", Form::Refused("write $id"), ANY),
    (
        "nullable",
        Form::Refused("write \"type\": [\"string\", \"null\"] (or whichever type it is)"),
        ANY,
    ),
    (
        "writeOnly",
        Form::Refused("say who may read it with \"x-indelible\": {\"read\": […]}"),
        ANY,
    ),
];

/// Keywords that do nothing unless one of certain others is in the same schema.
pub(super) const COMPANIONS: &[(&str, &[&str])] = &[
    ("else", &["if"]),
    ("if", &["then", "else"]),
    ("maxContains", &["contains"]),
    ("minContains", &["contains"]),
    ("then", &["if"]),
];

/// The types that a keyword is about; none for an unknown keyword.
pub(super) fn types_concerned(keyword: &str) -> Option<Types> {
    find(keyword).map(|(_, types)| types)
}

pub(super) fn find(keyword: &str) -> Option<(Form, Types)> {
    KEYWORDS
        .iter()
        .find(|(known, ..)| *known == keyword)
        .map(|(_, form, types)| (*form, *types))
}

/// Looks at every schema in the file, used or not.
pub(super) fn check(rules: Rules, schema: &Value, report: &mut Report) {
    Checker {
        rules,
        root: schema,
        report,
    }
    .schema(schema, &Pointer::root());
}

struct Checker<'a> {
    rules: Rules,
    root: &'a Value,
    report: &'a mut Report,
}

impl Checker<'_> {
    fn schema(&mut self, schema: &Value, at: &Pointer) {
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    self.keyword(keyword, value, at);
                }
                self.bounds(keywords, at);
                self.companions(keywords, at);
            }
            Value::Bool(_) if !at.is_root() => {}
            _ => self
                .report
                .add(Mistake::Value, at.clone(), "a schema must be a JSON object"),
        }
    }

    fn keyword(&mut self, keyword: &str, value: &Value, schema_at: &Pointer) {
        let at = schema_at.child(keyword);
        let Some((form, _)) = find(keyword) else {
            if extension::is_word(keyword) {
                let reason =
                    format!("{keyword:?} has no effect here; write it inside {EXTENSION:?}");
                self.report.add(Mistake::Misplaced, at, reason);
            } else if let Some(known) = misspelt(keyword) {
                self.report.add(
                    Mistake::UnknownKeyword,
                    at,
                    format!("unknown keyword {keyword:?}; is it {known:?}?"),
                );
            }
            return;
        };
        match form {
            Form::Schema => self.schema(value, &at),
            Form::Schemas => self.schemas(value, &at),
            Form::SchemasByName => self.schemas_by_name(value, &at),
            Form::Extension => extension::check(value, &at, self.report),
            Form::Refused(reason) => self.report.add(
                Mistake::Unsupported,
                at,
                format!("{keyword} cannot be used: {reason}"),
            ),
            _ => {
                if let Err(reason) = self.value(form, value, schema_at) {
                    let sort = match form {
                        Form::Reference => Mistake::Reference,
                        _ => Mistake::Value,
                    };
                    self.report.add(sort, at, reason);
                }
            }
        }
    }

    fn schemas(&mut self, value: &Value, at: &Pointer) {
        match value.as_array() {
            Some(schemas) if !schemas.is_empty() => {
                for (index, schema) in schemas.iter().enumerate() {
                    self.schema(schema, &at.child(index.to_string()));
                }
            }
            _ => self.report.add(
                Mistake::Value,
                at.clone(),
                "must be a list of at least one schema",
            ),
        }
    }

    fn schemas_by_name(&mut self, value: &Value, at: &Pointer) {
        let Some(schemas) = value.as_object() else {
            self.report.add(
                Mistake::Value,
                at.clone(),
                "must be an object with a schema for each name",
            );
            return;
        };
        for (name, schema) in schemas {
            self.schema(schema, &at.child(name));
            if at.last() != Some("patternProperties") {
                continue;
            }
            let compiled = pattern::compile(self.rules, name).map(drop);
            let compiled = compiled.and_then(|()| match self.rules {
                Rules::V1 => Ok(()),
                _ => pattern::for_names(name).map(drop),
            });
            if let Err(error) = compiled {
                self.report
                    .add(Mistake::Value, at.child(name), error.to_string());
            }
        }
    }

    fn value(&self, form: Form, value: &Value, schema_at: &Pointer) -> Result<(), String> {
        let expect = |good: bool, what: &str| {
            if good {
                Ok(())
            } else {
                Err(format!("must be {what}"))
            }
        };
        match form {
            Form::Text => expect(value.is_string(), "a string"),
            Form::Flag => expect(value.is_boolean(), "true or false"),
            Form::Count => expect(count(value).is_some(), &count_wanted(value)),
            Form::Number => expect(value.is_number(), "a number"),
            Form::Positive => expect(
                value.as_f64().is_some_and(|number| number > 0.0),
                "a number above 0",
            ),
            Form::Values => expect(
                value.as_array().is_some_and(|values| !values.is_empty()),
                "a list of at least one value",
            ),
            Form::Examples => expect(value.is_array(), "a list"),
            Form::Names => expect(is_names(value), "a list of different names"),
            Form::NamesByName => expect(
                value.as_object().is_some_and(|o| o.values().all(is_names)),
                "an object with a list of names for each name",
            ),
            Form::TypeNames => match twice(value) {
                Some(name) => Err(format!(
                    "must name each type once, and names {name:?} twice"
                )),
                None => expect(
                    type_names(value).is_some(),
                    &format!(
                        "one of string, number, integer, boolean, null, object, array, or a list \
                         of them{}",
                        meant_type(value)
                    ),
                ),
            },
            Form::Pattern => match value.as_str() {
                Some(text) => match pattern::compile(self.rules, text) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.to_string()),
                },
                None => Err("must be a string with a regular expression".to_owned()),
            },
            Form::Format => {
                let known = value.as_str().and_then(Format::named);
                let names = Format::ALL.map(|(name, _)| name);
                expect(known.is_some(), &choice(value, names))
            }
            Form::Reference => self.reference(value),
            Form::Dialect => {
                let good = value.as_str().is_some_and(|dialect| {
                    let file = dialect.rsplit('/').next();
                    dialect.trim_end_matches('#') == "https://json-schema.org/draft/2020-12/schema"
                        || file == Some(META_FILE)
                });
                let what = format!(
                    "https://json-schema.org/draft/2020-12/schema or the path of a {META_FILE}"
                );
                on_root(schema_at)?;
                expect(good, &what)
            }
            Form::RootText => {
                on_root(schema_at)?;
                expect(value.is_string(), "a string")
            }
            _ => Ok(()),
        }
    }

    fn reference(&self, value: &Value) -> Result<(), String> {
        let target = value.as_str().unwrap_or_default();
        if !target.starts_with("#/$defs/") {
            return Err(
                "must refer to a definition in this file, such as #/$defs/address".to_owned(),
            );
        }
        if target.contains('%') {
            return Err(
                "must not need percent-encoding; give the definition a simpler name".into(),
            );
        }
        match self.root.pointer(&target[1..]) {
            Some(_) => Ok(()),
            None => {
                let defined = self.root.get("$defs").and_then(Value::as_object);
                let defined = defined.into_iter().flat_map(Map::keys);
                let known: Vec<String> = defined.map(|name| format!("#/$defs/{name}")).collect();
                let meant = suggested(target, known.iter().map(String::as_str));
                Err(format!("there is no {target} in this file{meant}"))
            }
        }
    }

    /// Keywords that do nothing without another beside them.
    fn companions(&mut self, keywords: &Map<String, Value>, at: &Pointer) {
        if self.rules < Rules::V3 {
            return;
        }
        for (keyword, companions) in COMPANIONS {
            let is_beside = |companion: &&str| keywords.contains_key(*companion);
            if keywords.contains_key(*keyword) && !companions.iter().any(is_beside) {
                let reason = format!(
                    "{keyword} has no effect without {} in the same schema",
                    companions.join(" or ")
                );
                self.report
                    .add(Mistake::Misplaced, at.child(*keyword), reason);
            }
        }
    }

    /// Bounds that nothing can satisfy.
    fn bounds(&mut self, keywords: &Map<String, Value>, at: &Pointer) {
        for (low, high) in [
            ("minimum", "maximum"),
            ("minLength", "maxLength"),
            ("minItems", "maxItems"),
            ("minProperties", "maxProperties"),
            ("minContains", "maxContains"),
        ] {
            let number = |name| keywords.get(name).and_then(Value::as_f64);
            if let (Some(min), Some(max)) = (number(low), number(high))
                && min > max
            {
                self.report.add(
                    Mistake::Contradiction,
                    at.child(low),
                    format!("is above {high}, so nothing fits"),
                );
            }
        }
    }
}

fn is_names(value: &Value) -> bool {
    value.as_array().is_some_and(|names| {
        names
            .iter()
            .enumerate()
            .all(|(at, name)| name.is_string() && !names[..at].contains(name))
    })
}

/// The type that a misspelt one was probably meant to be.
fn meant_type(value: &Value) -> String {
    let given = match value {
        Value::Array(names) => &names[..],
        one => std::slice::from_ref(one),
    };
    let given = given.iter().filter_map(Value::as_str);
    let mut unknown = given.filter(|name| Types::named(name).is_none());
    let Some(name) = unknown.next() else {
        return String::new();
    };
    let lower = name.to_ascii_lowercase();
    match OTHER_TYPES.iter().find(|(other, _)| *other == lower) {
        Some((_, meant)) => format!("; is it {meant:?}?"),
        None => suggested(name, Types::NAMES.iter().map(|(_, name, _)| *name)),
    }
}

/// What types are called elsewhere.
const OTHER_TYPES: [(&str, &str); 16] = [
    ("bool", "boolean"),
    ("char", "string"),
    ("date", "string"),
    ("decimal", "number"),
    ("dict", "object"),
    ("double", "number"),
    ("float", "number"),
    ("hash", "object"),
    ("int", "integer"),
    ("list", "array"),
    ("long", "integer"),
    ("map", "object"),
    ("nil", "null"),
    ("none", "null"),
    ("str", "string"),
    ("text", "string"),
];

/// What a keyword that counts takes, where it does not take this value.
fn count_wanted(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if number >= 0.0 && number.fract() == 0.0 => {
            format!("at most {}; without it, there is no such bound", u64::MAX)
        }
        _ => "a whole number, 0 or more".to_owned(),
    }
}

fn on_root(at: &Pointer) -> Result<(), String> {
    match at.is_root() {
        true => Ok(()),
        false => Err("belongs on the root of the file only".to_owned()),
    }
}

/// The name that a list of names holds more than once.
fn twice(value: &Value) -> Option<&str> {
    let names = value.as_array()?;
    let mut seen = HashSet::new();
    let mut names = names.iter().filter_map(Value::as_str);
    names.find(|name| !seen.insert(*name))
}

/// The types that the value of `type` names.
pub(super) fn type_names(value: &Value) -> Option<Types> {
    match value {
        Value::String(name) => Types::named(name),
        Value::Array(names) if !names.is_empty() && is_names(value) => {
            names.iter().try_fold(Types::NONE, |types, name| {
                Types::named(name.as_str()?).map(|named| types.or(named))
            })
        }
        _ => None,
    }
}

/// The known keyword that an unknown one was probably meant to be, which is a mistake. What is near
/// here decides whether a schema loads, also one of an old ledger, and therefore stays as it is.
pub(super) fn misspelt(keyword: &str) -> Option<&'static str> {
    if keyword.len() > 40 {
        return None;
    }
    let known = KEYWORDS.iter().map(|(known, ..)| *known);
    known
        .clone()
        .find(|known| known.eq_ignore_ascii_case(keyword))
        .or_else(|| {
            // Short words are close to many others.
            let long = known.filter(|known| known.len() > 4 && *known != "items");
            close(keyword, long)
        })
        .or(match keyword {
            "item" => Some("items"),
            "types" => Some("type"),
            "ref" => Some("$ref"),
            "defs" => Some("$defs"),
            "schema" => Some("$schema"),
            _ => None,
        })
}

/// What there is to choose from, and the one that was probably meant.
pub(super) fn choice<'a>(
    given: &Value,
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    let meant = suggested(given.as_str().unwrap_or_default(), names.clone());
    let names: Vec<&str> = names.into_iter().collect();
    format!("one of {}{meant}", names.join(", "))
}

/// "; is it …?" with the name that was probably meant; nothing where none is near.
pub(super) fn suggested<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let meant = near::nearest(given, names);
    meant.map_or_else(String::new, |meant| format!("; is it {meant:?}?"))
}

/// The candidate at most two edits away from a word, the nearest first.
fn close<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance * 2 < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}
