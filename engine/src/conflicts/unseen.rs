//! Values of an epoch that is over, which an author had not seen.
//!
//! What an author had seen of a former epoch is not in the document of this one, so a document cannot
//! tell which values were written since. It is compared when the change is made, and the change names
//! the places in its message.

use automerge::ChangeHash;
use serde_json::{Map, Value};

use super::removed::{came, writer};
use super::{Conflict, Outcome, Own};
use crate::document::Reader;
use crate::effects::{Effect, EffectChange, effects, effects_at};
use crate::pointer::Pointer;
use crate::policy::{NodeId, Policy, Presented, Shape};
use crate::principal::Principal;

const UNSEEN: &str = "indelible unseen ";

/// The message of a change that writes over values at these places, which its author had not seen:
/// as many of them as a message of so many bytes can name. None where there are none.
pub(crate) fn unseen_message(places: &[Pointer], bytes_max: usize) -> Option<String> {
    let mut message = UNSEEN.to_owned();
    let mut before = '[';
    for place in places {
        let named = Value::from(place.to_string()).to_string();
        // With what comes before it and what ends the list.
        if message.len() + named.len() + 2 > bytes_max {
            break;
        }
        message.push(before);
        message.push_str(&named);
        before = ',';
    }
    (before == ',').then(|| message + "]")
}

/// The places that a message of [`unseen_message`] names.
pub(crate) fn unseen_in(message: &str) -> Option<Vec<Pointer>> {
    serde_json::from_str(message.strip_prefix(UNSEEN)?).ok()
}

/// Where values were written over by an edit that leads from `before` to `after`, made by an author
/// who had seen `seen`. Texts, lists and counters merge.
pub(crate) fn unseen(
    policy: &Policy,
    seen: &Map<String, Value>,
    (before, after): (&Map<String, Value>, &Map<String, Value>),
) -> Vec<Pointer> {
    let mut seen = Presented::new(policy, seen);
    let mut places = Vec::new();
    for effect in effects(policy, before, after) {
        let Some((from, to)) = put(&effect) else {
            continue;
        };
        let had = seen.get(&effect.pointer);
        if had == from {
            continue;
        }
        let Some(node) = policy.find(&effect.pointer) else {
            continue;
        };
        if is_register(policy, node) {
            places.push(effect.pointer.clone());
        } else if to.is_none() && policy.is_dynamic(node) {
            // An item or entry is deleted with what others wrote into it.
            let others = effects_at(policy, node, (had, from), effect.pointer.clone());
            let came = others.into_iter().filter(|other| came(other).is_some());
            places.extend(came.map(|other| other.pointer));
        }
    }
    places
}

fn put(effect: &Effect) -> Option<(Option<&Value>, Option<&Value>)> {
    match &effect.change {
        EffectChange::Put { from, to, .. } => Some((from.as_ref(), to.as_ref())),
        EffectChange::Splice { .. } | EffectChange::Move { .. } => None,
    }
}

/// Whether one of several values stands there.
fn is_register(policy: &Policy, node: NodeId) -> bool {
    let shape = &policy.node(node).shape;
    !shape.is_container() && !matches!(shape, Shape::Counter(_))
}

/// The conflicts at the places that the entry's changes name.
pub(super) fn conflicts(own: &Own<'_>) -> Vec<Conflict> {
    let mut places: Vec<&Pointer> = own
        .changes
        .iter()
        .flat_map(|change| &change.unseen)
        .collect();
    if places.is_empty() {
        return Vec::new();
    }
    places.sort_by(|a, b| a.tokens().cmp(b.tokens()));
    places.dedup();
    let (doc, policy) = (own.around.doc, own.around.policy);
    let at = |heads: &[ChangeHash]| Reader::at(doc, policy, heads).root();
    let (before, after) = (at(own.around.before), at(own.around.after));
    let (mut before, mut after) = (
        Presented::new(policy, &before),
        Presented::new(policy, &after),
    );
    let found = places.into_iter().filter_map(|place| {
        let (other, wrote) = (before.get(place), after.get(place));
        let node = policy.find(place)?;
        let removed = removed(policy, place, |at| {
            before.get(at).is_some() && after.get(at).is_none()
        });
        if other == wrote || removed.is_none() && !is_register(policy, node) {
            return None;
        }
        let (by, change) = writer(
            own,
            (&automerge::ROOT, policy.root()),
            (&Pointer::root(), place),
        );
        // What the epoch began with was written by others, in a document that is not this one.
        let is_known = by.as_deref() != Some(Principal::system().id.as_str());
        Some(Conflict {
            pointer: place.clone(),
            outcome: Outcome::Replaced,
            wrote: wrote.cloned(),
            other: other.cloned(),
            by: by.filter(|_| is_known),
            change: change.filter(|_| is_known),
            removed,
        })
    });
    found.collect()
}

/// The outermost item or entry around a place that the entry deleted.
fn removed(
    policy: &Policy,
    place: &Pointer,
    mut is_gone: impl FnMut(&Pointer) -> bool,
) -> Option<Pointer> {
    let mut at = Pointer::root();
    for token in place.parent()?.tokens() {
        at = at.child(token);
        if policy.find(&at).is_some_and(|node| policy.is_dynamic(node)) && is_gone(&at) {
            return Some(at);
        }
    }
    None
}
