//! Guards against lists that double when two people reorder them at once, a reorder that is refused
//! for what a merge made, and a double that somebody writes himself.

use std::sync::Arc;

use automerge::ReadDoc;
use automerge::transaction::Transactable;
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::entity::Entity;
use indelible_engine::merge::{MergeError, MergeOptions};
use indelible_engine::policy::{Policy, Rules};
use indelible_engine::principal::Principal;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{Client, compiled_under, created, editor, judge, made_of, next, write};

fn policy(rules: Rules) -> Arc<Policy> {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "chart", "create": ["editor"], "edit": ["editor"] },
        "properties": {
            "ranks": { "type": "array", "items": { "type": "string" }, "uniqueItems": true,
                       "maxItems": 4 },
            "title": { "type": "string" }
        }
    });
    compiled_under(rules, &schema)
}

fn chart(rules: Rules, ranks: &[&str]) -> Entity {
    let value = json!({ "ranks": ranks, "title": "t" });
    created(&policy(rules), &value)
}

/// A list put by somebody who had seen `base`.
fn put(entity: &Entity, base: &Entity, who: &str, ranks: &[&str]) -> Result<Verdict, MergeError> {
    let body = json!({ "ranks": ranks });
    write(entity, &editor(who), &body, &made_of(base), Origin::Server)
}

fn stored(entity: &Entity) -> usize {
    let client = Client::on(entity, "reader", 9);
    client.doc.length(client.object(&["ranks"]))
}

fn ranks(entity: &Entity) -> Value {
    entity.presented()["ranks"].clone()
}

/// Four elements, of which two people who did not see each other moved d: it is stored twice.
fn doubled() -> Entity {
    let base = chart(Rules::V2, &["a", "b", "c", "d"]);
    let moved = |name: &str, actor: u8, to: usize| {
        let mut client = Client::on(&base, name, actor);
        let list = client.object(&["ranks"]);
        client.change(|tx| {
            tx.delete(&list, 3).unwrap();
            tx.insert(&list, to, "d").unwrap();
        })
    };
    let (hers, his) = (moved("alice", 1, 0), moved("bob", 2, 1));
    let one = judge(&base, &editor("alice"), vec![hers], Origin::Client);
    next(judge(&next(one), &editor("bob"), vec![his], Origin::Client))
}

#[test]
fn two_reorders_at_once_double_nothing() {
    let both = doubled();
    assert_eq!(
        ranks(&both),
        json!(["d", "a", "b", "c"]),
        "the first counts"
    );
    assert_eq!(stored(&both), 5);
    // The next write to the list cleans it up; what is shown is what is counted.
    let after = next(put(&both, &both, "carol", &["d", "b", "c", "e"]).unwrap());
    assert_eq!(
        (ranks(&after), stored(&after)),
        (json!(["d", "b", "c", "e"]), 4)
    );
    // What is removed does not come back from behind.
    let less = next(put(&both, &both, "carol", &["a", "b"]).unwrap());
    assert_eq!((ranks(&less), stored(&less)), (json!(["a", "b"]), 2));
    // A write to another field leaves the list alone.
    let options = MergeOptions::default();
    let title = json!({ "title": "other", "ranks": ["d", "a", "b", "c"] });
    let other = write(&both, &editor("carol"), &title, &options, Origin::Server).unwrap();
    assert_eq!(stored(&next(other)), 5);
}

#[test]
fn a_second_reorder_over_http_moves_the_element_again() {
    let base = chart(Rules::V2, &["a", "b", "c", "d"]);
    let one = next(put(&base, &base, "alice", &["d", "a", "b", "c"]).unwrap());
    let two = next(put(&one, &base, "bob", &["a", "d", "b", "c"]).unwrap());
    assert_eq!(
        (ranks(&two), stored(&two)),
        (json!(["a", "d", "b", "c"]), 4)
    );
    // Both add the same.
    let base = chart(Rules::V2, &["a"]);
    let one = next(put(&base, &base, "alice", &["x", "a"]).unwrap());
    let two = next(put(&one, &base, "bob", &["a", "x", "y"]).unwrap());
    assert_eq!((ranks(&two), stored(&two)), (json!(["a", "x", "y"]), 3));
}

#[test]
fn an_edit_on_a_doubled_base_finds_its_places() {
    let base = doubled();
    let now = next(put(&base, &base, "alice", &["x", "d", "a", "c"]).unwrap());
    assert_eq!(
        (ranks(&now), stored(&now)),
        (json!(["x", "d", "a", "c"]), 4)
    );
    let late = next(put(&now, &base, "bob", &["d", "a", "b"]).unwrap());
    assert_eq!(ranks(&late), json!(["x", "d", "a"]));
}

#[test]
fn under_the_first_rules_the_second_reorder_is_refused() {
    let base = chart(Rules::V1, &["a", "b", "c", "d"]);
    let one = next(put(&base, &base, "alice", &["d", "a", "b", "c"]).unwrap());
    let second = put(&one, &base, "bob", &["a", "d", "b", "c"]).unwrap();
    // A client without the whole validator leaves that to the server; it shows what is stored.
    if cfg!(feature = "whole-entity") {
        let rules = second.refused.unwrap().violations;
        assert!(
            rules
                .iter()
                .any(|violation| violation.rule.code() == "uniqueItems")
        );
    } else {
        assert_eq!(ranks(&next(second)), json!(["d", "a", "d", "b", "c"]));
    }
}

#[test]
fn a_double_that_one_author_writes_is_refused() {
    let entity = chart(Rules::V2, &["a", "b"]);
    let Err(MergeError::Refused(violations)) = put(&entity, &entity, "alice", &["a", "b", "a"])
    else {
        panic!("it was merged");
    };
    assert_eq!(violations[0].pointer.to_string(), "/ranks/2");
    assert_eq!(violations[0].rule.code(), "uniqueItems");

    let insert = |name: &str, actor: u8, element: &str| {
        let mut client = Client::on(&entity, name, actor);
        let list = client.object(&["ranks"]);
        client.change(|tx| tx.insert(&list, 0, element).unwrap())
    };
    let judged = |entity: &Entity, who: &str, change: Vec<u8>, origin| {
        judge(entity, &editor(who), vec![change], origin)
    };
    for origin in [Origin::Client, Origin::Edit] {
        let verdict = judged(&entity, "mallory", insert("mallory", 1, "b"), origin);
        assert!(verdict.admitted.is_none());
        let violation = &verdict.refused.unwrap().violations[0];
        assert_eq!(violation.rule.code(), "uniqueItems");
        assert_eq!(violation.pointer.to_string(), "/ranks");
    }
    // In two changes of one proposal, the second is the faulty one.
    let mut mallory = Client::on(&entity, "mallory", 1);
    let list = mallory.object(&["ranks"]);
    let changes = ["x", "x"].map(|x| mallory.change(|tx| tx.insert(&list, 0, x).unwrap()));
    let verdict = judge(&entity, &mallory.principal, changes.into(), Origin::Client);
    assert_eq!(verdict.refused.unwrap().admitted, 1);
    assert_eq!(
        ranks(verdict.admitted.unwrap().entity()),
        json!(["x", "a", "b"])
    );

    // Two who each add the same are both right.
    let one = next(judged(
        &entity,
        "ada",
        insert("ada", 1, "x"),
        Origin::Client,
    ));
    let both = next(judged(&one, "bob", insert("bob", 2, "x"), Origin::Client));
    assert_eq!((ranks(&both), stored(&both)), (json!(["x", "a", "b"]), 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// However three people reorder, add and remove at once: nobody is refused, nothing is shown
    /// twice, and the next edit leaves the list as it was written.
    #[test]
    fn lists_that_many_reorder_hold_each_element_once(
        edits in proptest::collection::vec(
            (0..3_usize, 0..4_usize, Just(["a", "b", "c", "d"]).prop_shuffle(), 1..=4_usize),
            1..8,
        )
    ) {
        let names = ["alice", "bob", "carol"];
        let mut states = vec![chart(Rules::V2, &["a", "b", "c", "d"])];
        for (who, back, order, length) in edits {
            let now = states.last().unwrap().clone();
            let base = states[states.len().saturating_sub(1 + back)].clone();
            let author: Principal = editor(names[who]);
            let options = made_of(&base);
            let body = json!({ "ranks": order[..length] });
            let actor = indelible_engine::change::server_actor(now.id(), now.epoch(), &author.id);
            let merged =
                indelible_engine::merge::merge(&now, &author, &actor, &body, &options).unwrap();
            if merged.changes.is_empty() {
                continue;
            }
            let next = next(judge(&now, &author, merged.changes, Origin::Server));
            let shown = ranks(&next);
            let shown = shown.as_array().cloned().unwrap_or_default();
            if stored(&next) != shown.len() {
                return Err(TestCaseError::fail("a merge by the server stores no doubles"));
            }
            let mut once = shown.clone();
            once.sort_by_key(ToString::to_string);
            once.dedup();
            prop_assert_eq!(once.len(), shown.len());
            if back == 0 {
                prop_assert_eq!(Value::from(shown.clone()), body["ranks"].clone());
                prop_assert_eq!(stored(&next), shown.len());
            }
            states.push(next);
        }
    }
}
