//! Guards against a server that works with its own demo only: a museum's schema, made by somebody
//! else, is served, written to over both ways, and watched.

use std::path::Path;

use automerge::transaction::Transactable;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use indelible_server::config::SchemaPlace;
use serde_json::{Value, json};

use super::harness::Running;

async fn museum() -> Running {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/museum");
    Running::with(|config| config.schema = SchemaPlace::Folder(folder)).await
}

#[tokio::test]
async fn rooms_are_made_edited_and_watched() {
    let server = museum().await;
    let mut guide = server.connect("gina", &["guide"]).await;
    let kind: indelible_engine::id::Kind = "room".parse().unwrap();
    guide.send(&ClientFrame::Watch { kind }).await;
    let mut rooms = Vec::new();
    while let ServerFrame::Value { entity, .. } = guide.next().await {
        rooms.push(entity.to_string());
    }
    assert_eq!(rooms, ["room/strings", "room/winds"]);

    let curator = server.http_as("cora", &["curator"]);
    let room = json!({
        "number": "C07",
        "title": "Drums",
        "exhibits": [{ "exhibit": "taiko", "title": "Taiko", "acquired": 1990, "label": "Loud." }],
    });
    let made = curator.post("/api/room?id=drums", room).await;
    assert_eq!(made.status, 201, "{made:?}");
    let ServerFrame::Value { entity, value, .. } = guide.next().await else {
        panic!("no value")
    };
    let mut seen: Value = serde_json::from_str(&value).unwrap();
    assert_eq!(
        (entity.to_string().as_str(), &seen["title"]),
        ("room/drums", &json!("Drums"))
    );

    // An item's text is typed into while somebody else puts another item before it.
    let mut connection = server.connect("cora", &["curator"]).await;
    let mut replica = connection.replica("room/drums").await;
    let exhibits = replica.object("exhibits");
    let taiko = automerge::ReadDoc::get(&replica.doc, &exhibits, "taiko")
        .unwrap()
        .unwrap()
        .1;
    let label = automerge::ReadDoc::get(&replica.doc, &taiko, "label")
        .unwrap()
        .unwrap()
        .1;
    let typed = replica.change(|doc| doc.splice_text(&label, 0, 0, "Very ").unwrap());
    let before = made.body["value"]["exhibits"][0].clone();
    let bodhran = json!({ "title": "Bodhrán", "acquired": 1975 });
    let body = json!({ "exhibits": [bodhran, before] });
    let version = made.header("etag").trim_matches('"').to_owned();
    let put = curator
        .put(&format!("/api/room/drums?base={version}"), body)
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    connection.receive(&mut replica).await;
    connection.write(&mut replica, vec![typed]).await;

    for _ in 0..2 {
        let ServerFrame::Patch { patch, .. } = guide.next().await else {
            panic!("no patch")
        };
        let patch: json_patch::Patch = serde_json::from_str(&patch).unwrap();
        json_patch::patch(&mut seen, &patch).unwrap();
    }
    let titles: Vec<&str> = seen["exhibits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exhibit| exhibit["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["Bodhrán", "Taiko"]);
    assert_eq!(seen["exhibits"][1]["label"], "Very Loud.");
    assert_eq!(curator.get("/api/room/drums").await.body, seen);
}

#[tokio::test]
async fn only_the_registrar_says_what_things_are_worth() {
    let server = museum().await;
    let (curator, registrar) = (
        server.http_as("cora", &["curator"]),
        server.http_as("rita", &["registrar"]),
    );
    let with_value = |room: &Value, value: u32| {
        let mut room = room.clone();
        room["exhibits"][0]["insurance"]["value"] = json!(value);
        room
    };
    let room = curator.get("/api/room/winds").await.body;
    let tried = curator.put("/api/room/winds", with_value(&room, 1)).await;
    assert_eq!(
        tried.body["preserved"],
        json!(["/exhibits/serpent/insurance/value"])
    );
    assert_eq!(tried.body["value"], room, "nothing changed");
    let done = registrar
        .put("/api/room/winds", with_value(&room, 19_000))
        .await;
    assert_eq!(
        done.body["changed"],
        json!(["/exhibits/serpent/insurance/value"])
    );
    // A client that may not read rooms learns nothing of them.
    assert_eq!(server.http(None).get("/api/room/winds").await.status, 401);
    assert_eq!(server.http(None).get("/api/house").await.status, 200);
}
