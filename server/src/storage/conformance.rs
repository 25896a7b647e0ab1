//! What every store must do: one suite for all implementations.
//!
//! Guards against lost or doubled entries, gaps and reversals in the global order, indexes that
//! disagree with the entries, refusals without bound, and state that a restart does not bring back.

mod claims;

use std::path::Path;

use indelible_engine::id::{EntityId, Epoch, GlobalSeq, Hash, Kind, LogPlace, ProposalId, Seq};
use indelible_engine::ledger::{
    EntryDraft, EntryKind, Header, RefusalDraft, decode, decode_refusal, verify_chain,
    verify_refusal_chain,
};
use indelible_engine::principal::Principal;
use indelible_engine::time::Timestamp;

use super::{
    Append, Appended, Asked, Conflict, Head, NewEntry, Place, PolicyText, Presence, RefusalCount,
    Rejected, Scope, Snapshot, Store, StoreError, Tail,
};

/// How many refusals the stores under test keep of one principal.
pub(crate) const KEPT: u64 = 3;

pub(crate) type Open = fn(&Path) -> Box<dyn Store>;

/// Makes one test of every check, for the store that `open` opens in a directory.
macro_rules! conformance_tests {
    ($open:expr; $($check:ident),* $(,)?) => {
        $(
            #[test]
            fn $check() {
                $crate::storage::conformance::$check($open);
            }
        )*
    };
}
pub(crate) use claims::*;
pub(crate) use conformance_tests;

pub(crate) fn entity(name: &str) -> EntityId {
    name.parse().unwrap()
}

pub(crate) fn place(name: &str, epoch: u64, seq: u64) -> Place {
    Place {
        entity: entity(name),
        epoch: Epoch(epoch),
        seq: Seq(seq),
    }
}

/// A change chunk in shape only: magic number, checksum, and a body that makes its hash its own.
fn chunk(name: &str, epoch: u64, seq: u64) -> Vec<u8> {
    [
        &[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0][..],
        format!("{name} {epoch} {seq}").as_bytes(),
    ]
    .concat()
}

fn chunk_hash(name: &str, epoch: u64, seq: u64) -> Hash {
    Hash::of(&[&chunk(name, epoch, seq)[8..]])
}

fn proposal_id(seq: u64) -> ProposalId {
    ProposalId(u128::from(seq).to_be_bytes())
}

pub(crate) fn draft(name: &str, epoch: u64, seq: u64) -> EntryDraft {
    EntryDraft {
        kind: match (epoch, seq) {
            (1, 0) => EntryKind::Genesis,
            (_, 0) => EntryKind::Epoch,
            _ => EntryKind::Changes,
        },
        header: Header {
            entity: entity(name),
            place: LogPlace::new(Epoch(epoch), Seq(seq)),
            proposal: (seq > 0).then(|| proposal_id(seq)),
            author: Principal::new(format!("author of {name}"), ["editor"]),
            session: None,
            at: Timestamp(1_000),
            policy_hash: Hash([1; 32]),
        },
        changes: vec![chunk(name, epoch, seq)],
        heads: vec![chunk_hash(name, epoch, seq)],
        claimed: None,
    }
}

pub(crate) fn request(drafts: impl IntoIterator<Item = EntryDraft>) -> Append {
    let entries: Vec<NewEntry> = drafts
        .into_iter()
        .map(|draft| NewEntry {
            effects: Some(format!("effects {}", draft.header.place.seq).into()),
            draft,
        })
        .collect();
    Append {
        entries: entries.clone(),
        ..Append::new(entries[0].draft.header.entity.clone())
    }
}

/// A request for these seqs of the first epoch.
pub(crate) fn entries(name: &str, seqs: std::ops::Range<u64>) -> Append {
    request(seqs.map(|seq| draft(name, 1, seq)))
}

fn refusal(name: &str, author: &str) -> RefusalDraft {
    RefusalDraft {
        header: Header {
            author: Principal::new(author, ["editor"]),
            at: Timestamp(500),
            ..draft(name, 1, 0).header
        },
        code: "policy".to_owned(),
        admitted: 0,
        change: None,
        violations: Vec::new(),
        further: 0,
    }
}

fn append(store: &dyn Store, requests: &[Append]) -> Vec<Result<usize, Rejected>> {
    let outcomes = store.append(requests).unwrap().into_iter();
    outcomes
        .map(|outcome| outcome.map(|done| done.entries.len()))
        .collect()
}

/// Some of everything: two entities of a kind, a singleton, a second epoch, a deletion.
fn fill(store: &dyn Store) {
    let deleted = EntryDraft {
        kind: EntryKind::Deleted,
        ..draft("team/jane", 1, 4)
    };
    let mut last = request([deleted]);
    last.refusals = vec![
        refusal("team/jane", "mallory"),
        refusal("team/jane", "alice"),
    ];
    let requests = [
        entries("team/jane", 0..4),
        entries("settings", 0..2),
        last,
        entries("team/joe", 0..1),
        request((0..2).map(|seq| draft("settings", 2, seq))),
    ];
    assert_eq!(append(store, &requests), [4, 2, 1, 1, 2].map(Ok));
}

/// Everything that can be asked about what `fill` wrote, except caches that may be dropped.
fn answers(store: &dyn Store) -> String {
    let kind: Kind = "team".parse().unwrap();
    let proposal = |author: &str, seq| store.proposal(author, proposal_id(seq)).unwrap();
    let tail = store.tail().unwrap();
    format!(
        "{:?}",
        (
            (tail.global, tail.at),
            store.heads(Scope::All, None, 100).unwrap(),
            store.heads(Scope::Kind(&kind), None, 100).unwrap(),
            store.feed(GlobalSeq(0), 100).unwrap(),
            [
                proposal("author of team/jane", 2),
                proposal("author of settings", 1)
            ],
            store
                .change(&entity("settings"), Epoch(2), chunk_hash("settings", 2, 1))
                .unwrap(),
            store.refusals(&entity("team/jane"), 0, 100).unwrap(),
            store
                .refusal_count(&entity("team/jane"), Epoch(1), "mallory")
                .unwrap(),
        )
    )
}

fn opened(open: Open) -> (tempfile::TempDir, Box<dyn Store>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (dir, store)
}

pub(crate) fn an_append_is_a_compare_and_set(open: Open) {
    let (_dir, store) = opened(open);
    let jane = entity("team/jane");
    assert_eq!(store.head(&jane).unwrap(), None);
    for (epoch, seq) in [(1, 1), (1, 5)] {
        let conflict = Conflict {
            expected: place("team/jane", epoch, seq),
            found: None,
        };
        let outcome = append(&*store, &[request([draft("team/jane", epoch, seq)])]);
        assert_eq!(outcome, [Err(conflict.into())]);
    }
    assert_eq!(append(&*store, &[entries("team/jane", 0..2)]), [Ok(2)]);
    let found = store.head(&jane).unwrap();
    assert_eq!(
        found.map(|head| (head.epoch, head.seq)),
        Some((Epoch(1), Seq(1)))
    );
    for (epoch, seq) in [(1, 0), (1, 1), (1, 3), (2, 1), (0, 0)] {
        let expected = place("team/jane", epoch, seq);
        let outcome = append(&*store, &[request([draft("team/jane", epoch, seq)])]);
        assert_eq!(
            outcome,
            [Err(Conflict { expected, found }.into())],
            "epoch {epoch}, seq {seq}"
        );
    }
    // All or nothing: the second entry does not follow the first.
    let gap = request([draft("team/jane", 1, 2), draft("team/jane", 1, 4)]);
    assert!(append(&*store, &[gap])[0].is_err());
    let foreign = Append {
        entity: entity("team/joe"),
        ..entries("team/jane", 2..3)
    };
    assert!(append(&*store, &[foreign])[0].is_err());
    assert_eq!(store.head(&jane).unwrap(), found);
    assert_eq!(append(&*store, &[entries("team/jane", 2..3)]), [Ok(1)]);
    assert_eq!(
        append(&*store, &[request([draft("team/jane", 2, 0)])]),
        [Ok(1)]
    );
}

pub(crate) fn a_conflict_leaves_the_other_requests_alone(open: Open) {
    let (_dir, store) = opened(open);
    let requests = [
        entries("team/jane", 0..2),
        entries("team/joe", 1..2),
        entries("team/jane", 2..3),
        entries("team/jane", 2..3),
        entries("team/joe", 0..1),
    ];
    let outcomes = append(&*store, &requests);
    let went: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(went, [true, false, true, false, true]);
    let feed = store.feed(GlobalSeq(0), 10).unwrap();
    let global: Vec<u64> = feed
        .iter()
        .map(|e| decode(&e.bytes).unwrap().global.0)
        .collect();
    assert_eq!(global, [1, 2, 3, 4], "a conflict must not leave a gap");
    assert_eq!(store.tail().unwrap().appends, 1);
}

pub(crate) fn logs_are_chained_and_time_does_not_run_back(open: Open) {
    let (_dir, store) = opened(open);
    fill(&*store);
    let mut early = draft("team/joe", 1, 1);
    early.header.at = Timestamp(2_000);
    let mut earlier = draft("team/joe", 1, 2);
    earlier.header.at = Timestamp(7);
    assert_eq!(append(&*store, &[request([early, earlier])]), [Ok(2)]);
    let feed = store.feed(GlobalSeq(0), 100).unwrap();
    let decoded: Vec<_> = feed
        .iter()
        .map(|entry| decode(&entry.bytes).unwrap())
        .collect();
    assert!(
        decoded
            .windows(2)
            .all(|pair| pair[0].header.at <= pair[1].header.at)
    );
    assert!(
        decoded
            .iter()
            .zip(1..)
            .all(|(entry, global)| entry.global == GlobalSeq(global))
    );
    for name in ["settings", "team/jane", "team/joe"] {
        let log = feed
            .iter()
            .zip(&decoded)
            .filter(|(_, entry)| entry.header.entity == entity(name))
            .map(|(stored, _)| (stored.bytes.clone(), stored.hash));
        let last = verify_chain(log).unwrap();
        assert_eq!(
            store.head(&entity(name)).unwrap().map(|head| head.hash),
            last
        );
    }
}

pub(crate) fn logs_are_read_in_parts(open: Open) {
    let (_dir, store) = opened(open);
    fill(&*store);
    let seqs = |name, epoch, from, limit| -> Vec<u64> {
        let entries = store.entries(&place(name, epoch, from), limit).unwrap();
        entries
            .iter()
            .map(|entry| decode(&entry.bytes).unwrap().header.place.seq.0)
            .collect()
    };
    assert_eq!(seqs("team/jane", 1, 0, 100), [0, 1, 2, 3, 4]);
    assert_eq!(seqs("team/jane", 1, 2, 2), [2, 3]);
    assert_eq!(seqs("team/jane", 1, 5, 9), [0_u64; 0]);
    assert_eq!(seqs("team/jane", 1, 0, 0), [0_u64; 0]);
    assert_eq!(
        seqs("settings", 1, 0, 9),
        [0, 1],
        "only the epoch that was asked for"
    );
    assert_eq!(seqs("settings", 2, 0, 9), [0, 1]);
    assert_eq!(seqs("team/j", 1, 0, 9), [0_u64; 0]);
    let one = store.entry(&place("team/jane", 1, 3)).unwrap().unwrap();
    assert_eq!(decode(&one.bytes).unwrap().header.place.seq, Seq(3));
    assert_eq!(store.entry(&place("team/jane", 1, 9)).unwrap(), None);
    assert_eq!(store.feed(GlobalSeq(8), 100).unwrap().len(), 2);
    assert_eq!(store.feed(GlobalSeq(10), 100).unwrap(), []);
    let effects = store.effects(&place("team/jane", 1, 3), 9).unwrap();
    assert_eq!(
        effects,
        [3, 4].map(|seq| (Seq(seq), format!("effects {seq}").into_bytes()))
    );
}

pub(crate) fn heads_are_listed_by_kind(open: Open) {
    let (_dir, store) = opened(open);
    fill(&*store);
    let names = ["tea/m", "team-a", "teams/x", "team0"];
    let others: Vec<_> = names.iter().map(|name| entries(name, 0..1)).collect();
    append(&*store, &others);
    let list = |scope: Scope<'_>, after: Option<&str>, limit| -> Vec<String> {
        let after = after.map(entity);
        let heads = store.heads(scope, after.as_ref(), limit).unwrap();
        heads.iter().map(|(entity, _)| entity.to_string()).collect()
    };
    let [team, settings]: [Kind; 2] = ["team", "settings"].map(|kind| kind.parse().unwrap());
    assert_eq!(list(Scope::Kind(&team), None, 9), ["team/jane", "team/joe"]);
    assert_eq!(list(Scope::Kind(&team), None, 1), ["team/jane"]);
    assert_eq!(list(Scope::Kind(&team), Some("team/jane"), 9), ["team/joe"]);
    assert_eq!(list(Scope::Kind(&team), Some("team/joe"), 9), [""; 0]);
    assert_eq!(list(Scope::Kind(&settings), None, 9), ["settings"]);
    let all = list(Scope::All, None, 100);
    assert_eq!(all.len(), 7);
    let pages: Vec<String> = [None, Some(all[3].as_str())]
        .into_iter()
        .flat_map(|after| list(Scope::All, after, 4))
        .collect();
    assert_eq!(pages, all);
    let presence = |name| store.head(&entity(name)).unwrap().map(|head| head.presence);
    assert_eq!(presence("team/jane"), Some(Presence::Deleted));
    assert_eq!(presence("team/joe"), Some(Presence::Unborn));
    assert_eq!(presence("settings"), Some(Presence::Present));
    let back = EntryDraft {
        kind: EntryKind::Undeleted,
        ..draft("team/jane", 1, 5)
    };
    append(&*store, &[request([back])]);
    assert_eq!(presence("team/jane"), Some(Presence::Present));
}

pub(crate) fn repeats_are_found(open: Open) {
    let (_dir, store) = opened(open);
    fill(&*store);
    let find = |author, seq| store.proposal(author, proposal_id(seq)).unwrap();
    assert_eq!(
        find("author of team/jane", 3),
        Some(place("team/jane", 1, 3))
    );
    assert_eq!(find("author of team/joe", 3), None, "of another principal");
    assert_eq!(find("author of team/jane", 9), None);
    let change = |name, epoch, seq| {
        store
            .change(&entity(name), Epoch(epoch), chunk_hash(name, 1, seq))
            .unwrap()
    };
    assert_eq!(change("team/jane", 1, 2), Some(Seq(2)));
    assert_eq!(change("team/jane", 2, 2), None, "in another epoch");
    assert_eq!(
        store
            .change(&entity("team/joe"), Epoch(1), chunk_hash("team/jane", 1, 2))
            .unwrap(),
        None,
        "in another entity"
    );
}

pub(crate) fn refusals_are_chained_and_bounded(open: Open) {
    let (_dir, store) = opened(open);
    append(&*store, &[entries("team/jane", 0..1)]);
    let mut kept = 0;
    for _ in 0..40 {
        let flood = Append {
            refusals: vec![refusal("team/jane", "mallory"); 2],
            ..Append::new(entity("team/jane"))
        };
        kept += store.append(&[flood]).unwrap()[0]
            .as_ref()
            .unwrap()
            .refusals
            .len();
    }
    let other = Append {
        refusals: vec![refusal("team/jane", "alice")],
        ..Append::new(entity("team/jane"))
    };
    store.append(&[other]).unwrap();
    let records = store.refusals(&entity("team/jane"), 0, 1_000).unwrap();
    verify_refusal_chain(records.iter().map(|r| (r.bytes.clone(), r.hash))).unwrap();
    let records: Vec<_> = records
        .iter()
        .map(|r| decode_refusal(&r.bytes).unwrap())
        .collect();
    let of = |author: &str| {
        records
            .iter()
            .filter(|r| r.header.author.id == author)
            .count()
    };
    // Beyond the third: the first, second, fourth, ... sixty-fourth of seventy-seven more.
    assert_eq!((of("mallory"), of("alice"), kept), (10, 1, 10));
    let told: u64 = records[..10].iter().map(|r| 1 + r.further).sum();
    assert_eq!(told, KEPT + 64);
    let count = |author| {
        store
            .refusal_count(&entity("team/jane"), Epoch(1), author)
            .unwrap()
    };
    assert_eq!(
        count("mallory"),
        RefusalCount {
            total: 80,
            kept: 10
        }
    );
    assert_eq!(count("alice"), RefusalCount { total: 1, kept: 1 });
    assert_eq!(store.refusals(&entity("team/jane"), 9, 1).unwrap().len(), 1);
    assert_eq!(store.refusals(&entity("team/joe"), 0, 9).unwrap(), []);

    let later = |name: &str| Append {
        refusals: vec![refusal(name, "alice")],
        ..Append::new(entity(name))
    };
    let requests = ["team-a/x", "team", "team/jane"].map(later);
    store.append(&requests).unwrap();
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let page = store.all_refusals(last.as_ref(), 5).unwrap();
        let Some((place, _)) = page.last() else { break };
        last = Some(place.clone());
        found.extend(page);
    }
    assert_eq!(found.len(), 14);
    let places: Vec<_> = found
        .iter()
        .map(|(place, _)| (place.entity.clone(), place.seq))
        .collect();
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    let jane = found
        .iter()
        .filter(|(place, _)| place.entity == entity("team/jane"));
    let jane: Vec<_> = jane.map(|(_, stored)| stored.clone()).collect();
    assert_eq!(store.refusals(&entity("team/jane"), 0, 99).unwrap(), jane);
}

pub(crate) fn a_snapshot_replaces_the_one_before(open: Open) {
    let (_dir, store) = opened(open);
    fill(&*store);
    let snapshot = |epoch, seq: u64| Snapshot {
        epoch: Epoch(epoch),
        seq: Seq(seq),
        document: vec![1; usize::try_from(seq).unwrap()],
        state: b"state".to_vec(),
    };
    let keep = |name, snapshot| {
        let request = Append {
            snapshot: Some(snapshot),
            ..Append::new(entity(name))
        };
        store.append(&[request]).unwrap();
    };
    keep("team/jane", snapshot(1, 1));
    keep("team/joe", snapshot(1, 0));
    keep("team/jane", snapshot(1, 3));
    let read = |name, epoch| store.snapshot(&entity(name), Epoch(epoch)).unwrap();
    assert_eq!(read("team/jane", 1), Some(snapshot(1, 3)));
    assert_eq!(read("team/joe", 1), Some(snapshot(1, 0)));
    assert_eq!(read("settings", 1), None);
    keep("settings", snapshot(1, 1));
    keep("settings", snapshot(2, 1));
    assert_eq!(read("settings", 1), None);
    assert_eq!(read("settings", 2), Some(snapshot(2, 1)));
}

pub(crate) fn policies_stay_under_their_hashes(open: Open) {
    let (dir, store) = opened(open);
    let text = |text: &str| PolicyText {
        hash: Hash::of(&[text.as_bytes()]),
        text: text.to_owned(),
    };
    let mut known = [text("{}"), text(r#"{"type":"object"}"#), text("true")];
    known.sort_by_key(|policy| policy.hash);
    assert_eq!(store.policies().unwrap(), []);
    store.keep_policies(&known[..2]).unwrap();
    store.keep_policies(&known[1..]).unwrap();
    let forged = PolicyText {
        text: "false".to_owned(),
        ..known[0].clone()
    };
    let error = store.keep_policies(&[forged]).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(store.policies().unwrap(), known);
    store.rebuild_caches().unwrap();
    drop(store);
    assert_eq!(open(dir.path()).policies().unwrap(), known);
}

pub(crate) fn everything_is_there_after_a_restart(open: Open) {
    let (dir, store) = opened(open);
    fill(&*store);
    store.set_note("schema/team", b"hash").unwrap();
    let (before, tail) = (answers(&*store), store.tail().unwrap());
    assert_eq!(
        tail,
        Tail {
            global: GlobalSeq(10),
            at: Timestamp(1_000),
            appends: 1
        }
    );
    store.reopen().unwrap();
    assert_eq!(answers(&*store), before);
    drop(store);
    let store = open(dir.path());
    assert_eq!(answers(&*store), before);
    assert_eq!(store.tail().unwrap(), tail);
    assert_eq!(
        store.note("schema/team").unwrap().as_deref(),
        Some(&b"hash"[..])
    );
    assert_eq!(store.note("schema/settings").unwrap(), None);
    assert_eq!(append(&*store, &[entries("team/joe", 1..2)]), [Ok(1)]);
}

pub(crate) fn caches_are_made_again_from_the_entries(open: Open) {
    let (_dir, store) = opened(open);
    fill(&*store);
    let before = answers(&*store);
    let head: Option<Head> = store.head(&entity("team/jane")).unwrap();
    store.rebuild_caches().unwrap();
    assert_eq!(answers(&*store), before);
    assert_eq!(store.head(&entity("team/jane")).unwrap(), head);
    assert_eq!(store.effects(&place("team/jane", 1, 0), 9).unwrap(), []);
    assert_eq!(append(&*store, &[entries("team/jane", 5..6)]), [Ok(1)]);
}

pub(crate) fn what_was_asked_is_kept(open: Open) {
    let (dir, store) = opened(open);
    let asked = |principal: &str, byte, answer: &[u8]| Asked {
        principal: principal.to_owned(),
        proposal: proposal_id(1),
        digest: Hash([byte; 32]),
        answer: answer.to_vec(),
    };
    let first = Append {
        asked: vec![asked("ada", 1, b""), asked("bob", 2, b"kept")],
        ..entries("team/jane", 0..2)
    };
    // Of what is not written, nothing is kept.
    let conflict = Append {
        asked: vec![asked("eve", 3, b"")],
        ..entries("team/jane", 7..8)
    };
    // It needs no entry beside it.
    let alone = Append {
        asked: vec![asked("joe", 4, b"nothing new")],
        ..Append::new(entity("team/jane"))
    };
    let done = store.append(&[first, conflict, alone]).unwrap();
    assert_eq!(done[2], Ok(Appended::default()));
    assert_eq!(entities_head(&*store, "team/jane").unwrap().seq, Seq(1));
    let found = |store: &dyn Store| {
        let find = |principal| store.asked(principal, proposal_id(1)).unwrap();
        ["ada", "bob", "eve", "joe"].map(find)
    };
    let expected = [
        Some(asked("ada", 1, b"")),
        Some(asked("bob", 2, b"kept")),
        None,
        Some(asked("joe", 4, b"nothing new")),
    ];
    assert_eq!(found(&*store), expected);
    assert_eq!(store.asked("ada", proposal_id(2)).unwrap(), None);
    // It is not a cache: it does not follow from entries.
    store.rebuild_caches().unwrap();
    drop(store);
    assert_eq!(found(&*open(dir.path())), expected);
}

pub(crate) fn entities_head(store: &dyn Store, name: &str) -> Option<Head> {
    store.head(&entity(name)).unwrap()
}
