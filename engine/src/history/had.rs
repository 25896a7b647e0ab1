//! Whether a place of an entity ever had a value, as far back as its log is read.
//!
//! Owns the way back through the records, and what was learnt on it: once a place has been followed
//! to the beginning of the log, its values are known as hashes, and later questions about it cost
//! only the records since. A question whose answer is near goes no further back than that.
//! A keyed list counts by the order of its items; each item is a place of its own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::apply::undo;
use super::archive::Archive;
use super::reach::ReachError;
use super::record::Record;
use super::state::{EPOCH_END, PastError, Place, State, before};
use crate::entity::{Entity, Stamps};
use crate::id::{Epoch, Hash, Seq};
use crate::ledger::EntryKind;
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Origin, Policy, PolicySource, Shape, Succession};
use crate::value::canonical;
use crate::violation::Violation;

/// The entry that brings an entity into being: what was before it, nobody saw.
const CREATION: Place = (Epoch::FIRST, Seq(1));
/// Records that are read at a time.
const READ_AT_ONCE: u64 = 256;
/// How far back the log is read at most. Values from before that count as values never had.
const RECORDS_MAX: u64 = 20_000;
/// Hashes that are kept between questions, of all places together.
const KEPT_MAX: usize = 100_000;

/// A value in 16 bytes; null and absence are one.
type Digest = [u8; 16];

/// What is known of the values that places of one entity had.
#[derive(Debug, Default)]
pub struct Had {
    /// The entry up to which everything here is known.
    upto: Option<Place>,
    places: BTreeMap<Pointer, HashSet<Digest>>,
}

/// A place on the way back: what it is called now, what it was called at the state that is looked
/// at (nothing once it was not declared), and the values it had since.
struct Followed {
    name: Pointer,
    then: Option<Pointer>,
    values: HashSet<Digest>,
}

impl Had {
    /// Those of the attempts whose value the place has or had neither in `entity`, which stands at
    /// the end of the log, nor in any state before it.
    ///
    /// # Errors
    /// [`ReachError`] when the log cannot be read or does not lead there; nothing is learnt then.
    pub fn never<A: Archive>(
        &mut self,
        entity: &Entity,
        archive: &mut A,
        policies: &dyn PolicySource,
        attempts: Vec<Violation>,
    ) -> Result<Vec<Violation>, ReachError<A::Error>> {
        if attempts.is_empty() {
            return Ok(attempts);
        }
        let state = State::of(entity);
        let tried: Vec<(Violation, Digest)> = attempts
            .into_iter()
            .map(|attempt| {
                let value = attempt.attempted.as_ref();
                let digest = digest(value.filter(|value| !value.is_null()));
                (attempt, digest)
            })
            .collect();
        let end = self.walk(state, archive, policies, &tried)?;
        let had = |(attempt, value): &(Violation, Digest)| {
            let of = |values: &HashSet<Digest>| values.contains(value);
            end.get(&attempt.pointer).is_some_and(of)
                || self.places.get(&attempt.pointer).is_some_and(of)
        };
        let (_, never): (Vec<_>, Vec<_>) = tried.into_iter().partition(had);
        Ok(never.into_iter().map(|(attempt, _)| attempt).collect())
    }

    /// Goes back until all attempts are found or everything there is to know is known. Gives the
    /// values that were met, of the places that are asked for.
    fn walk<A: Archive>(
        &mut self,
        mut state: State,
        archive: &mut A,
        policies: &dyn PolicySource,
        tried: &[(Violation, Digest)],
    ) -> Result<BTreeMap<Pointer, HashSet<Digest>>, ReachError<A::Error>> {
        let present = state.place;
        let unknown = |name: &Pointer| !self.places.contains_key(name);
        let whole_way = tried.iter().any(|(attempt, _)| unknown(&attempt.pointer));
        let names = tried.iter().map(|(attempt, _)| &attempt.pointer);
        let mut names: Vec<&Pointer> = names.chain(self.places.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut followed: Vec<Followed> = names
            .into_iter()
            .map(|name| Followed {
                name: name.clone(),
                then: Some(name.clone()),
                values: HashSet::new(),
            })
            .collect();
        look(&state, None, &mut followed);
        let mut back = Back::new(present);
        let mut complete = true;
        loop {
            if self.upto == Some(state.place) && !whole_way {
                break;
            }
            let found = |(attempt, value): &(Violation, Digest)| {
                let own = followed.iter().find(|one| one.name == attempt.pointer);
                own.is_some_and(|own| own.values.contains(value))
            };
            if tried.iter().all(found) {
                complete = false;
                break;
            }
            let Some(record) = back.next(archive)? else {
                break;
            };
            let newer = Arc::clone(&state.policy);
            state.take_policy(&record, policies)?;
            if state.policy.hash() != newer.hash() {
                // Before the schema changed, under the names of then.
                rename(&state.policy, &newer, &mut followed);
                look(&state, None, &mut followed);
            }
            stamped(&record, &state.policy, &mut followed);
            if record.place() <= CREATION {
                break;
            }
            state.undo(&record)?;
            if record.kind != EntryKind::Policy {
                look(&state, Some(&record), &mut followed);
            }
        }
        if complete {
            self.learn(present, &followed);
        }
        Ok(followed
            .into_iter()
            .map(|one| (one.name, one.values))
            .collect())
    }

    fn learn(&mut self, upto: Place, followed: &[Followed]) {
        self.upto = Some(upto);
        for one in followed {
            let known = self.places.entry(one.name.clone()).or_default();
            known.extend(&one.values);
        }
        let kept: usize = self.places.values().map(HashSet::len).sum();
        if kept > KEPT_MAX {
            *self = Self::default();
        }
    }
}

/// The records of a log, the last one first.
struct Back {
    page: Vec<Record>,
    /// The place before which to go on reading.
    next: Option<Place>,
    left: u64,
}

impl Back {
    fn new(last: Place) -> Self {
        Self {
            page: Vec::new(),
            next: Some(last),
            left: RECORDS_MAX,
        }
    }

    fn next<A: Archive>(
        &mut self,
        archive: &mut A,
    ) -> Result<Option<Record>, ReachError<A::Error>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        if let Some(record) = self.page.pop() {
            return Ok(Some(record));
        }
        let Some((epoch, seq)) = self.next else {
            return Ok(None);
        };
        let first = Seq(seq.0.saturating_sub(READ_AT_ONCE - 1));
        let count = usize::try_from(seq.0 - first.0 + 1).unwrap_or(usize::MAX);
        let read = archive.records((epoch, first), count);
        self.page = read.map_err(ReachError::Archive)?;
        self.next = match first.0 {
            0 => archive.last_before(epoch).map_err(ReachError::Archive)?,
            first => Some((epoch, Seq(first - 1))),
        };
        Ok(self.page.pop())
    }
}

impl State {
    /// Takes back what `record` did, which led to this state.
    fn undo(&mut self, record: &Record) -> Result<(), PastError> {
        let place = record.place();
        let leads_here = match self.place {
            (epoch, EPOCH_END) => place.0 <= epoch,
            here => place == here,
        };
        if !leads_here {
            return Err(PastError::Records { wanted: self.place });
        }
        undo(&self.policy, &mut self.value, &record.effects)
            .map_err(|source| PastError::Effects { place, source })?;
        self.place = before(place, record.kind);
        Ok(())
    }
}

/// Notes the values of the places at a state: of all, or of those that the record that was just
/// taken back had changed.
fn look(state: &State, undone: Option<&Record>, followed: &mut [Followed]) {
    let stamps = match undone {
        None => state.stamps.fields(&state.policy),
        Some(_) => Map::new(),
    };
    for one in followed {
        let Some(then) = &one.then else { continue };
        if let [name] = then.tokens()
            && let Some(stamp) = stamps.get(name)
        {
            one.values.insert(digest(Some(stamp)));
            continue;
        }
        let changed = undone.is_none_or(|record| {
            let mut effects = record.effects.iter();
            effects.any(|effect| effect.pointer.contains(then) || then.contains(&effect.pointer))
        });
        if changed {
            one.values.insert(digest(value_at(state, then).as_ref()));
        }
    }
}

/// Notes the stamps after a record.
fn stamped(record: &Record, policy: &Policy, followed: &mut [Followed]) {
    if !record.kind.is_stamped() {
        return;
    }
    let stamps = Stamps {
        updated_at: Some(record.at),
        updated_by: Some(record.author.id.clone()),
        ..Stamps::default()
    };
    for (name, value) in stamps.fields(policy) {
        let name = Pointer::root().child(name);
        let own = followed
            .iter_mut()
            .filter(|one| one.then.as_ref() == Some(&name));
        own.for_each(|one| {
            one.values.insert(digest(Some(&value)));
        });
    }
}

/// What stands at a place; of a keyed list, the ids of its items.
fn value_at(state: &State, place: &Pointer) -> Option<Value> {
    let policy = &state.policy;
    let (first, rest) = place.tokens().split_first()?;
    let mut value = state.value.get(first)?;
    let mut node = policy.child(NodeId::ROOT, first)?;
    for token in rest {
        value = policy.inner(node, value, token)?;
        node = policy.child(node, token)?;
    }
    match (&policy.node(node).shape, value) {
        (Shape::Keyed { key, .. }, Value::Array(items)) => {
            let ids = items.iter().map(|item| item.get(key).cloned());
            Some(ids.map(Option::unwrap_or_default).collect())
        }
        (_, value) => Some(value.clone()),
    }
}

/// Gives places the names that they had under the policy before `new`.
fn rename(old: &Policy, new: &Policy, followed: &mut [Followed]) {
    let succession = Succession::new(old, new);
    for one in followed {
        let former = one.then.take();
        one.then = former.and_then(|then| former_name(&then, (old, new), &succession));
    }
}

fn former_name(
    place: &Pointer,
    (old, new): (&Policy, &Policy),
    succession: &Succession,
) -> Option<Pointer> {
    let mut node = NodeId::ROOT;
    let mut name = Pointer::root();
    for token in place.tokens() {
        node = new.child(node, token)?;
        let (Origin::Kept(source) | Origin::Renamed(source)) = succession.origin(node) else {
            return None;
        };
        name.push(match &old.node(source).name {
            NodeName::Property(former) => former.as_str(),
            _ => token.as_str(),
        });
    }
    Some(name)
}

fn digest(value: Option<&Value>) -> Digest {
    let text = value.map(canonical).unwrap_or_default();
    let Hash(hash) = Hash::of(&[text.as_bytes()]);
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash[..16]);
    digest
}
