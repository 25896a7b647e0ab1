//! Guards against connections that end although a fresh token could be had, and against callers
//! who become anonymous because none could.

use indelible_client::Event;
use indelible_engine::protocol::{ClientFrame, ServerFrame};

use crate::pair::Pair;

fn expiring() -> ServerFrame {
    ServerFrame::Error {
        code: "token-expiring".to_owned(),
        reason: "the token ends soon; send a fresh one with auth".to_owned(),
        entity: None,
        id: None,
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
    pair.session
        .unauthenticated("no fresh token could be had: no network");
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
