//! One edit that is said to be cut into several changes, with cuts that no honest client makes.

use automerge::legacy::OpType;
use automerge::transaction::Transactable;
use automerge::{ActorId, Change, ExpandedChange, ObjType, ROOT, ScalarValue};
use indelible_engine::change::divide;
use indelible_engine::limits::Limits;
use indelible_tests::hostile::{ADMITTED, Expect, Step};

use super::{Book, Client, MALLORY, Stage, by_mallory, expect, hostile_expect, key, op};

/// Changes that are said to be one edit.
fn whole(changes: Vec<Vec<u8>>) -> Step {
    Step {
        whole: true,
        ..by_mallory(changes)
    }
}

/// A change in pieces of so many operations.
fn cut(bytes: &[u8], operations: usize) -> Vec<Vec<u8>> {
    let limits = Limits {
        operations_per_change_max: operations,
        ..Limits::default()
    };
    divide(&Change::try_from(bytes).unwrap(), &limits)
}

/// A text typed at the beginning of the body, in three pieces, each of which is good by itself.
fn typed(stage: &Stage, text: &str) -> Vec<Vec<u8>> {
    let mut client = stage.client(MALLORY);
    let body = client.object(&["body"]);
    let bytes = client.change(|tx| tx.splice_text(&body, 0, 0, text).unwrap());
    let pieces = cut(&bytes, text.len().div_ceil(3));
    assert_eq!(pieces.len(), 3);
    pieces
}

/// A new item in three pieces: its `create` field is in the second one, and it is whole after that.
fn item(stage: &Stage) -> Vec<Vec<u8>> {
    let mut client = stage.client(MALLORY);
    let items = client.object(&["items"]);
    let bytes = client.change(|tx| {
        let item = tx.put_object(&items, "new", ObjType::Map).unwrap();
        tx.put(&item, "$position", "n").unwrap();
        tx.put(&item, "count", ScalarValue::counter(0)).unwrap();
        tx.put_object(&item, "tags", ObjType::List).unwrap();
        tx.put_object(&item, "parts", ObjType::Map).unwrap();
        let note = tx.put_object(&item, "note", ObjType::Text).unwrap();
        tx.put(&item, "serial", "s9").unwrap();
        tx.put(&item, "name", "new").unwrap();
        tx.splice_text(&note, 0, 0, "abcd").unwrap();
    });
    let pieces = cut(&bytes, 5);
    assert_eq!(pieces.len(), 3);
    pieces
}

/// The pieces with one of them changed by hand, and those after it none the wiser.
fn forged(mut pieces: Vec<Vec<u8>>, index: usize, forge: impl FnOnce(&mut ExpandedChange)) -> Step {
    let mut change = Change::try_from(&pieces[index][..]).unwrap().decode();
    change.hash = None;
    forge(&mut change);
    pieces[index] = Change::from(change).raw_bytes().to_vec();
    whole(pieces)
}

fn refused(violation: &str) -> Expect {
    expect("policy", &[violation])
}

pub(super) fn fill(book: &mut Book) {
    pieces(book);
    numbers(book);
    claims(book);
}

/// Pieces in the wrong order, missing, doubled, or of something else.
fn pieces(book: &mut Book) {
    let unknown = || hostile_expect("unknown-deps", 0);
    book.case(
        "divided-edit",
        "an honest edit in pieces is taken for a hostile one",
        hostile_expect(ADMITTED, 0),
        |s| whole(item(s)),
    );
    book.case(
        "pieces-out-of-order",
        "a piece is applied before what it stands on",
        unknown(),
        |s| {
            let mut pieces = typed(s, "abcdef");
            pieces.swap(0, 1);
            whole(pieces)
        },
    );
    book.case(
        "pieces-backwards",
        "a piece is applied before what it stands on",
        unknown(),
        |s| whole(typed(s, "abcdef").into_iter().rev().collect()),
    );
    for (name, missing) in [("first-piece-missing", 0), ("middle-piece-missing", 1)] {
        book.case(
            name,
            "half an edit gets in, which was to be whole or not at all",
            unknown(),
            |s| {
                let mut pieces = typed(s, "abcdef");
                pieces.remove(missing);
                whole(pieces)
            },
        );
    }
    book.case(
        "piece-doubled",
        "a piece that is applied twice",
        hostile_expect(ADMITTED, 0),
        |s| {
            let mut pieces = typed(s, "abcdef");
            pieces.insert(1, pieces[1].clone());
            whole(pieces)
        },
    );
    book.case(
        "piece-of-another-edit",
        "an edit that goes on where another one was cut",
        unknown(),
        |s| {
            let mut pieces = typed(s, "abcdef");
            pieces[1] = typed(s, "uvwxyz").remove(1);
            whole(pieces)
        },
    );
    book.case(
        "pieces-of-two-edits-in-turn",
        "two edits of one actor at the same place of its numbers",
        hostile_expect("own-past", 0),
        |s| {
            let (one, two) = (typed(s, "abcdef"), typed(s, "uvwxyz"));
            whole(one.into_iter().zip(two).flat_map(|(a, b)| [a, b]).collect())
        },
    );
}

/// Pieces whose numbers do not go on.
fn numbers(book: &mut Book) {
    let gap = "operations without a name, or two with one name";
    book.case("piece-skips-a-seq", gap, hostile_expect("seq", 0), |s| {
        forged(typed(s, "abcdef"), 1, |change| change.seq += 1)
    });
    book.case("piece-repeats-a-seq", gap, hostile_expect("seq", 0), |s| {
        forged(typed(s, "abcdef"), 1, |change| change.seq -= 1)
    });
    for (name, by) in [("piece-skips-numbers", 7), ("piece-overlaps", -1)] {
        book.case(name, gap, hostile_expect("start-op", 0), |s| {
            let pieces = typed(s, "abcdef");
            forged(pieces, 1, |change| {
                let start = change.start_op.get().checked_add_signed(by).unwrap();
                change.start_op = std::num::NonZeroU64::new(start).unwrap();
            })
        });
    }
    book.case(
        "piece-without-its-dependency",
        "a piece that says it stands on nothing",
        hostile_expect("unknown-deps", 0),
        |s| forged(typed(s, "abcdef"), 1, |change| change.deps.clear()),
    );
    book.case(
        "piece-beside-the-one-before",
        "a piece that has not seen what it goes on from",
        hostile_expect("own-past", 0),
        |s| {
            let heads = s.client(MALLORY).doc.get_heads();
            forged(typed(s, "abcdef"), 1, |change| change.deps = heads)
        },
    );
}

/// What is said to be one edit, and is not; what is valid only as one, or only in pieces.
fn claims(book: &mut Book) {
    book.case(
        "pieces-as-edits-of-their-own",
        "an item that is not whole between two pieces",
        refused("incomplete /items/new/note"),
        |s| by_mallory(item(s)),
    );
    book.case(
        "edits-as-one",
        "what is good in edits that are said to be one is admitted without the rest",
        refused("create /code"),
        |s| {
            let mut client = s.client(MALLORY);
            let good = client.change(|tx| tx.put(ROOT, "tagline", "good").unwrap());
            let bad = client.change(|tx| tx.put(ROOT, "code", "bad").unwrap());
            whole(vec![good, bad])
        },
    );
    book.case(
        "one-change-as-whole",
        "a flag that opens what a change alone may not write",
        refused("create /code"),
        |s| {
            let mut client = s.client(MALLORY);
            whole(vec![
                client.change(|tx| tx.put(ROOT, "code", "bad").unwrap()),
            ])
        },
    );
    book.case(
        "whole-of-nothing",
        "an entry of nothing",
        hostile_expect("malformed", 0),
        |_| whole(Vec::new()),
    );
    book.case(
        "pieces-that-come-to-too-much",
        "a text that is within its maximum in each piece and beyond it in all",
        refused("maxLength /body"),
        |s| whole(typed(s, &"x".repeat(240))),
    );
    book.case(
        "pieces-too-long-in-between",
        "a state in between that nobody sees may break a rule",
        hostile_expect(ADMITTED, 0),
        |s| {
            let mut client = s.client(MALLORY);
            let body = client.object(&["body"]);
            let long = client.change(|tx| tx.splice_text(&body, 0, 0, &"x".repeat(300)).unwrap());
            let short = client.change(|tx| tx.splice_text(&body, 0, 290, "").unwrap());
            whole(vec![long, short])
        },
    );
    book.case(
        "create-field-behind-a-known-piece",
        "a piece that the log has makes its object new once more",
        refused("create /items/new/serial"),
        |s| {
            let mut client = s.client(MALLORY);
            let made = new_item(&mut client);
            s.take("mallory", made.clone());
            let late = client.change(|tx| {
                let (_, items) = automerge::ReadDoc::get(tx, ROOT, "items").unwrap().unwrap();
                let (_, item) = automerge::ReadDoc::get(tx, &items, "new").unwrap().unwrap();
                tx.put(&item, "serial", "s9").unwrap();
            });
            whole(vec![made, late])
        },
    );
    book.case(
        "piece-by-another-actor",
        "an object that one actor makes and another one goes on with as if it were new",
        refused("create /items/new/serial"),
        |s| {
            let mut client = s.client(MALLORY);
            let made = new_item(&mut client);
            client.doc.set_actor(ActorId::from([0x67; 16]));
            let item = client.object(&["items", "new"]);
            let late = client.change(|tx| tx.put(&item, "serial", "s9").unwrap());
            whole(vec![made, late])
        },
    );
    book.case(
        "piece-writes-into-another-item",
        "one edit that makes an item may write the create fields of all",
        refused("create /items/i3/serial"),
        |s| {
            let i3 = s.client(MALLORY).object(&["items", "i3"]);
            forged(item(s), 2, |change| {
                let serial = op(&i3, key("serial"), OpType::Put("s9".into()));
                change.operations.push(serial);
            })
        },
    );
}

/// An item that lacks nothing but what is optional.
fn new_item(client: &mut Client) -> Vec<u8> {
    let items = client.object(&["items"]);
    client.change(|tx| {
        let item = tx.put_object(&items, "new", ObjType::Map).unwrap();
        tx.put(&item, "$position", "n").unwrap();
        tx.put(&item, "count", ScalarValue::counter(0)).unwrap();
        tx.put_object(&item, "tags", ObjType::List).unwrap();
        tx.put_object(&item, "parts", ObjType::Map).unwrap();
        tx.put_object(&item, "note", ObjType::Text).unwrap();
    })
}
