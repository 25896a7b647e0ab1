//! Which of the entities in memory give way when they take too much of it together.
//!
//! A document takes many times what its value is as text, and stays for the next who asks. Where the
//! sum grows too large, those leave that no client follows as a replica: first the one that is largest
//! times how often others have been used since it was. So what is small stays beside what is large,
//! and what is in use stays beside what was used once.
//!
//! Invariant: what is asked to leave has no follower, and is not the one that was used last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

/// What is held for an entity that has next to no value: its actor, policy, mailbox, document.
const LEAST_BYTES: u64 = 64 << 10;
/// What parts of a value take, in the document and beside it, as measured on long values.
const OBJECT_BYTES: u64 = 1_024;
const FIELD_BYTES: u64 = 256;
const ELEMENT_BYTES: u64 = 72;
const TEXT_BYTE_BYTES: u64 = 7;
/// What an operation takes, of those that left nothing in the value, too.
const OPERATION_BYTES: u64 = 8;

/// About how much memory an entity takes with a value and so many operations.
pub(crate) fn footprint(value: &Value, operations: u64) -> u64 {
    fn of(value: &Value) -> u64 {
        match value {
            Value::String(text) => text.len() as u64 * TEXT_BYTE_BYTES,
            Value::Array(elements) => elements.iter().map(|one| ELEMENT_BYTES + of(one)).sum(),
            Value::Object(fields) => {
                let fields = fields.values().map(|one| FIELD_BYTES + of(one));
                OBJECT_BYTES + fields.sum::<u64>()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    LEAST_BYTES + operations * OPERATION_BYTES + of(value)
}

/// All entities in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Residents(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The sum of those that were not asked to leave.
    bytes: u64,
    uses: u64,
    last_id: u64,
    staying: HashMap<u64, Staying>,
}

#[derive(Debug)]
struct Staying {
    bytes: u64,
    /// How many uses of any entity there had been at its last one.
    used: u64,
    is_followed: bool,
    leave: Arc<Notify>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Resident {
    all: Residents,
    id: u64,
    leave: Arc<Notify>,
}

impl Residents {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self(Arc::new(Shared {
            bytes_max,
            state: Mutex::default(),
        }))
    }

    /// One more, that takes nothing yet.
    pub(crate) fn enter(&self) -> Resident {
        let mut state = self.lock();
        state.last_id += 1;
        Resident {
            all: self.clone(),
            id: state.last_id,
            leave: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, id: u64) -> Option<Staying> {
        let staying = self.staying.remove(&id)?;
        self.bytes -= staying.bytes;
        Some(staying)
    }

    /// Who leaves next.
    fn next(&self) -> Option<u64> {
        let unused = |one: &Staying| self.uses - one.used;
        let may = |one: &&Staying| !one.is_followed && unused(one) > 0;
        let all = self.staying.iter().filter(|(_, one)| may(one));
        let next = all.max_by_key(|(_, one)| one.bytes.saturating_mul(unused(one)));
        next.map(|(id, _)| *id)
    }
}

impl Resident {
    /// It was used, takes so many bytes now, and is followed as a replica or not.
    pub(crate) fn is_used(&mut self, bytes: u64, is_followed: bool) {
        let mut state = self.all.lock();
        state.take(self.id);
        // Who was asked before is not meant any more.
        self.leave = Arc::default();
        state.uses += 1;
        state.bytes += bytes;
        let staying = Staying {
            bytes,
            used: state.uses,
            is_followed,
            leave: Arc::clone(&self.leave),
        };
        state.staying.insert(self.id, staying);
        while state.bytes > self.all.0.bytes_max {
            let Some(next) = state.next().and_then(|id| state.take(id)) else {
                break;
            };
            next.leave.notify_one();
        }
    }

    /// Waits until it is asked to leave.
    pub(crate) async fn is_unwanted(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.all.lock().take(self.id);
    }
}

#[cfg(test)]
mod tests {
    //! Guards against entities that pile up in memory although they are not needed, and against those
    //! that leave although they are.

    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    fn leaves(resident: &Resident) -> bool {
        resident.is_unwanted().now_or_never().is_some()
    }

    #[test]
    fn what_is_large_and_long_unused_leaves_first() {
        let all = Residents::new(100);
        let [mut small, mut large, mut followed, mut last] = [(); 4].map(|()| all.enter());
        small.is_used(10, false);
        large.is_used(40, false);
        followed.is_used(50, true);
        assert!(!leaves(&small) && !leaves(&large) && !leaves(&followed));
        last.is_used(30, false);
        assert!(leaves(&large), "twice 40 is more than three times 10");
        assert!(!leaves(&small) && !leaves(&followed) && !leaves(&last));
        assert_eq!(all.lock().bytes, 90);
        drop(large);
        assert_eq!(all.lock().bytes, 90, "it was not counted any more");
        drop(followed);
        assert_eq!(all.lock().bytes, 40);
    }

    #[test]
    fn who_is_alone_or_followed_stays_whatever_it_takes() {
        let all = Residents::new(100);
        let mut one = all.enter();
        one.is_used(1_000, false);
        assert!(!leaves(&one));
        one.is_used(1_000, true);
        let mut other = all.enter();
        other.is_used(1, false);
        assert!(!leaves(&one) && !leaves(&other));
        one.is_used(1_000, false);
        assert!(leaves(&other) && !leaves(&one));
    }

    #[test]
    fn who_was_asked_and_is_used_again_stays() {
        let all = Residents::new(100);
        let [mut one, mut other] = [(); 2].map(|()| all.enter());
        one.is_used(60, false);
        other.is_used(60, false);
        one.is_used(30, false);
        assert!(!leaves(&one) && !leaves(&other));
        assert_eq!(all.lock().bytes, 90);
    }

    #[test]
    fn what_a_value_takes_follows_from_its_parts() {
        let text = "x".repeat(1 << 20);
        let items = vec![json!({ "id": "i", "a": 1 }); 1_000];
        assert!(footprint(&json!({}), 0) < 128 << 10);
        assert!(footprint(&json!({ "text": text }), 1) > 7 << 20);
        assert!(footprint(&json!({ "items": items }), 3_000) > 1 << 20);
        assert!(footprint(&Value::Null, 1 << 20) > 8 << 20);
    }
}
