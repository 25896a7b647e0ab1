//! Guards against edits, requests and what is followed that are lost, or sent on and on, when the server
//! wants a pause.

use indelible_client::{Event, SyncState};
use indelible_engine::id::ProposalId;
use indelible_engine::limits::Limits;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_engine::time::Timestamp;
use serde_json::json;

use crate::pair::{JANE, NOW, Pair};
use crate::server::entity;

const PAUSE: u64 = 1_500;

fn wants_a_pause(name: &str, id: ProposalId) -> ServerFrame {
    ServerFrame::Error {
        code: "rate-limited".to_owned(),
        reason: "more than 10 writes in a minute: try again in 2 s".to_owned(),
        entity: Some(entity(name)),
        id: Some(id),
        retry: Some(PAUSE),
    }
}

/// The next frame that is due at a time.
fn sent_at(pair: &mut Pair, at: Timestamp) -> Option<ClientFrame> {
    let bytes = pair.session.poll_transmit(at)?;
    Some(ClientFrame::decode(&bytes, &Limits::default()).expect("a frame"))
}

#[test]
fn an_edit_waits_for_as_long_as_the_server_says_and_is_sent_again() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "slogan": "soon" })).expect("it is good");
    let first = sent_at(&mut pair, NOW).expect("a proposal");
    let ClientFrame::Propose { id, .. } = &first else {
        panic!("{first:?}")
    };
    pair.receive(&wants_a_pause(JANE, *id));
    assert_eq!(sent_at(&mut pair, NOW), None);
    pair.listen();
    let asks = |event: &Event| matches!(event, Event::Pause { millis: 1_500 });
    assert!(pair.events.iter().any(asks), "{:?}", pair.events);
    assert!(
        !pair
            .events
            .iter()
            .any(|event| matches!(event, Event::Disconnect { .. }))
    );
    assert_eq!(pair.state(), (SyncState::Syncing, 1));

    let shortly_before = Timestamp(NOW.0 + 1_499);
    assert_eq!(sent_at(&mut pair, shortly_before), None);
    let again = sent_at(&mut pair, Timestamp(NOW.0 + 1_500)).expect("a proposal");
    assert_eq!(again, first);
    for answer in pair.server.answer(&again) {
        pair.receive(&answer);
    }
    pair.run();
    assert_eq!(pair.state(), (SyncState::Synced, 0));
    assert_eq!(pair.on_server()["slogan"], "soon");
}

#[test]
fn a_request_waits_too_and_is_not_reported_as_failed() {
    let mut pair = Pair::opened();
    let created = pair.session.create("team", "{}", NOW);
    created.expect("it is good");
    let first = sent_at(&mut pair, NOW).expect("a request");
    let ClientFrame::Create { id, .. } = &first else {
        panic!("{first:?}")
    };
    pair.receive(&wants_a_pause("team", *id));
    pair.listen();
    assert!(
        !pair
            .events
            .iter()
            .any(|event| matches!(event, Event::RequestFailed { .. }))
    );
    assert_eq!(sent_at(&mut pair, NOW), None);
    assert_eq!(sent_at(&mut pair, Timestamp(NOW.0 + 1_500)), Some(first));
}

#[test]
fn a_new_connection_ends_the_pause() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "slogan": "soon" })).expect("it is good");
    let Some(ClientFrame::Propose { id, .. }) = sent_at(&mut pair, NOW) else {
        panic!("a proposal is due")
    };
    pair.receive(&wants_a_pause(JANE, id));
    pair.session.disconnected(None);
    pair.connect();
    assert_eq!(pair.state(), (SyncState::Synced, 0));
}

/// That the server cannot serve something at present.
fn cannot(code: &str, name: &str, id: Option<ProposalId>, retry: Option<u64>) -> ServerFrame {
    ServerFrame::Error {
        code: code.to_owned(),
        reason: "not now".to_owned(),
        entity: Some(entity(name)),
        id,
        retry,
    }
}

fn error_of(pair: &Pair) -> Option<String> {
    let error = pair.session.status().error;
    error.map(|fault| fault.code)
}

/// Answers whatever the session sends at a time, until it sends nothing.
fn run_at(pair: &mut Pair, at: Timestamp) {
    while let Some(frame) = sent_at(pair, at) {
        for answer in pair.server.answer(&frame) {
            pair.receive(&answer);
        }
    }
    pair.listen();
}

#[test]
fn what_cannot_be_opened_now_is_opened_again_after_the_wait() {
    for (code, retry, wait) in [
        ("busy", Some(700), 700),
        ("unavailable", Some(700), 700),
        ("unavailable", None, 2_000),
        ("of-a-newer-server", Some(700), 700),
    ] {
        let mut pair = Pair::new();
        pair.session.open(JANE).expect("a good name");
        pair.session.connecting();
        pair.session.connected(None);
        let hello = pair.sent();
        for answer in pair.server.answer(&hello[0]) {
            pair.receive(&answer);
        }
        let open = pair.sent();
        assert!(matches!(open[..], [ClientFrame::Open { .. }]), "{open:?}");
        pair.receive(&cannot(code, JANE, None, retry));
        assert_eq!(sent_at(&mut pair, Timestamp(NOW.0 + wait - 1)), None);
        pair.listen();
        assert_eq!(pair.state(), (SyncState::Connecting, 0), "{code}");
        let asks = |event: &Event| matches!(event, Event::Pause { millis: 1 });
        assert!(pair.events.iter().any(asks), "{code}: {:?}", pair.events);
        let known = matches!(code, "busy" | "unavailable");
        assert_eq!(error_of(&pair), known.then(|| code.to_owned()));
        run_at(&mut pair, Timestamp(NOW.0 + wait));
        assert_eq!(pair.state(), (SyncState::Synced, 0), "{code}");
        assert_eq!(error_of(&pair), None);
        pair.edit(&json!({ "slogan": "still here" }))
            .expect("it is good");
        run_at(&mut pair, Timestamp(NOW.0 + wait));
        assert_eq!(pair.on_server()["slogan"], "still here");
    }
}

#[test]
fn what_was_opened_before_keeps_its_edits_while_it_cannot_be_opened() {
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    pair.edit(&json!({ "slogan": "kept" })).expect("it is good");
    pair.session.connecting();
    pair.session.connected(None);
    let hello = pair.sent();
    for answer in pair.server.answer(&hello[0]) {
        pair.receive(&answer);
    }
    let open = pair.sent();
    let ClientFrame::Open { seq: Some(_), .. } = &open[0] else {
        panic!("{open:?}")
    };
    pair.receive(&cannot("busy", JANE, None, Some(700)));
    pair.listen();
    assert_eq!(pair.state(), (SyncState::Syncing, 1));
    assert_eq!(pair.value["slogan"], "kept");
    assert_eq!(sent_at(&mut pair, NOW), None);
    run_at(&mut pair, Timestamp(NOW.0 + 700));
    assert_eq!(pair.state(), (SyncState::Synced, 0));
    assert_eq!(pair.on_server()["slogan"], "kept");
}

#[test]
fn a_kind_that_cannot_be_watched_now_is_watched_again() {
    let mut pair = Pair::opened();
    pair.session.watch("team").expect("a good name");
    assert!(matches!(
        sent_at(&mut pair, NOW),
        Some(ClientFrame::Watch { .. })
    ));
    pair.receive(&cannot("unavailable", "team", None, Some(700)));
    assert_eq!(sent_at(&mut pair, NOW), None);
    pair.listen();
    let failed = |event: &Event| matches!(event, Event::Unwatchable { .. });
    assert!(!pair.events.iter().any(failed), "{:?}", pair.events);
    assert!(matches!(
        sent_at(&mut pair, Timestamp(NOW.0 + 700)),
        Some(ClientFrame::Watch { .. })
    ));
}

#[test]
fn what_is_not_followed_any_more_is_not_asked_for_again() {
    let mut pair = Pair::new();
    pair.session.open(JANE).expect("a good name");
    pair.session.connecting();
    pair.session.connected(None);
    let hello = pair.sent();
    for answer in pair.server.answer(&hello[0]) {
        pair.receive(&answer);
    }
    pair.sent();
    pair.receive(&cannot("busy", JANE, None, Some(700)));
    pair.session.close(JANE);
    let at = Timestamp(NOW.0 + 700);
    let later = std::iter::from_fn(|| sent_at(&mut pair, at)).collect::<Vec<_>>();
    assert!(
        matches!(later[..], [ClientFrame::Close { .. }]),
        "{later:?}"
    );
}

#[test]
fn writes_that_cannot_be_taken_now_are_sent_again_under_their_ids() {
    for (code, retry, wait) in [("busy", Some(700), 700), ("unavailable", None, 2_000)] {
        let mut pair = Pair::opened();
        pair.edit(&json!({ "slogan": "soon" })).expect("it is good");
        let created = pair.session.create("team", "{}", NOW);
        created.expect("it is good");
        let first: Vec<_> = std::iter::from_fn(|| sent_at(&mut pair, NOW)).collect();
        assert_eq!(first.len(), 2, "{first:?}");
        for frame in &first {
            let (id, name) = match frame {
                ClientFrame::Propose { id, .. } => (*id, JANE),
                ClientFrame::Create { id, .. } => (*id, "team"),
                other => panic!("{other:?}"),
            };
            pair.receive(&cannot(code, name, Some(id), retry));
        }
        pair.listen();
        let ends = |event: &Event| {
            matches!(
                event,
                Event::RequestFailed { .. } | Event::Disconnect { .. }
            )
        };
        assert!(!pair.events.iter().any(ends), "{code}: {:?}", pair.events);
        assert_eq!(error_of(&pair).as_deref(), Some(code));
        assert_eq!(sent_at(&mut pair, Timestamp(NOW.0 + wait - 1)), None);
        let at = Timestamp(NOW.0 + wait);
        let again: Vec<_> = std::iter::from_fn(|| sent_at(&mut pair, at)).collect();
        assert_eq!(again, first, "{code}");
    }
}

#[test]
fn waits_of_several_end_each_at_their_time_and_a_clock_set_back_makes_none_longer() {
    let mut pair = Pair::opened();
    pair.session.open("team/bob").expect("a good name");
    pair.sent();
    pair.edit(&json!({ "slogan": "soon" })).expect("it is good");
    let Some(ClientFrame::Propose { id, .. }) = sent_at(&mut pair, NOW) else {
        panic!("a proposal is due")
    };
    pair.receive(&cannot("busy", JANE, Some(id), Some(5_000)));
    pair.receive(&cannot("busy", "team/bob", None, Some(1_000)));
    assert_eq!(sent_at(&mut pair, NOW), None);
    let next = |pair: &mut Pair| {
        pair.listen();
        pair.events.iter().rev().find_map(|event| match event {
            Event::Pause { millis } => Some(*millis),
            _ => None,
        })
    };
    assert_eq!(next(&mut pair), Some(1_000));
    let at = Timestamp(NOW.0 + 1_000);
    assert!(matches!(
        sent_at(&mut pair, at),
        Some(ClientFrame::Open { .. })
    ));
    assert_eq!(sent_at(&mut pair, at), None);
    assert_eq!(next(&mut pair), Some(4_000));
    let set_back = Timestamp(NOW.0 - 3_600_000);
    assert!(matches!(
        sent_at(&mut pair, set_back),
        Some(ClientFrame::Propose { .. })
    ));
}
