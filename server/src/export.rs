//! The whole ledger as a file that can be checked anywhere.
//!
//! Invariant: what is written is what the store holds, record by record, unaltered; a file under
//! its final name is whole.
//! Must never know: how a bundle is spelt or checked.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use indelible_engine::bundle::Writer;
use indelible_engine::id::{EntityId, GlobalSeq, Hash};
use indelible_engine::ledger::{RecordError, decode, decode_refusal};
use indelible_engine::time::Timestamp;

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
    /// One hash that stands for all records.
    pub root: Hash,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored record cannot be read.
    #[error("a stored record cannot be read")]
    Record(#[from] RecordError),
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
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the ledger into a file, which is replaced only by a whole bundle.
///
/// # Errors
/// [`ExportError`]; there is no file then, or the one that was there.
pub fn export(store: &dyn Store, file: &Path, made: Timestamp) -> Result<Exported, ExportError> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = file.with_file_name(name);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| ExportError::Io { path, source }
    };
    // It holds everything that ever was, so it is as private as the store.
    let open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part);
    let mut out = BufWriter::new(open.map_err(at(&part))?);
    let written = write(store, &mut out, made, &part).and_then(|exported| {
        let synced = out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file: File| file.sync_all());
        synced.map_err(at(&part))?;
        fs::rename(&part, file).map_err(at(file))?;
        Ok(exported)
    });
    if written.is_err() {
        // What is left of it is of no use; the error before it is the one to tell.
        let _ = fs::remove_file(&part);
    }
    written
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
            let entry = decode(bytes)?;
            has_policy(&known, &entry.entity, entry.policy_hash)?;
            put(&writer.entry(bytes, *hash)?)?;
            after = entry.global;
            entries += 1;
        }
    }
    let mut last = None;
    loop {
        let page = store.all_refusals(last.as_ref(), RECORDS_AT_ONCE)?;
        let Some((place, _)) = page.last() else { break };
        last = Some(place.clone());
        for (_, Stored { hash, bytes }) in &page {
            let record = decode_refusal(bytes)?;
            has_policy(&known, &record.entity, record.policy_hash)?;
            put(&writer.refusal(bytes, *hash)?)?;
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
