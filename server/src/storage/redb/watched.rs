//! The store's file as the database writes it, and whether another program has written to it.
//!
//! A backup that is copied over the file of a running server leaves its identity as it is. Its length
//! and the time of its last change show it: after a sync they change by our own writes only.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ::redb::backends::FileBackend;
use ::redb::{BackendError, DatabaseError, StorageBackend};

/// What shows that a file was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trace {
    length: u64,
    changed: SystemTime,
}

impl Trace {
    fn of(file: &Metadata) -> io::Result<Self> {
        Ok(Self {
            length: file.len(),
            changed: file.modified()?,
        })
    }
}

#[derive(Debug, Default)]
struct State {
    /// What the file was like after the last sync; `None` while something is being written.
    synced: Option<Trace>,
    /// Whether another program has written to it. Nothing more is written then.
    is_foreign: bool,
}

impl State {
    /// Fails if another program has written to the file. It is looked at only where there is
    /// something to compare it with.
    fn compare(&mut self, look: impl FnOnce() -> io::Result<Metadata>) -> io::Result<()> {
        if let Some(synced) = self.synced {
            self.is_foreign |= Trace::of(&look()?)? != synced;
        }
        match self.is_foreign {
            true => Err(io::Error::other(
                "another program has written to the store's file",
            )),
            false => Ok(()),
        }
    }
}

/// What is known of the store's file; one for all times that the store opens it.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Mutex<State>>);

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file is as this process has left it.
    pub(super) fn is_ours(&self, path: &Path) -> bool {
        self.state().compare(|| path.metadata()).is_ok()
    }

    /// Forgets what the file was like, as it is opened again.
    pub(super) fn restart(&self) {
        self.state().synced = None;
    }
}

/// The file, which is written to only while no other program writes to it.
#[derive(Debug)]
pub(super) struct WatchedFile {
    backend: FileBackend,
    /// The same file, to ask for its length and times.
    file: File,
    watch: Watch,
}

impl WatchedFile {
    pub(super) fn new(file: File, watch: Watch) -> Result<Self, DatabaseError> {
        let same = file.try_clone().map_err(::redb::StorageError::from)?;
        Ok(Self {
            backend: FileBackend::new(file)?,
            file: same,
            watch,
        })
    }

    /// Alters the file, if it is as it was left.
    fn alter(&self, alter: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.watch.state();
        state.compare(|| self.file.metadata())?;
        state.synced = None;
        alter()
    }
}

impl StorageBackend for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.alter(|| self.backend.set_len(len))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.alter(|| self.backend.write(offset, data))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.watch.state();
        state.compare(|| self.file.metadata())?;
        self.backend.sync_data()?;
        state.synced = Some(Trace::of(&self.file.metadata()?)?);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
