//! Items of keyed lists and entries of open maps: made, moved, replaced, deleted, brought back.

use automerge::legacy::{OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ScalarValue};

use super::{BOB, Book, MALLORY, Stage, key, op, step};

pub(super) fn fill(book: &mut Book) {
    items(book);
    making(book);
    deletion(book);
}

fn items(book: &mut Book) {
    let replaced = "an item made anew loses its protected fields and everybody's edits";
    book.edit("replace-item", replaced, &["exists /items/i1"], |tx, c| {
        let item = tx
            .put_object(c.object(&["items"]), "i1", ObjType::Map)
            .unwrap();
        tx.put(&item, "$position", "a").unwrap();
        tx.put(&item, "serial", "forged").unwrap();
    });
    book.policy("concurrent-item", replaced, &["exists /items/i1"], |s| {
        s.forged(|c, client| {
            let items = client.object(&["items"]);
            c.operations = vec![op(&items, key("i1"), OpType::Make(ObjType::Map))];
        })
    });
    book.edit(
        "delete-item-key",
        replaced,
        &["exists /items/i1"],
        |tx, c| {
            tx.delete(c.object(&["items"]), "i1").unwrap();
        },
    );
    book.edit(
        "scalar-over-item",
        replaced,
        &["exists /items/i1"],
        |tx, c| {
            tx.put(c.object(&["items"]), "i1", "gone").unwrap();
        },
    );
    book.edit(
        "scalar-as-item",
        "a value where objects stand",
        &["type /items/new"],
        |tx, c| {
            tx.put(c.object(&["items"]), "new", "x").unwrap();
        },
    );
    book.edit(
        "text-as-item",
        "a value where objects stand",
        &["type /items/new"],
        |tx, c| {
            tx.put_object(c.object(&["items"]), "new", ObjType::Text)
                .unwrap();
        },
    );
    book.edit("replace-label", replaced, &["exists /labels/x"], |tx, c| {
        let label = tx
            .put_object(c.object(&["labels"]), "x", ObjType::Map)
            .unwrap();
        tx.put(&label, "owner", "mallory").unwrap();
    });
    book.edit(
        "delete-label-key",
        replaced,
        &["exists /labels/x"],
        |tx, c| {
            tx.delete(c.object(&["labels"]), "x").unwrap();
        },
    );
    book.edit(
        "label-owner",
        "a preserved field of an entry",
        &["create /labels/x/owner"],
        |tx, c| {
            tx.put(c.object(&["labels", "x"]), "owner", "mallory")
                .unwrap();
        },
    );
    book.edit(
        "item-serial",
        "a preserved field of an item",
        &["create /items/i1/serial"],
        |tx, c| {
            tx.put(c.object(&["items", "i1"]), "serial", "forged")
                .unwrap();
        },
    );
    book.edit(
        "item-serial-late",
        "a field of the creation, written later",
        &["create /items/i3/serial"],
        |tx, c| {
            tx.put(c.object(&["items", "i3"]), "serial", "late")
                .unwrap();
        },
    );
    book.edit(
        "item-worth",
        "a preserved field of an item",
        &["write /guarded/g1/worth"],
        |tx, c| {
            tx.put(c.object(&["guarded", "g1"]), "worth", 9).unwrap();
        },
    );
    book.edit(
        "item-key",
        "an item that says it is another",
        &["key /items/i1/id"],
        |tx, c| {
            tx.put(c.object(&["items", "i1"]), "id", "i2").unwrap();
        },
    );
    let positions = "positions without bound, or without order";
    let longest = "a".repeat(129);
    for (name, position) in [
        ("position-empty", ""),
        ("position-trailing-zero", "a0"),
        ("position-strange", "a-b"),
        ("position-of-129-bytes", &*longest),
    ] {
        book.edit(
            name,
            positions,
            &["position /items/i1/$position"],
            |tx, c| {
                tx.put(c.object(&["items", "i1"]), "$position", position)
                    .unwrap();
            },
        );
    }
    for (name, value) in [
        ("position-number", ScalarValue::Int(1)),
        ("position-bytes", ScalarValue::Bytes(vec![0xff; 8])),
    ] {
        book.edit(
            name,
            positions,
            &["position /items/i1/$position"],
            |tx, c| {
                tx.put(c.object(&["items", "i1"]), "$position", value)
                    .unwrap();
            },
        );
    }
    book.edit(
        "position-deleted",
        positions,
        &["position /items/i1/$position"],
        |tx, c| {
            tx.delete(c.object(&["items", "i1"]), "$position").unwrap();
        },
    );
    book.edit(
        "position-of-a-label",
        positions,
        &["position /labels/x/$position"],
        |tx, c| {
            tx.put(c.object(&["labels", "x"]), "$position", "a")
                .unwrap();
        },
    );
    book.edit(
        "move-in-a-fixed-list",
        "an order that is not theirs",
        &["write /fixed/f1/$position"],
        |tx, c| {
            tx.put(c.object(&["fixed", "f1"]), "$position", "a")
                .unwrap();
        },
    );
    book.edit(
        "add-to-a-fixed-list",
        "an item that is not theirs",
        &["write /fixed/f2"],
        |tx, c| {
            let item = tx
                .put_object(c.object(&["fixed"]), "f2", ObjType::Map)
                .unwrap();
            tx.put(&item, "$position", "b").unwrap();
        },
    );
}

fn making(book: &mut Book) {
    let half = "an item without its containers: the next edit makes them, and hides another's";
    book.edit(
        "half-made-item",
        half,
        &[
            "incomplete /items/new/count",
            "incomplete /items/new/note",
            "incomplete /items/new/parts",
            "incomplete /items/new/tags",
            "incomplete /items/new/$position",
        ],
        |tx, c| {
            let item = tx
                .put_object(c.object(&["items"]), "new", ObjType::Map)
                .unwrap();
            tx.put(&item, "name", "half made").unwrap();
        },
    );
    let twice = "the second hides the first";
    book.policy("item-made-twice", twice, &["exists /guarded/new"], |s| {
        s.forged(|c, client| {
            let make = op(
                &client.object(&["guarded"]),
                key("new"),
                OpType::Make(ObjType::Map),
            );
            c.operations = vec![make.clone(), positioned(c, 0), make, positioned(c, 2)];
        })
    });
    book.edit(
        "container-made-twice",
        twice,
        &["container /items/new/note"],
        |tx, c| {
            let item = tx
                .put_object(c.object(&["items"]), "new", ObjType::Map)
                .unwrap();
            tx.put(&item, "$position", "n").unwrap();
            tx.put(&item, "count", ScalarValue::counter(0)).unwrap();
            tx.put_object(&item, "tags", ObjType::List).unwrap();
            tx.put_object(&item, "parts", ObjType::Map).unwrap();
            tx.put_object(&item, "note", ObjType::Text).unwrap();
            tx.put_object(&item, "note", ObjType::Text).unwrap();
        },
    );
    book.edit(
        "container-made-wrong",
        "another type than declared",
        &["container /items/new/note"],
        |tx, c| {
            let item = tx
                .put_object(c.object(&["items"]), "new", ObjType::Map)
                .unwrap();
            tx.put(&item, "$position", "n").unwrap();
            tx.put(&item, "count", ScalarValue::counter(0)).unwrap();
            tx.put_object(&item, "tags", ObjType::List).unwrap();
            tx.put_object(&item, "parts", ObjType::Map).unwrap();
            tx.put_object(&item, "note", ObjType::List).unwrap();
        },
    );
    book.edit(
        "new-item-with-worth",
        "a field that its creator may not write",
        &["write /guarded/new/worth"],
        |tx, c| {
            let item = tx
                .put_object(c.object(&["guarded"]), "new", ObjType::Map)
                .unwrap();
            tx.put(&item, "$position", "n").unwrap();
            tx.put(&item, "worth", 1_000_000).unwrap();
        },
    );
    book.harmless(
        "new-item-with-default-worth",
        "the default is what everybody gets",
        |s| {
            let twin = s.client(MALLORY);
            s.client(MALLORY).change(|tx| {
                let item = tx
                    .put_object(twin.object(&["guarded"]), "new", ObjType::Map)
                    .unwrap();
                tx.put(&item, "$position", "n").unwrap();
                tx.put(&item, "worth", 0).unwrap();
            })
        },
    );
    book.edit(
        "new-item-without-position",
        "an item without a place",
        &["incomplete /guarded/new/$position"],
        |tx, c| {
            tx.put_object(c.object(&["guarded"]), "new", ObjType::Map)
                .unwrap();
        },
    );
    let names = "a name that URLs and pointers stumble over";
    for (name, item) in [
        ("item-empty-id", ""),
        ("item-slash", "a/b"),
        ("item-space", "a b"),
        ("item-unicode", "é"),
        ("item-reserved", "$deleted"),
    ] {
        let escaped = item.replace('/', "~1");
        let at = format!("name /guarded/{escaped}");
        book.edit(name, names, &[&at], |tx, c| {
            tx.put_object(c.object(&["guarded"]), item, ObjType::Map)
                .unwrap();
        });
    }
    let long = "i".repeat(65);
    let at = format!("name /guarded/{long}");
    book.edit("item-id-of-65-bytes", names, &[&at], |tx, c| {
        tx.put_object(c.object(&["guarded"]), &*long, ObjType::Map)
            .unwrap();
    });
}

/// A position for the item that the change's operation at `index` makes.
fn positioned(c: &automerge::ExpandedChange, index: u64) -> automerge::legacy::Op {
    let made = OpId::new(c.start_op.get() + index, &c.actor_id);
    let mut put = op(&ROOT, key("$position"), OpType::Put("n".into()));
    put.obj = automerge::legacy::ObjectId::Id(made);
    put
}

fn deletion(book: &mut Book) {
    let all = "an item goes with a field that its deleter may not write";
    book.edit(
        "delete-guarded-item",
        all,
        &["delete /guarded/g1"],
        |tx, c| {
            tx.put(c.object(&["guarded", "g1"]), "$deleted", true)
                .unwrap();
        },
    );
    book.edit(
        "undelete-guarded-item",
        all,
        &["delete /guarded/g1"],
        |tx, c| {
            tx.put(c.object(&["guarded", "g1"]), "$deleted", false)
                .unwrap();
        },
    );
    book.edit("delete-fixed-item", all, &["delete /fixed/f1"], |tx, c| {
        tx.put(c.object(&["fixed", "f1"]), "$deleted", true)
            .unwrap();
    });
    for (name, value) in [
        ("deleted-by-text", ScalarValue::Str("true".into())),
        ("deleted-by-number", ScalarValue::Int(1)),
        ("deleted-by-null", ScalarValue::Null),
        ("deleted-by-counter", ScalarValue::counter(1)),
    ] {
        book.edit(
            name,
            "a register that is neither true nor false",
            &["delete /items/i1/$deleted"],
            |tx, c| {
                tx.put(c.object(&["items", "i1"]), "$deleted", value)
                    .unwrap();
            },
        );
    }
    let gone = |s: &mut Stage| {
        s.edit("bob", BOB, |tx, c| {
            tx.put(c.object(&["items", "i1"]), "$deleted", true)
                .unwrap()
        });
    };
    book.edit_after(
        "serial-of-a-deleted-item",
        "a deleted item comes back with another serial",
        &["create /items/i1/serial"],
        gone,
        |tx, c| {
            tx.put(c.object(&["items", "i1"]), "serial", "forged")
                .unwrap();
            tx.put(c.object(&["items", "i1"]), "$deleted", false)
                .unwrap();
        },
    );
    book.edit_after(
        "make-a-deleted-item",
        "a deleted item is made anew over its past",
        &["exists /items/i1"],
        gone,
        |tx, c| {
            let item = tx
                .put_object(c.object(&["items"]), "i1", ObjType::Map)
                .unwrap();
            tx.put(&item, "serial", "forged").unwrap();
        },
    );
    book.edit_after(
        "register-of-a-guarded-item",
        "removing the register brings the item back",
        &["delete /guarded/g1"],
        |s| {
            s.edit("carol", 0x0c, |tx, c| {
                tx.put(c.object(&["guarded", "g1"]), "$deleted", true)
                    .unwrap();
            });
        },
        |tx, c| {
            tx.delete(c.object(&["guarded", "g1"]), "$deleted").unwrap();
        },
    );
    book.case(
        "register-of-a-deleted-item",
        "whoever may delete brings back, by whichever operation",
        super::expect(indelible_tests::hostile::ADMITTED, &[]),
        |s| {
            gone(s);
            let twin = s.client(MALLORY);
            let change = s.client(MALLORY).change(|tx| {
                tx.delete(twin.object(&["items", "i1"]), "$deleted")
                    .unwrap();
            });
            step("mallory", vec![change])
        },
    );
    book.case(
        "edit-of-a-deleted-item",
        "edits of what is deleted stay, and show nothing",
        super::expect(indelible_tests::hostile::ADMITTED, &[]),
        |s| {
            gone(s);
            let twin = s.client(MALLORY);
            let change = s.client(MALLORY).change(|tx| {
                tx.put(twin.object(&["items", "i1"]), "name", "ghost")
                    .unwrap();
                tx.splice_text(twin.object(&["items", "i1", "note"]), 0, 0, "boo")
                    .unwrap();
            });
            step("mallory", vec![change])
        },
    );
}
