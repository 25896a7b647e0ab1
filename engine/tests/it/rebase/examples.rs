//! Cases by hand, each of which a simpler rebase gets wrong.

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ReadDoc};
use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;
use indelible_engine::rebase::{DropReason, RefusedOps};
use serde_json::json;

use super::{check, rebased};
use crate::fixture::{Client, editor, judge, thing};

fn after(server: &Entity, changes: Vec<Vec<u8>>) -> Entity {
    let verdict = judge(server, &editor("alice"), changes, Origin::Client);
    assert_eq!(verdict.refused, None);
    verdict.admitted.unwrap().into_parts().0
}

/// An insertion after a refused one goes to where it stood, not to where the refused one began.
#[test]
fn an_insertion_stays_to_the_right_of_what_was_typed_at_the_same_place_later() {
    let server = thing();
    let mut alice = Client::on(&server, "alice", 1);
    let body = alice.object(&["body"]);
    let refused = alice.change(|tx| tx.splice_text(&body, 5, 0, "X").unwrap());
    let before = alice.change(|tx| tx.splice_text(&body, 5, 0, "ab").unwrap());
    let behind = alice.change(|tx| tx.splice_text(&body, 8, 0, "!").unwrap());
    assert_eq!(alice.doc.text(&body).unwrap(), "helloabX! world");
    let new = check(&server, &[refused, before, behind], &[(0, 0)].into(), 2);
    assert_eq!(after(&server, new).presented()["body"], "helloab! world");
}

#[test]
fn what_is_done_inside_a_refused_item_goes_with_it() {
    let server = thing();
    let mut alice = Client::on(&server, "alice", 1);
    let items = alice.object(&["items"]);
    let mut item = ROOT;
    let made = alice.change(|tx| {
        item = tx.put_object(&items, "n", ObjType::Map).unwrap();
        tx.put(&item, "$position", "V").unwrap();
        let note = tx.put_object(&item, "note", ObjType::Text).unwrap();
        tx.put_object(&item, "tags", ObjType::List).unwrap();
        tx.splice_text(&note, 0, 0, "hi").unwrap();
    });
    let named = alice.change(|tx| {
        tx.put(&item, "name", "N").unwrap();
        tx.put(ROOT, "tagline", "T").unwrap();
    });
    let new = check(&server, &[made.clone(), named.clone()], &[(0, 0)].into(), 2);
    assert_eq!(new.len(), 1);
    assert_eq!(after(&server, new).presented()["tagline"], "T");
    let refused = RefusedOps {
        change: 0,
        ops: vec![0],
        rule: "write".to_owned(),
    };
    let report = rebased(&server, 2, &[made, named], &[refused]).dropped;
    let whys: Vec<&DropReason> = report.iter().map(|one| &one.why).collect();
    assert_eq!(whys[0], &DropReason::Refused("write".to_owned()));
    assert!(whys[1..].iter().all(|why| **why == DropReason::Depends));
    assert_eq!(report.last().unwrap().pointer.to_string(), "/items/n/name");
    assert_eq!(report.last().unwrap().attempted, Some(json!("N")));
}

#[test]
fn a_counter_goes_on_from_where_it_is() {
    let server = thing();
    let mut alice = Client::on(&server, "alice", 1);
    let hits = alice.change(|tx| tx.increment(ROOT, "hits", 3).unwrap());
    let more = alice.change(|tx| tx.increment(ROOT, "hits", 4).unwrap());
    let mut bob = Client::on(&server, "bob", 9);
    let theirs = bob.change(|tx| tx.increment(ROOT, "hits", 10).unwrap());
    let verdict = judge(&server, &editor("bob"), vec![theirs], Origin::Client);
    let server = verdict.admitted.unwrap().into_parts().0;
    let new = check(&server, &[hits, more], &[(0, 0)].into(), 2);
    assert_eq!(after(&server, new).presented()["hits"], 14);
}

/// The second of two who make one entry of an open map brings its values into the first's.
#[test]
fn a_name_that_is_taken_keeps_its_object_and_gets_the_values() {
    let server = thing();
    let mut alice = Client::on(&server, "alice", 1);
    let labels = alice.object(&["labels"]);
    let mut label = ROOT;
    let made = alice.change(|tx| {
        label = tx.put_object(&labels, "n", ObjType::Map).unwrap();
        tx.put(&label, "text", "mine").unwrap();
    });
    let more = alice.change(|tx| tx.put(&label, "text", "mine, later").unwrap());
    let mut bob = Client::on(&server, "bob", 9);
    let labels = bob.object(&["labels"]);
    let theirs = bob.change(|tx| {
        let label = tx.put_object(&labels, "n", ObjType::Map).unwrap();
        tx.put(&label, "text", "theirs").unwrap();
    });
    let verdict = judge(&server, &editor("bob"), vec![theirs], Origin::Client);
    let server = verdict.admitted.unwrap().into_parts().0;
    let pending = [made, more];
    let verdict = judge(&server, &editor("alice"), pending.to_vec(), Origin::Client);
    let refusal = verdict.refused.unwrap();
    assert_eq!(refusal.violations[0].rule.code(), "exists");
    let named: Vec<RefusedOps> = refusal.violations.iter().map(RefusedOps::from).collect();
    let result = rebased(&server, 2, &pending, &named);
    assert_eq!(result.dropped, []);
    assert_eq!(result.carried, [(0, 0), (0, 1), (1, 0)]);
    let froms: Vec<usize> = result.changes.iter().map(|one| one.from).collect();
    assert_eq!(froms, [0, 1]);
    let new = result.changes.into_iter().map(|one| one.change).collect();
    assert_eq!(
        after(&server, new).presented()["labels"]["n"]["text"],
        "mine, later"
    );
}

/// Refusing and rebasing come to an end, and all that may be written is.
#[test]
fn refusals_end_and_take_only_what_they_name() {
    let server = thing();
    let mut alice = Client::on(&server, "alice", 1);
    let item = alice.object(&["guarded", "g1"]);
    let mut pending = vec![
        alice.change(|tx| {
            tx.put(ROOT, "rating", 5.0).unwrap();
            tx.put(ROOT, "tagline", "fine").unwrap();
        }),
        alice.change(|tx| {
            tx.put(&item, "worth", 1_000).unwrap();
            tx.put(&item, "name", "jar").unwrap();
            tx.put(ROOT, "code", "other").unwrap();
        }),
        alice.change(|tx| tx.put(ROOT, "$nothing", "x").unwrap()),
        alice.change(|tx| tx.put(ROOT, "title", "Two").unwrap()),
    ];
    let mut server = server;
    let mut dropped = Vec::new();
    for actor in 2.. {
        let verdict = judge(&server, &editor("alice"), pending.clone(), Origin::Client);
        if let Some(admitted) = verdict.admitted {
            server = admitted.into_parts().0;
        }
        let Some(refusal) = verdict.refused else {
            break;
        };
        pending.drain(..refusal.admitted);
        let mut named: Vec<RefusedOps> = refusal.violations.iter().map(RefusedOps::from).collect();
        for one in &mut named {
            one.change -= refusal.admitted;
        }
        let result = rebased(&server, actor, &pending, &named);
        assert!(!result.dropped.is_empty());
        dropped.extend(
            result
                .dropped
                .into_iter()
                .map(|one| one.pointer.to_string()),
        );
        pending = result.changes.into_iter().map(|one| one.change).collect();
    }
    assert_eq!(
        dropped,
        ["/rating", "/guarded/g1/worth", "/code", "/$nothing"]
    );
    let value = server.presented();
    assert_eq!(
        (&value["tagline"], &value["title"]),
        (&json!("fine"), &json!("Two"))
    );
    assert_eq!(value["guarded"][0]["name"], "jar");
}

#[test]
fn a_refusal_of_what_is_not_there_takes_the_change_or_all() {
    let server = thing();
    let mut alice = Client::on(&server, "alice", 1);
    let pending: Vec<Vec<u8>> = ["a", "b"]
        .map(|name| alice.change(|tx| tx.put(ROOT, "tagline", name).unwrap()))
        .into();
    for (change, ops, left) in [(0, vec![9], 1), (1, Vec::new(), 1), (7, vec![0], 0)] {
        let refused = RefusedOps {
            change,
            ops,
            rule: "seq".to_owned(),
        };
        let result = rebased(&server, 2, &pending, &[refused]);
        assert_eq!((result.kept.len(), result.dropped.len()), (left, 2 - left));
    }
}
