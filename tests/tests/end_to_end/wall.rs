//! The wall: the hostile catalogue against the real server process, through its sockets.
//!
//! Guards against one client's input that harms the process, what is on disk, or anybody else's
//! edits, and against answers that say what their reader may not know. What each case must be
//! answered stands in `tests/data/vectors/hostile/*.json`; the engine is held to the same files in
//! `hostile/engine.rs`.

mod bodies;
mod changes;
mod flood;
mod frames;
