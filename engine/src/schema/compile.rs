//! From the texts of schema files to policies, or to every mistake in them.
//!
//! A record of a policy is compiled under the rules that it names, so that what was judged long ago
//! is judged alike today.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Mistake, Report, SchemaError, SchemaSource, bind, emit, extension, vocabulary};
#[cfg(feature = "whole-entity")]
use super::{ids, name_patterns};
use crate::id::Kind;
use crate::json;
use crate::pointer::Pointer;
use crate::policy::{LongStrings, Parts, Policies, Policy, Rules};

/// Compiles the schema of one kind under the latest rules. `file` is the name for messages.
///
/// ```
/// use indelible_engine::schema;
///
/// let text = r#"{ "type": "object", "x-indelible": { "kind": "page" },
///                 "properties": { "title": { "type": "string" } } }"#;
/// let page = schema::compile("page.json", text).expect("the schema has no mistakes");
/// assert_eq!(page.kind().as_str(), "page");
/// ```
///
/// # Errors
///
/// All mistakes in the file, in the order of their places.
pub fn compile(file: &str, text: &str) -> Result<Policy, Vec<SchemaError>> {
    compile_under(Rules::LATEST, file, text)
}

/// Compiles the schema of one kind under a version of the rules.
///
/// # Errors
///
/// As [`compile`].
pub fn compile_under(rules: Rules, file: &str, text: &str) -> Result<Policy, Vec<SchemaError>> {
    let parts = parts(rules, file, text)?;
    Policy::new(parts).map_err(|reason| vec![unsupported(file, reason)])
}

/// Compiles a policy from its [record](Policy::record), under the rules that the record names.
/// `name` is what messages call it.
///
/// # Errors
///
/// As [`compile`]; also when the record names rules that this build does not know.
pub fn compile_record(name: &str, record: &str) -> Result<Policy, Vec<SchemaError>> {
    // A schema by itself has `x-indelible` at its root, so it is not mistaken for a record that
    // names its rules.
    let Some((number, schema)) = versioned(record) else {
        return compile_under(Rules::V1, name, record);
    };
    match Rules::from_number(number) {
        Some(rules) => compile_under(rules, name, &crate::value::canonical(&schema)),
        None => {
            let reason = format!(
                "the policy is under rules of version {number}; this version of Indelible knows \
                 them up to {}",
                Rules::LATEST
            );
            Err(vec![unsupported(name, reason)])
        }
    }
}

/// Compiles the schemas of all kinds.
///
/// # Errors
///
/// All mistakes of all files; also when two files describe one kind, or when the refusals of one
/// would disclose `unique` values to people who may not read them. (Policies of the past are not
/// checked for the latter.)
pub fn compile_all(sources: &[SchemaSource]) -> Result<Policies, Vec<SchemaError>> {
    match compile_valid(sources) {
        (policies, errors) if errors.is_empty() => Ok(policies),
        (_, errors) => Err(errors),
    }
}

/// Compiles the schemas without mistakes, and returns all mistakes of the others.
pub fn compile_valid(sources: &[SchemaSource]) -> (Policies, Vec<SchemaError>) {
    let mut kinds: BTreeMap<Kind, (Arc<Policy>, &str)> = BTreeMap::new();
    let mut errors = Vec::new();
    for SchemaSource { file, text } in sources {
        match compile(file, text) {
            Ok(policy) if !policy.disclosures().is_empty() => {
                let disclosed = policy.disclosures().into_iter();
                errors.extend(disclosed.map(|(pointer, reason)| SchemaError {
                    file: file.clone(),
                    pointer,
                    mistake: Mistake::Unique,
                    reason,
                }));
            }
            Ok(policy) => match kinds.get(policy.kind()) {
                Some((_, first)) => errors.push(SchemaError {
                    file: file.clone(),
                    pointer: ["x-indelible", "kind"].into_iter().collect(),
                    mistake: Mistake::Kind,
                    reason: format!("{first} describes the kind {} already", policy.kind()),
                }),
                None => {
                    kinds.insert(policy.kind().clone(), (Arc::new(policy), file));
                }
            },
            Err(mistakes) => errors.extend(mistakes),
        }
    }
    let policies = kinds.into_values().map(|(policy, _)| policy);
    (policies.collect(), errors)
}

fn unsupported(file: &str, reason: String) -> SchemaError {
    SchemaError {
        file: file.to_owned(),
        pointer: Pointer::root(),
        mistake: Mistake::Unsupported,
        reason,
    }
}

/// The version and the schema of a record that names its rules.
fn versioned(record: &str) -> Option<(u32, Value)> {
    let Ok(Value::Object(mut members)) = json::parse_rounding(record.as_bytes()) else {
        return None;
    };
    let number = members.get("rules")?.as_u64()?;
    let schema = members.remove("schema")?;
    (members.len() == 1).then_some((u32::try_from(number).unwrap_or(u32::MAX), schema))
}

fn parts(rules: Rules, file: &str, text: &str) -> Result<Parts, Vec<SchemaError>> {
    let mut report = Report::default();
    // The first rules rounded what no double holds.
    let parse = match rules {
        Rules::V1 => json::parse_rounding,
        _ => json::parse,
    };
    let parts = match parse(text.as_bytes()) {
        Ok(schema) => compile_value(rules, schema, &mut report),
        Err(error) => {
            let reason = format!("this is not the JSON we expect: {error}");
            report.add(Mistake::Json, Pointer::root(), reason);
            None
        }
    };
    match parts {
        Some(parts) if report.mistakes.is_empty() => Ok(parts),
        _ => {
            report.mistakes.sort();
            let to_error = |(pointer, reason, mistake)| SchemaError {
                file: file.to_owned(),
                pointer,
                mistake,
                reason,
            };
            Err(report.mistakes.into_iter().map(to_error).collect())
        }
    }
}

fn compile_value(rules: Rules, schema: Value, report: &mut Report) -> Option<Parts> {
    vocabulary::check(rules, &schema, report);
    let kind = extension::kind(&schema, report)?;
    let bound = bind::bind(rules, &schema, kind.singleton, report)?;
    let whole = emit::whole(&schema, &bound, &bound.whole);
    #[cfg(feature = "whole-entity")]
    let judged = match rules {
        Rules::V1 => whole.clone(),
        _ => emit::whole(&schema, &bound, &ids::marked(&schema, &bound))
            .map(|whole| name_patterns::spelt_out(&whole)),
    };
    Some(Parts {
        rules,
        kind: kind.name?,
        singleton: kind.singleton,
        permissions: kind.permissions,
        nodes: bound.nodes,
        whole,
        #[cfg(feature = "whole-entity")]
        judged,
        long_strings: LongStrings::new(rules, &schema),
        schema,
    })
}
