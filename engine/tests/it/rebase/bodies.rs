//! Bodies that were made under a schema which the server has left: every change of a schema and every
//! sort of edit, against the other way round, where the body comes first and the schema after it.

use std::sync::Arc;

use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::merge::{Base, MergeOptions, Protected, merge};
use indelible_engine::rebase::Read;
use serde_json::Value;

use super::schemas::{later, under, value};
use super::writer::{Dice, Writer};
use super::{concurrent, run_all};
use crate::fixture::{editor, judge, thing};

/// What somebody makes of a value in a form: new items have no ids there.
fn body(read: &Entity, dice: &mut Dice) -> Value {
    let mut writer = Writer::on(read, "alice", 1);
    let mut edited = read.clone();
    for _ in 0..dice.between(1, 3) {
        let changes = writer.edit(dice).into_iter().collect();
        let verdict = judge(&edited, &editor("alice"), changes, Origin::Client);
        if let Some(admitted) = verdict.admitted {
            edited = admitted.into_parts().0;
        }
    }
    let (mut body, before) = (edited.presented(), read.presented());
    for list in ["items", "guarded"] {
        let known = before[list].clone();
        let known = |item: &Value| {
            let all = known.as_array().into_iter().flatten();
            all.clone().any(|old| old["id"] == item["id"])
        };
        if let Some(items) = body[list].as_array_mut() {
            items.retain(known);
        }
    }
    body
}

/// The entity after a PUT of a body; nothing where it is refused.
fn put(onto: &Entity, body: &Value, base: Base) -> Option<Entity> {
    let options = MergeOptions {
        protected: Protected::Keep,
        base: Some(base),
        ..MergeOptions::default()
    };
    let alice = editor("alice");
    let actor = server_actor(onto.id(), onto.epoch(), "alice");
    let merged = merge(onto, &alice, &actor, body, &options).ok()?;
    if merged.changes.is_empty() {
        return Some(onto.clone());
    }
    let verdict = judge(onto, &alice, merged.changes, Origin::Server);
    let admitted = verdict.admitted.filter(|_| verdict.refused.is_none());
    admitted.map(|admitted| admitted.into_parts().0)
}

fn case(seed: u64) {
    let mut dice = Dice::new(seed);
    let (new, removed) = later(&mut dice);
    let read = thing();
    let body = body(&read, &mut dice);
    let (mut server, mut others) = (read.clone(), 0x40);
    if dice.percent(50) {
        server = concurrent(&server, &mut others, &mut dice);
    }
    let base = || Base {
        value: read.presented(),
        heads: read.heads(),
        earlier: None,
    };
    // What no schema takes is not what this is about.
    let Some(before) = put(&server, &body, base()) else {
        return;
    };
    let onto = under(&server, &new);
    let follow = |body: &Value| {
        let known = Read {
            value: None,
            policy: Arc::clone(read.policy()),
            heads: read.heads(),
            stamps: read.stamp_fields(),
        };
        known.follow(&onto, body, (&[], &[])).unwrap()
    };
    let same = follow(&read.presented());
    assert!(same.lost.is_empty(), "{:?}", same.lost);
    let same = put(&onto, &same.body, same.base).expect("it is no edit");
    assert_eq!(same.heads(), onto.heads(), "it is no edit");

    let followed = follow(&body);
    if !followed.lost.is_empty() {
        let mut names = followed.lost.iter().flat_map(|one| one.pointer.tokens());
        assert!(
            names.any(|name| removed.contains(name)),
            "{:?}",
            followed.lost
        );
        return;
    }
    let found = put(&onto, &followed.body, followed.base).expect("the new schema takes it");
    // With others, elements of renamed texts and lists are found by comparing, which may differ.
    if others == 0x40 {
        assert_eq!(value(&found), value(&under(&before, &new)));
    }
}

#[test]
fn a_body_comes_to_the_same_before_a_change_of_schema_and_after_it() {
    run_all(case);
}
