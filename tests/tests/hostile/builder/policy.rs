//! Sound changes that do what their author may not, or what the schema does not know.

use automerge::legacy::{OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT};

use super::{BOB, Book, MALLORY, Stage, key, op};

pub(super) fn fill(book: &mut Book) {
    protected(book);
    containers(book);
    unknown(book);
    stale(book);
}

fn protected(book: &mut Book) {
    let kept = "a preserved field is overwritten";
    let puts: [(&str, &str, &str); 10] = [
        ("put-create-field", "code", "create /code"),
        ("put-system-field", "rating", "system /rating"),
        ("put-chiefs-field", "secret", "write /secret"),
        ("put-created-at", "createdAt", "stamp /createdAt"),
        ("put-created-by", "createdBy", "stamp /createdBy"),
        ("put-updated-at", "updatedAt", "stamp /updatedAt"),
        ("put-updated-by", "updatedBy", "stamp /updatedBy"),
        ("put-tally", "views", "tally /views"),
        ("put-sealed-atomic", "seal", "create /seal"),
        ("put-genesis-marker", "$genesis", "unknown-field /$genesis"),
    ];
    for (name, field, at) in puts {
        book.edit(name, kept, &[at], |tx, _| match field {
            "rating" => tx.put(ROOT, field, 5).unwrap(),
            "seal" => tx.put(ROOT, field, r#"{"s":2}"#).unwrap(),
            _ => tx.put(ROOT, field, "forged").unwrap(),
        });
    }
    book.edit(
        "put-equal-create-field",
        "an equal attempt is told from an unequal one",
        &["create /code", "create /code"],
        |tx, _| {
            // Automerge's own put of an equal value does nothing, so another one comes first.
            tx.put(ROOT, "code", "c-0").unwrap();
            tx.put(ROOT, "code", "c-1").unwrap();
        },
    );
    book.policy(
        "forged-equal-create-field",
        "an equal attempt is told from an unequal one",
        &["create /code"],
        |s| s.forged(|c, client| c.operations = vec![client.put("code", "c-1")]),
    );
    book.edit(
        "default-of-a-system-field",
        "a default is for new objects only",
        &["system /rating", "system /rating"],
        |tx, _| {
            tx.put(ROOT, "rating", 9).unwrap();
            tx.put(ROOT, "rating", 3).unwrap();
        },
    );
    for (name, field, at) in [
        ("delete-create-field", "code", "create /code"),
        ("delete-chiefs-field", "secret", "write /secret"),
        ("delete-system-field", "rating", "system /rating"),
        ("delete-sealed-atomic", "seal", "create /seal"),
    ] {
        book.edit(name, kept, &[at], |tx, _| tx.delete(ROOT, field).unwrap());
    }
    book.policy("increment-create-field", kept, &["type /code"], |s| {
        s.forged(|c, client| {
            let put = client.put("code", "");
            c.operations = vec![automerge::legacy::Op {
                action: OpType::Increment(1),
                ..put
            }];
        })
    });
    book.edit(
        "object-over-create-field",
        kept,
        &["type /code"],
        |tx, _| {
            tx.put_object(ROOT, "code", ObjType::Map).unwrap();
        },
    );
    book.edit("text-over-create-field", kept, &["type /code"], |tx, _| {
        let text = tx.put_object(ROOT, "code", ObjType::Text).unwrap();
        tx.splice_text(&text, 0, 0, "forged").unwrap();
    });
    book.edit("oath-spliced", kept, &["create /oath"], |tx, c| {
        tx.splice_text(c.object(&["oath"]), 0, 1, "f").unwrap();
    });
    book.edit("ranks-inserted", kept, &["write /ranks"], |tx, c| {
        tx.insert(c.object(&["ranks"]), 0, "me").unwrap();
    });
    book.edit("ranks-deleted", kept, &["write /ranks"], |tx, c| {
        tx.delete(c.object(&["ranks"]), 0).unwrap();
    });
    book.edit("ranks-set", kept, &["write /ranks"], |tx, c| {
        tx.put(c.object(&["ranks"]), 0, "me").unwrap();
    });
    book.edit("merits-incremented", kept, &["write /merits"], |tx, _| {
        tx.increment(ROOT, "merits", 1).unwrap();
    });
    book.edit(
        "inside-a-vault",
        "a rule on an object binds what is in it",
        &["write /vault/pin"],
        |tx, c| {
            tx.put(c.object(&["vault"]), "pin", "0000").unwrap();
        },
    );
    book.edit("inside-a-place", kept, &["create /place/plot"], |tx, c| {
        tx.put(c.object(&["place"]), "plot", "p-8").unwrap();
    });
    book.edit(
        "among-good-edits",
        "one bad operation among good ones",
        &["create /code"],
        |tx, c| {
            tx.put(ROOT, "tagline", "good").unwrap();
            tx.put(ROOT, "code", "forged").unwrap();
            tx.splice_text(c.object(&["body"]), 0, 0, "good").unwrap();
        },
    );
}

fn containers(book: &mut Book) {
    let hidden = "a container made anew hides everybody's edits, or a protected field";
    for (field, kind) in [
        ("body", ObjType::Text),
        ("tags", ObjType::List),
        ("place", ObjType::Map),
        ("items", ObjType::Map),
        ("labels", ObjType::Map),
        ("prices", ObjType::Map),
        ("guarded", ObjType::Map),
        ("vault", ObjType::Map),
    ] {
        let at = format!("container /{field}");
        book.edit(&format!("swap-{field}"), hidden, &[&at], |tx, _| {
            tx.put_object(ROOT, field, kind).unwrap();
        });
        book.edit(&format!("scalar-over-{field}"), hidden, &[&at], |tx, _| {
            tx.put(ROOT, field, "gone").unwrap();
        });
        book.edit(&format!("delete-{field}"), hidden, &[&at], |tx, _| {
            tx.delete(ROOT, field).unwrap();
        });
        book.policy(&format!("concurrent-{field}"), hidden, &[&at], |s| {
            // Without predecessors: as if it were made for the first time.
            s.forged(|c, _| c.operations = vec![op(&ROOT, key(field), OpType::Make(kind))])
        });
    }
    book.edit("swap-and-fill", hidden, &["container /place"], |tx, _| {
        let place = tx.put_object(ROOT, "place", ObjType::Map).unwrap();
        tx.put(&place, "plot", "forged").unwrap();
        tx.put(&place, "city", "Bonn").unwrap();
    });
    book.edit(
        "swap-for-another-type",
        hidden,
        &["container /tags"],
        |tx, _| {
            tx.put_object(ROOT, "tags", ObjType::Text).unwrap();
        },
    );
    book.edit(
        "swap-for-a-table",
        hidden,
        &["container /items"],
        |tx, _| {
            tx.put_object(ROOT, "items", ObjType::Table).unwrap();
        },
    );
    book.policy(
        "increment-a-container",
        hidden,
        &["container /place"],
        |s| {
            s.forged(|c, client| {
                let place = client.put("place", "");
                let by = automerge::legacy::Op {
                    action: OpType::Increment(1),
                    ..place
                };
                c.operations = vec![by];
            })
        },
    );
    book.edit(
        "swap-inside-an-item",
        hidden,
        &["container /items/i1/note"],
        |tx, c| {
            tx.put_object(c.object(&["items", "i1"]), "note", ObjType::Text)
                .unwrap();
        },
    );
    book.edit(
        "delete-inside-an-item",
        hidden,
        &["container /items/i1/tags"],
        |tx, c| {
            tx.delete(c.object(&["items", "i1"]), "tags").unwrap();
        },
    );
}

fn unknown(book: &mut Book) {
    let stray = "data that no schema describes and nobody sees";
    book.edit("unknown-key", stray, &["unknown-field /nope"], |tx, _| {
        tx.put(ROOT, "nope", 1).unwrap()
    });
    book.edit(
        "unknown-object",
        stray,
        &["unknown-field /nope"],
        |tx, _| {
            let nope = tx.put_object(ROOT, "nope", ObjType::Map).unwrap();
            let text = tx.put_object(&nope, "text", ObjType::Text).unwrap();
            tx.splice_text(&text, 0, 0, "hidden").unwrap();
        },
    );
    for (name, field) in [
        ("empty-key", ""),
        ("deleted-at-the-root", "$deleted"),
        ("position-at-the-root", "$position"),
        ("proto-key", "__proto__"),
        (
            "key-of-1024-bytes",
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
        ),
    ] {
        let field = if name == "key-of-1024-bytes" {
            "k".repeat(1_024)
        } else {
            field.to_owned()
        };
        let at = format!("unknown-field /{field}");
        book.edit(name, stray, &[&at], |tx, _| {
            tx.put(ROOT, &*field, true).unwrap()
        });
    }
    book.edit(
        "unknown-in-a-place",
        stray,
        &["unknown-field /place/zip"],
        |tx, c| {
            tx.put(c.object(&["place"]), "zip", "1").unwrap();
        },
    );
    book.edit(
        "unknown-in-an-item",
        stray,
        &["unknown-field /items/i1/price"],
        |tx, c| {
            tx.put(c.object(&["items", "i1"]), "price", 1).unwrap();
        },
    );
    let names = "a name that programs stumble over";
    for (name, entry) in [
        ("entry-empty", ""),
        ("entry-proto", "__proto__"),
        ("entry-control", "a\u{0}b"),
        ("entry-newline", "a\nb"),
    ] {
        let at = format!("name /prices/{entry}");
        book.edit(name, names, &[&at], |tx, c| {
            tx.put(c.object(&["prices"]), entry, 1).unwrap()
        });
    }
    book.edit(
        "entry-reserved",
        names,
        &["unknown-field /prices/$deleted"],
        |tx, c| {
            tx.put(c.object(&["prices"]), "$deleted", true).unwrap();
        },
    );
    let long = "e".repeat(129);
    let at = format!("name /prices/{long}");
    book.edit("entry-of-129-bytes", names, &[&at], |tx, c| {
        tx.put(c.object(&["prices"]), &*long, 1).unwrap();
    });
    book.edit(
        "entry-object",
        "an object where values stand",
        &["type /prices/x"],
        |tx, c| {
            tx.put_object(c.object(&["prices"]), "x", ObjType::Map)
                .unwrap();
        },
    );
    let many: Vec<String> = (0..101)
        .map(|n| format!("unknown-field /f{n:03}"))
        .collect();
    let many: Vec<&str> = many.iter().take(100).map(String::as_str).collect();
    book.edit(
        "many-unknown-keys",
        "an answer as long as the attack",
        &many,
        |tx, _| {
            for n in 0..500 {
                tx.put(ROOT, format!("f{n:03}"), true).unwrap();
            }
        },
    );
}

fn stale(book: &mut Book) {
    let stale = "judged on its own dependencies it would pass";
    let before_creation =
        |s: &Stage, forge: &dyn Fn(&mut automerge::ExpandedChange, &super::Client)| {
            s.forged(|c, client| {
                let genesis = &client.doc.get_changes(&[])[0];
                c.deps = vec![genesis.hash()];
                c.start_op = (genesis.max_op() + 1).try_into().unwrap();
                forge(c, client);
            })
        };
    book.policy("stale-create-field", stale, &["create /code"], |s| {
        before_creation(s, &|c, _| {
            c.operations = vec![op(&ROOT, key("code"), OpType::Put("mine".into()))]
        })
    });
    book.policy("stale-container", stale, &["container /place"], |s| {
        before_creation(s, &|c, client| {
            let mut make = op(&ROOT, key("place"), OpType::Make(ObjType::Map));
            make.pred = vec![super::maker(&client.object(&["place"]))].into();
            let mut put = op(&ROOT, key("plot"), OpType::Put("mine".into()));
            put.obj = automerge::legacy::ObjectId::Id(OpId::new(c.start_op.get(), &c.actor_id));
            c.operations = vec![make, put];
        })
    });
    book.policy("stale-item", stale, &["exists /items/i1"], |s| {
        before_creation(s, &|c, client| {
            let items = client.object(&["items"]);
            c.operations = vec![op(&items, key("i1"), OpType::Make(ObjType::Map))];
        })
    });
    book.policy("stale-label", stale, &["exists /labels/x"], |s| {
        before_creation(s, &|c, client| {
            let labels = client.object(&["labels"]);
            c.operations = vec![op(&labels, key("x"), OpType::Make(ObjType::Map))];
        })
    });
    book.policy("stale-oath", stale, &["create /oath"], |s| {
        before_creation(s, &|c, client| {
            let oath = client.object(&["oath"]);
            c.operations = vec![op(
                &oath,
                automerge::legacy::Key::head(),
                OpType::Put("I".into()),
            )];
        })
    });
    book.policy(
        "stale-guarded-item",
        "made at once with bob's, but after it",
        &["exists /guarded/new"],
        |s| {
            let mut late = s.client(MALLORY);
            let guarded = late.object(&["guarded"]);
            s.edit("bob", BOB, |tx, c| {
                let item = tx
                    .put_object(c.object(&["guarded"]), "new", ObjType::Map)
                    .unwrap();
                tx.put(&item, "$position", "n").unwrap();
                tx.put(&item, "name", "bob's").unwrap();
            });
            late.change(|tx| {
                let item = tx.put_object(&guarded, "new", ObjType::Map).unwrap();
                tx.put(&item, "$position", "n").unwrap();
                tx.put(&item, "name", "mallory's").unwrap();
            })
        },
    );
}
