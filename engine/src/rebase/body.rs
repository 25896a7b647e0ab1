//! A body that was made from a value under an earlier policy, under the names of now.
//!
//! What a replica does with its edits when the schema has changed, for those who send values: names
//! are followed as the entity migrated, and what equals the base is not an edit, whether the schema
//! still has a place for it or not.
//! Invariant: what the body changes ends up in the result or among the violations.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::names::{Unplaced, is_said};
use super::schema_map::SchemaMap;
use crate::entity::Entity;
use crate::id::Hash;
use crate::merge::{Base, violation};
use crate::pointer::Pointer;
use crate::policy::Policy;
use crate::violation::{Rule, VIOLATIONS_MAX, Violation};

/// What the author of a body had read when making it.
#[derive(Debug)]
pub struct Read {
    /// The policy that held then.
    pub policy: Arc<Policy>,
    /// The heads of the state.
    pub heads: Vec<Hash>,
    /// The stamps that were presented with it.
    pub stamps: Map<String, Value>,
    /// The value without stamps, where the state is of an epoch that is over: the document of now
    /// knows nothing of its heads.
    pub value: Option<Map<String, Value>>,
}

/// A body that can be merged now.
#[derive(Debug)]
pub struct Followed {
    /// The body.
    pub body: Value,
    /// The value that it was made from.
    pub base: Base,
    /// Places that are to stay as they are.
    pub preserve: Vec<Pointer>,
    /// Places that are to be emptied.
    pub remove: Vec<Pointer>,
    /// What the body has where the schema has no place any more, in places that are to stay.
    pub preserved: Vec<Pointer>,
    /// What the body changes where the schema has no place any more, and fields of which it says
    /// one thing under a former name and another under the present one.
    pub lost: Vec<Violation>,
}

impl Read {
    /// Takes a body, and the places that it is to preserve and to remove, over to the policy of
    /// `entity`. All of them may use former names and present ones.
    ///
    /// # Errors
    /// The first of the heads that is not in the document.
    pub fn follow(
        self,
        entity: &Entity,
        body: &Value,
        (preserve, remove): (&[Pointer], &[Pointer]),
    ) -> Result<Followed, Hash> {
        let is_elsewhere = self.value.is_some();
        let value = match self.value {
            Some(mut value) => {
                value.extend(self.stamps);
                value
            }
            None => entity.presented_under(&self.policy, &self.heads, self.stamps)?,
        };
        let schema_map = SchemaMap::new(&self.policy, entity.policy());
        let roots = (self.policy.root(), entity.policy().root());
        let (base, had) = schema_map.rename(roots, value);
        let (body, unplaced) = match body {
            Value::Object(body) => {
                let (body, unplaced) = schema_map.rename_body(roots, body.clone(), Some(&base));
                (Value::Object(body), unplaced)
            }
            other => (other.clone(), Vec::new()),
        };
        let (mut preserved, mut lost) = (Vec::new(), Vec::new());
        let mut follow = |places: &[Pointer]| -> Vec<(Pointer, Pointer)> {
            let followed = places.iter().filter_map(|at| match schema_map.follow(at) {
                // What is not there any more need be neither kept nor removed.
                Ok(now) => Some((at.clone(), now?)),
                Err(whole) => {
                    lost.push(one_value(at, &whole));
                    None
                }
            });
            followed.collect()
        };
        let (kept, removed) = (follow(preserve), follow(remove));
        let kept: Vec<Pointer> = kept.into_iter().map(|(_, now)| now).collect();
        for one in changed(&unplaced, &had, &self.policy) {
            let is_kept = preserve.iter().any(|at| at.contains(&one.told))
                || kept.iter().any(|at| at.contains(&one.at));
            match is_kept {
                // The merge reports a field with two names.
                true if one.rival.is_some() => {}
                true => preserved.push(one.told.clone()),
                false if lost.len() < VIOLATIONS_MAX => lost.push(one.violation()),
                false => {}
            }
        }
        for (at, now) in removed.iter().filter(|(at, now)| at != now) {
            let given = entity.policy().value_at(&body, now);
            if let Some(value) = given.filter(|value| !value.is_null()) {
                let message = format!("it is {now} now, for which the body has a value");
                let rule = Rule::UNKNOWN_FIELD;
                lost.push(violation(at, rule, &message, Some(value), None));
            }
        }
        Ok(Followed {
            body,
            base: Base {
                value: Value::Object(base),
                heads: match is_elsewhere {
                    true => Vec::new(),
                    false => self.heads,
                },
                earlier: schema_map.earlier(),
            },
            preserve: kept,
            remove: removed.into_iter().map(|(_, now)| now).collect(),
            preserved,
            lost,
        })
    }
}

impl Unplaced {
    fn violation(&self) -> Violation {
        let message = match &self.rival {
            Some(now) => format!(
                "the field is called {now:?} now, and the body says something else of it under \
                 that name"
            ),
            None => "the schema has no place for it any more".to_owned(),
        };
        let (at, rule) = (&self.told, Rule::UNKNOWN_FIELD);
        violation(at, rule, &message, Some(&self.value), None)
    }
}

/// A place to be kept or removed in a field that had parts and is one value now, as a body's edits
/// there replace all of it.
fn one_value(at: &Pointer, whole: &Pointer) -> Violation {
    let message =
        format!("it is to be kept or removed, and {whole} is kept as one value now: name {whole}");
    violation(at, Rule::UNKNOWN_FIELD, &message, None, None)
}

/// Those of the body's values without a place that say something else than the base.
fn changed<'u>(
    body: &'u [Unplaced],
    base: &'u [(Pointer, Value)],
    policy: &'u Arc<Policy>,
) -> impl Iterator<Item = &'u Unplaced> {
    let had: HashMap<&Pointer, &Value> = base.iter().map(|(at, value)| (at, value)).collect();
    body.iter().filter(move |one| {
        let had = had.get(&one.at).filter(|_| !one.is_new);
        match had {
            _ if one.rival.is_some() => true,
            Some(had) => !is_said((policy, one.old), &one.value, Some(had)),
            None => !one.value.is_null(),
        }
    })
}
