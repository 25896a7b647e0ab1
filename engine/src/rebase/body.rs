//! A body that was made from a value under an earlier policy, under the names of now.
//!
//! What a replica does with its edits when the schema has changed, for those who send values: names
//! are followed as the entity went over, and what equals the base is no edit, whether the schema
//! still has a place for it or not.
//! Invariant: what the body changes ends up in the result or among the violations.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::passage::Passage;
use crate::entity::Entity;
use crate::id::Hash;
use crate::merge::{Base, repeats_value, violation};
use crate::pointer::Pointer;
use crate::policy::Policy;
use crate::violation::{Rule, VIOLATIONS_MAX, Violation};

/// What somebody had read when they made a body.
#[derive(Debug)]
pub struct Read {
    /// The policy that held then.
    pub policy: Arc<Policy>,
    /// The heads of the state.
    pub heads: Vec<Hash>,
    /// The stamps that were presented with it.
    pub stamps: Map<String, Value>,
}

/// A body that can be merged now.
#[derive(Debug)]
pub struct Followed {
    /// The body.
    pub body: Value,
    /// The value that it was made from.
    pub base: Base,
    /// Places that were named with it.
    pub places: Vec<Vec<Pointer>>,
    /// What the body changes where the schema has no place any more.
    pub lost: Vec<Violation>,
}

impl Read {
    /// Takes a body, and lists of places that are named with it, over to the policy of `entity`.
    ///
    /// # Errors
    /// The first of the heads that is not in the document.
    pub fn follow(
        self,
        entity: &Entity,
        body: &Value,
        places: &[&[Pointer]],
    ) -> Result<Followed, Hash> {
        let value = entity.presented_under(&self.policy, &self.heads, self.stamps)?;
        let is_former = self.policy.hash() != entity.policy().hash();
        let passage = Passage::new(&self.policy, entity.policy());
        let roots = (self.policy.root(), entity.policy().root());
        let (base, had) = passage.rename(roots, value);
        let (body, lost) = match body {
            Value::Object(body) => {
                let (body, removed) = passage.rename(roots, body.clone());
                (Value::Object(body), changed(&removed, &had))
            }
            other => (other.clone(), Vec::new()),
        };
        let follow = |places: &&[Pointer]| {
            // What is not there any more need be neither kept nor removed.
            let followed = places.iter().filter_map(|at| passage.follow(at));
            followed.collect()
        };
        Ok(Followed {
            body,
            base: Base {
                value: Value::Object(base),
                heads: self.heads,
                is_former,
            },
            places: places.iter().map(follow).collect(),
            lost,
        })
    }
}

/// Those of the body's values without a place that say something else than the base.
fn changed(body: &[(Pointer, Value)], base: &[(Pointer, Value)]) -> Vec<Violation> {
    let is_said = |(at, value): &&(Pointer, Value)| {
        let had = base.iter().find(|(place, _)| place == at);
        match had {
            Some((_, had)) => repeats_value(value, had, false),
            None => value.is_null(),
        }
    };
    let changed = body.iter().filter(|one| !is_said(one));
    changed
        .take(VIOLATIONS_MAX)
        .map(|(at, value)| {
            let message = "the schema has no place for it any more";
            violation(at, Rule::UNKNOWN_FIELD, message, Some(value), None)
        })
        .collect()
}
