//! `cargo xtask serve`: the demo, from a clean clone to a page in the browser.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::build;
use crate::run::{Failure, Outcome, say};
use crate::workspace::Workspace;

/// Builds what is stale, then becomes the server.
pub(crate) fn serve(workspace: &Workspace, options: &[String]) -> Outcome {
    let mut server = Command::new(build::to_serve(workspace)?);
    server.args(["serve", "--dev"]);
    if !is_given(options, "--listen") {
        server.args(["--listen", "127.0.0.1:4000"]);
    }
    if !is_given(options, "--data") {
        server.arg("--data").arg(data_folder(workspace));
    }
    server.args(options.iter().filter(|option| *option != "--dev"));
    say("starting the server; stop it with Ctrl-C");
    become_program(&mut server)
}

fn is_given(options: &[String], name: &str) -> bool {
    options.iter().any(|option| {
        option
            .strip_prefix(name)
            .is_some_and(|rest| matches!(rest.chars().next(), None | Some('=')))
    })
}

/// In the repository, wherever in it the command was given; short where that can be.
fn data_folder(workspace: &Workspace) -> PathBuf {
    let here = env::current_dir().is_ok_and(|here| here == workspace.root);
    if here {
        "indelible-data".into()
    } else {
        workspace.path("indelible-data")
    }
}

/// Signals then reach the server itself.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Outcome {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(Failure::new(format!(
        "cannot start {}: {error}",
        command.get_program().display()
    )))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Outcome {
    crate::run::run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_both_spellings() {
        let given = |options: &[&str]| {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            is_given(&options, "--data")
        };
        assert!(given(&["--data", "elsewhere"]));
        assert!(given(&["--listen=[::1]:1", "--data=elsewhere"]));
        assert!(!given(&["--data-limit", "5"]));
        assert!(!given(&[]));
    }
}
