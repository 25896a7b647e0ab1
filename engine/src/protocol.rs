//! The frames that clients and server exchange: one CBOR item per binary WebSocket message.
//!
//! A frame is a map with one text key, the frame's name, whose value is a map of its fields by
//! name. A reader skips fields that it does not know, and distinguishes frames that it does not
//! know from malformed bytes, so that both ends can be extended one at a time.
//!
//! Decoding takes time and memory in proportion to the bytes. Decoded names are well-formed;
//! whether they name anything is checked elsewhere.

mod fields;
mod form;

use std::fmt;

use minicbor::Decoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::excerpt::{Short, cut};
use crate::id::{EntityId, Epoch, Hash, Kind, ProposalId, Seq, SessionId};
use crate::limits::Limits;
use crate::principal::Principal;
use crate::time::Timestamp;
use crate::violation::ViolationReport;

/// The protocol version that `hello` and `welcome` carry.
pub const PROTOCOL_VERSION: u32 = 1;

/// The name of the WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "indelible.v1";

/// A bearer token. Its debug form hides it, so that it does not end up in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How an entity is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// With its document and history.
    Replica,
    /// As a JSON value and patches to it.
    Value,
}

/// How a change of a text comes in a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextForm {
    /// As the parts that were replaced.
    Splices,
    /// As the whole new text, in plain RFC 6902. Any form that a server does not know is this one.
    #[serde(other)]
    Whole,
}

/// In which mode a principal may open the entities of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindMode {
    /// [`Mode::Replica`] (and [`Mode::Value`]).
    Replica,
    /// [`Mode::Value`] only.
    Value,
    /// Not at all.
    None,
}

/// Whether a flag is left out of a frame.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientFrame {
    /// The first frame on a connection.
    Hello {
        /// [`PROTOCOL_VERSION`] of the client.
        protocol: u32,
        /// Who is asking; without a token: anonymous.
        #[serde(default)]
        token: Option<Token>,
        /// The name and version of the client software, for the server's log.
        #[serde(default)]
        client: String,
        /// How changes of texts are to come in patches; without it, as whole texts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        texts: Option<TextForm>,
    },
    /// A fresh token for the same principal.
    Auth {
        /// The token.
        token: Token,
    },
    /// Follow an entity. What the client has decides what it gets: entries or patches after it, or
    /// everything.
    Open {
        /// Which entity.
        entity: EntityId,
        /// How.
        mode: Mode,
        /// Replica: the epoch of what the client has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<Epoch>,
        /// Replica: the last entry that the client has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<Seq>,
        /// Replica: the hash of that entry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<Hash>,
        /// Value: the version that the client has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// Follow an entity no longer.
    Close {
        /// Which entity.
        entity: EntityId,
    },
    /// Follow the values of all entities of a kind, present and future.
    Watch {
        /// Which kind.
        kind: Kind,
    },
    /// Follow a kind no longer.
    Unwatch {
        /// Which kind.
        kind: Kind,
    },
    /// Ask for changes to be admitted.
    Propose {
        /// The client's name for this proposal; a repeat is answered, not judged again.
        id: ProposalId,
        /// Which entity.
        entity: EntityId,
        /// The epoch that the changes were made in.
        epoch: Epoch,
        /// Automerge change chunks, in order.
        changes: Vec<ByteBuf>,
        /// Whether the changes are one edit, to be admitted whole or not at all.
        #[serde(default, skip_serializing_if = "is_false")]
        whole: bool,
    },
    /// Ask for a new entity.
    Create {
        /// The client's name for this proposal; a repeat is answered, not judged again.
        id: ProposalId,
        /// The entity's name, or only its kind: then the server picks an id.
        entity: EntityId,
        /// Its value, as JSON text.
        value: String,
    },
    /// Ask for an entity to be deleted.
    Delete {
        /// The client's name for this proposal; a repeat is answered, not judged again.
        id: ProposalId,
        /// Which entity.
        entity: EntityId,
    },
    /// Ask for the deletion of an entity to be undone.
    Undelete {
        /// The client's name for this proposal; a repeat is answered, not judged again.
        id: ProposalId,
        /// Which entity.
        entity: EntityId,
    },
    /// Asks for a sign of life.
    Ping {},
    /// The sign of life that a `ping` asked for.
    Pong {},
}

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerFrame {
    /// The answer to `hello`.
    Welcome {
        /// [`PROTOCOL_VERSION`] of the server.
        protocol: u32,
        /// The name of this connection.
        session: SessionId,
        /// Who the server takes the client for.
        principal: Principal,
        /// The server's time.
        at: Timestamp,
        /// What the server takes at most.
        limits: Limits,
        /// All kinds, with what the principal may do with them.
        kinds: Vec<KindReport>,
    },
    /// The schema of a kind, before the first replica of that kind on this connection.
    Schema {
        /// Which kind.
        kind: Kind,
        /// The policy hash.
        hash: Hash,
        /// The schema, as JSON text.
        text: String,
        /// The number of the rules that the server judges by ([`Rules`](crate::policy::Rules));
        /// absent: 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<u32>,
    },
    /// A replica from scratch.
    Snapshot {
        /// Which entity.
        entity: EntityId,
        /// The epoch of its log.
        epoch: Epoch,
        /// The last entry that the document holds.
        seq: Seq,
        /// The hash of that entry.
        hash: Hash,
        /// The saved Automerge document.
        document: ByteBuf,
        /// The stamps of the entity, as JSON text: an object of root fields.
        stamps: String,
    },
    /// Entries of a replica's log, in order. None, as the answer to `open`: the client is current.
    Entries {
        /// Which entity.
        entity: EntityId,
        /// The epoch of its log.
        epoch: Epoch,
        /// The entries.
        entries: Vec<EntryReport>,
        /// The stamps of the entity after the last of them, as JSON text.
        stamps: String,
    },
    /// A value from scratch.
    Value {
        /// Which entity.
        entity: EntityId,
        /// The version of the value; opaque.
        version: String,
        /// The value, as JSON text.
        value: String,
        /// When it became so.
        at: Timestamp,
    },
    /// What changed in a value.
    Patch {
        /// Which entity.
        entity: EntityId,
        /// The version after the patch; opaque.
        version: String,
        /// A JSON Patch (RFC 6902), as JSON text.
        patch: String,
        /// When it became so.
        at: Timestamp,
    },
    /// All present entities of a watched kind have been sent.
    Watched {
        /// Which kind.
        kind: Kind,
    },
    /// A proposal was admitted and is on disk. Comes after the `entries` frame that holds it.
    Admitted {
        /// The client's name for the proposal.
        id: ProposalId,
        /// Which entity.
        entity: EntityId,
        /// The epoch of its log.
        epoch: Epoch,
        /// The entry that holds it.
        seq: Seq,
    },
    /// A proposal, or the rest of one, was refused.
    Refused {
        /// The client's name for the proposal.
        id: ProposalId,
        /// Which entity.
        entity: EntityId,
        /// How many changes at its beginning were admitted all the same.
        admitted: u32,
        /// A stable code.
        code: String,
        /// What was wrong.
        violations: Vec<ViolationReport>,
    },
    /// An entity is not there, or no longer, or not for this principal.
    Gone {
        /// Which entity.
        entity: EntityId,
        /// A stable code.
        code: String,
    },
    /// Forget the entity and open it again.
    Reset {
        /// Which entity.
        entity: EntityId,
        /// A stable code.
        reason: String,
    },
    /// A frame could not be served.
    Error {
        /// A stable code.
        code: String,
        /// A sentence for people.
        reason: String,
        /// The entity it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entity: Option<EntityId>,
        /// The proposal it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ProposalId>,
        /// How many milliseconds to wait before the same is asked again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<u64>,
    },
    /// Asks for a sign of life.
    Ping {},
    /// The sign of life that a `ping` asked for.
    Pong {},
}

/// What a principal may do with a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindReport {
    /// The kind.
    pub kind: Kind,
    /// Whether it has one entity only.
    pub singleton: bool,
    /// How its entities may be opened.
    pub mode: KindMode,
    /// Whether the principal may create entities.
    pub create: bool,
    /// Whether the principal may delete and undelete entities.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// The policy hash: the SHA-256 of the canonical schema.
    pub policy: Hash,
}

/// An entry as a replica gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryReport {
    /// Its place in the log.
    pub seq: Seq,
    /// Its hash.
    pub hash: Hash,
    /// The author's name for the proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalId>,
    /// Automerge change chunks, in order.
    pub changes: Vec<ByteBuf>,
    /// The author.
    pub by: AuthorReport,
    /// When it was admitted.
    pub at: Timestamp,
}

/// The author of an entry as a replica gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorReport {
    /// The principal's id.
    pub id: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<&Principal> for AuthorReport {
    fn from(principal: &Principal) -> Self {
        Self {
            id: principal.id.clone(),
            name: principal.name.clone(),
        }
    }
}

/// Why bytes are not a frame that can be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More bytes than a frame may have.
    #[error("a frame of {found} bytes, when {max} are allowed")]
    TooBig {
        /// How many bytes came.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A list in a frame is longer than it may be.
    #[error("a frame with {found} {what}, when {max} are allowed")]
    TooMany {
        /// Of what there are too many.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A frame with a name that this version does not know. The connection can go on.
    #[error("unknown frame {name:?}")]
    Unknown {
        /// The name of the frame (shortened).
        name: String,
    },
    /// The bytes are not a frame. The connection cannot continue.
    #[error("malformed frame: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
}

impl FrameError {
    /// What is wrong may quote the bytes, which may be many: only the beginning is kept.
    fn malformed(reason: impl fmt::Display) -> Self {
        const REASON_CHARS_MAX: usize = 400;
        let reason = cut(&reason.to_string(), REASON_CHARS_MAX).into_owned();
        Self::Malformed { reason }
    }
}

impl ClientFrame {
    /// The bytes of this frame.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a frame that a client sent.
    ///
    /// # Errors
    ///
    /// [`FrameError`], which distinguishes an unknown frame from bytes that are not a frame.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, FrameError> {
        let max = limits.frame_bytes_max;
        if bytes.len() > max {
            return Err(FrameError::TooBig {
                found: bytes.len(),
                max,
            });
        }
        let (frame, mut rest) = open_envelope(bytes, &fields::OF_CLIENTS)?;
        fields::check(frame, &mut rest, limits.changes_per_proposal_max)?;
        decode_whole(frame.0, bytes)
    }
}

impl ServerFrame {
    /// The bytes of this frame.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a frame that the server sent.
    ///
    /// # Errors
    ///
    /// [`FrameError`], which distinguishes an unknown frame from bytes that are not a frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let (frame, mut rest) = open_envelope(bytes, &fields::OF_THE_SERVER)?;
        fields::check(frame, &mut rest, usize::MAX)?;
        decode_whole(frame.0, bytes)
    }
}

fn encode<T: Serialize>(frame: &T) -> Vec<u8> {
    minicbor_serde::to_vec(frame).expect("frames are plain data and memory takes any bytes")
}

/// Reads the outer map: which of the known frames it is, and a decoder at its fields.
fn open_envelope<'a>(
    bytes: &'a [u8],
    known: &[fields::Frame],
) -> Result<(fields::Frame, Decoder<'a>), FrameError> {
    form::check(bytes)?;
    let mut decoder = Decoder::new(bytes);
    let found = fields::of(&decoder);
    match decoder.map() {
        Ok(Some(1)) => {}
        Ok(Some(count)) => {
            let what = format_args!("a frame is a map with one key, not {count}");
            return Err(form::wrong(0, what));
        }
        _ => {
            let what = format_args!("a frame is a map with one key, not {found}");
            return Err(form::wrong(0, what));
        }
    }
    let (at, found) = (decoder.position(), fields::of(&decoder));
    let Ok(name) = decoder.str() else {
        let what = format_args!("the name of a frame must be a text, not {found}");
        return Err(form::wrong(at, what));
    };
    match known.iter().find(|(known, _)| *known == name) {
        Some(frame) => Ok((*frame, decoder)),
        None => Err(FrameError::Unknown {
            name: Short(name).to_string(),
        }),
    }
}

fn decode_whole<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, FrameError> {
    let mut deserializer = minicbor_serde::Deserializer::new(bytes);
    T::deserialize(&mut deserializer)
        .map_err(|error| FrameError::malformed(format_args!("{name}: {error}")))
}

#[cfg(test)]
mod tests;
