//! The client's Rust core as WASM: toolchain, build, bindings, shrinking.
//!
//! The toolchain is rustup's where the target can be fetched, otherwise Debian's compiler, which
//! brings the sources of the standard library and builds it along (`-Z build-std`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::Build;
use crate::npm::CLIENT;
use crate::run::{Failure, Outcome, output, run, say, succeeds};
use crate::stamp::Stamp;
use crate::system;
use crate::workspace::Workspace;

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
const DEBIAN_PARTS: [&str; 4] = [
    "/usr/bin/rustc",
    "/usr/bin/cargo",
    "/usr/lib/rustlib/src/rust",
    "/usr/bin/wasm-ld-22",
];

/// A module of the client: all of it, or only what shows values, which every visitor downloads.
struct Module {
    /// Of its files in `client-wasm/ts/wasm/`.
    name: &'static str,
    /// What distinguishes its build.
    flags: &'static [&'static str],
}

const MODULES: [Module; 2] = [
    Module {
        name: "indelible",
        flags: &[],
    },
    Module {
        name: "values",
        flags: &["--no-default-features"],
    },
];

/// The modules themselves, as browsers download them.
pub(crate) fn modules(workspace: &Workspace) -> [(&'static str, PathBuf); 2] {
    let folder = workspace.path("client-wasm/ts/wasm");
    MODULES.map(|module| (module.name, folder.join(format!("{}_bg.wasm", module.name))))
}

/// Makes `client-wasm/ts/wasm/`: the modules and their bindings. For [`Build::Quick`], optimised ones
/// that are up to date stay.
pub(crate) fn build(workspace: &Workspace, build: Build) -> Outcome {
    let inputs = workspace.paths(&[
        "Cargo.toml",
        "Cargo.lock",
        "engine/Cargo.toml",
        "engine/src",
        "client-wasm/Cargo.toml",
        "client-wasm/src",
        "client-wasm/package-lock.json",
        "tests/xtask/src/bindings.rs",
        "tests/xtask/src/wasm.rs",
    ]);
    let stamp = |build: Build| {
        let stamp = Stamp::take(workspace.state().join("wasm"), &inputs)?;
        Ok(stamp.of(profile(build)))
    };
    let folder = workspace.path("client-wasm/ts/wasm");
    let products = |module: &Module| {
        let name = module.name;
        [".js", "_bg.wasm"].map(|end| folder.join(format!("{name}{end}")))
    };
    let all = MODULES.each_ref().map(products).concat();
    let [wanted, optimised] = [stamp(build)?, stamp(Build::Optimised)?];
    if wanted.is_fresh(&all) || optimised.is_fresh(&all) {
        return Ok(());
    }
    require_toolchain(workspace)?;
    if build == Build::Optimised {
        // For wasm-opt.
        CLIENT.install(workspace)?;
    }
    for module in &MODULES {
        let compiled = compile(workspace, module, build)?;
        // A new lock file or a comment often leaves the module as it was.
        let mut inputs = workspace.paths(&[
            "client-wasm/package-lock.json",
            "tests/xtask/src/bindings.rs",
            "tests/xtask/src/wasm.rs",
        ]);
        inputs.push(compiled.clone());
        let state = workspace.state().join(format!("bindings-{}", module.name));
        let module_stamp = Stamp::take(state, &inputs)?.of(profile(build));
        if !module_stamp.is_fresh(&products(module)) {
            bind(workspace, &compiled, &folder, module.name)?;
            if build == Build::Optimised {
                shrink(workspace, &folder, module.name)?;
            }
            module_stamp.keep()?;
        }
    }
    wanted.keep()
}

/// The profile of the modules, in the root `Cargo.toml`.
fn profile(build: Build) -> &'static str {
    match build {
        Build::Quick => "wasm-serving",
        Build::Optimised => "wasm-release",
    }
}

/// Sees to it that a compiler for WASM is there.
pub(crate) fn require_toolchain(workspace: &Workspace) -> Outcome {
    if rustup_has_target() || debian_has_parts() {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET])
        .current_dir(&workspace.root);
    if succeeds(&mut add) {
        say(format!("added the target {TARGET} with rustup"));
        return Ok(());
    }
    system::install(&DEBIAN_PACKAGES, "compiling to WASM")
}

fn compile(workspace: &Workspace, module: &Module, build: Build) -> Outcome<PathBuf> {
    let folder = workspace.target.join("wasm");
    let profile = profile(build);
    let mut cargo = if rustup_has_target() {
        workspace.cargo()
    } else {
        debian_cargo(workspace)
    };
    say(format!("compiling the client to WASM: {}", module.name));
    cargo.args([
        "build",
        "--locked",
        "--package",
        "indelible-client",
        "--lib",
    ]);
    if build == Build::Quick {
        // Others write to the terminal, too.
        cargo.arg("--quiet");
    }
    cargo.args(["--target", TARGET, "--profile", profile]);
    cargo.args(module.flags);
    run(cargo.env("CARGO_TARGET_DIR", &folder))?;
    // The next module is written to the same place.
    let built = folder.join(TARGET).join(profile);
    let kept = folder.join(format!("{}-{profile}.wasm", module.name));
    let built = built.join("indelible_client.wasm");
    fs::copy(&built, &kept).map_err(Failure::during(built.display()))?;
    Ok(kept)
}

fn rustup_has_target() -> bool {
    output(Command::new("rustc").args(["--print", "sysroot"])).is_some_and(|root| {
        Path::new(&root)
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .is_dir()
    })
}

fn debian_has_parts() -> bool {
    DEBIAN_PARTS.iter().all(|part| Path::new(part).exists())
}

fn debian_cargo(workspace: &Workspace) -> Command {
    let [rustc, cargo, _, linker] = DEBIAN_PARTS;
    let mut command = workspace.foreign_cargo(cargo);
    command
        .env("RUSTC", rustc)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    // Debian's compiler is a stable one; building the standard library is not a stable feature.
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["-Z", "build-std=std,panic_abort"]);
    command
}

fn bind(workspace: &Workspace, module: &Path, folder: &Path, name: &str) -> Outcome {
    say(format!("writing the JavaScript bindings of {name}"));
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--locked", "--profile", "bindings"]);
    cargo.args(["--package", "xtask", "--features", "bindings"]);
    cargo.args(["--bin", "bindings", "--"]);
    run(cargo.arg(module).arg(folder).arg(name))
}

fn shrink(workspace: &Workspace, folder: &Path, name: &str) -> Outcome {
    let bound = folder.join(format!("{name}_bg.wasm"));
    let before = kilobytes(&bound);
    let mut wasm_opt = Command::new(workspace.path("client-wasm/node_modules/.bin/wasm-opt"));
    wasm_opt.args([
        "-Oz",
        "--strip-debug",
        "--strip-producers",
        "--strip-target-features",
    ]);
    run(wasm_opt.arg(&bound).arg("-o").arg(&bound))?;
    say(format!(
        "shrank {name} from {before} to {} KB",
        kilobytes(&bound)
    ));
    Ok(())
}

fn kilobytes(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |data| data.len() / 1024)
}
