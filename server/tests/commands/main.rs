//! What the commands say to people who misspell, who pipe, and whose files are not what they think.
//!
//! Guards against calm answers to questions that were never asked, and against sentences of libraries.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod tokens;

use std::path::Path;
use std::process::{Command, Output};

fn indelible(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_indelible"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
