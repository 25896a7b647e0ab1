//! Somebody who edits a thing of the fixture at random, with Automerge alone.

use automerge::transaction::{Transactable, Transaction};
use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use indelible_engine::entity::Entity;

use crate::fixture::Client;

/// `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 32) as usize % n
    }

    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    fn word(&mut self) -> String {
        let letters = ['a', 'b', 'c', 'é', '漢', '🦀'];
        (0..self.between(1, 3))
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

pub(crate) struct Writer {
    pub(crate) doc: Automerge,
    made: usize,
    name: &'static str,
}

impl Writer {
    pub(crate) fn on(entity: &Entity, name: &'static str, actor: u8) -> Self {
        let doc = Client::on(entity, name, actor).doc;
        Self {
            doc,
            made: usize::from(actor) << 8,
            name,
        }
    }

    /// Takes in what the server has by now.
    pub(crate) fn catch_up(&mut self, server: &Entity) {
        let mut theirs = Client::on(server, "server", 0xdd).doc;
        self.doc.merge(&mut theirs).unwrap();
    }

    /// One change that only types into the body, near its beginning.
    pub(crate) fn typed(&mut self, dice: &mut Dice) -> Vec<u8> {
        let mut tx = self.doc.transaction();
        for _ in 0..dice.between(1, 2) {
            let body = child(&tx, &ROOT, "body");
            let letter = char::from(b'a' + u8::try_from(dice.below(26)).unwrap());
            tx.splice_text(&body, dice.below(6), 0, &letter.to_string())
                .unwrap();
        }
        let (hash, _) = tx.commit();
        let change = self.doc.get_change_by_hash(&hash.unwrap()).unwrap();
        change.raw_bytes().to_vec()
    }

    /// One change with a new atomic value, or none any more, among other edits.
    pub(crate) fn shaped(&mut self, dice: &mut Dice) -> Option<Vec<u8>> {
        let before = self.doc.clone();
        let mut tx = self.doc.transaction();
        for _ in 0..dice.between(1, 3) {
            if dice.percent(70) {
                shape(&mut tx, dice);
            } else {
                self.made += 1;
                let new = format!("{}{}", self.name, self.made);
                step(&mut tx, &before, &new, dice);
            }
        }
        let (hash, _) = tx.commit();
        let change = self.doc.get_change_by_hash(&hash?)?;
        Some(change.raw_bytes().to_vec())
    }

    /// One change of a few edits; none when they come to nothing.
    pub(crate) fn edit(&mut self, dice: &mut Dice) -> Option<Vec<u8>> {
        let before = self.doc.clone();
        let mut tx = self.doc.transaction();
        for _ in 0..dice.between(1, 4) {
            self.made += 1;
            let new = format!("{}{}", self.name, self.made);
            step(&mut tx, &before, &new, dice);
        }
        let (hash, _) = tx.commit();
        let change = self.doc.get_change_by_hash(&hash?)?;
        Some(change.raw_bytes().to_vec())
    }
}

fn child(tx: &Transaction<'_>, object: &ObjId, name: &str) -> ObjId {
    tx.get(object, name)
        .unwrap()
        .expect("the schema declares it")
        .1
}

fn step(tx: &mut Transaction<'_>, before: &Automerge, new: &str, dice: &mut Dice) {
    match dice.below(20) {
        // Most at two places, so that edits meet there.
        13..=15 => register(tx, &ROOT, "tagline", dice),
        16..=19 => {
            let body = child(tx, &ROOT, "body");
            splice(tx, &body, dice);
        }
        0 => tx.put(ROOT, "title", dice.word()).unwrap(),
        1 => register(tx, &ROOT, ["tagline", "number"][dice.below(2)], dice),
        2..=4 => {
            let body = child(tx, &ROOT, "body");
            splice(tx, &body, dice);
        }
        5 => {
            let tags = child(tx, &ROOT, "tags");
            list(tx, &tags, dice);
        }
        6 => tx
            .increment(ROOT, "hits", dice.between(1, 9) as i64)
            .unwrap(),
        7 => {
            let place = child(tx, &ROOT, "place");
            register(tx, &place, ["street", "city"][dice.below(2)], dice);
        }
        8 => {
            let prices = child(tx, &ROOT, "prices");
            register(tx, &prices, ["k0", "k1", "k2"][dice.below(3)], dice);
        }
        9 => label(tx, dice),
        10 => item(tx, new, dice),
        _ => in_item(tx, before, dice),
    }
}

/// Sets or removes a value. Automerge settles a race in passing when the winner is set again.
fn register(tx: &mut Transaction<'_>, object: &ObjId, name: &str, dice: &mut Dice) {
    let there = tx.get(object, name).unwrap();
    if dice.percent(25) && there.is_some() {
        return tx.delete(object, name).unwrap();
    }
    let text = !["number", "level", "k0", "k1", "k2"].contains(&name);
    // Of few values, so that the winner of a race is often set again.
    let value = if text {
        ScalarValue::from(["x", "y"][dice.below(2)])
    } else {
        ScalarValue::Int(dice.below(3) as i64)
    };
    tx.put(object, name, value).unwrap();
}

/// Sets the atomic value or removes it.
fn shape(tx: &mut Transaction<'_>, dice: &mut Dice) {
    if dice.percent(25) && tx.get(ROOT, "shape").unwrap().is_some() {
        return tx.delete(ROOT, "shape").unwrap();
    }
    let value = ["{}".to_owned(), format!("{{\"w\":{}}}", dice.below(3))];
    tx.put(ROOT, "shape", value[dice.below(2)].as_str())
        .unwrap();
}

fn splice(tx: &mut Transaction<'_>, text: &ObjId, dice: &mut Dice) {
    // Between whole characters, which may be two units long.
    let now = tx.text(text).unwrap();
    let mut starts: Vec<usize> = vec![0];
    for c in now.chars() {
        starts.push(starts[starts.len() - 1] + c.len_utf16());
    }
    // Mostly at one place, where what is typed later pushes to the right what was typed before.
    let from = if dice.percent(60) {
        (2 + dice.below(5)).min(starts.len() - 1)
    } else {
        dice.below(starts.len())
    };
    let removed = if dice.percent(70) { 0 } else { dice.below(3) };
    let to = (from + removed).min(starts.len() - 1);
    let removed = isize::try_from(starts[to] - starts[from]).unwrap();
    let added = if dice.percent(90) {
        dice.word()
    } else {
        String::new()
    };
    tx.splice_text(text, starts[from], removed, &added).unwrap();
}

fn list(tx: &mut Transaction<'_>, list: &ObjId, dice: &mut Dice) {
    let length = tx.length(list);
    match dice.below(4) {
        0 if length > 0 => tx.delete(list, dice.below(length)).unwrap(),
        1 if length > 0 => tx.put(list, dice.below(length), dice.word()).unwrap(),
        _ => tx
            .insert(list, dice.below(length + 1), dice.word())
            .unwrap(),
    }
}

fn label(tx: &mut Transaction<'_>, dice: &mut Dice) {
    let labels = child(tx, &ROOT, "labels");
    let name = format!("e{}", dice.below(4));
    let found = tx.get(&labels, name.as_str()).unwrap();
    let object = match found {
        Some((_, object)) => object,
        None => tx.put_object(&labels, name, ObjType::Map).unwrap(),
    };
    match dice.below(4) {
        0 => tx.put(&object, "$deleted", dice.percent(50)).unwrap(),
        _ => tx.put(&object, "text", dice.word()).unwrap(),
    }
}

fn item(tx: &mut Transaction<'_>, new: &str, dice: &mut Dice) {
    let items = child(tx, &ROOT, "items");
    let item = tx.put_object(&items, new, ObjType::Map).unwrap();
    tx.put(&item, "$position", format!("{}V", dice.between(1, 9)))
        .unwrap();
    let note = tx.put_object(&item, "note", ObjType::Text).unwrap();
    tx.put_object(&item, "tags", ObjType::List).unwrap();
    tx.put(&item, "name", dice.word()).unwrap();
    splice(tx, &note, dice);
}

fn in_item(tx: &mut Transaction<'_>, before: &Automerge, dice: &mut Dice) {
    let items = child(tx, &ROOT, "items");
    // Those of the change itself are edited too, where there are any.
    let mut names: Vec<String> = tx.keys(&items).collect();
    let old: Vec<String> = before.keys(&items).collect();
    if names.len() > old.len() && dice.percent(50) {
        names.retain(|name| !old.contains(name));
    }
    let item = child(tx, &items, &names[dice.below(names.len())]);
    match dice.below(5) {
        0 => tx
            .put(&item, "$position", format!("{}k", dice.between(1, 9)))
            .unwrap(),
        1 => tx.put(&item, "$deleted", dice.percent(60)).unwrap(),
        2 => register(tx, &item, "name", dice),
        3 => {
            let tags = child(tx, &item, "tags");
            list(tx, &tags, dice);
        }
        _ => {
            let note = child(tx, &item, "note");
            splice(tx, &note, dice);
        }
    }
}
