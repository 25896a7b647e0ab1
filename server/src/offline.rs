//! Reading a data directory that no server is running on.
//!
//! Not a byte of the directory changes. A store that cannot be read as it is (it was not closed in
//! the ordinary way, or an earlier version wrote its indexes) is copied to a file without a name, and
//! the copy is repaired and read.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::storage::StoreError;
use crate::storage::redb::{RedbStore, STORE_FILE};

/// Why a data directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfflineError {
    /// There is no store in it.
    #[error("there is no store in {} (--data names the data directory of a server)", .0.display())]
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
    /// It has to be repaired before it can be read, and there is no room for a copy.
    #[error(
        "the store in {} was not closed in the ordinary way, and cannot be copied to {} to be \
         repaired there (TMPDIR names another directory)",
        path.display(), to.display()
    )]
    Copy {
        /// The data directory.
        path: PathBuf,
        /// Where the copy was to lie.
        to: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The store of a stopped server.
#[derive(Debug)]
pub(crate) struct OfflineStore {
    store: RedbStore,
}

impl Deref for OfflineStore {
    type Target = RedbStore;

    fn deref(&self) -> &RedbStore {
        &self.store
    }
}

/// Opens the store of a stopped server to read it.
///
/// # Errors
/// [`OfflineError`].
pub(crate) fn open(data: &Path) -> Result<OfflineStore, OfflineError> {
    let file = data.join(STORE_FILE);
    if !file.is_file() {
        return Err(OfflineError::NoStore(data.to_owned()));
    }
    let refusals = Config::default().refusals;
    let failed = |error| match error {
        StoreError::InUse { .. } => OfflineError::Running(data.to_owned()),
        source => OfflineError::Store {
            path: data.to_owned(),
            source,
        },
    };
    match RedbStore::open_to_read(data, refusals) {
        Ok(store) => Ok(OfflineStore { store }),
        Err(StoreError::NeedsWriting) => {
            let copy = copied(data, &file)?;
            let store = RedbStore::open_copy(data, copy, refusals).map_err(failed)?;
            Ok(OfflineStore { store })
        }
        Err(error) => Err(failed(error)),
    }
}

/// Copies the store to a file that no directory names: it ends with the process, however that ends,
/// and no other user can open it.
fn copied(data: &Path, file: &Path) -> Result<File, OfflineError> {
    let to = std::env::temp_dir();
    let failed = |source| OfflineError::Copy {
        path: data.to_owned(),
        to: to.clone(),
        source,
    };
    // A server that starts meanwhile would change the file under the copy.
    let mut original = File::open(file).map_err(failed)?;
    match original.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OfflineError::Running(data.to_owned())),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let mut copy = tempfile::tempfile_in(&to).map_err(failed)?;
    io::copy(&mut original, &mut copy).map_err(failed)?;
    Ok(copy)
}
