//! Tests of the engine from outside, on one small kind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod bases;
mod bundle;
mod bundle_schemas;
mod conflicts;
mod counts;
mod divided;
mod empty;
mod epochs;
mod examples;
mod fixture;
mod history;
mod ledgers;
mod lifecycle;
mod long;
mod merge;
mod migration;
mod narrowed;
mod numbers;
mod old_faults;
mod pattern_lengths;
mod rebase;
mod replays;
mod runs;
mod services;
mod simulated;
mod staging;
mod stated;
mod successions;
mod typed;
mod unique_items;
