//! The past of an entity: its timeline, its states, their differences in words, blame, and
//! restoring.
//!
//! Everything here is read from entries and their effects rather than from a document, and equals
//! what the document says at those heads. The caller fetches the records that a question needs.
//!
//! `examples/looking_back.rs` shows each question that can be asked.

mod apply;
mod archive;
mod blame;
mod checkpoint;
mod deletions;
mod derived;
mod former;
mod had;
mod items;
mod points;
mod races;
mod reach;
mod record;
mod restore;
mod state;
mod timeline;
pub mod words;

pub use apply::{Misfit, apply, undo};
pub use archive::{Archive, InMemory};
pub use blame::{
    Blame, Blamed, Credit, CreditedRun, FormerName, Later, Loss, former_names, later_name,
};
pub use checkpoint::{Checkpoints, checkpoint};
pub use deletions::Deletions;
pub use derived::{Derived, Kept, is_sequential};
pub use former::name_former_authors;
pub use had::Had;
pub use points::{FindError, Point, PointError, find};
pub use races::{Contender, Race, races};
pub use reach::{Past, ReachError};
pub use record::{Record, effects_of};
pub use restore::{RestoreError, RestoreScope, Restored, restore};
pub use state::{PastError, State};
pub use timeline::{TimelinePage, TimelineQuery, timeline};
