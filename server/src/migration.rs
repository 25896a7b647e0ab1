//! Migrates the entities of a kind to a new version of its schema, when the server starts.
//!
//! Invariant: nothing is written before every entity of every changed kind is known to migrate. An
//! entry migrates one entity; a start that is cut short is finished by the next, with whichever schema,
//! because an entity's own log says which policy it is under.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use indelible_engine::admission::Admitted;
use indelible_engine::history::Derived;
use indelible_engine::id::{EntityId, Hash, Kind};
use indelible_engine::migration::{MigrationError, migrate};
use indelible_engine::policy::{Policies, Policy, PolicyBook};

use crate::clock;
use crate::commit::{CommitError, CommitHandle};
use crate::context::Context;
use crate::entity::{self, LoadingError};
use crate::storage::{Append, NewEntry, Scope, Store, StoreError};

/// Entities that are looked at or written at once.
const AT_ONCE: usize = 64;
/// Entities that are named with one reason, and reasons in one message.
const NAMED_MAX: usize = 5;
const REASONS_MAX: usize = 20;

/// Why the entities of a store are not migrated to the present schemas.
#[derive(Debug, thiserror::Error)]
pub enum SchemaChangeError {
    /// The new schema of a kind cannot follow the old one, or not with what entities hold.
    #[error(
        "the schema of {kind} has changed, and {} cannot follow; nothing was written:\n{}",
        counted(.entities.len()),
        lines(.entities)
    )]
    Refused {
        /// Which kind.
        kind: Kind,
        /// The entities that cannot migrate, and why.
        entities: Vec<(EntityId, MigrationError)>,
    },
    /// An entity cannot be read.
    #[error("{entity} cannot be read")]
    Unreadable {
        /// Which entity.
        entity: EntityId,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The migration of an entity cannot be written.
    #[error("{entity} cannot be written")]
    Commit {
        /// Which entity.
        entity: EntityId,
        /// Why.
        source: Box<CommitError>,
    },
}

fn counted(entities: usize) -> String {
    match entities {
        1 => "1 entity".to_owned(),
        more => format!("{more} entities"),
    }
}

fn lines(entities: &[(EntityId, MigrationError)]) -> String {
    let mut reasons: Vec<(String, Vec<&EntityId>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (id, error) in entities {
        let reason = error.to_string();
        let place = *places.entry(reason.clone()).or_insert(reasons.len());
        match reasons.get_mut(place) {
            Some((_, ids)) => ids.push(id),
            None => reasons.push((reason, vec![id])),
        }
    }
    let mut lines: Vec<String> = reasons.iter().take(REASONS_MAX).map(line).collect();
    if reasons.len() > REASONS_MAX {
        let rest = reasons[REASONS_MAX..].iter().map(|(_, ids)| ids.len());
        lines.push(format!(
            "  and {} more, for other reasons",
            rest.sum::<usize>()
        ));
    }
    lines.join("\n")
}

/// One reason, and some of the entities that it holds for.
fn line((reason, ids): &(String, Vec<&EntityId>)) -> String {
    let named: Vec<String> = ids
        .iter()
        .take(NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    let more = match ids.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("  {}{more}: {reason}", named.join(", "))
}

/// What a migration needs.
struct Parts<'a> {
    store: Arc<dyn Store>,
    commit: CommitHandle,
    /// The present policies.
    policies: &'a Policies,
    /// These and those of the past.
    known: Arc<PolicyBook>,
}

/// Migrates every entity of every kind whose schema has changed to the present schema.
///
/// # Errors
/// [`SchemaChangeError`]. When it is [`SchemaChangeError::Refused`], nothing was written.
pub(crate) async fn run(context: &Context) -> Result<(), SchemaChangeError> {
    let parts = Parts {
        store: Arc::clone(&context.store),
        commit: context.commit.clone(),
        policies: &context.policies,
        known: Arc::clone(&context.known),
    };
    let changed: Vec<&Arc<Policy>> = {
        let mut changed = Vec::new();
        for policy in parts.policies.iter() {
            let known = parts.store.note(&note(policy))?;
            if known.as_deref() != Some(policy.hash().as_bytes()) {
                changed.push(policy);
            }
        }
        changed
    };
    let mut waiting = Vec::new();
    for policy in &changed {
        waiting.push(parts.find(policy).await?);
    }
    for (policy, entities) in changed.into_iter().zip(waiting) {
        parts.migrate_all(policy, entities).await?;
    }
    Ok(())
}

/// Under which name the store says which policy all entities of a kind are under.
fn note(policy: &Policy) -> String {
    format!("schema/{}", policy.kind())
}

impl Parts<'_> {
    /// The entities of a kind that are under another policy, all of which can migrate.
    async fn find(&self, policy: &Arc<Policy>) -> Result<Vec<EntityId>, SchemaChangeError> {
        let kind = policy.kind();
        let heads = self.store.heads(Scope::Kind(kind), None, usize::MAX)?;
        let looked: Vec<(EntityId, Result<bool, MigrationError>)> = stream::iter(heads)
            .map(|(id, _)| async {
                let step = self.step(&id, policy).await?;
                Ok::<_, SchemaChangeError>((id, step.map(|step| step.is_some())))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let (mut entities, mut refused) = (Vec::new(), Vec::new());
        for (id, step) in looked {
            match step {
                Ok(true) => entities.push(id),
                Ok(false) => {}
                Err(error) => refused.push((id, error)),
            }
        }
        if refused.is_empty() {
            return Ok(entities);
        }
        Err(SchemaChangeError::Refused {
            kind: kind.clone(),
            entities: refused,
        })
    }

    /// What migrates an entity; `None` where it is under the policy already.
    async fn step(
        &self,
        id: &EntityId,
        policy: &Arc<Policy>,
    ) -> Result<Result<Option<Admitted>, MigrationError>, SchemaChangeError> {
        let (store, known) = (Arc::clone(&self.store), Arc::clone(&self.known));
        let (entity, policy) = (id.clone(), Arc::clone(policy));
        let task = tokio::task::spawn_blocking(move || {
            let loaded = entity::load(&*store, &entity, &*known)?;
            let step = loaded.map_or(Ok(None), |loaded| {
                migrate(&loaded.entity, &policy, clock::now())
            });
            Ok::<_, LoadingError>(step)
        });
        let unreadable = |source| SchemaChangeError::Unreadable {
            entity: id.clone(),
            source,
        };
        match task.await {
            Ok(Ok(step)) => Ok(step),
            Ok(Err(error)) => Err(unreadable(error.into())),
            Err(error) => Err(unreadable(error.into())),
        }
    }

    async fn migrate_all(
        &self,
        policy: &Arc<Policy>,
        entities: Vec<EntityId>,
    ) -> Result<(), SchemaChangeError> {
        let number = entities.len();
        if number > 0 {
            // From here on, and until the end, no policy is that of all entities.
            self.store.set_note(&note(policy), b"")?;
            let kind = policy.kind();
            // Claims follow from values: they are rebuilt when all entities are migrated.
            self.store.replace_claims(kind, Hash::ZERO, &[])?;
            tracing::info!(%kind, policy = %policy.hash(), entities = number, "the schema has changed");
        }
        stream::iter(entities)
            .map(|id| self.write(id, policy))
            .buffer_unordered(AT_ONCE)
            .try_for_each(|()| async { Ok(()) })
            .await?;
        self.store
            .set_note(&note(policy), policy.hash().as_bytes())?;
        if number > 0 {
            let kind = policy.kind();
            tracing::info!(%kind, entities = number, "all entities follow the new schema");
        }
        Ok(())
    }

    async fn write(&self, id: EntityId, policy: &Arc<Policy>) -> Result<(), SchemaChangeError> {
        let step = self.step(&id, policy).await?;
        let step = step.map_err(|error| SchemaChangeError::Refused {
            kind: policy.kind().clone(),
            entities: vec![(id.clone(), error)],
        })?;
        let Some(step) = step else { return Ok(()) };
        let effects = Derived::encode(step.effects(), step.conflicts());
        let (_, draft, _) = step.into_parts();
        let mut request = Append::new(id.clone());
        request.entries.push(NewEntry {
            draft,
            effects: Some(effects),
        });
        let written = self.commit.commit(request).await;
        written.map_err(|error| {
            let source = Box::new(error);
            SchemaChangeError::Commit { entity: id, source }
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Guards against the same reason once for every entity, which hides all others.

    use super::*;

    #[test]
    fn a_reason_is_said_once_with_some_of_its_entities() {
        let refused = |name: String, reason: &str| {
            let id: EntityId = name.parse().unwrap();
            (id, MigrationError::Document(reason.to_owned()))
        };
        let mut entities: Vec<_> = (0..7)
            .map(|index| refused(format!("team/t{index}"), "one"))
            .collect();
        entities.insert(3, refused("team/other".to_owned(), "two"));
        assert_eq!(
            lines(&entities),
            "  team/t0, team/t1, team/t2, team/t3, team/t4 and 2 more: the change cannot be made: one\n  \
             team/other: the change cannot be made: two"
        );
    }
}
