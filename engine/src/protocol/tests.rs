//! Guards against frames that do not come back as they went, and bytes that take more than they are.

use minicbor::Encoder;

use super::*;

fn propose(changes: usize) -> ClientFrame {
    ClientFrame::Propose {
        id: ProposalId([7; 16]),
        entity: "team/jane".parse().unwrap(),
        epoch: Epoch(1),
        changes: vec![ByteBuf::from([1, 2, 3]); changes],
        whole: false,
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
    for frame in [open, propose(3), ClientFrame::Ping {}, ClientFrame::Pong {}] {
        assert_eq!(decode(&frame.encode()), Ok(frame));
    }
    let error = ServerFrame::Error {
        code: "unknown-frame".into(),
        reason: "…".into(),
        entity: None,
        id: Some(ProposalId([1; 16])),
        retry: None,
    };
    assert_eq!(ServerFrame::decode(&error.encode()), Ok(error));
}

#[test]
fn every_name_is_known_to_the_envelope() {
    // A sign of life has no fields that could be missing.
    let names = fields::OF_THE_SERVER.iter().map(|(name, _)| name);
    for name in names.filter(|name| !name.ends_with("ng")) {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        encoder.map(1).unwrap().str(name).unwrap().map(0).unwrap();
        let error = ServerFrame::decode(&bytes).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("malformed frame: {name}: ")),
            "{error}"
        );
        assert!(error.ends_with(" is missing"), "{error}");
    }
}

#[test]
fn what_is_no_frame_is_said_with_the_byte() {
    for (bytes, says) in [
        (
            &b""[..],
            "the bytes end within the value that begins, at byte 0",
        ),
        (
            b"\xa1\x65clo",
            "the bytes end within the value that begins, at byte 1",
        ),
        (
            b"\xa1\x65close",
            "the bytes end within the value that begins, at byte 7",
        ),
        (
            b"\x05",
            "a frame is a map with one key, not a number, at byte 0",
        ),
        (b"\xa0", "a frame is a map with one key, not 0, at byte 0"),
        (
            b"\xa2\x61a\x00\x61b\x00",
            "a frame is a map with one key, not 2, at byte 0",
        ),
        (
            b"\xa1\x01\xa0",
            "the name of a frame must be a text, not a number, at byte 1",
        ),
        (b"\xa1\x61a\xa0\x00", "bytes after the frame, at byte 4"),
        (
            b"\xa1\x61a\x62\xc3\x28",
            "a text that is not UTF-8, at byte 3",
        ),
        (
            b"\xa1\x61a\xc0\x60",
            "a tag, which has no meaning here, at byte 3",
        ),
        (
            b"\xa1\x61a\x9f\xff",
            "a length that is not definite, at byte 3",
        ),
        (
            b"\xa1\x61a\xff",
            "the end of a list that has a length, at byte 3",
        ),
        (
            b"\xa1\x61a\xf8\x14",
            "simple value 20 in two bytes, at byte 3",
        ),
        (
            b"\xa1\x61a\x1c",
            "a value that is not well-formed, at byte 3",
        ),
    ] {
        let error = decode(bytes).unwrap_err().to_string();
        assert_eq!(error, format!("malformed frame: {says}"), "{bytes:02x?}");
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
        .array(1)
        .unwrap()
        .map(0)
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
        b"\xa1\x63zzz\xff",
        b"\xa1\x63zzz\xf8\x14",
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
    let big = vec![0; Limits::default().frame_bytes_max + 1];
    assert!(matches!(decode(&big), Err(FrameError::TooBig { .. })));
    let claims_more_than_it_has =
        b"\xa1\x67propose\xa1\x67changes\x9b\xff\xff\xff\xff\xff\xff\xff\xff";
    assert!(matches!(
        decode(claims_more_than_it_has),
        Err(FrameError::Malformed { .. })
    ));
}

#[test]
fn nesting_is_bounded_whether_the_frame_is_known_or_not() {
    for name in ["close", "teleport"] {
        let nested = |depth: usize| {
            let head = [&[0xa1, 0x60 + name.len() as u8][..], name.as_bytes()].concat();
            [
                &head[..],
                b"\xa2\x66entity\x64team\x65later",
                &vec![0x81; depth],
                b"\x00",
            ]
            .concat()
        };
        // The outer map and the fields are two levels.
        let fits = decode(&nested(13));
        assert!(
            !matches!(fits, Err(FrameError::Malformed { .. })),
            "{fits:?}"
        );
        for depth in [14, 100_000] {
            let found = decode(&nested(depth));
            assert!(
                matches!(found, Err(FrameError::Malformed { .. })),
                "{depth}"
            );
        }
    }
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
