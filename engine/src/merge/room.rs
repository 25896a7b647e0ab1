//! Bodies that no entity has room for, which are refused before they cost a merge.

use serde_json::{Map, Value};

use super::{MergeError, MergeOptions};
use crate::entity::Entity;
use crate::policy::{NodeId, Policy};
use crate::principal::Principal;
use crate::value;

/// Refuses a body whose fields, as far as its author may write them, take more than an entity may
/// hold and more than it holds now. (What it holds afterwards is no less: a merge writes all of
/// them.)
pub(super) fn check(
    entity: &Entity,
    author: &Principal,
    body: &Value,
    options: &MergeOptions,
) -> Result<(), MergeError> {
    let Value::Object(body) = body else {
        return Ok(());
    };
    let max = options.limits.entity_bytes_max;
    // A body that is small in any case is not weighed twice.
    if value::size(body) <= max {
        return Ok(());
    }
    let bytes = value::size(written(entity.policy(), author, body, options));
    let is_too_large = bytes > max && bytes > value::size(&**entity.value());
    match is_too_large {
        true => Err(MergeError::TooLarge { bytes, max }),
        false => Ok(()),
    }
}

/// The fields of a body that a merge takes over.
fn written<'a>(
    policy: &'a Policy,
    author: &'a Principal,
    body: &'a Map<String, Value>,
    options: &'a MergeOptions,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let rights = match options.creation {
        true => policy.rights_at_creation(author),
        false => policy.rights(author),
    };
    let is_kept = move |name: &str| {
        let mut preserved = options.preserve.iter();
        preserved.any(|at| at.tokens().first().is_some_and(|first| first == name))
    };
    body.iter().filter(move |(name, _)| {
        let field = policy.child(NodeId::ROOT, name);
        field.is_some_and(|field| rights.denied(field, options.creation).is_none())
            && !is_kept(name)
    })
}
