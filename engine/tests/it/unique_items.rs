//! Guards against lists that double when two people reorder them at once, a reorder that is refused
//! for what a merge made, and a double that somebody writes himself.

use std::sync::Arc;

use automerge::ReadDoc;
use automerge::transaction::Transactable;
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::entity::Entity;
use indelible_engine::id::Epoch;
use indelible_engine::merge::{Base, MergeError, MergeOptions};
use indelible_engine::policy::{Policy, Rules};
use indelible_engine::principal::Principal;
use indelible_engine::schema::SchemaSource;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{Client, editor, judge, write};

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
    let source = SchemaSource {
        file: "chart.json".to_owned(),
        text: schema.to_string(),
    };
    Arc::new(Policy::compile_under(rules, &source).unwrap())
}

fn chart(rules: Rules, ranks: &[&str]) -> Entity {
    let genesis = Entity::genesis(&"chart/one".parse().unwrap(), Epoch::FIRST, &policy(rules));
    let options = MergeOptions {
        creation: true,
        ..MergeOptions::default()
    };
    let body = json!({ "ranks": ranks, "title": "t" });
    let verdict = write(
        &genesis,
        &editor("alice"),
        &body,
        &options,
        Origin::Creation,
    )
    .unwrap();
    verdict.admitted.unwrap().into_parts().0
}

/// A list put by somebody who had seen `base`.
fn put(entity: &Entity, base: &Entity, who: &str, ranks: &[&str]) -> Result<Verdict, MergeError> {
    let options = MergeOptions {
        base: Some(Base {
            value: base.presented(),
            heads: base.heads(),
            is_former: false,
        }),
        ..MergeOptions::default()
    };
    write(
        entity,
        &editor(who),
        &json!({ "ranks": ranks }),
        &options,
        Origin::Server,
    )
}

fn admitted(verdict: Verdict) -> Entity {
    assert_eq!(verdict.refused, None);
    verdict.admitted.unwrap().into_parts().0
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
    admitted(judge(
        &admitted(one),
        &editor("bob"),
        vec![his],
        Origin::Client,
    ))
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
    // Whoever writes to the list next cleans it up; what is shown is what is counted.
    let next = admitted(put(&both, &both, "carol", &["d", "b", "c", "e"]).unwrap());
    assert_eq!(
        (ranks(&next), stored(&next)),
        (json!(["d", "b", "c", "e"]), 4)
    );
    // What is removed does not come back from behind.
    let less = admitted(put(&both, &both, "carol", &["a", "b"]).unwrap());
    assert_eq!((ranks(&less), stored(&less)), (json!(["a", "b"]), 2));
    // A write to another field leaves the list alone.
    let options = MergeOptions::default();
    let title = json!({ "title": "other", "ranks": ["d", "a", "b", "c"] });
    let other = write(&both, &editor("carol"), &title, &options, Origin::Server).unwrap();
    assert_eq!(stored(&admitted(other)), 5);
}

#[test]
fn a_second_reorder_over_http_moves_the_element_again() {
    let base = chart(Rules::V2, &["a", "b", "c", "d"]);
    let one = admitted(put(&base, &base, "alice", &["d", "a", "b", "c"]).unwrap());
    let two = admitted(put(&one, &base, "bob", &["a", "d", "b", "c"]).unwrap());
    assert_eq!(
        (ranks(&two), stored(&two)),
        (json!(["a", "d", "b", "c"]), 4)
    );
    // Both add the same.
    let base = chart(Rules::V2, &["a"]);
    let one = admitted(put(&base, &base, "alice", &["x", "a"]).unwrap());
    let two = admitted(put(&one, &base, "bob", &["a", "x", "y"]).unwrap());
    assert_eq!((ranks(&two), stored(&two)), (json!(["a", "x", "y"]), 3));
}

#[test]
fn an_edit_on_a_doubled_base_finds_its_places() {
    let base = doubled();
    let now = admitted(put(&base, &base, "alice", &["x", "d", "a", "c"]).unwrap());
    assert_eq!(
        (ranks(&now), stored(&now)),
        (json!(["x", "d", "a", "c"]), 4)
    );
    let late = admitted(put(&now, &base, "bob", &["d", "a", "b"]).unwrap());
    assert_eq!(ranks(&late), json!(["x", "d", "a"]));
}

#[test]
fn under_the_first_rules_the_second_reorder_is_refused() {
    let base = chart(Rules::V1, &["a", "b", "c", "d"]);
    let one = admitted(put(&base, &base, "alice", &["d", "a", "b", "c"]).unwrap());
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
        assert_eq!(ranks(&admitted(second)), json!(["d", "a", "d", "b", "c"]));
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
    let one = admitted(judged(
        &entity,
        "ada",
        insert("ada", 1, "x"),
        Origin::Client,
    ));
    let both = admitted(judged(&one, "bob", insert("bob", 2, "x"), Origin::Client));
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
            let options = MergeOptions {
                base: Some(Base { value: base.presented(), heads: base.heads(), is_former: false }),
                ..MergeOptions::default()
            };
            let body = json!({ "ranks": order[..length] });
            let actor = indelible_engine::change::server_actor(now.id(), now.epoch(), &author.id);
            let merged =
                indelible_engine::merge::merge(&now, &author, &actor, &body, &options).unwrap();
            if merged.changes.is_empty() {
                continue;
            }
            let next = admitted(judge(&now, &author, merged.changes, Origin::Server));
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
