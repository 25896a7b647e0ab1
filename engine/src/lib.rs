//! The sync engine of Indelible: schema, policy, admission, merge, history and protocol, without I/O.

pub mod admission;
pub mod change;
mod document;
pub mod effects;
pub mod entity;
mod genesis;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod merge;
pub mod pointer;
pub mod policy;
pub mod position;
pub mod principal;
pub mod protocol;
pub mod schema;
mod sequence;
pub mod time;
pub mod value;
pub mod violation;
