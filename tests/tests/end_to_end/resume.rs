//! Guards against reconnecting clients that miss something, get something twice, or carry on from a
//! history that the server does not have.

use indelible_engine::id::{Epoch, Hash, Seq};
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};

use super::harness::{Client, Replica, Running};

async fn resume(client: &mut Client, replica: &Replica, epoch: Epoch, seq: Seq, hash: Hash) {
    client
        .send(&ClientFrame::Open {
            entity: replica.entity.clone(),
            mode: Mode::Replica,
            epoch: Some(epoch),
            seq: Some(seq),
            hash: Some(hash),
            version: None,
        })
        .await;
    match client.next().await {
        ServerFrame::Schema { .. } => {}
        other => panic!("no schema: {other:?}"),
    }
}

#[tokio::test]
async fn a_replica_gets_exactly_what_it_missed() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let mut away = server
        .connect("bob", &["editor"])
        .await
        .replica("site")
        .await;
    for title in ["1", "2", "3"] {
        let change = hers.put("title", title);
        ada.write(&mut hers, vec![change]).await;
    }
    let mut bob = server.connect("bob", &["editor"]).await;
    let (seq, hash) = (away.seq, away.hash);
    resume(&mut bob, &away, Epoch::FIRST, seq, hash).await;
    bob.receive(&mut away).await;
    assert_eq!((away.seq, away.hash), (hers.seq, hers.hash));
    assert_eq!(away.get("title").as_deref(), Some("3"));

    // A client that missed nothing gets no entries, and follows from there.
    let mut bob = server.connect("bob", &["editor"]).await;
    let (seq, hash) = (away.seq, away.hash);
    resume(&mut bob, &away, Epoch::FIRST, seq, hash).await;
    assert!(matches!(bob.next().await, ServerFrame::Entries { entries, .. } if entries.is_empty()));
    let change = hers.put("title", "4");
    ada.write(&mut hers, vec![change]).await;
    bob.receive(&mut away).await;
    assert_eq!(away.get("title").as_deref(), Some("4"));
}

#[tokio::test]
async fn another_history_starts_over() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let change = hers.put("title", "1");
    ada.write(&mut hers, vec![change]).await;
    let (seq, hash) = (hers.seq, hers.hash);
    let elsewhere = [
        (Epoch::FIRST, seq, Hash([1; 32])),
        (Epoch::FIRST, Seq(1), hash),
        (Epoch::FIRST, Seq(99), hash),
        (Epoch(2), seq, hash),
    ];
    for (epoch, seq, hash) in elsewhere {
        let mut bob = server.connect("bob", &["editor"]).await;
        resume(&mut bob, &hers, epoch, seq, hash).await;
        assert!(
            matches!(bob.next().await, ServerFrame::Reset { .. }),
            "{epoch} {seq}"
        );
        assert!(matches!(bob.next().await, ServerFrame::Snapshot { .. }));
    }
}

#[tokio::test]
async fn a_value_is_sent_again_only_when_it_changed() {
    let server = Running::start().await;
    let mut reader = server.connect_anonymously().await;
    let (_, version) = reader.value("site").await;
    let reopen = |version: &str| ClientFrame::Open {
        entity: "site".parse().unwrap(),
        mode: Mode::Value,
        epoch: None,
        seq: None,
        hash: None,
        version: Some(version.to_owned()),
    };
    let mut again = server.connect_anonymously().await;
    again.send(&reopen(&version)).await;
    match again.next().await {
        ServerFrame::Patch {
            patch,
            version: same,
            ..
        } => {
            assert_eq!((patch.as_str(), same), ("[]", version.clone()));
        }
        other => panic!("{other:?}"),
    }
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let change = hers.put("title", "New");
    ada.write(&mut hers, vec![change]).await;
    for stale in [version.as_str(), "nonsense"] {
        let mut again = server.connect_anonymously().await;
        again.send(&reopen(stale)).await;
        assert!(matches!(again.next().await, ServerFrame::Value { .. }));
    }
}
