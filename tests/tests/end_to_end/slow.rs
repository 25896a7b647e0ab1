//! Guards against one reader that takes nothing and fills the server's memory, or slows others.

use indelible_engine::protocol::ServerFrame;

use super::harness::Running;

/// More than the kernel's buffers and the queue take together: patches of 400,000 bytes.
const EDITS: usize = 60;
const BYTES: usize = 400_000;

#[tokio::test]
async fn a_reader_that_falls_behind_starts_over() {
    let server = Running::with(|config| {
        config.connections.send_queue_bytes_max = 256 << 10;
        config.budgets.epoch_bytes_min = u64::MAX;
    })
    .await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("page/home").await;
    // Nobody reads from this connection while she writes.
    let mut slow = server.connect_anonymously().await;
    slow.value("page/home").await;
    for edit in 0..EDITS {
        let letter = char::from(b'a' + u8::try_from(edit % 26).unwrap());
        let change = hers.put("notes", &letter.to_string().repeat(BYTES));
        ada.write(&mut hers, vec![change]).await;
    }
    let mut patches = 0;
    loop {
        match slow.next().await {
            ServerFrame::Patch { .. } => patches += 1,
            ServerFrame::Reset { entity, reason } => {
                assert_eq!(
                    (entity, reason.as_str()),
                    (hers.entity.clone(), "slow-consumer")
                );
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((1..EDITS).contains(&patches), "{patches}");
    slow.hears_nothing().await;
    let (value, _) = slow.value("page/home").await;
    assert_eq!(value["notes"].as_str(), hers.get("notes").as_deref());
}
