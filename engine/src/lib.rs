//! The sync engine of Indelible: schema, policy, admission, merge, history and protocol, without I/O.

pub mod change;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod pointer;
pub mod policy;
pub mod position;
pub mod principal;
pub mod protocol;
pub mod schema;
pub mod time;
pub mod value;
pub mod violation;
