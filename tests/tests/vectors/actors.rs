//! Reserved actor ids.

use indelible_engine::change::{ActorClass, client_actor, genesis_actor, server_actor};
use indelible_engine::id::Epoch;
use indelible_engine::time::Timestamp;
use serde_json::{Value, json};

use super::{golden, list};

#[test]
fn actors() {
    let servers: Vec<Value> = [
        ("settings", 1, "alice"),
        ("team/jane-doe", 1, "alice"),
        ("team/jane-doe", 2, "alice"),
        ("team/jane-doe", 1, "user:42/é"),
    ]
    .into_iter()
    .map(|(entity, epoch, principal)| {
        let entity = entity.parse().expect("a name");
        let actor = server_actor(&entity, Epoch(epoch), principal).to_hex_string();
        json!({ "entity": entity, "epoch": epoch, "principal": principal, "actor": actor })
    })
    .collect();
    let classes: Vec<Value> = [
        genesis_actor().to_hex_string(),
        format!("ff{}", "11".repeat(15)),
        format!("13b2230901{}", "11".repeat(16)),
        client_actor(Timestamp(1_770_000_000_000), [0xab; 10]).to_hex_string(),
    ]
    .into_iter()
    .map(|actor| {
        let id = actor.as_str().try_into().expect("hexadecimal digits");
        json!({ "actor": actor, "class": format!("{:?}", ActorClass::of(&id)) })
    })
    .collect();
    let file = golden(
        "actors.json",
        &json!({ "server": servers, "classes": classes }),
    );
    assert_eq!(list(&file["server"]).len(), 4);
}
