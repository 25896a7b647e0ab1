//! The products, in the order in which they need each other: WASM, npm package, pages, server.
//!
//! [`Build::Optimised`] is what is deployed and measured, [`Build::Quick`] what a clean clone serves
//! after a few minutes. The compiled modules of both are written to the same place.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Instant, SystemTime};

use crate::bills;
use crate::npm::{CLIENT, PAGES};
use crate::run::{Outcome, run, say};
use crate::stamp::Stamp;
use crate::system;
use crate::wasm;
use crate::workspace::Workspace;

/// How much time the compiler may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Little: the products are larger and slower.
    Quick,
    /// As much as it takes for products that are small and fast.
    Optimised,
}

impl Build {
    /// The profile of the server, in the root `Cargo.toml`.
    fn profile(self) -> &'static str {
        match self {
            Self::Quick => "serving",
            Self::Optimised => "release",
        }
    }

    /// The server, once it is built.
    fn binary(self, workspace: &Workspace) -> PathBuf {
        workspace.target.join(self.profile()).join("indelible")
    }
}

/// `cargo xtask build`.
pub(crate) fn everything(workspace: &Workspace) -> Outcome {
    let start = Instant::now();
    let binary = Build::Optimised.binary(workspace);
    let before = modified(&binary);
    if before.is_none() {
        say(
            "building everything, optimised: the first time takes about ten minutes on two processors",
        );
    }
    web(workspace)?;
    say("compiling the server");
    server(workspace, Build::Optimised)?;
    let bills = bills::write(workspace)?;
    if before.is_some() && modified(&binary) == before {
        say("everything is up to date:");
    } else {
        say(format!("built in {:.0} s:", start.elapsed().as_secs_f32()));
    }
    say(format!("  {}", binary.display()));
    say(format!(
        "  {}",
        workspace.path("client-wasm/dist").display()
    ));
    say(format!("  {} (what is in them)", bills.display()));
    Ok(())
}

/// Builds what `cargo xtask serve` starts, as soon as possible; returns the server.
///
/// The server's dependencies, the WASM modules and the npm packages need nothing of each other. The
/// server itself is compiled once more when the pages are there that it embeds; it is compiled
/// incrementally, so that takes seconds.
pub(crate) fn to_serve(workspace: &Workspace) -> Outcome<PathBuf> {
    let start = Instant::now();
    let binary = Build::Quick.binary(workspace);
    let before = modified(&binary);
    if before.is_none() {
        say("the first build takes about five minutes on two processors; side by side:");
        say("  the server (cargo lists its crates), the client as WASM, the npm packages");
    }
    // Both may ask at the terminal, before others write to it.
    system::require_node()?;
    wasm::require_toolchain(workspace)?;
    thread::scope(|scope| {
        let compiled = scope.spawn(|| server(workspace, Build::Quick));
        let installed = scope.spawn(|| {
            CLIENT.install(workspace)?;
            PAGES.install(workspace)
        });
        let modules = wasm::build(workspace, Build::Quick);
        installed.join().expect("installing does not panic")?;
        let web = modules.and_then(|()| {
            package(workspace)?;
            pages(workspace)
        });
        if let (Err(failure), false) = (&web, compiled.is_finished()) {
            say(format!("{failure}; waiting for the compiler to stop"));
        } else if !compiled.is_finished() {
            say("the pages are ready; waiting for the server");
        }
        web.and(compiled.join().expect("compiling does not panic"))
    })?;
    server(workspace, Build::Quick)?;
    if modified(&binary) != before {
        say(format!("built in {:.0} s", start.elapsed().as_secs_f32()));
    }
    Ok(binary)
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|data| data.modified()).ok()
}

/// All that the server embeds, optimised.
pub(crate) fn web(workspace: &Workspace) -> Outcome {
    wasm::build(workspace, Build::Optimised)?;
    package(workspace)?;
    pages(workspace)
}

/// The npm package, in `client-wasm/dist/`, from the WASM modules.
fn package(workspace: &Workspace) -> Outcome {
    let inputs = workspace.paths(&[
        "client-wasm/ts",
        "client-wasm/ts/wasm",
        "client-wasm/package.json",
        "client-wasm/package-lock.json",
        "client-wasm/tsconfig.json",
        "client-wasm/tsconfig.build.json",
    ]);
    let stamp = Stamp::take(workspace.state().join("client"), &inputs)?;
    let folder = workspace.path("client-wasm/dist");
    if stamp.is_fresh(&[
        folder.join("index.js"),
        folder.join("wasm/indelible_bg.wasm"),
        folder.join("wasm/values_bg.wasm"),
    ]) {
        return Ok(());
    }
    CLIENT.install(workspace)?;
    say("building the npm package");
    run(&mut CLIENT.script(workspace, "build"))?;
    stamp.keep()
}

/// The pages, in `server/console/dist/`, from the npm package.
fn pages(workspace: &Workspace) -> Outcome {
    let inputs = workspace.paths(&[
        "server/console",
        "server/demo",
        "client-wasm/dist",
        "client-wasm/dist/wasm",
    ]);
    let stamp = Stamp::take(workspace.state().join("pages"), &inputs)?;
    if stamp.is_fresh(&[workspace.path("server/console/dist/assets")]) {
        return Ok(());
    }
    PAGES.install(workspace)?;
    say("building the pages");
    run(&mut PAGES.script(workspace, "build"))?;
    stamp.keep()
}

/// Cargo knows best whether anything is to do.
fn server(workspace: &Workspace, build: Build) -> Outcome {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--locked", "--package", "indelible-server"]);
    run(cargo.args(["--profile", build.profile()]))
}
