//! Operations that overwrite what is not there, and odd ones that are sound all the same.

use automerge::ROOT;
use automerge::legacy::{Key, Op, OpId, OpType};
use automerge::transaction::Transactable;

use super::operations::{LOST, forged, ghost, insert, own, text};
use super::{BOB, Book, MALLORY, after, key, maker, op};

pub(super) fn fill(book: &mut Book) {
    map_predecessors(book);
    sequence_predecessors(book);
    strange_but_sound(book);
}

fn map_predecessors(book: &mut Book) {
    forged(
        book,
        LOST,
        "pred",
        &[
            ("pred-missing", |c, client| {
                let ghost = ghost(c);
                c.operations = vec![Op {
                    pred: vec![ghost].into(),
                    ..client.put("tagline", "x")
                }];
            }),
            ("pred-is-itself", |c, client| {
                let own = own(c, 0);
                c.operations = vec![Op {
                    pred: vec![own].into(),
                    ..client.put("tagline", "x")
                }];
            }),
            ("pred-own-later", |c, client| {
                let later = Op {
                    pred: vec![own(c, 1)].into(),
                    ..client.put("tagline", "x")
                };
                c.operations = vec![later, client.put("tagline", "y")];
            }),
            ("pred-at-another-key", |c, client| {
                let title = client.writer(&ROOT, "title");
                c.operations = vec![Op {
                    pred: vec![title].into(),
                    ..client.put("tagline", "x")
                }];
            }),
            ("pred-in-another-object", |c, client| {
                let city = client.writer(&client.object(&["place"]), "city");
                c.operations = vec![Op {
                    pred: vec![city].into(),
                    ..client.put("tagline", "x")
                }];
            }),
            ("pred-is-a-character", |c, client| {
                let element = client.element(&client.object(&["body"]), 0);
                c.operations = vec![Op {
                    pred: vec![element].into(),
                    ..client.put("tagline", "x")
                }];
            }),
            ("pred-is-the-object", |c, client| {
                let place = client.object(&["place"]);
                let put = op(&place, key("city"), text("x"));
                c.operations = vec![Op {
                    pred: vec![maker(&place)].into(),
                    ..put
                }];
            }),
            ("pred-is-an-own-delete", |c, client| {
                let delete = Op {
                    action: OpType::Delete,
                    ..client.put("tagline", "")
                };
                let put = Op {
                    pred: vec![own(c, 0)].into(),
                    ..client.put("tagline", "x")
                };
                c.operations = vec![delete, put];
            }),
            ("delete-without-pred", |c, _| {
                c.operations = vec![op(&ROOT, key("tagline"), OpType::Delete)];
            }),
            ("delete-of-what-never-was", |c, client| {
                c.operations = vec![op(
                    &client.object(&["prices"]),
                    key("gross"),
                    OpType::Delete,
                )];
            }),
            ("increment-without-pred", |c, _| {
                c.operations = vec![op(&ROOT, key("hits"), OpType::Increment(1))];
            }),
        ],
    );
    book.refused("pred-is-an-increment", LOST, "pred", |s| {
        s.edit("mallory", MALLORY, |tx, _| {
            tx.increment(ROOT, "hits", 1).unwrap()
        });
        s.forged(|c, client| {
            let by = OpId::new(c.start_op.get() - 1, &c.actor_id);
            c.seq = 2;
            let put = client.put("hits", 0);
            c.operations = vec![Op {
                pred: vec![by].into(),
                action: OpType::Increment(1),
                ..put
            }];
        })
    });
    book.refused(
        "preds-unsorted",
        "Automerge's encoder panics",
        "predecessor-order",
        |s| {
            // Two tagline writers, named in the wrong order: written by hand, since nothing honest
            // writes so.
            s.altered(|c| {
                let (actor, start) = (c.actor_id.clone(), c.start_op.get());
                let preds = vec![OpId::new(start + 1, &actor), OpId::new(start + 1, &actor)];
                c.operations[0].pred = preds.into();
            })
        },
    );
}

fn sequence_predecessors(book: &mut Book) {
    forged(
        book,
        LOST,
        "pred",
        &[
            ("insert-with-pred", |c, client| {
                let body = client.object(&["body"]);
                let element = client.element(&body, 0);
                let plain = insert(&body, after(&element), text("x"));
                c.operations = vec![Op {
                    pred: vec![element].into(),
                    ..plain
                }];
            }),
            ("insert-at-head-with-pred", |c, client| {
                let body = client.object(&["body"]);
                let element = client.element(&body, 0);
                let plain = op(&body, Key::head(), text("x"));
                c.operations = vec![Op {
                    pred: vec![element].into(),
                    ..plain
                }];
            }),
            ("insert-a-delete", |c, client| {
                let body = client.object(&["body"]);
                let element = client.element(&body, 0);
                c.operations = vec![insert(&body, after(&element), OpType::Delete)];
            }),
            ("insert-a-delete-at-head", |c, client| {
                c.operations = vec![op(&client.object(&["body"]), Key::head(), OpType::Delete)];
            }),
            ("insert-a-delete-at-a-lists-head", |c, client| {
                c.operations = vec![op(&client.object(&["tags"]), Key::head(), OpType::Delete)];
            }),
            ("insert-an-increment-at-head", |c, client| {
                c.operations = vec![op(
                    &client.object(&["tags"]),
                    Key::head(),
                    OpType::Increment(1),
                )];
            }),
            ("insert-an-increment", |c, client| {
                let tags = client.object(&["tags"]);
                let element = client.element(&tags, 0);
                c.operations = vec![insert(&tags, after(&element), OpType::Increment(1))];
            }),
            ("set-element-without-pred", |c, client| {
                let tags = client.object(&["tags"]);
                let element = client.element(&tags, 0);
                c.operations = vec![op(&tags, after(&element), text("x"))];
            }),
            ("delete-element-without-pred", |c, client| {
                let body = client.object(&["body"]);
                let element = client.element(&body, 0);
                c.operations = vec![op(&body, after(&element), OpType::Delete)];
            }),
            ("delete-element-with-anothers-pred", |c, client| {
                let body = client.object(&["body"]);
                let pred = vec![client.element(&body, 1)].into();
                let delete = op(&body, after(&client.element(&body, 0)), OpType::Delete);
                c.operations = vec![Op { pred, ..delete }];
            }),
            ("delete-element-with-missing-pred", |c, client| {
                let body = client.object(&["body"]);
                let element = client.element(&body, 0);
                let pred = vec![element.clone(), ghost(c)].into();
                c.operations = vec![Op {
                    pred,
                    ..op(&body, after(&element), OpType::Delete)
                }];
            }),
        ],
    );
    book.policy(
        "increment-an-element",
        "a counter where none is declared",
        &["type /tags"],
        |s| {
            s.forged(|c, client| {
                let tags = client.object(&["tags"]);
                let element = client.element(&tags, 0);
                let by = op(&tags, after(&element), OpType::Increment(1));
                c.operations = vec![Op {
                    pred: vec![element].into(),
                    ..by
                }];
            })
        },
    );
}

/// What nobody's client writes, and what is sound all the same.
fn strange_but_sound(book: &mut Book) {
    let sound = "odd, but what Automerge makes of it is the same everywhere";
    book.harmless("put-beside-the-present-value", sound, |s| {
        s.forged(|c, _| c.operations = vec![op(&ROOT, key("tagline"), text("beside"))])
    });
    book.harmless("put-over-an-overwritten-value", sound, |s| {
        let first = s.client(MALLORY).writer(&ROOT, "tagline");
        s.edit("bob", BOB, |tx, _| {
            tx.put(ROOT, "tagline", "newer").unwrap()
        });
        s.forged(|c, client| {
            c.operations = vec![Op {
                pred: vec![first].into(),
                ..client.put("tagline", "x")
            }];
        })
    });
    book.harmless("delete-what-is-deleted", sound, |s| {
        let element = {
            let client = s.client(MALLORY);
            client.element(&client.object(&["body"]), 0)
        };
        s.edit("bob", BOB, |tx, c| {
            tx.splice_text(c.object(&["body"]), 0, 1, "").unwrap()
        });
        s.forged(|c, client| {
            let body = client.object(&["body"]);
            let delete = op(&body, after(&element), OpType::Delete);
            c.operations = vec![Op {
                pred: vec![element].into(),
                ..delete
            }];
        })
    });
    book.harmless("insert-after-a-deleted-character", sound, |s| {
        let element = {
            let client = s.client(MALLORY);
            client.element(&client.object(&["body"]), 0)
        };
        s.edit("bob", BOB, |tx, c| {
            tx.splice_text(c.object(&["body"]), 0, 1, "").unwrap()
        });
        s.forged(|c, client| {
            let body = client.object(&["body"]);
            c.operations = vec![insert(&body, after(&element), text("x"))];
        })
    });
    book.harmless("put-and-delete-and-put", sound, |s| {
        s.forged(|c, client| {
            let delete = Op {
                action: OpType::Delete,
                pred: vec![own(c, 0)].into(),
                ..client.put("tagline", "")
            };
            let again = Op {
                pred: Vec::<OpId>::new().into(),
                ..client.put("tagline", "y")
            };
            c.operations = vec![client.put("tagline", "x"), delete, again];
        })
    });
    book.harmless("insert-and-delete-at-once", sound, |s| {
        s.forged(|c, client| {
            let body = client.object(&["body"]);
            let delete = op(&body, after(&own(c, 0)), OpType::Delete);
            let delete = Op {
                pred: vec![own(c, 0)].into(),
                ..delete
            };
            c.operations = vec![op(&body, Key::head(), text("x")), delete];
        })
    });
    book.harmless("delete-one-element-twice", sound, |s| {
        s.forged(|c, client| {
            let body = client.object(&["body"]);
            let element = client.element(&body, 0);
            let delete = op(&body, after(&element), OpType::Delete);
            let delete = Op {
                pred: vec![element].into(),
                ..delete
            };
            c.operations = vec![delete.clone(), delete];
        })
    });
}
