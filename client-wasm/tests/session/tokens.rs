//! Guards against connections that end although a fresh token could be had, and against callers
//! who become anonymous because none could.

use indelible_client::{Event, Fault};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::json;

use crate::pair::Pair;

fn expiring() -> ServerFrame {
    ServerFrame::Error {
        code: "token-expiring".to_owned(),
        reason: "the token ends soon; send a fresh one with auth".to_owned(),
        entity: None,
        id: None,
        retry: None,
    }
}

#[test]
fn a_notice_asks_for_a_fresh_token_and_is_no_fault() {
    let mut pair = Pair::opened();
    pair.receive(&expiring());
    pair.listen();
    let asked = pair
        .events
        .iter()
        .filter(|event| **event == Event::TokenExpiring);
    assert_eq!(asked.count(), 1);
    assert_eq!(pair.session.status().error, None);
    pair.session.authenticate("fresh".to_owned());
    let sent = pair.sent();
    assert!(
        matches!(&sent[..], [ClientFrame::Auth { token }] if token.0 == "fresh"),
        "{sent:?}"
    );
}

#[test]
fn a_token_that_cannot_be_had_is_told_until_one_is() {
    let mut pair = Pair::opened();
    pair.receive(&expiring());
    let message = "no fresh token could be had: no network";
    pair.session.report(Fault::new("token", message));
    let error = pair.session.status().error.expect("it is told");
    assert_eq!(error.code, "token");
    assert!(error.message.contains("no network"));
    pair.session.authenticate("fresh".to_owned());
    assert_eq!(pair.session.status().error, None);
    assert_eq!(pair.sent().len(), 1);
    // Without a connection nothing is sent: the next hello brings a token.
    pair.session.disconnected(None);
    pair.session.authenticate("fresher".to_owned());
    assert!(pair.sent().is_empty());
}

#[test]
fn each_side_answers_when_it_is_asked_for_a_sign_of_life() {
    let mut pair = Pair::opened();
    pair.session.ping();
    assert_eq!(pair.sent(), [ClientFrame::Ping {}]);
    pair.receive(&ServerFrame::Pong {});
    pair.receive(&ServerFrame::Ping {});
    assert_eq!(pair.sent(), [ClientFrame::Pong {}]);
    pair.session.disconnected(None);
    pair.session.ping();
    assert!(pair.sent().is_empty());
}

/// A server from before `ping` answers all the same: that is a sign of life, and nothing is wrong.
#[test]
fn a_server_that_knows_no_ping_is_no_fault() {
    let mut pair = Pair::opened();
    pair.session.ping();
    pair.receive(&ServerFrame::Error {
        code: "unknown-frame".to_owned(),
        reason: "unknown frame \"ping\"".to_owned(),
        entity: None,
        id: None,
        retry: None,
    });
    pair.listen();
    assert_eq!(pair.session.status().error, None);
}

/// A person who signs in after another one sees nothing of theirs; edits wait for their author.
#[test]
fn edits_of_who_was_signed_in_before_are_handed_to_who_waits_for_them_and_to_nobody_else() {
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    pair.edit(&json!({ "name": "Mine", "slogan": "ours" }))
        .expect("allowed");
    pair.server.principal = Principal::new("bob", ["editor"]);
    pair.connect();
    let lost = pair.events.iter().find_map(|event| match event {
        Event::Refused { dropped, fault, .. } => Some((dropped.clone(), fault.code.clone())),
        _ => None,
    });
    let (dropped, code) = lost.expect("it is told");
    assert_eq!(code, "principal");
    let values: Vec<_> = dropped.iter().map(|one| one.attempted.clone()).collect();
    assert_eq!(values, [Some(json!("Mine")), Some(json!("ours"))]);
    assert_eq!(pair.status().dropped, []);
    assert_eq!(pair.value["name"], "Jane");
}
