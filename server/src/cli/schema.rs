//! `indelible schema …`: what can be said of schema folders without a server.
//!
//! Must never know: what the rules of schemas are.

mod check;
mod diff;
mod doubts;
mod meta;
mod narrowed;
mod replay;
mod roles;

use std::error::Error;
use std::path::Path;

use indelible_engine::policy::Policies;
use indelible_engine::schema::SchemaError;

pub(super) use check::Check;
pub(super) use diff::Diff;
pub(super) use meta::Meta;
pub(super) use replay::Replay;

use crate::config::SchemaPlace;
use crate::schema_files::{self, SchemaFilesError};

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
    Policies::compile(&files.sources).map_err(|errors| {
        let line = |error: &SchemaError| format!("  {error} [{}]", error.mistake.code());
        let lines: Vec<String> = errors.iter().map(line).collect();
        format!("{} has mistakes:\n{}", folder.display(), lines.join("\n")).into()
    })
}
