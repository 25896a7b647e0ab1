//! Values at places that fewer people may write under a new schema, and who wrote them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use indelible_engine::effects::EffectChange;
use indelible_engine::entity::Entity;
use indelible_engine::history::{Blame, Record};
use indelible_engine::id::LogPlace;
use indelible_engine::migration::{self, Narrowed};
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Policy, PolicyBook, WriteRule};
use indelible_engine::principal::Principal;
use serde_json::{Value, json};

use crate::cli::tables;
use crate::past::{Effects, HistoryError, Past};
use crate::storage::{Ledger, Presence};

/// Such a value.
pub(super) struct Written {
    pub(super) value: Narrowed,
    /// The ids of the authors of its current parts.
    authors: BTreeSet<String>,
}

/// The values of an entity that fewer may write under `policy`, or that it drops; and, where fewer
/// may edit the kind, the entity as a whole. What only the server wrote and stays is left out.
pub(super) fn written(
    store: &dyn Ledger,
    entity: &Entity,
    policy: &Policy,
    known: &PolicyBook,
) -> Result<Vec<Written>, HistoryError> {
    let mut values = migration::narrowed(entity, policy);
    values.extend(edited_by_fewer(entity, policy));
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let past = Past::read_under(store, entity.id(), Effects::Kept, known.clone())?;
    let blame = match past.end() {
        Some(end) => past.blame(end)?,
        None => Blame::new(),
    };
    let mut before_deletions = BTreeMap::new();
    let system = Principal::system().id;
    let mut written = Vec::new();
    for value in values {
        let mut authors = authors(&blame, &value.pointer);
        if authors.is_empty()
            && let Some(place) = before_deletion(&past, &value.pointer)
        {
            let blame = match before_deletions.entry(place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(past.blame(place)?),
            };
            authors = self::authors(blame, &value.pointer);
        }
        if value.dropped || authors.is_empty() || authors.iter().any(|id| **id != *system) {
            written.push(Written { value, authors });
        }
    }
    Ok(written)
}

/// The whole entity, where some of those who may edit the kind may not any more.
fn edited_by_fewer(entity: &Entity, policy: &Policy) -> Option<Narrowed> {
    let editors = |policy: &Policy| WriteRule::Roles(policy.permissions().edit.clone());
    let (before, after) = (editors(entity.policy()), editors(policy));
    (!after.admits_all_of(&before)).then(|| Narrowed {
        pointer: Pointer::root(),
        before,
        after,
        dropped: false,
        deleted: entity.presence() == Presence::Deleted,
    })
}

/// The entry before the one that last took away what is at a place: what it held then comes back
/// where the deletion is undone.
fn before_deletion(past: &Past, at: &Pointer) -> Option<LogPlace> {
    let mut records: Vec<&Record> = past.records().collect();
    let takes = |record: &&Record| {
        record.effects.iter().any(|effect| {
            let removes = matches!(&effect.change, EffectChange::Put { to: None, .. });
            removes && effect.pointer.contains(at)
        })
    };
    let last = records.iter().rposition(takes)?;
    records.truncate(last);
    Some(records.last()?.place())
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
        let authors = match authors.is_empty() {
            true => "somebody".to_owned(),
            false => authors.join(", "),
        };
        let rule = if self.value.pointer.is_root() {
            "edit"
        } else {
            "write"
        };
        let deleted = if self.value.deleted {
            "; deleted, and there again when undeleted"
        } else {
            ""
        };
        format!(
            "written by {authors}; {rule} {} (was {}){deleted}",
            self.value.after, self.value.before
        )
    }

    pub(super) fn object(&self) -> Value {
        json!({
            "pointer": self.value.pointer.to_string(),
            "authors": self.authors,
            "write": self.value.after.to_string(),
            "was": self.value.before.to_string(),
            "dropped": self.value.dropped,
            "deleted": self.value.deleted,
        })
    }
}
