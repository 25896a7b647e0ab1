//! Automerge changes as clients send them, and what the check before Automerge says to each.

use automerge::legacy::{Key, OpId, OpType};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{
    ActorId, AutoCommit, Change, ChangeHash, ExpandedChange, ObjType, ROOT, ScalarValue,
};
use indelible_engine::change::{ParsedChange, client_actor, parse};
use indelible_engine::id::Hash;
use indelible_engine::limits::Limits;
use indelible_engine::time::Timestamp;
use serde_json::{Value, json};

use super::{bytes, golden, list};

fn commit(doc: &mut AutoCommit) {
    doc.commit_with(
        CommitOptions::default()
            .with_message("an edit")
            .with_time(1_770_091_506),
    );
}

fn actor(number: u8) -> ActorId {
    client_actor(
        Timestamp(1_770_000_000_000 + i64::from(number)),
        [number; 10],
    )
}

/// The first change of an entity, and one that depends on two concurrent ones.
fn honest() -> Vec<(&'static str, Vec<u8>)> {
    let mut one = AutoCommit::new().with_actor(actor(1));
    one.put(ROOT, "name", "Jane").expect("a map");
    one.put(ROOT, "views", ScalarValue::counter(3))
        .expect("a map");
    let bio = one.put_object(ROOT, "bio", ObjType::Text).expect("a map");
    one.splice_text(&bio, 0, 0, "Grüße 🦀").expect("a text");
    let tags = one.put_object(ROOT, "tags", ObjType::List).expect("a map");
    one.insert(&tags, 0, "a").expect("a list");
    commit(&mut one);
    let mut two = one.fork().with_actor(actor(2));
    two.put(ROOT, "name", "Joan").expect("a map");
    two.splice_text(&bio, 5, 2, "!").expect("a text");
    commit(&mut two);
    one.put(ROOT, "name", "Joanna").expect("a map");
    one.delete(&tags, 0).expect("a list");
    commit(&mut one);
    one.merge(&mut two).expect("the same document");
    one.put(ROOT, "name", "Jo").expect("a map");
    one.increment(ROOT, "views", 2).expect("a counter");
    commit(&mut one);
    let changes = one.get_changes(&[]);
    let bytes = |index: usize| changes[index].raw_bytes().to_vec();
    vec![
        ("a first change", bytes(0)),
        ("a change upon two others", bytes(3)),
    ]
}

fn expand(bytes: &[u8]) -> ExpandedChange {
    Change::try_from(bytes).expect("an honest change").decode()
}

fn seal(chunk_type: u8, content: &[u8]) -> Vec<u8> {
    let mut hashed = vec![chunk_type];
    put_unsigned(&mut hashed, content.len() as u64);
    hashed.extend_from_slice(content);
    let checksum = &Hash::of(&[&hashed]).0[..4];
    [&[0x85, 0x6f, 0x4a, 0x83], checksum, &hashed].concat()
}

fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A change whose columns are given as they are.
fn with_columns(columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut content = vec![0, 16];
    content.extend_from_slice(actor(1).to_bytes());
    content.extend_from_slice(&[1, 1, 0, 0, 0]);
    put_unsigned(&mut content, columns.len() as u64);
    for (number, data) in columns {
        put_unsigned(&mut content, *number);
        put_unsigned(&mut content, data.len() as u64);
    }
    columns
        .iter()
        .for_each(|(_, data)| content.extend_from_slice(data));
    seal(1, &content)
}

/// Changes that only differ from an honest one in a field before the columns.
fn edited() -> Vec<(&'static str, Vec<u8>)> {
    let honest = honest();
    let with = |index: usize, edit: &dyn Fn(&mut ExpandedChange)| {
        let mut change = expand(&honest[index].1);
        edit(&mut change);
        Change::from(change).raw_bytes().to_vec()
    };
    let counter =
        |start: u64| move |c: &mut ExpandedChange| c.start_op = start.try_into().expect("not zero");
    let one_op = |start: u64| {
        move |c: &mut ExpandedChange| {
            c.operations.truncate(1);
            c.start_op = start.try_into().expect("not zero");
        }
    };
    let hash = |n: u16| ChangeHash(Hash::of(&[&n.to_be_bytes()]).0);
    let id = |bytes: &[u8]| ActorId::from(bytes);
    vec![
        (
            "an author footer on a first change",
            with(0, &|c| c.extra_bytes = b"\x01\x05alice".into()),
        ),
        (
            "an author footer on a later change",
            with(1, &|c| c.extra_bytes = b"\x01\x05alice".into()),
        ),
        (
            "bytes after the footer",
            with(0, &|c| c.extra_bytes = b"\x01\x05alice!".into()),
        ),
        (
            "an unknown footer",
            with(0, &|c| c.extra_bytes = b"\x02\x05alice".into()),
        ),
        (
            "two operations from 2^32 - 1",
            with(0, &counter(u64::from(u32::MAX))),
        ),
        (
            "one operation at 2^32 - 1",
            with(0, &one_op(u64::from(u32::MAX))),
        ),
        ("one operation at 2^31 - 2", with(0, &one_op((1 << 31) - 2))),
        ("one operation at 2^31", with(0, &one_op(1 << 31))),
        ("sequence number 0", with(0, &|c| c.seq = 0)),
        ("an empty actor id", with(0, &|c| c.actor_id = id(&[]))),
        (
            "an actor id of 33 bytes",
            with(0, &|c| c.actor_id = id(&[7; 33])),
        ),
        (
            "a derived actor id",
            with(0, &|c| {
                c.actor_id = id(&[&[0x13, 0xb2, 0x23, 0x09, 1][..], &[7; 16]].concat())
            }),
        ),
        ("no operations", with(0, &|c| c.operations.clear())),
        (
            "a message of 1,025 bytes",
            with(0, &|c| c.message = Some("x".repeat(1_025))),
        ),
        (
            "257 dependencies",
            with(0, &|c| c.deps = (0..257).map(hash).collect()),
        ),
        (
            "one dependency twice",
            with(0, &|c| c.deps = vec![hash(1), hash(1)]),
        ),
        (
            "10,001 operations",
            with(0, &|c| c.operations = vec![c.operations[0].clone(); 10_001]),
        ),
        (
            "one predecessor twice",
            with(0, &|c| {
                let pred = OpId::new(1, &c.actor_id);
                c.operations[0].pred = vec![pred.clone(), pred].into();
            }),
        ),
        (
            "a key of 1,025 bytes",
            with(0, &|c| {
                c.operations[0].key = Key::Map("k".repeat(1_025).into())
            }),
        ),
        (
            "an unknown type of value",
            with(0, &|c| {
                let bytes = vec![1];
                c.operations[0].action = OpType::Put(ScalarValue::Unknown {
                    type_code: 11,
                    bytes,
                });
            }),
        ),
    ]
}

/// What only somebody who writes the bytes by hand can make.
fn handmade() -> Vec<(&'static str, Vec<u8>)> {
    let (_, good) = honest().swap_remove(0);
    let mut wrong_checksum = good.clone();
    wrong_checksum[4] ^= 1;
    let mut doc = AutoCommit::new().with_actor(actor(1));
    doc.put(ROOT, "k", "v".repeat(400)).expect("a map");
    commit(&mut doc);
    let mut compressible = doc.get_last_local_change().expect("just committed");
    let content = &good[11..];
    assert_eq!(seal(1, content), good, "a length above 127 takes two bytes");

    let puts = |count: &'static [u8], preds: &[u8]| {
        with_columns(&[
            (0x15, &[count, b"\x01k"].concat()),
            (0x34, count),
            (0x42, &[count, &[1]].concat()),
            (0x56, &[count, &[0]].concat()),
            (0x70, &[count, preds].concat()),
        ])
    };
    let out_of_range = with_columns(&[
        (0x15, b"\x7f\x01k"),
        (0x34, &[1]),
        (0x42, &[0x7f, 1]),
        (0x56, &[0x7f, 0]),
        (0x70, &[0x7f, 1]),
        (0x71, &[0x7f, 1]),
        (0x73, &[0x7f, 1]),
    ]);
    let short_column = with_columns(&[
        (0x15, b"\x03\x01k"),
        (0x34, &[3]),
        (0x42, &[3, 1]),
        (0x56, &[2, 0]),
        (0x70, &[3, 0]),
    ]);
    let split_run = with_columns(&[
        (0x15, b"\x03\x01k"),
        (0x34, &[3]),
        (0x42, &[2, 1, 0x7f, 1]),
        (0x56, &[3, 0]),
        (0x70, &[3, 0]),
    ]);
    vec![
        ("nothing", vec![]),
        ("a wrong checksum", wrong_checksum),
        ("a byte too few", good[..good.len() - 1].to_vec()),
        ("two chunks", [&good[..], &good].concat()),
        ("a document", doc.save()),
        ("a compressed change", compressible.bytes().into_owned()),
        ("a bundle", seal(3, content)),
        ("an unknown type of chunk", seal(9, content)),
        (
            "a run of 1,000,000 operations",
            puts(&[0xc0, 0x84, 0x3d], &[0]),
        ),
        ("predecessors without columns", puts(&[2], &[1])),
        (
            "2^35 predecessors",
            puts(&[2], &[0x80, 0x80, 0x80, 0x80, 0x80, 1]),
        ),
        ("an actor index out of range", out_of_range),
        ("a column with a row too few", short_column),
        ("a run written as two", split_run),
        ("a compressed column", with_columns(&[(0x4a, &[3, 1])])),
        ("an unknown column", with_columns(&[(0xb1, &[3, 1])])),
    ]
}

fn verdict(bytes: &[u8]) -> Value {
    let describe = |change: ParsedChange| {
        json!({
            "hash": change.hash(),
            "actor": change.actor().to_hex_string(),
            "seq": change.seq(),
            "start_op": change.start_op(),
            "max_op": change.max_op(),
            "deps": change.deps().iter().map(|dep| Hash::from(*dep)).collect::<Vec<_>>(),
            "message": change.message(),
        })
    };
    match parse(bytes, &Limits::default()) {
        Ok(change) => json!({ "taken": describe(change) }),
        Err(error) => json!({ "refused": error.code().code() }),
    }
}

#[test]
fn changes() {
    let made: Vec<Value> = [honest(), edited(), handmade()]
        .into_iter()
        .flatten()
        .map(|(name, bytes)| {
            json!({ "name": name, "verdict": verdict(&bytes), "bytes": hex::encode(bytes) })
        })
        .collect();
    let file = golden("changes.json", &Value::Array(made));

    let taken: Vec<&str> = list(&file)
        .iter()
        .filter(|vector| verdict(&bytes(vector, "bytes"))["taken"].is_object())
        .filter_map(|vector| vector["name"].as_str())
        .collect();
    let expected = [
        "a first change",
        "a change upon two others",
        "an author footer on a first change",
        // Sound in itself; whether an entity can have come this far is for admission to say.
        "one operation at 2^31 - 2",
    ];
    assert_eq!(taken, expected);
}
