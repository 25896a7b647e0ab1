//! The past of an entity: told, shown, compared, and brought back.
//!
//! Owns everything that is read from entries and their effects rather than from a document.
//! Invariant: what it says of a past state equals what the document says at those heads.
//! Must never know: storage (the caller fetches the records that a question needs), who may read.

mod apply;
mod archive;
mod blame;
mod points;
mod races;
mod record;
mod restore;
mod state;
mod timeline;
pub mod words;

pub use apply::{Misfit, apply, undo};
pub use archive::{Archive, InMemory};
pub use blame::{Blame, Blamed, Credit, CreditedRun};
pub use points::{FindError, Point, PointError, find};
pub use races::{Contender, Race, races};
pub use record::{Record, effects_of};
pub use restore::{RestoreError, RestoreScope, Restored, restore};
pub use state::{PastError, Place, State};
pub use timeline::{TimelinePage, TimelineQuery, timeline};
