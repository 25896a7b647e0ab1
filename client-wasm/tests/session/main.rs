//! Guards against edits that get lost, doubled or shown without being kept: the session against a
//! server in miniature, with every loss of connection that matters.

mod back;
mod conflicts;
mod dice;
mod doubled;
mod events;
mod gone;
mod long;
mod numbers;
mod pair;
mod patches;
mod pause;
mod refusals;
mod server;
mod splices;
mod tokens;

use indelible_client::{CallError, EditOptions, Event, SyncState};
use indelible_engine::merge::{Absent, Protected};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{ClientFrame, KindMode, ServerFrame};
use pair::{JANE, NOW, Pair};
use serde_json::{Map, Value, json};
use server::{Server, entity};

#[test]
fn an_edit_is_shown_at_once_and_saved_soon() {
    let mut pair = Pair::opened();
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(pair.state(), (SyncState::Synced, 0));
    pair.edit(&json!({ "name": "Jane D." })).expect("allowed");
    assert_eq!(pair.value["name"], "Jane D.");
    assert_eq!(pair.value["updatedBy"], "system", "stamps are the server's");
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Syncing, 1), 0));
    pair.run();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 1));
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(pair.value["updatedBy"], "alice");
}

#[test]
fn an_edit_against_the_policy_is_not_applied() {
    let mut pair = Pair::opened();
    let before = pair.value.clone();
    for (body, pointer, rule) in [
        (json!({ "number": "E-2", "name": "X" }), "/number", "create"),
        (
            json!({ "createdAt": "2020-01-01T00:00:00Z" }),
            "/createdAt",
            "stamp",
        ),
        (
            json!({ "name": "far too long for a name here" }),
            "/name",
            "maxLength",
        ),
    ] {
        let Err(CallError::Policy(violations)) = pair.edit(&body) else {
            panic!("{body} was let through");
        };
        assert_eq!(violations[0].pointer.to_string(), pointer);
        assert_eq!(violations[0].rule, rule);
    }
    assert_eq!(pair.value, before);
    assert_eq!(pair.state(), (SyncState::Synced, 0));
    assert!(pair.sent().is_empty());
}

#[test]
fn equal_protected_values_are_no_violation_and_others_can_be_kept() {
    let mut pair = Pair::opened();
    let mut whole = pair.value.clone();
    whole["name"] = json!("Janet");
    pair.edit(&whole).expect("protected fields are the same");
    whole["number"] = json!("E-9");
    whole["slogan"] = json!("!");
    let options = EditOptions {
        protected: Protected::Keep,
        ..EditOptions::default()
    };
    let edited = pair
        .session
        .edit(JANE, &whole.to_string(), &options, NOW)
        .expect("kept instead");
    assert_eq!(
        edited
            .preserved
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["/number"]
    );
    assert_eq!(
        edited
            .changed
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["/slogan"]
    );
}

#[test]
fn edits_made_while_one_is_in_flight_go_together() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    let first = pair.sent();
    assert!(
        matches!(first.as_slice(), [ClientFrame::Propose { changes, .. }] if changes.len() == 1)
    );
    for name in ["B", "C", "D"] {
        pair.edit(&json!({ "name": name })).expect("allowed");
    }
    assert!(pair.sent().is_empty(), "one at a time");
    for frame in first {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    let second = pair.sent();
    assert!(
        matches!(second.as_slice(), [ClientFrame::Propose { changes, .. }] if changes.len() == 3)
    );
    for frame in second {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    pair.listen();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 4));
    assert_eq!(pair.on_server()["name"], "D");
}

#[test]
fn edits_of_two_meet() {
    let mut pair = Pair::opened();
    let id = entity(JANE);
    pair.edit(&json!({ "bio": "Hello there" }))
        .expect("allowed");
    let bob = Principal::new("bob", ["editor"]);
    let entry = pair.server.write(
        &id,
        &bob,
        &json!({ "bio": "Oh, Hello", "slogan": "S" }),
        false,
    );
    let frame = pair.server.logs[&id].frame(&id, vec![entry]);
    pair.receive(&frame);
    pair.listen();
    assert_eq!(pair.value["bio"], "Oh, Hello there");
    assert_eq!(pair.state(), (SyncState::Syncing, 1));
    pair.run();
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(pair.value["bio"], "Oh, Hello there");
}

#[test]
fn a_base_keeps_what_others_wrote_since() {
    let mut pair = Pair::opened();
    let id = entity(JANE);
    let base = pair.revision;
    let bob = Principal::new("bob", ["editor"]);
    let entry = pair.server.write(
        &id,
        &bob,
        &json!({ "bio": "Oh, Hello", "slogan": "S" }),
        false,
    );
    let frame = pair.server.logs[&id].frame(&id, vec![entry]);
    pair.receive(&frame);
    pair.listen();
    // What the box showed was "Hello", without a slogan.
    let options = EditOptions {
        revision: base,
        absent: Absent::Removed,
        ..Default::default()
    };
    let mut body = pair.value.clone();
    body["bio"] = json!("Hello!");
    body.as_object_mut().expect("an object").remove("slogan");
    body["updatedBy"] = json!("system");
    pair.session
        .edit(JANE, &body.to_string(), &options, NOW)
        .expect("allowed");
    pair.run();
    assert_eq!(pair.value["bio"], "Oh, Hello!");
    assert_eq!(pair.value["slogan"], "S");
    let unknown = EditOptions {
        revision: Some(99),
        ..Default::default()
    };
    let error = pair.session.edit(JANE, "{}", &unknown, NOW);
    assert_eq!(error, Err(CallError::UnknownBase));
}

#[test]
fn items_move_and_keep_what_others_write_in_them() {
    let mut pair = Pair::opened();
    let links = pair.value["links"].as_array().expect("links").clone();
    let [a, b] = links.as_slice() else {
        panic!("two links")
    };
    pair.edit(&json!({ "links": [b, a, { "url": "c" }] }))
        .expect("allowed");
    pair.run();
    assert_eq!(pair.value, pair.on_server());
    let urls: Vec<&Value> = pair.value["links"]
        .as_array()
        .expect("links")
        .iter()
        .map(|link| &link["url"])
        .collect();
    assert_eq!(urls, ["b", "a", "c"]);
}

#[test]
fn a_lost_answer_is_asked_for_again_and_nothing_is_doubled() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "bio": "Hello, you" })).expect("allowed");
    for frame in pair.sent() {
        // The server took it, and the connection broke before it could say so.
        pair.server.answer(&frame);
    }
    pair.session.disconnected(None);
    pair.listen();
    assert_eq!(pair.state(), (SyncState::Offline, 1));
    pair.edit(&json!({ "name": "offline" }))
        .expect("edits go on offline");
    let entries = pair.entries_on_server();
    pair.connect();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 2));
    assert_eq!(pair.entries_on_server(), entries + 1);
    assert_eq!(pair.on_server()["bio"], "Hello, you");
    assert_eq!(pair.value, pair.on_server());
    let resumed = pair
        .server
        .received
        .iter()
        .rev()
        .find_map(|frame| match frame {
            ClientFrame::Open { seq, hash, .. } => Some((*seq, hash.is_some())),
            _ => None,
        });
    assert_eq!(resumed, Some((Some(indelible_engine::id::Seq(1)), true)));
}

#[test]
fn a_lost_proposal_is_sent_again_under_its_id() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    let first = pair.sent();
    pair.session.disconnected(None);
    pair.connect();
    let ids: Vec<_> = first
        .iter()
        .chain(&pair.server.received)
        .filter_map(proposal)
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(pair.on_server()["name"], "A");
}

fn proposal(frame: &ClientFrame) -> Option<indelible_engine::id::ProposalId> {
    match frame {
        ClientFrame::Propose { id, .. } => Some(*id),
        _ => None,
    }
}

#[test]
fn a_reset_keeps_pending_edits() {
    for from_scratch in [false, true] {
        let mut pair = Pair::opened();
        let id = entity(JANE);
        pair.edit(&json!({ "name": "A" })).expect("allowed");
        pair.run();
        pair.edit(&json!({ "bio": "Hello, you" })).expect("allowed");
        let held = pair.sent();
        pair.receive(&ServerFrame::Reset {
            entity: id.clone(),
            reason: "slow".to_owned(),
        });
        if from_scratch {
            pair.sent();
            pair.receive(&ServerFrame::Reset {
                entity: id.clone(),
                reason: "hash".to_owned(),
            });
        }
        pair.run();
        let asked = pair
            .server
            .received
            .iter()
            .rev()
            .find_map(|frame| match frame {
                ClientFrame::Open { seq, .. } => Some(seq.is_none()),
                _ => None,
            });
        assert_eq!(asked, Some(from_scratch));
        assert_eq!(pair.value["bio"], "Hello, you");
        assert_eq!(pair.state(), (SyncState::Syncing, 1));
        for frame in held {
            for answer in pair.server.answer(&frame) {
                pair.receive(&answer);
            }
        }
        pair.run();
        assert_eq!(pair.state(), (SyncState::Synced, 0));
        pair.edit(&json!({ "bio": "Hello, you all" }))
            .expect("the actor goes on");
        pair.run();
        assert_eq!(pair.value, pair.on_server());
        assert_eq!(pair.value["bio"], "Hello, you all");
    }
}

#[test]
fn another_person_gets_nothing_of_what_was_left() {
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    pair.server.principal = Principal::new("bob", ["editor"]);
    pair.connect();
    assert_eq!(pair.on_server()["name"], "Jane");
    assert_eq!(pair.value["name"], "Jane");
    assert!(
        pair.events
            .iter()
            .any(|event| matches!(event, Event::Refused { edit: 1, .. }))
    );
}

#[test]
fn values_are_followed_by_version() {
    let mut server = Server::new();
    server.mode = KindMode::Value;
    let mut pair = Pair::with(server);
    pair.session.open(JANE).expect("a good name");
    pair.session.connecting();
    pair.session.connected(None);
    let welcome = pair.server.welcome();
    pair.receive(&welcome);
    let value = |version: &str| ServerFrame::Value {
        entity: entity(JANE),
        version: version.to_owned(),
        value: r#"{"name":"Jane"}"#.to_owned(),
        at: NOW,
    };
    let patch = |version: &str| ServerFrame::Patch {
        entity: entity(JANE),
        version: version.to_owned(),
        patch: r#"[{"op":"replace","path":"/name","value":"J"}]"#.to_owned(),
        at: NOW,
    };
    pair.receive(&value("v1"));
    pair.receive(&patch("v2"));
    pair.receive(&patch("v2"));
    pair.listen();
    assert_eq!(pair.value, json!({ "name": "J" }));
    let patches = pair
        .events
        .iter()
        .filter(|e| matches!(e, Event::Patch { .. }))
        .count();
    assert_eq!(patches, 1, "a patch that came twice is reported once");
    let error = pair.edit(&json!({ "name": "X" }));
    assert_eq!(error, Err(CallError::ValueMode(JANE.to_owned())));
    pair.session.disconnected(None);
    pair.session.connecting();
    pair.session.connected(None);
    pair.receive(&welcome);
    let resumed = pair.sent().into_iter().find_map(|frame| match frame {
        ClientFrame::Open { version, .. } => version,
        _ => None,
    });
    assert_eq!(resumed.as_deref(), Some("v2"));
}

#[test]
fn a_watched_kind_is_reported_as_items_and_forgets_those_that_are_gone() {
    let mut pair = Pair::new();
    pair.session.watch("team").expect("a good name");
    pair.connect();
    let value = |name: &str| ServerFrame::Value {
        entity: entity(name),
        version: "v".to_owned(),
        value: "{}".to_owned(),
        at: NOW,
    };
    let kind = entity(JANE).kind().clone();
    pair.receive(&value(JANE));
    pair.receive(&value("team/joe"));
    pair.receive(&ServerFrame::Watched { kind: kind.clone() });
    pair.receive(&ServerFrame::Gone {
        entity: entity("team/joe"),
        code: "deleted".to_owned(),
    });
    pair.listen();
    let told: Vec<&str> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Item { .. } => Some("item"),
            Event::Watched { entities, .. } if entities.len() == 2 => Some("watched"),
            Event::ItemGone { .. } => Some("gone"),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["item", "item", "watched", "gone"]);
    pair.session.disconnected(None);
    pair.connect();
    let watches = pair
        .server
        .received
        .iter()
        .filter(|f| matches!(f, ClientFrame::Watch { .. }))
        .count();
    assert_eq!(watches, 2);
}

#[test]
fn creations_are_answered_once_across_connections() {
    let mut pair = Pair::new();
    let request = pair
        .session
        .create("team/joe", r#"{"name":"Joe"}"#, NOW)
        .expect("sound");
    let taken = pair
        .session
        .create(JANE, r#"{"name":"Joe"}"#, NOW)
        .expect("sound");
    pair.connect();
    let created = pair.events.iter().any(
        |event| matches!(event, Event::Done { request: r, entity: e } if *r == request && *e == entity("team/joe")),
    );
    assert!(created);
    let refused = pair.events.iter().any(|event| {
        matches!(event, Event::RequestFailed { request: r, fault, .. } if *r == taken && fault.code == "exists")
    });
    assert!(refused);
    pair.session.disconnected(None);
    let before = pair.server.received.len();
    pair.connect();
    assert_eq!(pair.server.received.len(), before + 1, "only hello");
}

#[test]
fn an_entity_that_is_not_there_is_gone_until_it_is_created() {
    let mut pair = Pair::new();
    pair.session.open("team/joe").expect("a good name");
    pair.connect();
    assert!(
        pair.events
            .iter()
            .any(|event| matches!(event, Event::Gone { .. }))
    );
    assert_eq!(
        pair.status().error.map(|fault| fault.code).as_deref(),
        Some("not-found")
    );
    pair.session
        .create("team/joe", r#"{"name":"Joe"}"#, NOW)
        .expect("sound");
    pair.run();
    assert_eq!(pair.value["name"], "Joe");
    assert_eq!(pair.state(), (SyncState::Synced, 0));
}

#[test]
fn an_invalid_frame_ends_the_connection_and_an_unknown_one_is_skipped() {
    let mut pair = Pair::opened();
    for (frame, says) in [
        (
            &b"\xff\x00"[..],
            "malformed frame: the end of a list that has a length, at byte 0",
        ),
        (
            b"\xa1\x64gone\xa1\x66entity\x05",
            "malformed frame: gone: the field entity must be the name of an entity, a text, not a \
             number, at byte 14",
        ),
        (
            b"\xa1\x65patch\xa4\x66entity\x64team\x67version\x61v\x65patch\x61[\x62at\x00",
            "patch: the field patch is not JSON: the text ends inside a list, at line 1 column 1",
        ),
    ] {
        let error = pair.session.handle_frame(frame, NOW).unwrap_err();
        let says = format!("the server sent an invalid frame: {says}");
        assert_eq!(error.to_string(), says);
    }
    let later = b"\xa1\x65later\xa0";
    assert_eq!(pair.session.handle_frame(later, NOW), Ok(()));
}

/// The TypeScript tests have a server that knows no document; it begins with these frames.
#[test]
fn the_frames_of_the_typescript_tests_are_those_of_this_version() {
    let mut server = Server::new();
    let mut frames: Map<String, Value> = Map::new();
    let mut put = |name: &str, frame: &ServerFrame| {
        frames.insert(name.to_owned(), hex::encode(frame.encode()).into());
    };
    put("welcome", &server.welcome());
    let open = ClientFrame::Open {
        entity: entity(JANE),
        mode: indelible_engine::protocol::Mode::Replica,
        epoch: None,
        seq: None,
        hash: None,
        version: None,
    };
    for frame in server.answer(&open) {
        match &frame {
            ServerFrame::Schema { .. } => put("schema", &frame),
            _ => put("snapshot", &frame),
        }
    }
    server.mode = KindMode::Value;
    put("welcomeByValue", &server.welcome());
    let made = serde_json::to_string_pretty(&frames).expect("a value has a text") + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ts/testing/frames.json");
    if std::env::var_os("INDELIBLE_BLESS").is_some() {
        std::fs::write(path, &made).expect("the folder can be written");
    }
    let kept = std::fs::read_to_string(path).expect("the file is in the repository");
    assert!(
        kept == made,
        "{path} is of another version: INDELIBLE_BLESS=1 writes it again"
    );
}
