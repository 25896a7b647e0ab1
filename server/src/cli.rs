//! The command line.
//!
//! Invariant: standard output carries results only (a token, a finding), standard error everything
//! else; an exit code of 0 means that it was done, 1 that it was not, 2 that it was not understood.

mod blame;
mod export;
mod gone;
mod greeting;
mod history;
mod names;
mod points;
mod reading;
mod refusals;
mod schema;
mod serve;
mod stamps;
mod states;
mod tables;
mod token;
mod verify;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use indelible_engine::excerpt::{PLACE_CHARS_MAX, SENTENCE_CHARS_MAX, cut};

use crate::keys::{self, KEY_FILE, KeyError, Keys};
use crate::storage::redb::STORE_FILE;

const EXAMPLES: &str = "\
Examples:
  indelible serve --dev
      Serve the demo on http://127.0.0.1:4000, where pages sign in with a name and a role.
  indelible token --sub alice --role editor
      Print a token with which alice can sign in there.
  indelible schema check ./schema
      Look for mistakes in a schema folder.";

/// Keeps content in sync: many editors at once, fields that cannot be overwritten, nothing
/// forgotten.
#[derive(Debug, Parser)]
#[command(name = "indelible", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server until Ctrl-C or SIGTERM
    Serve(serve::Serve),
    /// Print a token to sign in with
    Token(token::Token),
    /// Write the whole ledger of a stopped server into a file that can be checked anywhere
    Export(export::Export),
    /// Show who changed what and when on a stopped server
    History(history::History),
    /// Show an entity as it was at some point
    At(states::At),
    /// Show what differs between two points of an entity's past
    Diff(states::Diff),
    /// Show who set each field, item and run of text
    Blame(blame::Blame),
    /// Show what policy refused on a stopped server
    Refusals(refusals::Refusals),
    /// Check a file that `indelible export` made
    Verify(verify::Verify),
    /// Work with schema folders
    Schema {
        #[command(subcommand)]
        command: SchemaCommand,
    },
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Look for mistakes in a schema folder; exits with 1 if there are any
    Check(schema::Check),
    /// Show what a new version of a schema folder changes, and for whom
    Diff(schema::Diff),
    /// Show which past edits a new version of a schema folder would have refused
    Replay(schema::Replay),
    /// Print a JSON Schema of schema files, by which editors complete and check them
    Meta(schema::Meta),
}

/// Where the key lies that tokens are signed with.
#[derive(Debug, Args)]
struct KeyPlace {
    /// The data directory: the store and the key file lie in it
    #[arg(long, value_name = "DIR", default_value = "indelible-data")]
    data: PathBuf,

    /// A key file elsewhere: one line of 64 or more hexadecimal digits (openssl rand -hex 32)
    ///
    /// Left out, it is DIR/token.key, made at first use.
    #[arg(long, value_name = "FILE")]
    token_key: Option<PathBuf>,
}

impl KeyPlace {
    fn open(&self) -> Result<Keys, KeyError> {
        match &self.token_key {
            Some(path) => Keys::open(path),
            None => {
                keys::check_data_dir(&self.data)?;
                Keys::open_or_create(&self.data)
            }
        }
    }

    /// Whether the key lies in a data directory that no server has used.
    fn is_without_store(&self) -> bool {
        self.token_key.is_none() && !self.data.join(STORE_FILE).exists()
    }

    fn file(&self) -> PathBuf {
        self.token_key
            .clone()
            .unwrap_or_else(|| self.data.join(KEY_FILE))
    }
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => return misunderstood(&error),
    };
    let is_server = matches!(command, Command::Serve(_));
    if !is_server && output_is_lost() {
        note("standard output is closed, or /dev/null: what this prints goes nowhere");
    }
    let run = || match command {
        Command::Serve(serve) => serve.run(),
        Command::Token(token) => token.run(),
        Command::Export(export) => export.run(),
        Command::Refusals(refusals) => refusals.run(),
        Command::History(history) => history.run(),
        Command::At(at) => at.run(),
        Command::Diff(diff) => diff.run(),
        Command::Blame(blame) => blame.run(),
        Command::Verify(verify) => verify.run(),
        Command::Schema { command } => match command {
            SchemaCommand::Check(check) => check.run(),
            SchemaCommand::Diff(diff) => diff.run(),
            SchemaCommand::Replay(replay) => replay.run(),
            SchemaCommand::Meta(meta) => meta.run(),
        },
    };
    let done = match is_server {
        true => run(),
        false => reading::guarded(run),
    };
    done.unwrap_or_else(|error| failed(&*error))
}

/// Says what an error is, and that it is one. A reader of the output that has seen enough is none.
fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    report(error);
    ExitCode::FAILURE
}

/// Help and version are results; all else is what the command line gets wrong.
fn misunderstood(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.to_string();
        // Where standard error is closed, no one reads it.
        let _ = match with_short_words(&text) {
            Some(short) => write!(io::stderr(), "{short}"),
            None => error.print(),
        };
        return ExitCode::from(2);
    }
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed.map_err(unwritten) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// A text whose long words are cut, if it has any: an argument is quoted as it was given.
fn with_short_words(text: &str) -> Option<String> {
    let words = text.split_inclusive(char::is_whitespace);
    let short: String = words.map(|word| cut(word, PLACE_CHARS_MAX)).collect();
    (short != text).then_some(short)
}

/// Whether a reader of the output went away, as `head` does when it has seen enough.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints an error with its causes, in one line.
fn report(error: &dyn Error) {
    let mut text = format!("indelible: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let text = without_numbers(&text);
    // Where standard error is closed, there is nowhere left to report it.
    let _ = writeln!(io::stderr(), "{}", cut(&text, SENTENCE_CHARS_MAX));
}

/// The system's words for errors without the numbers that Rust adds to them.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once(')').map_or("", |(_, rest)| rest);
        left.push_str(rest);
    }
    left
}

/// Says something beside the results.
fn note(text: &str) {
    // Where standard error is closed, no one reads it.
    let _ = writeln!(io::stderr(), "indelible: {text}");
}

/// Whether results go nowhere. Where standard output is closed, the runtime opens /dev/null in its
/// place, for reading and writing; the same is handed over by programs that want no results, so this
/// is no error. A shell's `>/dev/null` is for writing only.
fn output_is_lost() -> bool {
    let (stdout, null) = (io::stdout(), rustix::fs::stat("/dev/null"));
    let device = |stat: rustix::fs::Stat| stat.st_rdev;
    let is_null = rustix::fs::fstat(&stdout).ok().map(device) == null.ok().map(device);
    let access = rustix::fs::fcntl_getfl(&stdout);
    is_null && access.is_ok_and(|flags| flags.contains(rustix::fs::OFlags::RDWR))
}

/// Prints a line of results.
fn print(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}").map_err(unwritten)
}

fn unwritten(error: io::Error) -> io::Error {
    let text = format!("standard output cannot be written: {error}");
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(
            super::without_numbers("a: No such file (os error 2): b (os error 13) c"),
            "a: No such file: b c"
        );
        assert_eq!(super::without_numbers("a (b)"), "a (b)");
    }

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
