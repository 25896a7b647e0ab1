//! Whether a place of an entity ever had a value, as far back as its log is read.
//!
//! The records are read backwards, and what was learnt is kept: once a place was followed to the
//! beginning of the log, its values are known by their hashes, and later questions about it only
//! cost the records since. A question whose answer is recent goes back no further than that. A
//! keyed list is compared by the order of its items; each item is a place of its own.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::apply::undo;
use super::archive::Archive;
use super::reach::ReachError;
use super::record::Record;
use super::state::{EPOCH_END, PastError, State, before};
use crate::entity::Entity;
use crate::id::{Epoch, Hash, LogPlace, Seq};
use crate::ledger::{EntryKind, Stamps};
use crate::pointer::Pointer;
use crate::policy::{NodeId, NodeName, Origin, Policy, PolicySource, Presented, Shape, Succession};
use crate::value::canonical;
use crate::violation::Violation;

/// The entry that creates an entity: no reader saw anything before it.
const CREATION: LogPlace = LogPlace::new(Epoch::FIRST, Seq(1));
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
    upto: Option<LogPlace>,
    places: BTreeMap<Pointer, HashSet<Digest>>,
}

/// A place that is followed backwards: its present name, its name at the state that is read (`None`
/// before it was declared), and the values it had since.
struct Followed {
    name: Pointer,
    then: Option<Pointer>,
    values: HashSet<Digest>,
}

impl Had {
    /// Those of the attempts whose value the place has neither in `entity`, which is at the end of the
    /// log, nor had in any state before.
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
        let own = |(attempt, value): &(Violation, Digest)| {
            let own = names.binary_search(&&attempt.pointer).unwrap_or_default();
            (own, *value)
        };
        let mut open: Vec<(usize, Digest)> = tried.iter().map(own).collect();
        let mut followed = Places::new(names.into_iter().cloned());
        followed.look(&state, None);
        let mut back = Back::new(present);
        let mut complete = true;
        loop {
            if self.upto == Some(state.place) && !whole_way {
                break;
            }
            open.retain(|(own, value)| !followed.all[*own].values.contains(value));
            if open.is_empty() {
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
                followed.rename(&state.policy, &newer);
                followed.look(&state, None);
            }
            followed.stamped(&record, &state.policy);
            if record.place() <= CREATION {
                break;
            }
            state.undo(&record)?;
            if record.kind != EntryKind::Policy {
                followed.look(&state, Some(&record));
            }
        }
        if complete {
            self.learn(present, &followed.all);
        }
        let all = followed.all.into_iter();
        Ok(all.map(|one| (one.name, one.values)).collect())
    }

    fn learn(&mut self, upto: LogPlace, followed: &[Followed]) {
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
pub(super) struct Back {
    page: Vec<Record>,
    /// The place before which to go on reading.
    next: Option<LogPlace>,
    left: u64,
}

impl Back {
    pub(super) fn new(last: LogPlace) -> Self {
        Self {
            page: Vec::new(),
            next: Some(last),
            left: RECORDS_MAX,
        }
    }

    pub(super) fn next<A: Archive>(
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
        let Some(LogPlace { epoch, seq }) = self.next else {
            return Ok(None);
        };
        let first = Seq(seq.0.saturating_sub(READ_AT_ONCE - 1));
        let count = usize::try_from(seq.0 - first.0 + 1).unwrap_or(usize::MAX);
        let read = archive.records(LogPlace::new(epoch, first), count);
        self.page = read.map_err(ReachError::Archive)?;
        self.next = match first.0 {
            0 => archive.last_before(epoch).map_err(ReachError::Archive)?,
            first => Some(LogPlace::new(epoch, Seq(first - 1))),
        };
        Ok(self.page.pop())
    }
}

impl State {
    /// Takes back what `record` did, which led to this state.
    fn undo(&mut self, record: &Record) -> Result<(), PastError> {
        let place = record.place();
        let leads_here = match self.place.seq {
            EPOCH_END => place.epoch <= self.place.epoch,
            _ => place == self.place,
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

/// The places on the way back. Each record asks only for those that it touches.
struct Places {
    all: Vec<Followed>,
    /// Indices of places by what they are called at the state that is looked at.
    by_then: BTreeMap<Pointer, Vec<usize>>,
}

impl Places {
    fn new(names: impl Iterator<Item = Pointer>) -> Self {
        let all = names.map(|name| Followed {
            then: Some(name.clone()),
            name,
            values: HashSet::new(),
        });
        let mut places = Self {
            all: all.collect(),
            by_then: BTreeMap::new(),
        };
        places.index();
        places
    }

    fn index(&mut self) {
        self.by_then.clear();
        for (own, one) in self.all.iter().enumerate() {
            if let Some(then) = &one.then {
                self.by_then.entry(then.clone()).or_default().push(own);
            }
        }
    }

    /// Those that a record changed: what lies in one of its places, or around it.
    fn touched(&self, record: &Record) -> BTreeSet<usize> {
        let mut touched = BTreeSet::new();
        let changed: BTreeSet<&Pointer> = record.effects.iter().map(|one| &one.pointer).collect();
        for at in changed {
            let inside = self.by_then.range(at.clone()..);
            let inside = inside.take_while(|(then, _)| at.contains(then));
            touched.extend(inside.flat_map(|(_, own)| own));
            let mut around = at.clone();
            while around.pop().is_some() {
                touched.extend(self.by_then.get(&around).into_iter().flatten());
            }
        }
        touched
    }

    /// Notes the values of the places at a state: of all, or of those that the record that was just
    /// taken back had changed.
    fn look(&mut self, state: &State, undone: Option<&Record>) {
        let (stamps, asked) = match undone {
            None => {
                let all = (0..self.all.len()).collect();
                (state.stamps.fields(&state.policy), all)
            }
            Some(record) => (Map::new(), self.touched(record)),
        };
        let mut presented = Presented::new(&state.policy, &state.value);
        for own in asked {
            let one = &mut self.all[own];
            let Some(then) = &one.then else { continue };
            let value = match then.tokens() {
                [name] if stamps.contains_key(name) => stamps.get(name).cloned(),
                _ => value_at(state, &mut presented, then),
            };
            one.values.insert(digest(value.as_ref()));
        }
    }

    /// Notes the stamps after a record.
    fn stamped(&mut self, record: &Record, policy: &Policy) {
        if !record.kind.is_stamped() {
            return;
        }
        let stamps = Stamps {
            updated_at: Some(record.header.at),
            updated_by: Some(record.header.author.id.clone()),
            ..Stamps::default()
        };
        for (name, value) in stamps.fields(policy) {
            let own = self.by_then.get(&Pointer::root().child(name));
            for own in own.into_iter().flatten() {
                self.all[*own].values.insert(digest(Some(&value)));
            }
        }
    }

    /// Gives places the names that they had under the policy before `new`.
    fn rename(&mut self, old: &Policy, new: &Policy) {
        let succession = Succession::new(old, new);
        for one in &mut self.all {
            let former = one.then.take();
            one.then = former.and_then(|then| former_name(&then, (old, new), &succession));
        }
        self.index();
    }
}

/// The value at a place; of a keyed list, the ids of its items.
fn value_at(state: &State, presented: &mut Presented<'_>, place: &Pointer) -> Option<Value> {
    let value = presented.get(place)?;
    let node = state.policy.find(place)?;
    match (&state.policy.node(node).shape, value) {
        (Shape::Keyed { key, .. }, Value::Array(items)) => {
            let ids = items.iter().map(|item| item.get(key).cloned());
            Some(ids.map(Option::unwrap_or_default).collect())
        }
        (_, value) => Some(value.clone()),
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
