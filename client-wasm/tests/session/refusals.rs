//! What becomes of edits when some of them are refused, or when the ground under them changes.

use indelible_client::{CallError, DroppedView, EditOptions, Event, SyncState};
use indelible_engine::merge::Absent;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_engine::violation::ViolationReport;
use serde_json::{Value, json};

use crate::pair::{JANE, NOW, Pair};
use crate::server::{Server, entity};

/// Refusals as they were reported: first edit, settled up to, what was dropped.
fn told(pair: &Pair) -> Vec<(u64, u64, &[DroppedView])> {
    let one = |event| match event {
        &Event::Refused {
            edit,
            settled,
            ref dropped,
            ..
        } => Some((edit, settled, dropped.as_slice())),
        _ => None,
    };
    pair.events.iter().filter_map(one).collect()
}

fn names(change: u32, ops: &[u32], pointer: &str) -> ViolationReport {
    ViolationReport {
        change,
        ops: ops.to_vec(),
        pointer: pointer.parse().expect("a pointer"),
        rule: "write".to_owned(),
        attempted: None,
        kept: None,
        holder: None,
        bound: None,
        message: "not by you".to_owned(),
    }
}

fn proposals(pair: &Pair) -> usize {
    let frames = pair.server.received.iter();
    frames
        .filter(|frame| matches!(frame, ClientFrame::Propose { .. }))
        .count()
}

/// What the schema states reaches programs as data, whether the client or the server refuses.
#[test]
fn a_violation_has_its_bound() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    pair.server.refuse_next = Some(0);
    pair.server.violations = vec![ViolationReport {
        rule: "enum".to_owned(),
        bound: Some(r#"["B","C"]"#.to_owned()),
        ..names(0, &[0], "/name")
    }];
    pair.run();
    let status = pair.status();
    assert_eq!(status.violations[0].bound, Some(json!(["B", "C"])));
    let here = pair.edit(&json!({ "name": 7 }));
    match here {
        Err(CallError::Policy(violations)) => {
            assert_eq!(violations[0].bound, Some(json!(["string"])));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_takes_what_it_names_and_the_rest_goes_on() {
    let mut pair = Pair::opened();
    for body in [
        json!({ "name": "A" }),
        json!({ "name": "B", "slogan": "S" }),
        json!({ "bio": "Hello, you" }),
    ] {
        pair.edit(&body).expect("allowed");
    }
    pair.server.refuse_next = Some(1);
    pair.server.violations = vec![names(1, &[0], "/name")];
    let id = entity(JANE);
    let frames = pair.sent();
    let bob = Principal::new("bob", ["editor"]);
    let entry = pair
        .server
        .write(&id, &bob, &json!({ "bio": "Oh, Hello" }), false);
    let frame = pair.server.logs[&id].frame(&id, vec![entry]);
    pair.receive(&frame);
    for frame in frames {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    pair.listen();
    assert_eq!(pair.state(), (SyncState::Refused, 2));
    assert_eq!(pair.saved(), 1);
    let value = |pair: &Pair| {
        [
            &pair.value["name"],
            &pair.value["slogan"],
            &pair.value["bio"],
        ]
        .map(Value::clone)
    };
    let hoped = [json!("A"), json!("S"), json!("Oh, Hello, you")];
    assert_eq!(value(&pair), hoped);
    let lost = DroppedView {
        pointer: "/name".parse().expect("a pointer"),
        reason: "refused",
        rule: Some("write".to_owned()),
        attempted: Some(json!("B")),
        text: None,
        by: None,
        operations: 1,
    };
    assert_eq!(told(&pair), [(2, 1, [lost.clone()].as_slice())]);
    assert_eq!(pair.status().dropped, [lost]);
    pair.run();
    assert_eq!(value(&pair), hoped);
    assert_eq!(pair.value, pair.on_server());
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Refused, 0), 3));
    pair.edit(&json!({ "name": "C" }))
        .expect("the replica goes on");
    pair.run();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 4));
    assert_eq!(pair.status().dropped, []);
    assert_eq!(pair.on_server()["name"], "C");
}

#[test]
fn a_refused_change_is_lost_as_a_whole_and_what_was_typed_is_told_as_one() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    pair.edit(&json!({ "bio": "Hello, you" })).expect("allowed");
    pair.server.refuse_next = Some(1);
    pair.run();
    assert_eq!(pair.value["bio"], "Hello");
    assert_eq!(pair.value, pair.on_server());
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Refused, 0), 1));
    let [(2, 2, [lost])] = told(&pair)[..] else {
        panic!("{:?}", told(&pair));
    };
    assert_eq!(lost.attempted, Some(json!(", you")));
    assert_eq!(lost.text.as_deref(), Some("Hello, you"));
    assert_eq!(lost.operations, 5);
}

/// However often the server refuses, and whatever it names, it ends.
#[test]
fn refusals_end() {
    for (code, violations) in [
        ("policy", vec![]),
        ("policy", vec![names(0, &[0], "/name")]),
        ("policy", vec![names(9, &[9], "/name")]),
        ("seq", vec![]),
        ("epoch", vec![]),
        ("forbidden", vec![]),
        ("exists", vec![names(0, &[0], "/name")]),
    ] {
        let mut pair = Pair::opened();
        pair.server.code = code;
        pair.server.violations = violations;
        pair.server.refuse_next = Some(0);
        pair.server.refusals = usize::MAX;
        for name in ["A", "B", "C"] {
            pair.edit(&json!({ "name": name, "bio": name }))
                .expect("allowed");
        }
        pair.run();
        assert_eq!(
            (pair.state(), pair.saved()),
            ((SyncState::Refused, 0), 0),
            "{code}"
        );
        assert_eq!(pair.value["name"], "Jane", "{code}");
        assert_eq!(pair.value, pair.on_server());
        let settled = told(&pair).iter().map(|one| one.1).max();
        assert_eq!(settled, Some(3), "{code}");
    }
}

#[test]
fn a_fault_in_the_making_costs_nothing() {
    let mut pair = Pair::opened();
    pair.server.code = "actor-taken";
    pair.server.refuse_next = Some(0);
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    pair.run();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 1));
    assert_eq!(pair.on_server()["name"], "A");
    assert_eq!((told(&pair).len(), proposals(&pair)), (0, 2));
}

/// The answer is lost, and the log holds only a part: the rest is judged again.
#[test]
fn a_refusal_that_was_lost_is_asked_for_again() {
    for refused_again in [false, true] {
        let mut pair = Pair::opened();
        pair.edit(&json!({ "name": "A" })).expect("allowed");
        pair.edit(&json!({ "name": "B" })).expect("allowed");
        pair.server.refuse_next = Some(1);
        for frame in pair.sent() {
            pair.server.answer(&frame);
        }
        pair.session.disconnected(None);
        if refused_again {
            (pair.server.refuse_next, pair.server.refusals) = (Some(0), 1);
        }
        pair.connect();
        let name = if refused_again { "A" } else { "B" };
        assert_eq!(pair.value["name"], name);
        assert_eq!(pair.value, pair.on_server());
        let state = if refused_again {
            SyncState::Refused
        } else {
            SyncState::Synced
        };
        assert_eq!(pair.state(), (state, 0));
        assert_eq!(told(&pair).len(), usize::from(refused_again));
        if refused_again {
            assert_eq!(pair.session.status().state, SyncState::Refused);
            pair.session.disconnected(None);
            assert_eq!(pair.state(), (SyncState::Refused, 0));
            assert_eq!(pair.session.status().state, SyncState::Offline);
        }
    }
}

#[test]
fn a_new_epoch_takes_pending_edits_over() {
    for connected in [false, true] {
        let mut pair = Pair::opened();
        let id = entity(JANE);
        if !connected {
            pair.session.disconnected(None);
        }
        pair.edit(&json!({ "bio": "Hello, you", "slogan": "S" }))
            .expect("allowed");
        pair.edit(&json!({ "name": "A" })).expect("allowed");
        let body = json!({ "name": "Jane", "number": "E-1", "bio": "Oh, Hello" });
        pair.server.begin_epoch(&id, &body);
        if connected {
            // The session learns of it from the refusal of its proposal.
            pair.run();
        } else {
            pair.connect();
        }
        assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 2));
        assert_eq!(pair.value, pair.on_server());
        assert_eq!(pair.value["bio"], "Oh, Hello, you");
        assert_eq!(
            (&pair.value["slogan"], &pair.value["name"]),
            (&json!("S"), &json!("A"))
        );
        assert_eq!(told(&pair), []);
    }
}

#[test]
fn a_reset_after_a_refusal_leaves_the_rest_pending() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    pair.edit(&json!({ "slogan": "S" })).expect("allowed");
    pair.server.refuse_next = Some(0);
    for frame in pair.sent() {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    for reason in ["slow", "hash"] {
        pair.receive(&ServerFrame::Reset {
            entity: entity(JANE),
            reason: reason.to_owned(),
        });
    }
    pair.run();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Refused, 0), 2));
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(
        (&pair.value["name"], &pair.value["slogan"]),
        (&json!("Jane"), &json!("S"))
    );
}

/// What a client that was away finds: fields with other names, without a name, and tighter.
pub(crate) fn later() -> Value {
    json!({
        "name": { "type": "string", "maxLength": 4 },
        "bio": { "type": "string", "x-indelible": { "merge": "text" } },
        "story": { "type": "string" },
        "motto": { "type": "string", "x-indelible": { "was": "slogan" } },
        "number": { "type": "string", "x-indelible": { "write": "create" } },
        "createdAt": { "type": "string", "format": "date-time",
                       "x-indelible": { "stamp": "created-at" } },
        "updatedBy": { "type": "string", "x-indelible": { "stamp": "updated-by" } },
        "places": { "type": "array", "x-indelible": { "was": "links" },
            "items": { "type": "object", "properties": {
                "id": { "type": "string" },
                "href": { "type": "string", "x-indelible": { "was": "url" } },
                "notes": { "type": "array", "items": { "type": "string" } } } } }
    })
}

#[test]
fn who_was_away_goes_on_under_the_schema_of_today() {
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    let link = pair.value["links"][0]["id"].clone();
    pair.edit(&json!({ "slogan": "S", "bio": "Hello, you" }))
        .expect("allowed");
    pair.edit(&json!({ "name": "Too long" })).expect("allowed");
    pair.edit(&json!({ "links": [{ "id": link, "url": "A" }, { "url": "new" }] }))
        .expect("allowed");
    pair.server.migrate(&later());
    pair.connect();
    assert_eq!(pair.server.judged, 1, "the name is refused, nothing else");
    let lost = DroppedView {
        pointer: "/name".parse().expect("a pointer"),
        reason: "refused",
        rule: Some("maxLength".to_owned()),
        attempted: Some(json!("Too long")),
        text: None,
        by: None,
        operations: 1,
    };
    assert_eq!(pair.status().dropped, [lost]);
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Refused, 0), 3));
    assert_eq!(pair.value, pair.on_server());
    let value = &pair.value;
    assert_eq!(
        (&value["name"], &value["motto"]),
        (&json!("Jane"), &json!("S"))
    );
    assert_eq!(value["bio"], "Hello, you");
    let hrefs: Vec<&Value> = value["places"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|place| &place["href"])
        .collect();
    assert_eq!(
        hrefs.len(),
        2,
        "the second was left out of the body: {value}"
    );
    assert_eq!(hrefs, ["A", "new"]);
}

/// A form that was opened under one schema and saved under the next.
#[test]
fn a_base_from_before_a_change_of_schema_is_followed() {
    let mut pair = Pair::opened();
    let (base, mut body) = (pair.revision, pair.value.clone());
    pair.session.disconnected(None);
    pair.server.migrate(&later());
    pair.connect();
    let link = body["links"][0]["id"].clone();
    let options = EditOptions {
        revision: base,
        absent: Absent::Removed,
        ..Default::default()
    };
    let before = pair.value.clone();
    let same = pair.session.edit(JANE, &body.to_string(), &options, NOW);
    assert_eq!(same.expect("allowed").changed, []);
    body["slogan"] = json!("S");
    body["bio"] = json!("Hello, you");
    body["links"][0]["url"] = json!("A");
    pair.session
        .edit(JANE, &body.to_string(), &options, NOW)
        .expect("allowed");
    pair.run();
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(
        (&pair.value["motto"], &pair.value["bio"]),
        (&json!("S"), &json!("Hello, you"))
    );
    assert_eq!(pair.value["places"][0]["href"], "A");
    assert_eq!(pair.value["places"][0]["id"], link);
    assert_eq!(pair.value["places"][1], before["places"][1]);
}

/// Two losses, one after the other, before another edit is made: both stay in the status.
#[test]
fn what_no_schema_has_any_more_is_told_with_what_was_typed() {
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    pair.edit(&json!({ "bio": "Hello, you", "name": "Too long" }))
        .expect("allowed");
    let mut schema = later();
    schema.as_object_mut().expect("properties").remove("bio");
    pair.server.migrate(&schema);
    pair.connect();
    let dropped = pair.status().dropped;
    let told: Vec<(String, Option<&str>, Option<Value>, usize)> = dropped
        .iter()
        .map(|one| {
            (
                one.pointer.to_string(),
                one.rule.as_deref(),
                one.attempted.clone(),
                one.operations,
            )
        })
        .collect();
    let text = (
        "/bio".to_owned(),
        Some("unknown-field"),
        Some(json!(", you")),
        5,
    );
    let name = (
        "/name".to_owned(),
        Some("maxLength"),
        Some(json!("Too long")),
        1,
    );
    assert_eq!(told, [text, name]);
    assert_eq!(dropped[0].text.as_deref(), Some("Hello, you"));
    assert_eq!(pair.value, pair.on_server());
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Refused, 0), 0));
}

/// The server took it, the answer was lost, and then the schema changed: it is saved, not rebased.
#[test]
fn what_was_admitted_before_the_schema_changed_is_saved() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "slogan": "S" })).expect("allowed");
    for frame in pair.sent() {
        pair.server.answer(&frame);
    }
    pair.session.disconnected(None);
    pair.server.migrate(&later());
    pair.connect();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 1));
    assert_eq!((&pair.value["motto"], told(&pair).len()), (&json!("S"), 0));
}

/// Nothing of what was lost at once is lost from sight.
#[test]
fn edits_that_are_not_welcome_any_more_are_told_with_their_values() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "A", "bio": "Hello, you" }))
        .expect("allowed");
    pair.server.code = "forbidden";
    pair.server.refuse_next = Some(0);
    pair.run();
    let dropped = pair.status().dropped;
    let told: Vec<_> = dropped
        .iter()
        .map(|one| (one.pointer.to_string(), one.attempted.clone(), one.reason))
        .collect();
    let one = |at: &str, value: &str| (at.to_owned(), Some(json!(value)), "refused");
    assert_eq!(told, [one("/bio", ", you"), one("/name", "A")]);
}

/// Two make one entry of an open map at once: the second brings its values into the first's.
#[test]
fn one_name_that_two_made_holds_what_both_wrote() {
    let mut server = Server::new();
    let mut properties = later();
    properties["labels"] = json!({ "type": "object", "additionalProperties": {
        "type": "object", "properties": {
            "text": { "type": "string" }, "hue": { "type": "string" },
            "marks": { "type": "array", "items": { "type": "string" } } } } });
    server.migrate(&properties);
    let mut pair = Pair::with(server);
    pair.session.open(JANE).expect("a good name");
    pair.connect();
    let mine = json!({ "labels": { "n": { "text": "mine", "marks": ["a"] } } });
    pair.edit(&mine).expect("allowed");
    pair.edit(&json!({ "motto": "S" })).expect("allowed");
    let theirs = json!({ "labels": { "n": { "text": "theirs", "hue": "red" } } });
    let bob = Principal::new("bob", ["editor"]);
    let entry = pair.server.write(&entity(JANE), &bob, &theirs, false);
    let frame = pair.server.logs[&entity(JANE)].frame(&entity(JANE), vec![entry]);
    let frames = pair.sent();
    pair.receive(&frame);
    for frame in frames {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    pair.run();
    assert_eq!(pair.server.judged, 1, "it exists");
    assert_eq!(told(&pair), []);
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 2));
    assert_eq!(pair.value, pair.on_server());
    let hoped = json!({ "text": "mine", "hue": "red", "marks": ["a"] });
    assert_eq!(pair.value["labels"]["n"], hoped);
    assert_eq!(pair.value["motto"], "S");
}
