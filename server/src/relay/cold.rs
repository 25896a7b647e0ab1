//! Values of entities that are not in memory, without bringing them there.
//!
//! Who only wants the value needs no document and no actor: the value follows from the last
//! snapshot and what the entries behind it changed.
//! Invariant: a value is put among those that are known only while it is that of the end of the
//! entity's log, under the lock that publishing takes; so an actor's later value always follows it.
//!
//! Must not know: followers, changes.

use std::sync::Arc;

use indelible_engine::history::State;
use indelible_engine::id::{EntityId, Hash};

use super::hub::Hub;
use super::loading;
use super::values::{KindValues, Present};
use crate::storage::Presence;
use crate::work::{self, Lane, Weight};

/// The value of an entity as the store has it; `None` where only its document tells, or somebody
/// has just written to it.
pub(super) async fn present(
    hub: &Hub,
    values: &KindValues,
    entity: &EntityId,
) -> Option<Arc<Present>> {
    let _slot = hub.work().enter(Lane::Loading, Weight::Light).await.ok()?;
    work::here(|| {
        let store = &**hub.store();
        let read = loading::state(store, entity, &**hub.known_policies());
        let read = read.inspect_err(|error| {
            tracing::warn!(%entity, %error, "a value cannot be read by itself");
        });
        let (state, hash) = read.ok()??;
        let found = Arc::new(made(hub, entity, &state, hash)?);
        let is_last = || {
            let head = store.head(entity).ok().flatten();
            head.is_some_and(|head| head.hash == hash)
        };
        values.adopt(found, is_last)
    })
}

fn made(hub: &Hub, entity: &EntityId, state: &State, hash: Hash) -> Option<Present> {
    if state.presence() != Presence::Present {
        return None;
    }
    let at = state.stamps().updated_at.unwrap_or_default();
    let place = (state.place(), hash);
    Some(hub.value_at(entity, place, (at, state.presented())))
}
