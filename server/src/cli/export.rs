//! `indelible export`: the ledger of a stopped server as a file.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::tables::counted;
use crate::export::{self, Existing};
use crate::{clock, offline};

const EXAMPLES: &str = "\
Example:
  indelible export --data /srv/site --out ledger.ndjson
  indelible verify ledger.ndjson";

/// Write the whole ledger of a stopped server into a file that can be checked anywhere
///
/// The file holds every schema, every entry and every refusal, as lines of JSON. Its last line of
/// output is a hash over all of it: kept elsewhere, it reveals a forged file later.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// The data directory of a server that is stopped
    #[arg(long, value_name = "DIR", default_value = "indelible-data")]
    data: PathBuf,

    /// The file to write; not in a data directory, which is the server's
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        if self.out == Path::new("-") {
            return Err(
                "the ledger goes into a file, and not to standard output (./- is a file)".into(),
            );
        }
        let store = offline::open(&self.data)?;
        let existing = match self.force {
            true => Existing::Replace,
            false => Existing::Keep,
        };
        let place = (self.out.as_path(), existing);
        let exported = export::export((&*store, &self.data), place, clock::now())?;
        let summary = format!(
            "{} with {}, {} and {}\nroot {}",
            self.out.display(),
            counted(exported.policies, "policy", "policies"),
            counted(exported.entries, "entry", "entries"),
            counted(exported.refusals, "refusal", "refusals"),
            exported.root,
        );
        super::print(&summary).map_err(|error| {
            // Who does not see the root is to know that there is a file all the same.
            let text = format!("{} is written and whole, but {error}", self.out.display());
            io::Error::new(error.kind(), text)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
