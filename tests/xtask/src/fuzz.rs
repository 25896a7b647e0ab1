//! `cargo xtask fuzz`: the targets in `tests/fuzz`, as many at a time as there are processors.
//!
//! What the fuzzer learns stays in `target/fuzz/corpus`, so that the next run goes on from there;
//! inputs that failed are in `target/fuzz/artifacts`, what was printed in `target/fuzz/logs`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::run::{Failure, Outcome, output, run, say, succeeds};
use crate::workspace::Workspace;

const USAGE: &str = "cargo xtask fuzz [--minutes M] [TARGET…]";
const FOLDER: &str = "tests/fuzz";

/// How long each target is fuzzed.
const MINUTES: u64 = 5;

/// The version that the command lines here are made for.
const CARGO_FUZZ: &str = "cargo-fuzz@0.13.2";

/// Nothing in the targets takes seconds, but the machine may be busy with something else.
const FLAGS: [&str; 5] = [
    "-max_len=4096",
    "-timeout=60",
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
    "-verbosity=1",
];

/// The result of one target.
struct Report {
    name: String,
    status: ExitStatus,
    wall: Duration,
    /// Processor time, where the system reports it.
    cpu: Option<Duration>,
    executions: String,
    coverage: String,
    corpus: String,
    /// Inputs that failed.
    crashes: Vec<PathBuf>,
}

/// Runs the named targets, or all.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let (minutes, mut names) = crate::minutes(arguments, MINUTES, USAGE)?;
    let known = targets(workspace)?;
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(Failure::new(format!(
            "no target {name}; there are: {}\n\n{USAGE}",
            known.join(", ")
        )));
    }
    if names.is_empty() {
        names = known;
    }
    let programs = build(workspace)?;
    let waiting = Mutex::new(names.clone());
    let reports = Mutex::new(Vec::new());
    let work = || -> Outcome {
        loop {
            let Some(name) = waiting.lock().expect("nothing panics with it").pop() else {
                return Ok(());
            };
            say(format!("fuzzing {name} for {minutes} min"));
            let report = one(workspace, &programs, &name, minutes)?;
            reports.lock().expect("nothing panics with it").push(report);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    let mut reports = reports.into_inner().expect("nothing panics with it");
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    tell(&reports)
}

/// The names of the programs that the manifest declares.
fn targets(workspace: &Workspace) -> Outcome<Vec<String>> {
    let manifest = workspace.path(FOLDER).join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(Failure::during(manifest.display()))?;
    let program = |line: &str| {
        Some(
            line.strip_prefix("path = \"src/")?
                .strip_suffix(".rs\"")?
                .to_owned(),
        )
    };
    Ok(text.lines().filter_map(program).collect())
}

/// Builds all programs; gives the folder that they are in.
fn build(workspace: &Workspace) -> Outcome<PathBuf> {
    let nightly = succeeds(
        workspace
            .foreign_cargo("cargo")
            .args(["+nightly", "--version"]),
    );
    // The flags that fuzzing takes are for nightly compilers; a stable one knows them all the same.
    let cargo = || {
        let mut command = workspace.foreign_cargo("cargo");
        if nightly {
            command.arg("+nightly");
        } else {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command
    };
    if !succeeds(cargo().args(["fuzz", "--version"])) {
        say("installing cargo-fuzz");
        run(workspace
            .foreign_cargo("cargo")
            .args(["install", "--locked", CARGO_FUZZ]))?;
    }
    let folder = state(workspace).join("build");
    // Our own code has no unsafe code, so the sanitizers would only cost speed.
    run(cargo()
        .args(["fuzz", "build", "--fuzz-dir", FOLDER, "--release"])
        .args(["--sanitizer", "none"])
        .env("CARGO_TARGET_DIR", &folder))?;
    let about = output(workspace.foreign_cargo("rustc").arg("-vV")).unwrap_or_default();
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure::new("rustc does not say what it builds for"))?;
    Ok(folder.join(host).join("release"))
}

fn state(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

/// Runs one target to the end of its time, or to its first crash.
fn one(workspace: &Workspace, programs: &Path, name: &str, minutes: u64) -> Outcome<Report> {
    let state = state(workspace);
    let [corpus, artifacts, seeds] =
        ["corpus", "artifacts", "seeds"].map(|folder| state.join(folder).join(name));
    let logs = state.join("logs");
    for folder in [&corpus, &artifacts, &seeds, &logs] {
        fs::create_dir_all(folder).map_err(Failure::during(folder.display()))?;
    }
    let log = logs.join(format!("{name}.log"));
    let file = File::create(&log).map_err(Failure::during(log.display()))?;
    // As a program of nobody's package: where the vectors are, it knows since it was built.
    let mut command = workspace.foreign_cargo(&programs.join(name).to_string_lossy());
    command
        .args([&corpus, &seeds])
        .args(FLAGS)
        .arg(format!("-max_total_time={}", minutes * 60))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .env("INDELIBLE_FUZZ_SEEDS", &seeds)
        .stderr(file);
    let began = Instant::now();
    let mut child = command
        .spawn()
        .map_err(Failure::during(format!("cannot start {name}")))?;
    let mut cpu = None;
    let status = loop {
        cpu = processor_time(child.id()).or(cpu);
        match child.try_wait().map_err(Failure::during(name))? {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(500)),
        }
    };
    let text = fs::read(&log).map_err(Failure::during(log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let after = |label: &str| {
        let at = text.rfind(label)? + label.len();
        let value = text[at..].split_whitespace().next();
        value.map(str::to_owned)
    };
    let figure = |label: &str| after(label).unwrap_or_else(|| "?".to_owned());
    let crashes = fs::read_dir(&artifacts).map_err(Failure::during(artifacts.display()))?;
    Ok(Report {
        name: name.to_owned(),
        status,
        wall: began.elapsed(),
        cpu,
        executions: figure("stat::number_of_executed_units:"),
        coverage: figure(" cov: "),
        corpus: figure(" corp: "),
        crashes: crashes.flatten().map(|entry| entry.path()).collect(),
    })
}

/// What a running process has used, on Linux.
fn processor_time(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may hold anything: user and system time are the 12th and 13th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    let used = ticks()? + ticks()?;
    // A hundred a second, on every Linux that Rust runs on.
    Some(Duration::from_millis(used * 10))
}

fn tell(reports: &[Report]) -> Outcome {
    eprintln!(
        "\n  {:<14}{:>9}{:>9}{:>14}{:>10}{:>16}{:>9}",
        "target", "wall", "CPU", "executions", "coverage", "corpus", "crashes"
    );
    for report in reports {
        let minutes = |time: Duration| format!("{:.1} min", time.as_secs_f32() / 60.0);
        eprintln!(
            "  {:<14}{:>9}{:>9}{:>14}{:>10}{:>16}{:>9}",
            report.name,
            minutes(report.wall),
            report.cpu.map_or_else(|| "?".to_owned(), minutes),
            report.executions,
            report.coverage,
            report.corpus,
            report.crashes.len()
        );
    }
    let mut failed = Vec::new();
    for report in reports {
        for crash in &report.crashes {
            eprintln!("\n{} crashed on {}", report.name, crash.display());
            eprintln!(
                "  to keep it, add this to tests/data/vectors/fuzz.json, with what it guards against:"
            );
            eprintln!("  {}", vector(&report.name, crash)?);
        }
        if !report.status.success() || !report.crashes.is_empty() {
            failed.push(report.name.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "something is wrong, see target/fuzz/logs; with the vector in place, `cargo test -p \
         indelible-tests --test fuzz` shows it without a fuzzer; once it passes, remove the files \
         in target/fuzz/artifacts: {}",
        failed.join(", ")
    )))
}

/// An input as a line of the file of vectors.
fn vector(target: &str, crash: &Path) -> Outcome<String> {
    let bytes = fs::read(crash).map_err(Failure::during(crash.display()))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "{{ \"target\": \"{target}\", \"guards\": \"…\", \"input\": \"{digits}\" }}"
    ))
}
