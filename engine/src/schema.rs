//! Schema files: reading one, finding every mistake in it, and compiling it to a policy.
//!
//! Invariant: what cannot be bound to a place in an entity is refused with its place and a reason;
//! nothing in a schema file is silently without effect, annotations aside.
//! Must never know: the file system (texts come in), entities, documents.

mod bind;
mod constrain;
mod doubts;
mod emit;
#[cfg(feature = "whole-entity")]
mod extent;
#[cfg(feature = "whole-entity")]
mod faults;
mod gather;
mod idle;
#[cfg(feature = "whole-entity")]
mod ids;
mod lengths;
mod list;
mod long_strings;
mod marks;
mod meta;
mod mistake;
#[cfg(feature = "whole-entity")]
mod name_patterns;
mod object;
mod pattern;
mod satisfiable;
mod scalar;
mod sketch;
#[cfg(feature = "whole-entity")]
mod unbounded;
#[cfg(feature = "whole-entity")]
mod unmet;
mod vocabulary;
#[cfg(feature = "whole-entity")]
mod whole;

use std::fmt;

use serde_json::Value;

use crate::json;
use crate::pointer::Pointer;
use crate::policy::{Parts, Rules};

pub use doubts::{Doubt, doubtful_keywords};
pub use idle::{Idle, idle_keywords};
pub(crate) use long_strings::LongStrings;
pub use meta::meta;
pub use mistake::Mistake;
pub(crate) use sketch::sketch;
#[cfg(feature = "whole-entity")]
pub use unbounded::unbounded_patterns;
#[cfg(feature = "whole-entity")]
pub use unmet::{Unmet, unmet_keywords};
#[cfg(feature = "whole-entity")]
pub(crate) use whole::Whole;

/// The text of a schema file and the name to call it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaSource {
    /// The name for messages: `team.json`.
    pub file: String,
    /// The content.
    pub text: String,
}

/// A mistake in a schema file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// The file.
    pub file: String,
    /// Where in the file.
    pub pointer: Pointer,
    /// Which sort of mistake it is; its code is stable.
    pub mistake: Mistake,
    /// What is wrong there and, where it can be guessed, what to write instead.
    pub reason: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_root() {
            write!(f, "{}: {}", self.file, self.reason)
        } else {
            write!(f, "{} at {}: {}", self.file, self.pointer, self.reason)
        }
    }
}

impl std::error::Error for SchemaError {}

/// The mistakes found so far.
#[derive(Debug, Default)]
struct Report {
    mistakes: Vec<(Pointer, String, Mistake)>,
}

impl Report {
    fn add(&mut self, mistake: Mistake, pointer: Pointer, reason: impl Into<String>) {
        let mistake = (pointer, reason.into(), mistake);
        // A definition that is used twice is looked at twice.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

/// Takes the record of a policy apart: the rules that it names, and the schema as a source of its
/// own under the same name.
pub(crate) fn read_record(
    source: &SchemaSource,
) -> Result<(Rules, SchemaSource), Vec<SchemaError>> {
    let Some((number, schema)) = versioned(&source.text) else {
        return Ok((Rules::V1, source.clone()));
    };
    let Some(rules) = Rules::from_number(number) else {
        return Err(vec![SchemaError {
            file: source.file.clone(),
            pointer: Pointer::root(),
            mistake: Mistake::Unsupported,
            reason: format!(
                "the policy is under rules of version {number}; this version of Indelible knows \
                 them up to {}",
                Rules::LATEST
            ),
        }]);
    };
    let schema = SchemaSource {
        file: source.file.clone(),
        text: crate::value::canonical(&schema),
    };
    Ok((rules, schema))
}

/// The version and the schema of a record that names its rules. A schema by itself has
/// `x-indelible` at its root, so it is not mistaken for one.
fn versioned(record: &str) -> Option<(u32, Value)> {
    let Ok(Value::Object(mut members)) = json::parse_rounding(record.as_bytes()) else {
        return None;
    };
    let number = members.get("rules")?.as_u64()?;
    let schema = members.remove("schema")?;
    (members.len() == 1).then_some((u32::try_from(number).unwrap_or(u32::MAX), schema))
}

/// Compiles the schema of one kind.
pub(crate) fn compile(rules: Rules, source: &SchemaSource) -> Result<Parts, Vec<SchemaError>> {
    let mut report = Report::default();
    // The first rules rounded what no double holds.
    let parse = match rules {
        Rules::V1 => json::parse_rounding,
        _ => json::parse,
    };
    let parts = match parse(source.text.as_bytes()) {
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
                file: source.file.clone(),
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
    let kind = marks::kind(&schema, report)?;
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

#[cfg(test)]
mod tests;
