//! Columns that lie: run-length bombs, rows that do not agree, values that cannot be.

use automerge::ScalarValue;
use automerge::legacy::{OpId, OpType};

use super::wire::{
    ACTION, Columns, EXPAND, Header, INSERT, KEY_ACTOR, KEY_COUNTER, KEY_STRING, MARK_NAME,
    OBJECT_ACTOR, OBJECT_COUNTER, PREDECESSOR_ACTOR, PREDECESSOR_COUNT, PREDECESSOR_COUNTER, VALUE,
    VALUE_METADATA, columns, puts, run, sealed, signed, unsigned,
};
use super::{Book, MALLORY, Stage, key};

pub(super) fn fill(book: &mut Book) {
    bombs(book);
    rows(book);
    impossible(book);
    references(book);
    unusual(book);
}

fn with(stage: &Stage, data: &[(u64, Vec<u8>)]) -> Vec<u8> {
    raw(stage, &columns(data))
}

/// A change with any bytes where its columns should be.
fn raw(stage: &Stage, columns: &[u8]) -> Vec<u8> {
    let client = stage.client(MALLORY);
    let header = Header {
        deps: client.doc.get_heads().iter().map(|head| head.0).collect(),
        actor: vec![MALLORY; 16],
        seq: 1,
        start_op: client.max_op() + 1,
        time: 0,
        message: Vec::new(),
        others: Vec::new(),
    };
    sealed(1, &[header.bytes(), columns.to_vec()].concat())
}

/// Three puts, with one column replaced.
fn replaced(number: u64, data: &[u8]) -> Columns {
    let mut columns = puts(3);
    columns.retain(|(other, _)| *other != number);
    columns.push((number, data.to_vec()));
    columns.sort();
    columns
}

const FOREVER: i64 = i64::MAX;

fn bombs(book: &mut Book) {
    let expand = "a few bytes that stand for more operations than memory holds";
    for (name, count) in [
        ("run-of-10001", 10_001),
        ("run-of-1000000", 1_000_000),
        ("run-of-2-32-1", u32::MAX),
    ] {
        book.refused(name, expand, "too-many-operations", |s| {
            with(s, &puts(count))
        });
    }
    book.refused("run-of-2-63-1", expand, "too-many-operations", |s| {
        with(s, &replaced(ACTION, &run(FOREVER, &[1])))
    });
    book.refused(
        "runs-that-overflow",
        "a sum of runs that wraps to few",
        "too-many-operations",
        |s| {
            let data = [run(FOREVER, &[1]), run(FOREVER, &[3]), run(5, &[1])].concat();
            with(s, &replaced(ACTION, &data))
        },
    );
    book.refused("deletes-1000000", expand, "too-many-operations", |s| {
        with(s, &replaced(ACTION, &run(1_000_000, &[3])))
    });
    book.refused(
        "10001-operations",
        "operations without bound",
        "too-many-operations",
        |s| {
            s.altered(|c| {
                c.operations[0].action = OpType::Put(true.into());
                c.operations = vec![c.operations[0].clone(); 10_001];
            })
        },
    );
    book.refused(
        "run-of-10000-same",
        "the most operations in the fewest bytes",
        "element",
        |s| {
            // Deletes an element that is not there, 10,000 times.
            let body = super::maker(&s.client(MALLORY).object(&["body"]));
            s.altered(|c| {
                let ghost = OpId::new(c.start_op.get() + 20_000, &c.actor_id);
                c.operations[0].obj = automerge::legacy::ObjectId::Id(body.clone());
                c.operations[0].key = super::after(&ghost);
                c.operations[0].action = OpType::Delete;
                c.operations[0].pred = vec![ghost].into();
                c.operations = vec![c.operations[0].clone(); 10_000];
            })
        },
    );
    book.policy(
        "run-of-10000-unknown",
        "the most operations in the fewest bytes",
        &["unknown-field /x"],
        |s| {
            s.altered(|c| {
                c.operations[0].key = key("x");
                c.operations[0].action = OpType::Put(ScalarValue::Null);
                c.operations[0].pred = Vec::<OpId>::new().into();
                c.operations = vec![c.operations[0].clone(); 10_000];
            })
        },
    );
    let preds = "a few bytes that stand for more predecessors than memory holds";
    book.refused("predecessors-2-40", preds, "too-many-predecessors", |s| {
        with(s, &replaced(PREDECESSOR_COUNT, &run(3, &unsigned(1 << 40))))
    });
    book.refused(
        "predecessors-overflow",
        preds,
        "too-many-predecessors",
        |s| {
            with(
                s,
                &replaced(PREDECESSOR_COUNT, &run(3, &unsigned(u64::MAX))),
            )
        },
    );
    book.refused("65537-predecessors", preds, "too-many-predecessors", |s| {
        s.altered(|c| {
            let actor = c.actor_id.clone();
            let all: Vec<_> = (1..=65_537).map(|n| OpId::new(n, &actor)).collect();
            c.operations[0].pred = all.into();
        })
    });
    book.refused("predecessor-columns-2-62", preds, "column-rows", |s| {
        let mut columns = puts(3);
        columns.push((PREDECESSOR_ACTOR, run(1 << 62, &[0])));
        columns.push((PREDECESSOR_COUNTER, run(1 << 62, &[0])));
        with(s, &columns)
    });
    let key = "a length that memory is reserved for";
    book.refused("key-of-2-60-bytes", key, "key-too-long", |s| {
        let data = [signed(3), unsigned(1 << 60), b"k".to_vec()].concat();
        with(s, &replaced(KEY_STRING, &data))
    });
    book.refused(
        "key-of-1025-bytes",
        "keys without bound",
        "key-too-long",
        |s| s.altered(|c| c.operations[0].key = super::key(&"k".repeat(1_025))),
    );
    book.refused("mark-name-of-2-60-bytes", key, "key-too-long", |s| {
        let data = [signed(3), unsigned(1 << 60), b"m".to_vec()].concat();
        with(s, &replaced(MARK_NAME, &data))
    });
    book.refused("values-of-2-60-bytes", key, "column-value", |s| {
        with(
            s,
            &replaced(VALUE_METADATA, &run(3, &unsigned(1 << 60 | 6))),
        )
    });
    book.refused(
        "values-overflow",
        "lengths whose sum wraps",
        "column-value",
        |s| with(s, &replaced(VALUE_METADATA, &run(3, &unsigned(!0xf | 6)))),
    );
    book.refused(
        "column-of-2-63-bytes",
        "reading beyond the end",
        "malformed-change",
        |s| {
            let mut bytes = unsigned(1);
            bytes.extend(unsigned(ACTION));
            bytes.extend(unsigned(1 << 63));
            raw(s, &bytes)
        },
    );
    book.refused(
        "2-63-columns",
        "a count that memory is reserved for",
        "malformed-change",
        |s| raw(s, &unsigned(1 << 63)),
    );
}

fn rows(book: &mut Book) {
    let rows = "columns that do not agree make Automerge read beyond one of them";
    let cases: [(&str, u64, Vec<u8>); 14] = [
        ("rows-key-short", KEY_STRING, run(2, b"\x07tagline")),
        ("rows-key-long", KEY_STRING, run(4, b"\x07tagline")),
        (
            "rows-key-endless",
            KEY_STRING,
            [signed(0), unsigned(u64::MAX)].concat(),
        ),
        ("rows-insert-short", INSERT, vec![2]),
        ("rows-insert-long", INSERT, vec![4]),
        ("rows-insert-endless", INSERT, unsigned(u64::MAX)),
        ("rows-insert-none", INSERT, vec![]),
        ("rows-values-short", VALUE_METADATA, run(2, &[0])),
        ("rows-values-endless", VALUE_METADATA, run(FOREVER, &[0])),
        ("rows-predecessors-short", PREDECESSOR_COUNT, run(2, &[0])),
        ("rows-predecessors-missing", PREDECESSOR_COUNT, run(3, &[1])),
        (
            "rows-objects-endless",
            OBJECT_ACTOR,
            [signed(0), unsigned(1 << 62)].concat(),
        ),
        ("rows-expand-short", EXPAND, vec![2]),
        ("rows-marks-short", MARK_NAME, run(2, b"\x01m")),
    ];
    for (name, number, data) in cases {
        book.refused(name, rows, "column-rows", |s| {
            with(s, &replaced(number, &data))
        });
    }
    book.refused(
        "runs-of-nothing",
        "a thousand runs without rows",
        "malformed-change",
        |s| {
            let data = [run(3, &[1]), [0, 0].repeat(1_000)].concat();
            with(s, &replaced(ACTION, &data))
        },
    );
    book.refused(
        "literal-run-cut",
        "reading beyond the end",
        "malformed-change",
        |s| with(s, &replaced(ACTION, &run(-3, &[1, 1]))),
    );
    book.refused(
        "literal-run-of-2-63",
        "a run whose length has no positive",
        "malformed-change",
        |s| with(s, &replaced(ACTION, &run(i64::MIN, &[1, 1, 1]))),
    );
}

fn impossible(book: &mut Book) {
    let value = "a value that Automerge does not expect where it stands";
    let cases: [(&str, u64, Vec<u8>); 9] = [
        ("action-8", ACTION, run(3, &[8])),
        ("action-2-63", ACTION, run(3, &unsigned(1 << 63))),
        ("action-none", ACTION, vec![0, 3]),
        ("value-type-10", VALUE_METADATA, run(3, &[10])),
        ("value-type-15", VALUE_METADATA, run(3, &[15])),
        ("string-not-there", VALUE_METADATA, run(3, &[0x16])),
        ("key-no-utf8", KEY_STRING, run(3, b"\x01\xff")),
        ("values-left-over", VALUE, b"left over".to_vec()),
        ("predecessors-none", PREDECESSOR_COUNT, vec![0, 3]),
    ];
    for (name, number, data) in cases {
        book.refused(name, value, "column-value", |s| {
            with(s, &replaced(number, &data))
        });
    }
    let typed = |metadata: u64, bytes: &'static [u8]| {
        let mut columns = puts(1);
        for (number, data) in &mut columns {
            match *number {
                VALUE_METADATA => *data = run(-1, &unsigned(metadata)),
                INSERT => {}
                _ => data[0] = 0x7f,
            }
        }
        columns.push((VALUE, bytes.to_vec()));
        columns.sort();
        columns
    };
    let unreadable: [(&str, u64, &'static [u8]); 7] = [
        ("string-no-utf8", 0x26, b"\xff\xfe"),
        ("float-of-3-bytes", 0x35, b"abc"),
        ("float-of-9-bytes", 0x95, b"abcdefghi"),
        ("integer-endless", 0xf4, &[0xff; 15]),
        ("counter-cut", 0x18, &[0x80]),
        ("integer-overlong", 0x24, &[0x80, 0]),
        ("integer-and-more", 0x24, &[0x01, 0x01]),
    ];
    for (name, metadata, bytes) in unreadable {
        book.refused(
            name,
            "bytes that are no value of their type",
            "unreadable-operations",
            |s| with(s, &typed(metadata, bytes)),
        );
    }
    let twice: [(&str, u64, &'static [u8]); 2] = [
        ("null-with-bytes", 0x10, b"x"),
        ("true-with-bytes", 0x12, b"x"),
    ];
    for (name, metadata, bytes) in twice {
        book.refused(name, "two encodings of one value", "not-canonical", |s| {
            with(s, &typed(metadata, bytes))
        });
    }
    book.refused(
        "increment-by-null",
        "Automerge expects a number",
        "unreadable-operations",
        |s| with(s, &replaced(ACTION, &run(3, &[5]))),
    );
}

fn references(book: &mut Book) {
    let range = "an index that panics in Automerge";
    let object = |actor: &[u8], counter: &[u8]| {
        let mut columns = puts(3);
        columns.push((OBJECT_ACTOR, run(3, actor)));
        columns.push((OBJECT_COUNTER, run(3, counter)));
        columns.sort();
        columns
    };
    let element = |actor: &[u8], delta: &[u8]| {
        let mut columns = puts(3);
        columns[0] = (KEY_COUNTER, run(3, delta));
        columns.push((KEY_ACTOR, run(3, actor)));
        columns.sort();
        columns
    };
    let pred = |actor: &[u8], delta: &[u8]| {
        let mut columns = replaced(PREDECESSOR_COUNT, &run(3, &[1]));
        columns.push((PREDECESSOR_ACTOR, run(3, actor)));
        columns.push((PREDECESSOR_COUNTER, run(3, delta)));
        columns
    };
    let huge = unsigned(1 << 31);
    let far = signed(1 << 30);
    let min = signed(i64::MIN);
    for (name, data) in [
        ("object-actor-out-of-range", object(&[1], &[1])),
        ("object-counter-2-31", object(&[0], &huge)),
        ("key-actor-out-of-range", element(&[1], &[1])),
        ("key-counter-below-zero", element(&[0], &[0x7f])),
        ("key-counter-2-31", element(&[0], &far)),
        ("key-counter-min", element(&[0], &min)),
        ("pred-actor-out-of-range", pred(&[1], &[1])),
        ("pred-counter-below-zero", pred(&[0], &[0x7f])),
        ("pred-counter-2-31", pred(&[0], &far)),
    ] {
        book.refused(name, range, "column-value", |s| with(s, &data));
    }
    for (name, code, data) in [
        (
            "object-without-counter",
            "not-canonical",
            vec![(OBJECT_ACTOR, run(3, &[0]))],
        ),
        (
            "key-without-counter",
            "unreadable-operations",
            vec![(KEY_ACTOR, run(3, &[0]))],
        ),
    ] {
        book.refused(name, range, code, |s| {
            let mut all = [puts(3), data].concat();
            all.sort();
            with(s, &all)
        });
    }
}

fn unusual(book: &mut Book) {
    let twice = "two encodings of one change, with two hashes";
    let cases: [(&str, u64, Vec<u8>); 4] = [
        ("run-in-two", ACTION, [run(1, &[1]), run(2, &[1])].concat()),
        ("literal-of-equals", ACTION, run(-3, &[1, 1, 1])),
        ("empty-column", EXPAND, vec![]),
        ("expand-without-mark", EXPAND, vec![0, 3]),
    ];
    for (name, number, data) in cases {
        book.refused(name, twice, "not-canonical", |s| {
            with(s, &replaced(number, &data))
        });
    }
    book.refused("map-with-a-value", twice, "not-canonical", |s| {
        let mut columns = replaced(ACTION, &run(3, &[0]));
        columns.retain(|(number, _)| *number != VALUE_METADATA);
        columns.push((VALUE_METADATA, run(3, &[1])));
        columns.sort();
        with(s, &columns)
    });
    let order = "columns where Automerge does not look for them";
    book.refused("column-unknown", order, "unexpected-column", |s| {
        with(s, &replaced(0xb1, &run(3, &[0])))
    });
    book.refused(
        "column-deflated",
        "a deflated column grows without bound",
        "unexpected-column",
        |s| with(s, &replaced(ACTION | 8, &run(3, &[1]))),
    );
    book.refused("column-twice", order, "unexpected-column", |s| {
        let mut columns = puts(3);
        columns.insert(0, columns[0].clone());
        with(s, &columns)
    });
    book.refused("columns-unsorted", order, "unexpected-column", |s| {
        let mut columns = puts(3);
        columns.swap(0, 1);
        with(s, &columns)
    });
    book.refused(
        "column-of-2-32",
        "a column number beyond 32 bits",
        "unexpected-column",
        |s| with(s, &replaced(1 << 32 | ACTION, &run(3, &[1]))),
    );
}
