//! The npm packages of the repository: installing what their lock files say, running their scripts.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{Failure, Outcome, output, run, say};
use crate::stamp::Stamp;
use crate::system;
use crate::workspace::Workspace;

/// How many lines of npm's log are shown when it fails.
const ERRORS_MAX: usize = 20;

/// A folder with a `package.json` and a `package-lock.json`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package(pub(crate) &'static str);

/// The npm package that we publish.
pub(crate) const CLIENT: Package = Package("client-wasm");
/// The pages that the server embeds.
pub(crate) const PAGES: Package = Package("server/console");
/// The tests that drive a browser.
pub(crate) const BROWSER_TESTS: Package = Package("tests/browser");
/// The tests that use the package as others get it, in their bundlers and TypeScripts.
pub(crate) const INTEROP_TESTS: Package = Package("tests/interop");

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
        let logs = workspace.state().join("npm-logs").join(self.0);
        // What is there is of former runs.
        let _ = fs::remove_dir_all(&logs);
        let mut command = self.npm(workspace);
        command.args(["ci", "--no-audit", "--no-fund", "--loglevel=warn"]);
        command.env("npm_config_logs_dir", &logs);
        run(&mut command).map_err(|failure| {
            let shown = reasons(&logs);
            Failure::new(format!("{failure}; npm's log says:\n{}", shown.join("\n")))
        })?;
        stamp.keep()
    }

    /// A script of the `package.json`.
    pub(crate) fn script(self, workspace: &Workspace, script: &str) -> Command {
        let mut command = self.npm(workspace);
        command.args(["run", "--silent", script]);
        command
    }

    /// The installed packages that are shipped, as a bill of materials (CycloneDX).
    pub(crate) fn bill(self, workspace: &Workspace) -> Outcome<String> {
        let mut command = self.npm(workspace);
        command.args(["sbom", "--sbom-format=cyclonedx", "--omit=dev"]);
        output(&mut command).ok_or_else(|| Failure::new(format!("`npm sbom` failed in {}", self.0)))
    }

    fn npm(self, workspace: &Workspace) -> Command {
        let mut command = Command::new("npm");
        command.current_dir(workspace.path(self.0));
        command.env("npm_config_update_notifier", "false");
        command
    }
}

/// The last errors in npm's logs. Of some, such as a full disk, npm says on the terminal only that
/// there is a log.
fn reasons(logs: &Path) -> Vec<String> {
    let files = fs::read_dir(logs).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    let mut errors = Vec::new();
    for text in texts {
        // Each line begins with its number and its level.
        let lines = text.lines().filter(|line| {
            let level = line.split_whitespace().nth(1);
            level == Some("error") || line.contains("verbose stack") || line.contains("ENOSPC")
        });
        errors.extend(lines.map(str::to_owned));
    }
    if errors.is_empty() {
        return vec![format!("nothing ({})", logs.display())];
    }
    errors.split_off(errors.len().saturating_sub(ERRORS_MAX))
}

#[cfg(test)]
mod tests {
    //! Guards against a failure of npm without its reason.
    use super::*;

    #[test]
    fn the_last_errors_are_shown() {
        let logs = std::env::temp_dir().join(format!("npm-logs-{}", std::process::id()));
        fs::create_dir_all(&logs).unwrap();
        let mut log = "0 verbose cli /usr/bin/node\n1 silly error in the middle\n".to_owned();
        for n in 0..50 {
            log.push_str(&format!("{n} error code E{n}\n"));
        }
        log.push_str("60 warn tar TAR_ENTRY_ERROR ENOSPC: no space left on device, write\n");
        log.push_str("61 verbose exit 1\n");
        fs::write(logs.join("debug-0.log"), log).unwrap();
        let shown = reasons(&logs);
        fs::remove_dir_all(&logs).unwrap();
        assert_eq!(shown.len(), ERRORS_MAX);
        assert!(shown[ERRORS_MAX - 1].contains("no space left"), "{shown:?}");
        assert_eq!(shown[ERRORS_MAX - 2], "49 error code E49");
        assert!(reasons(&logs)[0].starts_with("nothing"));
    }
}
