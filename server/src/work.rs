//! Work that takes the processor for long: where it is done, and how much of it at a time.
//!
//! Judging, merging, loading and encoding are done where they are asked for, on a thread that first
//! hands over to another one whatever else it serves: no socket waits for them, and a small edit
//! need not change threads. What is bounded is how much goes on at once, and for whom: a slot is
//! taken before, and all principals who wait for one take turns, however much each
//! waits with. The system shares the processors among the slots, so what one asks for delays others
//! by a factor, not by its own length. The number of long ones is bounded, though: no more heavy
//! pieces run at once than there are processors, and light ones find one free.
//!
//! Invariant: no more slots are taken than there are, and by no lane more than its share; heavy
//! work takes no more than its part of them; among lanes that wait, none is served twice before
//! each was served once.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use indelible_engine::principal::Principal;
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::block_in_place;

/// Slots for each processor. The more there are, the more principals go on at once, each more
/// slowly; what they hold in memory meanwhile adds up.
const SLOTS_PER_PROCESSOR: usize = 8;

/// The fewest slots.
const SLOTS_MIN: usize = 32;

/// How much of one lane may wait.
const WAITING_MAX: usize = 1_024;

/// Bytes below which reading or writing them takes less time than to hand over a thread.
const LIGHT_BYTES: usize = 16 << 10;

/// Bytes, of what comes in or of a value, from which work on them is heavy.
const HEAVY_BYTES: usize = 64 << 10;

/// Bytes of what an entity is loaded from, from which that is heavy.
const HEAVY_STORED_BYTES: usize = 16 << 10;

/// Entries of a log from which going through them is heavy.
const HEAVY_ENTRIES: u64 = 100;

/// Operations in an entity's document from which each edit of it is heavy: applying one costs what
/// the document is long.
const HEAVY_OPERATIONS: u64 = 50_000;

/// How long a piece of work may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Some milliseconds at most.
    Light,
    /// Longer.
    Heavy,
}

impl Weight {
    /// That of work on so many bytes.
    pub(crate) fn of_bytes(bytes: usize) -> Self {
        Self::heavy_from(bytes >= HEAVY_BYTES)
    }

    /// That of making a document from so many bytes of the store. They are packed.
    pub(crate) fn of_stored(bytes: usize) -> Self {
        Self::heavy_from(bytes >= HEAVY_STORED_BYTES)
    }

    /// That of going through so many entries of a log.
    pub(crate) fn of_entries(entries: u64) -> Self {
        Self::heavy_from(entries >= HEAVY_ENTRIES)
    }

    /// That of an edit of a document with so many operations.
    pub(crate) fn of_operations(operations: u64) -> Self {
        Self::heavy_from(operations >= HEAVY_OPERATIONS)
    }

    /// That of work on a value. A large one is not looked at to its end.
    pub(crate) fn of_value(value: &Value) -> Self {
        fn left(value: &Value, bytes: usize) -> Option<usize> {
            let bytes = bytes.checked_sub(BESIDE_VALUE_BYTES)?;
            match value {
                Value::String(text) => bytes.checked_sub(text.len()),
                Value::Array(items) => items
                    .iter()
                    .try_fold(bytes, |bytes, item| left(item, bytes)),
                Value::Object(map) => map.iter().try_fold(bytes, |bytes, (name, value)| {
                    left(value, bytes.checked_sub(name.len())?)
                }),
                Value::Null | Value::Bool(_) | Value::Number(_) => Some(bytes),
            }
        }
        Self::heavy_from(left(value, HEAVY_BYTES).is_none())
    }

    /// The heavier of both.
    pub(crate) fn max(self, other: Self) -> Self {
        Self::heavy_from(self == Self::Heavy || other == Self::Heavy)
    }

    fn heavy_from(is_heavy: bool) -> Self {
        if is_heavy { Self::Heavy } else { Self::Light }
    }
}

/// About what a value takes beside its text.
const BESIDE_VALUE_BYTES: usize = 8;

/// For whom, or what for, work is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// What a principal asks for. All who have not signed in are one.
    Principal(String),
    /// Reading entities back from the store for a principal.
    Loading(String),
    /// The same where that takes long: it keeps none waiting that are read quickly.
    LongLoading(String),
    /// Storing snapshots, for which no caller waits.
    Snapshots,
    /// Telling followers and authors of what was committed.
    Publishing,
}

impl Lane {
    /// That of a principal.
    pub(crate) fn of(principal: &Principal) -> Self {
        Self::Principal(principal.id.clone())
    }

    /// The loads of this length, of all principals.
    fn loads(&self) -> Option<Loads> {
        match self {
            Self::Loading(_) => Some(Loads::Quick),
            Self::LongLoading(_) => Some(Loads::Long),
            _ => None,
        }
    }
}

/// Loads, which together leave room for what principals ask for besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loads {
    Quick,
    Long,
}

/// Too much of a lane is waiting already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// Hands out slots. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Work(Arc<Shared>);

struct Shared {
    slots: usize,
    /// Of heavy work.
    heavy: usize,
    /// Of one principal.
    share: usize,
    waiting_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Of these, by heavy work.
    heavy: usize,
    /// Of these, by loads of each length.
    loads: [usize; 2],
    lanes: HashMap<Lane, Waiting>,
    /// The lanes in which work waits, in the order of their turns.
    turns: VecDeque<Lane>,
}

#[derive(Default)]
struct Waiting {
    taken: usize,
    waiting: VecDeque<(Weight, oneshot::Sender<Slot>)>,
}

/// The right to work; dropping it gives it back.
pub(crate) struct Slot {
    work: Work,
    lane: Lane,
    weight: Weight,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("slots", &self.0.slots)
            .finish_non_exhaustive()
    }
}

impl Work {
    /// Slots for this machine.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let slots = (processors * SLOTS_PER_PROCESSOR).max(SLOTS_MIN);
        Self::with((slots, processors), (processors / 2).max(1), WAITING_MAX)
    }

    /// Slots for pages of values that are read from the store. One principal has at most half of
    /// them; principals that wait are served in turns.
    pub(crate) fn of_pages(at_once: usize) -> Self {
        Self::with((at_once, at_once), (at_once / 2).max(1), WAITING_MAX)
    }

    fn with((slots, heavy): (usize, usize), share: usize, waiting_max: usize) -> Self {
        Self(Arc::new(Shared {
            slots,
            heavy,
            share,
            waiting_max,
            state: Mutex::default(),
        }))
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// [`Busy`] when too much of the lane waits.
    pub(crate) async fn enter(&self, lane: Lane, weight: Weight) -> Result<Slot, Busy> {
        let turn = {
            let mut state = self.lock();
            let waiting = state.lanes.get(&lane).map_or(0, |of| of.waiting.len());
            if waiting == 0 && self.has_room(&state, &lane, weight) {
                return Ok(self.take(&mut state, lane, weight));
            }
            if waiting >= self.0.waiting_max {
                return Err(Busy);
            }
            if waiting == 0 {
                state.turns.push_back(lane.clone());
            }
            let (slot, turn) = oneshot::channel();
            let of = state.lanes.entry(lane).or_default();
            of.waiting.push_back((weight, slot));
            turn
        };
        // Senders are dropped only after they have sent.
        turn.await.map_err(|_| Busy)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, state: &State, lane: &Lane, weight: Weight) -> bool {
        let share = match lane {
            Lane::Principal(_) => self.0.share,
            // A page of entities is loaded several at a time.
            Lane::Loading(_) => (self.0.slots / 4).max(1),
            Lane::LongLoading(_) => self.0.share,
            Lane::Snapshots => 1,
            Lane::Publishing => self.0.slots,
        };
        let taken = state.lanes.get(lane).map_or(0, |of| of.taken);
        let heavy_fits = weight == Weight::Light || state.heavy < self.0.heavy;
        let loads = lane
            .loads()
            .map_or(0, |length| state.loads[length as usize]);
        let loads_fit = loads < (self.0.slots / 2).max(1);
        state.taken < self.0.slots && taken < share && heavy_fits && loads_fit
    }

    fn take(&self, state: &mut State, lane: Lane, weight: Weight) -> Slot {
        state.taken += 1;
        state.heavy += usize::from(weight == Weight::Heavy);
        if let Some(length) = lane.loads() {
            state.loads[length as usize] += 1;
        }
        state.lanes.entry(lane.clone()).or_default().taken += 1;
        Slot {
            work: self.clone(),
            lane,
            weight,
        }
    }

    /// Gives a slot back, and those that are free to the next in turn.
    fn leave(&self, lane: &Lane, weight: Weight) {
        let mut unwanted = Vec::new();
        let mut state = self.lock();
        state.taken -= 1;
        state.heavy -= usize::from(weight == Weight::Heavy);
        if let Some(length) = lane.loads() {
            state.loads[length as usize] -= 1;
        }
        if let Some(of) = state.lanes.get_mut(lane) {
            of.taken -= 1;
            if of.taken == 0 && of.waiting.is_empty() {
                state.lanes.remove(lane);
            }
        }
        let turns = std::mem::take(&mut state.turns);
        let mut served = VecDeque::new();
        for lane in turns {
            let next = self.next(&mut state, &lane);
            let is_served = next.is_some();
            if let Some((weight, next)) = next {
                let slot = self.take(&mut state, lane.clone(), weight);
                unwanted.extend(next.send(slot).err());
            }
            match state.lanes.get(&lane) {
                Some(of) if of.waiting.is_empty() && of.taken == 0 => {
                    state.lanes.remove(&lane);
                }
                Some(of) if of.waiting.is_empty() => {}
                _ if is_served => served.push_back(lane),
                _ => state.turns.push_back(lane),
            }
        }
        state.turns.extend(served);
        drop(state);
        // Those give theirs back, too.
        drop(unwanted);
    }
}

impl Work {
    /// Who is next in a lane, if there is room.
    fn next(&self, state: &mut State, lane: &Lane) -> Option<(Weight, oneshot::Sender<Slot>)> {
        let waiting = &mut state.lanes.get_mut(lane)?.waiting;
        // Who has gone meanwhile wants nothing.
        while waiting.pop_front_if(|(_, slot)| slot.is_closed()).is_some() {}
        let (weight, _) = waiting.front()?;
        let weight = *weight;
        if !self.has_room(state, lane, weight) {
            return None;
        }
        state.lanes.get_mut(lane)?.waiting.pop_front()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.work.leave(&self.lane, self.weight);
    }
}

/// Does what may take long on this thread, which hands over what else it serves.
pub(crate) fn here<T>(work: impl FnOnce() -> T) -> T {
    match may_block_here() {
        true => block_in_place(work),
        false => work(),
    }
}

/// The same where the time follows from a number of bytes: few are dealt with at once.
pub(crate) fn weighed<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    match is_light(bytes) {
        true => work(),
        false => here(work),
    }
}

/// Whether so many bytes are dealt with in less time than it takes to hand over a thread.
pub(crate) fn is_light(bytes: usize) -> bool {
    bytes < LIGHT_BYTES
}

/// Whether there are other threads that go on with what this one leaves.
pub(crate) fn may_block_here() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

#[cfg(test)]
mod tests {
    //! Guards against a principal that keeps others from working, against slots that are lost, and
    //! against waiting without a bound.

    use futures_util::FutureExt;

    use super::*;

    fn lane(name: &str) -> Lane {
        Lane::Principal(name.to_owned())
    }

    /// What has its slot by now, of several that wait.
    fn ready<F: Future<Output = Result<Slot, Busy>> + Unpin>(
        waiting: &mut [F],
    ) -> Vec<Option<Slot>> {
        let slots = waiting.iter_mut().map(|one| one.now_or_never());
        slots.map(|slot| slot.and_then(Result::ok)).collect()
    }

    #[test]
    fn a_principal_has_its_share_and_leaves_the_rest_to_others() {
        let work = Work::with((4, 4), 2, 10);
        let enter = |name: &str| {
            Box::pin({
                let (work, lane) = (work.clone(), lane(name));
                async move { work.enter(lane, Weight::Light).await }
            })
        };
        let mut eve: Vec<_> = (0..6).map(|_| enter("eve")).collect();
        let hers = ready(&mut eve);
        assert_eq!(hers.iter().flatten().count(), 2);
        let mut ada: Vec<_> = (0..3).map(|_| enter("ada")).collect();
        let mut all = ready(&mut ada);
        assert_eq!(all.iter().flatten().count(), 2);
        // All four are taken.
        let mut bob = vec![enter("bob")];
        assert!(ready(&mut bob)[0].is_none());
        // One of Eve's ends. She has waited for longer, but not since she was served.
        let mut hers: VecDeque<Slot> = hers.into_iter().flatten().collect();
        drop(hers.pop_front());
        let next = eve[2].as_mut().now_or_never().unwrap().unwrap();
        assert!(ready(&mut bob)[0].is_none());
        drop(all.remove(0));
        let adas = ada[2].as_mut().now_or_never().unwrap().unwrap();
        assert!(ready(&mut bob)[0].is_none());
        drop(next);
        let bobs = ready(&mut bob).remove(0);
        assert!(bobs.is_some(), "it is his turn before Eve has two");
        assert!(ready(&mut eve[3..4])[0].is_none());
        drop((bobs, adas, all, hers));
        assert_eq!(ready(&mut eve[3..]).iter().flatten().count(), 2);
    }

    #[test]
    fn pages_of_one_principal_leave_half_to_others() {
        let work = Work::of_pages(8);
        let enter = |name: &str| {
            let (work, lane) = (work.clone(), lane(name));
            Box::pin(async move { work.enter(lane, Weight::Light).await })
        };
        let mut eve: Vec<_> = (0..100).map(|_| enter("eve")).collect();
        let hers = ready(&mut eve);
        assert_eq!(hers.iter().flatten().count(), 4);
        let mut others = vec![enter("ada"), enter("bob"), enter("anonymous")];
        assert!(ready(&mut others).iter().all(Option::is_some));
    }

    #[test]
    fn who_goes_away_leaves_no_hole() {
        let work = Work::with((1, 1), 1, 2);
        let first = work
            .enter(lane("ada"), Weight::Light)
            .now_or_never()
            .unwrap()
            .unwrap();
        let mut gone = Box::pin(work.enter(lane("ada"), Weight::Light));
        let mut next = Box::pin(work.enter(lane("ada"), Weight::Light));
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(next.as_mut().now_or_never().is_none());
        let over = work
            .enter(lane("ada"), Weight::Light)
            .now_or_never()
            .unwrap();
        assert_eq!(over.err(), Some(Busy));
        drop(gone);
        drop(first);
        let next = next.as_mut().now_or_never().unwrap().unwrap();
        // Given, and never taken.
        let mut unclaimed = Box::pin(work.enter(lane("bob"), Weight::Light));
        assert!(unclaimed.as_mut().now_or_never().is_none());
        drop(next);
        drop(unclaimed);
        assert!(
            work.enter(lane("eve"), Weight::Light)
                .now_or_never()
                .is_some()
        );
        assert!(work.lock().lanes.is_empty() && work.lock().turns.is_empty());
    }

    #[test]
    fn heavy_work_leaves_slots_to_light_work() {
        let work = Work::with((4, 1), 2, 10);
        let enter = |name: &str, weight| {
            Box::pin({
                let (work, lane) = (work.clone(), lane(name));
                async move { work.enter(lane, weight).await }
            })
        };
        let first = enter("ada", Weight::Heavy).now_or_never().unwrap().unwrap();
        let mut second = [enter("bob", Weight::Heavy)];
        assert!(ready(&mut second)[0].is_none(), "only one at a time");
        let light = enter("eve", Weight::Light).now_or_never();
        assert!(light.is_some(), "nobody waits for what is long");
        // One's own waits behind what one asked for before.
        let mut behind = [enter("bob", Weight::Light)];
        assert!(ready(&mut behind)[0].is_none());
        drop(first);
        assert!(ready(&mut second)[0].is_some());
        assert!(ready(&mut behind)[0].is_some());
        drop(light);
        assert!(work.lock().lanes.is_empty() && work.lock().heavy == 0);
    }

    #[test]
    fn who_loads_much_delays_the_loads_of_others_by_a_turn() {
        let work = Work::with((8, 2), 1, 1_000);
        let load = |name: &str, weight| {
            let (work, name) = (work.clone(), name.to_owned());
            let lane = match weight {
                Weight::Light => Lane::Loading(name),
                Weight::Heavy => Lane::LongLoading(name),
            };
            Box::pin(async move { work.enter(lane, weight).await })
        };
        for (weight, share) in [(Weight::Heavy, 1), (Weight::Light, 2)] {
            let mut eve: Vec<_> = (0..500).map(|_| load("eve", weight)).collect();
            let mut hers: VecDeque<Slot> = ready(&mut eve).into_iter().flatten().collect();
            assert_eq!(hers.len(), share, "{weight:?}");
            // Of heavy work there is room for one more, of light loads for two.
            let mut ada: Vec<_> = (0..500).map(|_| load("ada", weight)).collect();
            let adas: Vec<Slot> = ready(&mut ada).into_iter().flatten().collect();
            assert_eq!(adas.len(), share, "{weight:?}");
            let mut bob = [load("bob", weight)];
            assert!(ready(&mut bob)[0].is_none());
            let mut turns = 0;
            let bobs = loop {
                drop(hers.pop_front());
                hers.extend(ready(&mut eve[share + turns..]).into_iter().flatten());
                match ready(&mut bob).remove(0) {
                    Some(slot) => break slot,
                    None => turns += 1,
                }
            };
            assert!(turns <= 1, "{turns} loads of Eve's went before his one");
            drop((bobs, hers, adas));
        }
    }

    #[test]
    fn loads_leave_room_for_other_work() {
        let work = Work::with((8, 8), 8, 10);
        let loads = ["ada", "bob", "eve"].map(|name| {
            let load = || work.enter(Lane::Loading(name.to_owned()), Weight::Light);
            [load().now_or_never(), load().now_or_never()]
        });
        let taken = loads.iter().flatten().flatten().count();
        assert_eq!(taken, 4, "half of the slots");
        assert!(
            work.enter(lane("ada"), Weight::Light)
                .now_or_never()
                .is_some()
        );
    }

    #[test]
    fn what_is_long_or_large_is_heavy() {
        let of = |value: serde_json::Value| Weight::of_value(&value);
        assert_eq!(of(serde_json::json!({ "text": "a" })), Weight::Light);
        assert_eq!(of("a".repeat(HEAVY_BYTES).into()), Weight::Heavy);
        assert_eq!(of((0..10_000).collect()), Weight::Heavy);
        assert_eq!(
            of(serde_json::json!({ "a".repeat(HEAVY_BYTES): 1 })),
            Weight::Heavy
        );
        assert_eq!(Weight::of_bytes(100), Weight::Light);
        assert_eq!(Weight::of_operations(HEAVY_OPERATIONS), Weight::Heavy);
        assert_eq!(Weight::Light.max(Weight::Heavy), Weight::Heavy);
    }
}
