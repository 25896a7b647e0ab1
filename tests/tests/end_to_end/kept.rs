//! Guards against an attempt at a protected field that a PUT hides, and against a record of refusals
//! that is full of stale stamps which forms put back.

use std::path::Path;
use std::process::Command;

use indelible_engine::id::{EntityId, Epoch};
use indelible_engine::ledger::{RefusalRecord, decode_refusal, verify_refusal_chain};
use indelible_server::config::RefusalSettings;
use indelible_server::storage::Refusals;
use indelible_server::storage::redb::RedbStore;
use serde_json::{Value, json};

use super::harness::Running;

fn records(data: &Path, entity: &str) -> Vec<RefusalRecord> {
    let entity: EntityId = entity.parse().unwrap();
    let store = RedbStore::open(data, RefusalSettings::default()).unwrap();
    let stored = store.refusals(&entity, 0, usize::MAX).unwrap();
    verify_refusal_chain(stored.iter().map(|r| (r.bytes.clone(), r.hash))).unwrap();
    let decoded = stored
        .iter()
        .map(|stored| decode_refusal(&stored.bytes).unwrap());
    decoded.collect()
}

/// A field, the rule that protects it, and what was tried.
type Tried = (String, String, Option<String>);

/// The code of a record, how much was admitted, and what was tried.
fn told(record: &RefusalRecord) -> (String, u32, Vec<Tried>) {
    let all = record.violations.iter();
    let all = all.map(|v| (v.pointer.to_string(), v.rule.clone(), v.attempted.clone()));
    (record.code.clone(), record.admitted, all.collect())
}

fn indelible(folder: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_indelible-under-test"))
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {text}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn what_a_field_never_had_is_recorded_and_what_a_form_puts_back_is_not() {
    let server = Running::start().await;
    let admin = server.http_as("ada", &["admin"]);
    let editor = server.http_as("eve", &["editor"]);
    let stale = editor.get("/api/site").await.body;
    for license in ["AB-2", "AB-3"] {
        let set = admin.put("/api/site", json!({ "license": license })).await;
        assert_eq!(set.status, 200, "{set:?}");
    }
    let put = async |path: &str, body: Value| {
        let answer = editor.put(path, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    // A form that was open all the while, and one that was read in between.
    let mut form = stale.clone();
    form["phone"] = json!("1");
    let answer = put("/api/site", form).await;
    assert_eq!(answer["preserved"], json!(["/license", "/updatedBy"]));
    put(
        "/api/site",
        json!({ "license": "AB-2", "updatedBy": "ada", "phone": "2" }),
    )
    .await;
    // A place that the caller names to be kept does not count as an attempt to write it.
    put(
        "/api/site?preserve=license",
        json!({ "license": "asked for", "phone": "3" }),
    )
    .await;

    let forged = json!({ "license": "forged", "phone": "4", "updatedBy": "nobody",
                         "createdAt": "1999-01-01T00:00:00.000Z" });
    let answer = put("/api/site", forged).await;
    assert_eq!(answer["changed"], json!(["/phone"]));
    put("/api/site", json!({ "license": "again" })).await;
    put("/api/site", json!({ "license": null })).await;
    // Where the rest is refused, both are recorded.
    let refused = editor
        .put("/api/site", json!({ "license": "third", "title": 7 }))
        .await;
    assert_eq!(
        (
            refused.status,
            refused.body["violations"].as_array().unwrap().len()
        ),
        (422, 1)
    );
    let data = server.stop_and_keep().await;

    let text = |value: &str| Some(json!(value).to_string());
    let one = |value: Option<String>| vec![("/license".to_owned(), "write".to_owned(), value)];
    let found: Vec<_> = records(data.path(), "site").iter().map(told).collect();
    let stamp = |name: &str, value| (name.to_owned(), "stamp".to_owned(), text(value));
    let mut first = vec![stamp("/createdAt", "1999-01-01T00:00:00.000Z")];
    first.extend(one(text("forged")));
    first.push(stamp("/updatedBy", "nobody"));
    let kept = |admitted, violations| ("preserved".to_owned(), admitted, violations);
    assert_eq!(
        found[..3],
        [
            kept(1, first),
            kept(0, one(text("again"))),
            kept(0, one(Some("null".to_owned())))
        ]
    );
    assert_eq!(found.len(), 5);
    assert!(found.contains(&kept(0, one(text("third")))));
    let policy = found.iter().find(|(code, ..)| code == "policy").unwrap();
    assert_eq!(policy.2[0].0, "/title");

    // The record belongs to the entry that took the rest, and the whole is a good ledger.
    let folder = data.path();
    let out = tempfile::tempdir().unwrap();
    let from = folder.to_str().unwrap();
    let export = ["export", "--data", from, "--out", "ledger.ndjson"];
    indelible(out.path(), &export);
    let verified = indelible(out.path(), &["verify", "ledger.ndjson"]);
    assert!(verified.contains(" 5 refusals"), "{verified}");
    let table = indelible(folder, &["refusals", "site", "--data", "."]);
    let line = table
        .lines()
        .find(|line| line.contains("\"forged\""))
        .unwrap();
    assert!(
        line.contains("write, kept") && line.contains("AB-3"),
        "{table}"
    );
    let lines = indelible(folder, &["refusals", "site", "--json", "--data", "."]);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["code"], &first["admitted"]),
        (&json!("preserved"), &json!(1))
    );
}

/// As with refusals, the first ones have records of their own and the rest are counted.
#[tokio::test]
async fn a_flood_of_attempts_leaves_little() {
    const KEPT: u64 = 5;
    const TRIED: u64 = 40;
    let limit = RefusalSettings {
        kept_per_principal_max: KEPT,
    };
    let server = Running::with(|config| config.refusals = limit).await;
    let editor = server.http_as("eve", &["editor"]);
    for number in 0..TRIED {
        let body = json!({ "license": format!("forged {number}"), "phone": number.to_string() });
        assert_eq!(editor.put("/api/site", body).await.status, 200);
    }
    let data = server.stop_and_keep().await;
    let found = records(data.path(), "site");
    // Five in full, then the 1st, 2nd, 4th, … 32nd of the 35 that follow.
    assert_eq!(found.len() as u64, KEPT + 6);
    let further: u64 = found.iter().map(|record| record.further).sum();
    assert_eq!(found.len() as u64 + further, KEPT + 32);
    let store = RedbStore::open(data.path(), limit).unwrap();
    let count = store
        .refusal_count(&"site".parse().unwrap(), Epoch::FIRST, "eve")
        .unwrap();
    assert_eq!(count.total, TRIED);
}
