//! The Indelible server: it orders, checks, stores and relays what clients propose.

pub mod auth;
pub mod cli;
mod clock;
pub mod commit;
pub mod config;
mod connection;
mod context;
mod cores;
mod demo;
mod directory;
mod entity;
pub mod export;
pub mod forwarded;
mod frames;
pub mod host;
mod http;
mod json;
pub mod keys;
mod memory;
mod migration;
mod offline;
mod open_files;
pub mod origin;
mod outbox;
mod past;
mod policy_archive;
mod random;
mod rates;
mod room;
pub mod schema_files;
mod seats;
mod seeding;
mod serve;
pub mod served_roles;
pub mod storage;
pub mod telemetry;
mod values;
pub mod versions;
mod work;

/// What the binary takes its memory from. It gives back to the system what is not used any more; that of
/// the C library keeps what lies between things that are.
pub use tikv_jemallocator::Jemalloc as Allocator;

pub use entity::{Merging, Precondition};
pub use http::problem::Problem;
pub use http::request::{Creation, Replacement};
pub use migration::SchemaChangeError;
pub use seeding::{Beginning, SeedingError};
pub use serve::{ServeError, Server, serve};
