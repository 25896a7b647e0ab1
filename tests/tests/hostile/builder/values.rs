//! Values of the wrong type, out of bounds, or in the wrong words.

use automerge::legacy::{Key, Op, OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ScalarValue};

use super::{BOB, Book, MALLORY, after, key, op};

pub(super) fn fill(book: &mut Book) {
    types(book);
    numbers(book);
    bounds(book);
    counters(book);
    atomics(book);
    texts(book);
    whole(book);
}

/// A value put at a root field.
fn put(book: &mut Book, name: &str, guards: &str, at: &str, value: impl Into<ScalarValue>) {
    let field = at.split('/').nth(1).unwrap().to_owned();
    let value = value.into();
    book.edit(name, guards, &[at], |tx, _| {
        tx.put(ROOT, &*field, value).unwrap()
    });
}

fn types(book: &mut Book) {
    let wrong = "a value that the schema does not allow here";
    put(book, "number-for-a-string", wrong, "type /title", 5);
    put(
        book,
        "null-for-a-string",
        wrong,
        "type /title",
        ScalarValue::Null,
    );
    put(book, "true-for-a-string", wrong, "type /title", true);
    put(book, "string-for-a-number", wrong, "type /number", "5");
    put(book, "fraction-for-an-integer", wrong, "type /level", 1.5);
    put(book, "number-for-a-boolean", wrong, "type /flag", 1);
    let unspeakable = "a value that JSON has no word for";
    put(
        book,
        "bytes-for-a-string",
        unspeakable,
        "type /title",
        vec![1, 2, 3],
    );
    put(
        book,
        "timestamp-for-a-number",
        unspeakable,
        "type /number",
        ScalarValue::Timestamp(0),
    );
    put(
        book,
        "counter-for-a-number",
        "a value that others could increment",
        "type /number",
        ScalarValue::counter(1),
    );
    book.refused("unknown-type-of-value", unspeakable, "column-value", |s| {
        let ten = ScalarValue::Unknown {
            type_code: 10,
            bytes: vec![7],
        };
        s.altered(|c| c.operations[0].action = OpType::Put(ten))
    });
    book.edit("object-for-a-string", wrong, &["type /title"], |tx, _| {
        tx.put_object(ROOT, "title", ObjType::Map).unwrap();
    });
    book.edit("list-element-number", wrong, &["type /tags"], |tx, c| {
        tx.insert(c.object(&["tags"]), 0, 5).unwrap();
    });
    book.edit(
        "list-element-set-to-bytes",
        unspeakable,
        &["type /tags"],
        |tx, c| {
            tx.put(c.object(&["tags"]), 0, vec![1, 2]).unwrap();
        },
    );
    book.edit("list-element-counter", wrong, &["type /tags"], |tx, c| {
        tx.insert(c.object(&["tags"]), 0, ScalarValue::counter(1))
            .unwrap();
    });
    book.edit("list-element-object", wrong, &["type /tags"], |tx, c| {
        tx.insert_object(c.object(&["tags"]), 0, ObjType::Map)
            .unwrap();
    });
    book.edit(
        "entry-string-for-a-number",
        wrong,
        &["type /prices/net"],
        |tx, c| {
            tx.put(c.object(&["prices"]), "net", "free").unwrap();
        },
    );
}

fn numbers(book: &mut Book) {
    let none = "a number that JSON cannot write: the value cannot be sent to anybody";
    put(book, "nan", none, "type /number", f64::NAN);
    put(book, "infinity", none, "type /number", f64::INFINITY);
    put(
        book,
        "minus-infinity",
        none,
        "type /number",
        f64::NEG_INFINITY,
    );
    book.policy("nan-with-a-payload", none, &["type /number"], |s| {
        s.altered(|c| {
            c.operations[0] = Op {
                pred: Vec::<OpId>::new().into(),
                ..op(
                    &ROOT,
                    key("number"),
                    OpType::Put(f64::from_bits(0xfff8_dead_beef_0001).into()),
                )
            };
        })
    });
    let huge = "numbers at the edge of what programs can hold";
    put(
        book,
        "level-too-large",
        huge,
        "maximum /level",
        (1_i64 << 53) - 1,
    );
    put(
        book,
        "level-too-small",
        huge,
        "minimum /level",
        1 - (1_i64 << 53),
    );
    put(book, "level-2-53", huge, "type /level", 1_i64 << 53);
    put(book, "level-min", huge, "type /level", i64::MIN);
    put(book, "level-unsigned", huge, "type /level", u64::MAX);
    put(book, "level-1e300", huge, "type /level", 1e300);
    put(book, "number-uint-max", huge, "type /number", u64::MAX);
    for (name, value) in [
        // A power of two: the double that JSON makes of it.
        ("number-int-min", ScalarValue::Int(i64::MIN)),
        ("number-max", ScalarValue::F64(f64::MAX)),
        ("number-tiny", ScalarValue::F64(5e-324)),
        ("number-minus-zero", ScalarValue::F64(-0.0)),
    ] {
        book.harmless(name, huge, |s| {
            s.client(MALLORY)
                .change(|tx| tx.put(ROOT, "number", value).unwrap())
        });
    }
}

fn bounds(book: &mut Book) {
    let out = "a value out of the schema's bounds";
    put(
        book,
        "title-too-long",
        out,
        "maxLength /title",
        "x".repeat(41),
    );
    put(
        book,
        "title-of-900000",
        "a value as large as a frame",
        "maxLength /title",
        "x".repeat(900_000),
    );
    put(book, "title-empty", out, "minLength /title", "");
    put(book, "mood-unheard", out, "enum /mood", "furious");
    put(book, "plate-wrong", out, "pattern /plate", "nothing");
    put(
        book,
        "plate-long",
        "a pattern that takes forever",
        "pattern /plate",
        "A".repeat(100_000),
    );
    book.edit("tag-too-long", out, &["maxLength /tags"], |tx, c| {
        tx.insert(c.object(&["tags"]), 0, "x".repeat(11)).unwrap();
    });
    book.edit(
        "price-below-zero",
        out,
        &["minimum /prices/net"],
        |tx, c| {
            tx.put(c.object(&["prices"]), "net", -1).unwrap();
        },
    );
}

fn counters(book: &mut Book) {
    let set = "a counter that is set loses what others counted";
    put(book, "counter-by-number", set, "counter /hits", 5);
    put(
        book,
        "counter-by-counter",
        set,
        "counter /hits",
        ScalarValue::counter(5),
    );
    book.edit("counter-deleted", set, &["counter /hits"], |tx, _| {
        tx.delete(ROOT, "hits").unwrap()
    });
    book.edit("counter-object", set, &["counter /hits"], |tx, _| {
        tx.put_object(ROOT, "hits", ObjType::Map).unwrap();
    });
    book.policy("counter-made-concurrently", set, &["counter /hits"], |s| {
        let zero = OpType::Put(ScalarValue::counter(0));
        s.forged(|c, _| c.operations = vec![op(&ROOT, key("hits"), zero)])
    });
    let wraps = "a counter that overflows wraps to a negative";
    book.policy("counter-overflow", wraps, &["counter /total"], |s| {
        s.edit("mallory", MALLORY, |tx, _| {
            tx.increment(ROOT, "total", 1).unwrap()
        });
        s.forged(|c, client| {
            c.seq = 2;
            let put = client.put("total", 0);
            c.operations = vec![Op {
                action: OpType::Increment(i64::MAX),
                ..put
            }];
        })
    });
    book.policy(
        "counter-overflow-in-one",
        wraps,
        &["type /total", "counter /total"],
        |s| {
            s.forged(|c, client| {
                let by = |n: i64| Op {
                    action: OpType::Increment(n),
                    ..client.put("total", 0)
                };
                c.operations = vec![by(i64::MIN), by(-1)];
            })
        },
    );
    book.edit(
        "counter-above-its-maximum",
        "the sum, not the step, is bounded",
        &["maximum /hits"],
        |tx, _| {
            tx.increment(ROOT, "hits", 1_001).unwrap();
        },
    );
    book.harmless(
        "counter-sum-in-another-order",
        "added up in another order, the sum overflows in between",
        |s| {
            let mut stale = s.client(MALLORY);
            s.edit("bob", BOB, |tx, _| {
                tx.put(ROOT, "flag", true).unwrap();
                tx.increment(ROOT, "total", (1 << 53) - 1).unwrap();
            });
            s.edit("bob", BOB, |tx, _| {
                tx.increment(ROOT, "total", -100).unwrap()
            });
            stale.change(|tx| tx.increment(ROOT, "total", 50).unwrap())
        },
    );
}

fn atomics(book: &mut Book) {
    let one = "an atomic value is one canonical text, or equal values differ";
    for (name, text) in [
        ("atomic-spaces", r#"{ "w": 3 }"#),
        ("atomic-no-json", "w=3"),
        ("atomic-empty", ""),
        ("atomic-key-twice", r#"{"w":1,"w":2}"#),
        ("atomic-unsorted", r#"{"w":1,"deep":2}"#),
        ("atomic-fraction", r#"{"w":1.0}"#),
        ("atomic-escape", r#"{"\u0077":1}"#),
        ("atomic-1e400", r#"{"w":1e400}"#),
        ("atomic-two-values", r"{}{}"),
        ("atomic-big-integer", r#"{"w":9007199254740993}"#),
    ] {
        put(book, name, one, "atomic /shape", text);
    }
    let deep = format!(
        r#"{{"deep":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    put(
        book,
        "atomic-100000-deep",
        "reading it overflows the stack",
        "atomic /shape",
        deep,
    );
    put(book, "atomic-number", one, "atomic /shape", 3);
    put(book, "atomic-bytes", one, "atomic /shape", vec![b'{', b'}']);
    put(
        book,
        "atomic-wrong-inside",
        "the schema goes on inside",
        "type /shape",
        "3",
    );
    put(
        book,
        "atomic-unknown-inside",
        "the schema goes on inside",
        "additionalProperties /shape",
        r#"{"x":1}"#,
    );
    book.edit(
        "atomic-as-container",
        "an atomic value that is edited from inside",
        &["type /shape"],
        |tx, _| {
            let shape = tx.put_object(ROOT, "shape", ObjType::Map).unwrap();
            tx.put(&shape, "w", 3).unwrap();
        },
    );
    book.edit(
        "atomic-as-text",
        "an atomic value that is edited from inside",
        &["type /shape"],
        |tx, _| {
            let shape = tx.put_object(ROOT, "shape", ObjType::Text).unwrap();
            tx.splice_text(&shape, 0, 0, "{}").unwrap();
        },
    );
    book.refused(
        "atomic-from-inside",
        "an operation in the midst of an atomic value",
        "unknown-object",
        |s| {
            s.forged(|c, client| {
                let shape = client.writer(&ROOT, "shape");
                let mut put = op(&ROOT, key("w"), OpType::Put(4.into()));
                put.obj = automerge::legacy::ObjectId::Id(shape);
                c.operations = vec![put];
            })
        },
    );
    let nested = format!(r#"{{"deep":{}{}}}"#, "[".repeat(60), "]".repeat(60));
    put(
        book,
        "atomic-61-deep",
        "nesting beyond 32",
        "nesting /shape",
        nested,
    );
}

fn texts(book: &mut Book) {
    let foreign = "an element that is no character, and shows nowhere or breaks positions";
    let at = ["text /body"];
    let object = |kind: ObjType| OpType::Make(kind);
    let elements: Vec<(&str, OpType)> = vec![
        ("text-of-int", OpType::Put(5.into())),
        ("text-of-bytes", OpType::Put(vec![0; 4].into())),
        ("text-of-null", OpType::Put(ScalarValue::Null)),
        ("text-of-counter", OpType::Put(ScalarValue::counter(1))),
        ("text-of-two", OpType::Put("ab".into())),
        ("text-of-11", OpType::Put("hello world".into())),
        ("text-of-5000", OpType::Put("x".repeat(5_000).into())),
        ("text-of-none", OpType::Put("".into())),
        ("text-of-a-grapheme", OpType::Put("e\u{301}".into())),
        ("text-of-a-placeholder", OpType::Put("\u{fffc}".into())),
        ("text-block", object(ObjType::Map)),
        ("text-in-text", object(ObjType::Text)),
        ("list-in-text", object(ObjType::List)),
    ];
    for (name, action) in elements {
        book.policy(name, foreign, &at, |s| {
            s.forged(|c, client| {
                c.operations = vec![op(&client.object(&["body"]), Key::head(), action)];
            })
        });
    }
    book.edit(
        "text-block-with-payload",
        "a block map with hidden content",
        &at,
        |tx, c| {
            let block = tx.split_block(c.object(&["body"]), 0).unwrap();
            tx.put(&block, "hidden", "x".repeat(500)).unwrap();
        },
    );
    book.policy(
        "text-element-set",
        "a character that turns into a text of its own",
        &at,
        |s| {
            s.forged(|c, client| {
                let body = client.object(&["body"]);
                let element = client.element(&body, 0);
                let put = op(&body, after(&element), OpType::Put("x".into()));
                c.operations = vec![Op {
                    pred: vec![element].into(),
                    ..put
                }];
            })
        },
    );
    book.harmless(
        "text-with-astral-characters",
        "one scalar, two UTF-16 units",
        |s| {
            let twin = s.client(MALLORY);
            s.client(MALLORY)
                .change(|tx| tx.splice_text(twin.object(&["body"]), 2, 0, "𝄞🦀").unwrap())
        },
    );
    book.harmless(
        "text-with-controls",
        "characters that programs stumble over",
        |s| {
            let twin = s.client(MALLORY);
            s.client(MALLORY).change(|tx| {
                tx.splice_text(twin.object(&["body"]), 0, 0, "\0\u{202e}\u{feff}\u{fffd}\r")
                    .unwrap()
            })
        },
    );
}

fn whole(book: &mut Book) {
    let end = "the end state breaks a rule of the whole";
    book.edit("text-too-long", end, &["maxLength /body"], |tx, c| {
        tx.splice_text(c.object(&["body"]), 0, 0, &"x".repeat(300))
            .unwrap();
    });
    book.edit("title-deleted", end, &["required /title"], |tx, _| {
        tx.delete(ROOT, "title").unwrap()
    });
    book.edit("too-many-tags", end, &["maxItems /tags"], |tx, c| {
        let tags = c.object(&["tags"]);
        for _ in 0..30 {
            tx.insert(&tags, 0, "x").unwrap();
        }
    });
}
