//! The server through its sockets: WebSocket and HTTP, as clients that know no policy see it.
//!
//! Every module's header says which failure it guards against. Nothing here sleeps to wait for
//! something: tests wait for what the server says, and for silence by asking a question whose
//! answer would come after whatever might have been said.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing has nothing to test"
)]

mod breaches;
mod bystanders;
mod captured_log;
mod claims;
mod crash;
mod crowd;
mod crowded;
mod crowded_memory;
mod epochs;
mod failing_disk;
mod flood;
mod fortress;
mod frames;
mod handshake;
mod harness;
mod held;
mod hosts;
mod http_conditions;
mod http_form;
mod http_methods;
mod http_reads;
mod http_refusals;
mod http_told;
mod http_wire;
mod http_writes;
mod kept;
mod kills;
mod long;
mod long_values;
mod memory;
mod museum;
mod narrowed;
mod offline;
mod old_ledgers;
mod oracle;
mod process;
mod proposals;
mod quotas;
mod races;
mod raw_socket;
mod repeats;
mod replaced;
mod resume;
mod returns;
mod rights;
mod schema_bases;
mod schema_life;
mod services;
mod slow;
mod splices;
mod values;
mod waits;
mod wall;
mod websocket;
