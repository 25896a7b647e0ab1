//! Guards the architecture by what must *not* be there, so that `docs/architecture.md` stays true.
//!
//! Each test is one rule over the text of the repository, and its failure lists the places and the
//! reason.

mod absences;
mod borders;
mod compiled;
mod form;
mod pages;
mod repository;
