//! From a JSON value to the smallest change that brings it into an entity.
//!
//! Owns the comparison body ↔ base ↔ present, field by field along the policy: only what differs
//! is written; texts and lists by splices, keyed lists by key and place, counters by increments.
//! `null` empties what can be emptied, at every place.
//! Invariant: what it writes is an ordinary change, judged by admission like any other.

mod anew;
mod carried;
mod carry;
mod counts;
mod earlier;
mod empty;
mod kept;
mod keyed;
mod leaves;
mod merged;
mod places;
mod refused;
mod repeats;
mod room;
mod splices;
mod typed;
mod wanted;

use std::collections::{BTreeMap, HashSet};

use automerge::{ActorId, Automerge, Change, ChangeHash, ExpandedChange, ObjId};
use serde_json::{Map, Value};

use crate::conflicts::{base_message, unseen, unseen_message};
use crate::document::Reader;
use crate::draft::Draft;
use crate::entity::Entity;
use crate::id::Hash;
use crate::limits::Limits;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Rights, Shape, wrong_type};
use crate::principal::Principal;
use crate::value::normalized;
use crate::violation::{Rule, Violation};

pub use earlier::Earlier;
use kept::Kept;
use merged::Unnamed;
pub use merged::{Attempts, Merged};
pub(crate) use refused::violation;
pub(crate) use repeats::repeats_value;
pub use typed::{TextEdit, may_edit, splice};

pub(crate) use wanted::wanted;

pub(crate) use carry::{CarryOptions, Holder, Version, carry_fields, carry_object, carry_value};

/// What to do with a value for a field that the author may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protected {
    /// Refuse the whole merge.
    #[default]
    Refuse,
    /// Keep the current value, and report it in [`Merged::preserved`].
    Keep,
}

/// What a field that the body lacks means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absent {
    /// It stays as it is (a body is a part of the value).
    #[default]
    Stays,
    /// It was removed, if the base has it (a body is the whole value).
    Removed,
}

/// The state that a body was made from.
#[derive(Debug, Clone)]
pub struct Base {
    /// The value at that state, as presented, under the names of now.
    pub value: Value,
    /// The heads of that state; none where it is of an epoch that is over, so that only values show
    /// what became of it.
    pub heads: Vec<Hash>,
    /// The policy of that state, where a different one is in force now. What it had may be in other objects.
    pub earlier: Option<Earlier>,
}

/// How to merge.
#[derive(Debug, Clone, Default)]
pub struct MergeOptions {
    /// What to do with protected fields whose value differs.
    pub protected: Protected,
    /// What a missing field means.
    pub absent: Absent,
    /// More fields to keep as they are, by pointer.
    pub preserve: Vec<Pointer>,
    /// Places to be emptied, or removed where they can be, by pointer.
    pub remove: Vec<Pointer>,
    /// The state that the body was made from; without it, the present.
    pub base: Option<Base>,
    /// Items and entries that were deleted before the epoch of the entity began, so that its document
    /// has nothing of them, with what they held: a body that has them undeletes them.
    pub deleted: BTreeMap<Pointer, Value>,
    /// Whether the body is an earlier state: deleted items that it has are undeleted.
    pub revive: bool,
    /// Whether items that the list never held are made under the ids that the body gives.
    pub remake: bool,
    /// Whether this is the creation: `create` fields may be written and given item ids are kept.
    pub creation: bool,
    /// What one change may hold; what is more goes into further ones.
    pub limits: Limits,
}

/// What is wrong first, in a sentence, and how much more.
fn first_of(violations: &[Violation]) -> String {
    match violations {
        [] => "the value breaks a rule".to_owned(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

/// Why a merge makes no edit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MergeError {
    /// The body breaks rules; all of them are named.
    #[error("{}", first_of(.0))]
    Refused(Vec<Violation>),
    /// The base is not in the entity's history.
    #[error("the base is not in the history of the entity")]
    UnknownBase,
    /// The body holds more than an entity may.
    #[error("the entity would hold {bytes} bytes or more, {max} are allowed")]
    TooLarge {
        /// How much its fields take.
        bytes: usize,
        /// What an entity may hold.
        max: usize,
    },
    /// The actor cannot write here.
    #[error("the change could not be made: {0}")]
    Document(String),
}

/// Makes the edit by which `author`, writing as `actor`, brings `body` into `entity`.
///
/// The entity is not touched; the edit goes through [`admit`](crate::admission::admit).
///
/// # Errors
/// [`MergeError`]; nothing is written then.
pub fn merge(
    entity: &Entity,
    author: &Principal,
    actor: &ActorId,
    body: &Value,
    options: &MergeOptions,
) -> Result<Merged, MergeError> {
    merge_watched(entity, author, actor, (body, options), &mut Attempts::new())
}

/// [`merge`], which also notes what the body tries at protected fields that are kept: all of it,
/// also where the merge then fails, unless the body has more than there is room for. Fields that the
/// options preserve are not among it.
///
/// # Errors
/// As [`merge`].
pub fn merge_watched(
    entity: &Entity,
    author: &Principal,
    actor: &ActorId,
    (body, options): (&Value, &MergeOptions),
    attempts: &mut Attempts,
) -> Result<Merged, MergeError> {
    room::check(entity, author, body, options)?;
    let base_heads = match &options.base {
        Some(base) if !base.heads.is_empty() => Some(
            entity
                .known_heads(&base.heads)
                .map_err(|_| MergeError::UnknownBase)?,
        ),
        _ => None,
    }
    .filter(|heads| *heads != entity.doc().get_heads());
    let seen = match &options.base {
        Some(base) if base.heads.is_empty() => Seen::Value(&base.value, &[]),
        _ => Seen::Heads(base_heads.as_deref()),
    };
    write(entity, (author, actor), (options, seen), |merger| {
        let merged = merger.root(body);
        attempts.append(&mut merger.attempts);
        merged
    })
}

/// Makes one edit of what `writes` writes.
fn write(
    entity: &Entity,
    (author, actor): (&Principal, &ActorId),
    (options, seen): (&MergeOptions, Seen<'_>),
    writes: impl FnOnce(&mut Merger<'_>) -> Outcome,
) -> Result<Merged, MergeError> {
    let mut rights = entity.policy().rights(author);
    if options.creation || !rights.any() {
        // Admission refuses as a whole what comes from an author without any rights.
        rights = entity.policy().rights_at_creation(author);
    }
    let base_heads = match seen {
        Seen::Heads(heads) => heads,
        Seen::Value(..) => None,
    };
    let mut merger = Merger {
        entity,
        policy: entity.policy(),
        reader: Reader::now(entity.doc(), entity.policy()),
        rights,
        actor,
        options,
        kept: Kept::of(&options.preserve),
        base_heads,
        source: Source::Body,
        since: since(entity, options, base_heads),
        draft: Draft::of(entity, actor),
        is_converted: false,
        is_anew: false,
        unnamed: Unnamed::default(),
        preserved: Vec::new(),
        attempts: Attempts::new(),
        violations: Vec::new(),
    };
    writes(&mut merger).map_err(|error| MergeError::Document(error.to_string()))?;
    let (change, preserved, unnamed) = merger.finish()?;
    let mut merged = Merged {
        preserved,
        unnamed,
        ..Merged::default()
    };
    if let Some(mut change) = change {
        seen.note(entity, &mut change, &options.limits)?;
        merged.fill(change, &options.limits);
    }
    Ok(merged)
}

/// What the author of an edit had seen.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// The state at these heads; `None` for the present, or where nothing is to be said of it.
    Heads(Option<&'a [ChangeHash]>),
    /// A value of an epoch that is over, and places whose values that author had not seen then either.
    Value(&'a Value, &'a [Pointer]),
}

impl Seen<'_> {
    /// Notes in a change of `entity` what it writes over that its author had not seen, where the
    /// document cannot tell that.
    fn note(
        &self,
        entity: &Entity,
        change: &mut ExpandedChange,
        limits: &Limits,
    ) -> Result<(), MergeError> {
        let Self::Value(Value::Object(seen), earlier) = self else {
            return Ok(());
        };
        let mut made = Automerge::clone(entity.doc());
        made.apply_changes([Change::from(change.clone())])
            .map_err(|error| MergeError::Document(error.to_string()))?;
        let after = Reader::now(&made, entity.policy()).root();
        let mut places = unseen(entity.policy(), seen, (entity.value(), &after));
        let further = earlier.iter().filter(|at| !places.contains(at)).cloned();
        places.extend(further.collect::<Vec<_>>());
        change.message = unseen_message(&places, limits.message_bytes_max);
        Ok(())
    }
}

/// The changes since a base under another policy: objects that they made were not there then.
fn since(
    entity: &Entity,
    options: &MergeOptions,
    base_heads: Option<&[ChangeHash]>,
) -> HashSet<ChangeHash> {
    match (&options.base, base_heads) {
        (Some(base), Some(heads)) if base.earlier.is_some() => {
            let changes = entity.doc().get_changes(heads).into_iter();
            changes.map(|change| change.hash()).collect()
        }
        _ => HashSet::new(),
    }
}

type Outcome = Result<(), automerge::AutomergeError>;

/// Where the values come from that are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A body that a client sent.
    Body,
    /// An object that was made elsewhere: its items keep their ids.
    Object,
    /// Edits to a document of which nothing but values is common with this one: items keep their
    /// ids, and places in texts and lists are carried over by comparing values.
    Edits,
}

struct Merger<'a> {
    entity: &'a Entity,
    policy: &'a Policy,
    /// The document before this merge: every position is read from it.
    reader: Reader<'a>,
    rights: Rights<'a>,
    actor: &'a ActorId,
    options: &'a MergeOptions,
    /// The places that it preserves.
    kept: Kept<'a>,
    /// Heads of the base where it is not the present.
    base_heads: Option<&'a [ChangeHash]>,
    source: Source,
    /// The changes since the base, where another policy held then.
    since: HashSet<ChangeHash>,
    draft: Draft<'a>,
    /// Whether this is inside a field that was stored in another form at the base.
    is_converted: bool,
    /// Whether this is inside an object that is made again, since it was deleted before the epoch began.
    is_anew: bool,
    /// Items that get their ids here.
    unnamed: Unnamed,
    preserved: Vec<Pointer>,
    attempts: Attempts,
    violations: Vec<Violation>,
}

/// One object on its way: where it is and what is to become of it.
struct Target<'a> {
    object: &'a ObjId,
    node: NodeId,
    at: &'a Pointer,
    /// Whether `create` fields may be written.
    fresh: bool,
}

impl Merger<'_> {
    /// Whether items that the list never held keep the ids that the body gives them.
    fn makes_named(&self) -> bool {
        self.options.creation
            || self.options.remake
            || self.is_converted
            || self.is_anew
            || self.source != Source::Body
    }

    /// A property of an object that was there before this merge, as it was presented then.
    fn present(&self, object: &ObjId, name: &str, node: NodeId) -> Option<Value> {
        self.reader
            .presented(&self.draft.before(object, name)?, node)
    }

    /// What was written, unless there were faults.
    fn finish(mut self) -> Result<(Option<ExpandedChange>, Vec<Pointer>, Unnamed), MergeError> {
        if !self.violations.is_empty() {
            for violation in &mut self.violations {
                violation.pointer = self.unnamed.as_given(&violation.pointer);
            }
            return Err(MergeError::Refused(self.violations));
        }
        let message = self.base_heads.and_then(base_message);
        Ok((self.draft.finish(message), self.preserved, self.unnamed))
    }

    fn root(&mut self, body: &Value) -> Outcome {
        let at = Pointer::root();
        let Value::Object(fields) = body else {
            let shape = &self.policy.node(self.policy.root()).shape;
            self.refuse_fault(&at, wrong_type(shape), None, None);
            return Ok(());
        };
        let base = self
            .options
            .base
            .as_ref()
            .and_then(|base| base.value.as_object());
        let target = Target {
            object: &automerge::ROOT,
            node: self.policy.root(),
            at: &at,
            fresh: self.options.creation,
        };
        if !self.options.creation && self.rights.is_blind() {
            let mut barred = self.rights.barred(fields);
            barred.extend(self.rights.barred_from_removing(&self.options.remove));
            for at in barred {
                let message = "without the right to read, only fields of the system can be named";
                self.refuse(&at, Rule::WRITE, message, None, None);
            }
            if !self.violations.is_empty() {
                return Ok(());
            }
        }
        if !self.counts_fit(body) {
            return Ok(());
        }
        self.object(&target, fields, base)?;
        self.remove_named()
    }

    /// Merges the fields of one object.
    fn object(
        &mut self,
        target: &Target<'_>,
        body: &Map<String, Value>,
        base: Option<&Map<String, Value>>,
    ) -> Outcome {
        for (name, value) in body {
            if self.policy.presented_key(target.node) == Some(name) {
                continue;
            }
            let child = if name.starts_with('$') {
                None
            } else {
                self.policy.child(target.node, name)
            };
            let Some(child) = child else {
                self.refuse_undeclared(target, name);
                continue;
            };
            // What is made again has what it held at such places.
            if !self.is_anew && self.keeps(target, name) {
                continue;
            }
            self.field(target, name, child, value, base.map(|base| base.get(name)))?;
        }
        if self.is_whole() && !target.fresh {
            self.remove_absent(target, body, base)?;
        }
        Ok(())
    }

    /// Merges one field that has the same form in the base.
    fn alike(
        &mut self,
        target: &Target<'_>,
        name: &str,
        child: NodeId,
        value: &Value,
        base: Option<Option<&Value>>,
    ) -> Outcome {
        let at = || target.at.child(name);
        let shape = &self.policy.node(child).shape;
        if value.is_null() && shape.is_container() {
            return self.empty(target, name, child, base);
        }
        match shape {
            Shape::Object { .. } => {
                let Value::Object(body) = value else {
                    self.refuse_fault(&at(), wrong_type(shape), Some(value), None);
                    return Ok(());
                };
                let base = base.map(|base| base.and_then(Value::as_object));
                self.nested(target, name, child, body, base)
            }
            Shape::Keyed { item, key } => {
                let Some(object) = self.container(target, name, value, Value::is_array) else {
                    return Ok(());
                };
                let at = at();
                let list = keyed::List {
                    object: &object,
                    node: child,
                    item: *item,
                    key,
                    at: &at,
                };
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let base = base.map(|base| base.and_then(Value::as_array).map_or(&[][..], |v| v));
                self.keyed(&list, items, base, target.fresh)
            }
            Shape::List { element } => {
                let Some(object) = self.container(target, name, value, Value::is_array) else {
                    return Ok(());
                };
                let at = at();
                let target = Target {
                    object: &object,
                    node: *element,
                    at: &at,
                    ..*target
                };
                self.list(&target, value, base)
            }
            Shape::Text { .. } => {
                let Some(object) = self.container(target, name, value, Value::is_string) else {
                    return Ok(());
                };
                let at = at();
                let target = Target {
                    object: &object,
                    node: child,
                    at: &at,
                    ..*target
                };
                self.text(&target, value, base)
            }
            Shape::Stamp(_) => {
                let present = self.entity.stamp_fields().remove(name);
                self.derived(&at(), Rule::STAMP, &normalized(value), present, base);
                Ok(())
            }
            Shape::Tally => {
                self.derived(&at(), Rule::TALLY, &normalized(value), None, base);
                Ok(())
            }
            Shape::Scalar(_) | Shape::Atomic(_) | Shape::Counter(_) => {
                self.scalar(target, name, child, &normalized(value), base)
            }
        }
    }

    /// The container at `name`, if `value` is of its kind.
    fn container(
        &mut self,
        target: &Target<'_>,
        name: &str,
        value: &Value,
        fits: fn(&Value) -> bool,
    ) -> Option<ObjId> {
        if !fits(value) {
            let (at, child) = (target.at.child(name), self.policy.child(target.node, name));
            if let Some(child) = child {
                let fault = wrong_type(&self.policy.node(child).shape);
                self.refuse_fault(&at, fault, Some(value), None);
            }
            return None;
        }
        self.draft
            .get(target.object, name)
            .ok()
            .flatten()
            .map(|(_, object)| object)
    }
}
