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
                           "write": "\"system\"", "was": "\"edit\"", "dropped": word == "drop" }]
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
