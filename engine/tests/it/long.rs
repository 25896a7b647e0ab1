//! Guards against long texts and lists that merge worse than short ones: what both sides kept must
//! stay the same elements, at every length, so that nothing is doubled and no edit is lost.

use std::collections::HashSet;
use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{Automerge, Change, Cursor, ROOT, ReadDoc};
use indelible_engine::admission::Origin;
use indelible_engine::change::server_actor;
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::policy::Policy;
use serde_json::{Value, json};

use crate::fixture::{Client, compiled, created, editor, made_of, next, write};

fn policy() -> Arc<Policy> {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "history": ["editor"] },
        "properties": {
            "body": { "type": "string", "x-indelible": { "merge": "text" } },
            "tags": { "type": "array", "items": { "type": "string" } },
            "items": { "type": "array", "items": { "type": "object", "properties": {
                "name": { "type": "string" } } } },
        },
    });
    compiled(&schema)
}

fn page(value: &Value) -> Entity {
    created(&policy(), value)
}

/// The entity after `author` has put `body`, which was made of `base`.
fn put(entity: &Entity, author: &str, body: &Value, base: &Entity) -> Entity {
    let author = editor(author);
    next(write(entity, &author, body, &made_of(base), Origin::Server).unwrap())
}

/// A page with a long text and a long list, as a replica that got both would hold it: more than one
/// change could write.
fn long_page(length: usize) -> Entity {
    let id: EntityId = "page/one".parse().unwrap();
    let genesis = Entity::genesis(&id, Epoch::FIRST, &policy());
    let mut client = Client::on(&genesis, "alice", 5);
    let (body, tags) = (client.object(&["body"]), client.object(&["tags"]));
    client.change(|tx| {
        tx.splice_text(&body, 0, 0, &sentence(length)).unwrap();
        let tags_of = (0..length.min(100_000)).map(|n| format!("tag {n}"));
        tx.splice(&tags, 0, 0, tags_of.map(automerge::ScalarValue::from))
            .unwrap();
    });
    let place = (genesis.seq(), genesis.hash());
    let document = client.doc.save();
    Entity::from_document(
        genesis.id(),
        Epoch::FIRST,
        genesis.policy(),
        &document,
        place,
    )
    .unwrap()
}

/// Some elements of a text or list by their Automerge ids.
fn elements(doc: &Automerge, field: &str, places: impl Iterator<Item = usize>) -> Vec<Cursor> {
    let (_, object) = doc.get(ROOT, field).unwrap().unwrap();
    places
        .map(|place| doc.get_cursor(&object, place, None).unwrap())
        .collect()
}

fn sentence(length: usize) -> String {
    let words = ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur"];
    let text: Vec<String> = (0..length / 6)
        .map(|n| format!("{}{}", words[n * n % 6], n * 7 % 31))
        .collect();
    let text: String = text.join(" ").chars().take(length).collect();
    assert_eq!(text.len(), length);
    text
}

#[test]
fn two_edits_of_a_long_text_are_both_there_once() {
    for length in [2_050, 9_000] {
        let text = sentence(length);
        let first = page(&json!({ "body": text }));
        let rest = text.split_once(' ').unwrap().1;
        let bob = json!({ "body": format!("BOB {rest} This is by Bob.") });
        let carol = json!({ "body": format!("CAROL {rest} This is by Carol.") });
        let second = put(&first, "bob", &bob, &first);
        let third = put(&second, "carol", &carol, &first);
        let body = third.presented()["body"].as_str().unwrap().to_owned();
        assert_eq!(
            body.matches(rest).count(),
            1,
            "what both kept is there once"
        );
        for edit in ["BOB", "CAROL", " This is by Bob.", " This is by Carol."] {
            assert!(body.contains(edit), "{edit}");
        }
        let added = "BOB  This is by Bob.CAROL This is by Carol.".len();
        assert_eq!(body.len(), rest.len() + added);
    }
}

#[test]
fn two_edits_of_a_text_without_blanks_are_both_there_once() {
    let text: String = (0..6_000_u32)
        .map(|n| char::from_u32(0x4E00 + n * n % 3_001).unwrap())
        .collect();
    let first = page(&json!({ "body": text }));
    let edit = |who: &str| {
        let middle: String = text.chars().skip(3).collect();
        json!({ "body": format!("{who}🦀{middle}{who}") })
    };
    let second = put(&first, "bob", &edit("bob"), &first);
    let third = put(&second, "carol", &edit("carol"), &first);
    let body = third.presented()["body"].as_str().unwrap().to_owned();
    assert_eq!(body.chars().count(), 5_997 + 2 * (3 + 5) + 2);
    assert!(body.starts_with("carol🦀bob🦀") && body.ends_with("carolbob"));
}

#[test]
fn two_edits_of_a_long_list_are_both_there_once() {
    let tags: Vec<String> = (0..3_000).map(|n| format!("tag {n}")).collect();
    let first = page(&json!({ "tags": tags }));
    let edit = |who: &str| {
        let mut tags = tags[1..].to_vec();
        tags.push(who.to_owned());
        json!({ "tags": tags })
    };
    let second = put(&first, "bob", &edit("bob"), &first);
    let third = put(&second, "carol", &edit("carol"), &first);
    let mut expected = tags[1..].to_vec();
    expected.extend(["carol".to_owned(), "bob".to_owned()]);
    assert_eq!(third.presented()["tags"], json!(expected));
}

#[test]
fn kept_elements_are_the_same_elements() {
    for length in [100_000, 1_000_000] {
        let entity = long_page(length);
        let value = entity.presented();
        let text = value["body"].as_str().unwrap();
        let rest = text.split_once(' ').unwrap().1;
        let cut = length - rest.len();
        let mut tags = value["tags"].as_array().unwrap()[1..].to_vec();
        tags.push(json!("new"));
        let text = format!("OTHER {} WORDS.", &rest[..rest.len() - 40]);
        let body = json!({ "body": text, "tags": tags });
        let actor = server_actor(entity.id(), entity.epoch(), "bob");
        let options = MergeOptions::default();
        let merged = merge(&entity, &editor("bob"), &actor, &body, &options).unwrap();
        let mut doc = Client::on(&entity, "reader", 9).doc;
        let sampled = |field: &str, by: usize| {
            let end = if field == "tags" {
                tags.len()
            } else {
                length - 40
            };
            (cut..end).step_by(997).map(move |place| place + by - cut)
        };
        let before = ["body", "tags"].map(|field| elements(&doc, field, sampled(field, cut)));
        let change = Change::try_from(merged.changes[0].as_slice()).unwrap();
        assert!(change.len() < 100, "{} operations", change.len());
        doc.apply_changes([change]).unwrap();
        // The first word went from the text, and the first element from the list.
        for (field, by, before) in [("body", 6, &before[0]), ("tags", cut - 1, &before[1])] {
            let after = elements(&doc, field, sampled(field, by));
            assert_eq!(&after, before, "{field} of {length}");
        }
    }
}

#[test]
fn a_whole_keyed_list_in_another_order_is_one_merge() {
    let item = |n: usize| json!({ "id": format!("i{n}"), "name": format!("item {n}") });
    let items: Vec<Value> = (0..2_000).map(item).collect();
    let first = page(&json!({ "items": items }));
    assert_eq!(first.presented()["items"], json!(items));
    let mut turned = items.clone();
    turned.reverse();
    let mut rotated = items[1..].to_vec();
    rotated.push(items[0].clone());
    for order in [turned, rotated] {
        let after = put(&first, "bob", &json!({ "items": order }), &first);
        assert_eq!(after.presented()["items"], json!(order));
    }
}

#[test]
fn many_new_items_in_one_place_move_nobody_elses() {
    let item = |n: usize| json!({ "id": format!("i{n}"), "name": format!("item {n}") });
    let items: Vec<Value> = (0..10).map(item).collect();
    let first = page(&json!({ "items": items }));
    let mut body = items.clone();
    body.splice(
        5..5,
        (0..1_000).map(|n| json!({ "name": format!("new {n}") })),
    );
    let after = put(&first, "bob", &json!({ "items": body }), &first);
    let names = |value: &Value| -> Vec<Value> {
        let items = value["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].clone()).collect()
    };
    assert_eq!(names(&after.presented()), names(&json!({ "items": body })));
    let position = |entity: &Entity, id: &str| {
        let client = Client::on(entity, "reader", 9);
        let item = client.object(&["items", id]);
        client
            .doc
            .get(&item, "$position")
            .unwrap()
            .unwrap()
            .0
            .to_string()
    };
    for n in 0..10 {
        let id = format!("i{n}");
        assert_eq!(
            position(&first, &id),
            position(&after, &id),
            "{id} did not move"
        );
    }
}

/// A text or list as its elements, each with a mark that stays with it.
type Model = Vec<(u32, char)>;

/// Numbers that look random, the same in every run (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// `base` with some stretches removed and some replaced by letters that nobody else writes.
    fn edited(&mut self, base: &Model, letters: &[char], next: &mut u32) -> Model {
        let mut places: Vec<usize> = (0..6).map(|_| self.below(base.len())).collect();
        places.sort_unstable();
        let mut edited = Vec::new();
        let mut done = 0;
        for place in places.into_iter().filter(|place| *place % 40 > 3) {
            if place < done {
                continue;
            }
            edited.extend_from_slice(&base[done..place]);
            for _ in 0..self.below(5) {
                *next += 1;
                edited.push((*next, letters[self.below(letters.len())]));
            }
            done = (place + self.below(20)).min(base.len());
        }
        edited.extend_from_slice(&base[done..]);
        edited
    }
}

/// The elements of `base` that are left of it, by identity: what either removed is gone.
fn kept_by_both<'a>(
    base: &'a Model,
    one: &Model,
    other: &Model,
) -> impl Iterator<Item = &'a (u32, char)> {
    let marks = |model: &Model| -> HashSet<u32> { model.iter().map(|(mark, _)| *mark).collect() };
    let (one, other) = (marks(one), marks(other));
    base.iter()
        .filter(move |(mark, _)| one.contains(mark) && other.contains(mark))
}

/// A model as the value of a text or of a list of letters.
fn value(field: &str, model: &Model) -> Value {
    let letters = model.iter().map(|(_, letter)| letter.to_string());
    match field {
        "body" => json!({ field: letters.collect::<String>() }),
        _ => json!({ field: letters.collect::<Vec<_>>() }),
    }
}

/// The letters of a text or list.
fn read(entity: &Entity, field: &str) -> String {
    match &entity.presented()[field] {
        Value::String(text) => text.clone(),
        list => {
            let letters = list.as_array().unwrap().iter();
            letters.map(|letter| letter.as_str().unwrap()).collect()
        }
    }
}

#[test]
fn random_edits_of_long_values_merge_by_identity() {
    for (seed, field) in (1..=12).flat_map(|seed| [(seed, "body"), (seed, "tags")]) {
        let mut numbers = Numbers(seed * 0x9E37_79B9);
        let mut next = 3_000;
        // Every letter once in 700, so that no two versions are alike by chance.
        let letter = |n: u32| char::from_u32(0x4E00 + n * 211 % 701).unwrap();
        let base: Model = (0..3_000).map(|n| (n, letter(n))).collect();
        let bobs = numbers.edited(&base, &['b', 'B', '🦀'], &mut next);
        let carols = numbers.edited(&base, &['c', 'C', 'ç'], &mut next);
        let first = page(&value(field, &base));
        let second = put(&first, "bob", &value(field, &bobs), &first);
        let merged = read(
            &put(&second, "carol", &value(field, &carols), &first),
            field,
        );
        let only = |allowed: &dyn Fn(char) -> bool| -> String {
            merged.chars().filter(|letter| allowed(*letter)).collect()
        };
        let is_old = |letter: char| ('\u{4E00}'..'\u{5200}').contains(&letter);
        let left: String = kept_by_both(&base, &bobs, &carols)
            .map(|(_, c)| c)
            .collect();
        assert_eq!(
            only(&is_old),
            left,
            "seed {seed}, {field}: what both kept, in order, once"
        );
        for (own, letters) in [(&bobs, ['b', 'B', '🦀']), (&carols, ['c', 'C', 'ç'])] {
            let written = own.iter().map(|(_, letter)| *letter);
            let written: String = written.filter(|letter| letters.contains(letter)).collect();
            let found = only(&|letter| letters.contains(&letter));
            assert_eq!(found, written, "seed {seed}, {field}: what each wrote");
        }
    }
}
