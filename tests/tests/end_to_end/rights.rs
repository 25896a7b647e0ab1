//! Guards against frames that do more than their sender may, and against answers that reveal whether
//! something exists to those who may not read it.

use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};

use super::harness::Running;

#[tokio::test]
async fn the_unreadable_looks_like_the_missing() {
    let server = Running::start().await;
    let mut stranger = server.connect_anonymously().await;
    for name in [
        "memo/secret",
        "memo/missing",
        "page/missing",
        "nothing/here",
        "memo",
        "site/x",
    ] {
        for mode in [Mode::Value, Mode::Replica] {
            stranger.open(&name.parse().unwrap(), mode).await;
            match stranger.next().await {
                // Of a kind with values for everybody, every replica is denied alike.
                ServerFrame::Error { code, .. } if code == "mode" && name == "page/missing" => {}
                ServerFrame::Gone { code, entity } => {
                    assert_eq!(
                        (code.as_str(), entity.to_string().as_str()),
                        ("not-found", name)
                    );
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        let entity = name.parse().unwrap();
        let id = stranger.propose(&entity, vec![vec![1]]).await;
        let expected = if name == "page/missing" {
            "forbidden"
        } else {
            "not-found"
        };
        assert_eq!(stranger.refused(id).await.0, expected, "{name}");
    }
    for kind in ["memo", "nothing"] {
        stranger
            .send(&ClientFrame::Watch {
                kind: kind.parse().unwrap(),
            })
            .await;
        assert!(
            matches!(stranger.next().await, ServerFrame::Gone { .. }),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn strangers_get_values_and_no_history() {
    let server = Running::start().await;
    let mut stranger = server.connect_anonymously().await;
    let (value, _) = stranger.value("site").await;
    assert_eq!(value["title"], "Before");
    stranger.open(&"site".parse().unwrap(), Mode::Replica).await;
    assert!(matches!(stranger.next().await, ServerFrame::Error { code, .. } if code == "mode"));
    let entity = "site".parse().unwrap();
    let id = stranger.propose(&entity, vec![vec![1]]).await;
    assert_eq!(stranger.refused(id).await.0, "forbidden");
}

#[tokio::test]
async fn writers_without_history_do_not_propose() {
    let server = Running::start().await;
    let mut admin = server.connect("ada", &["editor"]).await;
    let mut replica = admin.replica("page/home").await;
    let mut writer = server.connect("will", &["writer"]).await;
    let id = writer
        .propose(&replica.entity.clone(), vec![replica.put("title", "X")])
        .await;
    assert_eq!(writer.refused(id).await.0, "mode");
    admin.hears_nothing().await;
}

#[tokio::test]
async fn creating_needs_the_right_to() {
    let server = Running::start().await;
    let mut viewer = server.connect("vera", &["viewer"]).await;
    let mut stranger = server.connect_anonymously().await;
    let create = |id, name: &str| ClientFrame::Create {
        id,
        entity: name.parse().unwrap(),
        value: "{}".into(),
    };
    for (name, code) in [
        ("memo", "forbidden"),
        ("page", "forbidden"),
        ("nothing", "not-found"),
    ] {
        let id = viewer.next_id();
        viewer.send(&create(id, name)).await;
        assert_eq!(viewer.refused(id).await.0, code, "{name}");
    }
    let id = stranger.next_id();
    stranger.send(&create(id, "memo")).await;
    assert_eq!(stranger.refused(id).await.0, "not-found");

    // The nearest kind is one that the principal may know of.
    for (known, name, says) in [
        (true, "mem", "there is no kind mem; did you mean memo?"),
        (false, "mem", "there is no kind mem"),
        (false, "memo", "there is no kind memo"),
        (false, "sitee", "there is no kind sitee; did you mean site?"),
    ] {
        let client = if known { &mut viewer } else { &mut stranger };
        let id = client.next_id();
        client.send(&create(id, name)).await;
        match client.next().await {
            ServerFrame::Refused { violations, .. } => assert_eq!(violations[0].message, says),
            other => panic!("not refused: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_refusal_names_what_was_asked_for() {
    let server = Running::start().await;
    let mut editor = server.connect("ada", &["editor"]).await;
    for (brings_back, says) in [
        (false, "you may not delete this"),
        (true, "you may not undelete this"),
    ] {
        let (id, entity) = (editor.next_id(), "page/home".parse().unwrap());
        let asked = match brings_back {
            true => ClientFrame::Undelete { id, entity },
            false => ClientFrame::Delete { id, entity },
        };
        editor.send(&asked).await;
        match editor.next().await {
            ServerFrame::Refused {
                code, violations, ..
            } => {
                assert_eq!((&*code, &*violations[0].message), ("forbidden", says));
            }
            other => panic!("not refused: {other:?}"),
        }
    }
}
