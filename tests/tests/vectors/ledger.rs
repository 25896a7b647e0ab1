//! Entries, refusals and their chains.

use indelible_engine::id::{Epoch, GlobalSeq, Hash, LogPlace, ProposalId, Seq, SessionId};
use indelible_engine::ledger::{
    self, Claimed, Entry, EntryDraft, EntryKind, Header, RecordError, RefusalDraft, RefusalRecord,
    Sealed, SealedRefusal, decode_refusal, verify_chain, verify_refusal_chain,
};
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;
use indelible_engine::violation::ViolationReport;
use serde_json::{Value, json};

use super::{bytes, golden, list};

const AT: i64 = 1_770_091_506_789;

fn alice() -> Principal {
    Principal {
        id: "alice".into(),
        name: Some("Alice Ångström".into()),
        roles: ["editor".to_owned(), "admin".to_owned()].into(),
    }
}

fn draft(kind: EntryKind, epoch: u64, seq: u64) -> EntryDraft {
    EntryDraft {
        kind,
        header: Header {
            entity: "team/jane-doe".parse().expect("a name"),
            place: LogPlace::new(Epoch(epoch), Seq(seq)),
            proposal: None,
            author: Principal::system(),
            session: None,
            at: Timestamp(AT),
            policy_hash: Hash([0x55; 32]),
        },
        changes: vec![],
        heads: vec![Hash([0x22; 32])],
        claimed: None,
    }
}

/// One entity's log: every kind of entry, every optional field once there and once not.
fn log() -> Vec<Sealed> {
    let genesis = EntryDraft {
        changes: vec![vec![0x85, 0x6f, 0x4a, 0x83, 0]],
        ..draft(EntryKind::Genesis, 1, 0)
    };
    let imported = EntryDraft {
        changes: vec![vec![1, 2, 3]],
        claimed: Some(Claimed {
            created_at: Some(Timestamp(-1)),
            created_by: Some("legacy:7".into()),
        }),
        ..draft(EntryKind::Changes, 1, 1)
    };
    let mut edited = draft(EntryKind::Changes, 1, 2);
    edited.header = Header {
        proposal: Some(ProposalId([0x11; 16])),
        author: alice(),
        session: Some(SessionId([0x44; 16])),
        at: Timestamp(AT + 1),
        ..edited.header
    };
    edited.changes = vec![vec![0xab; 300], vec![]];
    edited.heads = vec![Hash([0x99; 32]), Hash([0x01; 32])];
    let claims_nothing = Some(Claimed::default());
    let drafts = [
        genesis,
        imported,
        edited,
        draft(EntryKind::Deleted, 1, 3),
        draft(EntryKind::Undeleted, 1, 4),
        draft(EntryKind::Policy, 1, 5),
        EntryDraft {
            claimed: claims_nothing,
            ..draft(EntryKind::Epoch, 2, 0)
        },
    ];
    let mut previous = Hash::ZERO;
    let mut last = Timestamp(0);
    let mut global = 23;
    drafts
        .into_iter()
        .map(|draft| {
            global += 1;
            let sealed = draft.seal(GlobalSeq(global), last, previous);
            (previous, last) = (sealed.hash, sealed.entry.header.at);
            sealed
        })
        .collect()
}

fn describe(sealed: &Sealed) -> Value {
    let entry = &sealed.entry;
    json!({
        "entry": {
            "kind": entry.kind as u8,
            "entity": entry.header.entity,
            "epoch": entry.header.place.epoch,
            "seq": entry.header.place.seq,
            "global": entry.global,
            "proposal": entry.header.proposal,
            "author": entry.header.author,
            "session": entry.header.session,
            "at": entry.header.at,
            "policy_hash": entry.header.policy_hash,
            "changes": entry.changes.iter().map(hex::encode).collect::<Vec<_>>(),
            "heads": entry.heads,
            "claimed": entry.claimed.as_ref().map(|claimed| json!({
                "created_at": claimed.created_at,
                "created_by": claimed.created_by,
            })),
            "previous_hash": entry.previous_hash,
        },
        "encoding": hex::encode(&sealed.bytes),
        "hash": sealed.hash,
    })
}

/// Bytes that hold an entry, but not in its one encoding.
fn misencoded() -> Vec<(&'static str, Vec<u8>)> {
    let sealed = log().swap_remove(2);
    let good = sealed.bytes;
    let mut unsorted = sealed.entry;
    unsorted.heads.reverse();
    let with =
        |at: usize, replaced: usize, by: &[u8]| [&good[..at], by, &good[at + replaced..]].concat();
    vec![
        ("a version in two bytes", with(1, 1, &[0x18, 1])),
        (
            "an array of indefinite length",
            [&[0x9f][..], &good[1..], &[0xff]].concat(),
        ),
        ("heads out of order", unsorted.encode()),
        ("a byte too many", [&good[..], &[0]].concat()),
        ("a byte too few", good[..good.len() - 1].to_vec()),
        ("version 2", with(1, 1, &[2])),
        ("an unknown kind of entry", with(2, 1, &[6])),
    ]
}

#[test]
fn entries() {
    let entries: Vec<Value> = log().iter().map(describe).collect();
    let refused: Vec<Value> = misencoded()
        .into_iter()
        .map(|(name, bytes)| {
            let error = match ledger::decode(&bytes).expect_err(name) {
                RecordError::Malformed(_) => "malformed",
                RecordError::Version(_) => "version",
                RecordError::NotCanonical => "not-canonical",
            };
            json!({ "name": name, "encoding": hex::encode(bytes), "error": error })
        })
        .collect();
    let file = golden(
        "entries.json",
        &json!({ "log": entries, "refused": refused }),
    );

    let mut chain = Vec::new();
    for (vector, sealed) in list(&file["log"]).iter().zip(log()) {
        let bytes = bytes(vector, "encoding");
        let hash: Hash = vector["hash"]
            .as_str()
            .expect("a hash")
            .parse()
            .expect("a hash");
        assert_eq!(ledger::decode(&bytes), Ok(sealed.entry));
        assert_eq!(Entry::hash_of(&bytes), hash);
        chain.push((bytes, hash));
    }
    let last = chain.last().map(|(_, hash)| *hash);
    assert_eq!(verify_chain(chain), Ok(last));
}

fn refusals_log() -> Vec<SealedRefusal> {
    let draft = |violations, further| RefusalDraft {
        header: Header {
            entity: "team/jane-doe".parse().expect("a name"),
            place: LogPlace::new(Epoch(1), Seq(2)),
            proposal: Some(ProposalId([0x11; 16])),
            author: alice(),
            session: Some(SessionId([0x44; 16])),
            at: Timestamp(AT),
            policy_hash: Hash([0x55; 32]),
        },
        code: "policy".into(),
        admitted: 1,
        change: Some(Hash([0x77; 32])),
        violations,
        further,
    };
    let violation = |text: &str| ViolationReport {
        change: 1,
        ops: vec![0, 300],
        pointer: "/employeeId".parse().expect("a pointer"),
        rule: "write".into(),
        attempted: Some(text.into()),
        kept: None,
        holder: None,
        bound: None,
        message: "employeeId cannot be changed".into(),
    };
    let first = draft(vec![violation("\"E-2\"")], 0).seal(0, Timestamp(0), Hash::ZERO);
    let many = draft(vec![violation(&"ß".repeat(1_000)); 40], 0);
    let many = many.seal(1, Timestamp(AT + 5), first.hash);
    let mut counted = draft(vec![], 900);
    (counted.header.proposal, counted.header.session) = (None, None);
    counted.change = None;
    let counted = counted.seal(2, Timestamp(AT + 5), many.hash);
    vec![first, many, counted]
}

#[test]
fn refusals() {
    let made: Vec<Value> = refusals_log()
        .iter()
        .map(|sealed| {
            let record = &sealed.record;
            json!({
                "record": {
                    "entity": record.header.entity,
                    "number": record.number,
                    "epoch": record.header.place.epoch,
                    "seq": record.header.place.seq,
                    "proposal": record.header.proposal,
                    "author": record.header.author,
                    "session": record.header.session,
                    "at": record.header.at,
                    "policy_hash": record.header.policy_hash,
                    "code": record.code,
                    "admitted": record.admitted,
                    "change": record.change,
                    "violations_total": record.violations_total,
                    "violations": record.violations,
                    "further": record.further,
                    "previous_hash": record.previous_hash,
                },
                "encoding": hex::encode(&sealed.bytes),
                "hash": sealed.hash,
            })
        })
        .collect();
    let file = golden("refusals.json", &Value::Array(made));

    let mut chain = Vec::new();
    for (vector, sealed) in list(&file).iter().zip(refusals_log()) {
        let bytes = bytes(vector, "encoding");
        let hash: Hash = vector["hash"]
            .as_str()
            .expect("a hash")
            .parse()
            .expect("a hash");
        assert_eq!(decode_refusal(&bytes), Ok(sealed.record));
        assert_eq!(RefusalRecord::hash_of(&bytes), hash);
        chain.push((bytes, hash));
    }
    let last = chain.last().map(|(_, hash)| *hash);
    assert_eq!(verify_refusal_chain(chain), Ok(last));
}
