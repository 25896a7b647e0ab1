//! Frames of the sync protocol.

use indelible_engine::id::{EntityId, Epoch, Hash, Kind, ProposalId, Seq, SessionId};
use indelible_engine::limits::Limits;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{
    AuthorReport, ClientFrame, EntryReport, FrameError, KindMode, KindReport, Mode, ServerFrame,
    TextForm, Token,
};
use indelible_engine::time::Timestamp;
use indelible_engine::violation::ViolationReport;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use super::{bytes, golden, list};

const ID: ProposalId = ProposalId([0x11; 16]);
const AT: Timestamp = Timestamp(1_770_091_506_789);

fn entity() -> EntityId {
    "team/jane-doe".parse().expect("a name")
}

fn kind() -> Kind {
    Kind::new("team").expect("a name")
}

fn client_frames() -> Vec<ClientFrame> {
    let open = |mode, version: Option<&str>| ClientFrame::Open {
        entity: entity(),
        mode,
        epoch: None,
        seq: None,
        hash: None,
        version: version.map(str::to_owned),
    };
    vec![
        ClientFrame::Hello {
            protocol: 1,
            token: None,
            client: "indelible-js/0.1.0".into(),
            texts: None,
        },
        ClientFrame::Hello {
            protocol: 1,
            token: Some(Token("a.b.c".into())),
            client: String::new(),
            texts: None,
        },
        ClientFrame::Hello {
            protocol: 1,
            token: None,
            client: "indelible-js/0.1.0".into(),
            texts: Some(TextForm::Splices),
        },
        ClientFrame::Auth {
            token: Token("d.e.f".into()),
        },
        open(Mode::Replica, None),
        open(Mode::Value, None),
        open(Mode::Value, Some("AbC_-9")),
        ClientFrame::Open {
            entity: "settings".parse().expect("a name"),
            mode: Mode::Replica,
            epoch: Some(Epoch(1)),
            seq: Some(Seq(300)),
            hash: Some(Hash([0x22; 32])),
            version: None,
        },
        ClientFrame::Close { entity: entity() },
        ClientFrame::Watch { kind: kind() },
        ClientFrame::Unwatch { kind: kind() },
        ClientFrame::Propose {
            id: ID,
            entity: entity(),
            epoch: Epoch(1),
            changes: vec![ByteBuf::from([0x85, 0x6f]), ByteBuf::new()],
            whole: false,
        },
        ClientFrame::Propose {
            id: ID,
            entity: entity(),
            epoch: Epoch(1),
            changes: vec![ByteBuf::from([0x85, 0x6f]), ByteBuf::from([0x85])],
            whole: true,
        },
        ClientFrame::Create {
            id: ID,
            entity: entity(),
            value: "{\"name\":\"Jane\"}".into(),
        },
        ClientFrame::Delete {
            id: ID,
            entity: entity(),
        },
        ClientFrame::Undelete {
            id: ID,
            entity: entity(),
        },
        ClientFrame::Ping {},
        ClientFrame::Pong {},
    ]
}

fn server_frames() -> Vec<ServerFrame> {
    let author = Principal {
        id: "alice".into(),
        name: Some("Alice".into()),
        roles: ["editor".to_owned(), "admin".to_owned()].into(),
    };
    let entry = |proposal, by: &Principal| EntryReport {
        seq: Seq(8),
        hash: Hash([0x33; 32]),
        proposal,
        changes: vec![ByteBuf::from([0x85, 0x6f])],
        by: AuthorReport::from(by),
        at: AT,
    };
    let entries = vec![entry(Some(ID), &author), entry(None, &Principal::system())];
    let (epoch, seq) = (Epoch(1), Seq(7));
    vec![
        ServerFrame::Welcome {
            protocol: 1,
            session: SessionId([0x44; 16]),
            principal: author,
            at: AT,
            limits: Limits {
                frame_bytes_max: 1 << 20,
                ..Limits::default()
            },
            kinds: vec![KindReport {
                kind: kind(),
                singleton: false,
                mode: KindMode::Replica,
                create: true,
                delete: false,
                policy: Hash([0x55; 32]),
            }],
        },
        ServerFrame::Schema {
            kind: kind(),
            hash: Hash([0x55; 32]),
            text: "{}".into(),
            rules: None,
        },
        ServerFrame::Schema {
            kind: kind(),
            hash: Hash([0x55; 32]),
            text: "{}".into(),
            rules: Some(2),
        },
        ServerFrame::Snapshot {
            entity: entity(),
            epoch,
            seq,
            hash: Hash([0x33; 32]),
            document: ByteBuf::from([1, 2, 3]),
            stamps: "{}".into(),
        },
        ServerFrame::Entries {
            entity: entity(),
            epoch,
            entries,
            stamps: "{}".into(),
        },
        ServerFrame::Entries {
            entity: entity(),
            epoch,
            entries: vec![],
            stamps: "{}".into(),
        },
        ServerFrame::Value {
            entity: entity(),
            version: "AbC_-9".into(),
            value: "{\"name\":\"Jane\"}".into(),
            at: AT,
        },
        ServerFrame::Patch {
            entity: entity(),
            version: "AbC_-a".into(),
            patch: "[{\"op\":\"replace\",\"path\":\"/name\",\"value\":\"Joan\"}]".into(),
            at: AT,
        },
        ServerFrame::Patch {
            entity: entity(),
            version: "AbC_-b".into(),
            patch:
                "[{\"op\":\"splice\",\"path\":\"/bio\",\"index\":3,\"remove\":1,\"insert\":\"é\"}]"
                    .into(),
            at: AT,
        },
        ServerFrame::Watched { kind: kind() },
        ServerFrame::Admitted {
            id: ID,
            entity: entity(),
            epoch,
            seq,
        },
        ServerFrame::Refused {
            id: ID,
            entity: entity(),
            admitted: 1,
            code: "policy".into(),
            violations: vec![ViolationReport {
                change: 1,
                ops: vec![0, 300],
                pointer: "/employeeId".parse().expect("a pointer"),
                rule: "write".into(),
                attempted: Some("\"E-2\"".into()),
                kept: Some("\"E-1\"".into()),
                holder: None,
                bound: None,
                message: "employeeId cannot be changed".into(),
            }],
        },
        ServerFrame::Gone {
            entity: entity(),
            code: "not-found".into(),
        },
        ServerFrame::Reset {
            entity: entity(),
            reason: "epoch".into(),
        },
        ServerFrame::Error {
            code: "unknown-frame".into(),
            reason: "unknown frame \"teleport\"".into(),
            entity: None,
            id: None,
            retry: None,
        },
        ServerFrame::Error {
            code: "forbidden".into(),
            reason: "not allowed".into(),
            entity: Some(entity()),
            id: Some(ID),
            retry: None,
        },
        ServerFrame::Ping {},
        ServerFrame::Pong {},
    ]
}

/// What no client should send, and how it is taken.
fn undecodable() -> Vec<(&'static str, Vec<u8>)> {
    let good = ClientFrame::Close { entity: entity() }.encode();
    vec![
        ("nothing", vec![]),
        ("null", vec![0xf6]),
        ("an empty map", vec![0xa0]),
        (
            "a map of two frames",
            [&[0xa2][..], &good[1..], &good[1..]].concat(),
        ),
        (
            "a map of indefinite length",
            [&[0xbf][..], &good[1..], &[0xff]].concat(),
        ),
        ("a name that is a number", vec![0xa1, 0x01, 0xa0]),
        ("a frame cut short", good[..good.len() - 1].to_vec()),
        ("bytes after the frame", [&good[..], &[0xf6]].concat()),
        ("a field missing", b"\xa1\x65close\xa0".to_vec()),
        (
            "a name that is none",
            b"\xa1\x65close\xa1\x66entity\x64TEAM".to_vec(),
        ),
        (
            "an id of four bytes",
            b"\xa1\x66create\xa1\x62id\x44abcd".to_vec(),
        ),
        ("an unknown frame", b"\xa1\x68teleport\xa0".to_vec()),
        (
            "a frame only servers send",
            b"\xa1\x67watched\xa1\x64kind\x64team".to_vec(),
        ),
        (
            "more changes than are allowed",
            [
                b"\xa1\x67propose\xa1\x67changes\x99\x03\xe9".as_slice(),
                &[0x40; 1_001],
            ]
            .concat(),
        ),
        (
            "fewer changes than it says",
            b"\xa1\x67propose\xa1\x67changes\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        ),
        (
            "a list without its length",
            b"\xa1\x67propose\xa1\x67changes\x9f\xff".to_vec(),
        ),
        (
            "a field twice",
            b"\xa1\x65close\xa2\x66entity\x64team\x66entity\x64team".to_vec(),
        ),
    ]
    .into_iter()
    .chain(not_well_formed())
    .collect()
}

/// Fields of an unknown frame that are not CBOR (RFC 8949, appendix F).
fn not_well_formed() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let fields: [(&str, &[u8]); 24] = [
        ("a break", b"\xff"),
        ("a break in a list", b"\x82\x00\xff"),
        ("a break for a key", b"\xa1\xff\x00"),
        ("false in two bytes", b"\xf8\x14"),
        ("simple value 0 in two bytes", b"\xf8\x00"),
        ("simple value 31 in two bytes", b"\xf8\x1f"),
        ("a simple value cut short", b"\xf8"),
        ("an integer with reserved length 28", b"\x1c"),
        ("an integer of no length", b"\x1f"),
        ("a negative integer with reserved length 29", b"\x3d"),
        ("a negative integer of no length", b"\x3f"),
        ("bytes with reserved length 30", b"\x5e"),
        ("a text with reserved length 28", b"\x7c"),
        ("a list with reserved length 29", b"\x9d"),
        ("a map with reserved length 30", b"\xbe"),
        ("a tag with reserved length 28", b"\xdc\x00"),
        ("a tag of no length", b"\xdf\x00"),
        ("a simple value with reserved length 28", b"\xfc"),
        ("a simple value with reserved length 30", b"\xfe"),
        ("bytes of no length", b"\x5f\x41\x00\xff"),
        ("a text that is not UTF-8", b"\x62\xc3\x28"),
        ("a text with half of a surrogate pair", b"\x63\xed\xa0\x80"),
        ("a map with half of a pair", b"\xa1\x00"),
        ("a float cut short", b"\xfb\x00\x00"),
    ];
    fields
        .into_iter()
        .map(|(name, fields)| (name, [b"\xa1\x68teleport", fields].concat()))
}

/// Fields of an unknown frame that are rare but well-formed: a reader that does not know the frame skips them.
#[test]
fn rare_values_are_well_formed() {
    let fields: [&[u8]; 9] = [
        b"\xa1\x61a\xf8\x20",
        b"\xa1\x61a\xe0",
        b"\xa1\x61a\xf7",
        b"\xa1\x61a\xf9\x7e\x00",
        b"\xa1\x61a\xfa\x00\x00\x00\x00",
        b"\xa1\x61a\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\x18\x00",
        b"\xa1\x00\x80",
        b"\xb9\x00\x00",
    ];
    for fields in fields {
        let bytes = [b"\xa1\x68teleport", fields].concat();
        let decoded = ClientFrame::decode(&bytes, &Limits::default());
        assert_eq!(outcome(&decoded), "unknown", "{fields:02x?}");
    }
}

fn outcome(decoded: &Result<ClientFrame, FrameError>) -> &'static str {
    match decoded {
        Ok(_) => "taken",
        Err(FrameError::Unknown { .. }) => "unknown",
        Err(FrameError::TooMany { .. }) => "too-many",
        Err(FrameError::TooBig { .. }) => "too-big",
        Err(FrameError::Malformed { .. }) => "malformed",
    }
}

#[test]
fn frames() {
    let limits = Limits::default();
    let client: Vec<Value> = client_frames()
        .iter()
        .map(|frame| json!({ "frame": frame, "bytes": hex::encode(frame.encode()) }))
        .collect();
    let server: Vec<Value> = server_frames()
        .iter()
        .map(|frame| json!({ "frame": frame, "bytes": hex::encode(frame.encode()) }))
        .collect();
    let odd: Vec<Value> = undecodable()
        .into_iter()
        .map(|(name, bytes)| {
            let outcome = outcome(&ClientFrame::decode(&bytes, &limits));
            json!({ "name": name, "bytes": hex::encode(bytes), "outcome": outcome })
        })
        .collect();
    let made = json!({ "client": client, "server": server, "from-no-client": odd });

    let file = golden("frames.json", &made);
    for (vector, frame) in list(&file["client"]).iter().zip(client_frames()) {
        assert_eq!(
            ClientFrame::decode(&bytes(vector, "bytes"), &limits),
            Ok(frame)
        );
    }
    for (vector, frame) in list(&file["server"]).iter().zip(server_frames()) {
        assert_eq!(ServerFrame::decode(&bytes(vector, "bytes")), Ok(frame));
    }
    for vector in list(&file["from-no-client"]) {
        assert_ne!(vector["outcome"], "taken", "{vector}");
    }
}
