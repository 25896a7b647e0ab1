//! The Indelible server: it orders, checks, stores and relays what clients propose.

pub mod auth;
pub mod cli;
pub mod commit;
pub mod config;
mod demo;
pub mod keys;
pub mod schema_files;
pub mod storage;
pub mod telemetry;
pub mod versions;
