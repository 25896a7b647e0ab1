//! Guards against entities that are called broken, or left out of what is listed and watched, since too
//! many others wait to be loaded; and against answers that do not say when to ask again.

use futures_util::FutureExt as _;

use super::kept::{id, outbox};
use super::*;
use crate::outbox::Subscription;
use crate::work::Slot;

/// Takes all slots in which entities are loaded for Ada, and all places to wait for one.
async fn crowd(
    context: &Context,
) -> (
    Vec<Slot>,
    Vec<impl Future<Output = Result<Slot, Busy>> + use<>>,
) {
    let enter = || {
        let work = context.work.clone();
        Box::pin(async move {
            work.enter(Lane::Loading("ada".to_owned()), Weight::Light)
                .await
        })
    };
    let (mut slots, mut waiting) = (Vec::new(), Vec::new());
    loop {
        let mut entering = enter();
        match (&mut entering).now_or_never() {
            Some(Ok(slot)) => slots.push(slot),
            None => waiting.push(entering),
            Some(Err(Busy)) => return (slots, waiting),
        }
    }
}

#[tokio::test]
async fn who_asks_while_too_many_wait_to_be_loaded_is_told_to_ask_again() {
    let mut world = Fixture::new();
    let first = world.write("ada", create("one"));
    assert_eq!(world.ask("team/a", vec![first]).await, ["written"]);
    world.directory.end().await;
    let mut world = world.restarted(RelaySettings::default());
    let (entity, kind) = (id("team/a"), id("team/a").kind().clone());
    let crowd = crowd(world.directory.context()).await;

    assert_eq!(
        world.directory.present(&entity, &ada()).await.err(),
        Some(WriteError::Busy)
    );
    let gathered = world.directory.gather(&kind, &ada()).await;
    assert_eq!(gathered.err(), Some(WriteError::Busy));
    let page = world
        .directory
        .page(&kind, None, (10, usize::MAX), &ada())
        .await;
    assert_eq!(page.err(), Some(WriteError::Busy));
    let outbox = Arc::new(outbox());
    let subscriber = Subscriber {
        connection: ConnectionId(1),
        outbox: Arc::clone(&outbox),
        subscription: Arc::new(Subscription::Entity(entity.clone())),
        texts: TextForm::Whole,
    };
    let follow = Message::Follow {
        asker: "ada".to_owned(),
        subscriber,
        from: None,
        absent: "not-found",
    };
    world.directory.send(&entity, follow).await;
    outbox.filled().await;
    let frame = outbox.pop(usize::MAX).unwrap();
    match ServerFrame::decode(&frame.bytes).unwrap() {
        ServerFrame::Error {
            code,
            retry,
            id: None,
            entity: of,
            ..
        } => assert_eq!(
            (code.as_str(), retry, of),
            ("busy", Some(1_000), Some(entity.clone()))
        ),
        other => panic!("{other:?}"),
    }
    let edit = world.write("ada", put(json!({ "name": "two" })));
    assert_eq!(world.ask("team/a", vec![edit]).await, ["busy"]);

    drop(crowd);
    assert_eq!(world.name("team/a").await.as_deref(), Some("one"));
    world.directory.end().await;
    world.thread.stop().await;
}
