//! Items of lists and entries of open maps that were deleted before the present epoch began.
//!
//! A document holds what was deleted in its own epoch, so that it can be undeleted. The next epoch
//! begins without it, but the log has it. Of several deletions of one place, the last one counts.
//! Former epochs do not change, so they are read once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::archive::{Archive, one};
use super::had::Back;
use super::reach::ReachError;
use super::record::Record;
use super::state::PastError;
use crate::effects::EffectChange;
use crate::entity::Entity;
use crate::id::{Epoch, Hash, LogPlace};
use crate::ledger::EntryKind;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, PolicySource, Shape};
use crate::rebase::SchemaMap;

/// Deletions that are remembered at most, the latest ones.
const KEPT_MAX: usize = 100_000;

/// The last deletion of a place.
#[derive(Debug)]
struct Deletion {
    entry: LogPlace,
    /// What the place was called then.
    name: Pointer,
}

/// What was deleted in former epochs of one entity, as far back as its log is read.
#[derive(Debug, Default)]
pub struct Deletions {
    /// The epoch before which they happened, and the policy whose names they have here.
    before: Option<(Epoch, Hash)>,
    places: HashMap<Pointer, Deletion>,
}

impl Deletions {
    /// Whether a place is, or lies in, an item or entry that was deleted in a former epoch.
    ///
    /// # Errors
    /// [`ReachError`] when the log cannot be read.
    pub fn know<A: Archive>(
        &mut self,
        at: &Pointer,
        entity: &Entity,
        (archive, policies): (&mut A, &dyn PolicySource),
    ) -> Result<bool, ReachError<A::Error>> {
        self.read(entity, (archive, policies))?;
        let mut around = Some(at.clone());
        while let Some(at) = around {
            if self.places.contains_key(&at) {
                return Ok(true);
            }
            around = at.parent();
        }
        Ok(false)
    }

    /// The items and entries of `body` that `entity` knows nothing of and that were deleted in a former
    /// epoch, each with the value that it had then.
    ///
    /// # Errors
    /// [`ReachError`] when the log cannot be read.
    pub fn named_in<A: Archive>(
        &mut self,
        body: &Value,
        entity: &Entity,
        (archive, policies): (&mut A, &dyn PolicySource),
    ) -> Result<BTreeMap<Pointer, Value>, ReachError<A::Error>> {
        let mut values = BTreeMap::new();
        let mut unknown = Vec::new();
        absent(
            entity,
            entity.policy().root(),
            body,
            &Pointer::root(),
            &mut unknown,
        );
        if unknown.is_empty() {
            return Ok(values);
        }
        self.read(entity, (archive, policies))?;
        for at in unknown {
            let Some(deletion) = self.places.get(&at) else {
                continue;
            };
            let record = one(archive, deletion.entry).map_err(ReachError::Archive)?;
            let held = record.and_then(|record| {
                let held = held(&record, &deletion.name)?;
                let policy = policies.policy(record.header.policy_hash)?;
                renamed((&policy, entity.policy()), &deletion.name, held, &at)
            });
            values.extend(held.map(|held| (at, held)));
        }
        Ok(values)
    }

    /// Reads the former epochs, unless that was done.
    fn read<A: Archive>(
        &mut self,
        entity: &Entity,
        (archive, policies): (&mut A, &dyn PolicySource),
    ) -> Result<(), ReachError<A::Error>> {
        let before = (entity.epoch(), entity.policy().hash());
        if self.before == Some(before) {
            return Ok(());
        }
        let mut places = HashMap::new();
        let last = archive.last_before(entity.epoch());
        if let Some(last) = last.map_err(ReachError::Archive)? {
            let mut back = Back::new(last);
            let mut schema_map: Option<SchemaMap> = None;
            while let Some(record) = back.next(archive)?
                && places.len() < KEPT_MAX
            {
                if record.kind != EntryKind::Changes {
                    continue;
                }
                let schema_map = match &mut schema_map {
                    Some(schema_map) if schema_map.is_from(record.header.policy_hash) => schema_map,
                    other => {
                        let policy = policies.policy(record.header.policy_hash);
                        let policy = policy.ok_or(PastError::Policy {
                            place: record.place(),
                            policy: record.header.policy_hash,
                        })?;
                        other.insert(SchemaMap::new(&policy, entity.policy()))
                    }
                };
                note(&record, schema_map, &mut places);
            }
        }
        (self.before, self.places) = (Some(before), places);
        Ok(())
    }
}

/// Notes what a record deleted, unless a later one did so too.
fn note(record: &Record, schema_map: &SchemaMap, places: &mut HashMap<Pointer, Deletion>) {
    for effect in record.effects.iter().rev() {
        let is_removal = matches!(
            &effect.change,
            EffectChange::Put {
                from: Some(_),
                to: None,
                ..
            }
        );
        if !is_removal || !schema_map.is_dynamic(&effect.pointer) {
            continue;
        }
        if let Ok(Some(now)) = schema_map.follow(&effect.pointer) {
            places.entry(now).or_insert_with(|| Deletion {
                entry: record.place(),
                name: effect.pointer.clone(),
            });
        }
    }
}

/// What a record removed at a place.
fn held(record: &Record, at: &Pointer) -> Option<Value> {
    record
        .effects
        .iter()
        .rev()
        .find_map(|effect| match &effect.change {
            EffectChange::Put {
                from: Some(from),
                to: None,
                ..
            } if effect.pointer == *at => Some(from.clone()),
            _ => None,
        })
}

/// A value that was at a place under an earlier policy, as the later one has it at `now`.
fn renamed(
    (old, new): (&Arc<Policy>, &Arc<Policy>),
    at: &Pointer,
    held: Value,
    now: &Pointer,
) -> Option<Value> {
    if old.hash() == new.hash() {
        return Some(held);
    }
    let mut holders = vec![old.root()];
    for token in at.tokens() {
        holders.push(old.child(*holders.last()?, token)?);
    }
    let around = at.tokens().iter().zip(holders).rev();
    let whole = around.fold(held, |mut value, (token, holder)| {
        let Shape::Keyed { key, .. } = &old.node(holder).shape else {
            return Value::Object(Map::from_iter([(token.clone(), value)]));
        };
        if let Value::Object(item) = &mut value {
            item.insert(key.clone(), token.as_str().into());
        }
        Value::Array(vec![value])
    });
    let Value::Object(whole) = whole else {
        return None;
    };
    let roots = (old.root(), new.root());
    let (whole, _) = SchemaMap::new(old, new).rename(roots, whole);
    new.value_at(&Value::Object(whole), now).cloned()
}

/// The outermost items and entries of a body that the document has nothing of.
fn absent(entity: &Entity, node: NodeId, body: &Value, at: &Pointer, found: &mut Vec<Pointer>) {
    let policy = entity.policy();
    let mut look = |name: &str, value: &Value| {
        let Some(child) = policy.child(node, name) else {
            return;
        };
        let at = at.child(name);
        if policy.is_dynamic(child) && !entity.holds_at(&at) {
            found.push(at);
        } else {
            absent(entity, child, value, &at, found);
        }
    };
    match (&policy.node(node).shape, body) {
        (Shape::Object { .. }, Value::Object(fields)) => {
            fields.iter().for_each(|(name, value)| look(name, value));
        }
        (Shape::Keyed { key, .. }, Value::Array(items)) => {
            for item in items {
                if let Some(id) = item.get(key).and_then(Value::as_str) {
                    look(id, item);
                }
            }
        }
        _ => {}
    }
}
