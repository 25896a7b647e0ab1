//! The client core: what a client of Indelible does, without a socket, a clock or a screen.
//!
//! [`Session`] is a state machine: frames and times come in ([`Session::handle_frame`]), frames and
//! events go out ([`Session::poll_transmit`], [`Session::poll_events`]). It holds a replica of each
//! entity that it may edit, judges edits by the same policy as the server before they are shown,
//! and asks again for everything that was not answered when a connection broke.
//!
//! Invariant: everything here runs natively, where it is tested; only `face` knows JavaScript.
//! Must never know: sockets, clocks, randomness, the layout of the page.
//!
//! Without the feature `replicas` (on by default) there are values only, in a module without
//! Automerge, for pages that edit nothing.

#![cfg_attr(
    not(feature = "replicas"),
    allow(dead_code, reason = "what only replicas need is not reached")
)]

mod absence;
mod bad_frame;
mod bring_back;
mod conflicts;
mod edit;
mod error;
mod event;
#[cfg(target_arch = "wasm32")]
#[allow(unreachable_pub, reason = "what is public there is so for JavaScript")]
mod face;
mod followed;
mod ids;
mod inbound;
mod pause;
mod refusal;
#[cfg(feature = "replicas")]
mod replica;
mod requests;
mod session;
mod subscriptions;
#[cfg(not(feature = "replicas"))]
mod values;

#[cfg(not(feature = "replicas"))]
use values as replica;

pub use bad_frame::BadFrame;
pub use edit::{EditOptions, Edited, Located, TypedEdit};
pub use error::CallError;
pub use event::{
    ConflictView, DroppedView, Event, Fault, KindView, Status, SyncState, ViolationView,
};
pub use session::Session;
