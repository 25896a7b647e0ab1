//! Guards against answers without a value for writes that were committed together with a deletion,
//! and against a new epoch that a full disk keeps from beginning for good, or that is written and not
//! known.

use std::time::Duration;

use super::*;

/// What was answered, with the name in the value that it comes with.
async fn answered(world: &Fixture, asked: Vec<Asked>) -> Vec<(String, Option<String>)> {
    let entity: EntityId = "team/a".parse().unwrap();
    let outcomes = asked.into_iter().map(|Asked { id, author, task }| {
        world.directory.write(&entity, move |reply| Write {
            id,
            author,
            session: None,
            address: None,
            task,
            answer: Answer::Waiting(reply),
        })
    });
    let outcomes = join_all(outcomes).await;
    let name = |outcome: &Outcome| match outcome {
        Outcome::Written(written) | Outcome::Unchanged(written) => {
            let present = written.present.as_ref()?;
            Some(present.value["name"].as_str().unwrap().to_owned())
        }
        _ => None,
    };
    outcomes.iter().map(|one| (said(one), name(one))).collect()
}

#[tokio::test]
async fn what_is_written_and_deleted_in_one_commit_is_answered_with_its_value() {
    let mut world = Fixture::new();
    let named = |said: &str, name: &str| (said.to_owned(), Some(name.to_owned()));
    let asked = vec![
        world.write("ada", create("one")),
        world.write("bob", put(json!({ "name": "two" }))),
        world.write("cleo", put(json!({ "name": "two" }))),
        world.write("dan", delete()),
        world.write("eve", put(json!({ "name": "three" }))),
    ];
    let expected = [
        named("written", "two"),
        named("written", "two"),
        named("unchanged", "two"),
        named("written", "two"),
        ("not-found".to_owned(), None),
    ];
    assert_eq!(answered(&world, asked).await, expected);
    assert_eq!(world.name("team/a").await, None);

    // Brought back, written and deleted again; the version is that of the entry that was committed.
    let asked = vec![
        world.write("ada", Task::Undelete),
        world.write("bob", put(json!({ "name": "four" }))),
        world.write("cleo", delete()),
    ];
    let expected = ["written", "written", "written"].map(|said| named(said, "four"));
    assert_eq!(answered(&world, asked).await, expected);

    // Where nothing but a deletion follows, the value is the one on disk.
    let back = world.write("ada", Task::Undelete);
    assert_eq!(
        answered(&world, vec![back]).await,
        [named("written", "four")]
    );
    let asked = vec![
        world.write("bob", put(json!({ "name": "four" }))),
        world.write("cleo", delete()),
    ];
    let expected = [named("unchanged", "four"), named("written", "four")];
    assert_eq!(answered(&world, asked).await, expected);
    world.directory.end().await;
    world.thread.stop().await;
}

/// An entity whose next epoch is due after a moment without writes.
async fn outgrown(quiet: Duration) -> Fixture {
    let mut world = Fixture::with(BudgetSettings {
        epoch_bytes_min: 4_000,
        epoch_bytes_per_byte: 1,
        epoch_quiet: quiet,
        epoch_overdue: 1_000,
        ..BudgetSettings::default()
    });
    let first = world.write("ada", create("one"));
    assert_eq!(world.ask("team/a", vec![first]).await, ["written"]);
    for round in 0..4 {
        // What does not get shorter when it is packed.
        let parts = (0..80).map(|part: u32| Hash::of(&[&part.to_be_bytes(), &[round]]).to_string());
        let bio = put(json!({ "bio": parts.collect::<String>() }));
        let bio = world.write("ada", bio);
        assert_eq!(world.ask("team/a", vec![bio]).await, ["written"]);
    }
    world
}

fn epoch(world: &Fixture) -> Epoch {
    let id: EntityId = "team/a".parse().unwrap();
    let head = crate::storage::Ledger::head(&*world.store, &id).unwrap();
    head.unwrap().epoch
}

#[tokio::test]
async fn an_epoch_of_which_nobody_knows_whether_it_was_written_is_read_back() {
    let mut world = outgrown(Duration::from_secs(1)).await;
    world.store.set(Fault::AfterCommit);
    while epoch(&world) == Epoch::FIRST {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let two = world.write("bob", put(json!({ "name": "two" })));
    assert_eq!(world.ask("team/a", vec![two.again()]).await, ["written"]);
    assert_eq!(world.name("team/a").await.as_deref(), Some("two"));
    // A repeat is found in the log of the new epoch.
    assert_eq!(world.ask("team/a", vec![two]).await, ["unchanged"]);
    assert_eq!(epoch(&world), Epoch(2));
    world.directory.end().await;
    world.thread.stop().await;
}

#[tokio::test]
async fn an_epoch_that_is_due_on_a_full_disk_begins_when_there_is_room() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || lines.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let mut world = outgrown(Duration::from_millis(200)).await;
    world.store.free_bytes.store(0, Ordering::Relaxed);
    while !log.text().contains("nothing was written") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let two = world.write("bob", put(json!({ "name": "two" })));
    assert_eq!(
        world.ask("team/a", vec![two.again()]).await,
        ["unavailable"]
    );
    assert_eq!(world.name("team/a").await.as_deref(), Some("one"));
    assert_eq!(epoch(&world), Epoch::FIRST);

    world.store.free_bytes.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(world.ask("team/a", vec![two]).await, ["written"]);
    while epoch(&world) == Epoch::FIRST {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.name("team/a").await.as_deref(), Some("two"));
    world.directory.end().await;
    world.thread.stop().await;
}
