//! Changes that do not fit where they say they come after: dependencies, actors, numbers.

use automerge::legacy::{OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{ActorId, ChangeHash, ROOT};
use indelible_engine::change::{genesis_actor, server_actor};
use indelible_engine::id::Epoch;
use indelible_tests::hostile;

use super::{BOB, Book, Client, MALLORY, Stage, by_mallory, created, expect};

pub(super) fn fill(book: &mut Book) {
    numbers(book);
    dependencies(book);
    own_past(book);
    actors(book);
}

/// Mallory's first change, honest.
fn first(stage: &mut Stage) -> ChangeHash {
    stage.edit("mallory", MALLORY, |tx, _| {
        tx.put(ROOT, "tagline", "fair").unwrap();
    })
}

fn numbers(book: &mut Book) {
    book.refused("seq-2-of-unknown-actor", "Automerge panics", "seq", |s| {
        s.altered(|c| c.seq = 2)
    });
    book.refused("seq-far-of-unknown-actor", "Automerge panics", "seq", |s| {
        s.altered(|c| c.seq = 1_000_000)
    });
    book.refused("seq-gap", "Automerge panics", "seq", |s| {
        first(s);
        s.altered(|c| c.seq = 3)
    });
    book.refused(
        "seq-reused",
        "the whole batch is rejected, good changes with it",
        "seq",
        |s| {
            first(s);
            s.altered(|c| c.seq = 1)
        },
    );
    let frozen = "the next honest change would start above every bound: the entity is frozen";
    book.refused("start-op-2-31-2", frozen, "start-op", |s| {
        s.altered(|c| c.start_op = ((1 << 31) - 2).try_into().unwrap())
    });
    book.refused("start-op-one-ahead", frozen, "start-op", |s| {
        s.altered(|c| c.start_op = (c.start_op.get() + 1).try_into().unwrap())
    });
    let reuse = "operation ids that are taken: save or load panics";
    book.refused("start-op-1", reuse, "start-op", |s| {
        s.altered(|c| c.start_op = 1.try_into().unwrap())
    });
    book.refused("start-op-of-dependencies", reuse, "start-op", |s| {
        s.altered(|c| c.start_op = (c.start_op.get() - 1).try_into().unwrap())
    });
    book.refused("own-operation-ids-reused", reuse, "start-op", |s| {
        first(s);
        s.altered(|c| {
            c.seq = 2;
            c.start_op = (c.start_op.get() - 1).try_into().unwrap();
        })
    });
    book.harmless(
        "start-op-of-a-stale-client",
        "an honest client that has not seen the latest",
        |s| {
            let mut stale = s.client(MALLORY);
            s.edit("bob", BOB, |tx, c| {
                tx.splice_text(c.object(&["body"]), 0, 0, "twelve more ")
                    .unwrap();
            });
            stale.change(|tx| tx.put(ROOT, "tagline", "late").unwrap())
        },
    );
}

fn dependencies(book: &mut Book) {
    let orphans = "orphans queue without limit and are saved with the document";
    book.refused("unknown-dependency", orphans, "unknown-deps", |s| {
        s.altered(|c| c.deps = vec![ChangeHash([9; 32])])
    });
    book.refused("one-unknown-dependency", orphans, "unknown-deps", |s| {
        s.altered(|c| {
            c.deps.push(ChangeHash([9; 32]));
            c.deps.sort();
        })
    });
    book.refused("256-unknown-dependencies", orphans, "unknown-deps", |s| {
        let hash = |n: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            ChangeHash(bytes)
        };
        s.altered(|c| c.deps = (0..256).map(hash).collect())
    });
    book.refused(
        "no-dependencies",
        "a second root of the history",
        "unknown-deps",
        |s| {
            s.altered(|c| {
                c.deps.clear();
                c.start_op = 1.try_into().unwrap();
            })
        },
    );
    book.refused("own-hash-unknowable", orphans, "unknown-deps", |s| {
        let other = s.altered(|c| c.message = Some("never sent".to_owned()));
        let hash = automerge::Change::try_from(&other[..]).unwrap().hash();
        s.altered(|c| {
            c.deps = vec![hash];
            c.seq = 2;
        })
    });
    book.refused(
        "change-of-another-entity",
        "a history that is not this one's",
        "unknown-deps",
        |_| {
            let other = created(&hostile::entity_of("change-of-no-case"));
            let mut client = Client::on(&other, "mallory", MALLORY);
            client.change(|tx| tx.put(ROOT, "tagline", "from elsewhere").unwrap())
        },
    );
    book.refused(
        "genesis-of-another-entity",
        "a second genesis",
        "actor-reserved",
        |s| {
            let other = created(&hostile::entity_of("change-of-no-case"));
            let client = Client::on(&other, "mallory", MALLORY);
            let genesis = client.doc.get_changes(&[]).swap_remove(0);
            // Its own bytes have no dependencies; so it is made to follow what is here.
            let mut change = genesis.decode();
            change.deps = s.client(MALLORY).doc.get_heads();
            change.start_op = (s.client(MALLORY).max_op() + 1).try_into().unwrap();
            automerge::Change::from(change).raw_bytes().to_vec()
        },
    );
    book.refused(
        "genesis-replayed-from-elsewhere",
        "a second genesis",
        "unknown-deps",
        |_| {
            let other = created(&hostile::entity_of("change-of-no-case"));
            let client = Client::on(&other, "mallory", MALLORY);
            client.doc.get_changes(&[])[0].raw_bytes().to_vec()
        },
    );
    book.harmless(
        "dependency-and-its-ancestor",
        "more dependencies than needed",
        |s| {
            let ancestor = first(s);
            s.edit("bob", BOB, |tx, _| tx.put(ROOT, "number", 2).unwrap());
            s.altered(|c| {
                c.seq = 2;
                c.deps.push(ancestor);
                c.deps.sort();
            })
        },
    );
    book.harmless(
        "dependency-on-genesis-only",
        "the oldest dependencies there can be",
        |s| {
            s.forged(|c, client| {
                let genesis = &client.doc.get_changes(&[])[0];
                c.deps = vec![genesis.hash()];
                c.start_op = (genesis.max_op() + 1).try_into().unwrap();
                c.operations = vec![super::op(
                    &ROOT,
                    super::key("tagline"),
                    OpType::Put("old".into()),
                )];
            })
        },
    );
}

fn own_past(book: &mut Book) {
    let load = "the document cannot be loaded again";
    book.refused("own-change-not-among-ancestors", load, "own-past", |s| {
        let before = s.client(MALLORY).doc.get_heads();
        first(s);
        s.altered(|c| {
            c.seq = 2;
            c.deps = before;
        })
    });
    book.refused(
        "own-change-beside-the-dependencies",
        load,
        "own-past",
        |s| {
            let before = s.client(MALLORY).doc.get_heads();
            first(s);
            // Bob has not seen mallory's change, and mallory names bob's only.
            let mut bob = s.client(BOB);
            let concurrent = bob.forged(|c| {
                c.deps.clone_from(&before);
                c.seq = 2;
                c.operations = vec![super::op(
                    &ROOT,
                    super::key("flag"),
                    OpType::Put(true.into()),
                )];
            });
            let hash = s.take("bob", concurrent);
            bob = s.client(BOB);
            drop(bob);
            s.altered(|c| {
                c.seq = 2;
                c.deps = vec![hash];
            })
        },
    );
    book.refused(
        "pred-of-a-concurrent-operation",
        "what the author cannot have seen",
        "pred",
        |s| {
            let stale = s.client(MALLORY);
            s.edit("bob", BOB, |tx, _| {
                tx.put(ROOT, "tagline", "unseen").unwrap()
            });
            let unseen = s.client(MALLORY).writer(&ROOT, "tagline");
            stale.forged(|c| {
                c.start_op = (c.start_op.get() + 1).try_into().unwrap();
                let mut put = stale.put("tagline", "over the unseen");
                put.pred = vec![unseen].into();
                c.operations = vec![put];
            })
        },
    );
    book.refused("pred-by-unknown-actor", "Automerge panics", "pred", |s| {
        s.altered(|c| {
            let nobody = ActorId::from([0x77; 16]);
            c.operations[0].pred = vec![OpId::new(5, &nobody)].into();
        })
    });
}

fn numbered_actor(number: u16) -> ActorId {
    let mut actor = [0x21; 16];
    actor[14..].copy_from_slice(&number.to_be_bytes());
    ActorId::from(actor)
}

fn actors(book: &mut Book) {
    let owned = "an edit in somebody else's name";
    book.refused("actor-of-bob", owned, "actor-taken", |s| {
        s.altered(|c| {
            c.actor_id = ActorId::from([BOB; 16]);
            c.seq = 2;
        })
    });
    book.refused("actor-of-bob-from-the-start", owned, "actor-taken", |s| {
        s.altered(|c| c.actor_id = ActorId::from([BOB; 16]))
    });
    let reserved = "an edit in the name of the server or the genesis";
    book.refused("actor-of-the-genesis", reserved, "actor-reserved", |s| {
        s.altered(|c| c.actor_id = genesis_actor())
    });
    book.refused(
        "actor-of-the-genesis-next",
        reserved,
        "actor-reserved",
        |s| {
            s.altered(|c| {
                c.actor_id = genesis_actor();
                c.seq = 2;
            })
        },
    );
    book.refused("actor-like-the-genesis", reserved, "actor-reserved", |s| {
        s.altered(|c| c.actor_id = ActorId::from([[0; 16], [7; 16]].concat()))
    });
    for (name, who) in [
        ("own", "mallory"),
        ("alices", "alice"),
        ("systems", "system"),
    ] {
        let name = format!("actor-{name}-on-the-server");
        book.refused(&name, reserved, "actor-reserved", |s| {
            let id = s.entity.id().clone();
            s.altered(|c| c.actor_id = server_actor(&id, Epoch::FIRST, who))
        });
    }
    book.refused("actor-like-the-server", reserved, "actor-reserved", |s| {
        s.altered(|c| c.actor_id = ActorId::from([0xff; 32]))
    });
    book.case(
        "257-actors",
        "a new actor for each change makes a document many times larger",
        super::hostile_expect("actor-limit", 256),
        |s| {
            let mut client = s.client(MALLORY);
            let changes = (0..=256).map(|n| {
                client.doc.set_actor(numbered_actor(n));
                client.change(|tx| tx.put(ROOT, "tagline", format!("{n}")).unwrap())
            });
            by_mallory(changes.collect())
        },
    );
    book.case(
        "33-heads",
        "with more concurrent changes than one change may depend on, nobody can edit any more",
        super::hostile_expect("heads-limit", 32),
        |s| {
            let changes = (0..33).map(|n| s.altered(|c| c.actor_id = numbered_actor(n)));
            by_mallory(changes.collect())
        },
    );
    book.case(
        "viewer-proposes",
        "an edit without the right to edit",
        expect("forbidden", &[]),
        |s| super::step("victor", vec![s.altered(|_| {})]),
    );
}
