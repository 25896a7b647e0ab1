//! Guards against values for which whole documents are loaded, against snapshots that are not there
//! when entries are few but long or the entity leaves memory, against entities that pile up in memory,
//! and against reading a log for a replica that is not at a place of it.

use std::time::Duration;

use super::*;
use crate::outbox::Subscription;
use crate::storage::Ledger as _;

/// What is asked until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it never was");
}

pub(super) fn outbox() -> Outbox {
    Outbox::new(1 << 20, Memory::new(usize::MAX).consumer("bob"))
}

pub(super) fn id(name: &str) -> EntityId {
    name.parse().unwrap()
}

impl Fixture {
    /// The same store under a server that has just begun.
    pub(super) fn restarted(self, settings: RelaySettings) -> Self {
        self.restarted_with(settings, BudgetSettings::default())
    }

    pub(super) fn restarted_with(self, settings: RelaySettings, budgets: BudgetSettings) -> Self {
        let policies = self.directory.context().policies.clone();
        let known = policy_archive::keep(&*self.store, &policies).unwrap();
        let shared: Arc<dyn crate::storage::Store> = Arc::<Faulty>::clone(&self.store);
        let context = Context::new(Parts {
            policies,
            known,
            limits: Limits::default(),
            settings,
            budgets,
            rates: RateSettings::default(),
            store: shared,
            commit: self.thread.handle(),
            keys: Keys::open_or_create(self._dir.path()).unwrap(),
            room: Room::new(1 << 20, 1 << 20),
            memory: Memory::new(usize::MAX),
        });
        let directory = Directory::new(context);
        Self { directory, ..self }
    }

    pub(super) async fn tell(&mut self, entity: &str, task: Task) {
        let write = self.write("ada", task);
        let [said] = &self.ask(entity, vec![write]).await[..] else {
            unreachable!()
        };
        assert_eq!(said, "written");
    }

    fn has_snapshot(&self, entity: &str) -> bool {
        let stored = self.store.snapshot(&id(entity), Epoch::FIRST).unwrap();
        stored.is_some_and(|snapshot| !snapshot.state.is_empty())
    }

    pub(super) async fn epoch(&self, entity: &str) -> Epoch {
        let present = self.directory.present(&id(entity), &ada()).await.unwrap();
        present.unwrap().epoch
    }

    /// The value as the entity's document has it.
    fn loaded(&self, entity: &str) -> Value {
        let known = &self.directory.context().known;
        let loaded = loading::load(&*self.store, &id(entity), &**known).unwrap();
        loaded.unwrap().entity.presented()
    }
}

#[tokio::test]
async fn a_value_needs_no_document() {
    let mut world = Fixture::new();
    world.tell("team/a", create("one")).await;
    for n in 0..40 {
        let body = json!({ "name": n.to_string(), "bio": "b".repeat(n) });
        world.tell("team/a", put(body)).await;
    }
    world.tell("team/b", create("gone")).await;
    world.tell("team/b", delete()).await;
    let mut before = world
        .directory
        .present(&id("team/a"), &ada())
        .await
        .unwrap()
        .unwrap();
    for snapshot in [false, true] {
        world = world.restarted(RelaySettings::default());
        if snapshot {
            let loaded = loading::load(
                &*world.store,
                &id("team/a"),
                &*world.directory.context().known,
            );
            let made = loading::snapshot(&loaded.unwrap().unwrap().entity).unwrap();
            let mut request = Append::new(id("team/a"));
            request.snapshot = Some(made);
            world
                .directory
                .context()
                .commit
                .commit(request)
                .await
                .unwrap();
        }
        let read = world.store.entries_read.load(Ordering::Relaxed);
        let found = world
            .directory
            .present(&id("team/a"), &ada())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.value, world.loaded("team/a"));
        assert_eq!(
            (&found.version, found.at, found.seq),
            (&before.version, before.at, before.seq)
        );
        assert!(
            world
                .directory
                .present(&id("team/b"), &ada())
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(
            world.directory.mailboxes().count(),
            0,
            "nobody needed a document"
        );
        if snapshot {
            let read = world.store.entries_read.load(Ordering::Relaxed) - read;
            assert!(read < 10, "{read} entries were read, with a snapshot");
        }
        // The actor continues from there.
        let name = if snapshot { "later" } else { "late" };
        world.tell("team/a", put(json!({ "name": name }))).await;
        assert_eq!(world.name("team/a").await.as_deref(), Some(name));
        before = world
            .directory
            .present(&id("team/a"), &ada())
            .await
            .unwrap()
            .unwrap();
        world.directory.end().await;
    }
    world.thread.stop().await;
}

#[tokio::test]
async fn a_long_value_waits_among_long_work_and_keeps_no_short_one_waiting() {
    let mut world = Fixture::new();
    for (name, bio) in [("team/short", 10), ("team/long", 60_000)] {
        world.tell(name, create("one")).await;
        let body = json!({ "bio": letters(1, bio) });
        world.tell(name, put(body)).await;
        let loaded = loading::load(&*world.store, &id(name), &*world.directory.context().known);
        let made = loading::snapshot(&loaded.unwrap().unwrap().entity).unwrap();
        let mut request = Append::new(id(name));
        request.snapshot = Some(made);
        world
            .directory
            .context()
            .commit
            .commit(request)
            .await
            .unwrap();
    }
    world.directory.end().await;
    let world = world.restarted(RelaySettings::default());
    // All that may be heavy at once is.
    let mut heavy = Vec::new();
    loop {
        let lane = Lane::Principal(format!("somebody {}", heavy.len()));
        let Some(slot) = world
            .directory
            .context()
            .work
            .enter(lane, Weight::Heavy)
            .now_or_never()
        else {
            break;
        };
        heavy.push(slot.unwrap());
    }
    let (long, ada) = (id("team/long"), ada());
    let mut long = Box::pin(world.directory.present(&long, &ada));
    assert!(long.as_mut().now_or_never().is_none(), "it has to wait");
    let short = world.directory.present(&id("team/short"), &ada).await;
    assert_eq!(short.unwrap().unwrap().value["name"], "one");
    assert!(long.as_mut().now_or_never().is_none(), "it still waits");
    drop(heavy);
    let long = long.await.unwrap().unwrap();
    assert_eq!(long.value["bio"], letters(1, 60_000));
    assert_eq!(
        world.directory.mailboxes().count(),
        0,
        "nobody needed a document"
    );
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn a_page_reads_its_own_entities_alone() {
    let mut world = Fixture::new();
    for n in 10..40 {
        world.tell(&format!("team/{n}"), create("one")).await;
    }
    for n in [12, 13, 39] {
        world.tell(&format!("team/{n}"), delete()).await;
    }
    world.directory.end().await;
    let world = world.restarted(RelaySettings::default());
    let before = world.store.heads_read.load(Ordering::Relaxed);
    let kind = id("team/a").kind().clone();
    let names = |page: Vec<Arc<Present>>| -> Vec<String> {
        page.iter().map(|one| one.entity.to_string()).collect()
    };
    let page = world
        .directory
        .page(&kind, Some(id("team/10")), (3, usize::MAX), &ada())
        .await
        .unwrap();
    assert_eq!(names(page), ["team/11", "team/14", "team/15"]);
    let read = world.store.heads_read.load(Ordering::Relaxed) - before;
    assert!(read <= 12, "{read} ends of logs were read for three values");
    let page = world
        .directory
        .page(&kind, Some(id("team/37")), (3, usize::MAX), &ada())
        .await
        .unwrap();
    assert_eq!(names(page), ["team/38"]);
    assert_eq!(world.directory.mailboxes().count(), 0);
    world.thread.stop().await;
}

#[tokio::test]
async fn few_long_entries_are_due_for_a_snapshot() {
    let mut world = Fixture::new();
    world.tell("team/a", create("one")).await;
    assert!(!world.has_snapshot("team/a"));
    let long = RelaySettings::default().snapshot_bytes;
    let text: String = (0..long)
        .map(|n| char::from(b'a' + (n * n % 26) as u8))
        .collect();
    world.tell("team/a", put(json!({ "bio": text }))).await;
    until(|| world.has_snapshot("team/a")).await;
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn who_leaves_memory_leaves_a_snapshot() {
    let world = Fixture::new();
    let mut world = world.restarted(RelaySettings {
        idle: Duration::from_millis(50),
        ..RelaySettings::default()
    });
    world.tell("team/a", create("one")).await;
    for n in 0..20 {
        world
            .tell("team/a", put(json!({ "name": n.to_string() })))
            .await;
    }
    until(|| world.has_snapshot("team/a")).await;
    until(|| world.directory.mailboxes().count() == 0).await;
    world.thread.stop().await;
}

#[tokio::test]
async fn entities_that_nobody_follows_give_way_to_others() {
    let world = Fixture::new();
    let mut world = world.restarted(RelaySettings {
        entities_bytes_max: 1 << 20,
        ..RelaySettings::default()
    });
    let bio = "b".repeat(50_000);
    let follower = Subscriber {
        connection: ConnectionId(1),
        outbox: Arc::new(outbox()),
        subscription: Arc::new(Subscription::Entity(id("team/followed"))),
        texts: TextForm::Whole,
    };
    world.tell("team/followed", create("one")).await;
    let follow = Message::Follow {
        asker: "ada".to_owned(),
        subscriber: follower,
        from: None,
        absent: "not-found",
    };
    world.directory.send(&id("team/followed"), follow).await;
    for n in 0..20 {
        let name = format!("team/{n}");
        world.tell(&name, create("one")).await;
        world.tell(&name, put(json!({ "bio": bio }))).await;
        world.tell(&name, delete()).await;
    }
    until(|| world.directory.mailboxes().count() <= 4).await;
    assert!(world.directory.mailboxes().has(&id("team/followed")));
    assert!(!world.directory.mailboxes().has(&id("team/0")));
    world.tell("team/0", Task::Undelete).await;
    let present = world
        .directory
        .present(&id("team/0"), &ada())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(present.value["bio"], bio, "nothing is lost");
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn what_is_deleted_does_not_wait_for_its_snapshot() {
    let mut world = Fixture::new();
    let lane = world
        .directory
        .context()
        .work
        .enter(Lane::Snapshots, Weight::Light);
    let others = lane.await.unwrap();
    let settings = RelaySettings::default();
    let bio: String = (0..settings.snapshot_bytes * 2)
        .map(|n| char::from(b'a' + (n * n % 26) as u8))
        .collect();
    world.tell("team/a", create("one")).await;
    world.tell("team/a", put(json!({ "bio": bio }))).await;
    world.tell("team/a", delete()).await;
    drop(others);
    // Whoever waited before has had the turn.
    let lane = world
        .directory
        .context()
        .work
        .enter(Lane::Snapshots, Weight::Light);
    drop(lane.await.unwrap());
    // A commit after which all before are on disk.
    world.tell("team/b", create("two")).await;
    assert!(!world.has_snapshot("team/a"));
    world.tell("team/a", Task::Undelete).await;
    until(|| world.has_snapshot("team/a")).await;
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn another_log_is_told_by_one_entry() {
    let mut world = Fixture::new();
    world.tell("team/a", create("one")).await;
    for n in 0..30 {
        world
            .tell("team/a", put(json!({ "name": n.to_string() })))
            .await;
    }
    let follow = async |connection: u64, hash: Hash| -> (Vec<&'static str>, u64) {
        let outbox = Arc::new(outbox());
        let subscriber = Subscriber {
            connection: ConnectionId(connection),
            outbox: Arc::clone(&outbox),
            subscription: Arc::new(Subscription::Entity(id("team/a"))),
            texts: TextForm::Whole,
        };
        let before = world.store.entries_read.load(Ordering::Relaxed);
        let from = Some((Epoch::FIRST, Seq(1), hash));
        let absent = "not-found";
        let message = Message::Follow {
            asker: "ada".to_owned(),
            subscriber,
            from,
            absent,
        };
        world.directory.send(&id("team/a"), message).await;
        let (reply, loaded) = oneshot::channel();
        world
            .directory
            .send(
                &id("team/a"),
                Message::Load {
                    asker: "ada".to_owned(),
                    reply,
                },
            )
            .await;
        loaded.await.unwrap().unwrap();
        let frames = std::iter::from_fn(|| outbox.pop(usize::MAX).map(|frame| frame.bytes));
        let names = frames.map(|frame| match ServerFrame::decode(&frame).unwrap() {
            ServerFrame::Entries { .. } => "entries",
            ServerFrame::Reset { .. } => "reset",
            ServerFrame::Snapshot { .. } => "snapshot",
            other => panic!("{other:?}"),
        });
        let names = names.collect();
        let read = world.store.entries_read.load(Ordering::Relaxed) - before;
        (names, read)
    };
    assert_eq!(
        follow(1, Hash::ZERO).await,
        (vec!["reset", "snapshot"], 1),
        "what is not in this log is not read on"
    );
    let place = crate::storage::Place {
        entity: id("team/a"),
        epoch: Epoch::FIRST,
        seq: Seq(1),
    };
    let hash = world.store.entry(&place).unwrap().unwrap().hash;
    let (names, read) = follow(2, hash).await;
    assert_eq!(names, ["entries"]);
    assert!(read >= 30, "{read}");
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn values_leave_memory_when_nobody_asks_for_them_and_followers_miss_nothing() {
    let mut world = Fixture::new();
    for n in 10..40 {
        world.tell(&format!("team/{n}"), create("one")).await;
    }
    world.directory.end().await;
    let mut world = world.restarted(RelaySettings {
        idle: Duration::from_millis(100),
        ..RelaySettings::default()
    });
    let (kind, entity) = (id("team/10").kind().clone(), id("team/10"));
    let page = world
        .directory
        .page(&kind, None, (100, usize::MAX), &ada())
        .await
        .unwrap();
    assert_eq!(page.len(), 30);
    assert!(world.directory.context().memory.bytes() > 0);
    let outbox = Arc::new(Outbox::new(
        1 << 20,
        world.directory.context().memory.consumer("bob"),
    ));
    let mut subscriber = Subscriber {
        connection: ConnectionId(1),
        outbox: Arc::clone(&outbox),
        subscription: Arc::new(Subscription::Entity(entity.clone())),
        texts: TextForm::Whole,
    };
    let values = world.directory.values(&kind).unwrap();
    let version = page[0].version.as_str();
    while let Err(back) = values.follow(subscriber, &entity, (Some(version), None)) {
        subscriber = back;
        world.directory.present(&entity, &ada()).await.unwrap();
    }
    drop(page);
    let memory = world.directory.context().memory.clone();
    until(|| memory.bytes() == 0).await;
    assert!(
        world
            .directory
            .values(&kind)
            .unwrap()
            .get(&entity)
            .is_none()
    );
    world.tell("team/10", put(json!({ "name": "two" }))).await;
    let frames = std::iter::from_fn(|| outbox.pop(usize::MAX));
    let patches: Vec<String> = frames
        .map(|frame| match ServerFrame::decode(&frame.bytes).unwrap() {
            ServerFrame::Patch { patch, .. } => patch,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(patches.len(), 2, "{patches:?}");
    assert_eq!(patches[0], "[]", "it has that version");
    assert!(patches[1].contains("two"), "{patches:?}");
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn no_value_leaves_while_those_of_its_kind_are_gathered_for_a_watcher() {
    let mut world = Fixture::new();
    for n in 10..20 {
        world.tell(&format!("team/{n}"), create("one")).await;
    }
    world.directory.end().await;
    let mut world = world.restarted(RelaySettings::default());
    let (kind, entity) = (id("team/10").kind().clone(), id("team/10"));
    let outbox = Arc::new(outbox());
    let subscriber = Subscriber {
        connection: ConnectionId(1),
        outbox: Arc::clone(&outbox),
        subscription: Arc::new(Subscription::Kind(kind.clone())),
        texts: TextForm::Whole,
    };
    let gathering = world
        .directory
        .gather(&kind, &ada())
        .await
        .unwrap()
        .unwrap();
    let values = world.directory.values(&kind).unwrap();
    // Its memory is wanted, before anything was sent.
    values.leave(&entity);
    gathering.watch(subscriber);
    let frames = || {
        let frames = std::iter::from_fn(|| outbox.pop(usize::MAX));
        let frames = frames.map(|frame| ServerFrame::decode(&frame.bytes).unwrap());
        frames.collect::<Vec<_>>()
    };
    let came = frames();
    let came = came.iter().map(|frame| match frame {
        ServerFrame::Value { entity, .. } => entity.to_string(),
        ServerFrame::Watched { .. } => "watched".to_owned(),
        other => panic!("{other:?}"),
    });
    let mut all: Vec<String> = (10..20).map(|n| format!("team/{n}")).collect();
    all.push("watched".to_owned());
    assert_eq!(came.collect::<Vec<_>>(), all);
    // Now its place stays, so that a watcher gets what comes after it.
    values.leave(&entity);
    assert!(values.get(&entity).is_none());
    world.tell("team/10", put(json!({ "name": "two" }))).await;
    let [ServerFrame::Patch { patch, .. }] = &frames()[..] else {
        panic!("one patch")
    };
    assert!(patch.contains("two"), "{patch}");
    world.directory.end().await;
    world.thread.stop().await;
}

/// Letters that cannot be packed.
pub(super) fn letters(seed: u64, count: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + (state % 64) as u8)
    };
    (0..count).map(letter).collect()
}
