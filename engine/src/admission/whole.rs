//! Faults of the whole entity: what no single operation shows.
//!
//! Invariant: only faults that a proposal introduces count, so that an entity that a tightened
//! schema made invalid stays editable. Two faults are the same when place and keyword agree, and
//! since the third rules the place in the schema too; then a bound may not be broken further. Since
//! the fifth, how far one is broken, and by what, is reported for every keyword.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::entity::Standing;
use crate::pointer::Pointer;
use crate::policy::{Fault, Known, Policy, Rules, Shape};
use crate::violation::Rule;
use crate::violation::Violation;

/// The faults of the whole entity that are in `after` and were not in `before`.
pub(crate) fn introduced(before: &Standing, after: &Standing, creation: bool) -> Vec<Violation> {
    if !after.policy().has_whole_constraints() {
        return Vec::new();
    }
    let mut faults = faults_of(after.policy(), &after.presented());
    if !faults.is_empty() && !creation {
        let old = faults_of(before.policy(), &before.presented());
        let is_exact = after.policy().rules() >= Rules::V3;
        let known = Known::new(&old, is_exact);
        let shifted = Shifted::new(after.policy(), &old, &faults);
        let is_new = |fault: &&Fault| !known.has(fault) && !shifted.has(fault);
        faults = faults.iter().filter(is_new).cloned().collect();
    }
    faults
        .into_iter()
        .map(|fault| Violation {
            change: 0,
            ops: Vec::new(),
            kept: value_at(&before.presented(), after.policy(), &fault.pointer),
            attempted: value_at(&after.presented(), after.policy(), &fault.pointer),
            holder: None,
            pointer: fault.pointer,
            rule: Rule::keyword(&fault.keyword),
            bound: fault.bound,
            message: fault.message,
        })
        .collect()
}

/// Old faults of elements of lists of single values. Such an element has no name: its place is an
/// index, which an edit before it moves.
struct Shifted<'f> {
    policy: &'f Policy,
    /// By list and keyword, where there are no more faults than there were.
    old: HashMap<(Pointer, &'f str), Vec<&'f Fault>>,
}

impl<'f> Shifted<'f> {
    fn new(policy: &'f Policy, old: &'f [Fault], now: &'f [Fault]) -> Self {
        let of_elements = |faults: &'f [Fault]| {
            let mut found: HashMap<_, Vec<_>> = HashMap::new();
            for fault in faults {
                if let Some(list) = list_around(policy, &fault.pointer) {
                    let place = (list, &*fault.keyword);
                    found.entry(place).or_default().push(fault);
                }
            }
            found
        };
        let now = of_elements(now);
        let mut old = of_elements(old);
        old.retain(|place, faults| now.get(place).is_some_and(|now| now.len() <= faults.len()));
        Self { policy, old }
    }

    fn has(&self, fault: &Fault) -> bool {
        let list = list_around(self.policy, &fault.pointer);
        let old = list.and_then(|list| self.old.get(&(list, &*fault.keyword)));
        let mut old = old.into_iter().flatten();
        old.any(|old| fault.mark.was(&old.mark))
    }
}

/// The list of single values that a place is an element of.
fn list_around(policy: &Policy, element: &Pointer) -> Option<Pointer> {
    let list = element.parent()?;
    let node = policy.find(&list)?;
    matches!(policy.node(node).shape, Shape::List { .. }).then_some(list)
}

/// What in the named fields of `after` is longer than it may be where the schema states no
/// maximum. What makes it shorter passes, so that it can be mended.
pub(crate) fn overlong(
    before: &Standing,
    after: &Standing,
    names: &BTreeSet<&String>,
) -> Vec<Violation> {
    let mut found = after.policy().overlong(after.value(), names);
    if !found.is_empty() {
        let old = before.policy().overlong(before.value(), names);
        found.retain(|now| {
            let was = old.iter().find(|was| was.is_about(&now.fault));
            was.is_none_or(|was| was.count < now.count)
        });
    }
    let found = found.into_iter().map(|overlong| overlong.fault);
    found
        .map(|fault| Violation {
            change: 0,
            ops: Vec::new(),
            kept: None,
            attempted: None,
            holder: None,
            pointer: fault.pointer,
            rule: Rule::keyword(&fault.keyword),
            bound: fault.bound,
            message: fault.message,
        })
        .collect()
}

/// All faults of a value.
#[cfg(feature = "whole-entity")]
fn faults_of(policy: &Policy, value: &Value) -> Vec<Fault> {
    policy.check_whole(value)
}

/// The faults of single values, texts and counters: a client without the validator leaves what
/// needs the whole (`required`, cross-field rules) to the server.
#[cfg(not(feature = "whole-entity"))]
fn faults_of(policy: &Policy, value: &Value) -> Vec<Fault> {
    policy.check_values(value)
}

/// The scalar at a pointer that names items by id; containers are too much for a report.
fn value_at(value: &Value, policy: &Policy, pointer: &Pointer) -> Option<Value> {
    let value = policy.value_at(value, pointer)?;
    (!value.is_object() && !value.is_array()).then(|| value.clone())
}
