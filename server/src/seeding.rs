//! The content that a fresh store begins with.
//!
//! Invariant: content is created by `system`, through the same mailboxes as everything else, once
//! per kind: a kind that was seeded is left alone for ever, even when it is empty again. A start
//! that was cut short is taken up where it ended, because every creation has an id that follows
//! from its entity's name.
//!
//! Must not know: where content files lie.

use std::sync::Arc;

use indelible_engine::id::{EntityId, Epoch, Hash, IdError, Kind, ProposalId};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::violation::{Refusal, Violation};
use serde_json::{Map, Value};

use crate::relay::{Answer, Hub, Outcome, Task, Write, WriteError};
use crate::schema_files::Content;
use crate::storage::StoreError;

/// Why the initial content could not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum SeedingError {
    /// Content for something that the schema does not have.
    #[error("there is content for {0}, but no such kind in the schema")]
    UnknownKind(Kind),
    /// A content file of the wrong form.
    #[error("the content of {kind} has to be {expected}")]
    Form {
        /// Which kind.
        kind: Kind,
        /// What it has to be.
        expected: &'static str,
    },
    /// An id in a content file that cannot be one.
    #[error("the content of {kind} holds an id that cannot be used")]
    Id {
        /// Which kind.
        kind: Kind,
        /// What is wrong with it.
        source: IdError,
    },
    /// A value that breaks the schema's rules.
    #[error("the content of {entity} breaks the schema: {}", all(violations))]
    Refused {
        /// Which entity.
        entity: EntityId,
        /// Which rules.
        violations: Vec<Violation>,
    },
    /// A value that could not be stored.
    #[error("the content of {entity} cannot be stored: {reason}")]
    Failed {
        /// Which entity.
        entity: EntityId,
        /// Why.
        reason: String,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn all(violations: &[Violation]) -> String {
    let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Puts the content in place where it was not yet, and makes the singletons.
///
/// # Errors
/// [`SeedingError`]; what was created before it stays.
pub(crate) async fn seed(hub: &Hub, mut content: Content) -> Result<(), SeedingError> {
    let policies: Vec<Arc<Policy>> = hub.policies().iter().cloned().collect();
    for policy in &policies {
        let content = content.remove(policy.kind());
        let note = format!("seeded/{}", policy.kind());
        if hub.store().note(&note)?.is_some() {
            continue;
        }
        for (id, value) in values(policy, content)? {
            create(hub, policy, id.as_deref(), value).await?;
        }
        hub.store().set_note(&note, b"1")?;
    }
    match content.into_keys().next() {
        Some(kind) => Err(SeedingError::UnknownKind(kind)),
        None => Ok(()),
    }
}

/// What to begin with, by id; `None`: the schema's defaults, since the content says nothing.
type Values = Vec<(Option<String>, Option<Value>)>;

fn values(policy: &Policy, content: Option<Value>) -> Result<Values, SeedingError> {
    let form = |expected| SeedingError::Form {
        kind: policy.kind().clone(),
        expected,
    };
    if policy.is_singleton() {
        return Ok(vec![(None, content)]);
    }
    match content {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) => Ok(map
            .into_iter()
            .map(|(id, value)| (Some(id), Some(value)))
            .collect()),
        Some(_) => Err(form("an object of values by id")),
    }
}

async fn create(
    hub: &Hub,
    policy: &Policy,
    id: Option<&str>,
    content: Option<Value>,
) -> Result<(), SeedingError> {
    let kind = policy.kind().clone();
    let entity =
        EntityId::new(kind.clone(), id).map_err(|source| SeedingError::Id { kind, source })?;
    let Hash(hash) = Hash::of(&[b"indelible/seeding/1\0", entity.to_string().as_bytes()]);
    let (proposal, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    let origin = match &content {
        Some(_) => "created from the initial content",
        None => "created with the defaults of its schema: there is no initial content for it",
    };
    let value = content.unwrap_or_else(|| Value::Object(Map::new()));
    let write = |reply| Write {
        id: ProposalId(*proposal),
        author: Principal::system(),
        session: None,
        address: None,
        task: Task::Create {
            value,
            claimed: None,
        },
        answer: Answer::Waiting(reply),
    };
    match hub.write(&entity, write).await {
        Outcome::Written(written) => {
            debug_assert_eq!(written.epoch, Epoch::FIRST);
            tracing::info!(%entity, "{origin}");
            Ok(())
        }
        Outcome::Unchanged(_) => Ok(()),
        Outcome::Refused(Refusal { violations, .. }) => {
            Err(SeedingError::Refused { entity, violations })
        }
        Outcome::Failed(error) => {
            let reason = match error {
                WriteError::Storage => "the store cannot take it".to_owned(),
                other => other.to_string(),
            };
            Err(SeedingError::Failed { entity, reason })
        }
    }
}
