//! Random clients, two of them hostile, on a random kind, against a model of what may change.
//!
//! Owns the rules of the game: the clients, the forger, the model, and what must hold after every
//! step. Invariant: everything in a case follows from its dice; the model (`spec`, `model`) never
//! asks the engine's policy.
//! It does not know where the dice come from, a seed or a fuzzer.

mod actions;
mod bodies;
mod checks;
mod client;
mod dice;
mod edits;
mod forge;
mod model;
mod raw;
mod sites;
mod spec;
mod world;

use dice::Dice;
use world::World;

pub use world::Counts;

/// Plays a case of so many steps, which follows from its seed.
///
/// # Panics
/// When something does not hold that must.
#[must_use]
pub fn play(seed: u64, steps: u64) -> Counts {
    let mut world = World::new(Dice::new(seed));
    for _ in 0..steps {
        world.step();
    }
    world.settle();
    world.counts
}

/// Plays a case whose dice are thrown by `input`, for as long as it lasts and `steps` at most.
///
/// # Panics
/// When something does not hold that must.
pub fn play_from(input: &[u8], steps: u64) {
    let mut world = World::new(Dice::thrown_by(input));
    for _ in 0..steps {
        if world.dice.is_spent() {
            break;
        }
        world.step();
    }
    world.settle();
}
