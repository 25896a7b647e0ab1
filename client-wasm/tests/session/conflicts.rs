//! Guards against values that lose against others in silence: their author's session says so, once,
//! until it is settled.

use indelible_client::{ConflictView, EditOptions, Event, SyncState};
use indelible_engine::conflicts::Outcome;
use indelible_engine::entity::Entity;
use indelible_engine::merge::Absent;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::EntryReport;
use serde_json::{Value, json};

use crate::pair::{JANE, NOW, Pair};
use crate::server::entity;

fn bob() -> Principal {
    Principal {
        name: Some("Bob".to_owned()),
        ..Principal::new("bob", ["editor"])
    }
}

impl Pair {
    fn bob_writes(&mut self, body: &Value) {
        let entry = self.server.write(&entity(JANE), &bob(), body, false);
        self.tell(entry);
    }

    fn tell(&mut self, entry: EntryReport) {
        let id = entity(JANE);
        let frame = self.server.logs[&id].frame(&id, vec![entry]);
        self.receive(&frame);
        self.listen();
    }

    /// Somebody writes without having seen what came since.
    pub(crate) fn writes_unseen(&mut self, who: &Principal, body: &Value, seen: &Entity) {
        let id = entity(JANE);
        let entry = self.server.write_unseen(&id, who, body, (false, seen));
        self.tell(entry);
    }

    pub(crate) fn jane(&self) -> Entity {
        self.server.logs[&entity(JANE)].entity.clone()
    }

    /// The lists that were reported, the latest last.
    fn lists(&self) -> Vec<Vec<ConflictView>> {
        let lists = self.events.iter().filter_map(|event| match event {
            Event::Conflicts { conflicts, .. } => Some(conflicts.clone()),
            _ => None,
        });
        lists.collect()
    }

    fn conflicts(&self) -> Vec<ConflictView> {
        self.lists().pop().unwrap_or_default()
    }

    fn keep(&mut self, pointer: &str) {
        self.session.keep(JANE, pointer, NOW).expect("it is there");
        self.listen();
    }
}

/// An edit of ours that loses against one of Bob's, which the server admitted before it.
fn lost() -> Pair {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "Mine", "slogan": "ours" }))
        .expect("allowed");
    pair.bob_writes(&json!({ "name": "Bob's" }));
    assert_eq!(
        pair.lists().len(),
        0,
        "nothing is lost before it is admitted"
    );
    pair.run();
    pair
}

#[test]
fn an_edit_that_did_not_stand_is_reported_with_who_wrote_the_other() {
    let pair = lost();
    assert_eq!(pair.saved(), 1);
    assert_eq!(pair.value["name"], "Bob's");
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1);
    let conflict = &conflicts[0];
    assert_eq!(conflict.pointer.to_string(), "/name");
    assert_eq!(conflict.mine, Some(json!("Mine")));
    assert_eq!(conflict.stands, Some(json!("Bob's")));
    let by = conflict.by.as_ref().expect("his entry came");
    assert_eq!((by.id.as_str(), by.name.as_deref()), ("bob", Some("Bob")));
    assert!(conflict.at.is_some());
    assert_eq!(pair.lists().len(), 1, "it is told once");
}

#[test]
fn what_loses_while_offline_is_reported_after_the_reconnect() {
    let mut pair = Pair::opened();
    pair.session.disconnected(None);
    pair.edit(&json!({ "name": "Mine" })).expect("allowed");
    for name in ["B", "Bo", "Bob's"] {
        let _ = pair
            .server
            .write(&entity(JANE), &bob(), &json!({ "name": name }), false);
    }
    pair.connect();
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].mine, Some(json!("Mine")));
    assert_eq!(conflicts[0].stands, Some(json!("Bob's")));
    assert_eq!(conflicts[0].by.as_ref().expect("known").id, "bob");
}

#[test]
fn a_value_that_stood_and_was_replaced_unseen_is_reported() {
    let mut pair = Pair::opened();
    let seen = pair.jane();
    pair.edit(&json!({ "name": "Mine" })).expect("allowed");
    pair.run();
    assert_eq!(pair.conflicts(), []);
    pair.writes_unseen(&bob(), &json!({ "name": "Bob's" }), &seen);
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].mine, Some(json!("Mine")));
    assert_eq!(conflicts[0].stands, Some(json!("Bob's")));

    // He has seen that one, so what he writes now settles it.
    pair.bob_writes(&json!({ "name": "Bob B." }));
    assert_eq!(pair.conflicts(), []);
}

#[test]
fn an_edit_by_somebody_who_saw_it_is_no_conflict() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "Mine" })).expect("allowed");
    pair.run();
    pair.bob_writes(&json!({ "name": "Bob's" }));
    // Nor is what two others write beside one another.
    let seen = pair.jane();
    pair.bob_writes(&json!({ "slogan": "one" }));
    let carol = Principal::new("carol", ["editor"]);
    pair.writes_unseen(&carol, &json!({ "slogan": "two" }), &seen);
    assert_eq!(pair.lists().len(), 0);
}

#[test]
fn a_third_who_saw_the_other_value_only_is_the_one_who_is_named() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "name": "Mine" })).expect("allowed");
    pair.bob_writes(&json!({ "name": "Bob's" }));
    let seen = pair.jane();
    pair.run();
    assert_eq!(pair.conflicts()[0].stands, Some(json!("Bob's")));
    let carol = Principal::new("carol", ["editor"]);
    pair.writes_unseen(&carol, &json!({ "name": "Carol's" }), &seen);
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].mine, Some(json!("Mine")));
    assert_eq!(conflicts[0].stands, Some(json!("Carol's")));
    assert_eq!(conflicts[0].by.as_ref().expect("known").id, "carol");

    // Whoever writes what we wrote has given way to us, seen or not.
    let seen = pair.jane();
    pair.keep("/name");
    pair.writes_unseen(&bob(), &json!({ "name": "Mine" }), &seen);
    pair.run();
    assert_eq!(pair.conflicts(), []);
}

#[test]
fn keeping_ours_writes_it_again() {
    let mut pair = lost();
    pair.keep("/name");
    assert_eq!(pair.conflicts(), []);
    assert_eq!(pair.value["name"], "Mine");
    pair.run();
    assert_eq!(pair.on_server()["name"], "Mine");
    assert_eq!(pair.on_server()["slogan"], "ours");
    assert_eq!(pair.conflicts(), []);
    let again = pair.session.keep(JANE, "/name", NOW);
    assert_eq!(again.unwrap_err().code(), "no-conflict");
}

#[test]
fn a_conflict_ends_when_it_is_dismissed_or_written_over() {
    let mut pair = lost();
    pair.session.dismiss(JANE, "/name");
    pair.listen();
    assert_eq!(pair.conflicts(), []);
    assert_eq!(pair.value["name"], "Bob's");

    let mut pair = lost();
    pair.edit(&json!({ "name": "A third" })).expect("allowed");
    assert_eq!(pair.conflicts(), [], "our edit saw both");
    pair.run();
    assert_eq!(pair.conflicts(), []);
}

#[test]
fn a_removal_and_a_move_can_lose_too() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "slogan": "first" })).expect("allowed");
    pair.run();
    let mut body = pair.value.clone();
    body.as_object_mut().expect("an object").remove("slogan");
    let options = EditOptions {
        absent: Absent::Removed,
        ..EditOptions::default()
    };
    let removed = pair.session.edit(JANE, &body.to_string(), &options, NOW);
    removed.expect("allowed");
    pair.bob_writes(&json!({ "slogan": "his" }));
    pair.run();
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(
        (&conflicts[0].mine, &conflicts[0].stands),
        (&None, &Some(json!("his")))
    );
    pair.keep("/slogan");
    pair.run();
    assert_eq!(pair.on_server().get("slogan"), None);
    assert_eq!(pair.conflicts(), []);

    // Three links, of which we and Bob move the last one to different places at the same time.
    pair.edit(&json!({ "links": [{ "url": "x" }, { "url": "y" }, { "url": "z" }] }))
        .expect("allowed");
    pair.run();
    let links = pair.value["links"].as_array().expect("a list").clone();
    let order = |order: [usize; 3]| json!({ "links": order.map(|at| links[at].clone()) });
    pair.edit(&order([2, 0, 1])).expect("allowed");
    pair.bob_writes(&order([0, 2, 1]));
    pair.run();
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    let pointer = conflicts[0].pointer.to_string();
    assert!(pointer.ends_with("/$position"), "{pointer}");
    assert_eq!(pair.value["links"][1]["url"], "z");
    pair.keep(&pointer);
    pair.run();
    let urls = |value: &Value| -> Vec<String> {
        let links = value["links"].as_array().expect("a list").iter();
        links.map(|link| link["url"].to_string()).collect()
    };
    assert_eq!(urls(&pair.on_server()), ["\"z\"", "\"x\"", "\"y\""]);
    assert_eq!(pair.conflicts(), []);
}

#[test]
fn what_a_snapshot_hides_is_found_in_it() {
    let mut pair = Pair::opened();
    let seen = pair.jane();
    pair.edit(&json!({ "name": "Mine" })).expect("allowed");
    pair.run();
    let id = entity(JANE);
    let _ = pair
        .server
        .write_unseen(&id, &bob(), &json!({ "name": "Bob's" }), (false, &seen));
    for frame in pair.server.open(&id, None) {
        pair.receive(&frame);
    }
    pair.listen();
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].mine, Some(json!("Mine")));
    assert_eq!(conflicts[0].stands, Some(json!("Bob's")));
}

#[test]
fn what_a_rebased_edit_replaces_is_told_to_its_author() {
    let mut pair = Pair::opened();
    pair.edit(&json!({ "slogan": "refused" })).expect("allowed");
    pair.edit(&json!({ "name": "Mine" })).expect("allowed");
    pair.bob_writes(&json!({ "name": "Bob's" }));
    pair.server.refuse_next = Some(0);
    pair.run();
    assert_eq!(
        pair.on_server()["name"],
        "Mine",
        "it was made again on what he wrote"
    );
    let log = &pair.server.logs[&entity(JANE)];
    let last = log.entries.last().expect("it was admitted");
    let changes: Vec<Vec<u8>> = last.changes.iter().map(|change| change.to_vec()).collect();
    let his = log.entries[log.entries.len() - 2].changes[0].to_vec();
    let his = indelible_engine::change::head(&his).expect("a change").hash;
    let (found, _) = log.entity.conflicts_of(&[his], &changes);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].outcome, Outcome::Replaced);
    assert_eq!(found[0].other, Some(json!("Bob's")));
}

/// What we had saved goes with an item that is deleted by an author who has not seen it.
#[test]
fn what_was_saved_in_an_item_that_goes_unseen_is_reported() {
    let mut pair = Pair::opened();
    let seen = pair.jane();
    let links = pair.value["links"].as_array().expect("a list").clone();
    let mut edited = links.clone();
    edited[0]["url"] = json!("https://ours.example");
    pair.edit(&json!({ "links": edited })).expect("allowed");
    pair.run();
    assert_eq!(pair.status().dropped, []);
    pair.writes_unseen(&bob(), &json!({ "links": [links[1]] }), &seen);
    assert_eq!(pair.value["links"].as_array().expect("a list").len(), 1);
    let status = pair.status();
    assert_eq!(status.state, SyncState::Refused);
    let id = links[0]["id"].as_str().expect("an id");
    let [dropped] = &status.dropped[..] else {
        panic!("{:?}", status.dropped)
    };
    assert_eq!(dropped.pointer.to_string(), format!("/links/{id}/url"));
    assert_eq!(dropped.reason, "gone");
    assert_eq!(dropped.attempted, Some(json!("https://ours.example")));
    // A deletion by an author who has seen it is not a loss, but an edit like any other.
    let mut pair = Pair::opened();
    pair.edit(&json!({ "links": edited })).expect("allowed");
    pair.run();
    pair.bob_writes(&json!({ "links": [links[1]] }));
    assert_eq!(pair.status().dropped, []);
}

/// An item that we brought back, and that was deleted by an author who knew of neither.
#[test]
fn an_undeletion_that_did_not_stand_can_be_made_again() {
    let mut pair = Pair::opened();
    let (seen, links) = (pair.jane(), pair.value["links"].clone());
    let (first, second) = (&links[0], &links[1]);
    pair.edit(&json!({ "links": [second] })).expect("allowed");
    pair.run();
    pair.edit(&json!({ "links": [first, second] }))
        .expect("allowed");
    pair.run();
    assert_eq!(pair.value["links"].as_array().expect("a list").len(), 2);
    // His change is the longer one, so it wins.
    let bio = "Hello ".repeat(50);
    let body = json!({ "bio": bio, "links": [second] });
    pair.writes_unseen(&bob(), &body, &seen);
    assert_eq!(pair.value["links"], json!([second]));
    let id = first["id"].as_str().expect("an id");
    let pointer = format!("/links/{id}/$deleted");
    let conflicts = pair.conflicts();
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    assert_eq!(conflicts[0].pointer.to_string(), pointer);
    assert_eq!(conflicts[0].mine, Some(json!(false)));

    pair.keep(&pointer);
    let back = pair.value["links"].as_array().expect("a list").clone();
    assert_eq!(back.len(), 2);
    assert!(back.contains(first), "{back:?}");
    assert_eq!(pair.conflicts(), []);
    pair.run();
    assert_eq!(pair.on_server()["links"], pair.value["links"]);
}
