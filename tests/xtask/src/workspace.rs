//! Where things are, and cargo as it is to be called from inside a cargo command.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::run::{Failure, Outcome};

/// The repository and its build folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn locate() -> Outcome<Self> {
        // Not the `env!` of this name: a build folder that several clones share would keep it.
        let here = env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .ok_or_else(|| Failure::new("please start this as `cargo xtask`"))?;
        let root = here
            .ancestors()
            .nth(2)
            .filter(|root| root.join("engine").is_dir())
            .ok_or_else(|| Failure::new("tests/xtask is not where it should be"))?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        Ok(Self {
            root: root.to_owned(),
            target: root.join(target),
        })
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn paths(&self, relative: &[&str]) -> Vec<PathBuf> {
        relative.iter().map(|path| self.root.join(path)).collect()
    }

    /// A folder for what these commands keep between runs.
    pub(crate) fn state(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// The server as tests run it.
    pub(crate) fn dev_binary(&self) -> PathBuf {
        self.target.join("debug/indelible")
    }

    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        forget_calling_cargo(&mut command);
        command.current_dir(&self.root);
        command
    }

    /// Another cargo than the calling one: nothing of the calling toolchain may leak into it.
    pub(crate) fn foreign_cargo(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        forget_calling_cargo(&mut command);
        let toolchain = ["RUSTC", "RUSTDOC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];
        for name in toolchain
            .into_iter()
            .chain(["RUSTC_WRAPPER", "LD_LIBRARY_PATH"])
        {
            command.env_remove(name);
        }
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("RUSTUP_") {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.root);
        command
    }
}

/// `cargo run` describes the package that it runs in the environment; build scripts that watch
/// these variables would run again at every second call.
fn forget_calling_cargo(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || matches!(
                &*text,
                "CARGO" | "CARGO_CRATE_NAME" | "CARGO_BIN_NAME" | "OUT_DIR"
            )
        {
            command.env_remove(name);
        }
    }
}

/// The first program of these names that the search path has.
pub(crate) fn find_program(names: &[&str]) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&folders).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
}
