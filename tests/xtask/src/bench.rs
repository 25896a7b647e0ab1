//! `cargo xtask bench`: figures beside what was aimed at, from release builds, each in one run.

use std::process::Command;

use crate::build::Build;
use crate::run::{Failure, Outcome, output, run, say};
use crate::wasm;
use crate::workspace::Workspace;

struct Bench {
    name: &'static str,
    about: &'static str,
    take: fn(&Asked<'_>) -> Outcome,
}

/// What a figure is taken with.
struct Asked<'a> {
    workspace: &'a Workspace,
    name: &'a str,
    /// How long a soak takes.
    minutes: u64,
}

/// Those that are not a program of their own in `tests/benches/` say what they take.
const BENCHES: &[Bench] = &[
    bench(
        "admission",
        "admitting a change against applying it; the checks alone",
    ),
    bench("bomb", "81 bytes that hold a million operations"),
    bench("ack", "from an edit to its durable acknowledgement"),
    bench(
        "wall",
        "attacks and a flood at the real server, beside honest changes",
    ),
    Bench {
        name: "soak",
        about: "many people at work beside attackers, for a long time",
        take: |asked| soak(asked.workspace, asked.minutes),
    },
    bench(
        "memory",
        "what is held for those who do nothing: sockets, entities, slow readers",
    ),
    bench("micro", "the parts of admission, and what they allocate"),
    Bench {
        name: "merge",
        about: "merging long texts and lists beside the same splices in Automerge",
        take: client,
    },
    Bench {
        name: "engine",
        about: "looking back beside loading the document; checking a bundle beside applying it; \
                values of a million elements beside short ones",
        take: engine,
    },
    Bench {
        name: "wasm",
        about: "what a browser downloads",
        take: module_size,
    },
];

const USAGE: &str = "cargo xtask bench [--minutes M] [NAME…]";

/// How long a soak takes among other figures.
const SOAK_MINUTES: u64 = 3;

/// Bytes of each module, gzipped.
const MODULE_AIM: u64 = 450_000;

const fn bench(name: &'static str, about: &'static str) -> Bench {
    Bench {
        name,
        about,
        take: program,
    }
}

/// Takes the named figures, or all.
pub(crate) fn figures(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let (minutes, names) = crate::minutes(arguments, SOAK_MINUTES, USAGE)?;
    if let Some(name) = names
        .iter()
        .find(|name| BENCHES.iter().all(|bench| bench.name != **name))
    {
        let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
        return Err(Failure::new(format!(
            "no bench {name}; there are: {}\n\n{USAGE}",
            known.join(", ")
        )));
    }
    for bench in BENCHES
        .iter()
        .filter(|bench| names.is_empty() || names.iter().any(|name| name == bench.name))
    {
        eprintln!("\n━━ {}: {}", bench.name, bench.about);
        (bench.take)(&Asked {
            workspace,
            name: bench.name,
            minutes,
        })?;
    }
    Ok(())
}

fn program(asked: &Asked<'_>) -> Outcome {
    program_of(asked.workspace, "indelible-tests", asked.name, &[])
}

/// Many people beside attackers, for so many minutes.
pub(crate) fn soak(workspace: &Workspace, minutes: u64) -> Outcome {
    let seconds = (minutes * 60).to_string();
    program_of(workspace, "indelible-tests", "soak", &[&seconds])
}

/// The programs in `engine/benches/`.
fn engine(asked: &Asked<'_>) -> Outcome {
    ["history", "lists", "verify", "divided"]
        .into_iter()
        .try_for_each(|name| program_of(asked.workspace, "indelible-engine", name, &[]))
}

/// The programs in `client-wasm/benches/`.
fn client(asked: &Asked<'_>) -> Outcome {
    program_of(asked.workspace, "indelible-client", asked.name, &[])
}

fn program_of(workspace: &Workspace, package: &str, name: &str, words: &[&str]) -> Outcome {
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--quiet", "--locked", "--package", package]);
    run(cargo.args(["--bench", name, "--"]).args(words))
}

fn module_size(asked: &Asked<'_>) -> Outcome {
    let workspace = asked.workspace;
    wasm::build(workspace, Build::Optimised)?;
    for (name, module) in wasm::modules(workspace) {
        let mut node = Command::new("node");
        let measure = "const module = fs.readFileSync(process.argv[1]); \
                       console.log(module.length, zlib.gzipSync(module, { level: 9 }).length)";
        node.args(["-e", measure]).arg(module);
        let sizes = output(&mut node).unwrap_or_default();
        let sizes: Vec<u64> = sizes.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [raw, gzipped] = sizes[..] else {
            return Err(Failure::new(format!(
                "node did not say how large {name} is"
            )));
        };
        let word = if gzipped <= MODULE_AIM {
            "met"
        } else {
            "MISSED"
        };
        say(format!(
            "{name}: {raw} bytes, {gzipped} gzipped (aim ≤ {MODULE_AIM}: {word})"
        ));
    }
    Ok(())
}
