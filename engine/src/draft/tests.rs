//! Guards against changes that a transaction would not have made.
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Change, ROOT};
use proptest::prelude::*;

use super::*;
use std::sync::Arc;

use crate::change::client_actor;
use crate::document;
use crate::id::{Epoch, Hash, Seq};
use crate::schema;
use crate::time::Timestamp;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
/// Letters of one and of two units.
const LETTERS: [char; 5] = ['x', 'y', 'é', '😀', '𝄞'];

/// A call on the document. Places are parts of the length that there is by then, in 256ths.
#[derive(Debug, Clone)]
enum Call {
    Put(usize, i64),
    Make(usize),
    Inside(usize, i64),
    Delete(usize),
    Increment(i64),
    /// Several splices of a list, or of a text.
    Splice(bool, Vec<(u8, u8, u8)>),
    /// Values beside each other in a list, which only writers at the same time make.
    PutElement(u8, i64),
}

fn call() -> impl Strategy<Value = Call> {
    let splices = prop::collection::vec((any::<u8>(), 0..6u8, 0..6u8), 1..5);
    prop_oneof![
        (0..4usize, 0..3i64).prop_map(|(key, value)| Call::Put(key, value)),
        (0..4usize).prop_map(Call::Make),
        (0..4usize, 0..3i64).prop_map(|(key, value)| Call::Inside(key, value)),
        (0..4usize).prop_map(Call::Delete),
        (-3..3i64).prop_map(Call::Increment),
        (any::<bool>(), splices.clone()).prop_map(|(text, all)| Call::Splice(text, all)),
        (any::<bool>(), splices).prop_map(|(text, all)| Call::Splice(text, all)),
        (any::<u8>(), 0..3i64).prop_map(|(at, value)| Call::PutElement(at, value)),
    ]
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    prop::collection::vec(call(), 0..12)
}

fn actor(number: u8) -> ActorId {
    client_actor(Timestamp(1_770_000_000_000), [number; 10])
}

/// A map, a counter, a list and a text.
fn ground() -> Automerge {
    let mut doc = document::empty(actor(0));
    let mut tx = doc.transaction();
    tx.put(ROOT, "counter", ScalarValue::counter(1)).unwrap();
    let list = tx.put_object(ROOT, "list", ObjType::List).unwrap();
    tx.splice(&list, 0, 0, (0..12).map(ScalarValue::from))
        .unwrap();
    let text = tx.put_object(ROOT, "text", ObjType::Text).unwrap();
    tx.splice_text(&text, 0, 0, "a😀bcdé𝄞fgh").unwrap();
    tx.commit_with(CommitOptions::default().with_time(0));
    doc
}

fn object(doc: &impl ReadDoc, name: &str) -> Option<ObjId> {
    match doc.get(ROOT, name).unwrap() {
        Some((Stored::Object(_), id)) => Some(id),
        _ => None,
    }
}

/// Ascending splices between the elements, which have these widths.
fn splices(widths: &[usize], wishes: &[(u8, u8, u8)]) -> Vec<Splice> {
    let starts: Vec<usize> = widths
        .iter()
        .scan(0, |at, width| {
            let start = *at;
            *at += width;
            Some(start)
        })
        .collect();
    let end: usize = widths.iter().sum();
    let place = |index: usize| starts.get(index).copied().unwrap_or(end);
    let mut wishes = wishes.to_vec();
    wishes.sort_unstable();
    let mut done = 0;
    let mut all = Vec::new();
    for (at, removed, inserted) in wishes {
        let from = (usize::from(at) * (widths.len() + 1) / 256).max(done);
        let to = (from + usize::from(removed)).min(widths.len());
        done = to.max(from);
        all.push(Splice {
            at: place(from),
            removed: place(done) - place(from),
            inserted: 0..usize::from(inserted),
        });
    }
    all
}

fn widths(text: &str) -> Vec<usize> {
    text.chars().map(char::len_utf16).collect()
}

fn value(index: usize) -> ScalarValue {
    ScalarValue::from(index as i64)
}

/// Makes the calls in a transaction; those too that only bring the ground about.
fn transact(doc: &mut Automerge, calls: &[Call], message: Option<&str>) -> Option<Change> {
    let mut tx = doc.transaction();
    for call in calls {
        match call {
            Call::Put(key, value) => tx.put(ROOT, KEYS[*key], *value).unwrap(),
            Call::Make(key) => {
                let map = tx.put_object(ROOT, KEYS[*key], ObjType::Map).unwrap();
                let text = tx.put_object(&map, "text", ObjType::Text).unwrap();
                tx.splice_text(&text, 0, 0, "new 😀").unwrap();
                tx.splice_text(&text, 1, 5, "é").unwrap();
            }
            Call::Inside(key, value) => {
                if let Some(map) = object(&tx, KEYS[*key]) {
                    tx.put(&map, "inside", *value).unwrap();
                }
            }
            Call::Delete(key) => tx.delete(ROOT, KEYS[*key]).unwrap(),
            Call::Increment(by) => tx.increment(ROOT, "counter", *by).unwrap(),
            Call::Splice(true, wishes) => {
                let text = object(&tx, "text").unwrap();
                let all = splices(&widths(&tx.text(&text).unwrap()), wishes);
                for splice in all.into_iter().rev() {
                    let inserted: String = LETTERS[..splice.inserted.len().min(5)].iter().collect();
                    let removed = splice.removed.cast_signed();
                    tx.splice_text(&text, splice.at, removed, &inserted)
                        .unwrap();
                }
            }
            Call::Splice(false, wishes) => {
                let list = object(&tx, "list").unwrap();
                let all = splices(&vec![1; tx.length(&list)], wishes);
                for splice in all.into_iter().rev() {
                    let removed = splice.removed.cast_signed();
                    tx.splice(&list, splice.at, removed, splice.inserted.map(value))
                        .unwrap();
                }
            }
            Call::PutElement(at, value) => {
                let list = object(&tx, "list").unwrap();
                let length = tx.length(&list);
                if length > 0 {
                    tx.put(&list, usize::from(*at) * length / 256, *value)
                        .unwrap();
                }
            }
        }
    }
    let mut options = CommitOptions::default().with_time(0);
    options.message = message.map(str::to_owned);
    let (hash, _) = tx.commit_with(options);
    hash.map(|hash| doc.get_change_by_hash(&hash).unwrap())
}

/// Makes the same calls in a draft.
fn draft(draft: &mut Draft<'_>, calls: &[Call]) {
    let object = |draft: &Draft<'_>, name: &str| match draft.get(&ROOT, name).unwrap() {
        Some((Stored::Object(_), id)) => Some(id),
        _ => None,
    };
    for call in calls {
        match call {
            Call::Put(key, value) => draft.put(&ROOT, KEYS[*key], *value).unwrap(),
            Call::Make(key) => {
                let map = draft.put_object(&ROOT, KEYS[*key], ObjType::Map).unwrap();
                let text = draft.put_object(&map, "text", ObjType::Text).unwrap();
                draft.fill_text(&text, "new 😀").unwrap();
                assert_eq!(draft.length(&text), 6);
                let splice = Splice {
                    at: 1,
                    removed: 5,
                    inserted: 0..1,
                };
                let inserted = |_| Some(letter(&'é'));
                draft.splice(&text, &[splice], inserted).unwrap();
                assert_eq!(draft.text(&text), "né");
            }
            Call::Inside(key, value) => {
                if let Some(map) = object(draft, KEYS[*key]) {
                    draft.put(&map, "inside", *value).unwrap();
                }
            }
            Call::Delete(key) => draft.delete(&ROOT, KEYS[*key]).unwrap(),
            Call::Increment(by) => draft.increment(&ROOT, "counter", *by).unwrap(),
            Call::Splice(true, wishes) => {
                let text = object(draft, "text").unwrap();
                let now = draft.text(&text);
                assert_eq!(draft.length(&text), now.encode_utf16().count());
                let all = splices(&widths(&now), wishes);
                let inserted = |index: usize| LETTERS.get(index).map(letter);
                draft.splice(&text, &all, inserted).unwrap();
            }
            Call::Splice(false, wishes) => {
                let list = object(draft, "list").unwrap();
                let all = splices(&vec![1; draft.length(&list)], wishes);
                draft
                    .splice(&list, &all, |index| Some(value(index)))
                    .unwrap();
            }
            Call::PutElement(..) => {}
        }
    }
}

/// An entity around a document, as a replica has it that knows no principals.
fn around(doc: &Automerge) -> Entity {
    let schema = r#"{ "type": "object", "x-indelible": { "kind": "thing" } }"#;
    let policy = Arc::new(schema::compile("thing.json", schema).unwrap());
    let at = (Seq(1), Hash::ZERO);
    Entity::from_document(
        &"thing/a".parse().unwrap(),
        Epoch::FIRST,
        &policy,
        &doc.save(),
        at,
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_draft_is_the_change_that_a_transaction_makes(
        histories in prop::collection::vec(calls(), 0..4),
        last in calls(),
        author in 0..4u8,
        message in prop::option::of("[a-z]{1,4}"),
    ) {
        let ground = ground();
        let mut doc = ground.clone();
        for (number, history) in (1..).zip(&histories) {
            // At the same time, so that values stand beside one another.
            let mut other = ground.clone().with_actor(actor(number));
            transact(&mut other, history, None);
            doc.merge(&mut other).unwrap();
        }
        doc.set_actor(actor(author));
        let last: Vec<Call> = last
            .into_iter()
            .filter(|call| !matches!(call, Call::PutElement(..)))
            .collect();
        let entity = around(&doc);
        let mut made = Draft::of(&entity, &actor(author));
        draft(&mut made, &last);
        let made = made.finish(message.clone()).map(Change::from);

        let expected = transact(&mut doc, &last, message.as_deref());
        prop_assert_eq!(
            made.as_ref().map(|change| change.decode().operations),
            expected.as_ref().map(|change| change.decode().operations)
        );
        prop_assert_eq!(
            made.as_ref().map(Change::raw_bytes),
            expected.as_ref().map(Change::raw_bytes)
        );
    }
}
