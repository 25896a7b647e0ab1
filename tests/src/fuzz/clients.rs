//! The simulation of honest and hostile clients, with the fuzzer in the place of chance: coverage
//! leads it into corners of admission that dice seldom find. What must hold is said there.

use crate::simulation;

const STEPS_MAX: u64 = 40;

/// Longer ones only make more of the same.
const INPUT_BYTES_MAX: usize = 1_024;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let byte = |seed: usize, at: usize| (seed * 167 + at * at * 59 + at * 31) as u8;
    (1..16)
        .map(|seed| (0..seed * 24).map(|at| byte(seed, at)).collect())
        .collect()
}

pub(crate) fn run(data: &[u8]) {
    let data = &data[..data.len().min(INPUT_BYTES_MAX)];
    simulation::play_from(data, STEPS_MAX);
}
