//! `indelible schema check`: everything that a server would object to in a schema folder, at once.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::id::Kind;
use indelible_engine::policy::{Fault, Policies, Policy};
use serde_json::Value;

use super::tables::counted;
use crate::config::SchemaPlace;
use crate::schema_files::{self, Content};

/// Look for mistakes in a schema folder; exits with 1 if there are any
///
/// Reads DIR/*.json, one schema per kind, and DIR/content/*.json, what a fresh store begins with.
/// Each mistake is printed as file, place in the file (a JSON Pointer) and reason.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  indelible schema check ./schema")]
pub(super) struct Check {
    /// The schema folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let files = schema_files::load(&SchemaPlace::Folder(self.folder.clone()))?;
        let (policies, mistakes) = match Policies::compile(&files.sources) {
            Ok(policies) => {
                let mistakes = content_mistakes(&policies, &files.content);
                (policies, mistakes)
            }
            Err(errors) => (
                Policies::default(),
                errors.iter().map(ToString::to_string).collect(),
            ),
        };
        if !mistakes.is_empty() {
            let mut stderr = io::stderr().lock();
            for mistake in &mistakes {
                writeln!(stderr, "{mistake}")?;
            }
            writeln!(
                stderr,
                "{} in {}",
                counted(mistakes.len() as u64, "mistake", "mistakes"),
                self.folder.display()
            )?;
            return Ok(ExitCode::FAILURE);
        }
        for policy in policies.iter() {
            super::print(&summary(policy, files.content.get(policy.kind())))?;
        }
        super::print(&format!("no mistakes in {}", self.folder.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn summary(policy: &Policy, content: Option<&Value>) -> String {
    let form = if policy.is_singleton() {
        "one entity"
    } else {
        "many entities"
    };
    let content = match content {
        None => "no initial content".to_owned(),
        Some(_) if policy.is_singleton() => "with initial content".to_owned(),
        Some(content) => {
            let entities = content.as_object().map_or(0, serde_json::Map::len);
            format!("{entities} in the initial content")
        }
    };
    format!("{}: {form}, {content}", policy.kind())
}

fn content_mistakes(policies: &Policies, content: &Content) -> Vec<String> {
    let faults = policies.check_content(content);
    let line = |(kind, fault): &(Kind, Fault)| match fault.pointer.is_root() {
        true => format!("content/{kind}.json: {}", fault.message),
        false => format!(
            "content/{kind}.json at {}: {}",
            fault.pointer, fault.message
        ),
    };
    faults.iter().map(line).collect()
}
