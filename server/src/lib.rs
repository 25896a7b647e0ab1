//! The Indelible server.

pub mod auth;
pub mod config;
pub mod keys;
pub mod versions;
