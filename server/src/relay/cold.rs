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
use super::loading::{self, FoundValue};
use super::values::{KindValues, Present};
use crate::storage::Presence;
use crate::work::{self, Lane, Weight};

/// The value of an entity as the store has it, read for a principal; `None` where only its document
/// tells, or somebody has just written to it. What takes long has to wait for its turn among such
/// work.
pub(super) async fn present(
    hub: &Hub,
    values: &KindValues,
    entity: &EntityId,
    asker: &str,
) -> Option<Arc<Present>> {
    let enter = |lane, weight| hub.work().enter(lane, weight);
    let quick = Lane::Loading(asker.to_owned());
    let quick = enter(quick, Weight::Light).await.ok()?;
    let found = work::here(|| {
        let found = loading::find_value(&**hub.store(), entity);
        let found = found.inspect_err(|error| {
            tracing::warn!(%entity, %error, "a value cannot be read by itself");
        });
        let found = found.ok()??;
        Some(match found.weight() {
            Weight::Light => Found::Read(read(hub, values, entity, found)),
            Weight::Heavy => Found::Long(Box::new(found)),
        })
    });
    let found = match found? {
        Found::Read(present) => return present,
        Found::Long(found) => found,
    };
    drop(quick);
    let long = Lane::LongLoading(asker.to_owned());
    let _slot = enter(long, Weight::Heavy).await.ok()?;
    work::here(|| read(hub, values, entity, *found))
}

enum Found {
    Read(Option<Arc<Present>>),
    Long(Box<FoundValue>),
}

fn read(
    hub: &Hub,
    values: &KindValues,
    entity: &EntityId,
    found: FoundValue,
) -> Option<Arc<Present>> {
    let store = &**hub.store();
    let (state, hash) = found.state(store, entity, &**hub.known_policies())?;
    let present = Arc::new(made(hub, entity, &state, hash)?);
    let is_last = || {
        let head = store.head(entity).ok().flatten();
        head.is_some_and(|head| head.hash == hash)
    };
    values.adopt(present, is_last)
}

fn made(hub: &Hub, entity: &EntityId, state: &State, hash: Hash) -> Option<Present> {
    if state.presence() != Presence::Present {
        return None;
    }
    let at = state.stamps().updated_at.unwrap_or_default();
    let place = (state.place(), hash);
    Some(hub.value_at(entity, place, (at, state.presented())))
}
