//! Writes made at the same time: which of them did not stand or took the place of one unseen. A
//! loss that no entry records would be reported to nobody.

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{ActorId, Change, ROOT, ReadDoc};
use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::conflicts::{Conflict, Outcome};
use indelible_engine::entity::Entity;
use indelible_engine::history::Derived;
use indelible_engine::id::GlobalSeq;
use indelible_engine::ledger::Logged;
use indelible_engine::merge::{Absent, Base, MergeOptions, merge};
use indelible_engine::principal::Principal;
use serde_json::{Value, json};

use crate::fixture::{Client, NOW, editor, judge, thing};
use crate::history::{Dice, run_all};

/// Admits one change; what is derived again from the log is what admission derived.
fn take(entity: &mut Entity, author: &Principal, change: Vec<u8>, origin: Origin) -> Vec<Conflict> {
    let verdict = judge(entity, author, vec![change], origin);
    assert_eq!(verdict.refused, None);
    let admitted = verdict.admitted.expect("it is admitted");
    let conflicts = admitted.conflicts().to_vec();
    let effects = admitted.effects().to_vec();
    let (mut next, draft, _) = admitted.into_parts();
    let sealed = draft.seal(GlobalSeq(entity.seq().0 + 1), NOW, entity.hash());
    let logged = Logged::of(&sealed.entry, sealed.hash);
    let mut again = entity.clone();
    let policy = entity.policy().clone();
    let derived = Derived::of(&mut again, logged, &policy).expect("it follows");
    let expected = Derived { effects, conflicts };
    assert_eq!(derived, expected);
    next.confirm(logged);
    *entity = next;
    expected.conflicts
}

fn client(entity: &Entity, name: &str, actor: u8) -> Client {
    Client::on(entity, name, actor)
}

fn one(found: Vec<Conflict>) -> Conflict {
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("there is one")
}

/// Both write before either sees the other; gives the conflicts of the second entry.
fn race(
    first: impl FnOnce(&mut Client) -> Vec<u8>,
    second: impl FnOnce(&mut Client) -> Vec<u8>,
) -> Vec<Conflict> {
    let mut entity = thing();
    let (mut dave, mut erin) = (client(&entity, "dave", 2), client(&entity, "erin", 1));
    let (first, second) = (first(&mut dave), second(&mut erin));
    let none = take(&mut entity, &dave.principal, first, Origin::Client);
    assert_eq!(none, []);
    take(&mut entity, &erin.principal, second, Origin::Client)
}

/// The same with the greater actor second.
fn race_back(
    first: impl FnOnce(&mut Client) -> Vec<u8>,
    second: impl FnOnce(&mut Client) -> Vec<u8>,
) -> Vec<Conflict> {
    let mut entity = thing();
    let (mut dave, mut erin) = (client(&entity, "dave", 2), client(&entity, "erin", 3));
    let (first, second) = (first(&mut dave), second(&mut erin));
    take(&mut entity, &dave.principal, first, Origin::Client);
    take(&mut entity, &erin.principal, second, Origin::Client)
}

fn put(
    path: &'static [&'static str],
    name: &'static str,
    value: &str,
) -> impl Fn(&mut Client) -> Vec<u8> {
    let value = value.to_owned();
    move |client| {
        let object = client.object(path);
        client.change(|tx| tx.put(&object, name, value.as_str()).unwrap())
    }
}

fn delete(path: &'static [&'static str]) -> impl Fn(&mut Client) -> Vec<u8> {
    move |client| {
        let object = client.object(path);
        client.change(|tx| tx.put(&object, "$deleted", true).unwrap())
    }
}

#[test]
fn the_entry_that_lost_records_both_values() {
    let lost = one(race(put(&[], "title", "D"), put(&[], "title", "E")));
    assert_eq!(lost.pointer.to_string(), "/title");
    assert_eq!(lost.outcome, Outcome::Lost);
    assert_eq!(lost.wrote, Some(json!("E")));
    assert_eq!(lost.other, Some(json!("D")));
    assert_eq!(lost.by.as_deref(), Some("dave"));
    assert!(lost.change.is_some());

    let replaced = one(race_back(put(&[], "title", "D"), put(&[], "title", "E")));
    assert_eq!(replaced.outcome, Outcome::Replaced);
    assert_eq!(replaced.wrote, Some(json!("E")));
    assert_eq!(replaced.other, Some(json!("D")));
    assert_eq!(race(put(&[], "title", "X"), put(&[], "title", "X")), []);
}

#[test]
fn every_shape_that_can_race_is_recorded() {
    let at = |path, name, a: &str, b: &str| {
        let found = one(race(put(path, name, a), put(path, name, b)));
        assert_eq!(found.outcome, Outcome::Lost);
        (found.pointer.to_string(), found.wrote, found.other)
    };
    let both = |pointer: &str| (pointer.to_owned(), Some(json!("b")), Some(json!("a")));
    assert_eq!(at(&["place"], "city", "a", "b"), both("/place/city"));
    assert_eq!(
        at(&["items", "i2"], "name", "a", "b"),
        both("/items/i2/name")
    );
    assert_eq!(
        at(&["labels", "x"], "text", "a", "b"),
        both("/labels/x/text")
    );
    let (pointer, wrote, other) = at(&[], "shape", "{\"w\":1}", "{\"w\":2}");
    assert_eq!(pointer, "/shape");
    assert_eq!(
        (wrote, other),
        (Some(json!({ "w": 2 })), Some(json!({ "w": 1 })))
    );
    let (pointer, ..) = at(&["items", "i2"], "$position", "h", "i");
    assert_eq!(pointer, "/items/i2/$position");

    let price = |value: i64| {
        move |client: &mut Client| {
            let prices = client.object(&["prices"]);
            client.change(|tx| tx.put(&prices, "tea", value).unwrap())
        }
    };
    let found = one(race(price(1), price(2)));
    assert_eq!(found.pointer.to_string(), "/prices/tea");
    assert_eq!(found.other, Some(json!(1)));

    let tag = |text: &'static str| {
        move |client: &mut Client| {
            let tags = client.object(&["tags"]);
            client.change(|tx| tx.put(&tags, 1, text).unwrap())
        }
    };
    let found = one(race(tag("x"), tag("y")));
    assert_eq!(found.pointer.to_string(), "/tags");
    assert_eq!(
        (found.wrote, found.other),
        (Some(json!("y")), Some(json!("x")))
    );
}

#[test]
fn counters_and_texts_merge() {
    let count = |client: &mut Client| client.change(|tx| tx.increment(ROOT, "hits", 2).unwrap());
    let mut entity = thing();
    let body = json!({ "hits": 1 });
    let actor = server_actor(entity.id(), entity.epoch(), "alice");
    let merged = merge(
        &entity,
        &editor("alice"),
        &actor,
        &body,
        &MergeOptions::default(),
    )
    .unwrap();
    let change = merged.changes.into_iter().next().expect("it differs");
    take(&mut entity, &editor("alice"), change, Origin::Server);
    let (mut dave, mut erin) = (client(&entity, "dave", 2), client(&entity, "erin", 1));
    let (first, second) = (count(&mut dave), count(&mut erin));
    take(&mut entity, &dave.principal, first, Origin::Client);
    assert_eq!(
        take(&mut entity, &erin.principal, second, Origin::Client),
        []
    );
    assert_eq!(entity.presented()["hits"], 5);

    let typing = |text: &'static str| {
        move |client: &mut Client| {
            let body = client.object(&["body"]);
            client.change(|tx| tx.splice_text(&body, 0, 1, text).unwrap())
        }
    };
    assert_eq!(race(typing("J"), typing("C")), []);
}

#[test]
fn a_removal_is_a_write_like_another() {
    let remove = |client: &mut Client| {
        let place = client.object(&["place"]);
        client.change(|tx| tx.delete(&place, "city").unwrap())
    };
    let lost = one(race(put(&["place"], "city", "Basel"), remove));
    assert_eq!((lost.outcome, lost.wrote), (Outcome::Lost, None));
    assert_eq!(lost.other, Some(json!("Basel")));
    let replaced = one(race(remove, put(&["place"], "city", "Basel")));
    assert_eq!(
        (replaced.outcome, replaced.other),
        (Outcome::Replaced, None)
    );
    assert_eq!(replaced.wrote, Some(json!("Basel")));
    assert_eq!(replaced.by.as_deref(), Some("dave"));
    assert!(replaced.change.is_some());
}

/// Of several who remove a value and write it again, the last one to remove it is named; what came
/// after the entry is not looked at.
#[test]
fn who_removed_a_value_is_named() {
    let remove = |client: &mut Client| {
        let place = client.object(&["place"]);
        client.change(|tx| tx.delete(&place, "city").unwrap())
    };
    for rounds in [1, 2, 9] {
        let mut entity = thing();
        let first = put(&["place"], "city", "Chur")(&mut client(&entity, "alice", 1));
        take(&mut entity, &editor("alice"), first, Origin::Client);
        let mut erin = client(&entity, "erin", 60);
        for round in 0..rounds {
            for (name, edit) in [("dave", false), ("carol", true)] {
                let actor = 10 + 2 * round + u8::from(edit);
                let mut other = client(&entity, name, actor);
                let change = match edit {
                    false => remove(&mut other),
                    true => put(&["place"], "city", "Bern")(&mut other),
                };
                take(&mut entity, &other.principal, change, Origin::Client);
            }
        }
        let mut bob = client(&entity, "bob", 50);
        let change = remove(&mut bob);
        take(&mut entity, &bob.principal, change, Origin::Client);
        let mut dave = client(&entity, "dave", 51);
        let change = put(&[], "title", "later")(&mut dave);
        take(&mut entity, &dave.principal, change, Origin::Client);
        let change = put(&["place"], "city", "Basel")(&mut erin);
        let replaced = one(take(&mut entity, &erin.principal, change, Origin::Client));
        assert_eq!(
            (replaced.by.as_deref(), replaced.other),
            (Some("bob"), None)
        );
    }
}

#[test]
fn a_move_of_an_item_that_is_deleted_is_recorded() {
    let item = &["items", "i2"];
    let lost = one(race(delete(item), put(item, "$position", "q")));
    let replaced = one(race(put(item, "$position", "q"), delete(item)));
    for (found, outcome) in [(lost, Outcome::Lost), (replaced, Outcome::Replaced)] {
        assert_eq!(found.pointer.to_string(), "/items/i2/$position");
        assert_eq!(found.outcome, outcome);
        assert_eq!(found.by.as_deref(), Some("dave"));
        assert_eq!(
            found.removed.expect("it was deleted").to_string(),
            "/items/i2"
        );
    }
}

#[test]
fn the_deletion_of_an_item_stands_beside_what_is_written_into_it() {
    let item = &["items", "i2"];
    let edit = |client: &mut Client| {
        let item = client.object(&["items", "i2"]);
        let note = client
            .doc
            .get(&item, "note")
            .unwrap()
            .expect("it is made")
            .1;
        client.change(|tx| {
            tx.put(&item, "name", "renamed").unwrap();
            tx.splice_text(&note, 0, 0, "typed").unwrap();
        })
    };
    for (found, outcome) in [
        (race(delete(item), edit), Outcome::Lost),
        (race(edit, delete(item)), Outcome::Replaced),
    ] {
        let told: Vec<(String, Option<Value>)> = found
            .iter()
            .map(|conflict| {
                assert_eq!(conflict.outcome, outcome);
                let removed = conflict.removed.as_ref().expect("the item was deleted");
                assert_eq!(removed.to_string(), "/items/i2");
                let value = match outcome {
                    Outcome::Lost => &conflict.wrote,
                    Outcome::Replaced => &conflict.other,
                };
                (conflict.pointer.to_string(), value.clone())
            })
            .collect();
        let expected = [("/items/i2/name", "renamed"), ("/items/i2/note", "typed")];
        let expected = expected.map(|(at, value)| (at.to_owned(), Some(json!(value))));
        assert_eq!(told, expected);
    }
    // Two deletions agree, and an author who edits an item before deleting it has seen that.
    assert_eq!(race(delete(item), delete(item)), []);
    let both = |client: &mut Client| {
        let item = client.object(&["items", "i2"]);
        client.change(|tx| {
            tx.put(&item, "name", "bye").unwrap();
            tx.put(&item, "$deleted", true).unwrap();
        })
    };
    assert_eq!(race(put(&[], "title", "T"), both), []);
}

#[test]
fn what_is_written_from_an_earlier_value_replaces_what_came_since() {
    let mut entity = thing();
    let base = Base {
        value: entity.presented(),
        heads: entity.heads(),
        earlier: None,
    };
    let mut write = |author: &Principal, mut change: Value, base: Option<&Base>| {
        let mut body = base.map_or_else(|| json!({}), |base| base.value.clone());
        let fields = change.as_object_mut().expect("an object");
        body.as_object_mut().expect("an object").append(fields);
        let actor = server_actor(entity.id(), entity.epoch(), &author.id);
        let options = MergeOptions {
            base: base.cloned(),
            absent: if base.is_some() {
                Absent::Removed
            } else {
                Absent::Stays
            },
            ..MergeOptions::default()
        };
        let merged = merge(&entity, author, &actor, &body, &options).unwrap();
        let change = merged.changes.into_iter().next().expect("it differs");
        take(&mut entity, author, change, Origin::Server)
    };
    let (alice, bob) = (editor("alice"), editor("bob"));
    assert_eq!(write(&alice, json!({ "title": "A" }), None), []);
    let replaced = one(write(
        &bob,
        json!({ "title": "B", "tagline": "new" }),
        Some(&base),
    ));
    assert_eq!(replaced.pointer.to_string(), "/title");
    assert_eq!(replaced.outcome, Outcome::Replaced);
    assert_eq!(replaced.wrote, Some(json!("B")));
    assert_eq!(replaced.other, Some(json!("A")));
    assert_eq!(replaced.by.as_deref(), Some("alice"));
    // An author who writes twice from one value has seen the first of both.
    assert_eq!(write(&bob, json!({ "title": "C" }), Some(&base)), []);
    let present = write(&alice, json!({ "title": "D" }), None);
    assert_eq!(present, []);
}

/// A field of the model and what can be written there.
const FIELDS: [(&[&str], &str, &str); 6] = [
    (&[], "title", "/title"),
    (&[], "tagline", "/tagline"),
    (&["place"], "city", "/place/city"),
    (&["items", "i1"], "name", "/items/i1/name"),
    (&["items", "i2"], "$position", "/items/i2/$position"),
    (&["labels", "x"], "text", "/labels/x/text"),
];

/// One write of the model.
struct Write {
    id: (u64, u8),
    field: usize,
    /// `None`: removed.
    value: Option<String>,
    /// The writes that its author had seen.
    seen: BTreeSet<usize>,
}

/// The writes of a field that nothing among `known` has overwritten, the current value last.
fn held(log: &[Write], field: usize, known: &BTreeSet<usize>) -> Vec<usize> {
    let over = |index: &usize| {
        let mut later = known.iter().filter(|other| log[**other].field == field);
        later.any(|other| log[*other].seen.contains(index))
    };
    let own = known.iter().copied();
    let mut held: Vec<usize> = own
        .filter(|index| log[*index].field == field && log[*index].value.is_some() && !over(index))
        .collect();
    held.sort_by_key(|index| log[*index].id);
    held
}

fn expected(
    log: &[Write],
    before: &BTreeSet<usize>,
    own: usize,
) -> Option<(Outcome, Option<String>, Option<String>)> {
    let write = &log[own];
    let mut after = before.clone();
    after.insert(own);
    let value = |index: usize| log[index].value.clone();
    let (was, is) = (
        held(log, write.field, before),
        held(log, write.field, &after),
    );
    let Some(stood) = was.last().copied() else {
        let saw = !held(log, write.field, &write.seen).is_empty();
        return (saw && write.value.is_some()).then(|| (Outcome::Replaced, value(own), None));
    };
    if write.seen.contains(&stood) || log[stood].id.1 == write.id.1 {
        return None;
    }
    let told = match is.last().copied() {
        Some(stands) if stands != own => (Outcome::Lost, value(own), value(stands)),
        _ => (Outcome::Replaced, value(own), value(stood)),
    };
    (told.1 != told.2).then_some(told)
}

#[test]
fn random_histories_agree_with_a_model() {
    run_all(|seed| {
        let mut dice = Dice(seed ^ 0x5eed);
        let mut entity = thing();
        let mut clients: Vec<(Client, BTreeSet<usize>)> = ["dave", "erin", "frida"]
            .iter()
            .zip(1..)
            .map(|(name, actor)| (client(&entity, name, actor), BTreeSet::new()))
            .collect();
        // What the fixture holds is a write that all have seen.
        let mut log: Vec<Write> = Vec::new();
        for (field, (path, name, _)) in FIELDS.iter().enumerate() {
            let object = clients[0].0.object(path);
            let held = clients[0].0.doc.get(&object, *name).unwrap();
            let value = held.map(|(value, _)| value.as_str().unwrap().to_owned());
            let seen = BTreeSet::new();
            log.push(Write {
                id: (0, 0),
                field,
                value,
                seen,
            });
        }
        for (_, seen) in &mut clients {
            seen.extend(0..log.len());
        }
        let mut in_log: BTreeSet<usize> = (0..log.len()).collect();
        // Written, not admitted yet, in the order of each client.
        let mut waiting: Vec<std::collections::VecDeque<(usize, Vec<u8>)>> =
            vec![std::collections::VecDeque::new(); clients.len()];
        for _ in 0..60 {
            let who = dice.below(clients.len());
            match dice.below(5) {
                0 | 1 => {
                    let field = dice.below(FIELDS.len());
                    let (path, name, _) = FIELDS[field];
                    let (client, seen) = &mut clients[who];
                    let object = client.object(path);
                    let held = client.doc.get(&object, name).unwrap();
                    let held = held.map(|(value, _)| value.as_str().unwrap().to_owned());
                    let removes = held.is_some()
                        && name != "title"
                        && name != "$position"
                        && dice.below(4) == 0;
                    let value = ["a", "b", "c", "d"][dice.below(4)].to_owned();
                    let value = (!removes).then_some(value);
                    if value == held {
                        continue;
                    }
                    let change = client.change(|tx| match &value {
                        Some(value) => tx.put(&object, name, value.as_str()).unwrap(),
                        None => tx.delete(&object, name).unwrap(),
                    });
                    let parsed = Change::try_from(change.as_slice()).unwrap();
                    let id = (parsed.start_op().get(), u8::try_from(who + 1).unwrap());
                    assert_eq!(parsed.actor_id(), &ActorId::from([id.1; 16]));
                    log.push(Write {
                        id,
                        field,
                        value,
                        seen: seen.clone(),
                    });
                    let own = log.len() - 1;
                    seen.insert(own);
                    waiting[who].push_back((own, change));
                }
                2 | 3 => {
                    let Some((own, change)) = waiting[who].pop_front() else {
                        continue;
                    };
                    let author = clients[who].0.principal.clone();
                    let found = take(&mut entity, &author, change, Origin::Client);
                    let told = found.into_iter().map(|found| {
                        assert_eq!(found.pointer.to_string(), FIELDS[log[own].field].2);
                        let text = |value: Option<Value>| {
                            value.map(|value| value.as_str().unwrap().to_owned())
                        };
                        (found.outcome, text(found.wrote), text(found.other))
                    });
                    let told: Vec<_> = told.collect();
                    assert_eq!(told, Vec::from_iter(expected(&log, &in_log, own)));
                    in_log.insert(own);
                }
                _ => {
                    let (client, seen) = &mut clients[who];
                    let doc = entity.document();
                    let mut all = automerge::Automerge::load_with_options(
                        &doc,
                        automerge::LoadOptions::new()
                            .text_encoding(automerge::TextEncoding::Utf16CodeUnit),
                    )
                    .unwrap();
                    client.doc.merge(&mut all).unwrap();
                    seen.extend(&in_log);
                }
            }
        }
    });
}
