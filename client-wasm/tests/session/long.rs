//! Guards against edits that are kept in part, or refused, since one change does not hold them.

use indelible_client::{Event, SyncState};
use indelible_engine::protocol::ClientFrame;
use indelible_engine::violation::ViolationReport;
use serde_json::{Value, json};

use crate::pair::{JANE, Pair};
use crate::server::entity;

fn long(letter: &str) -> String {
    letter.repeat(25_000)
}

/// How many changes each proposal held, and whether it was one edit.
fn proposed(pair: &Pair) -> Vec<(usize, bool)> {
    let frames = pair.server.received.iter();
    frames
        .filter_map(|frame| match frame {
            ClientFrame::Propose { changes, whole, .. } => Some((changes.len(), *whole)),
            _ => None,
        })
        .collect()
}

fn with_link(pair: &Pair) -> Value {
    let mut links = pair.value["links"].clone();
    let new = json!({ "url": "c", "story": long("s") });
    links.as_array_mut().expect("links are a list").push(new);
    json!({ "bio": long("b"), "links": links })
}

#[test]
fn a_long_edit_is_one_and_goes_alone() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "A" })).expect("allowed");
    let body = with_link(&pair);
    pair.edit(&body).expect("the schema allows it");
    pair.edit(&json!({ "name": "B" })).expect("allowed");
    assert_eq!(pair.state(), (SyncState::Syncing, 3));
    pair.run();
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 3));
    assert_eq!(proposed(&pair), [(1, false), (6, true), (1, false)]);
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(pair.value["bio"], long("b"));
    assert_eq!(pair.value["links"][2]["story"], long("s"));
    assert_eq!(pair.server.judged, 0);
}

#[test]
fn a_long_edit_that_is_refused_as_a_whole_leaves_nothing() {
    let mut pair = Pair::opened();
    let before = pair.value.clone();
    pair.edit(&with_link(&pair)).expect("allowed here");
    pair.edit(&json!({ "slogan": "after" })).expect("allowed");
    pair.server.refuse_next = Some(0);
    pair.server.violations = vec![ViolationReport {
        change: 0,
        ops: Vec::new(),
        pointer: "/bio".parse().expect("a pointer"),
        rule: "maxLength".to_owned(),
        attempted: None,
        kept: None,
        holder: None,
        bound: None,
        message: "is too long".to_owned(),
    }];
    pair.run();
    assert_eq!(pair.value["bio"], before["bio"]);
    assert_eq!(pair.value["links"], before["links"]);
    assert_eq!(pair.value["slogan"], "after");
    assert_eq!(pair.value, pair.on_server());
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Refused, 0), 2));
    let lost = pair.events.iter().filter_map(|event| match event {
        Event::Refused { edit, settled, .. } => Some((*edit, *settled)),
        _ => None,
    });
    assert_eq!(lost.collect::<Vec<_>>(), [(1, 1)]);
}

#[test]
fn a_long_edit_lasts_through_a_new_epoch_and_lost_answers() {
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    let body = with_link(&pair);
    pair.edit(&body).expect("allowed");
    pair.edit(&json!({ "slogan": "after" })).expect("allowed");
    let id = entity(JANE);
    let value = json!({ "name": "Jane", "number": "E-1", "bio": "Hello" });
    pair.server.begin_epoch(&id, &value);
    pair.connect();
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(pair.value["bio"], long("b"));
    let links = pair.value["links"].as_array().expect("a list");
    let stories = links.iter().filter(|link| link["story"] == long("s"));
    assert_eq!(stories.count(), 1);
    assert_eq!((pair.state(), pair.saved()), ((SyncState::Synced, 0), 2));
    assert_eq!(pair.server.judged, 0);
    let sent = proposed(&pair);
    assert!(
        sent.iter().any(|(changes, whole)| *changes > 2 && *whole),
        "{sent:?}"
    );
    assert!(
        sent.iter().all(|(changes, whole)| *whole == (*changes > 1)),
        "{sent:?}"
    );
}
