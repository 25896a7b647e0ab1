//! The wall: hostile changes against the engine, as data in `tests/data/vectors/hostile/*.json`.
//!
//! Guards against a change that harms the process, the document or anybody else's edits. The
//! builder makes the cases and says what each must be answered; the tests read the files only. The
//! files are written with `INDELIBLE_BLESS=1 cargo test -p indelible-tests --test hostile`. The
//! same cases go through real sockets in `end_to_end/wall.rs`, and so do those of `frames.json`, whose
//! file is its own source.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing has nothing to test"
)]

mod builder;
mod catalogue;
mod codes;
mod engine;
