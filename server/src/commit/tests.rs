//! Guards against answers before the disk has it, answers that are wrong after a failure, syncs
//! that are not shared, requests that overtake each other, requests lost while stopping, and a
//! thread that commits for others for ever.

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use futures_util::future::join_all;
use indelible_engine::id::{GlobalSeq, Seq};
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::*;
use crate::config::RefusalSettings;
use crate::storage::Ledger as _;
use crate::storage::conformance::{entities_head, entity, entries};
use crate::storage::faulty::{Fault, Faulty};
use crate::storage::redb::RedbStore;

struct Fixture {
    dir: TempDir,
    store: Arc<Faulty>,
    thread: CommitThread,
}

impl Fixture {
    fn new() -> Self {
        Self::with(CommitSettings::default())
    }

    fn with(settings: CommitSettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Faulty::open(dir.path()));
        let shared: Arc<dyn Store> = Arc::<Faulty>::clone(&store);
        let thread = CommitThread::start(shared, &settings).unwrap();
        Self { dir, store, thread }
    }

    async fn commit(&self, request: Append) -> Result<Appended, CommitError> {
        self.thread.handle().commit(request).await
    }

    /// Puts requests into the queue, one after the other, while the store is held up, and gives
    /// their answers once it is released.
    async fn commit_together(&self, requests: Vec<Append>) -> Vec<Result<Appended, CommitError>> {
        self.store.hold(true);
        let tasks: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let handle = self.thread.handle();
                tokio::spawn(async move { handle.commit(request).await })
            })
            .collect();
        // On the test's one thread, all tasks run up to their answer before this goes on.
        tokio::task::yield_now().await;
        self.store.hold(false);
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    }

    fn seq(&self, name: &str) -> Option<Seq> {
        entities_head(&*self.store, name).map(|head| head.seq)
    }
}

/// Runs a test where the commit thread does everything, and where requests are committed by the thread that
/// brings them.
fn on_both(test: impl AsyncFn()) {
    for mut runtime in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        runtime.enable_all().build().unwrap().block_on(test());
    }
}

fn single(seq: u64) -> Append {
    entries("team/jane", seq..seq + 1)
}

#[test]
fn an_answer_means_that_it_is_on_disk() {
    on_both(async || {
        let fixture = Fixture::new();
        let done = fixture.commit(entries("team/jane", 0..2)).await.unwrap();
        let hash = done.entries[1].hash;
        // The file as it is now, without closing it first.
        let copy = tempfile::tempdir().unwrap();
        let name = crate::storage::redb::STORE_FILE;
        std::fs::copy(fixture.dir.path().join(name), copy.path().join(name)).unwrap();
        let after = RedbStore::open(copy.path(), RefusalSettings::default()).unwrap();
        assert_eq!(
            after
                .head(&entity("team/jane"))
                .unwrap()
                .map(|head| head.hash),
            Some(hash)
        );
    });
}

#[tokio::test]
async fn requests_that_wait_share_a_transaction_in_their_order() {
    let fixture = Fixture::new();
    let requests: Vec<_> = (0..100).map(single).collect();
    let answers = fixture.commit_together(requests).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let counters = fixture.thread.handle.counters();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(
        (count(&counters.requests), count(&counters.entries)),
        (100, 100)
    );
    // The thread may have taken some requests before the others were there.
    assert!(count(&counters.transactions) <= 2, "{counters:?}");
    assert_eq!(
        fixture.store.tail().unwrap().appends,
        count(&counters.transactions)
    );
}

#[tokio::test]
async fn a_transaction_holds_only_so_many_requests() {
    let settings = CommitSettings {
        requests_per_transaction_max: 4,
        ..CommitSettings::default()
    };
    let fixture = Fixture::with(settings);
    let answers = fixture.commit_together((0..10).map(single).collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(fixture.store.tail().unwrap().appends >= 3);
}

#[tokio::test]
async fn a_conflict_is_the_business_of_one_request() {
    let fixture = Fixture::new();
    let requests = vec![single(0), single(0), entries("settings", 0..1), single(1)];
    let answers = fixture.commit_together(requests).await;
    assert!(
        matches!(answers[1], Err(CommitError::Conflict(_))),
        "{answers:?}"
    );
    assert!(
        [0, 2, 3].iter().all(|&ok| answers[ok].is_ok()),
        "{answers:?}"
    );
    assert_eq!(
        fixture
            .thread
            .handle()
            .counters()
            .conflicts
            .load(Ordering::Relaxed),
        1
    );
}

#[test]
fn after_a_failure_the_answer_is_what_the_disk_says() {
    on_both(async || {
        let fixture = Fixture::new();
        fixture.commit(single(0)).await.unwrap();
        fixture.store.set(Fault::BeforeCommit);
        assert_eq!(fixture.commit(single(1)).await, Err(CommitError::Failed));
        assert_eq!(fixture.seq("team/jane"), Some(Seq(0)));

        fixture.store.set(Fault::AfterCommit);
        let done = fixture.commit(single(1)).await.unwrap();
        let head = entities_head(&*fixture.store, "team/jane").unwrap();
        assert_eq!((head.seq, head.hash), (Seq(1), done.entries[0].hash));

        fixture.store.set(Fault::AfterCommit);
        let answer = fixture.commit(single(7)).await;
        assert!(
            matches!(answer, Err(CommitError::Conflict(_))),
            "{answer:?}"
        );
        fixture.commit(single(2)).await.unwrap();
        assert_eq!(fixture.thread.handle().health(), Health::Ready);
    });
}

#[test]
fn a_store_that_cannot_be_opened_makes_the_answer_unknown() {
    on_both(async || {
        let fixture = Fixture::new();
        fixture.store.reopens.store(false, Ordering::Relaxed);
        fixture.store.set(Fault::AfterCommit);
        assert_eq!(fixture.commit(single(0)).await, Err(CommitError::Unknown));
        assert_eq!(fixture.thread.handle().health(), Health::Failed);
        assert_eq!(fixture.commit(single(1)).await, Err(CommitError::Failed));

        fixture.store.reopens.store(true, Ordering::Relaxed);
        fixture.commit(single(1)).await.unwrap();
        assert_eq!(fixture.thread.handle().health(), Health::Ready);
        // The count of appends was read again, so the next failure is judged rightly.
        fixture.store.set(Fault::BeforeCommit);
        assert_eq!(fixture.commit(single(2)).await, Err(CommitError::Failed));
    });
}

#[test]
fn a_nearly_full_disk_is_not_written_to() {
    on_both(async || {
        let fixture = Fixture::new();
        fixture.store.free_bytes.store(5, Ordering::Relaxed);
        assert_eq!(
            fixture.commit(single(0)).await,
            Err(CommitError::ReadOnly { free_bytes: 5 })
        );
        assert_eq!(
            fixture.thread.handle().health(),
            Health::ReadOnly { free_bytes: 5 }
        );
        assert_eq!(fixture.seq("team/jane"), None);
        fixture.store.free_bytes.store(u64::MAX, Ordering::Relaxed);
        // It is noticed without a write: none is sent to a server that is not ready.
        assert_eq!(fixture.thread.handle().check().await, Health::Ready);
        assert_eq!(fixture.thread.handle().health(), Health::Ready);
        fixture.commit(single(0)).await.unwrap();
    });
}

#[tokio::test]
async fn stopping_commits_what_was_accepted_and_nothing_after() {
    let fixture = Fixture::new();
    let handle = fixture.thread.handle();
    fixture.store.hold(true);
    let tasks: Vec<_> = (0..20)
        .map(|seq| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.commit(single(seq)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let stopped = tokio::spawn(fixture.thread.stop());
    tokio::task::yield_now().await;
    fixture.store.hold(false);
    stopped.await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(handle.commit(single(20)).await, Err(CommitError::Stopped));
    assert_eq!(handle.health(), Health::Failed);
    assert_eq!(fixture.store.tail().unwrap().global, GlobalSeq(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_request_is_committed_where_it_is_brought_and_what_comes_meanwhile_is_not() {
    let fixture = Fixture::new();
    let first = tokio::spawn({
        fixture.store.hold(true);
        let handle = fixture.thread.handle();
        async move { handle.commit(single(0)).await }
    });
    while fixture.store.by_the_thread().is_empty() {
        tokio::task::yield_now().await;
    }
    // Polled in order, so that they wait in order.
    let handle = fixture.thread.handle();
    let mut others = join_all((1..100).map(|seq| handle.commit(single(seq))));
    assert!((&mut others).now_or_never().is_none());
    fixture.store.hold(false);
    first.await.unwrap().unwrap();
    let others = others.await;
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    fixture.commit(single(100)).await.unwrap();
    assert_eq!(fixture.store.by_the_thread(), [false, true, false]);
    assert_eq!(fixture.seq("team/jane"), Some(Seq(100)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_whoever_commits_and_for_what_waits_behind() {
    let fixture = Fixture::new();
    let handle = fixture.thread.handle();
    fixture.store.hold(true);
    let first = tokio::spawn({
        let handle = handle.clone();
        async move { handle.commit(single(0)).await }
    });
    while fixture.store.by_the_thread().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut waiting = join_all((1..20).map(|seq| handle.commit(single(seq))));
    assert!((&mut waiting).now_or_never().is_none());
    let stopped = tokio::spawn(fixture.thread.stop());
    while handle.health() != Health::Failed {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.commit(single(20)).await, Err(CommitError::Stopped));
    assert!(!stopped.is_finished());
    fixture.store.hold(false);
    stopped.await.unwrap();
    first.await.unwrap().unwrap();
    assert!(waiting.await.iter().all(Result::is_ok));
    assert_eq!(fixture.store.tail().unwrap().global, GlobalSeq(20));
}

#[tokio::test]
async fn who_finds_no_room_waits_for_it() {
    let settings = CommitSettings {
        queue_requests_max: 3,
        ..CommitSettings::default()
    };
    let fixture = Fixture::with(settings);
    let answers = fixture.commit_together((0..20).map(single).collect()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(fixture.store.tail().unwrap().appends >= 20 / 4);
}

#[test]
fn after_a_panic_nobody_knows_and_nothing_is_written_any_more() {
    on_both(async || {
        let fixture = Fixture::new();
        fixture.commit(single(0)).await.unwrap();
        fixture.store.set(Fault::Panic);
        assert_eq!(fixture.commit(single(1)).await, Err(CommitError::Unknown));
        assert_eq!(fixture.commit(single(1)).await, Err(CommitError::Stopped));
        let handle = fixture.thread.handle();
        assert_eq!(handle.health(), Health::Failed);
        assert_eq!(handle.check().await, Health::Failed);
        fixture.thread.stop().await;
        assert_eq!(
            entities_head(&*fixture.store, "team/jane").unwrap().seq,
            Seq(0)
        );
    });
}
