//! Values of ours that lost against one that was written at the same time.
//!
//! A value of ours may lose when it is admitted, or be replaced later by an author who had not seen
//! it. Either is kept here until it is dismissed, written again, or overwritten by an author who saw
//! both.

use std::collections::{BTreeMap, BTreeSet};

use indelible_engine::change;
use indelible_engine::conflicts::{Conflict, Outcome};
use indelible_engine::history::races;
use indelible_engine::id::Hash;
use indelible_engine::merge::Absent;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{NodeId, Policy, item_index};
use indelible_engine::protocol::{AuthorReport, EntryReport};
use indelible_engine::time::Timestamp;
use serde_json::Value;

use super::bring_back::undeletion;
use super::{Author, EditOptions, Edited, Losses, Replica};
use crate::error::CallError;
use crate::event::{ConflictView, DroppedView};

/// A conflict that is not settled.
#[derive(Debug, Clone)]
struct Open {
    view: ConflictView,
    /// The change that wrote the current value; none where that is a removal.
    stands: Option<Hash>,
}

/// Our values that lost.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    open: BTreeMap<Pointer, Open>,
    /// The actors under which we have written in this session.
    actors: BTreeSet<Vec<u8>>,
    /// What we had saved in items that others deleted without having seen it; not reported yet.
    hidden: Vec<DroppedView>,
    /// The names of authors by their ids.
    names: BTreeMap<String, Option<String>>,
}

impl Conflicts {
    /// Notes an edit of ours.
    pub(super) fn edited(&mut self, actor: [u8; 16]) {
        self.actors.insert(actor.to_vec());
    }

    /// Drops all of them: the fields may have other names now.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    fn is_ours(&self, changes: &[Vec<u8>]) -> bool {
        let first = changes.first().and_then(|bytes| change::head(bytes));
        first.is_some_and(|head| self.actors.contains(head.actor.to_bytes()))
    }
}

impl Replica {
    /// Looks at entries that were applied to a document that was at the heads `before`.
    pub(super) fn notice(&mut self, before: Vec<Hash>, news: &[(&EntryReport, Vec<Vec<u8>>)]) {
        let mut heads = before;
        for (entry, changes) in news {
            let by = &entry.by;
            let names = &mut self.conflicts.names;
            names.insert(by.id.clone(), by.name.clone());
            let (found, after) = self.confirmed().conflicts_of(&heads, changes);
            heads = after;
            let ours = self.conflicts.is_ours(changes);
            if !ours {
                self.follow(entry, changes);
            }
            for conflict in found {
                self.take(conflict, entry, ours, changes);
            }
        }
    }

    /// Updates conflicts whose current value has been overwritten by an author who did not see ours.
    fn follow(&mut self, entry: &EntryReport, changes: &[Vec<u8>]) {
        let mut open = std::mem::take(&mut self.conflicts.open);
        for (pointer, open) in &mut open {
            let mut held = self.confirmed().held_at(pointer);
            let Some(stands) = held.pop() else { continue };
            let wrote = stands.change.is_some() && self.last_of(pointer, changes) == stands.change;
            let mut others = held.iter();
            let hidden = others.any(|held| self.conflicts.actors.contains(&held.actor));
            if wrote && hidden && stands.value != open.view.mine {
                open.stands = stands.change;
                open.view.stands = stands.value;
                open.view.by = Some(entry.by.clone());
                open.view.at = Some(entry.at);
            }
        }
        self.conflicts.open = open;
    }

    fn take(&mut self, conflict: Conflict, entry: &EntryReport, ours: bool, changes: &[Vec<u8>]) {
        if conflict.removed.is_some() {
            // What an edit wrote into a deleted item is reported when that edit is saved.
            if conflict.outcome == Outcome::Replaced && !ours && self.wrote(&conflict) {
                self.conflicts.hidden.push(DroppedView {
                    pointer: conflict.pointer,
                    reason: "gone",
                    rule: None,
                    attempted: conflict.other,
                    text: None,
                    by: Some(entry.by.clone()),
                    operations: 1,
                });
            }
            return;
        }
        // Elements of lists have no name.
        if !is_register(self.policy(), &conflict.pointer) {
            return;
        }
        let at = Some(entry.at);
        let pointer = conflict.pointer.clone();
        let open = match conflict.outcome {
            Outcome::Lost if ours => Open {
                view: ConflictView {
                    pointer: conflict.pointer,
                    mine: conflict.wrote,
                    stands: conflict.other,
                    by: conflict.by.map(|id| self.author(id)),
                    at,
                },
                stands: conflict.change,
            },
            Outcome::Replaced if !ours && self.wrote(&conflict) => Open {
                stands: self.last_of(&pointer, changes),
                view: ConflictView {
                    pointer: conflict.pointer,
                    mine: conflict.other,
                    stands: conflict.wrote,
                    by: Some(entry.by.clone()),
                    at,
                },
            },
            Outcome::Lost | Outcome::Replaced => return,
        };
        self.conflicts.open.insert(pointer, open);
    }

    /// What we lost with items that others deleted without having seen it, since this was asked last.
    pub(crate) fn hidden(&mut self) -> Losses {
        Losses {
            dropped: std::mem::take(&mut self.conflicts.hidden),
            ..Losses::default()
        }
    }

    /// Whether the value that an entry replaced is one of ours.
    fn wrote(&self, conflict: &Conflict) -> bool {
        let maker = conflict
            .change
            .and_then(|change| self.confirmed().maker(change));
        maker.is_some_and(|maker| self.conflicts.actors.contains(&maker))
    }

    /// Which of an entry's changes wrote the current value.
    fn last_of(&self, pointer: &Pointer, changes: &[Vec<u8>]) -> Option<Hash> {
        let hashes: Vec<Hash> = changes
            .iter()
            .filter_map(|bytes| change::head(bytes))
            .map(|head| head.hash)
            .collect();
        let held = self.confirmed().held_at(pointer);
        let own = held
            .iter()
            .rfind(|held| held.change.is_some_and(|hash| hashes.contains(&hash)));
        own.and_then(|held| held.change)
    }

    /// Names who deleted what dropped edits belonged to.
    pub(super) fn name_deleters(&self, mut dropped: Vec<DroppedView>) -> Vec<DroppedView> {
        let unnamed = |one: &&mut DroppedView| one.reason == "gone" && one.by.is_none();
        for one in dropped.iter_mut().filter(unnamed) {
            let id = self.confirmed().deleted_by(&one.pointer);
            one.by = id.map(|id| self.author(id));
        }
        dropped
    }

    fn author(&self, id: String) -> AuthorReport {
        let name = self.conflicts.names.get(&id).cloned().flatten();
        AuthorReport { id, name }
    }

    /// After a snapshot, whose entries we have not seen: looks for values of ours that it hides.
    pub(super) fn search(&mut self) {
        for race in races(self.confirmed(), []) {
            let ours = race.lost.iter().rfind(|lost| {
                let maker = lost
                    .change
                    .and_then(|change| self.confirmed().maker(change));
                maker.is_some_and(|maker| self.conflicts.actors.contains(&maker))
            });
            let Some(mine) = ours.filter(|mine| mine.value != race.stands.value) else {
                continue;
            };
            let known = self.conflicts.open.contains_key(&race.pointer);
            if known || !is_register(self.policy(), &race.pointer) {
                continue;
            }
            let open = Open {
                view: ConflictView {
                    pointer: race.pointer.clone(),
                    mine: mine.value.clone(),
                    stands: race.stands.value,
                    by: None,
                    at: None::<Timestamp>,
                },
                stands: race.stands.change,
            };
            self.conflicts.open.insert(race.pointer, open);
        }
    }

    /// The conflicts that are not settled, in the order of their fields.
    pub(crate) fn conflicts(&mut self) -> Vec<ConflictView> {
        if self.conflicts.open.is_empty() {
            return Vec::new();
        }
        let mut open = std::mem::take(&mut self.conflicts.open);
        open.retain(|pointer, open| self.is_open(pointer, open));
        self.conflicts.open = open;
        let views = self.conflicts.open.values().map(|open| open.view.clone());
        views.collect()
    }

    /// Whether the conflict is still open: no author who saw both values has written the field since. A
    /// value by an author who saw only the other one takes its place.
    fn is_open(&self, pointer: &Pointer, open: &mut Open) -> bool {
        let mut held = self.shown().held_at(pointer);
        let stands = held.pop();
        let change = stands.as_ref().and_then(|stands| stands.change);
        if change == open.stands {
            return true;
        }
        let mut others = held.iter();
        let hidden = others.any(|held| self.conflicts.actors.contains(&held.actor));
        let Some(stands) = stands.filter(|_| hidden) else {
            return false;
        };
        if self.conflicts.actors.contains(&stands.actor) {
            return false;
        }
        open.stands = change;
        open.view.stands = stands.value;
        open.view.by = None;
        open.view.mine != open.view.stands
    }

    /// The conflict at a field is known to the user.
    pub(crate) fn dismiss(&mut self, pointer: &Pointer) {
        self.conflicts.open.remove(pointer);
    }

    /// Writes our value of a conflict again, as an ordinary edit.
    ///
    /// # Errors
    /// Those of an edit; [`CallError::NoConflict`] where there is none at that field.
    pub(crate) fn keep(
        &mut self,
        author: &Author<'_>,
        ordinal: u64,
        pointer: &Pointer,
    ) -> Result<(Edited, bool), CallError> {
        let none = || CallError::NoConflict(pointer.to_string());
        let open = self.conflicts.open.get(pointer).ok_or_else(none)?;
        let mine = open.view.mine.clone();
        let (body, absent) = match (pointer.last(), &mine) {
            (Some("$deleted"), Some(Value::Bool(false)) | None) => {
                (self.undeleted(pointer), Absent::Stays)
            }
            _ => (self.with_mine(pointer, mine), Absent::Removed),
        };
        let body = body.ok_or_else(none)?;
        let options = EditOptions {
            absent,
            ..EditOptions::default()
        };
        let edited = self.edit(author, ordinal, &body, &options)?;
        self.dismiss(pointer);
        Ok(edited)
    }

    /// The body that undeletes the item or entry whose undeletion lost; its fields stay as they were.
    fn undeleted(&self, pointer: &Pointer) -> Option<Value> {
        let shown = self.shown().presented();
        undeletion(self.policy(), &shown, &pointer.parent()?)
    }

    /// The whole value with ours at a field, or at the place or presence of an item.
    fn with_mine(&self, pointer: &Pointer, mine: Option<Value>) -> Option<Value> {
        let mut body = self.shown().presented();
        match (pointer.last(), &mine) {
            (Some("$position"), Some(Value::String(position))) => {
                let item = pointer.parent()?;
                let index = self.shown().index_at(&item, position)?;
                let (list, found) = list_of(self.policy(), &mut body, &item)?;
                let item = list.remove(found);
                list.insert(index.min(list.len()), item);
            }
            (Some("$deleted"), Some(Value::Bool(true))) => {
                let (list, found) = list_of(self.policy(), &mut body, &pointer.parent()?)?;
                list.remove(found);
            }
            _ => write(self.policy(), &mut body, pointer, mine)?,
        }
        Some(body)
    }
}

/// Whether a field holds one value.
fn is_register(policy: &Policy, pointer: &Pointer) -> bool {
    if pointer.last().is_some_and(|last| last.starts_with('$')) {
        return true;
    }
    let node = policy.find(pointer).map(|node| policy.node(node));
    node.is_some_and(|node| !node.shape.is_container())
}

/// The list that an item is in, and its index.
fn list_of<'v>(
    policy: &Policy,
    body: &'v mut Value,
    item: &Pointer,
) -> Option<(&'v mut Vec<Value>, usize)> {
    let (list, id) = (item.parent()?, item.last()?);
    let key = policy.key(policy.find(&list)?)?;
    let items = policy.value_at_mut(body, &list)?.as_array_mut()?;
    let index = item_index(items, key, id)?;
    Some((items, index))
}

/// Puts a value at a field of an object that is there, or removes it.
fn write(policy: &Policy, body: &mut Value, pointer: &Pointer, value: Option<Value>) -> Option<()> {
    let (name, way) = pointer.tokens().split_last()?;
    let (mut node, mut holder) = (NodeId::ROOT, body);
    for token in way {
        // An object without content is left out of values.
        if let Value::Object(map) = holder {
            map.entry(token)
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
        holder = policy.inner_mut(node, holder, token)?;
        node = policy.child(node, token)?;
    }
    let map = holder.as_object_mut()?;
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value)),
        None => drop(map.remove(name)),
    }
    Some(())
}
