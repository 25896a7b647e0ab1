//! How figures are taken and printed: medians of rounds that measure both sides of a ratio in turn, so
//! that a slow moment of the machine meets both.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;

/// Whether figures are wanted: `cargo bench` says so. Test runners start these programs too, to ask
/// for tests, of which there are none.
pub(crate) fn are_wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Runs `work` once; what it gives is dropped by the caller, outside of the time.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed(), result)
}

/// The times of one thing, as they come in.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The median in microseconds.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// In microseconds, what the given part of the rounds took at most. A tenth: what the quietest
    /// rounds took, where a machine with neighbours has any.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let mut times = self.0.clone();
        times.sort_unstable();
        let place = (times.len() as f64 * part) as usize;
        times[place.min(times.len() - 1)].as_secs_f64() * 1e6
    }
}

/// Whether a figure is what was aimed at, in words that a reader finds at a glance.
pub(crate) fn aim(found: f64, most: f64) -> String {
    let word = if found <= most { "met" } else { "MISSED" };
    format!("(aim ≤ {most}: {word})")
}

/// Whether a thread of a process runs, waits for a processor, or for a disk.
pub(crate) fn is_busy(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    tasks.flatten().any(|task| {
        let text = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The name before it, in brackets, may hold anything.
        let state = text.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| state.starts_with(['R', 'D']))
    })
}

/// The processor time of a process, of threads that have ended too.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let of_task = |task: fs::DirEntry| {
        // A thread may end at any time.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
        Duration::from_nanos(nanos.unwrap_or(0))
    };
    // Exact, but of the threads that there are; the other one counts all, in ticks of 10 ms.
    let living: Duration = tasks.flatten().map(of_task).sum();
    living.max(ticked(pid))
}

/// The processor time of a process as it is accounted for, in whole ticks.
fn ticked(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name before it, in brackets, may hold anything.
    let (_, rest) = text.rsplit_once(") ").expect("a name is in brackets");
    // In user mode and in the kernel: the 14th and 15th field, of which the third is the first here.
    let ticks = rest.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.map(|text| text.parse().unwrap_or(0_u64)).sum();
    Duration::from_secs(ticks) / u32::try_from(clock_ticks_per_second()).expect("it is 100 or so")
}

/// What a process holds in memory, in KiB: `VmRSS` is now, `VmHWM` the most that it ever was.
pub(crate) fn memory_kib(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(name, _)| *name == field);
    let number = found
        .next()
        .and_then(|(_, rest)| rest.split_whitespace().next());
    let number = number.and_then(|number| number.parse().ok());
    number.expect("Linux tells it")
}
