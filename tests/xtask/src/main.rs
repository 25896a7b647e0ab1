//! Developer commands: `cargo xtask serve`, `cargo xtask build`, `cargo xtask test`.
//!
//! This crate owns how the parts of the repository are built and checked together. It brings what
//! they need by itself and does nothing that is already done. It has no dependencies, so that the
//! first command of a newcomer starts in seconds, and it knows nothing of what the parts do.

mod bench;
mod bills;
mod build;
mod checks;
mod deny;
mod fuzz;
mod npm;
mod run;
mod serve;
mod stamp;
mod system;
mod wasm;
mod workspace;

use std::process::ExitCode;

use run::{Failure, Outcome};
use workspace::Workspace;

const HELP: &str = "\
Developer commands of Indelible.

  cargo xtask serve [OPTIONS]   build what is missing or stale, quickly rather than optimised, then
                                serve the demo on http://127.0.0.1:4000 (data in ./indelible-data);
                                OPTIONS go to `indelible serve`
  cargo xtask build             build what is deployed: the optimised server in target/release and
                                the npm package, with a bill of materials (CycloneDX) of each in
                                target/sbom
  cargo xtask test [STEP…]      run everything that CI runs, or only the steps named
                   --long       include the tests that take many minutes
  cargo xtask fuzz [TARGET…]    let a fuzzer look for input that breaks something
                   --minutes M  so long each (5)
  cargo xtask bench [NAME…]     figures beside their aims, from release builds: all, or only the
                                ones named (admission, bomb, ack, wall, soak, memory, micro,
                                merge, engine, wasm)
                    --minutes M so long the soak (3)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match dispatch(&command, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nerror: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Outcome {
    let workspace = Workspace::locate()?;
    match command {
        "serve" => serve::serve(&workspace, rest),
        "build" if rest.is_empty() => build::everything(&workspace),
        "build" => Err(Failure::new("`cargo xtask build` takes no arguments")),
        "test" => checks::test(&workspace, rest),
        "fuzz" => fuzz::fuzz(&workspace, rest),
        "bench" => bench::figures(&workspace, rest),
        "" | "help" | "--help" | "-h" => {
            eprint!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!("unknown command `{other}`\n\n{HELP}"))),
    }
}

/// Takes `--minutes M` out of arguments, the others of which are names.
fn minutes(arguments: &[String], usual: u64, usage: &str) -> Outcome<(u64, Vec<String>)> {
    let mut minutes = usual;
    let mut names = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--minutes" {
            minutes = rest
                .next()
                .and_then(|text| text.parse().ok())
                .filter(|minutes| *minutes > 0)
                .ok_or_else(|| Failure::new(format!("--minutes takes a number\n\n{usage}")))?;
        } else {
            names.push(argument.clone());
        }
    }
    Ok((minutes, names))
}
