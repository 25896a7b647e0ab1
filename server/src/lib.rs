//! The Indelible server: it orders, checks, stores and relays what clients propose.

pub mod auth;
pub mod commit;
pub mod config;
pub mod keys;
pub mod storage;
pub mod versions;
