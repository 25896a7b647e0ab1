//! The client core: what a client of Indelible does, without a socket, a clock or a screen.
//!
//! [`Session`] is a state machine: frames and times come in ([`Session::handle_frame`]), frames and
//! events go out ([`Session::poll_transmit`], [`Session::poll_events`]); its documentation gives the
//! order of calls. It holds a replica of each entity that it may edit, judges edits by the same
//! policy as the server before they are shown, and asks again for everything that was not answered
//! when a connection broke.
//!
//! Everything here runs natively, where it is tested; only `bindings` knows JavaScript.
//!
//! It is compiled into two cores. The full one has the feature `replicas` (on by default). The reader
//! core has not: it shows values, is linked without Automerge, and suffices for pages that edit
//! nothing.

#![cfg_attr(
    not(feature = "replicas"),
    allow(
        dead_code,
        reason = "the reader core does not reach what only replicas need"
    )
)]

#[cfg(target_arch = "wasm32")]
#[allow(unreachable_pub, reason = "what is public there is so for JavaScript")]
mod bindings;
mod error;
mod event;
mod frame;
mod handshake;
mod ids;
mod pause;
mod replica;
mod requests;
mod session;
mod subscription;
mod subscriptions;

pub use error::CallError;
pub use event::{
    ConflictView, DroppedView, Event, Fault, KindView, Status, SyncState, ViolationView,
};
pub use frame::BadFrame;
pub use replica::{EditOptions, Edited, Located, TypedEdit};
pub use session::Session;
