//! Guards against a history that stays long although the value has shrunk, and against a new epoch that
//! is tried over and over where it cannot be written.

use std::time::Duration;

use super::kept::letters;
use super::*;

/// Epochs of a thousand bytes, or eight times what is shown.
fn short_epochs() -> BudgetSettings {
    BudgetSettings {
        epoch_bytes_min: 1_000,
        epoch_bytes_per_byte: 8,
        epoch_quiet: Duration::from_millis(20),
        epoch_overdue: 1_000,
        ..BudgetSettings::default()
    }
}

/// A history that is in proportion to a long text, and out of it without one.
async fn long_history(world: &mut Fixture) {
    world.tell("team/a", create("one")).await;
    for seed in 0..4 {
        let body = json!({ "bio": letters(seed, 4_000) });
        world.tell("team/a", put(body)).await;
    }
}

#[tokio::test]
async fn a_value_that_has_shrunk_is_worth_less_history() {
    let mut world = Fixture::new().restarted_with(RelaySettings::default(), short_epochs());
    long_history(&mut world).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.epoch("team/a").await, Epoch::FIRST);
    world.tell("team/a", put(json!({ "bio": "" }))).await;
    for _ in 0..2_000 {
        if world.epoch("team/a").await > Epoch::FIRST {
            world.directory.end().await;
            return world.thread.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("no epoch began while the entity stayed in memory");
}

#[tokio::test]
async fn an_epoch_that_cannot_be_written_is_tried_again_less_and_less_often() {
    let mut world = Fixture::new().restarted_with(RelaySettings::default(), short_epochs());
    long_history(&mut world).await;
    world.tell("team/a", put(json!({ "bio": "" }))).await;
    world.store.free_bytes.store(0, Ordering::Relaxed);
    // The write before may have been followed by an epoch already.
    let before = world.epoch("team/a").await;
    assert_eq!(before, Epoch::FIRST);
    let looks = || world.store.looks.load(Ordering::Relaxed);
    let first = looks();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let tried = looks() - first;
    assert!(
        (2..=6).contains(&tried),
        "tried {tried} times in 1.5 s, 20 ms after the write"
    );

    world.store.free_bytes.store(u64::MAX, Ordering::Relaxed);
    // A write that succeeds shows that it may be tried at once.
    world.tell("team/a", put(json!({ "name": "two" }))).await;
    let began = tokio::time::Instant::now();
    while world.epoch("team/a").await == Epoch::FIRST {
        assert!(began.elapsed() < Duration::from_secs(20), "no epoch began");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.directory.end().await;
    world.thread.stop().await;
}
