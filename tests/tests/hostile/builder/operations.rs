//! Operations that refer to what is not there, or to what they cannot work on.

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{ExpandedChange, ObjId, ObjType, ROOT, ScalarValue};

use super::{BOB, Book, Client, MALLORY, after, key, maker, op};

pub(super) fn fill(book: &mut Book) {
    objects(book);
    keys(book);
    elements(book);
    marks(book);
}

const PANICS: &str = "Automerge panics";
pub(super) const LOST: &str = "accepted by Automerge, which then cannot load the document";

pub(super) type Forge = fn(&mut ExpandedChange, &Client);

pub(super) fn forged(book: &mut Book, guards: &str, code: &str, cases: &[(&str, Forge)]) {
    for (name, forge) in cases {
        book.refused(name, guards, code, |s| s.forged(forge));
    }
}

pub(super) fn ghost(c: &ExpandedChange) -> OpId {
    OpId::new(c.start_op.get() + 500, &c.actor_id)
}

/// The id that the operation at `index` of the change will have.
pub(super) fn own(c: &ExpandedChange, index: u64) -> OpId {
    OpId::new(c.start_op.get() + index, &c.actor_id)
}

fn on(object: OpId, key: Key, action: OpType) -> Op {
    Op {
        obj: ObjectId::Id(object),
        ..op(&ROOT, key, action)
    }
}

pub(super) fn text(value: &str) -> OpType {
    OpType::Put(value.into())
}

pub(super) fn insert(object: &ObjId, key: Key, action: OpType) -> Op {
    Op {
        insert: true,
        ..op(object, key, action)
    }
}

fn objects(book: &mut Book) {
    forged(
        book,
        PANICS,
        "unknown-object",
        &[
            ("object-missing", |c, _| {
                c.operations = vec![on(ghost(c), key("name"), text("x"))]
            }),
            ("object-made-later", |c, client| {
                let item = op(
                    &client.object(&["items"]),
                    key("new"),
                    OpType::Make(ObjType::Map),
                );
                c.operations = vec![on(own(c, 1), key("name"), text("x")), item];
            }),
            ("object-is-itself", |c, _| {
                c.operations = vec![on(own(c, 0), key("name"), OpType::Make(ObjType::Map))];
            }),
            ("object-is-a-value", |c, client| {
                let title = client.writer(&ROOT, "title");
                c.operations = vec![on(title, key("name"), text("x"))];
            }),
            ("object-is-an-own-value", |c, client| {
                let put = client.put("tagline", "x");
                c.operations = vec![put, on(own(c, 0), key("name"), text("x"))];
            }),
            ("object-is-a-character", |c, client| {
                let element = client.element(&client.object(&["body"]), 0);
                c.operations = vec![on(element, Key::Seq(ElementId::Head), text("x"))];
            }),
            ("object-by-nobody", |c, _| {
                let nobody = OpId::new(3, &vec![0x77; 16].into());
                c.operations = vec![on(nobody, key("name"), text("x"))];
            }),
        ],
    );
    forged(
        book,
        "two encodings of the root",
        "not-canonical",
        &[("object-number-0", |c, client| {
            let zero = OpId::new(0, client.doc.get_actor());
            c.operations = vec![on(zero, key("name"), text("x"))];
        })],
    );
    book.refused(
        "object-not-seen",
        "what the author cannot have seen",
        "unknown-object",
        |s| {
            let stale = s.client(MALLORY);
            s.edit("bob", BOB, |tx, c| {
                let label = tx
                    .put_object(c.object(&["labels"]), "y", ObjType::Map)
                    .unwrap();
                tx.put(&label, "text", "why").unwrap();
            });
            let unseen = maker(&s.client(MALLORY).object(&["labels", "y"]));
            stale.forged(|c| c.operations = vec![on(unseen, key("text"), text("x"))])
        },
    );
    book.policy(
        "5000-nested-maps",
        "reading them overflows the stack",
        &["unknown-field /deep"],
        |s| {
            s.forged(|c, _| {
                c.operations
                    .push(op(&ROOT, key("deep"), OpType::Make(ObjType::Map)));
                for index in 0..4_999 {
                    let object = own(c, index);
                    c.operations
                        .push(on(object, key("d"), OpType::Make(ObjType::Map)));
                }
            })
        },
    );
    book.policy(
        "5000-nested-lists",
        "reading them overflows the stack",
        &["text /body"],
        |s| {
            s.forged(|c, client| {
                let body = client.object(&["body"]);
                c.operations
                    .push(op(&body, Key::head(), OpType::Make(ObjType::List)));
                for index in 0..4_999 {
                    let mut list = on(own(c, index), Key::head(), OpType::Make(ObjType::List));
                    list.insert = true;
                    c.operations.push(list);
                }
            })
        },
    );
}

fn keys(book: &mut Book) {
    forged(
        book,
        LOST,
        "key",
        &[
            ("map-key-in-a-text", |c, client| {
                c.operations = vec![op(&client.object(&["body"]), key("name"), text("x"))];
            }),
            ("map-key-in-a-list", |c, client| {
                c.operations = vec![op(&client.object(&["tags"]), key("0"), text("x"))];
            }),
            ("insert-in-a-map", |c, client| {
                c.operations = vec![insert(&client.object(&["place"]), key("city"), text("x"))];
            }),
            ("insert-at-the-root", |c, _| {
                c.operations = vec![insert(&ROOT, key("tagline"), text("x"))]
            }),
            ("element-in-a-map", |c, client| {
                let element = client.element(&client.object(&["tags"]), 0);
                c.operations = vec![op(&client.object(&["place"]), after(&element), text("x"))];
            }),
            ("head-in-a-map", |c, client| {
                c.operations = vec![op(&client.object(&["items"]), Key::head(), text("x"))];
            }),
            ("head-at-the-root", |c, _| {
                c.operations = vec![op(&ROOT, Key::head(), text("x"))]
            }),
            ("delete-head-at-the-root", |c, _| {
                c.operations = vec![op(&ROOT, Key::head(), OpType::Delete)];
            }),
        ],
    );
}

fn elements(book: &mut Book) {
    forged(
        book,
        PANICS,
        "element",
        &[
            ("insert-after-missing", |c, client| {
                c.operations = vec![insert(
                    &client.object(&["body"]),
                    after(&ghost(c)),
                    text("x"),
                )];
            }),
            ("insert-after-itself", |c, client| {
                c.operations = vec![insert(
                    &client.object(&["body"]),
                    after(&own(c, 0)),
                    text("x"),
                )];
            }),
            ("insert-after-own-later", |c, client| {
                let body = client.object(&["body"]);
                let second = op(&body, Key::head(), text("y"));
                c.operations = vec![insert(&body, after(&own(c, 1)), text("x")), second];
            }),
            ("insert-after-another-texts", |c, client| {
                let oath = client.element(&client.object(&["oath"]), 0);
                c.operations = vec![insert(&client.object(&["body"]), after(&oath), text("x"))];
            }),
            ("insert-after-a-lists-element", |c, client| {
                let tag = client.element(&client.object(&["tags"]), 0);
                c.operations = vec![insert(&client.object(&["body"]), after(&tag), text("x"))];
            }),
            ("insert-after-a-map-value", |c, client| {
                let title = client.writer(&ROOT, "title");
                c.operations = vec![insert(&client.object(&["body"]), after(&title), text("x"))];
            }),
            ("insert-after-the-object-itself", |c, client| {
                let body = client.object(&["body"]);
                c.operations = vec![insert(&body, after(&maker(&body)), text("x"))];
            }),
        ],
    );
    forged(
        book,
        LOST,
        "element",
        &[
            ("set-missing-element", |c, client| {
                let mut put = op(&client.object(&["tags"]), after(&ghost(c)), text("x"));
                put.pred = vec![ghost(c)].into();
                c.operations = vec![put];
            }),
            ("delete-missing-element", |c, client| {
                let mut delete = op(&client.object(&["body"]), after(&ghost(c)), OpType::Delete);
                delete.pred = vec![ghost(c)].into();
                c.operations = vec![delete];
            }),
            ("set-the-head", |c, client| {
                let head = op(&client.object(&["tags"]), Key::head(), text("x"));
                c.operations = vec![Op {
                    insert: false,
                    ..head
                }];
            }),
            ("delete-the-head", |c, client| {
                let head = op(&client.object(&["body"]), Key::head(), OpType::Delete);
                c.operations = vec![Op {
                    insert: false,
                    ..head
                }];
            }),
            ("delete-another-texts-element", |c, client| {
                let oath = client.element(&client.object(&["oath"]), 0);
                let mut delete = op(&client.object(&["body"]), after(&oath), OpType::Delete);
                delete.pred = vec![oath].into();
                c.operations = vec![delete];
            }),
        ],
    );
    book.refused("element-is-an-overwrite", LOST, "element", |s| {
        s.edit("mallory", MALLORY, |tx, c| {
            tx.put(c.object(&["tags"]), 0, "put").unwrap();
        });
        s.forged(|c, client| {
            let tags = client.object(&["tags"]);
            let put = client.element(&tags, 0);
            c.seq = 2;
            c.operations = vec![insert(&tags, after(&put), text("x"))];
        })
    });
    book.refused(
        "element-not-seen",
        "what the author cannot have seen",
        "element",
        |s| {
            let stale = s.client(MALLORY);
            s.edit("bob", BOB, |tx, c| {
                tx.splice_text(c.object(&["body"]), 0, 0, "!").unwrap()
            });
            let now = s.client(MALLORY);
            let body = now.object(&["body"]);
            let unseen = now.element(&body, 0);
            stale.forged(|c| {
                c.start_op = (c.start_op.get() + 1).try_into().unwrap();
                c.operations = vec![insert(&body, after(&unseen), text("x"))];
            })
        },
    );
}

fn marks(book: &mut Book) {
    let begin = |value: ScalarValue| {
        OpType::MarkBegin(MarkData {
            name: "bold".into(),
            value,
            expand: true,
        })
    };
    let hidden = "values of any size that no JSON shows";
    book.refused("mark", hidden, "mark", |s| {
        s.forged(|c, client| {
            let body = client.object(&["body"]);
            let end = insert(&body, after(&own(c, 0)), OpType::MarkEnd(true));
            c.operations = vec![insert(&body, Key::head(), begin(true.into())), end];
        })
    });
    book.refused("mark-of-5000-bytes", hidden, "mark", |s| {
        s.forged(|c, client| {
            let body = client.object(&["body"]);
            let huge = ScalarValue::Str("m".repeat(5_000).into());
            c.operations = vec![insert(&body, Key::head(), begin(huge))];
        })
    });
    book.refused("mark-end-alone", hidden, "mark", |s| {
        s.forged(|c, client| {
            let body = client.object(&["body"]);
            c.operations = vec![insert(&body, Key::head(), OpType::MarkEnd(false))];
        })
    });
    book.refused(
        "mark-in-a-map",
        "Automerge expects marks in texts",
        "mark",
        |s| s.forged(|c, _| c.operations = vec![op(&ROOT, key("tagline"), begin(true.into()))]),
    );
}
