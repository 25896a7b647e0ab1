//! How an actor reads its entity from the store.

use std::sync::Arc;

use super::super::loading::{self, Loaded, LoadingError};
use super::super::outcome::{WriteError, too_many};
use super::Actor;
use crate::work::{Lane, Weight};

impl Actor {
    /// Reads the entity from the store. What takes long has to wait for its turn among such work.
    pub(super) async fn read(&self) -> Result<Option<Loaded>, WriteError> {
        let lane = Lane::Loading(self.asker.clone());
        let light = self.context.work.enter(lane, Weight::Light).await;
        let light = light.map_err(too_many)?;
        let (store, id) = (Arc::clone(&self.context.store), self.id.clone());
        let find = move || loading::find(&*store, &id).map_err(LoadingError::from);
        let Some(found) = in_background(find).await? else {
            return Ok(None);
        };
        let (store, id) = (Arc::clone(&self.context.store), self.id.clone());
        let known = Arc::clone(&self.context.known);
        match found.weight() {
            Weight::Light => {
                let _slot = light;
                in_background(move || found.load(&*store, &id, &*known)).await
            }
            Weight::Heavy => {
                // While it waits, it holds nothing.
                drop((light, found));
                let lane = Lane::LongLoading(self.asker.clone());
                let heavy = self.context.work.enter(lane, Weight::Heavy).await;
                let _slot = heavy.map_err(too_many)?;
                in_background(move || loading::load(&*store, &id, &*known)).await
            }
        }
    }
}

/// Reads from the store on a thread that may wait for the disk.
async fn in_background<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, LoadingError> + Send + 'static,
) -> Result<T, WriteError> {
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| {
        tracing::error!(%error, "loading the entity failed");
        WriteError::Storage
    })?;
    read.map_err(|error| {
        tracing::error!(%error, "the entity cannot be loaded");
        WriteError::Storage
    })
}
