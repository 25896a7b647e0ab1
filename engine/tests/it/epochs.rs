//! An epoch that begins while somebody is away: what they bring in afterwards gives what it had
//! come to without it, and what was overwritten or is gone is reported as it had been.

mod worlds;

use automerge::ActorId;
use automerge::transaction::Transactable as _;
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::conflicts::{Conflict, Outcome};
use indelible_engine::entity::Entity;
use indelible_engine::history::Derived;
use indelible_engine::id::GlobalSeq;
use indelible_engine::ledger::{EntryKind, Logged};
use indelible_engine::lifecycle::next_epoch;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{Base, MergeOptions, merge};
use indelible_engine::rebase::{DropReason, RebaseTarget, Rebased, rebase_values};
use serde_json::{Value, json};

use crate::fixture::{Client, NOW, editor, judge, made_of, next, thing, write};

/// The entity in its next epoch.
fn renewed(entity: &Entity) -> Entity {
    let made = next_epoch(entity, entity.policy(), NOW).unwrap();
    assert_eq!(made.effects(), []);
    made.into_parts().0
}

/// Admits changes; returns their conflicts, which the log gives again.
fn conflicts(entity: &Entity, author: &str, changes: Vec<Vec<u8>>) -> (Entity, Vec<Conflict>) {
    let verdict = judge(entity, &editor(author), changes, Origin::Client);
    assert_eq!(verdict.refused, None);
    conflicts_of(entity, verdict)
}

/// The entity after a verdict on it, and the conflicts, which the log gives again.
fn conflicts_of(entity: &Entity, verdict: Verdict) -> (Entity, Vec<Conflict>) {
    let admitted = verdict.admitted.unwrap();
    let found = admitted.conflicts().to_vec();
    let (after, draft, _) = admitted.into_parts();
    assert_eq!(draft.kind, EntryKind::Changes);
    let sealed = draft.seal(GlobalSeq(9), NOW, entity.hash());
    let mut again = entity.clone();
    let logged = Logged::of(&sealed.entry, sealed.hash);
    let derived = Derived::of(&mut again, logged, entity.policy()).unwrap();
    assert_eq!(derived.conflicts, found);
    (after, found)
}

/// A body that bob makes of `base`, by its value where that is of another epoch.
fn bring(entity: &Entity, base: &Entity, body: &Value) -> Vec<Vec<u8>> {
    let options = match base.epoch() == entity.epoch() {
        true => made_of(base),
        false => MergeOptions {
            base: Some(Base {
                value: base.presented(),
                heads: Vec::new(),
                earlier: None,
            }),
            ..MergeOptions::default()
        },
    };
    let actor = ActorId::from([7; 16]);
    merge(entity, &editor("bob"), &actor, body, &options)
        .unwrap()
        .changes
}

fn written(entity: &Entity, who: &str, body: &Value) -> Entity {
    let options = MergeOptions::default();
    next(write(entity, &editor(who), body, &options, Origin::Server).unwrap())
}

/// Place, outcome, and both values.
fn told(found: &[Conflict]) -> Vec<(String, Outcome, Option<Value>, Option<Value>)> {
    let told = found.iter().map(|one| {
        let both = (one.wrote.clone(), one.other.clone());
        (one.pointer.to_string(), one.outcome, both.0, both.1)
    });
    told.collect()
}

/// What others wrote while bob was away, at every place where one of two values stands.
fn theirs() -> Value {
    json!({ "title": "Theirs", "number": 2, "shape": { "w": 2 }, "tagline": "new",
            "place": { "city": "Basel", "street": "Gasse" }, "prices": { "tea": 3 },
            "items": [{ "id": "i1", "name": "theirs" }, { "id": "i2" }, { "id": "i3" }],
            "labels": { "x": { "text": "theirs" } }, "body": "hello big world", "hits": 4 })
}

fn mine() -> Value {
    json!({ "title": "Mine", "number": 3, "shape": { "w": 3 }, "place": { "city": "Genf" },
            "items": [{ "id": "i1", "name": "mine" }, { "id": "i2", "name": "mine" }, { "id": "i3" }],
            "prices": { "tea": 4 }, "labels": { "x": { "text": "mine" } },
            "tagline": "new", "body": "hello world!", "hits": 2 })
}

#[test]
fn a_body_that_overwrites_what_its_author_had_not_seen_says_so_in_another_epoch_too() {
    let base = thing();
    let later = written(&base, "carol", &theirs());
    let within = conflicts(&later, "bob", bring(&later, &base, &mine()));
    let fresh = renewed(&later);
    let across = conflicts(&fresh, "bob", bring(&fresh, &base, &mine()));
    assert_eq!(within.0.presented(), across.0.presented());
    assert_eq!(told(&within.1), told(&across.1));
    let places: Vec<String> = across.1.iter().map(|one| one.pointer.to_string()).collect();
    let expected = [
        "/items/i1/name",
        "/labels/x/text",
        "/number",
        "/place/city",
        "/prices/tea",
        "/shape",
        "/title",
    ];
    assert_eq!(places, expected);
    // Who wrote them is in the log, and not in this document.
    assert!(
        across
            .1
            .iter()
            .all(|one| one.by.is_none() && one.change.is_none())
    );

    // What was written in this epoch has its author.
    let later = written(&fresh, "dora", &json!({ "title": "Dora's" }));
    let (_, found) = conflicts(
        &later,
        "bob",
        bring(&later, &base, &json!({ "title": "Mine" })),
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].by.as_deref(), Some("dora"));
    assert_eq!(found[0].other, Some(json!("Dora's")));
    assert!(found[0].change.is_some());

    // Who had seen everything overwrites nothing unseen.
    let body = json!({ "title": "Once more", "tagline": null });
    assert_eq!(conflicts(&fresh, "bob", bring(&fresh, &fresh, &body)).1, []);
    let (_, found) = conflicts(&fresh, "bob", bring(&fresh, &thing_after(&theirs()), &body));
    assert_eq!(found, []);
}

/// The entity of the first epoch, with what others wrote.
fn thing_after(body: &Value) -> Entity {
    written(&thing(), "carol", body)
}

#[test]
fn what_is_deleted_with_values_that_its_author_had_not_seen_names_them() {
    let base = thing();
    let later = written(&base, "carol", &theirs());
    let mine = json!({ "items": [{ "id": "i2" }, { "id": "i3" }], "labels": { "x": null } });
    let within = conflicts(&later, "bob", bring(&later, &base, &mine));
    let fresh = renewed(&later);
    let across = conflicts(&fresh, "bob", bring(&fresh, &base, &mine));
    assert_eq!(told(&within.1), told(&across.1));
    let removed = |found: &[Conflict]| -> Vec<String> {
        let removed = found.iter().filter_map(|one| one.removed.as_ref());
        removed.map(ToString::to_string).collect()
    };
    assert_eq!(removed(&across.1), ["/items/i1", "/labels/x"]);
    assert_eq!(removed(&within.1), removed(&across.1));
}

/// Pending changes brought onto another epoch.
fn rebased(onto: &Entity, before: &Entity, pending: &[Vec<u8>], actor: u8) -> Rebased {
    let ground = RebaseTarget {
        entity: onto,
        author: &editor("bob"),
        actor: &ActorId::from([actor; 16]),
        limits: &Limits::default(),
    };
    rebase_values(&ground, before, pending).unwrap()
}

fn changes(rebased: &Rebased) -> Vec<Vec<u8>> {
    rebased
        .changes
        .iter()
        .map(|one| one.change.clone())
        .collect()
}

#[test]
fn edits_that_are_brought_over_say_what_they_overwrite_unseen_also_through_several_epochs() {
    let base = thing();
    let mut bob = Client::on(&base, "bob", 2);
    let title = bob.change(|tx| tx.put(automerge::ROOT, "title", "Mine").unwrap());
    let place = bob.object(&["place"]);
    let city = bob.change(|tx| tx.put(&place, "city", "Genf").unwrap());
    let again = bob.change(|tx| tx.put(automerge::ROOT, "title", "Mine again").unwrap());
    let pending = vec![title, city, again];

    let later = written(&base, "carol", &theirs());
    let fresh = renewed(&later);
    let over = rebased(&fresh, &base, &pending, 3);
    assert_eq!(over.dropped, []);
    let (_, found) = conflicts(&fresh, "bob", changes(&over));
    let expected = |title: &str| {
        let both = |at: &str, wrote: &str, other: &str| {
            (
                at.to_owned(),
                Outcome::Replaced,
                Some(json!(wrote)),
                Some(json!(other)),
            )
        };
        vec![
            both("/place/city", "Genf", "Basel"),
            both("/title", "Mine again", title),
        ]
    };
    assert_eq!(told(&found), expected("Theirs"));

    // They wait still when the next epoch begins, and the one after that.
    let later = written(&fresh, "dora", &json!({ "number": 9 }));
    let third = renewed(&later);
    let over = rebased(&third, &fresh, &changes(&over), 4);
    let (_, found) = conflicts(&third, "bob", changes(&over));
    assert_eq!(told(&found), expected("Theirs"));
    let later = written(&third, "dora", &json!({ "title": "Dora's" }));
    let fourth = renewed(&later);
    let over = rebased(&fourth, &third, &changes(&over), 5);
    let (_, found) = conflicts(&fourth, "bob", changes(&over));
    assert_eq!(told(&found), expected("Dora's"));
}

#[test]
fn edits_in_what_others_deleted_are_gone_in_another_epoch_too() {
    let base = thing();
    let mut bob = Client::on(&base, "bob", 2);
    let (label, item) = (bob.object(&["labels", "x"]), bob.object(&["items", "i1"]));
    let text = bob.change(|tx| tx.put(&label, "text", "mine").unwrap());
    let name = bob.change(|tx| tx.put(&item, "name", "mine").unwrap());
    let title = bob.change(|tx| tx.put(automerge::ROOT, "title", "Mine").unwrap());
    let pending = vec![text, name, title];
    let body = json!({ "labels": { "x": null }, "items": [{ "id": "i2" }, { "id": "i3" }] });
    let later = written(&base, "carol", &body);
    let fresh = renewed(&later);

    // Whether the replica has heard of the deletion or not.
    let place = (later.seq(), later.hash());
    let heard = Entity::from_document(
        base.id(),
        base.epoch(),
        base.policy(),
        &later.document(),
        place,
    );
    let heard = heard.unwrap();
    for before in [&base, &heard] {
        let over = rebased(&fresh, before, &pending, 3);
        let places = over
            .dropped
            .iter()
            .map(|one| (one.change, one.pointer.to_string()));
        let expected = [(0, "/labels/x"), (1, "/items/i1")];
        let expected = expected.map(|(change, at)| (change, at.to_owned()));
        assert_eq!(places.collect::<Vec<_>>(), expected);
        assert!(
            over.dropped.iter().all(|one| one.why == DropReason::Gone),
            "{:?}",
            over.dropped
        );
        let (after, _) = conflicts(&fresh, "bob", changes(&over));
        let mut expected = later.presented();
        expected["title"] = json!("Mine");
        expected["updatedBy"] = json!("bob");
        assert_eq!(after.presented(), expected);
    }
}
