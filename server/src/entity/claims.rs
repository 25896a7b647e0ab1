//! Rebuilds the claims of `unique` fields from the values that claim them.
//!
//! Invariant: afterwards the store's claims are those of the present values, under the present
//! schema's fields; a kind whose claims are up to date is not read.

use std::collections::BTreeMap;

use indelible_engine::claims::{held, signature};
use indelible_engine::id::{EntityId, Hash};
use indelible_engine::policy::{Policy, PolicySource};

use super::loading;
use crate::context::Context;
use crate::storage::{Ledger, Presence, Scope, StoreResult};

/// Rebuilds the claims of all kinds whose claims are not known: after an update, after the caches
/// were rebuilt, or when the schema has changed.
///
/// # Errors
/// When the store cannot be read or written. An entity that cannot be loaded is left out, and
/// logged; it cannot be edited either.
pub(crate) fn restore(context: &Context) -> StoreResult<()> {
    let (store, known) = (&*context.store, &*context.known);
    for policy in context.policies.iter() {
        let (kind, wanted) = (policy.kind(), signature(policy));
        if store.claims_signature(kind)? == Some(wanted) {
            continue;
        }
        let claims = derive(store, policy, known)?;
        if !claims.is_empty() {
            tracing::info!(%kind, claims = claims.len(), "rebuilt the claims of a kind");
        }
        store.replace_claims(kind, wanted, &claims)?;
    }
    Ok(())
}

/// What all present entities of a kind claim. Two that have the same, which was possible before the
/// field was unique, both have it.
fn derive(
    store: &dyn Ledger,
    policy: &Policy,
    known: &dyn PolicySource,
) -> StoreResult<Vec<(Hash, EntityId)>> {
    let mut claims = Vec::new();
    let mut firsts = BTreeMap::new();
    if indelible_engine::claims::fields(policy).is_empty() {
        return Ok(Vec::new());
    }
    for (id, head) in store.heads(Scope::Kind(policy.kind()), None, usize::MAX)? {
        if head.presence != Presence::Present {
            continue;
        }
        let entity = match loading::load(store, &id, known) {
            Ok(Some(loaded)) => loaded.entity,
            Ok(None) => continue,
            Err(error) => {
                tracing::error!(entity = %id, %error, "an entity cannot be loaded for its claims");
                continue;
            }
        };
        for claim in held(policy, &entity.presented()) {
            let key = claim.key(policy.kind());
            claims.push((key, id.clone()));
            let first = firsts.entry(key).or_insert_with(|| id.clone());
            if *first != id {
                let (field, other) = (&claim.pointer, &*first);
                tracing::warn!(entity = %id, %field, %other, "a unique value is there twice");
            }
        }
    }
    Ok(claims)
}
