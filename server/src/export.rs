//! The whole ledger as a file that can be checked anywhere.
//!
//! Invariant: what is written is what the store holds, record by record, unaltered; a file under
//! its final name is whole.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use indelible_engine::bundle::Writer;
use indelible_engine::id::{EntityId, GlobalSeq, Hash};
use indelible_engine::ledger::{RecordError, decode, decode_refusal};
use indelible_engine::time::Timestamp;
use rustix::fs::AtFlags;
use tempfile::NamedTempFile;

use crate::keys::KEY_FILE;
use crate::served_roles::ROLES_FILE;
use crate::storage::redb::STORE_FILE;
use crate::storage::{Store, StoreError, Stored};

/// Records that are read at a time.
const RECORDS_AT_ONCE: usize = 1_000;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// How many entries.
    pub entries: u64,
    /// How many refusals.
    pub refusals: u64,
    /// How many policies.
    pub policies: u64,
    /// One hash over all records.
    pub root: Hash,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored record cannot be read.
    #[error(
        "the store holds a record that cannot be read ({place}): it is damaged, or a newer indelible \
         wrote it"
    )]
    Record {
        /// Which record.
        place: String,
        /// Why.
        source: RecordError,
    },
    /// The store was written before policies were kept.
    #[error(
        "the store does not have the schema that {entity} was judged by ({policy}): it was \
         written by an older version; start the server on it once"
    )]
    NoPolicy {
        /// Whose entry names it.
        entity: EntityId,
        /// Its hash.
        policy: Hash,
    },
    /// The file is there, and was not to be replaced.
    #[error("{} is there already; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// The file is one of a data directory, or would lie in one.
    #[error(
        "{} belongs to a data directory, which is the server's: write the export somewhere else",
        .0.display()
    )]
    Input(PathBuf),
    /// What is there is not a file: a device, a pipe, a directory.
    #[error("{} is a directory, a device or a pipe, or stands for an open file: the ledger goes into a file", .0.display())]
    NotAFile(PathBuf),
    /// There is no directory for the file.
    #[error("cannot write {}: there is no directory {}", file.display(), folder.display())]
    NoFolder {
        /// Which file.
        file: PathBuf,
        /// Where it should lie.
        folder: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What to do where the file is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and fail.
    Keep,
    /// Replace it by the whole bundle.
    Replace,
}

/// Writes the ledger of the store in the directory `data` into a file. The file appears under its
/// name only when it is whole.
///
/// # Errors
/// [`ExportError`]; there is no file then, or the one that was there.
pub fn export(
    (store, data): (&dyn Store, &Path),
    (file, existing): (&Path, Existing),
    made: Timestamp,
) -> Result<Exported, ExportError> {
    if belongs_to(data, file) {
        return Err(ExportError::Input(file.to_owned()));
    }
    if file.metadata().is_ok_and(|found| !found.is_file()) || is_open_file(file) {
        return Err(ExportError::NotAFile(file.to_owned()));
    }
    let folder = folder_of(file);
    if !folder.is_dir() {
        return Err(ExportError::NoFolder {
            file: file.to_owned(),
            folder: folder.to_owned(),
        });
    }
    if existing == Existing::Keep && file.symlink_metadata().is_ok() {
        return Err(ExportError::Exists(file.to_owned()));
    }
    let failed = |source| ExportError::Io {
        path: file.to_owned(),
        source,
    };
    // The name of the temporary file means nothing to a caller who named another one.
    let unmade = |error: io::Error| failed(error.kind().into());
    let mut draft = Draft::new_in(folder).map_err(unmade)?;
    let mut out = BufWriter::new(draft.file());
    let exported = write(store, &mut out, made, file)?;
    out.flush().map_err(failed)?;
    drop(out);
    draft.file().sync_all().map_err(failed)?;
    let part = draft.named(folder).map_err(unmade)?;
    let kept = match existing {
        Existing::Keep => part.persist_noclobber(file),
        Existing::Replace => part.persist(file),
    };
    match kept {
        Ok(_) => Ok(exported),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(ExportError::Exists(file.to_owned()))
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// The files that this process has open.
const OPEN_FILES: &str = "/proc/self/fd";

/// A file in the making. It holds everything that ever was, so it is as private as the store: the mode
/// is 0600.
enum Draft {
    /// It has no name before it is whole: where the command is ended, nothing is left of it.
    Unnamed(File),
    /// On file systems that know only files with names.
    Named(NamedTempFile),
}

impl Draft {
    fn new_in(folder: &Path) -> io::Result<Self> {
        match unnamed(folder) {
            // By its entry there, it gets its name.
            Ok(file) if Path::new(OPEN_FILES).exists() => Ok(Self::Unnamed(file)),
            _ => NamedTempFile::new_in(folder).map(Self::Named),
        }
    }

    fn file(&mut self) -> &mut File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file_mut(),
        }
    }

    /// The file under a name that no other one has.
    fn named(self, folder: &Path) -> io::Result<NamedTempFile> {
        let file = match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => return Ok(file),
        };
        let open = format!("{OPEN_FILES}/{}", file.as_raw_fd());
        tempfile::Builder::new().make_in(folder, |path| {
            let (here, follow) = (rustix::fs::CWD, AtFlags::SYMLINK_FOLLOW);
            rustix::fs::linkat(here, open.as_str(), here, path, follow)?;
            file.try_clone()
        })
    }
}

#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a path leads to a file of this data directory, or into any.
fn belongs_to(data: &Path, file: &Path) -> bool {
    let identity = |path: &Path| path.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    let found = identity(file);
    let names = [STORE_FILE, KEY_FILE, ROLES_FILE];
    let is_ours = |name: &&str| found.is_some() && found == identity(&data.join(name));
    if names.iter().any(is_ours) {
        return true;
    }
    let folder = folder_of(file);
    let Ok(folder) = folder.canonicalize() else {
        return false;
    };
    // `indelible token` makes the key before there is a store.
    let is_key = found.is_some() && found == identity(&folder.join(KEY_FILE));
    let is_data =
        |folder: &Path| identity(folder) == identity(data) || folder.join(STORE_FILE).exists();
    is_key || folder.ancestors().any(is_data)
}

/// Whether a path refers to what a process has open, as `/dev/stdout` does: replacing it by a file
/// would take that name from all.
fn is_open_file(file: &Path) -> bool {
    const PROCESSES: &str = "/proc";
    let is_link = std::fs::read_link(file).is_ok_and(|target| target.starts_with(PROCESSES));
    let folder = folder_of(file).canonicalize();
    is_link || folder.is_ok_and(|folder| folder.starts_with(PROCESSES))
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn write(
    store: &dyn Store,
    out: &mut impl Write,
    made: Timestamp,
    path: &Path,
) -> Result<Exported, ExportError> {
    let mut put = |text: &str| {
        out.write_all(text.as_bytes())
            .map_err(|source| ExportError::Io {
                path: path.to_owned(),
                source,
            })
    };
    let policies = store.policies()?;
    let known: BTreeSet<Hash> = policies.iter().map(|policy| policy.hash).collect();
    let (mut writer, header) = Writer::new(policies.len() as u64);
    put(&header)?;
    for policy in &policies {
        put(&writer.policy(policy.hash, &policy.text))?;
    }
    let (mut entries, mut refusals) = (0, 0);
    let mut after = GlobalSeq(0);
    loop {
        let page = store.feed(after, RECORDS_AT_ONCE)?;
        if page.is_empty() {
            break;
        }
        for Stored { hash, bytes } in &page {
            let unread = |source| ExportError::Record {
                place: format!("the entry after {} in the order of all", after.0),
                source,
            };
            let entry = decode(bytes).map_err(unread)?;
            has_policy(&known, &entry.header.entity, entry.header.policy_hash)?;
            put(&writer.entry(bytes, *hash).map_err(unread)?)?;
            after = entry.global;
            entries += 1;
        }
    }
    let mut last = None;
    loop {
        let page = store.all_refusals(last.as_ref(), RECORDS_AT_ONCE)?;
        let Some((place, _)) = page.last() else { break };
        last = Some(place.clone());
        for (place, Stored { hash, bytes }) in &page {
            let unread = |source| ExportError::Record {
                place: format!("a refusal of {}", place.entity),
                source,
            };
            let record = decode_refusal(bytes).map_err(unread)?;
            has_policy(&known, &record.header.entity, record.header.policy_hash)?;
            put(&writer.refusal(bytes, *hash).map_err(unread)?)?;
            refusals += 1;
        }
    }
    let root = writer.root();
    put(&writer.finish(made))?;
    Ok(Exported {
        entries,
        refusals,
        policies: policies.len() as u64,
        root,
    })
}

fn has_policy(known: &BTreeSet<Hash>, entity: &EntityId, policy: Hash) -> Result<(), ExportError> {
    if known.contains(&policy) {
        return Ok(());
    }
    Err(ExportError::NoPolicy {
        entity: entity.clone(),
        policy,
    })
}
