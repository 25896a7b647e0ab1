//! `indelible schema …`: what can be said of schema folders without a server.

mod check;
mod diff;
mod doubts;
mod meta;
mod narrowed;
mod replay;
mod roles;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use indelible_engine::id::Kind;
use indelible_engine::near;
use indelible_engine::policy::{Policies, PolicyBook};
use indelible_engine::schema::{self, SchemaError};

pub(super) use check::Check;
pub(super) use diff::Diff;
pub(super) use meta::Meta;
pub(super) use replay::Replay;

use super::note;
use crate::config::SchemaPlace;
use crate::schema_files::{self, SchemaFilesError};
use crate::storage::{Ledger, Presence, Scope};

/// The policies of a folder without mistakes.
pub(super) fn compiled(folder: &Path) -> Result<Policies, Box<dyn Error>> {
    let files = schema_files::read(&SchemaPlace::Folder(folder.to_owned()))?;
    let unread = |mistake: &&SchemaFilesError| {
        matches!(
            mistake,
            SchemaFilesError::Encoding { .. }
                | SchemaFilesError::ByteOrderMark { .. }
                | SchemaFilesError::Other { .. }
        )
    };
    if let Some(mistake) = files.mistakes.iter().find(unread) {
        return Err(format!("{}: {mistake}", folder.display()).into());
    }
    schema::compile_all(&files.sources).map_err(|errors| {
        let line = |error: &SchemaError| format!("  {error} [{}]", error.mistake.code());
        let lines: Vec<String> = errors.iter().map(line).collect();
        format!("{} has mistakes:\n{}", folder.display(), lines.join("\n")).into()
    })
}

/// The kinds of a store's entities that a folder has no schema of; they are listed on standard error.
///
/// # Errors
/// If the store has none of the folder's kinds: then there is nothing to judge, and an answer would
/// be about another store.
fn missing_kinds(
    store: &dyn Ledger,
    known: &PolicyBook,
    (folder, policies): (&Path, &Policies),
) -> Result<Vec<Kind>, Box<dyn Error>> {
    let heads = store.heads(Scope::All, None, usize::MAX)?;
    let born = heads
        .iter()
        .filter(|(_, head)| head.presence != Presence::Unborn);
    let with_entities: BTreeSet<&Kind> = born.map(|(id, _)| id.kind()).collect();
    let mut all = with_entities.clone();
    all.extend(known.iter().map(|policy| policy.kind()));
    let in_folder: Vec<&str> = policies
        .iter()
        .map(|policy| policy.kind().as_str())
        .collect();
    let folder = folder.display();
    if policies.iter().all(|policy| !all.contains(policy.kind())) {
        let all: Vec<&str> = all.iter().map(|kind| kind.as_str()).collect();
        let has = match all.is_empty() {
            true => "no kind".to_owned(),
            false => all.join(", "),
        };
        let wanted = in_folder.join(", ");
        return Err(format!(
            "the store has none of the kinds in {folder} ({wanted}); it has {has}"
        )
        .into());
    }
    let missing = with_entities
        .into_iter()
        .filter(|kind| policies.get(kind).is_none());
    let missing: Vec<Kind> = missing.cloned().collect();
    for kind in &missing {
        let others = in_folder.iter().copied();
        let near = match near::nearest(kind.as_str(), others) {
            Some(near) => format!("; is it {near:?}?"),
            None => String::new(),
        };
        note(&format!(
            "the store has entities of the kind {kind:?}, and {folder} has no schema of it: they are \
             not looked at{near}",
            kind = kind.as_str()
        ));
    }
    Ok(missing)
}
