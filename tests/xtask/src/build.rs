//! The products, in the order in which they need each other: WASM, npm package, pages, server.

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use crate::bills;
use crate::npm::{CLIENT, PAGES};
use crate::run::{Outcome, run, say};
use crate::stamp::Stamp;
use crate::wasm;
use crate::workspace::Workspace;

/// `cargo xtask build`.
pub(crate) fn everything(workspace: &Workspace) -> Outcome {
    let start = Instant::now();
    let binary = workspace.release_binary();
    let before = modified(&binary);
    web(workspace)?;
    server(workspace)?;
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

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|data| data.modified()).ok()
}

/// All that the server embeds.
pub(crate) fn web(workspace: &Workspace) -> Outcome {
    client(workspace)?;
    pages(workspace)
}

/// The npm package, in `client-wasm/dist/`.
pub(crate) fn client(workspace: &Workspace) -> Outcome {
    wasm::build(workspace)?;
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

/// The pages, in `server/console/dist/`.
pub(crate) fn pages(workspace: &Workspace) -> Outcome {
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

fn server(workspace: &Workspace) -> Outcome {
    // Cargo knows best whether anything is to do; the first time, it says what it compiles.
    if !workspace.release_binary().exists() {
        say("compiling the server (the first time takes some minutes)");
    }
    let mut cargo = workspace.cargo();
    run(cargo.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "indelible-server",
    ]))
}
