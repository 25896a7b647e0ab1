//! The conformance suite on redb, and what only a file can get wrong: two processes at once, a
//! newer format, stale caches, bytes changed behind our back.

use std::os::unix::fs::PermissionsExt;

use ::redb::Database;

use super::super::Store;
use super::super::conformance::{
    KEPT, Open, conformance_tests, draft, entity, entries, place, request,
};
use super::*;

const REFUSALS_KEPT: RefusalSettings = RefusalSettings {
    kept_per_principal_max: KEPT,
};

fn open(dir: &Path) -> Box<dyn Store> {
    Box::new(RedbStore::open(dir, REFUSALS_KEPT).unwrap())
}

const OPEN: Open = open;

conformance_tests!(OPEN;
    an_append_is_a_compare_and_set,
    a_conflict_leaves_the_other_requests_alone,
    logs_are_chained_and_time_does_not_run_back,
    logs_are_read_in_parts,
    heads_are_listed_by_kind,
    repeats_are_found,
    what_was_asked_is_kept,
    refusals_are_chained_and_bounded,
    a_snapshot_replaces_the_one_before,
    policies_stay_under_their_hashes,
    everything_is_there_after_a_restart,
    caches_are_made_again_from_the_entries,
    of_two_claims_the_first_one_gets_it,
    what_two_have_is_free_when_both_have_given_it_up,
    claims_are_replaced_by_kind,
);

/// Opens the file beside the store's back and changes one value.
fn tamper(dir: &Path, table: Definition, key: &[u8], value: &[u8]) {
    let database = Database::open(dir.join(STORE_FILE)).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(table).unwrap().insert(key, value).unwrap();
    txn.commit().unwrap();
}

/// Whatever happens to the file, nothing more is written, and no other server takes the directory.
#[test]
fn a_file_that_others_write_to_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (file, backup) = (dir.path().join(STORE_FILE), dir.path().join("backup"));
    let copy = || {
        std::fs::copy(&backup, &file).unwrap();
    };
    let overwritten: [&dyn Fn(); 2] = [&copy, &|| std::fs::write(&file, "").unwrap()];
    let name = entity("team/jane");
    drop(open(dir.path()));
    std::fs::copy(&file, &backup).unwrap();
    for overwrite in overwritten {
        let store = open(dir.path());
        let append = |seq: u64| store.append(&[entries("team/jane", seq..seq + 1)]);
        append(0).unwrap();
        append(1).unwrap();
        store.check_place().unwrap();
        // Times of files go by ticks.
        std::thread::sleep(std::time::Duration::from_millis(20));
        overwrite();
        let before = std::fs::read(&file).unwrap();
        for result in [append(2).map(drop), store.check_place(), store.reopen()] {
            let error = result.unwrap_err();
            assert!(matches!(error, StoreError::Overwritten { .. }), "{error:?}");
        }
        drop(store);
        assert_eq!(std::fs::read(&file).unwrap(), before, "nothing was written");
        std::fs::copy(&backup, &file).unwrap();
        let restored = open(dir.path());
        assert_eq!(restored.head(&name).unwrap(), None);
    }
}

#[test]
fn a_file_that_is_replaced_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let (file, aside) = (dir.path().join(STORE_FILE), dir.path().join("aside"));
    let store = open(dir.path());
    let append = |seq: u64| store.append(&[entries("team/jane", seq..seq + 1)]);
    append(0).unwrap();
    let head = store.head(&entity("team/jane")).unwrap();
    let copy = || {
        std::fs::copy(&aside, &file).unwrap();
    };
    let replacements: [&dyn Fn(); 3] = [&|| {}, &copy, &|| std::fs::write(&file, "").unwrap()];
    for replace in replacements {
        std::fs::rename(&file, &aside).unwrap();
        replace();
        let before = std::fs::read(&file).ok();
        for result in [append(1).map(drop), store.check_place(), store.reopen()] {
            let error = result.unwrap_err();
            assert!(matches!(error, StoreError::Replaced { .. }), "{error:?}");
        }
        assert_eq!(std::fs::read(&file).ok(), before);
        assert_eq!(store.head(&entity("team/jane")).unwrap(), head);
        for opened in [
            RedbStore::open(dir.path(), REFUSALS_KEPT),
            RedbStore::open_to_read(dir.path(), REFUSALS_KEPT),
        ] {
            let error = opened.unwrap_err();
            assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
        }
        std::fs::rename(&aside, &file).unwrap();
    }
    // It is back, and all is well.
    store.reopen().unwrap();
    append(1).unwrap();
}

#[test]
fn a_directory_is_served_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = RedbStore::open(dir.path(), REFUSALS_KEPT).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("another indelible is serving this directory")
    );
    first.reopen().unwrap();
    drop(first);
    open(dir.path());
}

#[test]
fn the_file_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let mode = std::fs::metadata(dir.path().join(STORE_FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    tamper(
        dir.path(),
        META,
        META_FORMAT,
        &(STORE_FORMAT + 1).to_be_bytes(),
    );
    let error = RedbStore::open(dir.path(), REFUSALS_KEPT)
        .unwrap_err()
        .to_string();
    assert!(error.contains("use a newer indelible"), "{error}");
}

#[test]
fn stale_caches_are_made_again_at_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(&[entries("team/jane", 0..3)]).unwrap();
    let head = store.head(&entity("team/jane")).unwrap();
    drop(store);
    tamper(
        dir.path(),
        HEADS,
        &keys::entity(&entity("team/jane")),
        &[0; 49],
    );
    tamper(dir.path(), META, META_CACHES, &0u32.to_be_bytes());
    assert_eq!(open(dir.path()).head(&entity("team/jane")).unwrap(), head);
}

#[test]
fn a_changed_entry_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(&[entries("team/jane", 0..3)]).unwrap();
    let middle = store.entry(&place("team/jane", 1, 1)).unwrap().unwrap();
    drop(store);
    let mut bytes = middle.bytes;
    *bytes.last_mut().unwrap() ^= 1;
    let value = super::super::values::record_value(middle.hash, &bytes);
    tamper(
        dir.path(),
        ENTRIES,
        &keys::place(&place("team/jane", 1, 1)),
        &value,
    );
    let error = open(dir.path()).rebuild_caches().unwrap_err().to_string();
    assert!(error.contains("the log of team/jane"), "{error}");
}

#[test]
fn a_changed_policy_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let hash = Hash::of(&[b"{}"]);
    open(dir.path())
        .keep_policies(&[PolicyText {
            hash,
            text: "{}".to_owned(),
        }])
        .unwrap();
    tamper(dir.path(), POLICIES, hash.as_bytes(), b"[]");
    let error = open(dir.path()).policies().unwrap_err().to_string();
    assert!(error.contains(&hash.to_string()), "{error}");
}

#[test]
fn a_store_dropped_in_the_middle_of_a_write_keeps_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), REFUSALS_KEPT).unwrap();
    store.append(&[entries("team/jane", 0..3)]).unwrap();
    // A process that dies here leaves its file as it is now.
    let txn = store.begin_write().unwrap();
    let mut writer = Writer::open(&txn).unwrap();
    let mut tail = writer.tail().unwrap();
    let next = request([draft("team/jane", 1, 3)]);
    writer
        .append(&next, &mut tail, REFUSALS_KEPT)
        .unwrap()
        .unwrap();
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join(STORE_FILE), copy.path().join(STORE_FILE)).unwrap();
    let after = open(copy.path());
    assert_eq!(
        after.head(&entity("team/jane")).unwrap().unwrap().seq,
        Seq(2)
    );
    assert_eq!(after.tail().unwrap().appends, 1);
    after.rebuild_caches().unwrap();
}
