//! Guards against a version that makes a rule stricter and then cannot open, verify or edit what
//! was admitted before.
//!
//! `tests/data/vectors/rules-1/` holds a store and a bundle of the first version of the rules, made by
//! a server of that time, with values that are refused now: a text longer than the bound, a
//! `const` and an `enum` on containers that do not match, a pattern that ECMAScript reads in
//! another way, a host name that is not valid. `tests/data/vectors/rules-2/` holds a bundle of the second
//! version: a pattern that ECMAScript refuses, and a list that was too long for a new schema and
//! got longer. `tests/data/vectors/rules-3/` holds one of the third version: a string and a text, each
//! with a pattern, of more than 100,000 characters. `tests/data/vectors/rules-4/` holds one of the fourth
//! version: such strings in a value that is replaced as one, and under a `contains`.

use std::io::Read;
use std::path::{Path, PathBuf};

use indelible_server::config::{Config, SchemaPlace};
use serde_json::{Value, json};

use super::harness::Http;
use super::schema_life::{Serving, run_command};

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/vectors")
        .join(name)
}

/// Writes what a compressed file of the vectors holds to a file of its own.
fn unpack(name: &str, to: &Path) {
    let packed = std::fs::File::open(kept(name)).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .unwrap();
    std::fs::write(to, bytes).unwrap();
}

fn verify(bundle: &Path) -> String {
    run_command(&["verify", bundle.to_str().unwrap()])
}

#[test]
fn a_bundle_under_the_first_rules_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.ndjson");
    unpack("rules-1/bundle.ndjson.gz", &bundle);
    let answer = verify(&bundle);
    assert!(
        answer.starts_with("good: 119 entries of 3 entities (judged again), 1 refusal, 1 policy"),
        "{answer}"
    );
}

#[test]
fn a_bundle_under_the_second_rules_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.ndjson");
    unpack("rules-2/bundle.ndjson.gz", &bundle);
    let answer = verify(&bundle);
    assert!(
        answer.starts_with("good: 4 entries of 1 entity (judged again), 0 refusals, 2 policies"),
        "{answer}"
    );
}

#[test]
fn a_bundle_under_the_third_rules_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.ndjson");
    unpack("rules-3/bundle.ndjson.gz", &bundle);
    let answer = verify(&bundle);
    assert!(
        answer.starts_with("good: 5 entries of 1 entity (judged again), 0 refusals, 1 policy"),
        "{answer}"
    );
}

#[test]
fn a_bundle_under_the_fourth_rules_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.ndjson");
    unpack("rules-4/bundle.ndjson.gz", &bundle);
    let answer = verify(&bundle);
    assert!(
        answer.starts_with("good: 4 entries of 1 entity (judged again), 0 refusals, 1 policy"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_under_the_first_rules_opens_and_can_be_edited() {
    let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    unpack(
        "rules-1/indelible.redb.gz",
        &data.path().join("indelible.redb"),
    );
    let text = std::fs::read_to_string(kept("rules-1/page.json")).unwrap();
    let mut page: Value = serde_json::from_str(&text).unwrap();
    // The schema as its owner writes it now; the store keeps the one that it was served under.
    page["properties"]["code"]["pattern"] = json!("^b$");
    std::fs::write(schema.path().join("page.json"), page.to_string()).unwrap();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: data.path().to_owned(),
        schema: SchemaPlace::Folder(schema.path().to_owned()),
        ..Config::default()
    };
    let server = Serving::start(config).await.unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let token = super::harness::token(data.path(), "bob", &["editor"], day);
    let http = Http::to(&server.authority, Some(token));

    let before = http.get("/api/page/a").await.body;
    assert_eq!(before["box"], json!({ "a": 4 }));
    assert_eq!(before["title"], "Second");
    let answer = http.put("/api/page/a", json!({ "title": "Third" })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["changed"], json!(["/title"]));

    let long = http.get("/api/page/long").await.body;
    assert_eq!(long["body"].as_str().unwrap().len(), 1_000_001);
    let answer = http
        .put("/api/page/long", json!({ "title": "Longer" }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);

    let back = http
        .send("POST", "/api/page/gone/undelete", &[], None)
        .await;
    assert_eq!(back.status, 200, "{}", back.body);
    server.stop().await;

    let bundle = schema.path().join("bundle.ndjson");
    let (store, out) = (data.path().to_str().unwrap(), bundle.to_str().unwrap());
    run_command(&["export", "--data", store, "--out", out]);
    let answer = verify(&bundle);
    assert!(answer.starts_with("good: "), "{answer}");
    assert!(answer.contains("2 policies"), "{answer}");
}
