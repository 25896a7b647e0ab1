//! The npm packages of the repository: installing what their lock files say, running their scripts.

use std::process::Command;

use crate::run::{Failure, Outcome, run, say};
use crate::stamp::Stamp;
use crate::system;
use crate::workspace::Workspace;

/// A folder with a `package.json` and a `package-lock.json`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package(pub(crate) &'static str);

/// The npm package that we publish.
pub(crate) const CLIENT: Package = Package("client-wasm");
/// The pages that the server embeds.
pub(crate) const PAGES: Package = Package("server/console");
/// The tests that drive a browser.
pub(crate) const BROWSER_TESTS: Package = Package("tests/browser");

impl Package {
    /// Installs exactly the locked versions, where that has not been done.
    pub(crate) fn install(self, workspace: &Workspace) -> Outcome {
        let folder = workspace.path(self.0);
        let lock = folder.join("package-lock.json");
        if !lock.is_file() {
            return Err(Failure::new(format!("{} has no package-lock.json", self.0)));
        }
        let installed = folder.join("node_modules");
        let inputs = [folder.join("package.json"), lock];
        let stamp = Stamp::take(installed.join(".installed"), &inputs)?;
        if stamp.is_fresh(&[installed]) {
            return Ok(());
        }
        system::require_node()?;
        say(format!("{}: installing npm packages", self.0));
        run(self
            .npm(workspace)
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
        stamp.keep()
    }

    /// A script of the `package.json`.
    pub(crate) fn script(self, workspace: &Workspace, script: &str) -> Command {
        let mut command = self.npm(workspace);
        command.args(["run", "--silent", script]);
        command
    }

    fn npm(self, workspace: &Workspace) -> Command {
        let mut command = Command::new("npm");
        command.current_dir(workspace.path(self.0));
        command.env("npm_config_update_notifier", "false");
        command
    }
}
