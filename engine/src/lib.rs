//! The sync engine of Indelible: schema, policy, admission, merge and protocol, without I/O.
//!
//! A schema file compiles to a [policy]. An [entity] is one Automerge document at one point of its
//! log; it begins with a genesis that follows from its name and policy. A JSON value becomes the
//! smallest change by [merge]; [admission] judges changes and tells their [effects]; what it admits
//! is sealed into the [ledger]. The engine has no clock, no randomness, no threads and no sockets:
//! times, ids and bytes come in, verdicts and bytes go out, so that a server and a browser reach the
//! same ones.
//!
//! ```
//! use std::sync::Arc;
//!
//! use indelible_engine::admission::{Origin, Proposal, admit};
//! use indelible_engine::change::server_actor;
//! use indelible_engine::entity::Entity;
//! use indelible_engine::id::{Epoch, ProposalId};
//! use indelible_engine::limits::Limits;
//! use indelible_engine::merge::{MergeError, MergeOptions, merge};
//! use indelible_engine::principal::Principal;
//! use indelible_engine::schema;
//! use indelible_engine::time::Timestamp;
//! use serde_json::json;
//!
//! let schema = json!({
//!     "type": "object",
//!     "x-indelible": { "kind": "team", "create": ["editor"], "edit": ["editor"] },
//!     "properties": {
//!         "name": { "type": "string" },
//!         "employeeId": { "type": "string", "x-indelible": { "write": "create" } }
//!     }
//! });
//! let policy = schema::compile("team.json", &schema.to_string()).expect("it has no mistakes");
//! let policy = Arc::new(policy);
//!
//! let id = "team/jane".parse()?;
//! let genesis = Entity::genesis(&id, Epoch::FIRST, &policy);
//! let alice = Principal::new("alice", ["editor"]);
//! let actor = server_actor(&id, Epoch::FIRST, &alice.id);
//!
//! // Alice creates Jane.
//! let body = json!({ "name": "Jane", "employeeId": "E-1" });
//! let options = MergeOptions { creation: true, ..MergeOptions::default() };
//! let merged = merge(&genesis, &alice, &actor, &body, &options)?;
//! let id = ProposalId([1; 16]);
//! let proposal = Proposal::new(id, alice.clone(), Origin::Creation, merged.changes);
//! let verdict = admit(&genesis, &proposal, Timestamp(0), &Limits::default());
//! let (jane, entry, effects) = verdict.admitted.expect("she may").into_parts();
//! assert_eq!(jane.presented()["name"], "Jane");
//! assert_eq!((entry.seq.0, effects.len()), (1, 2));
//!
//! // The id was given once; nobody gives another.
//! let body = json!({ "employeeId": "E-2" });
//! let refused = merge(&jane, &alice, &actor, &body, &MergeOptions::default());
//! let Err(MergeError::Refused(violations)) = refused else { panic!("it was taken") };
//! assert_eq!(violations[0].rule.code(), "create");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
