//! Guards against a PUT with a base from before a change of the schema that is refused, or loses
//! what others wrote, where a replica would follow.

use serde_json::{Value, json};

use super::harness::{Answer, Http};
use super::schema_life::{Serving, Site, run_command};

fn first() -> Value {
    json!({
        "title": { "type": "string" },
        "body": { "type": "string", "x-indelible": { "merge": "text" } },
        "tags": { "type": "array", "items": { "type": "string" } },
        "intro": { "type": "string", "x-indelible": { "merge": "text" } },
        "gone": { "type": "string" },
        "words": { "type": "object", "additionalProperties": { "type": "string" } },
        "address": { "type": "object", "properties": {
            "town": { "type": "string" }, "zip": { "type": "string" } } },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "name": { "type": "string" }, "old": { "type": "string" },
            "notes": { "type": "string", "x-indelible": { "merge": "text" } } } } }
    })
}

/// Renamed, removed, added with a default, of another type, in another form.
fn second() -> Value {
    json!({
        "title": { "type": "string", "maxLength": 3 },
        "story": { "type": "string", "x-indelible": { "merge": "text", "was": "body" } },
        "labels": { "type": "array", "items": { "type": "string" }, "x-indelible": { "was": "tags" } },
        "summary": { "type": "string", "x-indelible": { "was": "intro" } },
        "words": { "type": "object", "additionalProperties": { "type": "string" } },
        "level": { "type": "integer", "default": 2 },
        "place": { "type": "object", "x-indelible": { "was": "address" }, "properties": {
            "city": { "type": "string", "x-indelible": { "was": "town" } },
            "zip": { "type": "integer" } } },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "label": { "type": "string", "x-indelible": { "was": "name" } },
            "notes": { "type": "string", "x-indelible": { "merge": "text" } } } } }
    })
}

fn value() -> Value {
    json!({
        "title": "Title", "body": "Once upon a time", "tags": ["a", "b"], "intro": "In short",
        "gone": "kept", "address": { "town": "Bern", "zip": "3000" },
        "steps": [ { "id": "a", "name": "A", "old": "x", "notes": "one two" },
                   { "id": "b", "name": "B" } ]
    })
}

fn version(answer: &Answer) -> String {
    answer.header("etag").trim_matches('"').to_owned()
}

async fn put(http: &Http, base: &str, body: &Value) -> Answer {
    http.put(&format!("/api/note/one?base={base}"), body.clone())
        .await
}

/// A note that somebody read before the schema changed: the server, the value and its version.
async fn changed() -> (Site, Serving, Value, String) {
    let site = Site::new();
    site.write(&first());
    let server = site.start().await;
    let http = site.http(&server);
    let made = http.put("/api/note/one", value()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let read = http.get("/api/note/one").await;
    let base = version(&read);
    // Somebody else goes on, before the schema changes and after it.
    let body = json!({ "body": "Well. Once upon a time", "tags": ["a", "b", "c"],
                       "steps": [ { "id": "a" }, { "id": "b", "notes": "new" } ] });
    assert_eq!(http.put("/api/note/one", body).await.status, 200);
    server.stop().await;
    site.write(&second());
    let server = site.start().await;
    (site, server, read.body, base)
}

#[tokio::test]
async fn what_equals_the_base_is_no_edit() {
    let (site, server, read, base) = changed().await;
    let http = site.http(&server);
    let before = http.get("/api/note/one").await;
    let answer = put(&http, &base, &read).await;
    assert_eq!(
        (answer.status, &answer.body["changed"]),
        (200, &json!([])),
        "{answer:?}"
    );
    assert_eq!(answer.header("etag"), before.header("etag"));
    server.stop().await;
    site.verify();
}

#[tokio::test]
async fn renamed_fields_are_followed_and_merge() {
    let (site, server, mut body, base) = changed().await;
    let http = site.http(&server);
    let theirs = json!({ "story": "Well. Once upon a time!" });
    assert_eq!(http.put("/api/note/one", theirs).await.status, 200);
    body["body"] = json!("Once upon no time");
    body["tags"] = json!(["b"]);
    body["intro"] = json!("Shorter");
    body["address"]["town"] = json!("Thun");
    body["steps"][0]["name"] = json!("AA");
    body["steps"][0]["notes"] = json!("one three");
    let answer = put(&http, &base, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut changed: Vec<_> = answer.body["changed"].as_array().unwrap().clone();
    changed.sort_by_key(ToString::to_string);
    changed.dedup();
    let places = [
        "/labels",
        "/place/city",
        "/steps/a/label",
        "/steps/a/notes",
        "/story",
        "/summary",
    ];
    assert_eq!(changed, places);
    assert_eq!(
        answer.body["value"],
        json!({
            "title": "Title", "story": "Well. Once upon no time!", "labels": ["b", "c"],
            "summary": "Shorter", "level": 2, "place": { "city": "Thun", "zip": "3000" },
            "steps": [ { "id": "a", "label": "AA", "notes": "one three" },
                       { "id": "b", "label": "B", "notes": "new" } ]
        })
    );
    // Nobody wrote what the schema brought along, so nobody's value was replaced.
    server.stop().await;
    let data = site.data().to_str().unwrap();
    let history = run_command(&["history", "note/one", "--json", "--data", data]);
    assert!(
        !history.contains("\"by\":\"system\",\"change\""),
        "{history}"
    );
    site.verify();
}

#[tokio::test]
async fn what_has_no_place_any_more_is_refused_with_its_place() {
    let (site, server, read, base) = changed().await;
    let http = site.http(&server);
    let before = http.get("/api/note/one").await;
    for (pointer, told) in [("/gone", "/gone"), ("/steps/0/old", "/steps/a/old")] {
        let mut body = read.clone();
        *body.pointer_mut(pointer).unwrap() = json!("changed");
        body["address"]["town"] = json!("Thun");
        let answer = put(&http, &base, &body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        let violations = &answer.body["violations"];
        assert_eq!(
            (&violations[0]["pointer"], &violations[0]["rule"]),
            (&json!(told), &json!("unknown-field"))
        );
        assert_eq!(violations[0]["attempted"], "changed");
    }
    // So are new values that break the new rules; old ones that do stay.
    for (pointer, value, rule) in [
        ("/title", json!("Longer"), "maxLength"),
        ("/address/zip", json!("x"), "type"),
    ] {
        let mut body = read.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        let answer = put(&http, &base, &body).await;
        assert_eq!(
            (answer.status, &answer.body["violations"][0]["rule"]),
            (422, &json!(rule)),
            "{answer:?}"
        );
    }
    assert_eq!(
        http.get("/api/note/one").await.header("etag"),
        before.header("etag")
    );
}

#[tokio::test]
async fn present_names_and_places_are_taken_with_an_old_base_too() {
    let (site, server, read, base) = changed().await;
    let http = site.http(&server);
    let answer = put(
        &http,
        &base,
        &json!({ "level": 7, "story": "Once upon a time!" }),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["value"]["level"], 7);
    let mut body = read;
    body["body"] = json!("Not this");
    body["title"] = json!("T");
    body.as_object_mut().unwrap().remove("gone");
    body["address"].as_object_mut().unwrap().remove("town");
    let path = format!("/api/note/one?base={base}&preserve=body&remove=/address/town,gone");
    let answer = http.put(&path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["preserved"], json!(["/story"]));
    assert_eq!(
        (
            &answer.body["value"]["title"],
            &answer.body["value"]["story"]
        ),
        (&json!("T"), &json!("Well. Once upon a time!"))
    );
    assert_eq!(answer.body["value"]["place"], json!({ "zip": "3000" }));
    let path = format!("/api/note/one?base={base}&preserve=nothing");
    assert_eq!(http.put(&path, json!({})).await.status, 422);
}

#[tokio::test]
async fn a_field_may_come_under_both_names() {
    let (site, server, read, base) = changed().await;
    let http = site.http(&server);
    let before = http.get("/api/note/one").await;
    // What a form read, and what it has under the present names.
    let mut body = read.clone();
    let more =
        json!({ "story": "Once upon no time", "labels": ["b"], "place": { "city": "Thun" } });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body["steps"][0]["label"] = json!("AA");
    let answer = put(&http, &base, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let value = &answer.body["value"];
    assert_eq!(value["story"], "Well. Once upon no time");
    assert_eq!(value["labels"], json!(["b", "c"]));
    assert_eq!(value["place"], json!({ "city": "Thun", "zip": "3000" }));
    assert_eq!(value["steps"][0]["label"], "AA");
    assert_ne!(answer.header("etag"), before.header("etag"));
    // Two things said of one field.
    let both = json!({ "body": "One", "story": "Two" });
    let answer = put(&http, &base, &both).await;
    let violation = &answer.body["violations"][0];
    assert_eq!(
        (answer.status, &violation["pointer"], &violation["rule"]),
        (422, &json!("/body"), &json!("unknown-field")),
        "{answer:?}"
    );
    assert!(violation["message"].as_str().unwrap().contains("\"story\""));
}

#[tokio::test]
async fn what_is_gone_can_be_preserved_and_new_items_are_named_by_index() {
    let (site, server, read, base) = changed().await;
    let http = site.http(&server);
    let mut body = read;
    body["gone"] = json!("changed");
    body["title"] = json!("T");
    let path = format!("/api/note/one?base={base}&preserve=gone");
    let answer = http.put(&path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["preserved"], json!(["/gone"]));
    assert_eq!(answer.body["value"]["title"], "T");
    for (body, told) in [
        (
            json!({ "steps": [{ "id": "a" }, { "old": "new" }] }),
            "/steps/1/old",
        ),
        (json!({ "steps": [{ "label": 1 }] }), "/steps/0/label"),
    ] {
        let answer = put(&http, &base, &body).await;
        let told = json!(told);
        assert_eq!(
            (answer.status, &answer.body["violations"][0]["pointer"]),
            (422, &told),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn places_that_protect_nothing_are_refused() {
    let (site, server, _, base) = changed().await;
    let http = site.http(&server);
    let before = http.get("/api/note/one").await;
    let body = json!({ "labels": ["z"], "steps": [{ "id": "a", "label": "Z" }] });
    for (place, said) in [
        ("preserve=/labels/0", "single values"),
        ("preserve=/steps/*/label", "can be no id of an item"),
        ("remove=/steps/*/label", "can be no id of an item"),
        ("preserve=/steps/a/lable", "is it /steps/a/label?"),
        ("preserve=/plaec/city", "is it /place?"),
        ("remove=/titel", "is it /title?"),
        ("preserve=titel", "is it /title?"),
        ("preserve=steps/a/label", "a pointer begins with"),
        ("preserve=/summary/x", "/summary is kept as one value"),
        ("preserve=[]", "names no field"),
        ("remove=[]", "names no field"),
    ] {
        let path = format!("/api/note/one?{place}");
        let answer = http.put(&path, body.clone()).await;
        let detail = answer.body["detail"].as_str().unwrap();
        assert_eq!(answer.status, 400, "{place}: {answer:?}");
        assert!(detail.contains(said), "{place}: {detail}");
    }
    // With a base, whose names may be others, it is known where the base is.
    for place in ["preserve=/labels/0", "preserve=/steps/*/label"] {
        let path = format!("/api/note/one?base={base}&{place}");
        let answer = http.put(&path, body.clone()).await;
        assert_eq!(answer.status, 422, "{place}: {answer:?}");
        assert_eq!(answer.body["violations"][0]["rule"], "unknown-field");
    }
    let after = http.get("/api/note/one").await;
    assert_eq!(after.header("etag"), before.header("etag"));
    let kept = http
        .put("/api/note/one?preserve=labels,/steps/a/label", body)
        .await;
    assert_eq!(kept.status, 200, "{kept:?}");
    assert_eq!(kept.body["preserved"], json!(["/labels", "/steps/a/label"]));
}

#[tokio::test]
async fn items_and_entries_that_there_are_not_are_refused() {
    let (site, server, _, base) = changed().await;
    let http = site.http(&server);
    let gone = json!({ "steps": [{ "id": "a" }], "words": { "red": "rouge" } });
    assert_eq!(http.put("/api/note/one", gone).await.status, 200);
    let before = http.get("/api/note/one").await;
    let body = json!({ "steps": [{ "id": "a", "label": "Z" }] });
    for (place, said) in [
        (
            "preserve=/steps/0/label",
            r#"/steps has no item "0", nor has the body: it has "a""#,
        ),
        ("preserve=/steps/0", r#"/steps has no item "0""#),
        ("preserve=/steps/A/label", "is it /steps/a?"),
        ("remove=/steps/0", r#"/steps has no item "0""#),
        (
            "preserve=/words/blue",
            r#"/words has no entry "blue", nor has the body: it has "red""#,
        ),
        ("preserve=/words/Red", "is it /words/red?"),
    ] {
        for path in [
            format!("/api/note/one?{place}"),
            format!("/api/note/one?base={base}&{place}"),
        ] {
            let answer = http.put(&path, body.clone()).await;
            assert_eq!(answer.status, 422, "{path}: {answer:?}");
            let violation = &answer.body["violations"][0];
            let at = place.split_once('=').unwrap().1;
            assert_eq!(
                (&violation["pointer"], &violation["rule"]),
                (&json!(at), &json!("unknown-field"))
            );
            let message = violation["message"].as_str().unwrap();
            assert!(message.contains(said), "{path}: {message}");
        }
    }
    let after = http.get("/api/note/one").await;
    assert_eq!(after.header("etag"), before.header("etag"));
    // What was deleted, what only the body has, and what an entry to be removed is not.
    for (query, body) in [
        ("preserve=/steps/b/label", json!({})),
        ("remove=/steps/b", json!({})),
        ("remove=/words/blue", json!({})),
        (
            "preserve=/words/blue",
            json!({ "words": { "blue": "bleu" } }),
        ),
    ] {
        let answer = http.put(&format!("/api/note/one?{query}"), body).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(answer.body["changed"], json!([]), "{query}");
    }
}

#[tokio::test]
async fn what_is_preserved_stays_when_what_it_lies_in_is_emptied() {
    let (site, server, _, _) = changed().await;
    let http = site.http(&server);
    for (query, body, preserved) in [
        (
            "preserve=/place/city",
            json!({ "place": null }),
            "/place/city",
        ),
        (
            "preserve=/place/city&remove=/place",
            json!({}),
            "/place/city",
        ),
        (
            "preserve=/steps/a/label",
            json!({ "steps": [{ "id": "b" }] }),
            "/steps/a",
        ),
        ("preserve=/steps/a", json!({ "steps": [] }), "/steps/a"),
        (
            "preserve=/steps/a/label&remove=/steps/a",
            json!({}),
            "/steps/a",
        ),
        (
            "preserve=/steps/a/label",
            json!({ "steps": null }),
            "/steps/a",
        ),
    ] {
        let answer = http.put(&format!("/api/note/one?{query}"), body).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(answer.body["preserved"], json!([preserved]), "{query}");
        let value = &answer.body["value"];
        assert_eq!(value["place"]["city"], "Bern", "{query}");
        assert_eq!(value["steps"][0]["label"], "A", "{query}");
    }
    let body = json!({ "steps": [{ "id": "a", "label": "B" }] });
    let answer = http.put("/api/note/one?remove=/steps/a/label", body).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn places_in_what_is_one_value_now_are_refused() {
    let site = Site::new();
    let parts = json!({ "type": "object", "properties": {
        "x": { "type": "string" }, "y": { "type": "string" } } });
    let mut one = parts.clone();
    one["x-indelible"] = json!({ "merge": "atomic" });
    let with = |apart: (&str, &Value), single: (&str, &Value)| {
        let mut schema = first();
        for ((name, form), was) in [(apart, "apart"), (single, "single")] {
            schema[name] = form.clone();
            if name != was {
                schema[name]["x-indelible"]["was"] = json!(was);
            }
        }
        schema
    };
    site.write(&with(("apart", &parts), ("single", &one)));
    let server = site.start().await;
    let value = json!({ "apart": { "x": "1", "y": "2" }, "single": { "x": "1", "y": "2" } });
    let base = version(&site.http(&server).put("/api/note/one", value).await);
    server.stop().await;
    site.write(&with(("whole", &one), ("parts", &parts)));
    let server = site.start().await;
    let http = site.http(&server);
    let body = json!({ "apart": { "x": "9" }, "single": { "x": "9", "y": "9" } });
    for (care, at) in [
        ("preserve", "/apart/x"),
        ("preserve", "/whole/x"),
        ("remove", "/apart/x"),
    ] {
        let path = format!("/api/note/one?base={base}&{care}={at}");
        let answer = http.put(&path, body.clone()).await;
        let violation = &answer.body["violations"][0];
        let told = (answer.status, &violation["pointer"]);
        assert_eq!(told, (422, &json!(at)), "{answer:?}");
        let message = violation["message"].as_str().unwrap();
        assert!(message.ends_with("name /whole"), "{message}");
    }
    let path = format!("/api/note/one?base={base}&preserve=apart,/single/x");
    let answer = http.put(&path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["preserved"], json!(["/parts/x", "/whole"]));
    let value = &answer.body["value"];
    assert_eq!(value["whole"], json!({ "x": "1", "y": "2" }));
    assert_eq!(value["parts"], json!({ "x": "1", "y": "9" }));
}
