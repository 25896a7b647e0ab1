//! Describes a change of the schema: a field with a new name is described as renamed, and what
//! changed in it besides as changes under that name.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Description, What, describe, differences, place};
use crate::effects::{Effect, effects};
use crate::history::blame::{Renamed, SchemaChange};
use crate::policy::{Policy, Presented};

/// Describes the effects of an entry that migrated an entity from one schema to another. `before`
/// and `after` are the values (without stamps) around it.
#[must_use]
pub fn describe_migration(
    (old, new): (&Arc<Policy>, &Arc<Policy>),
    found: &[Effect],
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Description> {
    let Renamed { value, mut names } = SchemaChange::new(0, old, new).renamed(before);
    let places = found.iter().flat_map(|effect| {
        let tokens = effect.pointer.tokens();
        (1..=tokens.len()).map(|length| &tokens[..length])
    });
    let touched: HashSet<&[String]> = places.collect();
    let mut present = Presented::new(new, after);
    names.retain(|(now, _)| touched.contains(now.tokens()) && present.get(now).is_some());
    if names.is_empty() {
        return describe(new, found, Some(before.clone()));
    }
    let mut descriptions: Vec<Description> = names
        .into_iter()
        .map(|(now, was)| Description {
            path: place::path(new, &now, None, None),
            what: What::Renamed {
                was: place::path(old, &was, None, None),
                from: was,
            },
            pointer: now,
        })
        .collect();
    let rest = effects(new, &value, after);
    descriptions.extend(describe(new, &rest, Some(value)));
    descriptions
}

/// Describes what differs between two values, which may lie under different schemas.
#[must_use]
pub fn differences_between(
    (old, before): (&Arc<Policy>, &Map<String, Value>),
    (new, after): (&Arc<Policy>, &Map<String, Value>),
) -> Vec<Description> {
    if old.hash() == new.hash() {
        return differences(new, before, after);
    }
    describe_migration((old, new), &effects(new, before, after), before, after)
}
