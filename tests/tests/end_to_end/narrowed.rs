//! Guards against values that an editor put where the next schema lets only the system write: who
//! changes the schema is shown them with their authors, and can have them dropped.

use serde_json::{Value, json};

use super::schema_life::{Site, run_command};

fn open() -> Value {
    json!({
        "title": { "type": "string" },
        "body": { "type": "string" },
        "flags": { "type": "object", "additionalProperties": { "type": "boolean" } },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "name": { "type": "string" } } } }
    })
}

/// The next schema: what pages show as checked is the system's from now on.
fn closed(narrowed: &str) -> Value {
    let checked =
        json!({ "type": "boolean", "x-indelible": { "write": "system", "narrowed": narrowed } });
    let mut closed = open();
    closed["flags"]["properties"] = json!({ "checked": checked });
    closed
}

#[tokio::test]
async fn forged_values_are_named_with_their_authors_and_dropped_where_the_schema_says_so() {
    let site = Site::new();
    site.write(&open());
    let server = site.start().await;
    let http = site.http(&server);
    let forged = json!({ "flags": { "checked": true, "mine": true } });
    assert_eq!(http.put("/api/note/one", forged).await.status, 200);
    server.stop().await;

    let data = site.data().to_str().unwrap();
    for (word, what) in [("keep", "stays"), ("drop", "is dropped")] {
        site.write(&closed(word));
        let told = site.differences();
        let expected = json!([{
            "entity": "note/one", "cannot": [], "invalid": [],
            "narrowed": [{ "pointer": "/flags/checked", "authors": ["hal"],
                           "write": "\"system\"", "was": "\"edit\"", "dropped": word == "drop", "deleted": false }]
        }]);
        assert_eq!(told["entities"], expected);
        let folder = site.folder().to_str().unwrap();
        let told = run_command(&["schema", "diff", folder, folder, "--data", data]);
        let row = told
            .lines()
            .find(|line| line.contains("/flags/checked"))
            .unwrap();
        assert!(
            row.contains(what) && row.contains("written by hal"),
            "{told}"
        );
    }

    let server = site.start().await;
    let answer = site.http(&server).get("/api/note/one").await;
    assert_eq!(answer.body["flags"], json!({ "mine": true }));
    // It stays gone: the next start finds nothing that becomes narrower.
    server.stop().await;
    assert_eq!(site.differences()["entities"], json!([]));
    site.verify();
    let told = run_command(&["blame", "note/one", "/flags/checked", "--data", data]);
    assert!(told.contains("a change of the schema removed"), "{told}");
    let told = run_command(&["history", "note/one", "--data", data]);
    assert!(
        told.contains("system") && told.to_lowercase().contains("checked"),
        "{told}"
    );
}

#[tokio::test]
async fn values_that_come_back_when_undeleted_are_named_with_those_who_wrote_them() {
    let site = Site::new();
    site.write(&open());
    let server = site.start().await;
    let http = site.http(&server);
    let steps = |ids: &[&str]| {
        let steps = ids
            .iter()
            .map(|id| json!({ "id": id, "name": format!("Hal's {id}") }));
        json!({ "steps": steps.collect::<Vec<_>>() })
    };
    assert_eq!(
        http.put("/api/note/one", steps(&["a", "b"])).await.status,
        200
    );
    assert_eq!(
        http.put("/api/note/one", json!({ "steps": [{ "id": "b" }] }))
            .await
            .status,
        200
    );
    let titled = http.put("/api/note/two", json!({ "title": "Hal's" })).await;
    assert_eq!(titled.status, 200);
    let any = [("if-match", "*")];
    assert_eq!(
        http.send("DELETE", "/api/note/two", &any, None)
            .await
            .status,
        204
    );
    server.stop().await;

    let system = |word: &str| json!({ "write": "system", "narrowed": word });
    let next = |word: &str| {
        let mut next = open();
        next["title"]["x-indelible"] = system(word);
        next["steps"]["items"]["properties"]["name"]["x-indelible"] = system(word);
        next
    };
    site.write(&next("keep"));
    let told = site.differences();
    let found: Vec<Value> = told["entities"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| {
            let named = one["narrowed"].as_array().unwrap().iter();
            named.map(|value| {
                json!([
                    one["entity"],
                    value["pointer"],
                    value["authors"],
                    value["deleted"]
                ])
            })
        })
        .collect();
    let expected = json!([
        ["note/one", "/steps/a/name", ["hal"], true],
        ["note/one", "/steps/b/name", ["hal"], false],
        ["note/two", "/title", ["hal"], true]
    ]);
    assert_eq!(json!(found), expected);

    site.write(&next("drop"));
    site.start().await.stop().await;
    // Once somebody may bring back what is deleted.
    site.write(&open());
    let server = site.start().await;
    let http = site.http(&server);
    let back = http.send("POST", "/api/note/two/undelete", &[], None).await;
    assert_eq!(
        (back.status, back.body["value"].get("title")),
        (200, None),
        "{back:?}"
    );
    let back = http
        .put(
            "/api/note/one",
            json!({ "steps": [{ "id": "a" }, { "id": "b" }] }),
        )
        .await;
    assert_eq!(
        back.body["value"]["steps"],
        json!([{ "id": "a" }, { "id": "b" }]),
        "{back:?}"
    );
    server.stop().await;
    site.verify();

    // Fewer may edit the kind: each entity that somebody wrote is named once, as a whole.
    let fewer = site
        .write(&open())
        .replace("\"edit\":[\"editor\"]", "\"edit\":[\"chief\"]");
    std::fs::write(site.folder().join("note.json"), fewer).unwrap();
    let told = site.differences();
    let named = &told["entities"][0]["narrowed"];
    assert_eq!(
        (&named[0]["pointer"], &named[0]["authors"]),
        (&json!(""), &json!(["hal", "system"])),
        "{told}"
    );
}
