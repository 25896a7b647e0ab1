//! Describes a change of the schema: a place that only has a new name is described as renamed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Description, What, describe, place};
use crate::effects::Effect;
use crate::history::blame::Turn;
use crate::pointer::Pointer;
use crate::policy::{Policy, Presented};

/// Describes the effects of an entry that migrated an entity from one schema to another. `before`
/// and `after` are the values (without stamps) around it.
#[must_use]
pub fn describe_migration(
    (old, new): (&Arc<Policy>, &Arc<Policy>),
    effects: &[Effect],
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Description> {
    let renamed = renamed((old, new), effects, before, after);
    let names: HashSet<&[String]> = renamed
        .iter()
        .flat_map(|(now, was)| [now.tokens(), was.tokens()])
        .collect();
    let is_told = |description: &Description| {
        let tokens = description.pointer.tokens();
        (1..=tokens.len()).any(|length| names.contains(&tokens[..length]))
    };
    let mut descriptions: Vec<Description> = renamed
        .iter()
        .map(|(now, was)| Description {
            path: place::path(new, now, None, None),
            what: What::Renamed {
                from: was.clone(),
                was: place::path(old, was, None, None),
            },
            pointer: now.clone(),
        })
        .collect();
    let others = describe(new, effects, Some(before.clone()));
    descriptions.extend(
        others
            .into_iter()
            .filter(|description| !is_told(description)),
    );
    descriptions
}

/// The outermost places that only have a new name, with their former names.
fn renamed(
    (old, new): (&Arc<Policy>, &Arc<Policy>),
    effects: &[Effect],
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> BTreeMap<Pointer, Pointer> {
    let turn = Turn::new(0, old, new);
    let mut values = (Presented::new(old, before), Presented::new(new, after));
    let mut looked: HashSet<&[String]> = HashSet::new();
    let mut found: BTreeMap<Pointer, Pointer> = BTreeMap::new();
    for effect in effects {
        let tokens = effect.pointer.tokens();
        for length in 1..=tokens.len() {
            if !looked.insert(&tokens[..length]) {
                continue;
            }
            let now: Pointer = tokens[..length].iter().cloned().collect();
            let Some(was) = turn.before(&now).filter(|was| was.last() != now.last()) else {
                continue;
            };
            let value = values.1.get(&now);
            if value.is_some() && values.0.get(&was) == value {
                found.insert(now, was);
            }
        }
    }
    let all = found.clone();
    found.retain(|now, _| {
        let above = (1..now.tokens().len()).map(|length| now.tokens()[..length].iter().cloned());
        !above
            .map(Pointer::from_iter)
            .any(|above| all.contains_key(&above))
    });
    found
}
