//! Why a value is not allowed, and what distinguishes such reasons.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;

use super::Types;
use super::constraint::length;
use crate::pointer::Pointer;
use crate::value;

/// Why a value is not allowed: the keyword of JSON Schema that it breaks, and a sentence for
/// people. The sentence does not repeat the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarFault {
    /// The keyword: `maxLength`; or `nesting`, which every value has for a limit.
    pub keyword: &'static str,
    /// What the schema states with the keyword: a number, the values, the names of the types.
    pub bound: Option<Value>,
    /// What the value must be.
    pub message: String,
}

/// Why a part of an entity's value is not allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Where in the value; items of keyed lists are named by their ids.
    pub pointer: Pointer,
    /// The keyword of JSON Schema that is broken: `required`.
    pub keyword: Cow<'static, str>,
    /// What the schema states with the keyword.
    pub bound: Option<Value>,
    /// What the value must be.
    pub message: String,
    /// What distinguishes it from others of the same place and keyword.
    pub(crate) mark: Mark,
}

/// What distinguishes a fault from others of the same place and keyword.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mark {
    /// The keyword as the library for JSON Schema has it, by which the first rules compare.
    pub(crate) keyword: Cow<'static, str>,
    /// Where in the schema the keyword is, or what it demands.
    pub(crate) source: String,
    /// Of a bound: how far the value goes, in the direction that is wrong.
    pub(crate) beyond: Option<f64>,
    /// What it is about, where one keyword can be about several things: the properties that must not
    /// be there, those that require another one, the alternatives that all fit, the values that
    /// occur more than once.
    pub(crate) names: Vec<String>,
    /// If one of several alternatives must fit and none does: the faults of each.
    pub(crate) alternatives: Option<Vec<Vec<Fault>>>,
    /// The place as earlier rules compare it, if that differs: with names that look like numbers as
    /// numbers.
    pub(crate) pointer: Option<Pointer>,
}

impl Mark {
    /// How far a value goes that a bound is about.
    pub(crate) fn reach(keyword: &str, value: &Value) -> Option<f64> {
        let size = match value {
            Value::String(text) => length(text) as f64,
            Value::Array(items) => items.len() as f64,
            Value::Object(entries) => entries.len() as f64,
            Value::Number(number) => value::double(number),
            _ => return None,
        };
        match keyword {
            "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
                Some(size)
            }
            "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
                Some(-size)
            }
            _ => None,
        }
    }

    /// Whether a fault with this mark is the one that `old` was, and no worse.
    pub(crate) fn was(&self, old: &Self) -> bool {
        let no_further = match (self.beyond, old.beyond) {
            (Some(now), Some(then)) => now <= then,
            _ => true,
        };
        self.source == old.source
            && no_further
            && is_within(&self.names, &old.names)
            && match (&self.alternatives, &old.alternatives) {
                (Some(now), Some(then)) => fit_no_worse(now, then),
                (now, then) => now.is_none() && then.is_none(),
            }
    }
}

fn is_within(names: &[String], old: &[String]) -> bool {
    match names {
        [] => true,
        [only] => old.contains(only),
        several => {
            let old: HashSet<&String> = old.iter().collect();
            several.iter().all(|name| old.contains(name))
        }
    }
}

/// Whether alternatives that do not fit are not worse than before: the smallest number of faults of
/// an alternative did not grow, and among those with that number one has no new fault.
fn fit_no_worse(now: &[Vec<Fault>], then: &[Vec<Fault>]) -> bool {
    let fewest = |all: &[Vec<Fault>]| all.iter().map(Vec::len).min();
    let nearest = fewest(now);
    let is_further = nearest > fewest(then);
    let mut pairs = now.iter().zip(then);
    !is_further
        && pairs.any(|(now, then)| {
            let known = Known::new(then, true);
            Some(now.len()) == nearest && now.iter().all(|fault| known.has(fault))
        })
}

/// Faults that were there before.
pub(crate) struct Known<'f> {
    marks: HashMap<(&'f Pointer, &'f str), Vec<&'f Mark>>,
    is_exact: bool,
}

impl<'f> Known<'f> {
    /// Under the first rules (not `is_exact`) faults are the same when place and keyword agree.
    pub(crate) fn new(old: &'f [Fault], is_exact: bool) -> Self {
        let mut marks: HashMap<_, Vec<_>> = HashMap::new();
        for fault in old {
            let place = (fault.compared_at(), &*fault.mark.keyword);
            marks.entry(place).or_default().push(&fault.mark);
        }
        Self { marks, is_exact }
    }

    /// Whether a fault is one of them, and no worse.
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        let same = self.marks.get(&(fault.compared_at(), &*fault.mark.keyword));
        let mut same = same.into_iter().flatten();
        same.any(|old| !self.is_exact || fault.mark.was(old))
    }
}

impl ScalarFault {
    pub(crate) fn new(keyword: &'static str, message: impl Into<String>) -> Self {
        Self {
            keyword,
            bound: None,
            message: message.into(),
        }
    }

    /// The fault of a value at its place.
    pub(crate) fn of(self, value: &Value, pointer: Pointer) -> Fault {
        let beyond = Mark::reach(self.keyword, value);
        let mut fault = self.at(pointer);
        fault.mark.beyond = beyond;
        fault
    }

    /// The fault of a value that has none of these types.
    pub(crate) fn types(types: Types) -> Self {
        Self::new("type", format!("must be {types}")).bound(types.names().collect())
    }

    /// Adds what the schema states, numbers as they are written shortest: 10, not 10.0.
    pub(crate) fn bound(self, bound: Value) -> Self {
        let bound = Some(value::normal(&bound));
        Self { bound, ..self }
    }

    /// The fault at its place.
    pub fn at(self, pointer: Pointer) -> Fault {
        let mut fault = Fault::new(pointer, self.keyword, self.message);
        fault.bound = self.bound;
        fault
    }
}

impl fmt::Display for ScalarFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Fault {
    /// The place by which it is compared with other faults.
    pub(crate) fn compared_at(&self) -> &Pointer {
        self.mark.pointer.as_ref().unwrap_or(&self.pointer)
    }

    /// The fault, at a place.
    pub fn new(
        pointer: Pointer,
        keyword: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        let (keyword, message) = (keyword.into(), message.into());
        Self {
            pointer,
            bound: None,
            mark: Mark {
                keyword: keyword.clone(),
                // What a single value must be does not say what it is.
                source: message.clone(),
                ..Mark::default()
            },
            keyword,
            message,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}
