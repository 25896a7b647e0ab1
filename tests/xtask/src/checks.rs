//! `cargo xtask test`: everything that CI runs, step by step, ending at the first failure.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench;
use crate::build;
use crate::deny;
use crate::npm::{BROWSER_TESTS, CLIENT, INTEROP_TESTS, PAGES, Package};
use crate::run::{Failure, Outcome, run, succeeds};
use crate::system;
use crate::workspace::Workspace;

/// What a step may look at.
#[derive(Debug)]
struct Context<'a> {
    workspace: &'a Workspace,
    long: bool,
}

/// How long the soak of a long run is.
const SOAK_MINUTES: u64 = 15;

struct Step {
    name: &'static str,
    about: &'static str,
    check: fn(&Context<'_>) -> Outcome,
    /// Whether it takes so long that it has to be asked for, by its name or by `--long`.
    only_long: bool,
}

/// Cheap checks first; the pages before the server, which embeds them.
const STEPS: &[Step] = &[
    step("format", "cargo fmt", format),
    step(
        "deny",
        "licences, sources and advisories of the dependencies",
        deny,
    ),
    step("lint", "cargo clippy", lint),
    step("style", "lint and format of the TypeScript", style),
    step("web", "WASM, npm package, pages", web),
    step("client", "types, unit tests, package", client),
    step("pages", "types, unit tests", pages),
    step("rust", "unit and end-to-end tests", rust),
    step("doctests", "examples in the docs", doctests),
    step("docs", "cargo doc", docs),
    step("browser", "tests in Chromium", browser),
    step(
        "interop",
        "the packed package in bundlers and TypeScript",
        interop,
    ),
    Step {
        only_long: true,
        ..step(
            "soak",
            "many people at work beside attackers, for 15 minutes",
            soak,
        )
    },
];

const fn step(name: &'static str, about: &'static str, check: fn(&Context<'_>) -> Outcome) -> Step {
    Step {
        name,
        about,
        check,
        only_long: false,
    }
}

/// Runs the named steps, or all.
pub(crate) fn test(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| a.starts_with('-'));
    if let Some(flag) = flags.iter().find(|flag| **flag != "--long") {
        return Err(Failure::new(format!(
            "unknown flag {flag}; there is only --long"
        )));
    }
    if let Some(name) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(Failure::new(format!(
            "no step {name}; there are: {}",
            known.join(", ")
        )));
    }
    let context = Context {
        workspace,
        long: !flags.is_empty(),
    };
    let wanted = STEPS.iter().filter(|step| match names.is_empty() {
        true => context.long || !step.only_long,
        false => names.iter().any(|name| *name == step.name),
    });
    let start = Instant::now();
    let mut done: Vec<(&Step, Duration)> = Vec::new();
    for step in wanted {
        eprintln!("\n━━ {}: {}", step.name, step.about);
        let began = Instant::now();
        let outcome = (step.check)(&context);
        let took = began.elapsed();
        if let Err(failure) = outcome {
            summarise(&done);
            eprintln!("  ✗ {:<10}{:>8}", step.name, seconds(took));
            return Err(Failure::new(format!(
                "step `{0}`: {failure}\n(again: cargo xtask test {0})",
                step.name
            )));
        }
        eprintln!("━━ {} passed in {}", step.name, seconds(took).trim());
        done.push((step, took));
    }
    summarise(&done);
    eprintln!(
        "\nAll {} steps passed in {}.",
        done.len(),
        seconds(start.elapsed()).trim()
    );
    Ok(())
}

fn summarise(done: &[(&Step, Duration)]) {
    eprintln!();
    for (step, took) in done {
        eprintln!("  ✓ {:<10}{:>8}", step.name, seconds(*took));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f32())
}

impl Context<'_> {
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.cargo();
        command.args(arguments);
        self.configure(&mut command);
        command
    }

    /// Sets what tests need to know: the server to run, and whether they may take long.
    fn configure(&self, command: &mut Command) {
        command.env("INDELIBLE_BIN", self.workspace.dev_binary());
        if self.long {
            command.env("INDELIBLE_LONG", "1");
        }
    }
}

fn format(context: &Context<'_>) -> Outcome {
    run(&mut context.cargo(&["fmt", "--all", "--check"]))
}

fn deny(context: &Context<'_>) -> Outcome {
    deny::check(context.workspace)
}

fn lint(context: &Context<'_>) -> Outcome {
    let values = "--no-default-features";
    for what in [
        ["--workspace", "--all-targets"].as_slice(),
        &["--package", "indelible-client", values],
    ] {
        let arguments = [
            ["clippy", "--locked"].as_slice(),
            what,
            &["--", "-D", "warnings"],
        ];
        run(&mut context.cargo(&arguments.concat()))?;
    }
    Ok(())
}

fn style(context: &Context<'_>) -> Outcome {
    CLIENT.install(context.workspace)?;
    let biome = context
        .workspace
        .path("client-wasm/node_modules/.bin/biome");
    let mut command = Command::new(biome);
    run(command
        .args(["ci", "--error-on-warnings"])
        .current_dir(&context.workspace.root))
}

fn web(context: &Context<'_>) -> Outcome {
    build::web(context.workspace)
}

fn client(context: &Context<'_>) -> Outcome {
    CLIENT.install(context.workspace)?;
    for script in ["check", "test", "check:package"] {
        run(&mut CLIENT.script(context.workspace, script))?;
    }
    Ok(())
}

fn pages(context: &Context<'_>) -> Outcome {
    PAGES.install(context.workspace)?;
    for script in ["check", "test"] {
        run(&mut PAGES.script(context.workspace, script))?;
    }
    Ok(())
}

fn rust(context: &Context<'_>) -> Outcome {
    system::require_curl()?;
    // One build for tests and server: the same targets give the same features, so nothing is
    // compiled twice.
    run(&mut context.cargo(&["build", "--locked", "--workspace", "--all-targets"]))?;
    if succeeds(&mut context.cargo(&["nextest", "--version"])) {
        let profile = if context.long { "long" } else { "default" };
        let nextest = ["nextest", "run", "--locked", "--workspace", "--all-targets"];
        run(context.cargo(&nextest).args(["--profile", profile]))
    } else {
        let mut tests = context.cargo(&["test", "--locked", "--workspace", "--all-targets"]);
        if context.long {
            tests.args(["--", "--show-output"]);
        }
        run(&mut tests)
    }
}

fn doctests(context: &Context<'_>) -> Outcome {
    run(&mut context.cargo(&["test", "--locked", "--workspace", "--doc"]))
}

fn docs(context: &Context<'_>) -> Outcome {
    let mut command = context.cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn browser(context: &Context<'_>) -> Outcome {
    in_chromium(context, BROWSER_TESTS)
}

fn interop(context: &Context<'_>) -> Outcome {
    // Its tests start the server and the browser as those do.
    BROWSER_TESTS.install(context.workspace)?;
    in_chromium(context, INTEROP_TESTS)
}

fn soak(context: &Context<'_>) -> Outcome {
    bench::soak(context.workspace, SOAK_MINUTES)
}

/// Runs the tests of a package that needs the products and a browser.
fn in_chromium(context: &Context<'_>, package: Package) -> Outcome {
    let workspace = context.workspace;
    build::web(workspace)?;
    run(&mut context.cargo(&["build", "--locked", "--workspace", "--all-targets"]))?;
    package.install(workspace)?;
    run(&mut package.script(workspace, "check"))?;
    let mut tests = package.script(workspace, "test");
    context.configure(&mut tests);
    run(tests.env("INDELIBLE_CHROMIUM", system::require_chromium()?))
}
