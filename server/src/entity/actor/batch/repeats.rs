//! Whether a write under an id that was used before is that write again.
//!
//! Invariant: only the same request is answered as before. Changes are compared with those in the
//! entry; of any other write the kind of the entry is, and the digest of what was asked for. What
//! changed nothing has no entry, and is known by what is kept of it.

use std::collections::HashSet;

use indelible_engine::change;
use indelible_engine::id::{EntityId, Epoch, Hash, Seq};
use indelible_engine::ledger::{Entry, EntryKind};
use indelible_engine::merge::Protected;
use indelible_engine::pointer::Pointer;
use indelible_engine::value::canonical_list;
use serde_json::{Value, json};

use super::super::super::loading;
use super::super::super::outcome::{WriteError, Written};
use super::super::super::writes::{Merging, Precondition, Task};
use super::{Batch, Case, Judged, unreadable};
use crate::storage::{Asked, Place, StoreError, StoreResult};

impl Batch<'_> {
    /// The result of this write when it came before.
    pub(super) fn earlier(
        &self,
        case: &Case<'_>,
        task: &Task,
    ) -> Result<Option<Written>, WriteError> {
        let store = &self.context.store;
        let entered = store.proposal(&case.author.id, case.id);
        let entered = entered.map_err(unreadable)?;
        let asked = store.asked(&case.author.id, case.id).map_err(unreadable)?;
        let answer = asked.as_ref().map(|asked| read_answer(&asked.answer));
        let answer = answer.transpose().map_err(unreadable)?.flatten();
        let (place, preserved) = match (&entered, answer) {
            (Some(place), None) => (place.clone(), Vec::new()),
            (Some(place), Some((_, preserved))) => (place.clone(), preserved),
            (None, Some(answer)) => answer,
            (None, None) => return Ok(None),
        };
        if place.entity != *self.id {
            return Err(WriteError::IdReused);
        }
        let (epoch, seq) = (place.epoch, place.seq);
        if entered.is_some() {
            let entry = loading::entry(&**store, self.id, epoch, seq).map_err(unreadable)?;
            if !entry.is_some_and(|entry| self.could_be(task, &entry)) {
                return Err(WriteError::IdReused);
            }
        }
        if asked.is_some_and(|asked| digest(task) != Some(asked.digest)) {
            return Err(WriteError::IdReused);
        }
        let mut written = Written::at(epoch, seq);
        written.preserved = preserved;
        Ok(Some(written))
    }

    /// Whether a write may have made this entry, as far as the entry shows.
    fn could_be(&self, task: &Task, entry: &Entry) -> bool {
        // After the genesis, whatever comes first is the creation.
        let creates =
            (entry.header.place.epoch, entry.header.place.seq) == (Epoch::FIRST, Seq(0).next());
        match task {
            Task::Propose { changes, .. } => {
                entry.kind == EntryKind::Changes && !creates && self.holds(changes, &entry.changes)
            }
            Task::Create { .. } => entry.kind == EntryKind::Changes && creates,
            Task::Merge(_) => entry.kind == EntryKind::Changes && !creates,
            Task::Delete { .. } => entry.kind == EntryKind::Deleted,
            Task::Undelete => entry.kind == EntryKind::Undeleted,
        }
    }

    /// Whether all changes of an entry are in a proposal. The rest of it was refused, or in the log
    /// already, when it first came.
    fn holds(&self, proposed: &[Vec<u8>], admitted: &[Vec<u8>]) -> bool {
        let hash = |bytes: &Vec<u8>| {
            let change = change::parse(bytes, &self.context.limits).ok()?;
            Some(change.hash())
        };
        let proposed: HashSet<Hash> = proposed.iter().filter_map(hash).collect();
        let mut admitted = admitted.iter().map(hash);
        admitted.all(|change| change.is_some_and(|change| proposed.contains(&change)))
    }

    /// Keeps with the commit what a write asked for that was admitted, or that changed nothing and
    /// may come again. What the server itself creates follows from files, which may be other ones
    /// by the time it is tried again.
    pub(super) fn note(&mut self, case: &Case<'_>, task: &Task, judged: &Judged) {
        let (written, has_entry) = match (judged, task) {
            (Judged::Admitted(written), _) => (written, true),
            (Judged::Idle(written), Task::Merge(merging)) if merging.repeats => (written, false),
            _ => return,
        };
        let Some(digest) = digest(task).filter(|_| !case.author.is_system()) else {
            return;
        };
        let answer = match has_entry && written.preserved.is_empty() {
            true => Vec::new(),
            false => answer(self.id, written),
        };
        self.context.rates.charge_bytes(case.writer(), answer.len());
        self.request.asked.push(Asked {
            principal: case.author.id.clone(),
            proposal: case.id,
            digest,
            answer,
        });
    }
}

/// What a repeat is answered, and of which entity.
fn answer(entity: &EntityId, written: &Written) -> Vec<u8> {
    let preserved = written.preserved.iter().map(ToString::to_string);
    let preserved: Vec<_> = preserved.collect();
    let (epoch, seq) = (written.epoch.0, written.seq.0);
    json!([entity.to_string(), epoch, seq, preserved])
        .to_string()
        .into_bytes()
}

/// What [`answer`] made, if anything.
fn read_answer(answer: &[u8]) -> StoreResult<Option<(Place, Vec<Pointer>)>> {
    if answer.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (entity, epoch, seq, preserved): (String, u64, u64, Vec<String>) =
            serde_json::from_slice(answer).ok()?;
        let place = Place {
            entity: entity.parse().ok()?,
            epoch: Epoch(epoch),
            seq: Seq(seq),
        };
        let preserved = preserved.iter().map(|at| at.parse().ok());
        Some((place, preserved.collect::<Option<_>>()?))
    };
    let damaged = || StoreError::Damaged {
        what: "what a write was answered".to_owned(),
    };
    read().map(Some).ok_or_else(damaged)
}

/// A digest of what a write asks for; none of changes, which the log holds.
fn digest(task: &Task) -> Option<Hash> {
    let condition = |precondition: &Option<Precondition>| match precondition {
        None => Value::Null,
        Some(Precondition::Exists) => "*".into(),
        Some(Precondition::AtVersion(versions)) => json!(versions),
    };
    // The body comes second, and is not copied for it.
    let (verb, body, further) = match task {
        Task::Propose { .. } => return None,
        Task::Create { value, claimed } => {
            let at = claimed.as_ref().and_then(|claimed| claimed.created_at);
            let by = claimed
                .as_ref()
                .and_then(|claimed| claimed.created_by.as_ref());
            ("create", Some(value), vec![json!(at), json!(by)])
        }
        Task::Merge(Merging {
            body,
            protected,
            preserve,
            remove,
            base,
            precondition,
            repeats: _,
        }) => {
            let strict = *protected == Protected::Refuse;
            let preserve: Vec<_> = preserve.iter().map(ToString::to_string).collect();
            let mut further = vec![
                json!(strict),
                json!(preserve),
                json!(base),
                condition(precondition),
            ];
            further.extend(remove.iter().map(|at| at.to_string().into()));
            ("merge", Some(body), further)
        }
        Task::Delete { precondition } => ("delete", None, vec![condition(precondition)]),
        Task::Undelete => ("undelete", None, Vec::new()),
    };
    let verb = Value::from(verb);
    let asked = canonical_list([&verb].into_iter().chain(body).chain(&further));
    Some(Hash::of(&[b"indelible/asked/1\0", asked.as_bytes()]))
}

#[cfg(test)]
mod tests {
    //! Guards against digests that differ from those that a store keeps of earlier writes.
    use indelible_engine::value::canonical;

    use super::*;

    #[test]
    fn a_digest_is_that_of_a_canonical_list() {
        let merging = |remove: &[&str]| Merging {
            body: json!({ "b": [1.0, "x"], "a": null }),
            protected: Protected::Refuse,
            preserve: vec!["/c".parse().unwrap()],
            remove: remove.iter().map(|at| at.parse().unwrap()).collect(),
            base: Some("v".to_owned()),
            precondition: Some(Precondition::AtVersion(vec!["w".to_owned()])),
            repeats: true,
        };
        let body = json!({ "a": null, "b": [1, "x"] });
        let create = Task::Create {
            value: body.clone(),
            claimed: None,
        };
        let delete = Task::Delete {
            precondition: Some(Precondition::Exists),
        };
        for (task, asked) in [
            (create, json!(["create", body, null, null])),
            (
                Task::Merge(merging(&[])),
                json!(["merge", body, true, ["/c"], "v", ["w"]]),
            ),
            (
                Task::Merge(merging(&["/d", "/e"])),
                json!(["merge", body, true, ["/c"], "v", ["w"], "/d", "/e"]),
            ),
            (delete, json!(["delete", "*"])),
            (Task::Undelete, json!(["undelete"])),
        ] {
            let text = canonical(&asked);
            let expected = Hash::of(&[b"indelible/asked/1\0", text.as_bytes()]);
            assert_eq!(digest(&task), Some(expected), "{text}");
        }
    }
}
