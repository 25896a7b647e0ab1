//! Migrating an entity to a new version of its kind's schema.
//!
//! Owns what becomes of what is stored: added places are made with their defaults, renamed ones get
//! the values of the old, removed ones stay in the document and leave the value. Those that fewer
//! may write are reset where the schema says so.
//! Invariant: a function of the entity, the policy and the time alone, so that the
//! entry can be made again from the log and compared. What nothing says anything about stays as it is, in deleted
//! items too.

mod carry;
mod convert;
mod hindsight;
mod narrowed;

use std::fmt;
use std::sync::Arc;

use automerge::ReadDoc;
use automerge::transaction::CommitOptions;

use self::carry::Carrier;
use crate::admission::Admitted;
use crate::change::{genesis_actor, server_actor};
use crate::conflicts::MIGRATION;
use crate::document::Reader;
use crate::effects::effects;
use crate::entity::{Entity, Step};
use crate::ledger::EntryKind;
use crate::pointer::Pointer;
use crate::policy::{Policy, Succession};
use crate::principal::Principal;
use crate::time::Timestamp;

pub use hindsight::Hindsight;
pub use narrowed::{Narrowed, narrowed};

/// What keeps an entity from migrating to a new schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Where: in the schema (with `*` for items) or, for a value, in the entity.
    pub pointer: Pointer,
    /// Why, and what can be done.
    pub reason: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_root() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.pointer, self.reason)
        }
    }
}

/// Why an entity cannot migrate to a new schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// The new schema cannot follow the old one, whatever an entity holds.
    #[error("the schema cannot follow the one before: {}", joined(.0))]
    Schema(Vec<Obstacle>),
    /// Values that the new schema has no form for.
    #[error("values cannot be carried over: {}", joined(.0))]
    Values(Vec<Obstacle>),
    /// The document does not take the change.
    #[error("the change cannot be made: {0}")]
    Document(String),
}

fn joined(obstacles: &[Obstacle]) -> String {
    let texts: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// What keeps all entities of a kind from migrating from one version of its schema to another.
#[must_use]
pub fn obstacles(old: &Policy, new: &Policy) -> Vec<Obstacle> {
    told(new, &Succession::new(old, new))
}

fn told(new: &Policy, succession: &Succession) -> Vec<Obstacle> {
    let misfits = succession.misfits.iter();
    let obstacles = misfits.map(|misfit| Obstacle {
        pointer: new.place(misfit.node),
        reason: misfit.reason.clone(),
    });
    obstacles.collect()
}

/// Migrates `entity` to `policy`, by an entry of kind policy with one change at most, the
/// system's. None when that is its policy already.
///
/// The entity that results may be faulty by the new rules; it can still be edited, since admission
/// refuses only faults that a change introduces.
///
/// ```
/// use std::sync::Arc;
///
/// use indelible_engine::entity::Entity;
/// use indelible_engine::id::Epoch;
/// use indelible_engine::migration::migrate;
/// use indelible_engine::schema;
/// use indelible_engine::time::Timestamp;
///
/// let page = |properties: &str| {
///     let text = format!(
///         r#"{{ "type": "object", "x-indelible": {{ "kind": "page" }}, "properties": {properties} }}"#
///     );
///     Arc::new(schema::compile("page.json", &text).expect("the schema has no mistakes"))
/// };
/// let old = page(r#"{ "name": { "type": "string", "default": "New" } }"#);
/// let new = page(r#"{ "title": { "type": "string", "x-indelible": { "was": "name" } } }"#);
///
/// let entity = Entity::genesis(&"page/home".parse()?, Epoch::FIRST, &old);
/// let entry = migrate(&entity, &new, Timestamp(0))?.expect("it is another policy");
/// assert_eq!(entry.entity().presented()["title"], "New");
/// assert!(migrate(entry.entity(), &new, Timestamp(0))?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`MigrationError`], with all obstacles.
pub fn migrate(
    entity: &Entity,
    policy: &Arc<Policy>,
    now: Timestamp,
) -> Result<Option<Admitted>, MigrationError> {
    migrate_by(
        entity,
        policy,
        Succession::new(entity.policy(), policy),
        now,
    )
}

fn migrate_by(
    entity: &Entity,
    policy: &Arc<Policy>,
    succession: Succession,
    now: Timestamp,
) -> Result<Option<Admitted>, MigrationError> {
    if entity.policy().hash() == policy.hash() {
        return Ok(None);
    }
    let misfits = told(policy, &succession);
    if !misfits.is_empty() {
        return Err(MigrationError::Schema(misfits));
    }
    let system = Principal::system();
    let actor = server_actor(entity.id(), entity.epoch(), &system.id);
    let mut document = entity.live_document().clone();
    let doc = document.doc_mut();
    doc.set_actor(actor);
    let mut carrier = Carrier::new(entity, policy, &succession, doc.transaction());
    let carried = carrier.entity();
    let (tx, obstacles) = carrier.into_parts();
    carried.map_err(|error| MigrationError::Document(error.to_string()))?;
    if !obstacles.is_empty() {
        return Err(MigrationError::Values(obstacles));
    }
    let message = format!("{MIGRATION}{}", policy.hash());
    let options = CommitOptions::default().with_message(message).with_time(0);
    let (hash, _) = tx.commit_with(options);
    doc.set_actor(genesis_actor());
    let change = hash.and_then(|hash| doc.get_change_by_hash(&hash));
    if let Some(change) = &change {
        document.note(&system.id, change);
    }
    let value = Arc::new(Reader::now(document.doc(), policy).root());
    let effects = effects(policy, entity.value(), &value);
    let step = Step::of_system(EntryKind::Policy, &system, now);
    let next = entity.advanced(&step, policy, (document, value));
    let changes = change.iter().map(|change| change.raw_bytes().to_vec());
    let draft = next.entry(&step, changes.collect());
    Ok(Some(Admitted::assembled(next, draft, effects)))
}
