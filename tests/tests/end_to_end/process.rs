//! The real binary as a process of its own, which can be killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that runs until it is killed; dropping kills it too.
pub(crate) struct Process {
    child: Child,
    pub(crate) authority: String,
}

/// Starts the binary without waiting for anything.
pub(crate) fn spawn(data: &Path, schema: &Path) -> Child {
    start(
        Command::new(env!("CARGO_BIN_EXE_indelible-under-test")),
        data,
        schema,
    )
}

/// Says what the binary is to serve, and that it is to take any port.
pub(crate) fn arguments(command: &mut Command, data: &Path, schema: &Path) {
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .arg("--schema")
        .arg(schema);
}

/// Starts what is, or in the end runs, the binary.
pub(crate) fn start(mut command: Command, data: &Path, schema: &Path) -> Child {
    arguments(&mut command, data, schema);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Process {
    /// Starts the binary on a data directory and waits until it says where it listens.
    pub(crate) fn start(data: &Path, schema: &Path) -> Self {
        Self::ready(spawn(data, schema))
    }

    /// Waits until a child says where it listens.
    pub(crate) fn ready(mut child: Child) -> Self {
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let authority = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let rest = line.split("http://").nth(1)?;
                let end = |c: char| c == '/' || c.is_whitespace();
                Some(rest.split(end).next()?.to_owned())
            })
            .expect("the server says where it listens");
        Self { child, authority }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
