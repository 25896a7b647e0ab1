//! `indelible schema check`: everything that a server would object to in a schema folder, at once,
//! and when each constraint is decided.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indelible_engine::id::Kind;
use indelible_engine::limits::Limits;
use indelible_engine::pointer::Pointer;
use indelible_engine::policy::{Fault, Node, Policies, Policy, WriteRule};
use indelible_engine::schema::{self, Decided, Mistake, SchemaError};
use serde::Serialize;
use serde_json::{Value, json};

use super::{doubts, roles};
use crate::cli::print;
use crate::cli::tables::{Table, counted, short};
use crate::config::SchemaPlace;
use crate::schema_files::{self, Files, PassedOver, SchemaFilesError};

/// The value of a constraint is cut to this many columns of the terminal.
const VALUE_COLUMNS_MAX: usize = 32;

const EXAMPLES: &str = "\
Examples:
  indelible schema check ./schema
  indelible schema check ./schema --json | jq '.kinds[].constraints'";

/// Look for mistakes in a schema folder; exits with 1 if there are any
///
/// Reads DIR/*.json, one schema per kind, and DIR/content/*.json, what a fresh store begins with.
/// First it lists who may do what, kind by kind and role by role, and which fields have rules of
/// their own; of a file with mistakes, as far as it can be read. Then come warnings, about what is
/// probably not meant, such as a role that is named only once, a keyword that looks like another one,
/// or two fields that differ only in case. Then each mistake is printed as file, place in the file (a
/// JSON Pointer), reason and code. Everything goes to standard output. Of a folder without mistakes every constraint is listed: whether it is decided on each operation (in
/// the client and on the server) or on the merged entity (on the server), and why.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Check {
    /// The schema folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let files = schema_files::read(&SchemaPlace::Folder(self.folder.clone()))?;
        let (policies, mut mistakes) = judge(&files);
        let sketches = sketched(&files, &mistakes);
        let mut warnings: Vec<Shown> = files.passed_over.iter().map(passed_over).collect();
        for (impossible, shown) in policies.iter().flat_map(|policy| unreachable(policy)) {
            let list = if impossible {
                &mut mistakes
            } else {
                &mut warnings
            };
            list.push(shown);
        }
        let sketched = sketches.iter().filter_map(|(_, sketch)| sketch.as_ref());
        let known: Vec<&Policy> = policies.iter().map(|one| &**one).chain(sketched).collect();
        warnings.extend(roles::doubtful(known.iter().copied()));
        warnings.extend(doubts::of(&known));
        warnings.extend(policies.iter().flat_map(|policy| doubts::of_whole(policy)));
        if self.json {
            let whole = policies.iter().map(|policy| told(policy));
            let sketched = sketches.iter().filter_map(|(_, sketch)| sketch.as_ref());
            let kinds: Vec<Value> = whole.chain(sketched.map(told_in_part)).collect();
            let document = json!({ "mistakes": mistakes, "warnings": warnings, "kinds": kinds });
            print(&serde_json::to_string_pretty(&document)?)?;
        } else {
            show(&policies, &files, &sketches, mistakes.is_empty())?;
            for warning in &warnings {
                print(&format!("warning: {} [{}]", warning.text, warning.code))?;
            }
            for mistake in &mistakes {
                print(&format!("{} [{}]", mistake.text, mistake.code))?;
            }
            let number = match mistakes.len() {
                0 => "no mistakes".to_owned(),
                count => counted(count as u64, "mistake", "mistakes"),
            };
            print(&format!("{number} in {}", self.folder.display()))?;
        }
        Ok(if mistakes.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// A file that looks like a schema or content and is not read.
fn passed_over(one: &PassedOver) -> Shown {
    let PassedOver { file, reason } = one;
    let reason = format!("is not read: {reason}");
    Shown {
        text: format!("{file}: {reason}"),
        file: file.clone(),
        pointer: Pointer::root(),
        code: "file",
        reason,
    }
}

/// What could be read of the files with mistakes, by their names.
fn sketched(files: &Files, mistakes: &[Shown]) -> Vec<(String, Option<Policy>)> {
    let is_faulty = |file: &str| mistakes.iter().any(|mistake| mistake.file == file);
    let faulty = files
        .sources
        .iter()
        .filter(|source| is_faulty(&source.file));
    let sketches = faulty.map(|source| {
        (
            source.file.clone(),
            schema::sketch(&source.file, &source.text),
        )
    });
    sketches.collect()
}

/// Who may do what in each kind, and in a folder without mistakes all constraints.
fn show(
    policies: &Policies,
    files: &Files,
    sketches: &[(String, Option<Policy>)],
    constraints: bool,
) -> io::Result<()> {
    for policy in policies.iter() {
        print(&summary(policy, files.content.get(policy.kind())))?;
        roles::show(policy)?;
    }
    for (file, sketch) in sketches {
        match sketch {
            Some(policy) => {
                print(&format!(
                    "{}: with mistakes (in {file}); as far as it can be read",
                    policy.kind()
                ))?;
                roles::show(policy)?;
            }
            None => print(&format!("{file}: nothing can be read of it"))?,
        }
    }
    for policy in policies.iter().filter(|_| constraints) {
        list(policy)?;
    }
    Ok(())
}

/// The bounds of a kind that the limits keep from being reached, and whether that makes every value
/// a bad one, which is a mistake.
fn unreachable(policy: &Policy) -> Vec<(bool, Shown)> {
    let found = policy.unreachable(Limits::default().entity_bytes_max);
    let shown = found.into_iter().map(|one| {
        let at = &policy.node(one.node).schema_pointer;
        let pointer = at.child(one.keyword.as_str());
        let kind = policy.kind().to_string();
        let shown = Shown::warning(kind, pointer, "unreachable", one.reason);
        (one.impossible, shown)
    });
    shown.collect()
}

/// A mistake or a warning as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(skip)]
    text: String,
    file: String,
    pointer: Pointer,
    code: &'static str,
    reason: String,
}

impl Shown {
    /// A finding in the schema of a kind.
    pub(super) fn warning(
        kind: String,
        pointer: Pointer,
        code: &'static str,
        reason: String,
    ) -> Self {
        Self {
            text: format!("{kind} at {pointer}: {reason}"),
            file: kind,
            pointer,
            code,
            reason,
        }
    }
}

/// The policies of the schemas without mistakes, and all mistakes: of schemas, then of content.
fn judge(files: &Files) -> (Policies, Vec<Shown>) {
    let (policies, errors) = schema::compile_valid(&files.sources);
    let mut mistakes: Vec<Shown> = errors.iter().map(schema_mistake).collect();
    mistakes.extend(files.mistakes.iter().map(file_mistake));
    let mut content = files.content.clone();
    if !errors.is_empty() {
        // What a schema with mistakes describes is unknown.
        content.retain(|kind, _| policies.get(kind).is_some());
    }
    let faults = policies.check_content(&content);
    mistakes.extend(faults.iter().map(content_mistake));
    (policies, mistakes)
}

fn schema_mistake(error: &SchemaError) -> Shown {
    Shown {
        text: error.to_string(),
        file: error.file.clone(),
        pointer: error.pointer.clone(),
        code: error.mistake.code(),
        reason: error.reason.clone(),
    }
}

/// A content file that cannot be taken for any kind's.
fn file_mistake(error: &SchemaFilesError) -> Shown {
    let (file, mistake) = match error {
        SchemaFilesError::Content { file, .. }
        | SchemaFilesError::Encoding { file, .. }
        | SchemaFilesError::ByteOrderMark { file }
        | SchemaFilesError::Other { file, .. } => (file.clone(), Mistake::Json),
        SchemaFilesError::ContentName { file, .. } => (file.clone(), Mistake::Content),
        SchemaFilesError::Io { path, .. } | SchemaFilesError::Empty { path } => {
            (path.display().to_string(), Mistake::Content)
        }
    };
    let text = error.to_string();
    Shown {
        reason: text.strip_prefix(&file).unwrap_or(&text).trim().to_owned(),
        text,
        file,
        pointer: Pointer::root(),
        code: mistake.code(),
    }
}

fn content_mistake((kind, fault): &(Kind, Fault)) -> Shown {
    let file = format!("content/{kind}.json");
    let message = &fault.message;
    Shown {
        text: match fault.pointer.is_root() {
            true => format!("{file}: {message}"),
            false => format!("{file} at {}: {message}", fault.pointer),
        },
        file,
        pointer: fault.pointer.clone(),
        code: Mistake::Content.code(),
        reason: message.clone(),
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

/// The places that the system writes, the outermost ones; none that follow from the ledger.
fn system_fields(policy: &Policy) -> Vec<Pointer> {
    let is_system = |node: &Node| node.write == WriteRule::System;
    let outermost = policy.nodes().filter(|(_, node)| {
        let outer = node.parent.map(|parent| policy.node(parent));
        is_system(node) && !node.shape.is_derived() && !outer.is_some_and(is_system)
    });
    outermost.map(|(id, _)| policy.place(id)).collect()
}

/// The constraints of a kind as a table.
fn list(policy: &Policy) -> io::Result<()> {
    let demands = policy.demands();
    if demands.is_empty() {
        return Ok(());
    }
    print(&format!("{}: constraints", policy.kind()))?;
    let mut table = Table::new(&["  PLACE", "CONSTRAINT", "DECIDED", "BECAUSE"]);
    for demand in &demands {
        let place = match demand.pointer.is_root() {
            true => "(the entity)".to_owned(),
            false => demand.pointer.to_string(),
        };
        let decided = match demand.decided {
            Decided::Operation => "on each operation",
            Decided::Merged => "on the merged entity",
        };
        let value = match &demand.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let constraint = format!("{} {}", demand.keyword, short(&value, VALUE_COLUMNS_MAX));
        let cells = [
            format!("  {place}"),
            constraint,
            decided.to_owned(),
            demand.why.to_owned(),
        ];
        table.sentence(cells.into());
    }
    table.lines().try_for_each(|line| print(&line))
}

/// A kind whose schema has mistakes, for programs.
fn told_in_part(policy: &Policy) -> Value {
    json!({
        "kind": policy.kind().as_str(),
        "complete": false,
        "singleton": policy.is_singleton(),
        "roles": roles::told(policy),
        "system": { "roles": policy.permissions().system, "fields": system_fields(policy) },
        "constraints": [],
    })
}

fn told(policy: &Policy) -> Value {
    json!({
        "kind": policy.kind().as_str(),
        "complete": true,
        "policy": policy.hash().to_string(),
        "singleton": policy.is_singleton(),
        "roles": roles::told(policy),
        "system": { "roles": policy.permissions().system, "fields": system_fields(policy) },
        "constraints": policy.demands(),
    })
}
