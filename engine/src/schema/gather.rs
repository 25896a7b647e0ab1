//! All that a schema file says about one place, as a flat list: the schema there, the target of its
//! `$ref`, and the members of its `allOf`.
//!
//! The list is finite: a `$ref` that leads back to itself is a mistake.

use serde_json::{Map, Value};

use super::{Mistake, Report};
use crate::pointer::Pointer;

/// How many schemas may apply to one place; more come only from definitions that multiply.
const PARTS_MAX: usize = 256;

/// A schema and the way to it.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    pub(super) value: &'a Value,
    pub(super) at: Pointer,
    /// The references that were followed to get here, from the root of the file on.
    pub(super) refs: Vec<&'a str>,
}

/// One of the schemas that apply to a place.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) keywords: &'a Map<String, Value>,
    pub(super) at: Pointer,
    pub(super) refs: Vec<&'a str>,
}

impl<'a> Part<'a> {
    /// A schema inside this one.
    pub(super) fn inner(&self, value: &'a Value, at: Pointer) -> Source<'a> {
        Source {
            value,
            at,
            refs: self.refs.clone(),
        }
    }
}

/// Follows the `$ref` of a schema, if it has one.
pub(super) fn follow<'a>(
    root: &'a Value,
    keywords: &'a Map<String, Value>,
    at: &Pointer,
    refs: &[&'a str],
    report: &mut Report,
) -> Option<Source<'a>> {
    let target = keywords.get("$ref")?.as_str()?;
    // Where else it may lead has been reported.
    let pointer = target
        .strip_prefix('#')
        .filter(|p| p.starts_with("/$defs/"))?;
    if refs.contains(&target) {
        let reason = format!("{target} leads back to itself; schemas cannot be recursive");
        report.add(Mistake::Reference, at.child("$ref"), reason);
        return None;
    }
    let mut refs = refs.to_vec();
    refs.push(target);
    Some(Source {
        value: root.pointer(pointer)?,
        at: pointer.parse().ok()?,
        refs,
    })
}

/// Every schema that applies to the place that `sources` describe.
pub(super) fn gather<'a>(
    root: &'a Value,
    sources: Vec<Source<'a>>,
    report: &mut Report,
) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    // Each with whether it adds to another schema of the place.
    let adds = sources.iter().any(|source| source.value.is_object());
    let mut next: Vec<(Source<'a>, bool)> = sources.into_iter().map(|s| (s, adds)).collect();
    next.reverse();
    while let Some((source, adds)) = next.pop() {
        if parts.len() == PARTS_MAX {
            let reason = format!("too many schemas apply to one place: at most {PARTS_MAX} may");
            report.add(Mistake::Size, source.at, reason);
            return Vec::new();
        }
        let keywords = match source.value {
            Value::Object(keywords) => keywords,
            Value::Bool(true) if adds => continue,
            Value::Bool(false) if adds => {
                let reason = "false lets no value pass";
                report.add(Mistake::Contradiction, source.at, reason);
                continue;
            }
            Value::Bool(_) => {
                let reason = "say which type of value may be here, by a schema with \"type\"";
                report.add(Mistake::Type, source.at, reason);
                continue;
            }
            _ => continue,
        };
        if let Some(Value::Array(members)) = keywords.get("allOf") {
            let all = source.at.child("allOf");
            for (index, value) in members.iter().enumerate().rev() {
                let member = Source {
                    value,
                    at: all.child(index.to_string()),
                    refs: source.refs.clone(),
                };
                next.push((member, true));
            }
        }
        let target = follow(root, keywords, &source.at, &source.refs, report);
        next.extend(target.map(|target| (target, true)));
        parts.push(Part {
            keywords,
            at: source.at,
            refs: source.refs,
        });
    }
    parts
}
