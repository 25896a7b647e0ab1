//! The relay: connections, entity actors, and what goes from one to the other.
//!
//! Owns the way of an edit from a frame or request to the commit and back to everybody who
//! follows the entity. Invariant: one actor per entity, one write path, nothing told before it is
//! on disk.
//!
//! Must not know: routes, status codes, redb.

mod answer;
mod bucket;
mod budget;
mod claims;
mod cold;
mod connection;
mod context;
mod directory;
mod encoded;
mod entity_actor;
mod fanout;
mod frames;
mod heads;
mod heard;
mod loading;
mod log;
mod naming;
mod outcome;
mod places;
mod residents;
mod socket;
mod values;
mod writes;

pub(crate) use answer::Answer;
pub(crate) use claims::restore as restore_claims;
pub(crate) use connection::serve;
pub(crate) use context::{Context, Parts};
pub(crate) use directory::Directory;
pub(crate) use loading::{LoadingError, load as load_entity};
pub(crate) use naming::name_for_creation;
pub(crate) use outcome::{Outcome, WriteError, Written};
pub(crate) use places::{Care, misplaced};
pub(crate) use values::Present;
pub use writes::{Merging, Precondition};
pub(crate) use writes::{Task, Write};
