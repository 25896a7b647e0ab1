//! The open database file: to write and read, or to read alone.

use ::redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, WriteTransaction,
};

use super::super::{StoreError, StoreResult};
use super::backend;

/// An open database.
pub(super) enum Handle {
    /// This process alone has the file.
    Writing(Database),
    /// The file stays as it is, byte for byte.
    Reading(ReadOnlyDatabase),
}

impl Handle {
    pub(super) fn begin_read(&self) -> StoreResult<ReadTransaction> {
        let begun = match self {
            Self::Writing(database) => database.begin_read(),
            Self::Reading(database) => database.begin_read(),
        };
        begun.map_err(backend("begin reading"))
    }

    pub(super) fn begin_write(&self) -> StoreResult<WriteTransaction> {
        match self {
            Self::Writing(database) => database.begin_write().map_err(backend("begin writing")),
            Self::Reading(_) => Err(StoreError::ReadOnly),
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Writing(_) => "Handle::Writing",
            Self::Reading(_) => "Handle::Reading",
        })
    }
}

/// Whether the file was left in the middle of something, so that it cannot be read as it is.
pub(super) fn is_unclean(error: &DatabaseError) -> bool {
    matches!(
        error,
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_)
    )
}
