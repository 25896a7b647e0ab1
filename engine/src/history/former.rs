//! Names the authors of values of former epochs in conflicts.
//!
//! A conflict is found in the document of its epoch, in which everything that the epoch began with
//! was written by the system. The log knows the author.

use std::collections::HashMap;

use super::record::Record;
use crate::change::ActorClass;
use crate::conflicts::Conflict;
use crate::ledger::EntryKind;
use crate::pointer::Pointer;
use crate::policy::PolicySource;

/// Completes the conflicts of a whole log: those whose other value was written in a former epoch get
/// its author and, if the entry has one change, that change. What the author of an entry had written
/// over HTTP too is left out: within an epoch that is not a conflict either.
pub fn name_former_authors(records: &mut [Record], policies: &dyn PolicySource) {
    let mut former: HashMap<Pointer, usize> = HashMap::new();
    let mut begun = 0;
    for index in 0..records.len() {
        if records[index].kind == EntryKind::Epoch {
            for (own, record) in records.iter().enumerate().take(index).skip(begun) {
                let written = record
                    .effects
                    .iter()
                    .map(|effect| (effect.pointer.clone(), own));
                former.extend(written);
            }
            begun = index;
        }
        if begun > 0 && records[index].conflicts.iter().any(|one| one.by.is_none()) {
            let conflicts = std::mem::take(&mut records[index].conflicts);
            let named = conflicts
                .into_iter()
                .filter_map(|one| named(one, &records[index], (records, &former), policies));
            let named = named.collect();
            records[index].conflicts = named;
        }
    }
}

/// A conflict of a record with its other author; none if that is the author of the record.
fn named(
    mut conflict: Conflict,
    record: &Record,
    (records, former): (&[Record], &HashMap<Pointer, usize>),
    policies: &dyn PolicySource,
) -> Option<Conflict> {
    let is_register = || {
        let policy = policies.policy(record.header.policy_hash)?;
        let node = policy.find(&conflict.pointer)?;
        // Several may have written a text or list.
        (!policy.node(node).shape.is_container()).then_some(())
    };
    if conflict.by.is_some() || is_register().is_none() {
        return Some(conflict);
    }
    let mut around = Some(conflict.pointer.clone());
    let mut latest = None;
    while let Some(at) = around {
        latest = latest.max(former.get(&at));
        around = at.parent();
    }
    // What a change of the schema put there has no author.
    let writer = latest.and_then(|own| records.get(*own));
    let Some(writer) = writer.filter(|writer| writer.kind == EntryKind::Changes) else {
        return Some(conflict);
    };
    let is_served = |one: &Record| {
        let mut actors = one.changes.iter().map(|change| &change.actor);
        actors.all(|actor| ActorClass::of(actor) == ActorClass::Server)
    };
    if writer.header.author.id == record.header.author.id && is_served(writer) && is_served(record)
    {
        return None;
    }
    conflict.by = Some(writer.header.author.id.clone());
    conflict.change = match writer.changes.as_slice() {
        [only] => Some(only.hash),
        _ => None,
    };
    Some(conflict)
}
