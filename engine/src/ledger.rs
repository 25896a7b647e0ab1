//! The record: entries and refusals, their one encoding, and the hash chains through them.
//!
//! Invariant: a record has exactly one encoding (canonical CBOR: definite lengths, shortest
//! integers, sorted sets), and decoding refuses every other, so that a hash identifies a record.

mod chain;
mod codec;
mod entry;
mod header;
mod logged;
mod presence;
mod refusal;
mod stamps;

pub use chain::{Chain, ChainError, verify_chain};
pub use codec::RecordError;
pub use entry::{Claimed, Entry, EntryDraft, EntryKind, Sealed, decode};
pub use header::Header;
pub use logged::Logged;
pub use presence::Presence;
pub use refusal::{
    REFUSAL_BYTES_MAX, RefusalChain, RefusalDraft, RefusalRecord, SealedRefusal, decode_refusal,
    verify_refusal_chain,
};
pub use stamps::Stamps;
