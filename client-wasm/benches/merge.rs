//! What merging a value costs beside making the same splices directly in Automerge: typical edits
//! and the worst, at 1,000 to 100,000 elements, on the server and in the client.
//!
//! Each round measures all of them one after the other. `cargo xtask bench merge` runs this.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use automerge::transaction::{Transactable, Transaction};
use automerge::{Automerge, Change, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use indelible_client::{EditOptions, Session};
use indelible_engine::admission::Origin;
use indelible_engine::effects::{Effect, EffectChange, effects};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Kind, SessionId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{Base, MergeOptions};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::protocol::{KindMode, KindReport, PROTOCOL_VERSION, ServerFrame};
use indelible_engine::testing;
use indelible_engine::time::Timestamp;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_770_000_000_000);
const PAGE: &str = "page/one";
const SCHEMA: &str = r#"{
  "type": "object",
  "x-indelible": { "kind": "page", "read": ["public"], "create": ["editor"], "edit": ["editor"],
                   "history": ["editor"] },
  "properties": {
    "text": { "type": "string", "x-indelible": { "merge": "text" } },
    "list": { "type": "array", "items": { "type": "string" } },
    "keyed": { "type": "array", "items": {
      "type": "object", "properties": { "name": { "type": "string" } } } }
  }
}"#;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("merge: medians in ms; in brackets the ratio to the same splices in Automerge");
    let only: Vec<String> = std::env::args().filter(|a| !a.starts_with('-')).collect();
    for (elements, rounds) in [(1_000, 15), (10_000, 5), (100_000, 3)] {
        for case in cases(elements) {
            if only.len() < 2
                || only[1..]
                    .iter()
                    .any(|name| case.name.contains(name.as_str()))
            {
                figure(elements, rounds, &case);
            }
        }
    }
}

/// What two callers make of one value; the second one's is measured.
struct Case {
    name: &'static str,
    field: &'static str,
    base: Value,
    theirs: Value,
    ours: Value,
}

/// Numbers that look random, the same in every run (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn shuffle<T>(&mut self, elements: &mut [T]) {
        for index in (1..elements.len()).rev() {
            elements.swap(index, self.below(index + 1));
        }
    }

    fn text(&mut self, length: usize, letters: &str) -> String {
        let letters: Vec<char> = letters.chars().collect();
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }

    fn words(&mut self, length: usize) -> String {
        let mut text = String::new();
        while text.len() < length {
            let (word, letters) = (self.below(900).min(self.below(900)), 2 + self.below(9));
            let mut spelling = Self(word as u64 * 1_000_003 + 17);
            text.push_str(&spelling.text(letters, "aaabcdeeefghiiijklmnooopqrssttuvwxyz"));
            text.push(' ');
        }
        text.truncate(length);
        text
    }
}

fn cases(elements: usize) -> Vec<Case> {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let text = numbers.words(elements);
    let ends = |who: &str| json!(format!("{who}{} And a sentence by {who}.", &text[5..]));
    let mut typos: Vec<char> = text.chars().collect();
    for _ in 0..elements / 50 {
        typos[numbers.below(elements)] = '#';
    }
    let mut shuffled: Vec<&str> = text.split(' ').collect();
    numbers.shuffle(&mut shuffled);
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let list: Vec<Value> = (0..elements)
        .map(|n| json!(format!("element {n}")))
        .collect();
    let keyed =
        (0..elements).map(|n| json!({ "id": format!("i{n}"), "name": format!("item {n}") }));
    let keyed: Vec<Value> = keyed.collect();
    let dropped = |elements: &[Value], new: Value| json!([&elements[1..], &[new]].concat());
    let mut in_any_order = list.clone();
    numbers.shuffle(&mut in_any_order);
    let reversed: Vec<Value> = keyed.iter().rev().cloned().collect();
    let text_case = |name, ours| Case {
        name,
        field: "text",
        base: json!(text),
        theirs: ends("Bob"),
        ours,
    };
    let list_case = |name, ours| Case {
        name,
        field: "list",
        base: json!(list),
        theirs: dropped(&list, json!("Bob")),
        ours,
    };
    let keyed_case = |name, ours| Case {
        name,
        field: "keyed",
        base: json!(keyed),
        theirs: dropped(&keyed, json!({ "name": "Bob" })),
        ours,
    };
    vec![
        text_case("text, both ends", ends("Carol")),
        text_case("text, 2 % of the letters", json!(String::from_iter(typos))),
        text_case("text, words shuffled", json!(shuffled.join(" "))),
        text_case(
            "text, another one without blanks",
            json!(numbers.text(elements, letters)),
        ),
        list_case(
            "list, first dropped and one more",
            dropped(&list, json!("Carol")),
        ),
        list_case("list, shuffled", json!(in_any_order)),
        keyed_case(
            "keyed, first dropped and one more",
            dropped(&keyed, json!({ "name": "Carol" })),
        ),
        keyed_case("keyed, reversed", json!(reversed)),
    ]
}

fn policy() -> Arc<Policy> {
    testing::compiled(&serde_json::from_str(SCHEMA).unwrap())
}

fn timed<T>(times: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = black_box(work());
    times.push(start.elapsed().as_secs_f64() * 1e3);
    result
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Merges as a server does: the entity afterwards, what it changed, and the changes.
fn put(
    entity: &Entity,
    who: &str,
    body: &Value,
    base: Option<Base>,
) -> (Entity, Vec<Effect>, Vec<Vec<u8>>) {
    let author = testing::editor(who);
    let creation = base.is_none();
    let options = MergeOptions {
        base,
        creation,
        ..MergeOptions::default()
    };
    let changes = testing::merged(entity, &author, body, &options).unwrap();
    let origin = if creation {
        Origin::Creation
    } else {
        Origin::Server
    };
    let verdict = testing::judge(entity, &author, changes.clone(), origin);
    assert!(verdict.refused.is_none());
    let admitted = verdict.admitted.unwrap();
    let effects = admitted.effects().to_vec();
    (admitted.into_parts().0, effects, changes)
}

fn of(entity: &Entity) -> Base {
    Base {
        value: entity.presented(),
        heads: entity.heads(),
        earlier: None,
    }
}

fn document(entity: &Entity) -> Automerge {
    let options =
        automerge::LoadOptions::new().text_encoding(automerge::TextEncoding::Utf16CodeUnit);
    Automerge::load_with_options(&entity.document(), options).unwrap()
}

/// The same with Automerge alone: a copy that is written to, another one that the change is applied
/// to.
fn directly(doc: &Automerge, field: &str, effects: &[Effect]) -> Automerge {
    let mut copy = doc.clone();
    copy.set_actor(automerge::ActorId::from([5; 16]));
    let object = doc.get(ROOT, field).unwrap().unwrap().1;
    let mut tx = copy.transaction();
    for effect in effects {
        write(&mut tx, &object, effect);
    }
    let (hash, _) = tx.commit();
    let change = copy.get_change_by_hash(&hash.unwrap()).unwrap();
    let bytes = change.raw_bytes().to_vec();
    let mut other = doc.clone();
    let change = Change::try_from(bytes.as_slice()).unwrap();
    other.apply_changes([change]).unwrap();
    other
}

fn write(tx: &mut Transaction<'_>, object: &ObjId, effect: &Effect) {
    let id = || effect.pointer.tokens().last().unwrap().clone();
    match &effect.change {
        EffectChange::Splice {
            at,
            removed,
            inserted,
        } => match (removed, inserted) {
            (Value::String(removed), Value::String(inserted)) => {
                let removed = removed.encode_utf16().count();
                let removed = isize::try_from(removed).unwrap();
                tx.splice_text(object, *at, removed, inserted).unwrap();
            }
            (removed, inserted) => {
                let removed = isize::try_from(removed.as_array().unwrap().len()).unwrap();
                let inserted = inserted.as_array().unwrap().iter();
                let inserted = inserted.map(|value| ScalarValue::from(value.as_str().unwrap()));
                tx.splice(object, *at, removed, inserted).unwrap();
            }
        },
        EffectChange::Put { to: Some(_), .. } => {
            let item = tx.put_object(object, id(), ObjType::Map).unwrap();
            tx.put(&item, "$position", "V").unwrap();
            tx.put(&item, "name", "new").unwrap();
        }
        EffectChange::Put { to: None, .. } => {
            let item = tx.get(object, id()).unwrap().unwrap().1;
            tx.put(&item, "$deleted", true).unwrap();
        }
        EffectChange::Move { .. } => {
            let item = tx.get(object, id()).unwrap().unwrap().1;
            tx.put(&item, "$position", "W").unwrap();
        }
    }
}

/// A client that follows the page and has edited nothing.
fn session(entity: &Entity) -> Session {
    let mut session = Session::new([3; 32], "bench");
    session.open(PAGE).unwrap();
    session.connecting();
    session.connected(Some("token".to_owned()));
    let kind = Kind::new("page").unwrap();
    let hash = entity.policy().hash();
    let frames = [
        ServerFrame::Welcome {
            protocol: PROTOCOL_VERSION,
            session: SessionId([1; 16]),
            principal: Principal::new("carol", ["editor"]),
            at: NOW,
            limits: Limits::default(),
            kinds: vec![KindReport {
                kind: kind.clone(),
                singleton: false,
                mode: KindMode::Replica,
                create: true,
                delete: true,
                policy: hash,
            }],
        },
        ServerFrame::Schema {
            kind,
            hash,
            text: SCHEMA.to_owned(),
            rules: Some(entity.policy().rules().number()),
        },
        ServerFrame::Snapshot {
            entity: entity.id().clone(),
            epoch: entity.epoch(),
            seq: entity.seq(),
            hash: entity.hash(),
            document: ByteBuf::from(entity.document()),
            stamps: "{}".to_owned(),
        },
    ];
    for frame in frames {
        session.handle_frame(&frame.encode(), NOW).unwrap();
    }
    while session.poll_transmit(NOW).is_some() {}
    assert!(!session.poll_events().is_empty());
    session
}

fn figure(elements: usize, rounds: usize, case: &Case) {
    let id: EntityId = PAGE.parse().unwrap();
    let genesis = Entity::genesis(&id, Epoch::FIRST, &policy());
    let body = |value: &Value| json!({ case.field: value });
    let (first, ..) = put(&genesis, "alice", &body(&case.base), None);
    let (second, ..) = put(&first, "bob", &body(&case.theirs), Some(of(&first)));
    let ours = body(&case.ours);
    let (third, changed, changes) = put(&second, "carol", &ours, Some(of(&first)));
    let operations: usize = changes
        .iter()
        .map(|bytes| Change::try_from(bytes.as_slice()).unwrap().len())
        .sum();
    let text = ours.to_string();
    let ours_alone = put(&first, "carol", &ours, Some(of(&first))).1;
    let (before, after) = (second.presented(), third.presented());
    let (doc, doc_alone) = (document(&second), document(&first));
    let [
        mut difference,
        mut server,
        mut direct,
        mut client,
        mut direct_alone,
    ] = [(); 5].map(|()| Vec::new());
    for _ in 0..rounds {
        timed(&mut difference, || {
            let (from, to) = (before.as_object().unwrap(), after.as_object().unwrap());
            effects(second.policy(), from, to)
        });
        timed(&mut direct, || directly(&doc, case.field, &changed));
        timed(&mut server, || {
            put(&second, "carol", &ours, Some(of(&first)))
        });
        let mut session = session(&first);
        timed(&mut direct_alone, || {
            directly(&doc_alone, case.field, &ours_alone)
        });
        timed(&mut client, || {
            session
                .edit(PAGE, &text, &EditOptions::default(), NOW)
                .unwrap();
            session.poll_events()
        });
    }
    let [difference, server, direct, client, direct_alone] =
        [difference, server, direct, client, direct_alone].map(median);
    println!(
        "{elements:>7}  {:<34} {operations:>7} operations   difference {difference:>8.2}   server \
         {server:>9.2} ({:>5.2})   client {client:>9.2} ({:>5.2})   Automerge {direct:>9.2}, \
         {direct_alone:.2}",
        case.name,
        server / direct,
        client / direct_alone,
    );
}
