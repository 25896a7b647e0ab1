//! `indelible schema …`: what can be said of schema folders without a server.
//!
//! Must never know: what the rules of schemas are.

mod check;
mod diff;
mod meta;
mod replay;
mod roles;

use std::error::Error;
use std::path::Path;

use indelible_engine::policy::Policies;

pub(super) use check::Check;
pub(super) use diff::Diff;
pub(super) use meta::Meta;
pub(super) use replay::Replay;

use crate::config::SchemaPlace;
use crate::schema_files;

/// The policies of a folder without mistakes.
fn compiled(folder: &Path) -> Result<Policies, Box<dyn Error>> {
    let files = schema_files::read(&SchemaPlace::Folder(folder.to_owned()))?;
    Policies::compile(&files.sources).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("{} has mistakes:\n{}", folder.display(), lines.join("\n")).into()
    })
}
