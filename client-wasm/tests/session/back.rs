//! Bringing back what was dropped: where nothing is any more that it could be written into, too.

use indelible_client::{CallError, DroppedView};
use serde_json::{Value, json};

use crate::gone::{gone, snapshot};
use crate::pair::{JANE, NOW, Pair};
use crate::server::Server;

/// Writes while offline, and loses that with the entity, which is undeleted then.
fn lost(pair: &mut Pair, body: &Value) -> Vec<DroppedView> {
    pair.edit(body).expect("allowed");
    pair.receive(&gone("deleted"));
    pair.listen();
    let back = snapshot(pair);
    pair.receive(&back);
    pair.listen();
    pair.status().dropped
}

fn bring_back(pair: &mut Pair, dropped: &DroppedView) -> Result<Vec<String>, CallError> {
    let dropped = serde_json::to_string(dropped).expect("plain data");
    let edited = pair.session.bring_back(JANE, &dropped, NOW)?;
    pair.run();
    Ok(edited.changed.iter().map(ToString::to_string).collect())
}

fn at<'a>(dropped: &'a [DroppedView], end: &str) -> &'a DroppedView {
    let found = dropped
        .iter()
        .find(|one| one.pointer.to_string().ends_with(end));
    found.unwrap_or_else(|| panic!("{end} is in {dropped:?}"))
}

fn code(result: Result<Vec<String>, CallError>) -> &'static str {
    result.expect_err("it is refused").code()
}

/// Jane with the fields that these tests are about.
fn other() -> Pair {
    let mut server = Server::new();
    let fields = json!({
        "name": { "type": "string" },
        "slogan": { "type": ["string", "null"] },
        "links": { "type": "array", "items": {
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "url": { "type": "string" },
                "title": { "type": "string" },
                "tags": { "type": "array", "items": {
                    "type": "object",
                    "properties": { "id": { "type": "string" }, "word": { "type": "string" } }
                } }
            },
            "required": ["url"]
        } },
        "rooms": { "type": "object", "additionalProperties": {
            "type": "object",
            "properties": { "floor": { "type": "integer" }, "name": { "type": "string" } },
            "required": ["floor"]
        } }
    });
    server.migrate(&fields);
    let mut pair = Pair::with(server);
    pair.session.open(JANE).expect("a good name");
    pair.connect();
    pair
}

#[test]
fn an_item_that_was_never_there_but_here_is_made_again_under_its_id() {
    let mut pair = Pair::opened();
    let links = pair.value["links"].clone();
    let new = json!({ "url": "c", "story": "Once" });
    let dropped = lost(&mut pair, &json!({ "links": [links[0], links[1], new] }));
    assert_eq!(pair.value["links"], links);
    // All of it: the story could not be written any more once there is the item.
    bring_back(&mut pair, at(&dropped, "/url")).expect("it is made again");
    let item = pair.on_server()["links"][2].clone();
    let id = item["id"].as_str().expect("an id").to_owned();
    assert_eq!(item, json!({ "id": id, "url": "c", "story": "Once" }));
    assert_eq!(
        at(&dropped, "/url").pointer.to_string(),
        format!("/links/{id}/url")
    );
    assert_eq!(pair.value, pair.on_server());
    assert_eq!(pair.status().dropped, []);
    // The other field finds the item, and has nothing to do.
    let changed = bring_back(&mut pair, at(&dropped, "/story"));
    assert_eq!(changed.expect("it is there"), [""; 0]);
    assert_eq!(pair.on_server()["links"][2], item);
}

#[test]
fn fields_that_are_not_in_the_status_any_more_come_back_one_by_one() {
    let mut pair = other();
    let links = pair.value["links"].clone();
    let new = json!({ "url": "c", "title": "T", "tags": [{ "word": "w" }] });
    let dropped = lost(&mut pair, &json!({ "links": [links[0], links[1], new] }));
    pair.edit(&json!({ "name": "J" })).expect("allowed");
    pair.run();
    // Nothing is known here of what the item must have.
    assert_eq!(
        code(bring_back(&mut pair, at(&dropped, "/title"))),
        "nothing-to-bring-back"
    );
    assert_eq!(pair.on_server()["links"], links);
    for end in ["/url", "/title", "/word"] {
        bring_back(&mut pair, at(&dropped, end)).expect("it has what it must have");
    }
    let item = pair.on_server()["links"][2].clone();
    let (id, tag) = (&item["id"], &item["tags"][0]["id"]);
    let whole = json!({ "id": id, "url": "c", "title": "T", "tags": [{ "id": tag, "word": "w" }] });
    assert_eq!(item, whole);
}

#[test]
fn what_an_item_must_have_comes_with_any_of_its_fields() {
    for end in ["/title", "/word"] {
        let mut pair = other();
        let new = json!({ "url": "c", "title": "T", "tags": [{ "word": "v" }, { "word": "w" }] });
        let links = pair.value["links"].clone();
        let mut dropped = lost(
            &mut pair,
            &json!({ "links": [links[0], { "url": "x" }, new, links[1]] }),
        );
        dropped.retain(|one| one.attempted != Some(json!("x")));
        bring_back(&mut pair, at(&dropped, end)).expect("it is made again");
        let all = pair.on_server()["links"].clone();
        assert_eq!(all.as_array().map(Vec::len), Some(3), "{all}");
        assert_eq!(
            (&all[2]["url"], &all[2]["title"]),
            (&json!("c"), &json!("T"))
        );
        let words = all[2]["tags"].as_array().expect("a list").iter();
        let mut words: Vec<&str> = words.filter_map(|tag| tag["word"].as_str()).collect();
        words.sort_unstable();
        assert_eq!(words, ["v", "w"]);
    }
}

#[test]
fn an_entry_of_an_open_map_is_made_again() {
    let mut pair = other();
    let rooms = json!({ "rooms": { "a1": { "floor": 1, "name": "A" } } });
    let dropped = lost(&mut pair, &rooms);
    bring_back(&mut pair, at(&dropped, "/name")).expect("it is made again");
    assert_eq!(pair.on_server()["rooms"], rooms["rooms"]);

    let mut pair = other();
    let dropped = lost(&mut pair, &rooms);
    pair.edit(&json!({ "name": "J" })).expect("allowed");
    pair.run();
    let refused = bring_back(&mut pair, at(&dropped, "/name"));
    assert_eq!(code(refused), "nothing-to-bring-back");
}

#[test]
fn null_is_a_value_where_it_may_stand() {
    let mut pair = other();
    pair.edit(&json!({ "slogan": "S" })).expect("allowed");
    pair.run();
    let dropped = lost(&mut pair, &json!({ "slogan": null }));
    assert_eq!(pair.value["slogan"], "S");
    let changed = bring_back(&mut pair, at(&dropped, "/slogan"));
    assert_eq!(changed.expect("a value"), ["/slogan"]);
    let slogan = pair.on_server()["slogan"].clone();
    assert_eq!(slogan, Value::Null);
    assert!(pair.on_server().get("slogan").is_some());
}
