//! The fuzz targets without a fuzzer: over every seed, and over seeds with some bytes altered.
//!
//! Guards against targets that nobody can compile or that fail on what they begin with, and against
//! the return of what once crashed one of them (`tests/data/vectors/fuzz.json`).

use indelible_tests::fuzz::{TARGETS, Target, target};

/// So many of the seeds are altered, evenly spread.
const ALTERED: usize = 40;

/// Other bytes, the same every time.
fn altered(seed: &[u8], round: usize) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for at in (round..bytes.len()).step_by(7 + round * 5) {
        bytes[at] = bytes[at].wrapping_add((1 + round + at % 3) as u8);
    }
    bytes
}

fn run(target: &Target) {
    let seeds = target.seeds();
    assert!(seeds.len() > 5, "{} begins with nothing", target.name);
    for input in target.kept().iter().chain(&seeds) {
        (target.run)(input);
    }
    for (round, seed) in seeds.iter().step_by(1 + seeds.len() / ALTERED).enumerate() {
        (target.run)(&altered(seed, round % 4));
    }
}

#[test]
fn change_parse() {
    run(target("change_parse"));
}

#[test]
fn admit() {
    run(target("admit"));
}

#[test]
fn clients() {
    run(target("clients"));
}

#[test]
fn frames() {
    run(target("frames"));
}

#[test]
fn http_bodies() {
    run(target("http_bodies"));
}

#[test]
fn schema() {
    run(target("schema"));
}

#[test]
fn every_target_has_a_program() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for Target { name, .. } in &TARGETS {
        let path = format!("path = \"src/{name}.rs\"");
        assert!(manifest.contains(&path), "tests/fuzz has no program {name}");
    }
}
