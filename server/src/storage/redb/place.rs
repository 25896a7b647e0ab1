//! Where the file lies: the lock on its directory, and whether the file is still there.
//!
//! Invariant: of the processes that come through here, one at most writes in a directory, whatever
//! becomes of the files in it: the lock is on the directory itself.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::{StoreError, StoreResult};
use super::{STORE_FILE, backend};

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

/// A file as the system knows it, under any name.
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
