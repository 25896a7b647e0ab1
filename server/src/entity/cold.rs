//! Reads values of entities that are not in memory, without loading their documents.
//!
//! A value alone needs no document and no actor: it follows from the last snapshot and from what the
//! entries after it changed.
//! Invariant: a value is put among those that are known only while it is that of the end of the
//! entity's log, under the lock that publishing takes; so an actor's later value always follows it.

use std::ops::ControlFlow;
use std::sync::Arc;

use indelible_engine::history::State;
use indelible_engine::id::{EntityId, Hash};

use super::loading::{self, FoundValue};
use super::outcome::{WriteError, too_many};
use crate::context::Context;
use crate::memory::Memory;
use crate::storage::Presence;
use crate::values::{KindValues, Present};
use crate::work::{self, Busy, Lane, Slot, Weight};

/// What a value is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// By itself: a long one waits until there is memory for it.
    Single,
    /// With others, which take memory until all are read.
    Many,
}

/// The value of an entity as the store has it, read for a principal; `None` where only its document
/// shows it, or it has just been written to. What takes long has to wait for its turn among such
/// work.
///
/// # Errors
/// [`WriteError::Busy`] where too many wait, or there is no memory for it.
pub(crate) async fn present(
    context: &Context,
    values: &Arc<KindValues>,
    entity: &EntityId,
    (asker, purpose): (&str, Purpose),
) -> Result<Option<Arc<Present>>, WriteError> {
    let quick = Lane::Loading(asker.to_owned());
    let quick = context.work.enter(quick, Weight::Light).await;
    let quick = quick.map_err(too_many)?;
    let find = || {
        let found = loading::find_value(&*context.store, entity);
        let found = found.inspect_err(|error| {
            tracing::warn!(%entity, %error, "a value cannot be read by itself");
        });
        found.ok()?
    };
    let is_long = work::here(|| {
        let Some(found) = find() else {
            return ControlFlow::Break(None);
        };
        match found.weight() {
            Weight::Light => ControlFlow::Break(read(context, values, entity, found)),
            // While it waits, it holds nothing.
            Weight::Heavy => ControlFlow::Continue(()),
        }
    });
    if let ControlFlow::Break(present) = is_long {
        return Ok(present);
    }
    drop(quick);
    let _slot = turn(context, asker, purpose).await?;
    Ok(work::here(|| read(context, values, entity, find()?)))
}

/// Waits until there is memory for more.
///
/// # Errors
/// [`WriteError::Busy`] when there is none for too long.
pub(crate) async fn settled(memory: &Memory) -> Result<(), WriteError> {
    memory.settled().await.map_err(|Busy| {
        tracing::warn!("what waits to be sent leaves no memory for more");
        WriteError::Busy
    })
}

/// Waits for the turn of a long value. Those before it may have taken the memory that there was.
async fn turn(context: &Context, asker: &str, purpose: Purpose) -> Result<Slot, WriteError> {
    loop {
        let long = Lane::LongLoading(asker.to_owned());
        let slot = context.work.enter(long, Weight::Heavy).await;
        let slot = slot.map_err(too_many)?;
        if purpose == Purpose::Many || !context.memory.is_full() {
            return Ok(slot);
        }
        drop(slot);
        settled(&context.memory).await?;
    }
}

fn read(
    context: &Context,
    values: &Arc<KindValues>,
    entity: &EntityId,
    found: FoundValue,
) -> Option<Arc<Present>> {
    let store = &*context.store;
    let (state, hash) = found.state(store, entity, &*context.known)?;
    let present = Arc::new(made(context, entity, &state, hash)?);
    values.keep_spare(&present);
    let is_last = || {
        let head = store.head(entity).ok().flatten();
        head.is_some_and(|head| head.hash == hash)
    };
    values.adopt(present, is_last)
}

fn made(context: &Context, entity: &EntityId, state: &State, hash: Hash) -> Option<Present> {
    if state.presence() != Presence::Present {
        return None;
    }
    let at = state.stamps().updated_at.unwrap_or_default();
    let place = (state.place(), hash);
    Some(Present::at(context, entity, place, (at, state.presented())))
}
