//! `indelible verify`: checks a bundle, without a server or a store.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::bundle::{Depth, Fault, LINE_BYTES_MAX, Report, Verifier};
use indelible_engine::id::Hash;
use indelible_engine::limits::Limits;

use super::tables::counted;

const EXAMPLES: &str = "\
Examples:
  indelible verify ledger.ndjson
  indelible verify ledger.ndjson --root 9d581deac994d7f2d2d5f7c904dfbd91adb12acad2eeb5b5563c37a8d73c6424
  indelible verify ledger.ndjson --records-only

Exits with 0 if the file is good, with 1 if it is not: then the first fault is printed with its line,
its entity and its place in that entity's log.";

/// Check a file that `indelible export` made
///
/// Checks that no record was altered, dropped, inserted or moved, and judges every change again by
/// the schema that its entry names: that everything admitted was allowed. Whoever can write the
/// whole file can make another that is good in itself; that is what --root is for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    /// The file
    file: PathBuf,

    /// The hash that `indelible export` printed, if you have it from there
    #[arg(long, value_name = "HASH")]
    root: Option<Hash>,

    /// Check the records only, and judge no change again
    #[arg(long)]
    records_only: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let cannot_read =
            |error: io::Error| format!("cannot read {}: {error}", self.file.display());
        let file = File::open(&self.file).map_err(cannot_read)?;
        let depth = if self.records_only {
            Depth::Records
        } else {
            Depth::Admission
        };
        let report = match check(BufReader::new(file), depth).map_err(cannot_read)? {
            Ok(report) => report,
            Err(fault) => return fail(&format!("{}: {fault}", self.file.display())),
        };
        if let Some(root) = self.root.filter(|root| *root != report.root) {
            return fail(&format!(
                "{}: the file is good in itself, but its root is {}, not {root}: it is not the \
                 ledger that this hash was made of",
                self.file.display(),
                report.root
            ));
        }
        super::print(&summary(&report, depth))?;
        super::print(&format!("root {}", report.root))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn fail(text: &str) -> Result<ExitCode, Box<dyn Error>> {
    writeln!(io::stderr(), "{text}")?;
    Ok(ExitCode::FAILURE)
}

fn summary(report: &Report, depth: Depth) -> String {
    let judged = match depth {
        Depth::Records => "not judged again",
        Depth::Admission => "judged again",
    };
    format!(
        "good: {} of {} ({judged}), {}, {}; made {}",
        counted(report.entries, "entry", "entries"),
        counted(report.entities, "entity", "entities"),
        counted(report.refusals, "refusal", "refusals"),
        counted(report.policies, "policy", "policies"),
        report.made,
    )
}

fn check(mut file: impl BufRead, depth: Depth) -> io::Result<Result<Report, Fault>> {
    let mut verifier = Verifier::new(depth, Limits::default());
    let mut line = Vec::new();
    loop {
        line.clear();
        // One byte more than a line may have shows that it has too many.
        let mut bounded = (&mut file).take(LINE_BYTES_MAX as u64 + 1);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(verifier.finish());
        }
        if let Err(fault) = verifier.line(&line) {
            return Ok(Err(fault));
        }
    }
}
