//! What the machine itself must have: Debian packages, Node, a browser.
//!
//! Nothing is installed unasked: in a terminal we ask, as root without a terminal
//! (containers, CI) we install, and otherwise we stop and print the one command to run.

use std::env;
use std::io::{IsTerminal, Write, stderr, stdin};
use std::path::PathBuf;
use std::process::Command;

use crate::run::{Failure, Outcome, output, run, say};
use crate::workspace::find_program;

const NODE_MINIMUM: (u32, u32) = (20, 19);

/// Installs Debian packages, as far as we may.
pub(crate) fn install(packages: &[&str], purpose: &str) -> Outcome {
    let line = format!(
        "apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    );
    if find_program(&["apt-get"]).is_none() {
        let wanted = packages.join(", ");
        return Err(Failure::new(format!(
            "{purpose} needs what Debian calls {wanted}; please install it and try again"
        )));
    }
    let root = output(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    let terminal = stdin().is_terminal() && stderr().is_terminal();
    let may = if terminal {
        asked(&line, purpose)?
    } else {
        root
    };
    if !may {
        let sudo = if root { "" } else { "sudo " };
        return Err(Failure::new(format!(
            "{purpose} needs more packages; run\n\n  {sudo}{line}\n"
        )));
    }
    say(format!("installing {} for {purpose}", packages.join(", ")));
    apt(root, &["update", "--quiet"])?;
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    apt(root, &words)
}

fn asked(line: &str, purpose: &str) -> Outcome<bool> {
    eprint!("{purpose} needs more packages. May I run `{line}`? [y/N] ");
    stderr().flush().map_err(Failure::during("terminal"))?;
    let mut answer = String::new();
    stdin()
        .read_line(&mut answer)
        .map_err(Failure::during("terminal"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn apt(root: bool, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.arg("apt-get");
    }
    run(command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Node and npm, new enough for the tools we use.
pub(crate) fn require_node() -> Outcome {
    if find_program(&["npm"]).is_none() {
        install(&["nodejs", "npm"], "the TypeScript part")?;
    }
    let version = output(Command::new("node").arg("--version")).unwrap_or_default();
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map_while(|n| n.parse().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < NODE_MINIMUM {
        let (major, minor) = NODE_MINIMUM;
        return Err(Failure::new(format!(
            "Node {major}.{minor} or newer is needed, found {version:?}"
        )));
    }
    Ok(())
}

/// A Chromium for the browser tests; `INDELIBLE_CHROMIUM` names another one.
pub(crate) fn require_chromium() -> Outcome<PathBuf> {
    if let Some(chosen) = env::var_os("INDELIBLE_CHROMIUM") {
        return Ok(chosen.into());
    }
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome-stable",
        "google-chrome",
    ];
    if let Some(found) = find_program(&names) {
        return Ok(found);
    }
    install(&["chromium"], "the browser tests")?;
    find_program(&names).ok_or_else(|| Failure::new("Chromium is installed but not to be found"))
}

/// `curl`, with which the commands of the docs are tried.
pub(crate) fn require_curl() -> Outcome {
    match find_program(&["curl"]) {
        Some(_) => Ok(()),
        None => install(
            &["curl", "ca-certificates"],
            "trying the commands of the docs",
        ),
    }
}
