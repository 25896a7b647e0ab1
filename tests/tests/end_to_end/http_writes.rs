//! Guards against a PUT that overwrites what others wrote, what it may not write, or writes twice.

use automerge::transaction::Transactable;
use indelible_engine::protocol::{ClientFrame, ServerFrame};
use serde_json::{Value, json};

use super::harness::{Answer, Running};

fn pointers(answer: &Answer, name: &str) -> Vec<String> {
    let list = answer.body[name]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"));
    list.iter()
        .map(|pointer| pointer.as_str().unwrap().to_owned())
        .collect()
}

fn version(answer: &Answer) -> String {
    answer.header("etag").trim_matches('"').to_owned()
}

#[tokio::test]
async fn put_writes_what_differs_and_keeps_what_is_protected() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let before = http.get("/api/site").await;
    let mut body = before.body.clone();
    let same = http.put("/api/site", body.clone()).await;
    assert_eq!(same.status, 200);
    assert!(pointers(&same, "changed").is_empty() && pointers(&same, "preserved").is_empty());
    assert_eq!(same.header("etag"), before.header("etag"));

    body["title"] = json!("After");
    body["license"] = json!("forged");
    body["createdAt"] = json!("1999-01-01T00:00:00.000Z");
    let answer = http.put("/api/site", body.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(pointers(&answer, "changed"), ["/title"]);
    assert_eq!(pointers(&answer, "preserved"), ["/createdAt", "/license"]);
    assert_eq!(answer.body["value"]["license"], "AB-1");
    assert_eq!(answer.body["value"]["createdAt"], before.body["createdAt"]);
    assert_eq!(answer.body["value"]["updatedBy"], "ada");
    assert_ne!(answer.header("etag"), before.header("etag"));
    // Fields that the body lacks stay.
    let part = http.put("/api/site", json!({ "phone": "2" })).await;
    assert_eq!(pointers(&part, "changed"), ["/phone"]);
    assert_eq!(part.body["value"]["title"], "After");

    let strict = [("prefer", "handling=strict")];
    let refused = http
        .send("PUT", "/api/site", &strict, Some(json!({ "license": "x" })))
        .await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (422, &json!("policy"))
    );
    assert_eq!(refused.body["violations"][0]["pointer"], "/license");
    assert_eq!(refused.body["violations"][0]["rule"], "write");
    let equal = http
        .send(
            "PUT",
            "/api/site",
            &strict,
            Some(json!({ "license": "AB-1" })),
        )
        .await;
    assert_eq!(equal.status, 200, "an equal value is no violation");
    let kept = http
        .put(
            "/api/site?preserve=title",
            json!({ "title": "No", "phone": "3" }),
        )
        .await;
    assert_eq!(pointers(&kept, "changed"), ["/phone"]);
    assert_eq!(pointers(&kept, "preserved"), ["/title"]);
    let wrong = http.put("/api/site", json!({ "title": 7 })).await;
    assert_eq!(
        (wrong.status, &wrong.body["violations"][0]["rule"]),
        (422, &json!("type"))
    );
    assert_eq!(wrong.body["violations"][0]["bound"], json!(["string"]));
}

#[tokio::test]
async fn a_base_saves_what_others_wrote_since() {
    let server = Running::start().await;
    let http = server.http_as("harry", &["editor"]);
    let read = http.get("/api/site").await;
    let base = version(&read);

    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("site").await;
    let motto = hers.object("motto");
    let typed = hers.change(|doc| {
        doc.splice_text(&motto, 0, 0, "Dear all: ").unwrap();
        doc.put(automerge::ROOT, "title", "Ada's").unwrap();
    });
    ada.write(&mut hers, vec![typed]).await;

    let mut body = read.body.clone();
    body["phone"] = json!("42");
    body["motto"] = json!("We try hard.");
    let answer = http
        .put(&format!("/api/site?base={base}"), body.clone())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["value"]["title"], "Ada's");
    assert_eq!(answer.body["value"]["motto"], "Dear all: We try hard.");
    assert_eq!(answer.body["value"]["phone"], "42");
    ada.receive(&mut hers).await;
    assert_eq!(hers.text("motto"), "Dear all: We try hard.");

    // Without a base the body is compared with the present.
    let answer = http.put("/api/site", json!({ "title": "Before" })).await;
    assert_eq!(answer.body["value"]["title"], "Before");
    for unknown in ["nonsense", &version(&http.get("/api/page/home").await)] {
        let answer = http
            .put(&format!("/api/site?base={unknown}"), body.clone())
            .await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (412, &json!("unknown-base"))
        );
    }
}

#[tokio::test]
async fn conditions_are_honoured() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let etag = http.get("/api/site").await.header("etag").to_owned();
    let put = async |condition: &str, title: &str| {
        let headers = [("if-match", condition)];
        http.send(
            "PUT",
            "/api/site",
            &headers,
            Some(json!({ "title": title })),
        )
        .await
    };
    assert_eq!(put(&etag, "One").await.status, 200);
    let late = put(&etag, "Two").await;
    assert_eq!(
        (late.status, &late.body["code"]),
        (412, &json!("precondition-failed"))
    );
    assert_eq!(put("*", "Three").await.status, 200);
    assert_eq!(http.get("/api/site").await.body["title"], "Three");

    // One of several is enough; a weak one does not count; what is not a condition is not taken for one.
    let etag = http.get("/api/site").await.header("etag").to_owned();
    for (condition, status) in [
        (format!("W/{etag}"), 412),
        (format!("\"other\", W/{etag}"), 412),
        (etag.trim_matches('"').to_owned(), 400),
        (format!("{etag}, *"), 400),
        (format!("\"a,b\" ,, {etag}"), 200),
    ] {
        assert_eq!(put(&condition, "Four").await.status, status, "{condition}");
        let expected = if status == 200 { "Four" } else { "Three" };
        assert_eq!(http.get("/api/site").await.body["title"], expected);
    }
}

#[tokio::test]
async fn what_json_does_not_hold_exactly_is_refused_with_its_place() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let before = http.get("/api/site").await.body;
    for (body, told) in [
        (
            r#"{"title":[{"n":9007199254740993}]}"#,
            "in /title/0/n is a number",
        ),
        (r#"{"a":{"b":[1,-1e400]}}"#, "in /a/b/1 is a number"),
        (r#"{"title":1e-400}"#, "in /title is a number"),
        (r#"{"title":"x\ud800"}"#, "in /title is not text"),
        (r#"{"a":[{"\udfff":1}]}"#, "in /a/0 is not text"),
    ] {
        for (method, path) in [("PUT", "/api/site"), ("POST", "/api/page?id=x")] {
            let answer = http
                .send_text(method, path, &[], Some(body.to_owned()))
                .await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (400, &json!("bad-request"))
            );
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains(told), "{detail}");
        }
        let mut ada = server.connect("ada", &["editor"]).await;
        let (id, value) = (ada.next_id(), body.to_owned());
        let entity = "page/x".parse().unwrap();
        ada.send(&ClientFrame::Create { id, entity, value }).await;
        assert_eq!(ada.refused(id).await.0, "malformed");
    }
    assert_eq!(http.get("/api/site").await.body, before);
    assert_eq!(http.get("/api/page/x").await.status, 404);
}

#[tokio::test]
async fn a_property_that_stands_twice_is_refused() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let before = http.get("/api/site").await.body;
    for (method, path, body, told) in [
        ("PUT", "/api/site", r#"{"title":"A","title":"B"}"#, "here"),
        (
            "PUT",
            "/api/site",
            r#"{"title":{"a":[{"b":1,"b":1}]}}"#,
            "in /title/a/0",
        ),
        (
            "POST",
            "/api/page?id=x",
            r#"{"slug":"x","title":"A","title":"A"}"#,
            "here",
        ),
    ] {
        let answer = http
            .send_text(method, path, &[], Some(body.to_owned()))
            .await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("bad-request"))
        );
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("appears twice {told} at line 1")),
            "{detail}"
        );
    }
    let mut ada = server.connect("ada", &["editor"]).await;
    let id = ada.next_id();
    let value = r#"{"slug":"x","title":"A","title":"A"}"#.to_owned();
    let entity = "page/x".parse().unwrap();
    ada.send(&ClientFrame::Create { id, entity, value }).await;
    let (code, violations) = ada.refused(id).await;
    assert_eq!(code, "malformed", "{violations:?}");
    assert_eq!(http.get("/api/site").await.body, before);
    assert_eq!(http.get("/api/page/x").await.status, 404);
}

#[tokio::test]
async fn an_idempotency_key_writes_once() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let once = async |key: &str, title: &str| {
        let headers = [("idempotency-key", key)];
        http.send(
            "PUT",
            "/api/site",
            &headers,
            Some(json!({ "title": title })),
        )
        .await
    };
    assert_eq!(once("a", "One").await.status, 200);
    assert_eq!(once("b", "Two").await.status, 200);
    let repeat = once("a", "One").await;
    assert_eq!(
        (repeat.status, &repeat.body["value"]["title"]),
        (200, &json!("Two"))
    );

    let key = [("idempotency-key", "c")];
    let body = json!({ "slug": "s", "title": "T" });
    let first = http
        .send("POST", "/api/page", &key, Some(body.clone()))
        .await;
    let second = http
        .send("POST", "/api/page", &key, Some(body.clone()))
        .await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!(
        http.get("/api/page").await.body["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let elsewhere = http.send("POST", "/api/memo", &key, Some(json!({}))).await;
    assert_eq!(
        (elsewhere.status, &elsewhere.body["code"]),
        (422, &json!("id-reused"))
    );
    // The same key of a different person is a different key.
    let other = server.http_as("bob", &["editor"]);
    assert_eq!(
        other
            .send("POST", "/api/page", &key, Some(body))
            .await
            .status,
        201
    );
    assert_eq!(
        http.get("/api/page").await.body["items"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test]
async fn creations_over_http() {
    let server = Running::start().await;
    let http = server.http_as("ada", &["editor"]);
    let made = http
        .post("/api/page?id=x", json!({ "slug": "x", "title": "X" }))
        .await;
    assert_eq!((made.status, made.header("location")), (201, "/api/page/x"));
    assert_eq!(made.body["value"]["title"], "X");
    assert_eq!(
        http.get("/api/page/x").await.header("etag"),
        made.header("etag")
    );
    let cases: [(&str, Value, u16, &str); 7] = [
        (
            "/api/page?id=x",
            json!({ "slug": "x", "title": "X" }),
            409,
            "exists",
        ),
        (
            "/api/page?id=a%20b",
            json!({ "slug": "x", "title": "X" }),
            400,
            "bad-id",
        ),
        ("/api/page", json!({ "slug": "x" }), 422, "policy"),
        (
            "/api/page",
            json!({ "slug": "x", "title": "X", "approved": true }),
            422,
            "policy",
        ),
        ("/api/page", json!([1]), 400, "bad-request"),
        ("/api/site", json!({}), 405, "method-not-allowed"),
        ("/api/nothing", json!({}), 404, "not-found"),
    ];
    for (path, body, status, code) in cases {
        let answer = http.post(path, body).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{path}"
        );
    }
    let slug = http.put("/api/page/x", json!({ "slug": "y" })).await;
    assert_eq!(pointers(&slug, "preserved"), ["/slug"]);
    assert_eq!(http.put("/api/page/missing", json!({})).await.status, 404);
    let anonymous = server.http(None).post("/api/page", json!({})).await;
    assert_eq!(
        (anonymous.status, &anonymous.body["code"]),
        (401, &json!("unauthorized"))
    );
    let plain = [("content-type", "text/plain")];
    assert_eq!(
        http.send("PUT", "/api/site", &plain, None).await.status,
        415
    );
}

#[tokio::test]
async fn many_at_once_lose_nothing() {
    let server = Running::start().await;
    let mut ada = server.connect("ada", &["editor"]).await;
    let mut hers = ada.replica("page/home").await;
    let http = server.http_as("harry", &["editor"]);
    let puts = (0..20).map(|n| {
        let http = &http;
        async move {
            let body = json!({ "title": format!("Title {n}") });
            assert_eq!(http.put("/api/page/home", body).await.status, 200);
        }
    });
    let typing = async {
        let body = hers.object("body");
        let mut waiting = Vec::new();
        for n in 0..20 {
            let change = hers.change(|doc| doc.splice_text(&body, n, 0, "x").unwrap());
            waiting.push(ada.propose(&hers.entity, vec![change]).await);
        }
        while let Some(first) = waiting.first() {
            match ada.next().await {
                frame @ ServerFrame::Entries { .. } => hers.apply(&frame),
                ServerFrame::Admitted { id, .. } if id == *first => drop(waiting.remove(0)),
                other => panic!("{other:?}"),
            }
        }
    };
    futures_util::join!(futures_util::future::join_all(puts), typing);
    let value = http.get("/api/page/home").await.body;
    assert_eq!(value["body"], format!("{}Welcome.", "x".repeat(20)));
    assert!(value["title"].as_str().unwrap().starts_with("Title "));
}

#[tokio::test]
async fn the_whole_settings_come_back_while_two_admins_type() {
    let server = Running::with(|config| {
        config.schema = indelible_server::config::SchemaPlace::Demo;
    })
    .await;
    let http = server.http_as("harry", &["editor"]);
    let read = http.get("/api/settings").await;
    let mut body = read.body.clone();
    body["companyName"] = json!("Fernhill");
    body["slogan"] = json!("Software for places people live in");
    body["createdAt"] = json!("2001-01-01T00:00:00.000Z");

    let mut typists = Vec::new();
    for (name, field) in [("ada", "slogan"), ("bob", "description")] {
        let mut client = server.connect(name, &["admin"]).await;
        let replica = client.replica("settings").await;
        typists.push((client, replica, field));
    }
    let typing = typists
        .iter_mut()
        .map(|(client, replica, field)| async move {
            let text = replica.object(field);
            let mut answered = 0;
            for n in 0..10 {
                let change = replica.change(|doc| doc.splice_text(&text, n, 0, "!").unwrap());
                client.propose(&replica.entity, vec![change]).await;
            }
            while answered < 10 {
                match client.next().await {
                    frame @ ServerFrame::Entries { .. } => replica.apply(&frame),
                    ServerFrame::Admitted { .. } => answered += 1,
                    other => panic!("{other:?}"),
                }
            }
        });
    let path = format!("/api/settings?base={}", version(&read));
    let (put, _) = futures_util::join!(
        http.put(&path, body.clone()),
        futures_util::future::join_all(typing)
    );
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(pointers(&put, "preserved"), ["/createdAt"]);
    let mut changed = pointers(&put, "changed");
    changed.dedup();
    assert_eq!(changed, ["/companyName", "/slogan"]);

    let now = http.get("/api/settings").await.body;
    assert_eq!(now["companyName"], "Fernhill");
    assert_eq!(
        now["slogan"],
        format!("{}Software for places people live in", "!".repeat(10))
    );
    let description = read.body["description"].as_str().unwrap();
    assert_eq!(
        now["description"],
        format!("{}{description}", "!".repeat(10))
    );
    assert_eq!(now["createdAt"], read.body["createdAt"]);

    // The same body without a base: what differs from the present is written, the texts too.
    let put = http.put("/api/settings", body.clone()).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(put.body["value"]["slogan"], body["slogan"]);
    assert_eq!(put.body["value"]["description"], read.body["description"]);
    assert_eq!(put.body["value"]["createdAt"], read.body["createdAt"]);
}
