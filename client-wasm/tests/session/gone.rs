//! What becomes of edits whose place others delete, and of handles to what is not there.

use indelible_client::{DroppedView, Event, SyncState};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{ClientFrame, KindMode, ServerFrame};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use crate::pair::{JANE, NOW, Pair};
use crate::server::{Server, entity};

pub(crate) fn gone(code: &str) -> ServerFrame {
    ServerFrame::Gone {
        entity: entity(JANE),
        code: code.to_owned(),
    }
}

pub(crate) fn snapshot(pair: &Pair) -> ServerFrame {
    let log = &pair.server.logs[&entity(JANE)];
    ServerFrame::Snapshot {
        entity: entity(JANE),
        epoch: log.entity.epoch(),
        seq: log.entity.seq(),
        hash: log.entity.hash(),
        document: ByteBuf::from(log.entity.document()),
        stamps: log.stamps(),
    }
}

type Told<'a> = (String, &'a str, Option<Value>, Option<&'a str>);

fn told(dropped: &[DroppedView]) -> Vec<Told<'_>> {
    dropped
        .iter()
        .map(|one| {
            (
                one.pointer.to_string(),
                one.reason,
                one.attempted.clone(),
                one.text.as_deref(),
            )
        })
        .collect()
}

/// Bob writes on the server, which does not send it yet.
fn meanwhile(pair: &mut Pair, body: &Value) -> ServerFrame {
    let bob = Principal::new("bob", ["editor"]);
    let entry = pair.server.write(&entity(JANE), &bob, body, false);
    pair.server.logs[&entity(JANE)].frame(&entity(JANE), vec![entry])
}

#[test]
fn edits_of_an_entity_that_is_deleted_stay_on_show_until_the_next() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "slogan": "Mine", "bio": "Hello, you" }))
        .expect("allowed");
    pair.receive(&gone("deleted"));
    pair.listen();
    let status = pair.status();
    assert_eq!((status.state, status.pending), (SyncState::Refused, 0));
    assert_eq!(
        told(&status.dropped),
        [
            (
                "/bio".to_owned(),
                "gone",
                Some(json!(", you")),
                Some("Hello, you")
            ),
            ("/slogan".to_owned(), "gone", Some(json!("Mine")), None),
        ]
    );
    assert_eq!(status.error.expect("it says why").code, "deleted");
    assert_eq!(pair.session.status().dropped, status.dropped);

    // Its deletion is undone: the handle is alive again, and what was lost is still to be seen.
    let back = snapshot(&pair);
    pair.receive(&back);
    pair.listen();
    assert_eq!(pair.value["name"], "Jane");
    let since = pair.status();
    assert_eq!(
        (since.state, &since.dropped),
        (SyncState::Refused, &status.dropped)
    );
    let error = since.error.expect("why edits were lost");
    assert_eq!(error.code, "gone", "it is not deleted any more");
    assert!(!error.message.contains("deleted"), "{error:?}");
    pair.edit(&json!({ "slogan": "Mine" })).expect("allowed");
    pair.run();
    assert_eq!(pair.state(), (SyncState::Synced, 0));
    assert_eq!(pair.status().dropped, []);
    assert_eq!(pair.on_server()["slogan"], "Mine");
}

/// A server does not say to everybody that what is not there was deleted; who had it knows.
#[test]
fn what_was_deleted_while_away_is_deleted_for_who_had_it() {
    for mode in [KindMode::Replica, KindMode::Value] {
        let mut pair = Pair::opened();
        if mode == KindMode::Replica {
            pair.edit(&json!({ "slogan": "Mine" })).expect("allowed");
        } else {
            pair = Pair::new();
            pair.server.mode = mode;
            pair.session.open(JANE).expect("a good name");
            pair.connect();
            pair.receive(&ServerFrame::Value {
                entity: entity(JANE),
                version: "v1".to_owned(),
                value: json!({ "name": "Jane" }).to_string(),
                at: NOW,
            });
            pair.listen();
        }
        pair.session.disconnected(None);
        pair.server.logs.remove(&entity(JANE)).expect("the fixture");
        // What has been learnt once is not forgotten by the connections after.
        for _ in 0..3 {
            pair.connect();
            let status = pair.status();
            assert_eq!(status.error.expect("it says why").code, "deleted");
            match mode {
                KindMode::Replica => {
                    assert_eq!((status.state, status.pending), (SyncState::Refused, 0));
                    let mine = ("/slogan".to_owned(), "gone", Some(json!("Mine")), None);
                    assert_eq!(told(&status.dropped), [mine]);
                }
                _ => assert_eq!(status.state, SyncState::Gone),
            }
            pair.session.disconnected(None);
        }
        // Somebody else never had it.
        pair.server.principal = Principal::new("eve", ["editor"]);
        pair.connect();
        let status = pair.status();
        assert_eq!(status.error.expect("it says why").code, "not-found");
    }
}

#[test]
fn what_leaves_a_watched_kind_while_away_is_deleted_for_who_had_it() {
    let mut pair = Pair::new();
    pair.server.mode = KindMode::Value;
    pair.session.watch("team").expect("a kind");
    pair.session.open(JANE).expect("a good name");
    pair.connect();
    let watched = ServerFrame::Watched {
        kind: "team".parse().expect("a kind"),
    };
    pair.receive(&ServerFrame::Value {
        entity: entity(JANE),
        version: "v1".to_owned(),
        value: json!({ "name": "Jane" }).to_string(),
        at: NOW,
    });
    pair.receive(&watched);
    pair.session.disconnected(None);
    pair.connect();
    pair.receive(&watched);
    pair.listen();
    let status = pair.status();
    assert_eq!(status.state, SyncState::Gone);
    assert_eq!(status.error.expect("it says why").code, "deleted");
}

/// The answer to a proposal that comes too late says the same as `gone`.
#[test]
fn edits_that_come_after_the_deletion_are_gone_too() {
    for first in [true, false] {
        let mut pair = Pair::opened();
        pair.edit(&json!({ "slogan": "Mine" })).expect("allowed");
        let frames = pair.sent();
        let Some(ClientFrame::Propose { id, .. }) = frames.first() else {
            panic!("{frames:?}")
        };
        let refused = ServerFrame::Refused {
            id: *id,
            entity: entity(JANE),
            admitted: 0,
            code: "not-found".to_owned(),
            violations: Vec::new(),
        };
        let mut frames = [gone("deleted"), refused];
        if first {
            frames.reverse();
        }
        for frame in &frames {
            pair.receive(frame);
        }
        pair.listen();
        let told_of: Vec<_> = told(&pair.status().dropped)
            .into_iter()
            .map(|(at, reason, value, _)| (at, reason.to_owned(), value))
            .collect();
        let mine = ("/slogan".to_owned(), "gone".to_owned(), Some(json!("Mine")));
        assert_eq!(told_of, [mine]);
        let refusals = pair.events.iter().filter_map(|event| match event {
            Event::Refused { fault, .. } => Some(fault.code.as_str()),
            _ => None,
        });
        assert!(refusals.eq(["deleted"]));
    }
}

#[test]
fn edits_of_an_item_that_others_deleted_are_told_although_they_were_admitted() {
    let mut pair = Pair::opened();
    let links = pair.value["links"].clone();
    let (first, second) = (&links[0]["id"], &links[1]["id"]);
    let body = json!({ "links": [{ "id": first, "url": "mine" }, { "id": second, "url": "b2" }] });
    pair.edit(&body).expect("allowed");
    pair.edit(&json!({ "slogan": "S" })).expect("allowed");
    let frames = pair.sent();
    let deletion = meanwhile(&mut pair, &json!({ "links": [{ "id": second }] }));
    pair.receive(&deletion);
    for frame in frames {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    pair.run();
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(pair.value["links"], json!([{ "id": second, "url": "b2" }]));
    assert_eq!(pair.value["slogan"], "S");
    let status = pair.status();
    assert_eq!((status.state, status.pending), (SyncState::Refused, 0));
    let at = format!("/links/{}/url", first.as_str().expect("an id"));
    assert_eq!(
        told(&status.dropped),
        [(at, "gone", Some(json!("mine")), None)]
    );
    assert_eq!(by(&status.dropped), ["bob"]);
    assert_eq!(status.error.expect("it says why").code, "gone");
    let order: Vec<&str> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Refused { .. } => Some("refused"),
            Event::Saved { .. } => Some("saved"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["refused", "saved"]);
}

/// Who the dropped edits say has deleted what they were about.
fn by(dropped: &[DroppedView]) -> Vec<&str> {
    let by = dropped.iter().filter_map(|one| one.by.as_ref());
    by.map(|by| by.id.as_str()).collect()
}

#[test]
fn a_new_place_of_an_item_that_others_deleted_is_told() {
    let mut pair = Pair::opened();
    let links = pair.value["links"].as_array().expect("a list").clone();
    let (first, second) = (&links[0]["id"], &links[1]["id"]);
    let body = json!({ "links": [{ "id": second }, { "id": first }] });
    pair.edit(&body).expect("allowed");
    let frames = pair.sent();
    let moved = |pair: &Pair| {
        let dropped = pair.status().dropped;
        let at = |one: &DroppedView| one.pointer.to_string().ends_with("/$position");
        assert!(dropped.iter().all(|one| at(one) && one.reason == "gone"));
        assert_eq!(by(&dropped), ["bob"]);
    };
    // Whichever of both moved: one of them is deleted, and then the other one.
    let deletion = meanwhile(&mut pair, &json!({ "links": [] }));
    pair.receive(&deletion);
    for frame in frames {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    pair.run();
    assert_eq!(pair.value, pair.on_server());
    moved(&pair);

    // The same where the move was saved before the deletion, by an author who had not seen it.
    let mut pair = Pair::opened();
    let seen = pair.jane();
    pair.edit(&body).expect("allowed");
    pair.run();
    assert_eq!(pair.status().dropped, []);
    let bob = indelible_engine::principal::Principal::new("bob", ["editor"]);
    pair.writes_unseen(&bob, &json!({ "links": [] }), &seen);
    moved(&pair);
}

#[test]
fn what_one_deletes_oneself_is_no_loss() {
    let mut pair = Pair::opened();
    let links = pair.value["links"].clone();
    let (first, second) = (&links[0]["id"], &links[1]["id"]);
    let body = json!({ "links": [{ "id": first, "url": "mine" }, { "id": second }] });
    pair.edit(&body).expect("allowed");
    pair.edit(&json!({ "links": [{ "id": second }] }))
        .expect("allowed");
    pair.run();
    assert_eq!(pair.state(), (SyncState::Synced, 0));
    assert_eq!(pair.status().dropped, []);
    // Written back by the list that still had it, it is there again.
    pair.edit(&body).expect("allowed");
    pair.run();
    assert_eq!(pair.state(), (SyncState::Synced, 0));
    assert_eq!(pair.on_server()["links"][0]["url"], "mine");
}

#[test]
fn a_handle_to_what_is_not_there_comes_alive_without_asking_again() {
    for mode in [KindMode::Replica, KindMode::Value] {
        let mut server = Server::new();
        server.mode = mode;
        let log = server.logs.remove(&entity(JANE)).expect("the fixture");
        let mut pair = Pair::with(server);
        pair.session.open(JANE).expect("a good name");
        pair.connect();
        let status = pair.status();
        assert_eq!(status.state, SyncState::Gone);
        assert_eq!(status.error.expect("it says why").code, "not-found");
        let asked = pair.server.received.len();
        pair.server.logs.insert(entity(JANE), log);
        let schema = pair.server.answer(&ClientFrame::Open {
            entity: entity(JANE),
            mode: indelible_engine::protocol::Mode::Replica,
            epoch: None,
            seq: None,
            hash: None,
            version: None,
        });
        let frames = match mode {
            KindMode::Replica => schema,
            _ => vec![ServerFrame::Value {
                entity: entity(JANE),
                version: "v1".to_owned(),
                value: json!({ "name": "Jane" }).to_string(),
                at: NOW,
            }],
        };
        for frame in &frames {
            pair.receive(frame);
        }
        pair.run();
        assert_eq!(pair.value["name"], "Jane");
        assert_eq!(pair.state(), (SyncState::Synced, 0));
        let opened = pair.server.received[asked + 1..].len();
        assert_eq!(opened, 0, "it is not opened again");
    }
}

#[test]
fn what_may_not_be_read_any_more_says_so() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "slogan": "Mine" })).expect("allowed");
    pair.session.disconnected(None);
    pair.server.mode = KindMode::None;
    pair.connect();
    let status = pair.status();
    assert_eq!(status.error.expect("it says why").code, "forbidden");
    assert_eq!(told(&status.dropped).len(), 1);
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    pair.server.mode = KindMode::None;
    pair.connect();
    assert_eq!(pair.status().state, SyncState::NoAccess);
}

#[test]
fn a_kind_of_many_is_no_entity_and_a_handle_to_it_is_told() {
    let mut pair = Pair::opened();
    let none = ServerFrame::Gone {
        entity: entity("team"),
        code: "not-found".to_owned(),
    };
    pair.session.watch("team").expect("a kind");
    pair.session.open("team").expect("a name");
    pair.run();
    pair.listen();
    let said = |events: &[Event]| -> Vec<String> {
        let of_entity = |event: &Event| match event {
            Event::Gone { entity, fault } if entity.to_string() == "team" => {
                assert_eq!(fault.code, "not-found");
                Some(fault.message.clone())
            }
            _ => None,
        };
        events.iter().filter_map(of_entity).collect()
    };
    let says = "team is a kind with many entities: give the id of one, as in team/ID, or follow all of \
                them as a collection";
    assert_eq!(said(&pair.events), [says]);
    // The watch is another matter: what the server says of the kind is about that.
    let of_kind = |event: &&Event| matches!(event, Event::Unwatchable { .. });
    assert_eq!(pair.events.iter().filter(of_kind).count(), 0);
    pair.receive(&none);
    pair.listen();
    assert_eq!(pair.events.iter().filter(of_kind).count(), 1);
    assert_eq!(said(&pair.events), [says]);
}

#[test]
fn an_id_in_a_kind_of_one_is_no_entity() {
    let mut pair = Pair::new();
    pair.session.open(JANE).expect("a good name");
    pair.session.connecting();
    pair.session.connected(Some("token".to_owned()));
    pair.sent();
    let mut welcome = pair.server.welcome();
    if let ServerFrame::Welcome { kinds, .. } = &mut welcome {
        kinds[0].singleton = true;
    }
    pair.receive(&welcome);
    pair.listen();
    let error = pair.status().error.expect("it says why");
    let says = "there is one entity of the kind team, and its name is team alone";
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("not-found", says)
    );
    assert_eq!(pair.sent(), []);
}

/// Servers of other versions may have codes that this client has no words for.
#[test]
fn a_code_without_words_is_in_no_sentence() {
    let mut pair = Pair::opened();
    pair.receive(&gone("moved-away"));
    pair.listen();
    let error = pair.status().error.expect("it says why");
    let says = "the server does not show team/jane any more";
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("moved-away", says)
    );
    let number = pair.session.create("team", "{}", NOW).expect("a kind");
    let sent = pair.sent();
    let [ClientFrame::Create { id, entity, .. }] = sent.as_slice() else {
        panic!("one creation: {sent:?}");
    };
    pair.receive(&ServerFrame::Refused {
        id: *id,
        entity: entity.clone(),
        admitted: 0,
        code: "odd-code".to_owned(),
        violations: Vec::new(),
    });
    pair.listen();
    let said = pair.events.iter().find_map(|event| match event {
        Event::RequestFailed { request, fault, .. } if *request == number => Some(fault.clone()),
        _ => None,
    });
    let fault = said.expect("it is answered");
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str()),
        ("odd-code", "the server refused this")
    );
}

/// A watch brings the values of all entities, and nothing of one that there cannot be.
#[test]
fn a_handle_to_a_kind_of_many_is_told_while_values_come_with_a_watch() {
    let mut pair = Pair::new();
    pair.server.mode = KindMode::Value;
    pair.session.watch("team").expect("a kind");
    pair.session.open("team").expect("a name");
    pair.connect();
    pair.listen();
    let told = |event: &&Event| matches!(event, Event::Gone { entity, .. } if entity.to_string() == "team");
    assert_eq!(pair.events.iter().filter(told).count(), 1);
}

#[test]
fn a_kind_that_there_is_not_is_named_with_the_nearest() {
    let mut pair = Pair::opened();
    for kind in ["tema", "elsewhere"] {
        pair.session.watch(kind).expect("a kind");
    }
    pair.session.open("teem/jane").expect("a name");
    pair.run();
    pair.listen();
    let said = |event: &Event| match event {
        Event::Unwatchable { fault, .. } | Event::Gone { fault, .. } => {
            assert_eq!(fault.code, "no-kind");
            Some(fault.message.clone())
        }
        _ => None,
    };
    let all: Vec<_> = pair.events.iter().filter_map(said).collect();
    assert_eq!(
        all,
        [
            "there is no kind tema; did you mean team?",
            "there is no kind elsewhere",
            "there is no kind teem; did you mean team?",
        ]
    );
}
