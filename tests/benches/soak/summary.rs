//! The results of a soak, beside their aims.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use super::attack::Attacks;
use super::town::{Phase, Times, What};

/// What people may have to wait for, where that is more than the factor below allows.
const WAIT_AIM: Duration = Duration::from_millis(50);
/// How much longer than in quiet times they may wait.
const WAIT_FACTOR: u32 = 5;
/// What the server may hold at most, ever.
const MEMORY_KIB_AIM: u64 = 512 << 10;
/// How much more it may hold in the last third of the time than in the second, in percent and KiB,
/// and be called flat: what is held varies with which requests come together.
const FLAT_PERCENT: u64 = 10;
const FLAT_KIB: u64 = 16 << 10;

const WAITS: [(What, &str); 5] = [
    (What::Alive, "/healthz"),
    (What::Read, "a read"),
    (What::Put, "a PUT"),
    (What::Edit, "an edit"),
    (What::Shown, "an edit of others"),
];

#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) length: Duration,
    /// Processor time of the server meanwhile.
    pub(crate) server: Duration,
    /// The most memory that it ever held, and what it held each second, in KiB.
    pub(crate) most: u64,
    pub(crate) held: Vec<u64>,
    pub(crate) attacks: Attacks,
    pub(crate) times: Times,
    /// How many acknowledgements were compared with the store.
    pub(crate) found: usize,
    pub(crate) faults: BTreeMap<String, usize>,
}

/// Where so many percent of the times end.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times
        .get(times.len() * percent / 100)
        .copied()
        .unwrap_or(Duration::MAX)
}

fn median(held: &[u64]) -> u64 {
    let mut held = held.to_vec();
    held.sort_unstable();
    held.get(held.len() / 2).copied().unwrap_or(0)
}

fn word(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

impl Summary {
    fn times(&self, what: What, phase: Phase) -> &[Duration] {
        self.times.get(&(what, phase)).map_or(&[], Vec::as_slice)
    }

    /// The 99th percentiles in quiet and beside the attackers, and what was aimed at.
    fn waits(&self, what: What) -> (Duration, Duration, Duration) {
        let late = |phase| percentile(self.times(what, phase), 99);
        let quiet = late(Phase::Quiet);
        let aim = quiet.saturating_mul(WAIT_FACTOR).max(WAIT_AIM);
        (quiet, late(Phase::Attacked), aim)
    }

    /// What was held in the second and the last third, in the middle.
    fn thirds(&self) -> (u64, u64) {
        let third = self.held.len() / 3;
        let (second, last) = self.held[third..].split_at(third);
        (median(second), median(last))
    }

    fn is_flat(&self) -> bool {
        let (second, last) = self.thirds();
        last <= second + second * FLAT_PERCENT / 100 + FLAT_KIB
    }

    /// Prints what was measured.
    pub(crate) fn print(&self) {
        println!(
            "{} s beside attackers; the server's processor time {} s",
            self.length.as_secs(),
            self.server.as_secs()
        );
        println!("{:<44} taken refused   each", "what attackers sent");
        for (name, sent) in &self.attacks {
            let count = u32::try_from(sent.taken + sent.refused).unwrap_or(u32::MAX);
            let each = sent.took / count.max(1);
            println!(
                "{name:<44} {:>5} {:>7} {:>4} ms",
                sent.taken,
                sent.refused,
                each.as_millis()
            );
        }
        println!(
            "{:<20} {:>7} {:>10} {:>12} {:>7} {:>12} {:>12}",
            "people wait for", "quiet", "99 %", "aim", "attacked", "half", "99 %"
        );
        for (what, name) in WAITS {
            let (quiet, late, aim) = self.waits(what);
            let count = |phase| self.times(what, phase).len();
            let half = percentile(self.times(what, Phase::Attacked), 50);
            println!(
                "{name:<20} {:>7} {:>7} µs {:>9} µs {:>7} {:>9} µs {:>9} µs ({})",
                count(Phase::Quiet),
                quiet.as_micros(),
                aim.as_micros(),
                count(Phase::Attacked),
                half.as_micros(),
                late.as_micros(),
                word(late <= aim)
            );
        }
        let (second, last) = self.thirds();
        println!(
            "the server held {} MiB at most (aim ≤ {} MiB: {}), {} MiB in the second third and {} MiB \
             in the last (flat: {})",
            self.most >> 10,
            MEMORY_KIB_AIM >> 10,
            word(self.most <= MEMORY_KIB_AIM),
            second >> 10,
            last >> 10,
            word(self.is_flat())
        );
    }

    /// Says what is not as it should be, and fails if anything is.
    pub(crate) fn judge(&self) -> ExitCode {
        let mut faults: Vec<String> = Vec::new();
        for (what, name) in WAITS {
            let (_, late, aim) = self.waits(what);
            if late > aim {
                faults.push(format!("people wait too long for {name}"));
            }
        }
        if self.most > MEMORY_KIB_AIM {
            faults.push("the server held too much memory".to_owned());
        }
        if !self.is_flat() {
            faults.push("the server's memory grew".to_owned());
        }
        if self.found == 0 {
            faults.push("nothing was acknowledged".to_owned());
        }
        let met = self.faults.iter();
        faults.extend(met.map(|(fault, times)| format!("{fault} ({times} ×)")));
        println!("{} acknowledged writes were looked for", self.found);
        for fault in &faults {
            println!("FAILED: {fault}");
        }
        match faults.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }
}
