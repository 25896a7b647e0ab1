//! Guards against a bundle that passes although it was altered, or although something in it should
//! never have been admitted.

use std::sync::Arc;

use automerge::ROOT;
use automerge::transaction::Transactable;
use indelible_engine::bundle::{Depth, Fault, Flaw};
use indelible_engine::id::{EntityId, Epoch, Hash, ProposalId, Seq};
use indelible_engine::ledger::{Claimed, EntryDraft, EntryKind};
use indelible_engine::lifecycle::{delete, undelete};
use indelible_engine::policy::Policy;
use indelible_engine::principal::Principal;
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use serde_json::json;

use crate::fixture::{Client, editor, policy};
use crate::ledgers::{Ledger, verify};

/// Two entities with every kind of entry but that of a policy, interleaved, and refusals, one of
/// them of an entity that was never created.
fn ledger() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.merge(
        "thing/one",
        "alice",
        json!({ "title": "One", "body": "hello" }),
    );
    ledger.merge("thing/two", "bob", json!({ "title": "Two", "code": "c" }));
    ledger.merge("thing/two", "bob", json!({ "code": "d" }));
    let mut client = Client::on(&ledger.entities[&"thing/one".parse().unwrap()], "bob", 1);
    let change = client.change(|tx| tx.put(ROOT, "tagline", "new").unwrap());
    let body = client.object(&["body"]);
    let typed = client.change(|tx| tx.splice_text(&body, 5, 0, " world").unwrap());
    ledger.propose("thing/one", &client.principal, vec![change, typed]);
    ledger.merge(
        "thing/one",
        "alice",
        json!({ "items": [ { "name": "an item" } ] }),
    );
    ledger.lifecycle("thing/two", "alice", delete);
    ledger.merge("thing/three", "eve", json!({ "level": -1 }));
    ledger.merge("thing/one", "bob", json!({ "secret": "x" }));
    ledger.merge("thing/one", "bob", json!({ "rating": 5 }));
    ledger.lifecycle("thing/two", "bob", undelete);
    ledger.epoch("thing/one");
    ledger.merge("thing/one", "alice", json!({ "hits": 2 }));
    assert_eq!((ledger.drafts.len(), ledger.refusals.len()), (10, 4));
    ledger
}

fn foreign() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.merge("thing/one", "alice", json!({ "title": "Another" }));
    ledger.merge("thing/one", "alice", json!({ "level": -5 }));
    ledger
}

#[test]
fn a_whole_ledger_passes() {
    let ledger = ledger();
    for depth in [Depth::Records, Depth::Admission] {
        let report = ledger.verify(depth).unwrap();
        let counts = (
            report.policies,
            report.entries,
            report.refusals,
            report.entities,
        );
        assert_eq!(counts, (1, 10, 4, 3));
    }
    assert_ne!(
        ledger.verify(Depth::Records).unwrap().root,
        foreign().verify(Depth::Records).unwrap().root
    );
    let empty = Ledger::new().verify(Depth::Admission).unwrap();
    assert_eq!((empty.policies, empty.entries), (1, 0));
}

/// A bundle with lines changed by `mangle` fails, not before the line where it was changed.
fn check_mangled(
    lines: &[String],
    at: usize,
    what: &str,
    mangle: impl Fn(&mut Vec<Vec<u8>>),
) -> Fault {
    let mut mangled: Vec<Vec<u8>> = lines.iter().map(|line| line.clone().into_bytes()).collect();
    mangle(&mut mangled);
    match verify(Depth::Records, &mangled.concat()) {
        Ok(_) => panic!("line {}: {what} passes\n{}", at + 1, lines[at]),
        Err(fault) => {
            assert!(fault.line > at as u64, "line {}: {what}: {fault}", at + 1);
            fault
        }
    }
}

#[test]
fn every_line_stands_where_it_is_and_as_it_is() {
    let (lines, foreign) = (ledger().lines(), foreign().lines());
    let mut rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &[7; 32]);
    for at in 0..lines.len() {
        let here = at as u64 + 1;
        for _ in 0..cases() {
            let byte = rng.random_range(0..lines[at].len());
            let bits = rng.random_range(1..=255u8);
            let what = format!("byte {byte} ^ {bits:02x}");
            let fault = check_mangled(&lines, at, &what, |lines| lines[at][byte] ^= bits);
            // How many policies follow is noticed where one is missing or too many.
            assert!(
                at == 0 || fault.line == here,
                "line {here}: {what}: {fault}"
            );
        }
        let dropped = check_mangled(&lines, at, "dropped", |lines| drop(lines.remove(at)));
        let doubled = check_mangled(&lines, at, "doubled", |lines| {
            lines.insert(at, lines[at].clone());
        });
        assert_eq!(doubled.line, here + 1, "{doubled}");
        if at + 1 < lines.len() {
            let swapped = check_mangled(&lines, at, "swapped", |lines| lines.swap(at, at + 1));
            assert!(swapped.line <= here + 1, "{swapped}");
            assert!(!dropped.to_string().contains("cut off"), "{dropped}");
        }
        for line in foreign.iter().filter(|line| **line != lines[at]) {
            check_mangled(&lines, at, "a foreign line", |lines| {
                lines.insert(at, line.clone().into_bytes());
            });
        }
        let cut = check_mangled(&lines, at, "cut off", |lines| lines.truncate(at));
        let why = if at == 0 { "is empty" } else { "is cut off" };
        assert!(cut.to_string().contains(why), "{cut}");
    }
    let last = lines.len() - 1;
    let after = |line: &str| {
        let mut file = lines.concat().into_bytes();
        file.extend(line.bytes());
        verify(Depth::Admission, &file).unwrap_err().line
    };
    assert_eq!(after("\n"), last as u64 + 2);
    assert_eq!(after(&lines[last]), last as u64 + 2);
    assert_eq!(after("x"), last as u64 + 2);
}

/// What other programs make of a file, and files of another sort, are reported as that.
#[test]
fn a_file_of_another_sort_is_told_apart() {
    let text = ledger().lines().concat();
    let count = text.lines().count();
    let check = |file: &[u8], told: &str| {
        for depth in [Depth::Records, Depth::Admission] {
            assert_eq!(verify(depth, file).unwrap_err().to_string(), told);
        }
    };
    let begun = "line 1: the file is not a bundle, which begins with the line \
                 {\"line\":\"header\",\"format\":\"indelible-bundle\",…";
    check(b"", "line 1: the file is empty");
    for other in [
        "{}",
        "{\n  \"line\": 1\n}\n",
        "[1]\n",
        "7",
        "\n",
        "hello",
        "{\"seq\":1,\"by\":\"alice\"}\r\n",
    ] {
        check(other.as_bytes(), begun);
    }
    check(&[0x1f, 0x8b, 8, 0, b'\n', 0xff], begun);
    check(
        &text.as_bytes()[..12],
        "line 1: the file is cut off in the middle of the line",
    );
    check(
        text.split_once('\n').unwrap().1.as_bytes(),
        "line 1: a policy is here, where the header should be",
    );
    for (mark, encoding) in [(&b"\xef\xbb\xbf"[..], "UTF-8"), (b"\xff\xfe", "UTF-16")] {
        let told = format!(
            "line 1: the file begins with a byte order mark ({encoding}), when a bundle is UTF-8 \
             without one"
        );
        check(&[mark, text.as_bytes()].concat(), &told);
    }
    let ends = "the line ends with a carriage return and a line feed, when the lines of a bundle \
                end with a line feed alone";
    check(
        text.replace('\n', "\r\n").as_bytes(),
        &format!("line 1: {ends}"),
    );
    let last = format!("{}\r\n", text.trim_end());
    check(last.as_bytes(), &format!("line {count}: {ends}"));
    check(
        text.trim_end().as_bytes(),
        &format!(
            "line {count}: the line feed that has to end the line is missing, and nothing comes \
             after it"
        ),
    );
    check(
        format!("{text}\n").as_bytes(),
        &format!("line {}: not a line of a bundle: it is empty", count + 1),
    );
    check(
        text.replacen("\"line\":\"policy\",", "\"line\":\"policy\";", 1)
            .as_bytes(),
        "line 2: not a line of a bundle: it is not JSON, at its byte 17",
    );
}

/// The ledger with some drafts forged, all hashes and chains made to fit, is a good set of records
/// and fails where it was forged.
fn check_forged(at: usize, why: &str, forge: impl FnOnce(&mut Ledger)) {
    let mut ledger = ledger();
    forge(&mut ledger);
    let records = ledger.verify(Depth::Records);
    assert!(records.is_ok(), "{why}: {}", records.unwrap_err());
    let fault = ledger.verify(Depth::Admission).unwrap_err();
    let draft = &ledger.drafts[at];
    let record = fault.record.as_deref().expect("it is in a record");
    assert_eq!(record.entity, draft.header.entity, "{fault}");
    assert_eq!(record.place, Some(draft.header.place), "{fault}");
    let header_and_policies = 1 + ledger.policies.iter().count();
    assert_eq!(fault.line, (header_and_policies + at + 1) as u64, "{fault}");
    assert!(fault.to_string().contains(why), "{fault}");
}

/// The same, for one draft.
fn check_draft(at: usize, why: &str, forge: impl FnOnce(&mut EntryDraft)) {
    check_forged(at, why, |ledger| forge(&mut ledger.drafts[at]));
}

fn visitor() -> Principal {
    Principal::new("eve", ["viewer"])
}

#[test]
fn what_was_not_allowed_fails_although_all_hashes_fit() {
    check_draft(1, "forbidden", |creation| {
        creation.header.author = visitor()
    });
    check_draft(4, "forbidden", |edit| edit.header.author = visitor());
    check_draft(6, "forbidden", |deletion| {
        deletion.header.author = visitor()
    });
    check_draft(7, "forbidden", |undeletion| {
        undeletion.header.author = visitor()
    });
    check_draft(5, "actor-reserved", |edit| {
        edit.header.author = editor("bob")
    });
    check_draft(1, "only the system can claim", |creation| {
        creation.claimed = Some(Claimed {
            created_at: Some(Timestamp(0)),
            created_by: None,
        });
    });
    check_draft(0, "author", |genesis| {
        genesis.header.author = editor("alice")
    });
    check_draft(8, "author", |epoch| epoch.header.author = editor("alice"));
    check_draft(8, "claim", |epoch| epoch.claimed = None);
    check_draft(4, "heads", |edit| edit.heads = vec![Hash([1; 32])]);
    check_draft(4, "proposal", |edit| edit.header.proposal = None);
    check_draft(8, "proposal", |epoch| {
        epoch.header.proposal = Some(ProposalId([1; 16]))
    });
    check_draft(4, "malformed", |edit| edit.changes.clear());
    check_draft(7, "it should not have been admitted", |undeletion| {
        undeletion.kind = EntryKind::Deleted;
    });
    check_draft(6, "changes", |deletion| {
        deletion.changes = vec![vec![1, 2, 3]]
    });
    check_draft(8, "changes", |epoch| drop(epoch.changes.pop()));
    check_draft(0, "changes", |genesis| {
        genesis.changes = vec![vec![0x85; 99]]
    });
}

#[test]
fn a_forbidden_change_fails_although_all_hashes_fit() {
    // bob is an editor, and the secret is for the chief: the change is sound otherwise.
    check_forged(4, "secret: the field may not be written", |ledger| {
        let mut before = Ledger::new();
        before.merge(
            "thing/one",
            "alice",
            json!({ "title": "One", "body": "hello" }),
        );
        let entity = &before.entities[&"thing/one".parse().unwrap()];
        let mut client = Client::on(entity, "bob", 1);
        let change = client.change(|tx| tx.put(ROOT, "secret", "taken").unwrap());
        let heads = client.doc.get_heads();
        ledger.drafts.truncate(5);
        ledger.refusals.clear();
        let edit = &mut ledger.drafts[4];
        edit.changes = vec![change];
        edit.heads = heads.into_iter().map(Hash::from).collect();
    });
    // Edits of what is deleted.
    check_forged(7, "was deleted", |ledger| {
        let two: EntityId = "thing/two".parse().unwrap();
        let mut edit = ledger.drafts[4].clone();
        (edit.header.entity, edit.header.place.seq) = (two, Seq(3));
        edit.header.at = ledger.drafts[6].header.at;
        ledger.drafts.truncate(7);
        ledger.refusals.clear();
        ledger.drafts.push(edit);
    });
}

#[test]
fn entries_are_judged_by_the_policy_in_force() {
    let mut schema = policy().schema().clone();
    schema["x-indelible"]["edit"] = json!(["viewer"]);
    let lax = Arc::new(schema::compile("thing.json", &schema.to_string()).unwrap());
    let hash = lax.hash();
    check_forged(4, "was in force", |ledger| {
        ledger.policies.insert(Arc::clone(&lax));
        ledger.drafts[4].header.policy_hash = hash;
        ledger.drafts[4].header.author = visitor();
    });
    check_forged(4, "may not change the policy", |ledger| {
        ledger.policies.insert(lax);
        let heads = ledger.drafts[1].heads.clone();
        let draft = &mut ledger.drafts[4];
        draft.kind = EntryKind::Policy;
        draft.header.policy_hash = hash;
        draft.header.author = editor("alice");
        draft.header.proposal = None;
        (draft.changes, draft.heads) = (Vec::new(), heads);
    });
    let mut unknown = ledger();
    unknown.drafts[4].header.policy_hash = hash;
    for depth in [Depth::Records, Depth::Admission] {
        let fault = unknown.verify(depth).unwrap_err();
        assert!(
            fault
                .to_string()
                .contains("a policy that the bundle does not have"),
            "{fault}"
        );
    }
}

#[test]
fn refusals_belong_to_the_log() {
    let mut ledger = ledger();
    ledger.refusals[0].header.place.seq = Seq(99);
    let fault = ledger.verify(Depth::Records).unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("(thing/two, refusal 0): out of order"),
        "{fault}"
    );
    let mut never = self::ledger();
    never.refusals[1].header.place.epoch = Epoch(2);
    let fault = never.verify(Depth::Records).unwrap_err();
    assert!(
        fault.to_string().contains("(thing/three, refusal 0)"),
        "{fault}"
    );
    let mut early = self::ledger();
    early.refusals[3].header.at = Timestamp(0);
    assert!(early.verify(Depth::Records).is_err());
    let mut nowhere = self::ledger();
    nowhere.refusals[2].header.place.epoch = Epoch(0);
    assert!(nowhere.verify(Depth::Records).is_err());
    let mut other = self::ledger();
    other.refusals[2].header.policy_hash = Hash([1; 32]);
    assert!(other.verify(Depth::Records).is_err());
}

#[test]
fn a_bundle_is_not_made_before_what_is_in_it() {
    let mut lines = ledger().lines();
    let trailer = lines.pop().unwrap();
    let (before, rest) = trailer.split_once("\"made\":\"").unwrap();
    let (_, rest) = rest.split_once('"').unwrap();
    lines.push(format!(
        "{before}\"made\":\"1970-01-01T00:00:00.000Z\"{rest}"
    ));
    let fault = verify(Depth::Records, lines.concat().as_bytes()).unwrap_err();
    assert!(matches!(*fault.flaw, Flaw::Time), "{fault}");
}

/// The kind with a tagline that only one may have.
fn unique() -> Arc<Policy> {
    let mut schema = policy().schema().clone();
    schema["properties"]["tagline"]["x-indelible"] = json!({ "unique": true });
    Arc::new(schema::compile("thing.json", &schema.to_string()).unwrap())
}

#[test]
fn a_value_that_only_one_may_have_is_not_taken_twice() {
    let mut ledger = Ledger::under(unique());
    for (name, tagline) in [("one", "a"), ("two", "b"), ("one", "c"), ("two", "a")] {
        let body = json!({ "title": name, "tagline": tagline });
        ledger.merge(&format!("thing/{name}"), "alice", body);
    }
    ledger.lifecycle("thing/one", "alice", delete);
    ledger.merge(
        "thing/three",
        "bob",
        json!({ "title": "three", "tagline": "c" }),
    );
    assert!(ledger.verify(Depth::Admission).is_ok());

    let mut again = ledger.clone();
    again.lifecycle("thing/one", "alice", undelete);
    let mut taken = ledger.clone();
    taken.merge("thing/three", "bob", json!({ "tagline": "a" }));
    for (bad, holder) in [(again, "thing/three"), (taken, "thing/two")] {
        assert!(bad.verify(Depth::Records).is_ok());
        let fault = bad.verify(Depth::Admission).unwrap_err();
        assert_eq!(fault.line, 2 + bad.drafts.len() as u64);
        let Flaw::Refused(why) = *fault.flaw else {
            panic!("{fault:?}")
        };
        assert_eq!(why, format!("unique: {holder} has this value of /tagline"));
    }
}

/// What was there twice when a field became unique is nobody's fault, and nobody's for the taking
/// while one of the two has it.
#[test]
fn values_that_a_schema_made_unique_belong_to_all_who_have_them() {
    let mut ledger = Ledger::new();
    for name in ["thing/one", "thing/two"] {
        ledger.merge(name, "alice", json!({ "title": "T", "tagline": "same" }));
    }
    ledger.migrate(&unique());
    assert!(ledger.verify(Depth::Admission).is_ok());
    let same = json!({ "title": "T", "tagline": "same" });
    for (gives_up, holder) in [(None, "one"), (Some("thing/one"), "two")] {
        if let Some(name) = gives_up {
            ledger.merge(name, "alice", json!({ "tagline": "other" }));
        }
        let mut taken = ledger.clone();
        taken.merge("thing/three", "bob", same.clone());
        let fault = taken.verify(Depth::Admission).unwrap_err();
        // Behind the header and two policies.
        assert_eq!(fault.line, 3 + taken.drafts.len() as u64);
        let text = format!("unique: thing/{holder} has this value of /tagline");
        assert!(fault.to_string().contains(&text), "{fault}");
    }
    ledger.lifecycle("thing/two", "alice", delete);
    ledger.merge("thing/three", "bob", same);
    assert!(ledger.verify(Depth::Admission).is_ok());
    let mut again = ledger.clone();
    again.lifecycle("thing/two", "alice", undelete);
    assert!(again.verify(Depth::Admission).is_err());
}

/// How many ledgers a property test makes.
fn cases() -> u32 {
    match std::env::var_os("INDELIBLE_LONG") {
        Some(_) => 2_000,
        None => 24,
    }
}

/// Random steps on a few entities, by several people; many of them come to nothing.
fn random_ledger(steps: &[(u8, u8, u8, i64)]) -> Ledger {
    let mut ledger = Ledger::new();
    for &(step, entity, author, number) in steps {
        let name = format!("thing/e{}", entity % 3);
        let author = ["alice", "bob", "system"][usize::from(author) % 3];
        let known = ledger.entities.contains_key(&name.parse().unwrap());
        let present = known && {
            let entity = &ledger.entities[&name.parse().unwrap()];
            entity.presence() == indelible_engine::ledger::Presence::Present
        };
        match step % 8 {
            _ if !known => ledger.merge(&name, author, json!({ "title": name, "hits": number })),
            0 if present => ledger.lifecycle(&name, "alice", delete),
            0 | 1 if !present => ledger.lifecycle(&name, "bob", undelete),
            _ if !present => {}
            1 => ledger.epoch(&name),
            2 => ledger.merge(&name, author, json!({ "code": number.to_string() })),
            3 => ledger.merge(
                &name,
                author,
                json!({ "body": "x".repeat(number.unsigned_abs() as usize % 120) }),
            ),
            4 => ledger.merge(
                &name,
                author,
                json!({ "items": [ { "name": number.to_string() } ] }),
            ),
            5 => ledger.merge(&name, author, json!({ "rating": number })),
            _ => ledger.merge(
                &name,
                author,
                json!({ "number": number, "tags": [number.to_string()] }),
            ),
        }
    }
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// Whatever was admitted, its bundle passes; with one byte altered, or one author exchanged and
    /// everything sealed again, it does not.
    #[test]
    fn bundles_pass_until_they_are_touched(
        steps in proptest::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), -200i64..200), 1..30),
        at in any::<prop::sample::Index>(),
        bits in 1u8..,
        forged in any::<prop::sample::Index>(),
    ) {
        let mut ledger = random_ledger(&steps);
        let mut file = ledger.lines().concat().into_bytes();
        let report = verify(Depth::Admission, &file);
        prop_assert!(report.is_ok(), "{}", report.unwrap_err());
        prop_assert_eq!(report.unwrap().entries, ledger.drafts.len() as u64);
        let at = at.index(file.len());
        file[at] ^= bits;
        let line = file[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let fault = verify(Depth::Admission, &file).unwrap_err();
        prop_assert!(line == 1 || fault.line == line, "{}", fault);
        if !ledger.drafts.is_empty() {
            let forged = forged.index(ledger.drafts.len());
            ledger.drafts[forged].header.author = visitor();
            prop_assert!(ledger.verify(Depth::Records).is_ok());
            let fault = ledger.verify(Depth::Admission).unwrap_err();
            prop_assert_eq!(fault.line, 2 + forged as u64 + 1, "{}", fault);
        }
    }
}
