//! A change of the schema in words: what only has another name is told as that.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Telling, What, place, tell};
use crate::effects::Effect;
use crate::history::blame::Turn;
use crate::pointer::Pointer;
use crate::policy::{Policy, Presented};

/// Effects of an entry that took an entity from one schema to another, in words. `before` and
/// `after` are the values (without stamps) around it.
#[must_use]
pub fn tell_migration(
    (old, new): (&Arc<Policy>, &Arc<Policy>),
    effects: &[Effect],
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Telling> {
    let renamed = renamed((old, new), effects, before, after);
    let names: HashSet<&[String]> = renamed
        .iter()
        .flat_map(|(now, was)| [now.tokens(), was.tokens()])
        .collect();
    let is_told = |telling: &Telling| {
        let tokens = telling.pointer.tokens();
        (1..=tokens.len()).any(|length| names.contains(&tokens[..length]))
    };
    let mut tellings: Vec<Telling> = renamed
        .iter()
        .map(|(now, was)| Telling {
            path: place::path(new, now, None, None),
            what: What::Renamed {
                from: was.clone(),
                was: place::path(old, was, None, None),
            },
            pointer: now.clone(),
        })
        .collect();
    let others = tell(new, effects, Some(before.clone()));
    tellings.extend(others.into_iter().filter(|telling| !is_told(telling)));
    tellings
}

/// Places whose values only have another name, the outermost of each, with their former names.
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
