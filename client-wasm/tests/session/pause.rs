//! Guards against edits and requests that are lost, or sent on and on, when the server wants a pause.

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
            .any(|event| matches!(event, Event::NotDone { .. }))
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
