//! Elements that an author writes twice into a list whose elements must differ.
//!
//! A list may hold an element twice because two people each moved it; neither is to blame,
//! and it is presented once. So what counts is what the author of a change saw: no element may
//! be twice in the list as they see it after their own changes that was not before.

use std::collections::{BTreeMap, HashMap, HashSet};

use automerge::{Automerge, ChangeHash, ObjId};
use serde_json::Value;

use super::judge::Touched;
use crate::change::ParsedChange;
use crate::document::Reader;
use crate::excerpt::Short;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy};
use crate::violation::{Rule, Violation};

/// The elements that `passed` changes, which `doc` holds, doubled.
pub(super) fn doubled(
    doc: &Automerge,
    policy: &Policy,
    passed: &[(ParsedChange, Touched)],
) -> Vec<Violation> {
    let lists: BTreeMap<&Pointer, &(ObjId, NodeId)> = passed
        .iter()
        .flat_map(|(_, touched)| &touched.lists)
        .collect();
    if lists.is_empty() {
        return Vec::new();
    }
    let deps = passed.iter().flat_map(|(change, _)| change.deps()).copied();
    let deps: HashSet<ChangeHash> = deps.collect();
    let own: HashSet<ChangeHash> = passed
        .iter()
        .map(|(change, _)| change.raw().hash())
        .collect();
    let before: Vec<ChangeHash> = deps.difference(&own).copied().collect();
    let after: Vec<ChangeHash> = own.difference(&deps).copied().collect();
    let mut found = Vec::new();
    for (pointer, (object, element)) in lists {
        let at = |heads| Reader::at(doc, policy, heads).stored_list(object, *element);
        let (was, is) = (at(&before), at(&after));
        let (was, counts) = (counts(&was), counts(&is));
        let double = is.iter().find(|value| {
            let before = was.get(value).copied().unwrap_or(0);
            counts
                .get(value)
                .is_some_and(|count| *count > before.max(1))
        });
        found.extend(double.map(|value| Violation {
            change: 0,
            ops: Vec::new(),
            pointer: pointer.clone(),
            rule: Rule::keyword("uniqueItems"),
            attempted: Some(value.clone()),
            kept: None,
            holder: None,
            bound: Some(Value::Bool(true)),
            message: format!("must not hold {} twice", Short(&value.to_string())),
        }));
    }
    found
}

/// How often each element is in a list.
fn counts(elements: &[Value]) -> HashMap<&Value, usize> {
    let mut counts = HashMap::with_capacity(elements.len());
    for element in elements {
        *counts.entry(element).or_default() += 1;
    }
    counts
}
