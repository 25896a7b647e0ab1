//! Random clients, two of them hostile, on a random kind, against a model of what may change.
//!
//! Guards against what nobody thought of: a change that gets through and alters a field that its
//! author may not write, replicas that hold the same changes and differ, a verdict that depends on
//! when it was asked for, a panic.
//!
//! Everything in a case follows from its seed, which a failure prints; `INDELIBLE_SEED=N` runs that
//! one alone. A seed that failed once is kept in [`REMEMBERED`]. `INDELIBLE_LONG=1` runs a million
//! steps from seeds of its own.

#![allow(
    clippy::print_stdout,
    reason = "the figures of a run are for whoever asked for it"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use indelible_tests::simulation::{self, Counts};

const STEPS: u64 = 50;
const QUICK_CASES: u64 = 2_000;
const LONG_CASES: u64 = 20_000;

/// Seeds that failed once.
const REMEMBERED: [u64; 11] = [
    2,
    27,
    40,
    57,
    92,
    218,
    275,
    635,
    2057,
    2981,
    1_882_644_232_025_327,
];

fn case(seed: u64) -> Counts {
    simulation::play(seed, STEPS)
}

/// Runs the seeds on all processors; the counts of all together.
fn run(seeds: &(impl Fn(u64) -> Option<u64> + Sync)) -> Counts {
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let worker = || {
        let mut counts = Counts::new();
        while let Some(seed) = seeds(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            let Ok(of_case) = catch_unwind(AssertUnwindSafe(|| case(seed))) else {
                println!("seed {seed} failed; again: INDELIBLE_SEED={seed}");
                failed.store(true, Ordering::Relaxed);
                break;
            };
            for (what, count) in of_case {
                *counts.entry(what).or_default() += count;
            }
        }
        counts
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = Counts::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        for thread in threads {
            for (what, count) in thread.join().expect("a worker catches what a case throws") {
                *all.entry(what).or_default() += count;
            }
        }
    });
    assert!(!failed.load(Ordering::Relaxed), "a seed failed");
    all
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[test]
fn remembered_seeds() {
    run(&|index| REMEMBERED.get(usize::try_from(index).ok()?).copied());
}

#[test]
fn nothing_preserved_changes_and_replicas_agree() {
    if let Some(seed) = environment("INDELIBLE_SEED") {
        let seed = seed.parse().expect("INDELIBLE_SEED is a number");
        println!("{:#?}", case(seed));
        return;
    }
    // The quick run is the same for everybody; each long one goes where none has been.
    let (cases, first) = if environment("INDELIBLE_LONG").is_some() {
        let now = UNIX_EPOCH.elapsed().expect("it is after 1970");
        (LONG_CASES, now.as_secs() << 20)
    } else {
        (QUICK_CASES, 0)
    };
    println!("seeds {first} to {}", first + cases - 1);
    let counts = run(&|index| (index < cases).then_some(first + index));
    println!("{cases} cases, {} steps: {counts:#?}", cases * STEPS);
    // A run whose attackers are all turned away at the door proves nothing of the rooms.
    let count = |what: &str| counts.get(what).copied().unwrap_or(0);
    for what in [
        "admitted",
        "merges",
        "repeats",
        "replicas that agree",
        "restarts",
        "attacks admitted",
        "attacks refused",
    ] {
        assert!(count(what) > cases / 4, "{what}: {}", count(what));
    }
    for code in [
        "policy",
        "unknown-deps",
        "own-past",
        "seq",
        "start-op",
        "pred",
        "element",
    ] {
        assert!(
            count(&format!("code {code}")) > cases / 100,
            "{code} was hardly tried"
        );
    }
}
