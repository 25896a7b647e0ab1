//! The content that a fresh store begins with.
//!
//! Invariant: content is created by `system`, through the same mailboxes as everything else, once
//! per kind: a kind that was seeded is left alone for ever, even when it is empty again. A start
//! that was cut short is taken up where it ended, because every creation has an id that follows
//! from its entity's name.

use std::sync::Arc;

use indelible_engine::id::{EntityId, Epoch, Hash, IdError, Kind, ProposalId};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::violation::{Refusal, Violation};
use serde_json::{Map, Value};

use crate::directory::Directory;
use crate::entity::{Answer, Outcome, Task, Write, WriteError};
use crate::schema_files::Content;
use crate::storage::StoreError;

/// Why the initial content could not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum SeedingError {
    /// Content for something that the schema does not have.
    #[error("content/{0}.json: no schema describes this kind")]
    UnknownKind(Kind),
    /// A content file of the wrong form.
    #[error("content/{kind}.json: the content has to be {expected}")]
    Form {
        /// Which kind.
        kind: Kind,
        /// What it has to be.
        expected: &'static str,
    },
    /// An id in a content file that cannot be one.
    #[error("content/{kind}.json: an id cannot be used")]
    Id {
        /// Which kind.
        kind: Kind,
        /// What is wrong with it.
        source: IdError,
    },
    /// A value that breaks the schema's rules.
    #[error("{}: {}", of(entity, *begins_with), all(violations))]
    Refused {
        /// Which entity.
        entity: EntityId,
        /// What it was to be made of.
        begins_with: Beginning,
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

/// What an entity is made of at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// What its content file says.
    Content,
    /// The defaults of its schema: there is no content for it.
    Defaults,
}

/// Which entity cannot be made, and of what.
fn of(entity: &EntityId, begins_with: Beginning) -> String {
    let kind = entity.kind();
    match begins_with {
        Beginning::Content => {
            format!("content/{kind}.json: the content of {entity} breaks the schema")
        }
        Beginning::Defaults => format!(
            "{entity} cannot begin with the defaults of its schema, and there is no \
             content/{kind}.json"
        ),
    }
}

fn all(violations: &[Violation]) -> String {
    let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Puts the content in place where it was not yet, and makes the singletons.
///
/// # Errors
/// [`SeedingError`]; what was created before it stays.
pub(crate) async fn seed(directory: &Directory, mut content: Content) -> Result<(), SeedingError> {
    let policies: Vec<Arc<Policy>> = directory.context().policies.iter().cloned().collect();
    for policy in &policies {
        let content = content.remove(policy.kind());
        let note = format!("seeded/{}", policy.kind());
        if directory.context().store.note(&note)?.is_some() {
            continue;
        }
        for (id, value) in values(policy, content)? {
            create(directory, policy, id.as_deref(), value).await?;
        }
        directory.context().store.set_note(&note, b"1")?;
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
    directory: &Directory,
    policy: &Policy,
    id: Option<&str>,
    content: Option<Value>,
) -> Result<(), SeedingError> {
    let kind = policy.kind().clone();
    let entity =
        EntityId::new(kind.clone(), id).map_err(|source| SeedingError::Id { kind, source })?;
    let Hash(hash) = Hash::of(&[b"indelible/seeding/1\0", entity.to_string().as_bytes()]);
    let (proposal, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    let begins_with = match &content {
        Some(_) => Beginning::Content,
        None => Beginning::Defaults,
    };
    let origin = match begins_with {
        Beginning::Content => "created from the initial content",
        Beginning::Defaults => {
            "created with the defaults of its schema: there is no initial content for it"
        }
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
    match directory.write(&entity, write).await {
        Outcome::Written(written) => {
            debug_assert_eq!(written.epoch, Epoch::FIRST);
            tracing::info!(%entity, "{origin}");
            Ok(())
        }
        Outcome::Unchanged(_) => Ok(()),
        Outcome::Refused(Refusal { violations, .. }) => Err(SeedingError::Refused {
            entity,
            begins_with,
            violations,
        }),
        Outcome::Failed(error) => {
            let reason = match error {
                WriteError::Storage => "the store cannot take it".to_owned(),
                other => other.to_string(),
            };
            Err(SeedingError::Failed { entity, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    //! Guards against a start that fails without a word of the file, the entity and the field.

    use indelible_engine::violation::{RefusalCode, Rule};

    use super::*;

    fn violation(at: &str, rule: &str, message: &str) -> Violation {
        let refusal = Refusal::structural(RefusalCode::Policy, 0, message.to_owned());
        let [violation] = refusal.violations.try_into().expect("there is one");
        Violation {
            pointer: at.parse().expect("it is a pointer"),
            rule: Rule::keyword(rule),
            ..violation
        }
    }

    #[test]
    fn every_error_says_where_it_is_and_has_no_codes_in_it() {
        let kind: Kind = "team".parse().expect("it is a kind");
        let entity: EntityId = "team/jane".parse().expect("it is an id");
        let singleton: EntityId = "settings".parse().expect("it is an id");
        let broken = [
            violation("/name", "required", "is required"),
            violation(
                "/posts/p/title",
                "maxLength",
                "must have at most 3 characters",
            ),
        ];
        let refused = |entity: &EntityId, begins_with| SeedingError::Refused {
            entity: entity.clone(),
            begins_with,
            violations: broken.to_vec(),
        };
        for (error, said) in [
            (
                SeedingError::UnknownKind(kind.clone()),
                "content/team.json: no schema describes this kind",
            ),
            (
                SeedingError::Form {
                    kind: kind.clone(),
                    expected: "an object of values by id",
                },
                "content/team.json: the content has to be an object of values by id",
            ),
            (
                SeedingError::Id {
                    source: EntityId::new(kind.clone(), Some("-")).unwrap_err(),
                    kind,
                },
                "content/team.json: an id cannot be used",
            ),
            (
                refused(&entity, Beginning::Content),
                "content/team.json: the content of team/jane breaks the schema: name is required; \
                 /posts/p/title must have at most 3 characters",
            ),
            (
                refused(&singleton, Beginning::Defaults),
                "settings cannot begin with the defaults of its schema, and there is no \
                 content/settings.json: name is required; /posts/p/title must have at most 3 \
                 characters",
            ),
        ] {
            assert_eq!(error.to_string(), said);
        }
    }
}
