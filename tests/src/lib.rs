//! Shared parts of the cross-crate tests.

pub mod chunk;
pub mod fuzz;
pub mod hostile;
pub mod simulation;
