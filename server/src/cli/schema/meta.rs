//! `indelible schema meta`: the schema of schema files, for editors.

use std::error::Error;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::schema;

use crate::cli::print;

const EXAMPLES: &str = "\
Example:
  indelible schema meta > indelible.schema.json
      In each schema file then: \"$schema\": \"../indelible.schema.json\"";

/// Print a JSON Schema of schema files, by which editors complete and check them
///
/// It describes every keyword and every word of `x-indelible`. Whatever `indelible schema check`
/// takes is valid by it; mistakes that need more than one place are found by the check only.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Meta {}

impl Meta {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        print(&serde_json::to_string_pretty(&schema::meta())?)?;
        Ok(ExitCode::SUCCESS)
    }
}
