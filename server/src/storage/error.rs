//! Why the store could not do something.

use std::path::PathBuf;

use indelible_engine::ledger::RecordError;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store.
    #[error("another indelible is serving this directory ({})", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The file that was opened is not at its place any more.
    #[error("{} was replaced or removed under the running server", path.display())]
    Replaced {
        /// The store's file.
        path: PathBuf,
    },
    /// Another program has written to the file, as a backup that is copied over it does.
    #[error(
        "{} was written to by another program under the running server: stop the server, then \
         restore",
        path.display()
    )]
    Overwritten {
        /// The store's file.
        path: PathBuf,
    },
    /// Written by a newer version of this program.
    #[error(
        "{} has storage format {found}; this indelible knows formats up to {known}: \
         use a newer indelible",
        path.display()
    )]
    TooNew {
        /// The store's file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// What lies in the store is not what was written there.
    #[error(
        "the store is damaged: {what}; restore the data directory from a backup, and keep this one \
         until that has worked"
    )]
    Damaged {
        /// Where, and what does not match.
        what: String,
    },
    /// A stored record cannot be read.
    #[error("the store holds a record that this indelible cannot read")]
    Record(#[from] RecordError),
    /// The database or the disk failed. After a failed write it is unknown whether it happened.
    #[error("the store failed while it tried to {action}")]
    Backend {
        /// What was tried: "open", "read", "write", "commit".
        action: &'static str,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A failed database is being opened again.
    #[error("the store is not open")]
    Closed,
    /// It was opened only to be read.
    #[error("the store was opened only to be read")]
    ReadOnly,
    /// It cannot be read as it is: it was not closed in the ordinary way, or its indexes are of an
    /// earlier version.
    #[error("the store cannot be read without writing to it")]
    NeedsWriting,
}

/// Results of the store.
pub type StoreResult<T> = Result<T, StoreError>;
