//! One splice of a text, as its author typed it.
//!
//! Invariant: what is written is at the place that the author saw, which later edits of others
//! carry along; nothing is found by comparing texts.

use automerge::{ActorId, ChangeHash};
use serde_json::Value;

use super::splices::Sides;
use super::{MergeError, MergeOptions, Merged, Merger, Outcome, Seen, Target, write};
use crate::document::Reader;
use crate::draft::letter;
use crate::entity::Entity;
use crate::id::Hash;
use crate::limits::Limits;
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, ScalarFault, Shape};
use crate::principal::Principal;
use crate::sequence::Run;
use crate::splice::{Splice, misfit};
use crate::violation::Rule;

/// A splice, and the text that it was made on.
#[derive(Debug, Clone, Copy)]
pub struct TextEdit<'a> {
    /// The text; items of keyed lists are named by their ids.
    pub at: &'a Pointer,
    /// What the author did to it.
    pub splice: &'a Splice,
    /// The heads of the state that the author saw; without them, the present state.
    pub base: Option<&'a [Hash]>,
    /// What one change holds.
    pub limits: &'a Limits,
}

/// Whether a principal may change what is at a pointer (with the ids of items), as far as the policy
/// decides that without the new value.
#[must_use]
pub fn may_edit(policy: &Policy, principal: &Principal, at: &Pointer) -> bool {
    let rights = policy.rights(principal);
    policy.find(at).is_some_and(|node| {
        let stored = !matches!(policy.node(node).shape, Shape::Stamp(_) | Shape::Tally);
        stored && rights.denied(node, false).is_none()
    })
}

/// Makes the change by which `author`, writing as `actor`, edits one text of `entity`. Like
/// [`merge`](super::merge), it touches nothing.
///
/// # Errors
/// [`MergeError::Refused`] when there is no such text or it may not be written,
/// [`MergeError::Document`] when the splice is not inside the text that the author saw.
pub fn splice(
    entity: &Entity,
    author: &Principal,
    actor: &ActorId,
    edit: &TextEdit<'_>,
) -> Result<Merged, MergeError> {
    let base = match edit.base {
        Some(heads) => Some(
            entity
                .known_heads(heads)
                .map_err(|_| MergeError::UnknownBase)?,
        ),
        None => None,
    }
    .filter(|heads| *heads != entity.doc().get_heads());
    let text = seen(entity, edit.at, base.as_deref());
    let run = run(&text, edit)?;
    let options = MergeOptions {
        limits: edit.limits.clone(),
        ..MergeOptions::default()
    };
    let seen = Seen::Heads(base.as_deref());
    write(entity, (author, actor), (&options, seen), |merger| {
        merger.typed(edit, &text, &run)
    })
}

/// The text that the author saw, letter by letter.
fn seen(entity: &Entity, at: &Pointer, base: Option<&[ChangeHash]>) -> Vec<char> {
    let reader = match base {
        Some(heads) => Reader::at(entity.doc(), entity.policy(), heads),
        None => Reader::now(entity.doc(), entity.policy()),
    };
    let mut object = automerge::ROOT;
    for token in at.tokens() {
        match reader.get(&object, token) {
            Some((automerge::Value::Object(_), inside)) => object = inside,
            _ => return Vec::new(),
        }
    }
    reader.text(&object).chars().collect()
}

/// The splice in letters.
fn run(text: &[char], edit: &TextEdit<'_>) -> Result<Run, MergeError> {
    let splice = edit.splice;
    let outside = || {
        let why = misfit(text.iter().copied(), splice, edit.at);
        MergeError::Document(why.unwrap_or_default())
    };
    let end = splice
        .index
        .checked_add(splice.remove)
        .ok_or_else(outside)?;
    let (mut units, mut letters) = (0, 0);
    let mut until = |place: usize| {
        while units < place {
            units += text.get(letters)?.len_utf16();
            letters += 1;
        }
        (units == place).then_some(letters)
    };
    let start = until(splice.index).ok_or_else(outside)?;
    let end = until(end).ok_or_else(outside)?;
    Ok(Run {
        old: start..end,
        new: 0..splice.insert.chars().count(),
    })
}

impl Merger<'_> {
    fn typed(&mut self, edit: &TextEdit<'_>, text: &[char], run: &Run) -> Outcome {
        if run.old.is_empty() && run.new.is_empty() {
            return Ok(());
        }
        let mut place = (automerge::ROOT, NodeId::ROOT);
        for token in edit.at.tokens() {
            let found = self.reader.get(&place.0, token);
            let node = self.policy.child(place.1, token);
            match (found, node) {
                (Some((automerge::Value::Object(_), inside)), Some(node))
                    if !self.reader.is_deleted(&inside) =>
                {
                    place = (inside, node);
                }
                (_, node) => {
                    let rule = match node {
                        Some(_) => Rule::UNKNOWN_ITEM,
                        None => Rule::UNKNOWN_FIELD,
                    };
                    let message = "is not there (any more)";
                    self.refuse(edit.at, rule, message, None, None);
                    return Ok(());
                }
            }
        }
        let shape = &self.policy.node(place.1).shape;
        if !matches!(shape, Shape::Text { .. }) {
            let fault = ScalarFault {
                message: format!("is {}, not a text", shape.description()),
                ..ScalarFault::types(shape.types())
            };
            self.refuse_fault(edit.at, fault, None, None);
            return Ok(());
        }
        let target = Target {
            object: &place.0,
            node: place.1,
            at: edit.at,
            fresh: false,
        };
        let present = Value::String(self.reader.text(&place.0));
        let attempted = Value::String(edit.splice.insert.clone());
        if !self.may_splice(&target, &attempted, present) {
            return Ok(());
        }
        let runs = std::slice::from_ref(run);
        let sides = Sides {
            old: text,
            present: text,
            is_base: true,
        };
        let splices = self.splices(target.object, runs, &sides, |c| c.len_utf16())?;
        let inserted: Vec<char> = edit.splice.insert.chars().collect();
        let inserted = |index| inserted.get(index).map(letter);
        self.draft.splice(target.object, &splices, inserted)
    }
}
