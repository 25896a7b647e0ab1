//! Values that stand at places which fewer may write under a new schema, and who wrote them.

use std::collections::BTreeSet;

use indelible_engine::entity::Entity;
use indelible_engine::history::Blame;
use indelible_engine::migration::{self, Narrowed};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, PolicyBook};
use indelible_engine::principal::Principal;
use serde_json::{Value, json};

use crate::cli::tables;
use crate::past::{Effects, Past, PastError};
use crate::storage::Store;

/// Such a value.
pub(super) struct Written {
    pub(super) value: Narrowed,
    /// The ids of those who wrote what of it stands.
    authors: BTreeSet<String>,
}

/// The values of an entity that fewer may write under `policy`, or that it drops. What only the
/// server wrote and stays is not told.
pub(super) fn written(
    store: &dyn Store,
    entity: &Entity,
    policy: &Policy,
    known: &PolicyBook,
) -> Result<Vec<Written>, PastError> {
    let values = migration::narrowed(entity, policy);
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let past = Past::read_under(store, entity.id(), Effects::Kept, known.clone())?;
    let blame = match past.end() {
        Some(end) => past.blame(end)?,
        None => Blame::new(),
    };
    let system = Principal::system().id;
    let written = values.into_iter().map(|value| Written {
        authors: authors(&blame, &value.pointer),
        value,
    });
    let concerns =
        |one: &Written| one.value.dropped || one.authors.iter().any(|id| **id != *system);
    Ok(written.filter(concerns).collect())
}

fn authors(blame: &Blame, at: &Pointer) -> BTreeSet<String> {
    let fields = blame.fields().into_iter();
    let within = fields.filter(|field| at.contains(&field.pointer));
    let authors = within.flat_map(|field| {
        let runs = field.runs.into_iter().map(|run| run.by.author.clone());
        runs.chain([field.by.author.clone()]).collect::<Vec<_>>()
    });
    authors.collect()
}

impl Written {
    pub(super) fn what(&self) -> &'static str {
        match self.value.dropped {
            true => "is dropped",
            false => "stays",
        }
    }

    pub(super) fn why(&self) -> String {
        let authors: Vec<String> = self.authors.iter().map(|id| tables::plain(id)).collect();
        format!(
            "written by {}; write {} (was {})",
            authors.join(", "),
            self.value.after,
            self.value.before
        )
    }

    pub(super) fn object(&self) -> Value {
        json!({
            "pointer": self.value.pointer.to_string(),
            "authors": self.authors,
            "write": self.value.after.to_string(),
            "was": self.value.before.to_string(),
            "dropped": self.value.dropped,
        })
    }
}
