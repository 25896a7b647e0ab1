//! What the fuzzer does with an input, target by target, and which inputs it begins with.
//!
//! Owns the targets as plain functions, so that ordinary tests run them too: over every seed, and
//! over what once crashed one (`tests/data/vectors/fuzz.json`). Invariant: a target panics when, and only
//! when, something is wrong with what it tests.
//! libFuzzer is known to `tests/fuzz/` only.

mod admit;
mod change_parse;
mod clients;
mod frames;
mod http_bodies;
mod schema;
mod stage;

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::hostile::{self, Bytes};

/// Something that takes bytes from outside.
#[derive(Debug)]
pub struct Target {
    /// Names it on the command line and in files.
    pub name: &'static str,
    /// Takes one input; panics when something does not hold that must.
    pub run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "change_parse",
        run: change_parse::run,
        seeds: change_parse::seeds,
    },
    Target {
        name: "admit",
        run: admit::run,
        seeds: admit::seeds,
    },
    Target {
        name: "clients",
        run: clients::run,
        seeds: clients::seeds,
    },
    Target {
        name: "frames",
        run: frames::run,
        seeds: frames::seeds,
    },
    Target {
        name: "http_bodies",
        run: http_bodies::run,
        seeds: http_bodies::seeds,
    },
    Target {
        name: "schema",
        run: schema::run,
        seeds: schema::seeds,
    },
];

/// Longer seeds slow the fuzzer down more than they teach it.
const SEED_BYTES_MAX: usize = 4_096;

/// An input that once crashed a target.
#[derive(Debug, Deserialize)]
struct Kept {
    target: String,
    input: Bytes,
}

/// The target of a name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> &'static Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("no target {name}"))
}

/// Puts the seeds of a target into the folder that `INDELIBLE_FUZZ_SEEDS` names, if it does.
///
/// # Panics
/// When the folder cannot be written.
pub fn sow(name: &str) {
    let Some(folder) = std::env::var_os("INDELIBLE_FUZZ_SEEDS") else {
        return;
    };
    for (index, seed) in target(name).seeds().iter().enumerate() {
        let file = Path::new(&folder).join(format!("seed-{index:04}"));
        fs::write(&file, seed).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

impl Target {
    /// Inputs to begin with: made from the golden vectors, and what once crashed it.
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = (self.seeds)();
        seeds.retain(|seed| seed.len() <= SEED_BYTES_MAX);
        seeds.extend(self.kept());
        seeds
    }

    /// The inputs that once crashed it.
    #[must_use]
    pub fn kept(&self) -> Vec<Vec<u8>> {
        let file = hostile::package().join("data/vectors/fuzz.json");
        let kept: Vec<Kept> =
            serde_json::from_value(hostile::read(&file)).expect("the file is well-formed");
        assert!(
            kept.iter()
                .all(|k| TARGETS.iter().any(|t| t.name == k.target)),
            "an input is kept for a target that is not there"
        );
        let own = kept.into_iter().filter(|kept| kept.target == self.name);
        own.map(|kept| kept.input.0).collect()
    }
}

/// What stands under `bytes` anywhere in a file of vectors.
fn vectors(name: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let file = hostile::package().join("data/vectors").join(name);
    collect(&hostile::read(&file), &mut found);
    found
}

fn collect(value: &serde_json::Value, into: &mut Vec<Vec<u8>>) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let digits = map.get("bytes").and_then(Value::as_str);
            into.extend(digits.and_then(|digits| hex::decode(digits).ok()));
            map.values().for_each(|value| collect(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

/// The files of a folder of the repository.
fn texts(folder: &str) -> Vec<Vec<u8>> {
    let folder = hostile::package().join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut texts: Vec<Vec<u8>> = files
        .map(|file| fs::read(file.path()).unwrap_or_else(|e| panic!("{:?}: {e}", file.path())))
        .collect();
    texts.sort();
    texts
}
