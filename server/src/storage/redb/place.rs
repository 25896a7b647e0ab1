//! Where the file lies: the lock on its directory, and whether the file is still there.
//!
//! Invariant: of the processes that come through here, one at most writes in a directory, whatever
//! becomes of the files in it: the lock is on the directory itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ::redb::backends::FileBackend;
use ::redb::{Database, DatabaseError};

use super::super::{StoreError, StoreResult};
use super::{STORE_FILE, backend};
use crate::config::STORE_CACHE_BYTES;

/// How a directory is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// By this process alone.
    Writing,
    /// Beside others who read.
    Reading,
}

/// Locks a directory, until the answer is dropped. `None` where its file system has no locks for
/// directories; the file's own lock is all there is then.
pub(super) fn lock(dir: &Path, wanted: Use) -> StoreResult<Option<File>> {
    let directory = File::open(dir).map_err(backend("open"))?;
    let locked = match wanted {
        Use::Writing => directory.try_lock(),
        Use::Reading => directory.try_lock_shared(),
    };
    match locked {
        Ok(()) => Ok(Some(directory)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "the data directory cannot be locked");
            Ok(None)
        }
    }
}

/// A file as the system knows it, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let file = file.metadata()?;
        Ok(Self {
            device: file.dev(),
            inode: file.ino(),
        })
    }

    /// Whether this file is the one that the directory holds.
    pub(super) fn check(self, dir: &Path) -> StoreResult<()> {
        let path: PathBuf = dir.join(STORE_FILE);
        let is_there = path
            .metadata()
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        match is_there {
            true => Ok(()),
            false => Err(StoreError::Replaced { path }),
        }
    }
}

/// Opens the database in a directory, or makes it, and tells which file that is.
pub(super) fn open(dir: &Path) -> StoreResult<(Database, Identity)> {
    // The file is made here so that it is private from the first moment, and that it is known which
    // one it is.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join(STORE_FILE))
        .map_err(backend("open"))?;
    let identity = Identity::of(&file).map_err(backend("open"))?;
    let opened = FileBackend::new(file).and_then(|file| {
        let mut builder = Database::builder();
        builder.set_cache_size(STORE_CACHE_BYTES);
        builder.create_with_backend(file)
    });
    let database = opened.map_err(|error| cannot_open(dir, error))?;
    Ok((database, identity))
}

/// The store's word for why a database cannot be opened.
pub(super) fn cannot_open(dir: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse {
            path: dir.to_owned(),
        },
        error => backend("open")(error),
    }
}
