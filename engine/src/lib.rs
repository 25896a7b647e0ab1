//! The sync engine of Indelible: schema, policy, admission, merge and protocol, without I/O.
//!
//! A schema file compiles to a [policy]. An [entity] is one Automerge document at one point of its
//! log; it begins with a genesis that follows from its name and policy. A JSON value becomes the
//! smallest change by [merge]; [admission] judges changes and tells their [effects]; what it admits
//! is sealed into the [ledger]. The engine has no clock, no randomness, no threads and no sockets:
//! times, ids and bytes come in, verdicts and bytes go out, so that a server and a browser reach the
//! same ones.
//!
//! `examples/first_edit.rs` goes from a schema to an admitted change, and `examples/looking_back.rs`
//! shows what can be asked of the past.

pub mod admission;
pub mod bundle;
pub mod change;
pub mod claims;
pub mod conflicts;
mod document;
mod draft;
pub mod effects;
pub mod entity;
pub mod excerpt;
mod genesis;
pub mod history;
pub mod id;
pub mod json;
pub mod ledger;
pub mod lifecycle;
pub mod limits;
pub mod merge;
pub mod migration;
pub mod near;
pub mod pointer;
pub mod policy;
pub mod position;
pub mod principal;
pub mod protocol;
pub mod rebase;
pub mod schema;
mod sequence;
pub mod splice;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod value;
pub mod violation;
