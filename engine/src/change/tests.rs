//! Guards against two failures: an honest change refused (then nobody can write), and a dishonest
//! one that panics, or is taken (then one client stops the server for all).

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc, ScalarValue};
use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

fn actor(number: u8) -> ActorId {
    client_actor(
        Timestamp(1_770_000_000_000 + i64::from(number)),
        [number; 10],
    )
}

fn document(number: u8) -> AutoCommit {
    let mut doc = AutoCommit::new();
    doc.set_actor(actor(number));
    doc
}

/// Changes that use every kind of operation, value, key and reference.
fn honest() -> Vec<Vec<u8>> {
    let mut one = document(1);
    one.put(ROOT, "null", ()).unwrap();
    one.put(ROOT, "true", true).unwrap();
    one.put(ROOT, "int", -70_000).unwrap();
    one.put(ROOT, "uint", 70_000u64).unwrap();
    one.put(ROOT, "float", 0.25).unwrap();
    one.put(ROOT, "text as register", "Grüße 🦀").unwrap();
    one.put(ROOT, "counter", ScalarValue::counter(5)).unwrap();
    one.put(ROOT, "time", ScalarValue::Timestamp(-3)).unwrap();
    one.put(ROOT, "bytes", vec![0u8, 255]).unwrap();
    let text = one.put_object(ROOT, "body", ObjType::Text).unwrap();
    one.splice_text(&text, 0, 0, "hello there").unwrap();
    let list = one.put_object(ROOT, "tags", ObjType::List).unwrap();
    one.insert(&list, 0, "a").unwrap();
    one.insert(&list, 1, "b").unwrap();
    let map = one.put_object(ROOT, "nested", ObjType::Map).unwrap();
    one.put(&map, "x", 1).unwrap();
    one.commit_with(
        CommitOptions::default()
            .with_message("first ✓")
            .with_time(1_770_000_000),
    );

    let mut two = one.fork().with_actor(actor(2));
    let mut three = one.fork().with_actor(actor(3));
    two.put(ROOT, "int", 2).unwrap();
    two.splice_text(&text, 5, 6, ", world").unwrap();
    two.delete(&list, 0).unwrap();
    two.commit();
    three.put(ROOT, "int", 3).unwrap();
    three.increment(ROOT, "counter", -2).unwrap();
    three.put(&list, 1, "B").unwrap();
    three.delete(ROOT, "float").unwrap();
    three.commit();
    one.merge(&mut two).unwrap();
    one.merge(&mut three).unwrap();
    one.put(ROOT, "int", 4).unwrap();
    one.put(&map, "x", 2).unwrap();
    one.commit();
    for n in 0..300 {
        one.put(&map, format!("key {n}"), n % 3).unwrap();
    }
    one.commit();
    assert!(one.get(ROOT, "int").unwrap().is_some());
    one.get_changes(&[])
        .into_iter()
        .map(|change| change.raw_bytes().to_vec())
        .collect()
}

fn check(bytes: &[u8]) -> Result<ParsedChange, &'static str> {
    let known = |code: RefusalCode| RefusalCode::ALL.iter().find(|one| **one == code);
    parse(bytes, &Limits::default()).map_err(|error| known(error.code()).unwrap().code())
}

/// Puts a chunk around content, with the right length and checksum.
fn seal(content: &[u8]) -> Vec<u8> {
    let mut hashed = vec![1];
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

fn content(chunk: &[u8]) -> Vec<u8> {
    super::chunk::open(chunk).unwrap().to_vec()
}

#[test]
fn honest_changes_are_taken_as_they_are() {
    let changes = honest();
    assert_eq!(changes.len(), 5);
    for bytes in changes {
        let parsed = check(&bytes).unwrap();
        assert_eq!(parsed.bytes(), bytes);
        assert_eq!(parsed.ops().len(), parsed.raw().len());
        assert_eq!(
            parsed.max_op(),
            parsed.start_op() + parsed.ops().len() as u64 - 1
        );
        assert_eq!(seal(&content(&bytes)), bytes);
    }
}

/// Re-encoded from the document, as a server does before it trusts its own copy.
#[test]
fn changes_that_went_through_save_and_load_are_the_same() {
    let mut doc = document(9);
    let honest = honest();
    let changes = honest.iter().map(|bytes| check(bytes).unwrap().into_raw());
    doc.apply_changes(changes).unwrap();
    let mut loaded = AutoCommit::load(&doc.save()).unwrap();
    for change in loaded.get_changes(&[]) {
        assert!(honest.iter().any(|bytes| bytes == change.raw_bytes()));
        check(change.raw_bytes()).unwrap();
    }
}

#[test]
fn chunks_that_are_no_plain_change_are_refused() {
    let good = honest().swap_remove(0);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        check(&bytes).map(drop)
    };
    assert_eq!(check(b"").map(drop), Err("not-a-chunk"));
    assert_eq!(check(&good[..6]).map(drop), Err("not-a-chunk"));
    assert_eq!(changed(0, 0), Err("not-a-chunk"));
    assert_eq!(changed(4, good[4] ^ 1), Err("checksum"));
    for chunk_type in [0, 2, 3, 200] {
        assert_eq!(changed(8, chunk_type), Err("chunk-type"));
    }
    assert_eq!(
        check(&good[..good.len() - 1]).map(drop),
        Err("chunk-length")
    );
    assert_eq!(
        check(&[&good[..], &[0]].concat()).map(drop),
        Err("chunk-length")
    );
    assert_eq!(
        check(&[&good[..], &good].concat()).map(drop),
        Err("chunk-length")
    );
    let mut doc = document(1);
    doc.put(ROOT, "a", "x".repeat(1_000)).unwrap();
    assert_eq!(check(&doc.save()).map(drop), Err("chunk-type"));
    let mut compressed = doc.get_last_local_change().unwrap();
    assert_eq!(check(&compressed.bytes()).map(drop), Err("chunk-type"));
}

/// Whoever is refused for a number reads which would have been allowed.
#[test]
fn refusals_name_their_bounds() {
    let limits = Limits::default();
    let honest = honest();
    let told = |edit: &dyn Fn(&mut ExpandedChange)| {
        let mut expanded = check(&honest[0]).unwrap().expanded;
        edit(&mut expanded);
        let parsed = parse(Change::from(expanded).raw_bytes(), &limits);
        parsed.map(drop).unwrap_err().to_string()
    };
    let actor = told(&|c| c.actor_id = ActorId::from(&[1; 15][..]));
    for number in [15, limits.actor_bytes_min, limits.actor_bytes_max] {
        assert!(actor.contains(&number.to_string()), "{actor}");
    }
    let time = told(&|c| c.time = TIME_MAX + 1);
    assert!(time.contains(&TIME_MAX.to_string()), "{time}");
}

/// What the fields before the columns say, by way of Automerge's own encoder.
#[test]
fn fields_out_of_bounds_are_refused() {
    let honest = honest();
    let with = |index: usize, edit: &dyn Fn(&mut ExpandedChange)| {
        let mut expanded = check(&honest[index]).unwrap().expanded;
        edit(&mut expanded);
        check(Change::from(expanded).raw_bytes()).map(drop)
    };
    assert_eq!(with(0, &|_| {}), Ok(()));
    assert_eq!(
        with(0, &|c| c.actor_id = ActorId::from(&[1; 15][..])),
        Err("actor-length")
    );
    assert_eq!(
        with(0, &|c| c.actor_id = ActorId::from(&[1; 33][..])),
        Err("actor-length")
    );
    assert_eq!(
        with(0, &|c| c.actor_id = ActorId::from(&[][..])),
        Err("actor-length")
    );
    let derived = [&[0x13, 0xb2, 0x23, 0x09, 1][..], &[7; 16]].concat();
    assert_eq!(
        with(0, &|c| c.actor_id = ActorId::from(&derived[..])),
        Err("actor-derived")
    );
    assert_eq!(with(0, &|c| c.seq = 0), Err("impossible-seq"));
    assert_eq!(with(0, &|c| c.seq = u64::MAX), Err("impossible-seq"));
    let counter = |value: u64| value.try_into().unwrap();
    let length = check(&honest[0]).unwrap().ops().len() as u64;
    assert_eq!(
        with(0, &|c| c.start_op = counter((1 << 31) - length)),
        Ok(())
    );
    for start in [(1 << 31) - length + 1, u64::from(u32::MAX), u64::MAX] {
        assert_eq!(
            with(0, &|c| c.start_op = counter(start)),
            Err("impossible-counter")
        );
    }
    for time in [-TIME_MAX, -1, TIME_MAX] {
        assert_eq!(with(0, &|c| c.time = time), Ok(()));
    }
    for time in [i64::MIN, -TIME_MAX - 1, TIME_MAX + 1, i64::MAX] {
        assert_eq!(with(0, &|c| c.time = time), Err("impossible-time"));
    }
    assert_eq!(with(0, &|c| c.message = Some("x".repeat(1_024))), Ok(()));
    assert_eq!(
        with(0, &|c| c.message = Some("x".repeat(1_025))),
        Err("message-too-long")
    );
    assert_eq!(with(0, &|c| c.operations.clear()), Err("no-operations"));
    let hash = |n: u16| ChangeHash(Hash::of(&[&n.to_be_bytes()]).0);
    assert_eq!(with(0, &|c| c.deps = (0..256).map(hash).collect()), Ok(()));
    assert_eq!(
        with(0, &|c| c.deps = (0..257).map(hash).collect()),
        Err("too-many-dependencies")
    );
    assert_eq!(
        with(0, &|c| c.deps = vec![hash(1), hash(1)]),
        Err("dependency-order")
    );
    let many = |c: &mut ExpandedChange, n| c.operations = vec![c.operations[0].clone(); n];
    assert_eq!(with(0, &|c| many(c, 10_000)), Ok(()));
    assert_eq!(with(0, &|c| many(c, 10_001)), Err("too-many-operations"));
    let key = |n: usize| automerge::legacy::Key::Map("k".repeat(n).into());
    assert_eq!(with(0, &|c| c.operations[0].key = key(1_024)), Ok(()));
    assert_eq!(
        with(0, &|c| c.operations[0].key = key(1_025)),
        Err("key-too-long")
    );
    let pred = |c: &ExpandedChange, n: u64| OpId::new(n, &c.actor_id);
    assert_eq!(
        with(0, &|c| c.operations[0].pred =
            vec![pred(c, 1), pred(c, 1)].into()),
        Err("predecessor-order")
    );
    assert_eq!(
        with(0, &|c| {
            let preds: Vec<_> = (1..=65_537).map(|n| pred(c, n)).collect();
            c.operations[0].pred = preds.into();
        }),
        Err("too-many-predecessors")
    );
}

#[test]
fn footers_are_one_author_at_the_first_change() {
    let honest = honest();
    let with_footer = |index: usize, footer: &[u8]| {
        let mut expanded = check(&honest[index]).unwrap().expanded;
        expanded.extra_bytes = footer.to_vec();
        check(Change::from(expanded).raw_bytes())
    };
    let taken = with_footer(0, b"\x01\x05alice").unwrap();
    assert_eq!(taken.claimed_author(), Some(&b"alice"[..]));
    let refused = |index, footer| with_footer(index, footer).map(drop).unwrap_err();
    let later = honest
        .iter()
        .position(|bytes| check(bytes).unwrap().seq() > 1)
        .unwrap();
    assert_eq!(refused(later, b"\x01\x05alice"), "author-footer");
    assert_eq!(refused(0, b"\x01\x05alicex"), "author-footer");
    assert_eq!(refused(0, b"\x02\x05alice"), "author-footer");
    assert_eq!(refused(0, b"\x01\x06alice"), "malformed-change");
    let long = [&[1, 0x81, 2][..], &[b'a'; 257]].concat();
    assert_eq!(refused(0, &long), "author-too-long");
}

/// A change with these columns, and otherwise nothing that could be wrong.
fn with_columns(columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut out = vec![0, 16];
    out.extend_from_slice(actor(1).to_bytes());
    out.extend_from_slice(&[1, 1, 0, 0, 0]);
    put_unsigned(&mut out, columns.len() as u64);
    for (number, data) in columns {
        put_unsigned(&mut out, *number);
        put_unsigned(&mut out, data.len() as u64);
    }
    for (_, data) in columns {
        out.extend_from_slice(data);
    }
    seal(&out)
}

/// `count` times the same operation: put null at the root's key "k".
fn puts(count: &[u8]) -> Vec<(u64, Vec<u8>)> {
    vec![
        (0x15, [count, b"\x01k"].concat()),
        (0x34, count.to_vec()),
        (0x42, [count, &[1]].concat()),
        (0x56, [count, &[0]].concat()),
        (0x70, [count, &[0]].concat()),
    ]
}

fn check_columns(columns: &[(u64, Vec<u8>)]) -> Result<usize, &'static str> {
    let columns: Vec<_> = columns
        .iter()
        .map(|(number, data)| (*number, &data[..]))
        .collect();
    check(&with_columns(&columns)).map(|parsed| parsed.ops().len())
}

#[test]
fn bombs_are_counted_not_expanded() {
    assert_eq!(check_columns(&puts(&[3])), Ok(3));
    // 1,000,000 and 2^62 operations.
    let many = [
        &[0xc0, 0x84, 0x3d][..],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0],
    ];
    for count in many {
        assert_eq!(check_columns(&puts(count)), Err("too-many-operations"));
    }
    // 2^40 predecessors of one operation, in runs of as many.
    let mut preds = puts(&[2]);
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    preds[4].1 = [&[2], &huge[..]].concat();
    preds.push((0x71, [&huge[..], &[0]].concat()));
    preds.push((0x73, [&huge[..], &[0]].concat()));
    assert_eq!(check_columns(&preds), Err("too-many-predecessors"));
    // A key that says it is 2^30 bytes long: Automerge would reserve them all.
    let mut key = puts(&[2]);
    key[0].1 = vec![2, 0x80, 0x80, 0x80, 0x80, 4, b'k'];
    assert_eq!(check_columns(&key), Err("key-too-long"));
    let mut empty_runs = puts(&[2]);
    empty_runs[2].1 = [&[2, 1][..], &[0, 0].repeat(1_000)].concat();
    assert_eq!(check_columns(&empty_runs), Err("malformed-change"));
}

#[test]
fn columns_that_disagree_are_refused() {
    let with = |column: usize, data: &[u8]| {
        let mut columns = puts(&[3]);
        columns[column].1 = data.to_vec();
        check_columns(&columns)
    };
    assert_eq!(with(0, b"\x02\x01k"), Err("column-rows"));
    assert_eq!(with(0, b"\x04\x01k"), Err("column-rows"));
    assert_eq!(with(0, b"\x03\x01\xff"), Err("column-value"));
    assert_eq!(with(1, &[2]), Err("column-rows"));
    assert_eq!(with(1, &[]), Err("column-rows"));
    assert_eq!(with(1, &[4]), Err("column-rows"));
    assert_eq!(with(2, &[3, 8]), Err("column-value"));
    assert_eq!(with(2, &[0, 3]), Err("column-value"));
    assert_eq!(
        with(3, &[3, 10]),
        Err("column-value"),
        "unknown type of value"
    );
    assert_eq!(
        with(3, &[3, 0x16]),
        Err("column-value"),
        "a string that is not there"
    );
    assert_eq!(with(3, &[2, 0]), Err("column-rows"));
    assert_eq!(with(4, &[2, 0]), Err("column-rows"));
    assert_eq!(
        with(4, &[3, 1]),
        Err("column-rows"),
        "predecessors that are not there"
    );
    assert_eq!(
        with(2, &[3, 5]),
        Err("unreadable-operations"),
        "increment by null"
    );

    let and = |number: u64, data: &[u8]| {
        let mut columns = puts(&[3]);
        columns.push((number, data.to_vec()));
        columns.sort();
        check_columns(&columns)
    };
    assert_eq!(and(0x57, b"left over"), Err("column-value"));
    assert_eq!(and(0x94, &[2]), Err("column-rows"));
    assert_eq!(and(0xa5, b"\x02\x01m"), Err("column-rows"));
    assert_eq!(and(0xb1, &[3, 0]), Err("unexpected-column"));
    assert_eq!(and(0x4a, &[3, 1]), Err("unexpected-column"), "compressed");
    assert_eq!(and(0x15, &[3, 1, b'k']), Err("unexpected-column"), "twice");
    let mut backwards = puts(&[3]);
    backwards.swap(0, 1);
    assert_eq!(check_columns(&backwards), Err("unexpected-column"));
}

#[test]
fn references_stay_in_range() {
    let object = |actor: u64, counter: &[u8]| {
        let mut columns = puts(&[2]);
        columns.push((0x01, vec![2, actor as u8]));
        columns.push((0x02, [&[2], counter].concat()));
        columns.sort();
        check_columns(&columns)
    };
    assert_eq!(object(0, &[1]), Ok(2));
    assert_eq!(
        object(1, &[1]),
        Err("column-value"),
        "there is no second actor"
    );
    assert_eq!(
        object(0, &[0x80, 0x80, 0x80, 0x80, 0x08]),
        Err("column-value"),
        "2^31"
    );
    let element = |delta: &[u8]| {
        let mut columns = puts(&[2]);
        columns[0] = (0x13, [&[2], delta].concat());
        columns.push((0x11, vec![2, 0]));
        columns.sort();
        check_columns(&columns)
    };
    assert_eq!(element(&[1]), Ok(2));
    assert_eq!(element(&[0x7f]), Err("column-value"), "below zero");
    assert_eq!(
        element(&[0x80, 0x80, 0x80, 0x80, 0x04]),
        Err("column-value"),
        "2^30 twice"
    );
}

#[test]
fn unusual_encodings_are_refused() {
    let mut marked = puts(&[3]);
    marked.push((0x94, vec![0, 3]));
    assert_eq!(
        check_columns(&marked),
        Err("not-canonical"),
        "expand without a mark"
    );
    let mut split = puts(&[3]);
    split[2].1 = vec![1, 1, 2, 1];
    assert_eq!(check_columns(&split), Err("not-canonical"), "a run in two");
    let mut empty = puts(&[3]);
    empty.push((0x94, vec![]));
    assert_eq!(
        check_columns(&empty),
        Err("not-canonical"),
        "an empty column"
    );
    let mut made = puts(&[3]);
    made[2].1 = vec![3, 0];
    made[3].1 = vec![3, 1];
    assert_eq!(
        check_columns(&made),
        Err("not-canonical"),
        "a map with a value"
    );
}

/// Makes changes out of numbers: two actors edit one document in turn and now and then merge.
fn edits_by(numbers: &[(u8, u8, u8)]) -> Vec<Vec<u8>> {
    let mut docs = [document(1), document(2)];
    let text = docs[0].put_object(ROOT, "t", ObjType::Text).unwrap();
    let list = docs[0].put_object(ROOT, "l", ObjType::List).unwrap();
    docs[0].commit();
    let [one, two] = &mut docs;
    two.merge(one).unwrap();
    for &(which, place, value) in numbers {
        let doc = &mut docs[usize::from(which & 1)];
        let (at, n) = (usize::from(place), i64::from(value));
        let text_at = at % (doc.length(&text) + 1);
        let list_at = at % (doc.length(&list) + 1);
        match which >> 1 & 7 {
            0 => doc.put(ROOT, format!("k{}", place % 7), n).unwrap(),
            1 => doc
                .put(ROOT, format!("k{}", place % 7), format!("{n}"))
                .unwrap(),
            2 => doc.delete(ROOT, format!("k{}", place % 7)).unwrap(),
            3 => doc
                .splice_text(&text, text_at, 0, &"ß".repeat(at % 9))
                .unwrap(),
            4 if text_at > 0 => doc.splice_text(&text, text_at - 1, 1, "🦀").unwrap(),
            5 => doc.insert(&list, list_at, value % 2 == 0).unwrap(),
            6 if list_at > 0 => doc.delete(&list, list_at - 1).unwrap(),
            7 => drop(
                doc.put_object(ROOT, format!("k{}", place % 7), ObjType::Map)
                    .unwrap(),
            ),
            _ => {}
        }
        if value % 5 == 0 {
            doc.commit();
        }
        if value % 16 == 0 {
            let [one, two] = &mut docs;
            one.merge(two).unwrap();
            two.merge(one).unwrap();
        }
    }
    let [one, two] = &mut docs;
    one.merge(two).unwrap();
    one.get_changes(&[])
        .into_iter()
        .map(|change| change.raw_bytes().to_vec())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever is taken is exactly what Automerge would have written, whatever is not does not
    /// panic. The checksum is made right, or nothing would get past it.
    #[test]
    fn changed_bytes_never_panic(
        which in 0usize..5,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static HONEST: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
        let mut content = content(&HONEST.get_or_init(honest)[which]);
        for (at, byte) in edits {
            let at = at.index(content.len());
            content[at] = byte;
        }
        if let Some(cut) = cut {
            let at = cut.index(content.len());
            content.remove(at);
        }
        let bytes = seal(&content);
        if let Ok(parsed) = parse(&bytes, &Limits::default()) {
            prop_assert_eq!(parsed.bytes(), bytes);
        }
    }

    #[test]
    fn any_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(parse(&seal(&content), &Limits::default()).is_err());
        prop_assert!(parse(&content, &Limits::default()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_automerge_writes_is_taken(
        numbers in prop::collection::vec(any::<(u8, u8, u8)>(), 0..60),
    ) {
        for bytes in edits_by(&numbers) {
            let parsed = parse(&bytes, &Limits::default());
            prop_assert!(parsed.is_ok(), "{:?}", parsed.map(drop));
        }
    }
}

#[test]
fn operations_are_counted_by_what_they_do_to_lengths() {
    let mut doc = document(9);
    let list = doc.put_object(ROOT, "list", ObjType::List).unwrap();
    for index in 0..100 {
        doc.insert(&list, index, index % 2 == 0).unwrap();
    }
    doc.insert(&list, 0, "text").unwrap();
    doc.delete(&list, 0).unwrap();
    doc.put(ROOT, "null", ScalarValue::Null).unwrap();
    doc.commit();
    let bytes = doc.get_last_local_change().unwrap().raw_bytes().to_vec();
    let counted = operations(&bytes, &Limits::default()).unwrap();
    let expected = Operations {
        all: 104,
        insertions: 101,
        deletions: 1,
        // The list itself, its elements but one, and the null.
        weightless: 102,
    };
    assert_eq!(counted, expected);
}
