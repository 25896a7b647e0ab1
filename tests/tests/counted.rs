//! Guards against bounds that are looked at too late: what is far beyond one of them is refused
//! before anything is made of it. What is made is counted as memory, over what came in.
//!
//! One test, since the memory is that of the process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use indelible_engine::admission::{Origin, Proposal, admit};
use indelible_engine::change::{self, ChangeError, server_actor};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeOptions, merge};
use indelible_engine::principal::Principal;
use indelible_engine::protocol::ClientFrame;
use indelible_engine::testing;
use indelible_engine::time::Timestamp;
use indelible_tests::chunk;
use peak_alloc::PeakAlloc;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a refusal may take whatever it refuses: its text, and what is small in any case.
const ROOM: usize = 64 << 10;
/// Far beyond every bound.
const MANY: usize = 2_000_000;

/// What came of something, and by how many bytes the memory rose meanwhile.
fn cost<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = run();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

fn unsigned(value: usize) -> Vec<u8> {
    chunk::unsigned(value as u64)
}

/// The head of a run of equal values in a column.
fn run(count: usize) -> Vec<u8> {
    chunk::signed(i64::try_from(count).unwrap())
}

/// A change by parts: each is left as it may be where it is not given.
#[derive(Default)]
struct Parts {
    dependencies: Vec<u8>,
    actor: Option<Vec<u8>>,
    message: Vec<u8>,
    others: Option<Vec<u8>>,
    columns: Vec<(u8, Vec<u8>)>,
}

impl Parts {
    fn bytes(self) -> Vec<u8> {
        let actor = self.actor.unwrap_or_else(|| vec![8; 16]);
        let mut content = match self.dependencies.is_empty() {
            true => vec![0],
            false => self.dependencies,
        };
        content.extend(unsigned(actor.len()));
        content.extend(actor);
        // Seq, first counter, time.
        content.extend([1, 1, 0]);
        content.extend(unsigned(self.message.len()));
        content.extend(self.message);
        content.extend(self.others.unwrap_or_else(|| vec![0]));
        content.extend(unsigned(self.columns.len()));
        for (specification, data) in &self.columns {
            content.push(*specification);
            content.extend(unsigned(data.len()));
        }
        for (_, data) in self.columns {
            content.extend(data);
        }
        chunk::change(&content)
    }
}

/// The columns of `rows` operations that each put `true` at the key `key`, with so many
/// predecessors in the first of them.
fn puts(rows: usize, key: &[u8], predecessors: usize) -> Vec<(u8, Vec<u8>)> {
    let equal = |value: &[u8]| [&run(rows), value].concat();
    let mut columns = vec![
        (0x15, equal(&[&unsigned(key.len()), key].concat())),
        (0x34, unsigned(rows)),
        (0x42, equal(&[2])),
        (0x56, equal(&[2])),
        (0x70, equal(&unsigned(predecessors))),
    ];
    if predecessors > 0 {
        columns.push((0x71, [&run(predecessors)[..], &[0]].concat()));
        columns.push((0x73, [&run(predecessors)[..], &[1]].concat()));
    }
    columns
}

fn changes() -> Vec<(&'static str, Vec<u8>)> {
    let many = |item: &[u8]| [unsigned(MANY), item.repeat(MANY)].concat();
    let part = Parts::default;
    let made = |parts: Parts| Parts::bytes(parts);
    vec![
        (
            "too-many-dependencies",
            made(Parts {
                dependencies: many(&[7; 32]),
                ..part()
            }),
        ),
        (
            "actor-length",
            made(Parts {
                actor: Some(vec![7; MANY]),
                ..part()
            }),
        ),
        (
            "message-too-long",
            made(Parts {
                message: vec![b'm'; MANY],
                ..part()
            }),
        ),
        (
            "too-many-actors",
            made(Parts {
                others: Some(many(&[1, 7])),
                ..part()
            }),
        ),
        (
            "too-many-operations",
            made(Parts {
                columns: puts(MANY, b"a", 0),
                ..part()
            }),
        ),
        (
            "key-too-long",
            made(Parts {
                columns: puts(1, &vec![b'k'; MANY], 0),
                ..part()
            }),
        ),
        (
            "too-many-predecessors",
            made(Parts {
                columns: puts(1, b"a", MANY),
                ..part()
            }),
        ),
    ]
}

fn entity() -> Entity {
    let schema = json!({
        "type": "object",
        "x-indelible": { "kind": "thing", "create": ["editor"], "edit": ["editor"] },
        "properties": {
            "name": { "type": "string", "maxLength": 80 },
            "code": { "type": "string", "pattern": "^[a-z]*$" },
            "body": { "type": "string", "maxLength": 80, "x-indelible": { "merge": "text" } },
            "free": { "type": "string", "x-indelible": { "merge": "text" } },
            "coded": { "type": "string", "pattern": "^[a-z]*$", "x-indelible": { "merge": "text" } },
            "list": { "type": "array", "items": { "type": "integer" } },
            "keyed": { "type": "array", "items": { "type": "object", "properties": {} } },
            "map": { "type": "object", "additionalProperties": { "type": "integer" } },
            "few": { "type": "array", "maxItems": 9, "items": { "type": "integer" } },
            "set": { "type": "array", "maxItems": 9, "uniqueItems": true,
                     "items": { "type": "integer" } },
            "rows": { "type": "array", "maxItems": 9, "items": { "type": "object", "properties": {
                "few": { "type": "array", "maxItems": 9, "items": { "type": "integer" } } } } },
            "bag": { "type": "object", "maxProperties": 9,
                     "additionalProperties": { "type": "integer" } },
            "deep": { "type": "object", "x-indelible": { "merge": "atomic" } },
        },
    });
    let policy = testing::compiled(&schema);
    let id: EntityId = "thing/one".parse().unwrap();
    Entity::genesis(&id, Epoch::FIRST, &policy)
}

fn bob() -> Principal {
    testing::editor("bob")
}

fn proposal(changes: Vec<Vec<u8>>) -> Proposal {
    testing::proposal(&bob(), Origin::Client, changes)
}

/// Asserts that something takes no memory to speak of beyond what came in.
#[track_caller]
fn assert_small(what: &str, bytes: usize) {
    assert!(
        bytes <= ROOM,
        "{what} took {bytes} bytes until it was refused"
    );
}

fn changes_are_counted_first(limits: &Limits, entity: &Entity) {
    for (code, bytes) in changes() {
        let (refused, taken) = cost(|| change::parse(&bytes, limits).unwrap_err().code());
        assert_eq!(refused, code);
        assert_small(code, taken);
        let proposal = proposal(vec![bytes]);
        let (verdict, taken) = cost(|| admit(entity, &proposal, Timestamp(1), limits));
        assert_eq!(verdict.refused.unwrap().code, code);
        assert_small(code, taken);
    }
    // With one of each nothing is wrong but how the runs are written, which is looked at last.
    let one = Parts {
        columns: puts(1, b"name", 0),
        ..Parts::default()
    };
    let refused = change::parse(&one.bytes(), limits).unwrap_err();
    assert!(matches!(refused, ChangeError::NotCanonical), "{refused}");
}

fn proposals_are_counted_first(limits: &Limits, entity: &Entity) {
    let crowd = proposal(vec![Vec::new(); MANY]);
    let (verdict, taken) = cost(|| admit(entity, &crowd, Timestamp(1), limits));
    assert_eq!(verdict.refused.unwrap().code, "malformed");
    assert_small("a proposal of many changes", taken);

    let crowded = ClientFrame::Propose {
        id: ProposalId([1; 16]),
        entity: entity.id().clone(),
        epoch: Epoch::FIRST,
        changes: vec![ByteBuf::new(); MANY],
        whole: false,
    };
    let crowded = crowded.encode();
    let (error, taken) = cost(|| {
        ClientFrame::decode(&crowded, limits)
            .unwrap_err()
            .to_string()
    });
    assert!(error.contains("changes"), "{error}");
    assert_small("a frame of many changes", taken);

    let long = vec![0xa0; limits.frame_bytes_max + 1];
    let (error, taken) = cost(|| ClientFrame::decode(&long, limits).unwrap_err().to_string());
    assert!(error.contains("bytes"), "{error}");
    assert_small("a frame that is too long", taken);
}

/// Bodies that some bound of the schema refuses, and what they are refused for.
fn bodies() -> Vec<(&'static str, Value)> {
    let letters = "a".repeat(MANY);
    let entries = |count: usize| -> serde_json::Map<String, Value> {
        (0..count).map(|n| (format!("k{n}"), 1.into())).collect()
    };
    let (map, bag) = (entries(MANY / 2 + 1), entries(MANY / 4));
    let deep = (0..100).fold(json!(1), |inside, _| json!([inside]));
    vec![
        ("maxLength", json!({ "name": letters })),
        ("maxLength", json!({ "code": letters })),
        ("maxLength", json!({ "body": letters })),
        ("maxLength", json!({ "free": letters })),
        ("maxLength", json!({ "coded": letters })),
        ("maxItems", json!({ "list": vec![1; MANY] })),
        (
            "maxItems",
            json!({ "keyed": vec![json!({}); MANY / 2 + 1] }),
        ),
        // No entity has room for that many names.
        ("TooLarge", json!({ "map": map })),
        ("maxItems", json!({ "few": vec![1; MANY] })),
        (
            "maxItems",
            json!({ "set": (0..MANY / 4).collect::<Vec<_>>() }),
        ),
        ("maxItems", json!({ "rows": vec![json!({}); MANY / 2] })),
        ("maxItems", json!({ "rows": [{ "few": vec![1; MANY] }] })),
        ("maxProperties", json!({ "bag": bag })),
        ("nesting", json!({ "deep": { "a": deep } })),
    ]
}

fn bodies_are_counted_first(entity: &Entity) {
    let actor = server_actor(entity.id(), entity.epoch(), "bob");
    let options = MergeOptions::default();
    for (rule, body) in bodies() {
        let (result, taken) = cost(|| merge(entity, &bob(), &actor, &body, &options));
        let error = result.unwrap_err();
        let told = format!("{error:?}");
        assert!(
            told.contains(rule),
            "{rule}: {}",
            &told[..told.len().min(300)]
        );
        // A merge of it would take hundreds of bytes for each letter or element; a refusal says
        // what was tried.
        let most = 3 * value_bytes(&body) + ROOM;
        assert!(
            taken <= most,
            "{rule} took {taken} bytes, {most} are allowed"
        );
    }
}

/// About what a value takes in memory.
fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(elements) => elements.iter().map(value_bytes).sum(),
            Value::Object(entries) => {
                let entries = entries.iter();
                entries
                    .map(|(name, value)| size_of::<String>() + name.len() + value_bytes(value))
                    .sum()
            }
            _ => 0,
        }
}

#[test]
fn what_is_far_beyond_a_bound_is_refused_before_anything_is_made_of_it() {
    let (limits, entity) = (Limits::default(), entity());
    // What is made once, by the first caller.
    drop(change::parse(&[], &limits));
    changes_are_counted_first(&limits, &entity);
    proposals_are_counted_first(&limits, &entity);
    bodies_are_counted_first(&entity);
}
