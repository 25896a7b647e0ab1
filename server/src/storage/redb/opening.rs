//! Opening the store's file, and what is said where the database fails: sentences of ours with the
//! file in them, and what the database itself said in the log only.
//!
//! Invariant: a new store appears under its name when it is a store, so that an empty or strange file
//! of that name is never taken for one, nor made into one.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use ::redb::{Database, DatabaseError, Error, ReadOnlyDatabase, StorageError};

use super::handle::is_unclean;
use super::place::Identity;
use super::watched::{Watch, WatchedFile};
use super::{STORE_FILE, StoreError, StoreResult};
use crate::config::STORE_CACHE_BYTES;

/// How a file of redb begins.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// The least that a store has: its first page.
const HEADER_BYTES: u64 = 4 << 10;

/// What to do where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Make a new store.
    Make,
    /// Fail: there was one.
    Fail,
}

/// Opens the store in a directory to write to it.
/// Tells which file that is.
pub(super) fn to_write(
    dir: &Path,
    missing: Missing,
    watch: &Watch,
) -> StoreResult<(Database, Identity)> {
    let path = dir.join(STORE_FILE);
    let is_there = path.try_exists().map_err(backend("look for the file"))?;
    if !is_there && missing == Missing::Make {
        return make(dir, &path, watch);
    }
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let file = file.map_err(backend("open"))?;
    look_at(&path, &file)?;
    database(dir, file, watch)
}

/// The database in an open file, which may be empty.
pub(super) fn database(dir: &Path, file: File, watch: &Watch) -> StoreResult<(Database, Identity)> {
    let identity = Identity::of(&file).map_err(backend("open"))?;
    watch.restart();
    let file = WatchedFile::new(file, watch.clone());
    let opened = file.and_then(|file| checked(|| builder().create_with_backend(file)));
    let database = opened.map_err(|error| cannot_open(dir, error))?;
    Ok((database, identity))
}

/// Opens the store in a directory to read it: not a byte of the file changes.
pub(super) fn to_read(dir: &Path) -> StoreResult<ReadOnlyDatabase> {
    let path = dir.join(STORE_FILE);
    look_at(&path, &File::open(&path).map_err(backend("open"))?)?;
    let opened = checked(|| builder().open_read_only(&path));
    opened.map_err(|error| match error {
        error if is_unclean(&error) => StoreError::NeedsWriting,
        error => cannot_open(dir, error),
    })
}

/// Opens the database. It panics where it trusts what an altered file says of itself: that is reported
/// as damage.
fn checked<T>(open: impl FnOnce() -> Result<T, DatabaseError>) -> Result<T, DatabaseError> {
    panic::catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
        let damage = "the database stopped at what the file says of itself".to_owned();
        Err(StorageError::Corrupted(damage).into())
    })
}

fn builder() -> ::redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(STORE_CACHE_BYTES);
    builder
}

/// Makes a new store beside its place, private from the first moment, and puts it there.
fn make(dir: &Path, path: &Path, watch: &Watch) -> StoreResult<(Database, Identity)> {
    let draft = tempfile::Builder::new()
        .prefix(".indelible-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(dir)
        .map_err(backend("make a new store"))?;
    let file = draft.as_file().try_clone();
    let made = database(dir, file.map_err(backend("make a new store"))?, watch)?;
    match draft.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
            return Err(StoreError::InUse {
                path: dir.to_owned(),
            });
        }
        Err(error) => return Err(backend("make a new store")(error.error)),
    }
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(backend("make a new store"))?;
    Ok(made)
}

/// Distinguishes a file that is not a store from one that can be tried.
fn look_at(path: &Path, mut file: &File) -> StoreResult<()> {
    let length = file.metadata().map_err(backend("open"))?.len();
    let mut beginning = Vec::new();
    let mut start = file.by_ref().take(MAGIC.len() as u64);
    let read = start.read_to_end(&mut beginning);
    read.and_then(|_| file.rewind()).map_err(backend("read"))?;
    let what = if length == 0 {
        "the file is empty (if nothing was ever stored here, remove it)"
    } else if beginning != MAGIC {
        "the file is not a store: it begins as no store does"
    } else if length < HEADER_BYTES {
        "the file is cut off in its first page"
    } else {
        return Ok(());
    };
    Err(StoreError::Damaged {
        what: format!("{} ({length} bytes): {what}", path.display()),
    })
}

fn cannot_open(dir: &Path, error: DatabaseError) -> StoreError {
    match Error::from(error) {
        Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => StoreError::InUse {
            path: dir.to_owned(),
        },
        error => match backend("open")(error) {
            StoreError::Damaged { what } => StoreError::Damaged {
                what: format!("{}: {what}", dir.join(STORE_FILE).display()),
            },
            error => error,
        },
    }
}

/// A failure of the database. What it says itself is for the log.
pub(super) fn backend<E: Into<Error>>(action: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| {
        let error = error.into();
        let damaged = |what: &str| {
            tracing::debug!(error = %error, action, "the database failed");
            StoreError::Damaged { what: what.into() }
        };
        match &error {
            Error::Corrupted(_) => damaged("the file was cut off or altered"),
            Error::Io(io) if io.kind() == ErrorKind::UnexpectedEof => {
                damaged("the file ends before what it should hold")
            }
            Error::TableDoesNotExist(name) => damaged(&format!(
                "the table {name} is missing: another program wrote the file, or the first start \
                 on it was cut short"
            )),
            Error::TableTypeMismatch { table, .. } => {
                damaged(&format!("the table {table} is that of another program"))
            }
            _ => StoreError::Backend {
                action,
                source: source(error),
            },
        }
    }
}

/// What is reported as the cause: the system's words where it is the system that failed.
fn source(error: Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        Error::Io(error) => error.into(),
        Error::PreviousIo => "an earlier read or write of the file failed".into(),
        Error::DatabaseClosed => "the file is closed".into(),
        Error::ValueTooLarge(bytes) => {
            format!("a record of {bytes} bytes is too large: it may have 3 GiB").into()
        }
        other => other.to_string().into(),
    }
}
