//! Many people at work beside attackers, for a long time: what the people wait for, what the server
//! holds, and whether everything that was acknowledged is there in the end. `cargo xtask bench soak`.
//!
//! A real process on a real store, with the limits that it has by itself. What people wait for is
//! first taken in quiet, then beside ten attackers, each of whom sends the dearest requests
//! (`dearest`) one after the other. Then the server is killed in the midst of it.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and fails where something is not as it should be"
)]

mod attack;
#[path = "../dearest/mod.rs"]
#[expect(dead_code, reason = "what they cost is measured elsewhere")]
mod dearest;
#[path = "../figures/mod.rs"]
#[expect(dead_code, reason = "times are not all that is measured here")]
mod figures;
#[path = "../../tests/end_to_end/harness.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod harness;
mod people;
#[path = "../../tests/end_to_end/process.rs"]
mod process;
mod record;
mod summary;
mod town;

use std::panic;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use attack::Attack;
use people::People;
use summary::Summary;
use town::{Phase, Town};

/// How long the attackers are at it where nobody says.
const SECONDS: u64 = 180;
/// How long people are watched in quiet, before.
const QUIET: Duration = Duration::from_secs(40);
/// How long everybody has to come in.
const ARRIVING: Duration = Duration::from_secs(10);
/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

async fn soak(length: Duration) -> Summary {
    let town = Rc::new(Town::build().await);
    let people = People::arrive(&town).await;
    tokio::time::sleep(ARRIVING).await;
    town.phase.set(Phase::Quiet);
    tokio::time::sleep(QUIET).await;

    let attack = Attack::start(&town);
    let mut stalled = people::stall(&town);
    town.phase.set(Phase::Attacked);
    let (began, cpu) = (Instant::now(), figures::cpu_time(town.pid()));
    let mut held = Vec::new();
    while began.elapsed() < length {
        tokio::time::sleep(LOOK).await;
        held.push(figures::memory_kib(town.pid(), "VmRSS"));
    }
    let mut summary = Summary {
        length: began.elapsed(),
        server: figures::cpu_time(town.pid()).saturating_sub(cpu),
        most: figures::memory_kib(town.pid(), "VmHWM"),
        held,
        ..Summary::default()
    };
    town.phase.set(Phase::Over);
    // Nothing is awaited from here to the kill: everybody is in the midst of something, and what
    // they meet then is nobody's fault.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let attackers = attack.stop(&town, &mut summary.attacks);
    town.kill();
    stalled.abort_all();
    people.leave(&town).await;
    attackers.join().unwrap();
    panic::set_hook(hook);
    summary.times = town.times.take();
    summary.print();
    summary.found = record::check(&town).await;
    summary.faults = town.faults.take();
    summary
}

fn main() -> ExitCode {
    if !figures::are_wanted() {
        return ExitCode::SUCCESS;
    }
    let mut words = std::env::args().skip(1);
    let seconds = words.find_map(|word| word.parse().ok()).unwrap_or(SECONDS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let soaking = soak(Duration::from_secs(seconds));
    let summary = LocalSet::new().block_on(&runtime, soaking);
    summary.judge()
}
