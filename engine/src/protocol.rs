//! The frames that clients and server exchange: one CBOR item per binary WebSocket message.
//!
//! A frame is a map with one text key, the frame's name, whose value is a map of its fields by name.
//! Fields that a reader does not know are skipped; frames it does not know are told apart from bytes
//! that are no frame, so that both ends can be extended one at a time.
//!
//! Invariant: decoding takes time and memory in proportion to the bytes given, and what it gives has
//! well-formed names. Whether the names mean anything is for others to find out.
//! Must never know: sockets, sessions, what a frame leads to.

use std::fmt;

use minicbor::Decoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

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
        /// The policy hash: the SHA-256 of the canonical schema.
        hash: Hash,
        /// The schema, as JSON text.
        text: String,
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
    },
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

const CLIENT_FRAMES: [&str; 8] = [
    "hello", "auth", "open", "close", "watch", "unwatch", "propose", "create",
];

const SERVER_FRAMES: [&str; 12] = [
    "welcome", "schema", "snapshot", "entries", "value", "patch", "watched", "admitted", "refused",
    "gone", "reset", "error",
];

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
    /// The bytes are no frame. The connection cannot go on.
    #[error("malformed frame: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
}

impl FrameError {
    fn malformed(reason: impl fmt::Display) -> Self {
        Self::Malformed {
            reason: reason.to_string(),
        }
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
    /// [`FrameError`], which tells a frame that is merely unknown from bytes that are none.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, FrameError> {
        let max = limits.frame_bytes_max;
        if bytes.len() > max {
            return Err(FrameError::TooBig {
                found: bytes.len(),
                max,
            });
        }
        let (name, fields) = open_envelope(bytes, &CLIENT_FRAMES)?;
        if name == "propose" {
            check_changes(fields, limits.changes_per_proposal_max)?;
        }
        decode_whole(bytes)
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
    /// [`FrameError`], which tells a frame that is merely unknown from bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        open_envelope(bytes, &SERVER_FRAMES)?;
        decode_whole(bytes)
    }
}

fn encode<T: Serialize>(frame: &T) -> Vec<u8> {
    minicbor_serde::to_vec(frame).expect("frames are plain data and memory takes any bytes")
}

/// Reads the outer map: the frame's name, and a decoder that stands on its fields.
fn open_envelope<'b>(
    bytes: &'b [u8],
    known: &[&str],
) -> Result<(&'b str, Decoder<'b>), FrameError> {
    let mut decoder = Decoder::new(bytes);
    if decoder.map().map_err(FrameError::malformed)? != Some(1) {
        return Err(FrameError::malformed("a frame is a map with one key"));
    }
    let name = decoder.str().map_err(FrameError::malformed)?;
    if known.contains(&name) {
        return Ok((name, decoder));
    }
    decoder.skip().map_err(FrameError::malformed)?;
    if decoder.position() != bytes.len() {
        return Err(FrameError::malformed("bytes after the frame"));
    }
    Err(FrameError::Unknown {
        name: name.chars().take(40).collect(),
    })
}

/// Counts the changes of a proposal before any of them is taken into memory.
fn check_changes(mut fields: Decoder<'_>, max: usize) -> Result<(), FrameError> {
    let count = fields.map().map_err(FrameError::malformed)?;
    let Some(count) = count else {
        return Err(FrameError::malformed("maps have a definite length"));
    };
    for _ in 0..count {
        if fields.str().map_err(FrameError::malformed)? != "changes" {
            fields.skip().map_err(FrameError::malformed)?;
            continue;
        }
        let Some(found) = fields.array().map_err(FrameError::malformed)? else {
            return Err(FrameError::malformed("lists have a definite length"));
        };
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        if found > max {
            return Err(FrameError::TooMany {
                what: "changes",
                found,
                max,
            });
        }
        for _ in 0..found {
            fields.skip().map_err(FrameError::malformed)?;
        }
    }
    Ok(())
}

fn decode_whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    let mut deserializer = minicbor_serde::Deserializer::new(bytes);
    let frame = T::deserialize(&mut deserializer).map_err(FrameError::malformed)?;
    if deserializer.decoder().position() != bytes.len() {
        return Err(FrameError::malformed("bytes after the frame"));
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use minicbor::Encoder;

    use super::*;

    fn propose(changes: usize) -> ClientFrame {
        ClientFrame::Propose {
            id: ProposalId([7; 16]),
            entity: "team/jane".parse().unwrap(),
            epoch: Epoch(1),
            changes: vec![ByteBuf::from([1, 2, 3]); changes],
        }
    }

    fn decode(bytes: &[u8]) -> Result<ClientFrame, FrameError> {
        ClientFrame::decode(bytes, &Limits::default())
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let open = ClientFrame::Open {
            entity: "settings".parse().unwrap(),
            mode: Mode::Replica,
            epoch: Some(Epoch(1)),
            seq: Some(Seq(7)),
            hash: Some(Hash([9; 32])),
            version: None,
        };
        for frame in [open, propose(3)] {
            assert_eq!(decode(&frame.encode()), Ok(frame));
        }
        let error = ServerFrame::Error {
            code: "unknown-frame".into(),
            reason: "…".into(),
            entity: None,
            id: Some(ProposalId([1; 16])),
        };
        assert_eq!(ServerFrame::decode(&error.encode()), Ok(error));
    }

    #[test]
    fn every_name_is_known_to_the_envelope() {
        for (names, own) in [(&CLIENT_FRAMES[..], true), (&SERVER_FRAMES[..], false)] {
            for name in names {
                let mut bytes = Vec::new();
                Encoder::new(&mut bytes)
                    .map(1)
                    .unwrap()
                    .str(name)
                    .unwrap()
                    .map(0)
                    .unwrap();
                let error = if own {
                    decode(&bytes).map(drop).unwrap_err().to_string()
                } else {
                    ServerFrame::decode(&bytes)
                        .map(drop)
                        .unwrap_err()
                        .to_string()
                };
                assert!(error.contains("missing field"), "{name}: {error}");
            }
        }
    }

    #[test]
    fn unknown_fields_are_skipped() {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        encoder
            .map(1)
            .unwrap()
            .str("close")
            .unwrap()
            .map(2)
            .unwrap();
        encoder
            .str("later")
            .unwrap()
            .begin_array()
            .unwrap()
            .map(0)
            .unwrap()
            .end()
            .unwrap();
        encoder.str("entity").unwrap().str("settings").unwrap();
        assert_eq!(
            decode(&bytes),
            Ok(ClientFrame::Close {
                entity: "settings".parse().unwrap()
            })
        );
    }

    #[test]
    fn unknown_frames_are_not_malformed() {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes)
            .map(1)
            .unwrap()
            .str("teleport")
            .unwrap()
            .map(0)
            .unwrap();
        assert_eq!(
            decode(&bytes),
            Err(FrameError::Unknown {
                name: "teleport".into()
            })
        );
        bytes.push(0);
        assert!(matches!(decode(&bytes), Err(FrameError::Malformed { .. })));
        let server_only = ServerFrame::Watched {
            kind: Kind::new("team").unwrap(),
        }
        .encode();
        assert!(matches!(
            decode(&server_only),
            Err(FrameError::Unknown { .. })
        ));
    }

    #[test]
    fn what_is_no_frame_is_malformed() {
        let mut trailing = propose(1).encode();
        trailing.push(0xf6);
        let bad_name = b"\xa1\x65close\xa1\x66entity\x61T";
        let nested = vec![0x9f; 100_000];
        for bytes in [
            &b""[..],
            b"\xa0",
            b"\xf6",
            b"\xbf\xff",
            b"\xa1\x00\x00",
            &trailing,
            bad_name,
        ]
        .into_iter()
        .chain([&nested[..]])
        {
            assert!(
                matches!(decode(bytes), Err(FrameError::Malformed { .. })),
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn bounds_hold() {
        assert!(decode(&propose(1_000).encode()).is_ok());
        let error = decode(&propose(1_001).encode());
        assert_eq!(
            error,
            Err(FrameError::TooMany {
                what: "changes",
                found: 1_001,
                max: 1_000
            })
        );
        let big = vec![0; (1 << 20) + 1];
        assert!(matches!(decode(&big), Err(FrameError::TooBig { .. })));
        let claims_more_than_it_has =
            b"\xa1\x67propose\xa1\x67changes\x9b\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(matches!(
            decode(claims_more_than_it_has),
            Err(FrameError::TooMany { .. })
        ));
    }

    #[test]
    fn tokens_do_not_show_in_debug_output() {
        let frame = ClientFrame::Auth {
            token: Token("secret".into()),
        };
        assert!(!format!("{frame:?}").contains("secret"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..200, bits in 1u8.., cut in 0usize..200) {
            let mut bytes = propose(4).encode();
            let at = at % bytes.len();
            bytes[at] ^= bits;
            let _ = decode(&bytes);
            bytes.truncate(cut);
            let _ = decode(&bytes);
            let _ = ServerFrame::decode(&bytes);
        }
    }
}
