//! A model of what a rebase must come to: operations on plain maps and lines of elements, written
//! from the description alone, slow and without anything of the engine.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{Change, ChangeHash, ScalarValue};
use serde_json::{Map, Value, json};

pub(crate) type Id = (u64, Vec<u8>);
pub(crate) type Place = (usize, usize);

fn id(op: &OpId) -> Id {
    (op.counter(), op.actor().to_bytes().to_vec())
}

#[derive(Debug, Clone)]
enum Slot {
    Scalar(ScalarValue),
    Map(Id),
    Line(Id),
}

#[derive(Debug, Clone)]
struct Standing {
    id: Id,
    slot: Slot,
    added: i64,
}

#[derive(Debug, Clone, Default)]
struct Object {
    keys: BTreeMap<String, Vec<Standing>>,
    line: Vec<(Id, Vec<Standing>)>,
}

/// What some operations leave.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    objects: BTreeMap<Option<Id>, Object>,
}

/// An operation with its id.
type Made = (Id, Op);

fn operations(changes: &[Change]) -> Vec<Made> {
    let mut all = Vec::new();
    for change in changes {
        for (index, op) in change.decode().operations.into_iter().enumerate() {
            let made = OpId::new(change.start_op().get() + index as u64, change.actor_id());
            all.push((id(&made), op));
        }
    }
    all
}

fn object_of(op: &Op) -> Option<Id> {
    match &op.obj {
        ObjectId::Root => None,
        ObjectId::Id(made) => Some(id(made)),
    }
}

fn element_of(op: &Op) -> Option<Id> {
    match &op.key {
        Key::Seq(ElementId::Id(made)) => Some(id(made)),
        _ => None,
    }
}

impl State {
    /// All operations in the order of their ids, each replacing what it names.
    fn of(mut all: Vec<Made>) -> Self {
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let mut state = Self::default();
        for (made, op) in &all {
            let gone: Vec<Id> = op.pred.iter().map(id).collect();
            state.take(made, op, element_of(op), &gone);
        }
        state
    }

    fn standing(
        &mut self,
        object: &Option<Id>,
        op: &Op,
        element: &Option<Id>,
    ) -> &mut Vec<Standing> {
        let object = self.objects.entry(object.clone()).or_default();
        match &op.key {
            Key::Map(key) => object.keys.entry(key.to_string()).or_default(),
            Key::Seq(_) => {
                let found = object
                    .line
                    .iter()
                    .position(|(e, _)| Some(e) == element.as_ref());
                &mut object.line[found.expect("the element was inserted before")].1
            }
        }
    }

    fn take(&mut self, made: &Id, op: &Op, element: Option<Id>, gone: &[Id]) {
        let slot = match &op.action {
            OpType::Put(value) => Some(Slot::Scalar(value.clone())),
            OpType::Make(automerge::ObjType::Map) => Some(Slot::Map(made.clone())),
            OpType::Make(_) => Some(Slot::Line(made.clone())),
            _ => None,
        };
        let value = slot.map(|slot| Standing {
            id: made.clone(),
            slot,
            added: 0,
        });
        let object = object_of(op);
        if op.insert {
            let line = &mut self.objects.entry(object).or_default().line;
            let at = match element {
                None => 0,
                Some(left) => {
                    line.iter()
                        .position(|(e, _)| *e == left)
                        .expect("its left is there")
                        + 1
                }
            };
            line.insert(at, (made.clone(), value.into_iter().collect()));
            return;
        }
        let standing = self.standing(&object, op, &element);
        if let OpType::Increment(by) = op.action {
            for value in standing.iter_mut().filter(|value| gone.contains(&value.id)) {
                value.added += by;
            }
            return;
        }
        standing.retain(|value| !gone.contains(&value.id));
        standing.extend(value);
    }

    pub(crate) fn view(&self) -> Value {
        self.map(&None)
    }

    fn map(&self, object: &Option<Id>) -> Value {
        let mut map = Map::new();
        for (key, standing) in self.objects.get(object).iter().flat_map(|o| &o.keys) {
            if let Some(value) = self.winner(standing) {
                map.insert(key.clone(), value);
            }
        }
        Value::Object(map)
    }

    fn winner(&self, standing: &[Standing]) -> Option<Value> {
        let value = standing.iter().max_by(|a, b| a.id.cmp(&b.id))?;
        Some(match &value.slot {
            Slot::Scalar(ScalarValue::Counter(start)) => json!(i64::from(start) + value.added),
            Slot::Scalar(scalar) => json!(format!("{scalar:?}")),
            Slot::Map(made) => self.map(&Some(made.clone())),
            Slot::Line(made) => {
                let line = self.objects.get(&Some(made.clone()));
                let line = line.iter().flat_map(|object| &object.line);
                line.filter_map(|(_, standing)| self.winner(standing))
                    .collect()
            }
        })
    }
}

/// What a rebase must come to.
pub(crate) struct Expected {
    pub(crate) state: State,
    /// The dropped operations, each with the code of its reason.
    pub(crate) dropped: BTreeMap<Place, &'static str>,
    /// The objects that go by values: the operation that makes each, and its name.
    pub(crate) carried: BTreeMap<Place, String>,
    /// All operations in those.
    pub(crate) inside: BTreeSet<Place>,
}

/// The surviving operations of `pending`, in order, applied to what `server` leaves.
pub(crate) fn expected(server: &[Change], pending: &[Change], named: &BTreeSet<Place>) -> Expected {
    let past = Past { server, pending };
    let mut own: BTreeMap<Id, Place> = BTreeMap::new();
    for (change, one) in pending.iter().enumerate() {
        for (index, (made, _)) in operations(std::slice::from_ref(one)).iter().enumerate() {
            own.insert(made.clone(), (change, index));
        }
    }
    let mut result = Expected {
        state: State::of(operations(server)),
        dropped: BTreeMap::new(),
        carried: BTreeMap::new(),
        inside: BTreeSet::new(),
    };
    for (change, one) in pending.iter().enumerate() {
        for (index, (made, op)) in operations(std::slice::from_ref(one))
            .into_iter()
            .enumerate()
        {
            let place = (change, index);
            if let Err(why) = result.step(&past, &own, named, place, &made, &op) {
                result.dropped.insert(place, why);
            }
        }
    }
    result
}

impl Expected {
    fn is_dropped(&self, own: &BTreeMap<Id, Place>, made: &Id) -> bool {
        own.get(made)
            .is_some_and(|place| self.dropped.contains_key(place))
    }

    fn step(
        &mut self,
        past: &Past<'_>,
        own: &BTreeMap<Id, Place>,
        named: &BTreeSet<Place>,
        place: Place,
        made: &Id,
        op: &Op,
    ) -> Result<(), &'static str> {
        let object = object_of(op);
        let maker = object.as_ref().and_then(|object| own.get(object)).copied();
        if maker.is_some_and(|maker| self.dropped.contains_key(&maker)) {
            return Err("depends");
        }
        if named.contains(&place) {
            return Err("refused");
        }
        if maker.is_some_and(|maker| self.inside.contains(&maker)) {
            self.inside.insert(place);
            return Ok(());
        }
        let mut element = element_of(op);
        if op.insert {
            element = past.anchor(element, place, |left| self.is_dropped(own, left));
            self.state.take(made, op, element, &[]);
            return Ok(());
        }
        if element
            .as_ref()
            .is_some_and(|element| self.is_dropped(own, element))
        {
            return Err("depends");
        }
        let standing: Vec<Standing> = self.state.standing(&object, op, &element).clone();
        if let (OpType::Make(_), Key::Map(name), false) = (&op.action, &op.key, standing.is_empty())
        {
            self.carried.insert(place, name.to_string());
            self.inside.insert(place);
            return Ok(());
        }
        let gone = match op.action {
            OpType::Increment(_) | OpType::Put(_) | OpType::Make(_) => standing,
            _ if past.takes_away(place, op) => standing,
            _ => {
                let pred: Vec<Id> = op.pred.iter().map(id).collect();
                standing
                    .into_iter()
                    .filter(|value| pred.contains(&value.id))
                    .collect()
            }
        };
        let gone: Vec<Id> = gone.into_iter().map(|value| value.id).collect();
        let needs = matches!(op.key, Key::Seq(_))
            || matches!(op.action, OpType::Delete | OpType::Increment(_));
        if needs && gone.is_empty() {
            let own_gone = matches!(op.key, Key::Map(_))
                && op.pred.iter().any(|pred| self.is_dropped(own, &id(pred)));
            return Err(if own_gone { "depends" } else { "gone" });
        }
        self.state.take(made, op, element, &gone);
        Ok(())
    }
}

struct Past<'a> {
    server: &'a [Change],
    pending: &'a [Change],
}

impl Past<'_> {
    /// All that was there when the operation at `place` was made.
    fn before(&self, (change, index): Place) -> Vec<Made> {
        let mut next: Vec<ChangeHash> = self.pending[change].deps().to_vec();
        let mut seen: BTreeSet<ChangeHash> = BTreeSet::new();
        let mut changes: Vec<Change> = Vec::new();
        while let Some(hash) = next.pop() {
            let mut all = self.server.iter().chain(self.pending);
            if seen.insert(hash) {
                let found = all
                    .find(|one| one.hash() == hash)
                    .expect("dependencies are there");
                next.extend(found.deps());
                changes.push(found.clone());
            }
        }
        let mut all = operations(&changes);
        let own = operations(std::slice::from_ref(&self.pending[change]));
        all.extend(own.into_iter().take(index));
        all
    }

    /// The nearest element on the left, from `element` on, that was not dropped.
    fn anchor(
        &self,
        element: Option<Id>,
        place: Place,
        dropped: impl Fn(&Id) -> bool,
    ) -> Option<Id> {
        let left = element?;
        if !dropped(&left) {
            return Some(left);
        }
        let object = object_of(&self.pending[place.0].decode().operations[place.1]);
        let state = State::of(self.before(place));
        let line = &state.objects[&object].line;
        let at = line
            .iter()
            .position(|(e, _)| *e == left)
            .expect("it was there");
        let found = line[..at].iter().rev().find(|(e, _)| !dropped(e));
        found.map(|(e, _)| e.clone())
    }

    /// Whether a deletion took what was shown, rather than what had lost a race already.
    fn takes_away(&self, place: Place, op: &Op) -> bool {
        let Key::Map(_) = &op.key else { return true };
        let mut state = State::of(self.before(place));
        let standing = state.standing(&object_of(op), op, &None);
        let winner = standing.iter().max_by(|a, b| a.id.cmp(&b.id));
        winner.is_none_or(|winner| op.pred.iter().any(|pred| id(pred) == winner.id))
    }
}
