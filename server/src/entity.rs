//! Entities: their actors, what those are asked to write, and how entities and their values are read
//! from the store.

mod actor;
mod answer;
mod budget;
mod claims;
mod cold;
mod loading;
mod log;
mod naming;
mod outcome;
mod places;
mod residents;
mod writes;

pub(crate) use actor::{Lease, Mailboxes, Message, run};
pub(crate) use answer::{Answer, InFlight, failed};
pub(crate) use claims::restore as restore_claims;
pub(crate) use cold::{Purpose, present as cold_value, settled};
pub(crate) use loading::{LoadingError, begins_after, load};
pub(crate) use naming::name_for_creation;
pub(crate) use outcome::{Outcome, WriteError, Written};
pub(crate) use places::{PlaceAction, misplaced};
pub(crate) use residents::Residents;
pub use writes::{Merging, Precondition};
pub(crate) use writes::{Task, Write, WriterSession};
