//! Reads whole kinds: all values, for a watcher, and pages of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use indelible_engine::id::{EntityId, Kind};
use indelible_engine::principal::Principal;

use super::Directory;
use crate::commit::Health;
use crate::entity::{Purpose, WriteError, settled};
use crate::storage::{Head, Presence, Scope};
use crate::values::{Gathering, Present};
use crate::work::{Busy, Lane, Weight};

/// Heads that are read at a time, deleted entities among them.
const HEADS_AT_ONCE: usize = 1_000;

impl Directory {
    /// Makes sure that all values of a kind are known, read for `asker`, and keeps them for who is to
    /// watch it; `None` where there is no such kind.
    ///
    /// # Errors
    /// [`WriteError::Storage`] when the list of entities cannot be read, or the store was closed
    /// while they were; [`WriteError::Busy`] when too many wait to be loaded. An entity that cannot be
    /// loaded for another reason is left out, and logged.
    pub(crate) async fn gather(
        &self,
        kind: &Kind,
        asker: &Principal,
    ) -> Result<Option<Gathering<'_>>, WriteError> {
        let Some(gathering) = self.values(kind).map(|values| values.gather()) else {
            return Ok(None);
        };
        if gathering.is_complete() {
            return Ok(Some(gathering));
        }
        let (mut entities, mut after) = (Vec::new(), None);
        loop {
            let heads = self.list(kind, after, HEADS_AT_ONCE, asker).await?;
            after = heads.last().map(|(last, _)| last.clone());
            if after.is_none() {
                break;
            }
            entities.extend(present(heads));
        }
        let (lacks, busy) = (&AtomicBool::new(false), &AtomicBool::new(false));
        futures_util::stream::iter(entities)
            .for_each_concurrent(self.context().settings.loads_at_once, |entity| async move {
                match self.read(&entity, asker, Purpose::Many).await {
                    Ok(_) => {}
                    Err(WriteError::Busy) => busy.store(true, Ordering::Relaxed),
                    // It has been logged where it happened.
                    Err(_) => lacks.store(true, Ordering::Relaxed),
                }
            })
            .await;
        if busy.load(Ordering::Relaxed) {
            return Err(WriteError::Busy);
        }
        if lacks.load(Ordering::Relaxed) && self.context().commit.health() == Health::Failed {
            return Err(WriteError::Storage);
        }
        gathering.set_complete();
        Ok(Some(gathering))
    }

    /// Values of a kind in the order of their ids, those after `after`: up to `limit`, and no more
    /// than one after they have so many bytes together, read for `asker`. An entity that cannot be
    /// loaded for another reason than that too many wait is left out, and logged.
    ///
    /// # Errors
    /// As for [`Self::gather`], and [`WriteError::Busy`] where there is no memory for them.
    pub(crate) async fn page(
        &self,
        kind: &Kind,
        mut after: Option<EntityId>,
        (limit, bytes_max): (usize, usize),
        asker: &Principal,
    ) -> Result<Vec<Arc<Present>>, WriteError> {
        let Some(values) = self.values(kind) else {
            return Ok(Vec::new());
        };
        if let Some(page) = values.page(after.as_ref(), limit) {
            return Ok(page);
        }
        // A page that has begun is finished: what is read already takes memory until the end.
        let turn = self.0.pages.enter(Lane::of(asker), Weight::Light);
        let _turn = turn.await.map_err(|Busy| WriteError::Busy)?;
        settled(&self.context().memory).await?;
        let (mut page, mut lacks) = (Vec::new(), false);
        // One more than is enough shows that there are more.
        let (mut bytes, mut without_last) = (0, 0);
        while page.len() < limit && without_last < bytes_max {
            let at_once = limit.max(HEADS_AT_ONCE);
            let heads = self.list(kind, after, at_once, asker).await?;
            let Some((last, _)) = heads.last() else {
                break;
            };
            after = Some(last.clone());
            let mut present: Vec<EntityId> = present(heads).collect();
            let wanted = limit - page.len();
            if present.len() > wanted {
                present.truncate(wanted);
                after = present.last().cloned();
            }
            let present = present.into_iter();
            let loads = present.map(async |entity| self.read(&entity, asker, Purpose::Many).await);
            let mut loads =
                futures_util::stream::iter(loads).buffered(self.context().settings.loads_at_once);
            while page.len() < limit && without_last < bytes_max {
                match loads.next().await {
                    None => break,
                    Some(Ok(None)) => {}
                    Some(Ok(Some(present))) => {
                        without_last = bytes;
                        bytes += present.encoded().len();
                        page.push(present);
                    }
                    Some(Err(WriteError::Busy)) => return Err(WriteError::Busy),
                    // It has been logged where it happened.
                    Some(Err(_)) => lacks = true,
                }
            }
        }
        if lacks && self.context().commit.health() == Health::Failed {
            return Err(WriteError::Storage);
        }
        Ok(page)
    }

    /// Reads which entities of a kind there ever were, those after `after`, when it is the asker's
    /// turn.
    async fn list(
        &self,
        kind: &Kind,
        after: Option<EntityId>,
        limit: usize,
        asker: &Principal,
    ) -> Result<Vec<(EntityId, Head)>, WriteError> {
        let lane = Lane::Loading(asker.id.clone());
        let slot = self.context().work.enter(lane, Weight::Light).await;
        let _slot = slot.map_err(|Busy| WriteError::Busy)?;
        let (store, listed) = (Arc::clone(&self.context().store), kind.clone());
        let list = move || store.heads(Scope::Kind(&listed), after.as_ref(), limit);
        match tokio::task::spawn_blocking(list).await {
            Ok(Ok(heads)) => Ok(heads),
            Ok(Err(error)) => {
                tracing::error!(%kind, %error, "the entities of a kind cannot be listed");
                Err(WriteError::Storage)
            }
            Err(error) => {
                tracing::error!(%kind, %error, "listing the entities of a kind failed");
                Err(WriteError::Storage)
            }
        }
    }
}

/// Those that are not deleted.
fn present(heads: Vec<(EntityId, Head)>) -> impl Iterator<Item = EntityId> {
    let present = heads
        .into_iter()
        .filter(|(_, head)| head.presence == Presence::Present);
    present.map(|(entity, _)| entity)
}
