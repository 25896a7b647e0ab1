//! Who created an entity and wrote it last, and when: folded from its entries.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Claimed, Logged};
use crate::policy::{Policy, StampKind};
use crate::time::Timestamp;

/// The root fields that are derived from the log when read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// When the creation was committed (or is claimed to have been, for imports).
    pub created_at: Option<Timestamp>,
    /// Who created the entity: a principal's id.
    pub created_by: Option<String>,
    /// When the last entry that changed the entity was committed.
    pub updated_at: Option<Timestamp>,
    /// Who wrote that entry: a principal's id.
    pub updated_by: Option<String>,
}

impl Stamps {
    /// The stamps that follow when `author` writes an entry at `at`.
    pub(crate) fn advanced(&self, at: Timestamp, author: &str, claimed: Option<&Claimed>) -> Self {
        let claimed = claimed.cloned().unwrap_or_default();
        Self {
            created_at: self.created_at.or(claimed.created_at).or(Some(at)),
            created_by: self
                .created_by
                .clone()
                .or(claimed.created_by)
                .or_else(|| Some(author.to_owned())),
            updated_at: Some(at),
            updated_by: Some(author.to_owned()),
        }
    }

    /// The stamps after one more entry. What the server does by itself does not count as a write.
    pub(crate) fn after(&self, entry: &Logged<'_>) -> Self {
        if entry.kind.is_stamped() {
            return self.advanced(entry.at, entry.author, entry.claimed);
        }
        let claimed = entry.claimed.cloned().unwrap_or_default();
        Self {
            created_at: self.created_at.or(claimed.created_at),
            created_by: self.created_by.clone().or(claimed.created_by),
            ..self.clone()
        }
    }

    /// The stamps as the schema's fields present them.
    pub(crate) fn fields(&self, policy: &Policy) -> Map<String, Value> {
        policy
            .stamps()
            .filter_map(|(name, kind)| Some((name.to_owned(), self.value(kind)?)))
            .collect()
    }

    fn value(&self, kind: StampKind) -> Option<Value> {
        match kind {
            StampKind::CreatedAt => self.created_at.map(|at| Value::String(at.to_rfc3339())),
            StampKind::CreatedBy => self.created_by.clone().map(Value::String),
            StampKind::UpdatedAt => self.updated_at.map(|at| Value::String(at.to_rfc3339())),
            StampKind::UpdatedBy => self.updated_by.clone().map(Value::String),
        }
    }
}
