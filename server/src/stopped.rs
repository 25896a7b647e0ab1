//! Reading a data directory that no server is running on.
//!
//! Invariant: nothing is written that a server would not write at its start; a directory without a
//! store stays without one.
//! Must never know: what is read.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::storage::StoreError;
use crate::storage::redb::{RedbStore, STORE_FILE};

/// Why a data directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoppedError {
    /// There is no store in it.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// A server has it.
    #[error(
        "a server is running on {}: stop it first, or work on a copy of the directory that was \
         made while it was stopped",
        .0.display()
    )]
    Running(PathBuf),
    /// It cannot be opened.
    #[error("cannot read the store in {}", path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
}

/// Opens the store of a stopped server.
///
/// # Errors
/// [`StoppedError`].
pub(crate) fn open(data: &Path) -> Result<RedbStore, StoppedError> {
    if !data.join(STORE_FILE).is_file() {
        return Err(StoppedError::NoStore(data.to_owned()));
    }
    RedbStore::open(data, Config::default().refusals).map_err(|error| match error {
        StoreError::InUse { path } => StoppedError::Running(path),
        source => StoppedError::Store {
            path: data.to_owned(),
            source,
        },
    })
}
