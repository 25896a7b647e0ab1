//! Concurrent writes at the same place, and which of them is the value now.
//!
//! Automerge keeps one value of a register and hides the others, and the deletion of an item hides
//! what others write into it. What an entry did can then not be read from the value before and
//! after it. This module compares what its author had seen with what was there. An author has seen
//! what a change depends on or, where the change was made from an earlier value, what that value
//! held (see `base_message`); where that value was of an epoch that is over, the change says what of
//! it was written since (see `unseen_message`).
//!
//! Invariant: a function of the document up to the entry and of the entry's changes. Equal values
//! are no conflict; neither are increments of counters, nor edits inside texts and lists, which
//! merge.

mod registers;
mod removed;
mod standing;
mod unseen;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use automerge::{ActorId, Automerge, Change, ChangeHash, ObjId, Prop, ReadDoc as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::entity::ActorState;
use crate::id::Hash;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy};
use crate::principal::Principal;

pub use standing::Held;
pub(crate) use unseen::{unseen, unseen_in, unseen_message};

/// What became of a write that was concurrent with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The entry's write lost: the other value is the current one.
    Lost,
    /// The entry's write won, in place of a value that its author had not seen.
    Replaced,
}

/// A write of an entry and one that its author had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The field; items of keyed lists by id. `$position` and `$deleted` are the place of an item
    /// and whether it is deleted.
    pub pointer: Pointer,
    /// Which of both is the value now.
    pub outcome: Outcome,
    /// What the entry wrote; absent where it removed the value.
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub wrote: Option<Value>,
    /// The other value; absent where the other author removed it.
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub other: Option<Value>,
    /// The id of the principal who wrote the other value or removed it, as far as the document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The change that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Hash>,
    /// The item whose deletion is one of both writes, where it is not the field itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Pointer>,
}

/// A value that is null is a value.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An entry's place in a document that holds it.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) doc: &'a Automerge,
    pub(crate) policy: &'a Policy,
    pub(crate) actors: &'a BTreeMap<ActorId, ActorState>,
    /// The heads before the entry, sorted.
    pub(crate) before: &'a [ChangeHash],
    /// The heads after it.
    pub(crate) after: &'a [ChangeHash],
}

/// The conflicts of an entry, in the order of their pointers.
pub(crate) fn conflicts(around: Around<'_>, changes: &[&Change]) -> Vec<Conflict> {
    if is_sequential(around.before, changes) {
        return Vec::new();
    }
    let own = Own::new(around, changes);
    let mut found = registers::conflicts(&own);
    found.extend(removed::conflicts(&own));
    let mut unseen = unseen::conflicts(&own);
    // Where the document shows it by itself, that is more exact.
    unseen.retain(|one| found.iter().all(|known| known.pointer != one.pointer));
    found.extend(unseen);
    found.sort_by(|a, b| a.pointer.tokens().cmp(b.pointer.tokens()));
    found
}

/// Whether each change was made with everything before it in sight: then nothing is concurrent.
pub(crate) fn is_sequential(before: &[ChangeHash], changes: &[&Change]) -> bool {
    let mut heads = before.to_vec();
    changes.iter().all(|change| {
        let follows =
            change.deps() == heads && change.message().is_none_or(|said| !is_seen_message(said));
        heads = vec![change.hash()];
        follows
    })
}

/// What the message of a change begins with that takes an entity over to another schema.
pub(crate) const MIGRATION: &str = "indelible policy ";

/// Changes that are gone through one by one in search of a removal.
const REMOVALS_MAX: usize = 64;

const BASE: &str = "indelible base ";
/// More would not fit into a message.
const BASE_HEADS_MAX: usize = 15;

/// The message of a change that was made from the value at earlier heads: that is what its author
/// had seen, whatever the change depends on.
pub(crate) fn base_message(heads: &[ChangeHash]) -> Option<String> {
    let names: Vec<String> = heads.iter().map(ToString::to_string).collect();
    (names.len() <= BASE_HEADS_MAX).then(|| format!("{BASE}{}", names.join(",")))
}

/// Whether a message says what the author had seen, or had not: [`base_message`] or
/// [`unseen_message`].
pub(crate) fn is_seen_message(message: &str) -> bool {
    base_in(message).is_some() || unseen_in(message).is_some()
}

fn base_of(change: &Change) -> Option<Vec<ChangeHash>> {
    change.message().and_then(base_in)
}

fn base_in(message: &str) -> Option<Vec<ChangeHash>> {
    let names = message.strip_prefix(BASE)?.split(',');
    names.map(|name| name.parse().ok()).collect()
}

/// The entry's changes and what they say.
struct Own<'a> {
    around: Around<'a>,
    changes: Vec<Made>,
    paths: RefCell<HashMap<ObjId, Option<Path>>>,
}

/// The objects from the root to one, with their places in the policy.
type Path = Rc<Vec<(ObjId, NodeId, Pointer)>>;

/// One change, read.
struct Made {
    actor: ActorId,
    first: u64,
    ops: Vec<automerge::legacy::Op>,
    /// What its author had seen.
    seen: Vec<ChangeHash>,
    /// Where it says that its author had not seen what was there.
    unseen: Vec<Pointer>,
}

/// An operation's id without Automerge's index.
type Op = (u64, ActorId);

impl<'a> Own<'a> {
    fn new(around: Around<'a>, changes: &[&Change]) -> Self {
        let known = |heads: &Vec<ChangeHash>| {
            let mut heads = heads.iter();
            heads.all(|hash| around.doc.get_change_meta_by_hash(hash).is_some())
        };
        let changes = changes.iter().map(|change| Made {
            actor: change.actor_id().clone(),
            first: change.start_op().get(),
            ops: change.decode().operations,
            seen: base_of(change)
                .filter(known)
                .unwrap_or_else(|| change.deps().to_vec()),
            unseen: change.message().and_then(unseen_in).unwrap_or_default(),
        });
        Self {
            around,
            changes: changes.collect(),
            paths: RefCell::default(),
        }
    }

    /// The way to an object of the document; none where it is not in use.
    fn path(&self, object: &ObjId) -> Option<Path> {
        if let Some(known) = self.paths.borrow().get(object) {
            return known.clone();
        }
        let path = self.way(object).map(Rc::new);
        let mut paths = self.paths.borrow_mut();
        paths.insert(object.clone(), path.clone());
        path
    }

    fn way(&self, object: &ObjId) -> Option<Vec<(ObjId, NodeId, Pointer)>> {
        let policy = self.around.policy;
        let mut steps = Vec::new();
        let mut inner = object.clone();
        for parent in self.around.doc.parents(object).ok()? {
            let Prop::Map(name) = parent.prop else {
                return None;
            };
            steps.push((name, inner));
            inner = parent.obj;
        }
        let mut path = vec![(ObjId::Root, policy.root(), Pointer::root())];
        for (name, object) in steps.into_iter().rev() {
            let (_, node, at) = path.last()?;
            let step = (object, policy.child(*node, &name)?, at.child(name));
            path.push(step);
        }
        Some(path)
    }

    fn holds(&self, (counter, actor): &Op) -> bool {
        self.changes.iter().any(|change| {
            let end = change.first + change.ops.len() as u64;
            change.actor == *actor && (change.first..end).contains(counter)
        })
    }

    /// Whether an operation took a value over to another version of the schema: that is nobody's
    /// write.
    fn is_migration(&self, op: &ObjId) -> bool {
        let (by, change) = self.writer(op);
        change.is_some_and(|change| self.migrates(by.as_deref(), change))
    }

    /// The same for a change.
    fn migrates(&self, by: Option<&str>, change: Hash) -> bool {
        let meta = self.around.doc.get_change_meta_by_hash(&change.into());
        meta.and_then(|change| change.message)
            .is_some_and(|message| message.starts_with(MIGRATION))
            && by == Some(Principal::system().id.as_str())
    }

    /// Who wrote an operation of the document, and in which change.
    fn writer(&self, op: &ObjId) -> (Option<String>, Option<Hash>) {
        let actor = op_of(op).and_then(|(_, actor)| self.around.actors.get(&actor));
        let change = self.around.doc.hash_for_opid(op).map(Hash::from);
        (actor.map(|state| state.principal.clone()), change)
    }
}

impl Own<'_> {
    /// Who removed something that was there at the heads `seen` and was not before the entry, and in
    /// which change. `holds` says whether it was there at some heads.
    fn remover(
        &self,
        seen: &[ChangeHash],
        holds: impl Fn(&[ChangeHash]) -> bool,
    ) -> (Option<String>, Option<Hash>) {
        let doc = self.around.doc;
        let later = doc.get_changes_meta(self.around.before);
        let later: HashSet<ChangeHash> = later.iter().map(|change| change.hash).collect();
        let mut unseen = doc.get_changes_meta(seen);
        unseen.retain(|change| !later.contains(&change.hash));
        let held_after = |count: usize| {
            let mut heads = seen.to_vec();
            for change in &unseen[..count] {
                heads.retain(|head| !change.deps.contains(head));
                heads.push(change.hash);
            }
            holds(&heads)
        };
        // It was there after `there` of them and not after `gone`. Among the last ones, of several
        // removals the last is found; before those, in growing steps and then by halving, any one.
        let (mut there, mut gone) = (0, unseen.len());
        let mut step = 1;
        while step < gone {
            let count = gone - step;
            if held_after(count) {
                there = count;
                break;
            }
            gone = count;
            if unseen.len() - gone > REMOVALS_MAX {
                step *= 2;
            }
        }
        while there + 1 < gone {
            let middle = usize::midpoint(there, gone);
            match held_after(middle) {
                true => there = middle,
                false => gone = middle,
            }
        }
        let Some(change) = gone.checked_sub(1).and_then(|last| unseen.get(last)) else {
            return (None, None);
        };
        let actor = self.around.actors.get(change.actor.as_ref());
        let by = actor.map(|state| state.principal.clone());
        (by, Some(Hash::from(change.hash)))
    }
}

fn op_of(id: &ObjId) -> Option<Op> {
    match id {
        ObjId::Root => None,
        ObjId::Id(counter, actor, _) => Some((*counter, actor.clone())),
    }
}

/// The object that an operation works on, as a document names it.
fn object_of(object: &automerge::legacy::ObjectId) -> ObjId {
    match object {
        automerge::legacy::ObjectId::Root => ObjId::Root,
        automerge::legacy::ObjectId::Id(id) => ObjId::Id(id.counter(), id.actor().clone(), 0),
    }
}
