//! Guards against a proposal of many edits being decided otherwise than its edits would be one after
//! the other. Edits that directly follow one another are judged and applied in one go, so what one
//! of them makes must be no newer to the next than it would be in the document.

use automerge::transaction::{Transactable, Transaction};
use automerge::{ActorId, AutomergeError, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use indelible_engine::admission::{Origin, Verdict};
use indelible_engine::entity::Entity;
use indelible_engine::violation::Refusal;

use crate::fixture::{Client, judge, thing};
use crate::history::{Dice, run_all};

/// The object at a path as a transaction sees it.
fn object(tx: &Transaction<'_>, path: &[&str]) -> Option<ObjId> {
    path.iter().try_fold(ROOT, |object, name| {
        let (value, id) = tx.get(&object, *name).ok()??;
        value.is_object().then_some(id)
    })
}

/// An item of `items`, complete or not.
fn add_item(tx: &mut Transaction<'_>, id: &str, parts: usize) -> Result<(), AutomergeError> {
    let Some(list) = object(tx, &["items"]) else {
        return Ok(());
    };
    let item = tx.put_object(&list, id, ObjType::Map)?;
    if parts > 0 {
        tx.put(&item, "$position", "n")?;
        tx.put_object(&item, "note", ObjType::Text)?;
        tx.put_object(&item, "tags", ObjType::List)?;
    }
    if parts > 1 {
        tx.put(&item, "serial", "s9")?;
    }
    Ok(())
}

/// An item of `guarded`, with the default of its text or without.
fn add_guarded(tx: &mut Transaction<'_>, id: &str, filled: bool) -> Result<(), AutomergeError> {
    let Some(list) = object(tx, &["guarded"]) else {
        return Ok(());
    };
    let item = tx.put_object(&list, id, ObjType::Map)?;
    tx.put(&item, "$position", "n")?;
    let story = tx.put_object(&item, "story", ObjType::Text)?;
    tx.put_object(&item, "marks", ObjType::List)?;
    if filled {
        tx.splice_text(&story, 0, 0, "Öl 🦀")?;
    }
    Ok(())
}

/// Something that an item of `items` may meet after it was made.
fn edit_item(tx: &mut Transaction<'_>, id: &str, dice: &mut Dice) -> Result<(), AutomergeError> {
    let Some(item) = object(tx, &["items", id]) else {
        return Ok(());
    };
    match dice.below(9) {
        0 => tx.put(&item, "name", "uno"),
        1 => tx.put(&item, "$position", ["a", "m", "zz"][dice.below(3)]),
        2 => tx.put(&item, "$deleted", dice.below(2) == 0),
        3 => tx.delete(&item, "$deleted"),
        4 => tx.put(&item, "serial", "later"),
        5 if dice.below(2) == 0 => tx.put_object(&item, "note", ObjType::Text).map(drop),
        6 => tx.delete(&item, "$position"),
        7 => match object(tx, &["items", id, "tags"]) {
            Some(tags) => tx.insert(&tags, 0, "t"),
            None => Ok(()),
        },
        _ => match object(tx, &["items", id, "note"]) {
            Some(note) => tx.splice_text(&note, 0, 0, "n"),
            None => Ok(()),
        },
    }
}

fn edit(tx: &mut Transaction<'_>, dice: &mut Dice) -> Result<(), AutomergeError> {
    let new = ["n1", "n1", "n2"][dice.below(3)];
    match dice.below(16) {
        0 | 1 => {
            let body = object(tx, &["body"]).expect("made with the entity");
            let length = tx.length(&body);
            match dice.below(3) {
                0 if length > 0 => tx.splice_text(&body, dice.below(length), 1, ""),
                _ => tx.splice_text(&body, dice.below(length + 1), 0, "x"),
            }
        }
        2 => tx.put(ROOT, "title", format!("t{}", dice.below(100))),
        3 => tx.increment(ROOT, "hits", 1),
        4 | 5 if object(tx, &["items", new]).is_none() || dice.below(8) == 0 => {
            add_item(tx, new, usize::from(dice.below(8) > 0) + dice.below(2))
        }
        6..=8 => edit_item(tx, new, dice),
        9 => edit_item(tx, ["i1", "i2"][dice.below(2)], dice),
        10 if object(tx, &["guarded", new]).is_none() => add_guarded(tx, new, dice.below(2) == 0),
        11 => match object(tx, &["guarded", new, "story"]) {
            Some(story) => tx.splice_text(&story, 0, 0, "Öl 🦀"),
            None => Ok(()),
        },
        12 => match object(tx, &["prices"]) {
            Some(prices) => tx.put(&prices, "net", dice.below(9) as f64),
            None => Ok(()),
        },
        13 => match object(tx, &["labels"]) {
            Some(labels) => tx.put_object(&labels, new, ObjType::Map).map(drop),
            None => Ok(()),
        },
        14 if dice.below(6) == 0 => tx.put(ROOT, "rating", 5),
        15 if dice.below(6) == 0 => tx.put(ROOT, "hits", ScalarValue::counter(1)),
        _ => match object(tx, &["tags"]) {
            Some(tags) => tx.insert(&tags, 0, "t"),
            None => Ok(()),
        },
    }
}

/// A client's edits, each one change, now and then under another actor of the client's.
pub(crate) fn edits(client: &mut Client, dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut changes = Vec::new();
    let own = client.doc.get_actor().to_bytes()[0];
    for _ in 0..=dice.below(12) {
        if dice.below(4) == 0 {
            let actor = own % 100 + 100 * [0, 1][dice.below(2)];
            client.doc.set_actor(ActorId::from([actor; 16]));
        }
        let mut tx = client.doc.transaction();
        edit(&mut tx, dice).expect("Automerge takes it");
        if let (Some(hash), _) = tx.commit() {
            let change = client.doc.get_change_by_hash(&hash);
            changes.push(change.expect("just made").raw_bytes().to_vec());
        }
    }
    changes
}

/// What counts of a refusal: code, place, and each violation.
fn told(refusal: &Refusal) -> Vec<String> {
    let mut told = vec![refusal.code.to_string()];
    let violations = refusal.violations.iter();
    told.extend(violations.map(|v| {
        let (change, rule, pointer) = (v.change, &v.rule, &v.pointer);
        format!("{change} {rule} {pointer} {:?} {}", v.ops, v.message)
    }));
    told
}

/// The changes one after the other, each as a proposal of its own, up to the first refused one.
fn singly(
    entity: &Entity,
    client: &Client,
    changes: &[Vec<u8>],
) -> (Entity, Option<(usize, Verdict)>) {
    let mut entity = entity.clone();
    for (index, change) in changes.iter().enumerate() {
        let verdict = judge(
            &entity,
            &client.principal,
            vec![change.clone()],
            Origin::Client,
        );
        if verdict.refused.is_some() {
            return (entity, Some((index, verdict)));
        }
        entity = verdict.admitted.expect("not refused").into_parts().0;
    }
    (entity, None)
}

#[test]
fn many_edits_are_decided_as_one_after_the_other() {
    run_all(|seed| {
        let mut dice = Dice(seed);
        let mut entity = thing();
        let mut bob = Client::on(&entity, "bob", 1);
        if dice.below(2) == 0 {
            let mut carol = Client::on(&entity, "carol", 2);
            let changes = edits(&mut carol, &mut dice);
            entity = singly(&entity, &carol, &changes).0;
        }
        let changes = edits(&mut bob, &mut dice);
        if changes.is_empty() {
            return;
        }
        let (next, end) = singly(&entity, &bob, &changes);
        let verdict = judge(&entity, &bob.principal, changes.clone(), Origin::Client);
        let admitted = verdict
            .admitted
            .as_ref()
            .map_or(&entity, |admitted| admitted.entity());
        assert_eq!(admitted.presented(), next.presented());
        assert_eq!(admitted.heads(), next.heads());
        match end {
            None => assert_eq!((verdict.refused, verdict.dropped.len()), (None, 0)),
            Some((index, single)) => {
                let mut single = single.refused.expect("it ended there");
                for violation in &mut single.violations {
                    violation.change += index;
                }
                let refusal = verdict.refused.expect("the edit is refused alone");
                assert_eq!(told(&refusal), told(&single));
                assert_eq!(verdict.dropped.len(), changes.len() - index);
            }
        }
    });
}

type Edit = fn(&mut Transaction<'_>) -> Result<(), AutomergeError>;

/// Changes by one client; which of them are admitted and what is said of the first that is not.
fn check(changes: &[Edit], expect: &str) {
    let entity = thing();
    let mut bob = Client::on(&entity, "bob", 1);
    let changes: Vec<Vec<u8>> = changes
        .iter()
        .map(|edit| bob.change(|tx| edit(tx).expect("Automerge takes it")))
        .collect();
    let verdict = judge(&entity, &bob.principal, changes.clone(), Origin::Client);
    let admitted = verdict
        .admitted
        .map_or(0, |admitted| admitted.draft().changes.len());
    let mut found = format!("{admitted} of {}", changes.len());
    for violation in verdict
        .refused
        .iter()
        .flat_map(|refusal| &refusal.violations)
    {
        found += &format!(", {} {}", violation.rule, violation.pointer);
    }
    assert_eq!(found, expect);
}

fn at(tx: &Transaction<'_>, path: &[&str]) -> ObjId {
    object(tx, path).expect("it was made before")
}

#[test]
fn what_one_edit_makes_is_not_new_to_the_next() {
    let item = |tx: &mut Transaction<'_>| add_item(tx, "n1", 1);
    let bare = |tx: &mut Transaction<'_>| add_item(tx, "n1", 0);
    let guarded = |tx: &mut Transaction<'_>| add_guarded(tx, "n1", false);
    check(
        &[item, |tx| tx.put(at(tx, &["items", "n1"]), "name", "uno")],
        "2 of 2",
    );
    check(
        &[item, |tx| tx.put(at(tx, &["items", "n1"]), "serial", "s")],
        "1 of 2, create /items/n1/serial",
    );
    check(
        &[item, |tx| {
            tx.put_object(at(tx, &["items", "n1"]), "note", ObjType::Text)
                .map(drop)
        }],
        "1 of 2, container /items/n1/note",
    );
    check(&[item, item], "1 of 2, exists /items/n1");
    check(
        &[bare, |tx| {
            tx.put(at(tx, &["items", "n1"]), "$position", "n")
        }],
        "0 of 2, incomplete /items/n1/note, incomplete /items/n1/tags, \
         incomplete /items/n1/$position",
    );
    check(
        &[guarded, |tx| {
            tx.splice_text(at(tx, &["guarded", "n1", "story"]), 0, 0, "Öl 🦀")
        }],
        "1 of 2, write /guarded/n1/story",
    );
}

#[test]
fn registers_that_edits_write_twice_keep_a_value() {
    let moved = |tx: &mut Transaction<'_>| tx.put(at(tx, &["items", "i1"]), "$position", "m");
    check(
        &[moved, |tx| {
            tx.put(at(tx, &["items", "i1"]), "$position", "q")
        }],
        "2 of 2",
    );
    check(
        &[moved, |tx| tx.delete(at(tx, &["items", "i1"]), "$position")],
        "1 of 2, position /items/i1/$position",
    );
}

#[test]
fn the_edit_that_makes_a_text_too_long_is_found_among_many() {
    let grow: Edit = |tx: &mut Transaction<'_>| {
        let body = at(tx, &["body"]);
        tx.splice_text(body, 0, 0, "ten more..")
    };
    let count: Edit = |tx| tx.increment(ROOT, "hits", 1);
    check(&[grow; 8], "8 of 8");
    // 11 characters were there, 100 may be.
    check(&[grow; 20], "8 of 20, maxLength /body");
    check(
        &[
            grow, grow, grow, grow, count, grow, grow, grow, grow, grow, count,
        ],
        "9 of 11, maxLength /body",
    );
    check(&[grow, count, count], "3 of 3");
}

#[test]
fn the_first_edit_that_is_refused_is_found_wherever_it_is() {
    let count: Edit = |tx| tx.increment(ROOT, "hits", 1);
    let stray: Edit = |tx| tx.put(ROOT, "unheard", 1);
    for first in 0..9 {
        let mut edits = [count; 9];
        edits[first] = stray;
        check(&edits, &format!("{first} of 9, unknown-field /unheard"));
    }
}
