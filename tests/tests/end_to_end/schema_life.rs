//! Guards against a server that serves old values under a new schema, loses some on the way over,
//! starts although an entity cannot follow, or takes from a client that was away what the new
//! schema does not know.

use std::path::Path;

use automerge::transaction::Transactable;
use automerge::{ObjType, ReadDoc};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, Epoch, Seq};
use indelible_engine::ledger;
use indelible_engine::ledger::Logged;
use indelible_engine::migration::migrate;
use indelible_engine::policy::PolicyBook;
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use indelible_engine::schema;
use indelible_engine::time::Timestamp;
use indelible_server::config::{Config, SchemaPlace};
use indelible_server::storage::redb::RedbStore;
use indelible_server::storage::{Append, Ledger, NewEntry, Notes, Place, PolicyText, PolicyTexts};
use indelible_server::{ServeError, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::harness::{Client, Http, PATIENCE, Replica, connect_to, token};

/// A server on threads of its own: when they have ended, nothing holds its store any more.
pub(crate) struct Serving {
    pub(crate) authority: String,
    threads: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Serving {
    pub(crate) async fn start(config: Config) -> Result<Self, ServeError> {
        let threads = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = match threads.spawn(Server::bind(config)).await.unwrap() {
            Ok(server) => server,
            Err(error) => {
                end(threads).await;
                return Err(error);
            }
        };
        let authority = server.local_addr().to_string();
        let (stop, stopped) = oneshot::channel();
        let task = threads.spawn(server.run(async {
            let _ = stopped.await;
        }));
        Ok(Self {
            authority,
            threads: Some(threads),
            stop: Some(stop),
            task,
        })
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, &mut self.task)
            .await
            .unwrap()
            .unwrap();
        end(self.threads.take().unwrap()).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

async fn end(threads: Runtime) {
    let ended = tokio::task::spawn_blocking(move || threads.shutdown_timeout(PATIENCE));
    ended.await.unwrap();
}

/// A schema folder with one kind, and a data directory.
pub(crate) struct Site {
    schema: TempDir,
    data: TempDir,
}

/// What `indelible` prints; it has to succeed.
pub(crate) fn run_command(words: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_indelible-under-test"))
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self {
            schema: tempfile::tempdir().unwrap(),
            data: tempfile::tempdir().unwrap(),
        };
        let content = site.schema.path().join("content");
        std::fs::create_dir(&content).unwrap();
        let notes = json!({
            "one": { "title": "Title", "body": "Once", "steps": [
                { "id": "a", "name": "A" }, { "id": "b", "name": "B" } ] },
            "two": { "title": "Other" }
        });
        std::fs::write(content.join("note.json"), notes.to_string()).unwrap();
        site
    }

    pub(crate) fn write(&self, properties: &Value) -> String {
        let text = schema(properties).to_string();
        std::fs::write(self.schema.path().join("note.json"), &text).unwrap();
        text
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.schema.path()
    }

    fn config(&self) -> Config {
        Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            data: self.data.path().to_owned(),
            schema: SchemaPlace::Folder(self.schema.path().to_owned()),
            ..Config::default()
        }
    }

    pub(crate) async fn start(&self) -> Serving {
        Serving::start(self.config()).await.unwrap()
    }

    pub(crate) fn token(&self, id: &str) -> Option<String> {
        let ttl = std::time::Duration::from_secs(3_600);
        Some(token(self.data.path(), id, &["editor"], ttl))
    }

    async fn connect(&self, server: &Serving, id: &str) -> Client {
        connect_to(&server.authority, self.token(id)).await
    }

    pub(crate) fn http(&self, server: &Serving) -> Http {
        Http::to(&server.authority, self.token("hal"))
    }

    /// What `indelible schema` says of the stopped server's data.
    fn schema_command(&self, words: &[&str]) -> String {
        let data = self.data.path().to_str().unwrap();
        run_command(&[&["schema"], words, &["--data", data]].concat())
    }

    /// The ledger of the stopped server is good, every entry judged again.
    pub(crate) fn verify(&self) {
        let data = self.data.path().to_str().unwrap();
        let file = self.schema.path().join("ledger.ndjson");
        let file = file.to_str().unwrap();
        run_command(&["export", "--data", data, "--out", file]);
        let told = run_command(&["verify", file]);
        assert!(told.starts_with("good: "), "{told}");
        std::fs::remove_file(file).unwrap();
    }

    /// What the schema as it is now would have refused.
    fn replayed(&self) -> Vec<Value> {
        let folder = self.schema.path().to_str().unwrap();
        let lines = self.schema_command(&["replay", folder, "--json"]);
        let lines = lines.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What the schema as it is now does to the entities.
    pub(crate) fn differences(&self) -> Value {
        let folder = self.schema.path().to_str().unwrap();
        let document = self.schema_command(&["diff", folder, folder, "--json"]);
        serde_json::from_str(&document).unwrap()
    }
}

fn schema(properties: &Value) -> Value {
    json!({
        "type": "object",
        "x-indelible": { "kind": "note", "read": ["public"], "create": ["editor"],
                         "edit": ["editor"], "delete": ["editor"], "history": ["editor"] },
        "properties": properties
    })
}

fn first() -> Value {
    json!({
        "title": { "type": "string" },
        "body": { "type": "string", "x-indelible": { "merge": "text" } },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "name": { "type": "string" } } } }
    })
}

fn second() -> Value {
    json!({
        "title": { "type": "string" },
        "story": { "type": "string", "x-indelible": { "merge": "text", "was": "body" } },
        "level": { "type": "integer", "default": 2 },
        "steps": { "type": "array", "items": { "type": "object", "properties": {
            "label": { "type": "string", "x-indelible": { "was": "name" } },
            "notes": { "type": "array", "items": { "type": "string" } } } } }
    })
}

fn taken_over() -> Value {
    json!({ "title": "Title", "story": "Once", "level": 2, "steps": [{ "id": "a", "label": "A" }] })
}

/// Comes back with a replica; gives the code of the answer to each of its edits.
async fn come_back(client: &mut Client, replica: &mut Replica, edits: Vec<Vec<u8>>) -> Vec<String> {
    client
        .send(&ClientFrame::Open {
            entity: replica.entity.clone(),
            mode: Mode::Replica,
            epoch: Some(Epoch::FIRST),
            seq: Some(replica.seq),
            hash: Some(replica.hash),
            version: None,
        })
        .await;
    match client.next().await {
        ServerFrame::Schema { text, .. } => assert!(text.contains("story"), "{text}"),
        other => panic!("no schema: {other:?}"),
    }
    client.receive(replica).await;
    let mut answers = Vec::new();
    for edit in edits {
        let id = client.propose(&replica.entity, vec![edit]).await;
        loop {
            match client.next().await {
                ServerFrame::Admitted { id: of, .. } if of == id => {
                    break answers.push("admitted".to_owned());
                }
                ServerFrame::Refused {
                    id: of, violations, ..
                } if of == id => {
                    break answers
                        .push(format!("{} {}", violations[0].pointer, violations[0].rule));
                }
                frame @ ServerFrame::Entries { .. } => replica.apply(&frame),
                other => panic!("no answer: {other:?}"),
            }
        }
    }
    answers
}

#[tokio::test]
async fn a_server_comes_back_with_another_schema() {
    let site = Site::new();
    site.write(&first());
    let server = site.start().await;
    let mut ada = site.connect(&server, "ada").await;
    let mut hers = ada.replica("note/one").await;
    let gone = hers.change(|doc| {
        let steps = doc.get(automerge::ROOT, "steps").unwrap().unwrap().1;
        let item = doc.get(&steps, "b").unwrap().unwrap().1;
        doc.put(&item, "$deleted", true).unwrap();
    });
    ada.write(&mut hers, vec![gone]).await;
    // Bob goes away, and edits; each edit stands for itself.
    let mut bob = site.connect(&server, "bob").await;
    let mut his = bob.replica("note/one").await;
    drop(bob);
    server.stop().await;
    let start = his.doc.save();
    let (seq, hash) = (his.seq, his.hash);
    let mut edits = Vec::new();
    let makes: [fn(&mut automerge::AutoCommit); 3] = [
        |doc| doc.put(automerge::ROOT, "title", "By Bob").unwrap(),
        |doc| {
            let body = doc.get(automerge::ROOT, "body").unwrap().unwrap().1;
            doc.splice_text(&body, 0, 0, "x").unwrap();
        },
        |doc| {
            let steps = doc.get(automerge::ROOT, "steps").unwrap().unwrap().1;
            let item = doc.put_object(&steps, "c", ObjType::Map).unwrap();
            doc.put(&item, "$position", "zz").unwrap();
        },
    ];
    for make in makes {
        let mut alone = Replica::new(his.entity.clone(), &start, seq, hash);
        edits.push(alone.change(make));
    }

    site.write(&second());
    let server = site.start().await;
    let mut reader = connect_to(&server.authority, None).await;
    assert_eq!(reader.value("note/one").await.0, taken_over());
    let mut bob = site.connect(&server, "bob").await;
    let answers = come_back(&mut bob, &mut his, edits).await;
    assert_eq!(
        answers,
        [
            "admitted",
            "/body unknown-field",
            "/steps/c/notes incomplete"
        ]
    );
    assert_eq!(his.text("story"), "Once");
    assert!(
        matches!(reader.next().await, ServerFrame::Patch { patch, .. } if patch.contains("By Bob"))
    );

    // Everybody can write what is new, in items that were there before too.
    let body = json!({ "level": 3, "steps": [{ "id": "a", "notes": ["n"] }] });
    let answer = site.http(&server).put("/api/note/one", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body["value"]["steps"],
        json!([{ "id": "a", "label": "A", "notes": ["n"] }])
    );
    assert!(
        matches!(reader.next().await, ServerFrame::Patch { patch, .. } if patch.contains("notes"))
    );
    bob.receive(&mut his).await;

    // A deleted item went along.
    let back = his.change(|doc| {
        let steps = doc.get(automerge::ROOT, "steps").unwrap().unwrap().1;
        let item = doc.get(&steps, "b").unwrap().unwrap().1;
        doc.put(&item, "$deleted", false).unwrap();
    });
    bob.write(&mut his, vec![back]).await;
    let answer = site.http(&server).get("/api/note/one").await;
    assert_eq!(answer.body["steps"][1], json!({ "id": "b", "label": "B" }));
    server.stop().await;
    site.verify();
}

#[tokio::test]
async fn a_schema_that_cannot_follow_stops_the_start_and_changes_nothing() {
    let site = Site::new();
    site.write(&first());
    site.start().await.stop().await;
    let mut text = first();
    text["title"]["x-indelible"] = json!({ "merge": "text" });
    site.write(&text);
    let refused = Serving::start(site.config()).await.err();
    let error = refused.expect("it does not start").to_string();
    for part in [
        "the schema of note has changed, and 2 entities cannot follow; nothing was written:",
        "note/one, note/two: ",
        "/title: was a single value",
    ] {
        assert_eq!(error.matches(part).count(), 1, "{error}");
    }
    // With the old schema everything is as it was, and has no entry more.
    site.write(&first());
    let server = site.start().await;
    let mut ada = site.connect(&server, "ada").await;
    assert_eq!(ada.replica("note/one").await.seq, Seq(1));
    server.stop().await;
}

/// What two have when a field becomes unique, both keep; nobody takes it before both gave it up.
#[tokio::test]
async fn a_field_becomes_unique_whose_values_are_there_twice() {
    let site = Site::new();
    site.write(&first());
    let server = site.start().await;
    let http = site.http(&server);
    let same = json!({ "title": "Title" });
    let twin = http.post("/api/note?id=twin", same.clone()).await;
    assert_eq!(twin.status, 201, "{}", twin.body);
    server.stop().await;

    let mut unique = first();
    unique["title"]["x-indelible"] = json!({ "unique": true });
    site.write(&unique);
    let told = site.replayed();
    let found: Vec<_> = told
        .iter()
        .map(|told| {
            [
                &told["entity"],
                &told["pointer"],
                &told["rule"],
                &told["who"],
            ]
        })
        .collect();
    assert_eq!(found, [["note/twin", "/title", "unique", "hal"]]);
    let told = site.differences();
    for (at, other) in [(0, "note/twin"), (1, "note/one")] {
        let invalid = &told["entities"][at]["invalid"][0];
        assert_eq!(invalid["pointer"], "/title");
        let message = invalid["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("{other} has this value")),
            "{told}"
        );
    }
    let server = site.start().await;
    let http = site.http(&server);
    for (gives_up, holder) in [(None, "note/one"), (Some("one"), "note/twin")] {
        if let Some(id) = gives_up {
            let path = format!("/api/note/{id}");
            let answer = http.put(&path, json!({ "title": "Another" })).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let taken = http.post("/api/note?id=third", same.clone()).await;
        assert_eq!(taken.status, 422, "{}", taken.body);
        assert_eq!(taken.body["violations"][0]["rule"], "unique");
        assert_eq!(taken.body["violations"][0]["holder"], holder);
    }
    let edited = http.put("/api/note/twin", json!({ "body": "B" })).await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    let any = [("if-match", "*")];
    let deleted = http.send("DELETE", "/api/note/twin", &any, None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    assert_eq!(http.post("/api/note?id=third", same).await.status, 201);
    server.stop().await;
    site.verify();
}

/// Takes one entity over and no other, as a start that is cut short does.
fn half_a_start(data: &Path, old: &str, new: &str, entity: &EntityId) {
    let store = RedbStore::open(data, Config::default().refusals).unwrap();
    let compile = |text: &str| std::sync::Arc::new(schema::compile("note.json", text).unwrap());
    let policies = [compile(old), compile(new)];
    let texts = policies.each_ref().map(|policy| PolicyText {
        hash: policy.hash(),
        text: policy.record(),
    });
    store.keep_policies(&texts).unwrap();
    let kept = store.policies().unwrap();
    let kept = kept
        .iter()
        .map(|kept| std::sync::Arc::new(schema::compile_record("note.json", &kept.text).unwrap()));
    let book: PolicyBook = kept.collect();
    let from = Place {
        entity: entity.clone(),
        epoch: Epoch::FIRST,
        seq: Seq(0),
    };
    let stored = store.entries(&from, 1_000).unwrap();
    let entries: Vec<_> = stored
        .iter()
        .map(|s| (ledger::decode(&s.bytes).unwrap(), s.hash))
        .collect();
    let mut logged = entries.iter().map(|(entry, hash)| Logged::of(entry, *hash));
    let mut entity = Entity::begin(entity, logged.next().unwrap(), &book).unwrap();
    entity.replay(logged, &book).unwrap();
    let step = migrate(&entity, &policies[1], Timestamp(0))
        .unwrap()
        .unwrap();
    store.set_note("schema/note", b"").unwrap();
    let mut request = Append::new(entity.id().clone());
    request.entries.push(NewEntry {
        draft: step.draft().clone(),
        effects: None,
    });
    store.append(&[request]).unwrap().remove(0).unwrap();
}

#[tokio::test]
async fn a_start_that_was_cut_short_is_finished_with_whatever_schema_comes_next() {
    let site = Site::new();
    let old = site.write(&first());
    site.start().await.stop().await;
    let new = schema(&second()).to_string();
    half_a_start(site.data.path(), &old, &new, &"note/one".parse().unwrap());

    // Back to the old schema: what was renamed is said to have another name again.
    let mut back = first();
    back["body"]["x-indelible"]["was"] = "story".into();
    back["steps"]["items"]["properties"]["name"]["x-indelible"] = json!({ "was": "label" });
    site.write(&back);
    let server = site.start().await;
    let values = site.http(&server).get("/api/note/one").await.body;
    assert_eq!(values["body"], "Once");
    assert_eq!(
        values["steps"],
        json!([{ "id": "a", "name": "A" }, { "id": "b", "name": "B" }])
    );
    server.stop().await;

    let one: EntityId = "note/one".parse().unwrap();
    half_a_start(site.data.path(), &schema(&back).to_string(), &new, &one);
    site.write(&second());
    for _ in 0..2 {
        let server = site.start().await;
        let mut ada = site.connect(&server, "ada").await;
        // Creation, over, back and over again: a second start adds nothing.
        assert_eq!(ada.replica("note/one").await.seq, Seq(4));
        assert_eq!(ada.replica("note/two").await.seq, Seq(3));
        let value = site.http(&server).get("/api/note/one").await.body;
        assert_eq!(
            (&value["story"], &value["level"]),
            (&json!("Once"), &json!(2))
        );
        assert_eq!(
            site.http(&server).get("/api/note/two").await.body["level"],
            2
        );
        server.stop().await;
    }
    site.verify();
}

#[tokio::test]
async fn past_edits_are_judged_by_a_schema_to_come() {
    let site = Site::new();
    site.write(&first());
    let server = site.start().await;
    for title in ["Abc", "Too long"] {
        let answer = site
            .http(&server)
            .put("/api/note/one", json!({ "title": title }))
            .await;
        assert_eq!(answer.status, 200);
    }
    server.stop().await;
    let mut later = first();
    later["headline"] =
        json!({ "type": "string", "maxLength": 5, "x-indelible": { "was": "title" } });
    later.as_object_mut().unwrap().remove("title");
    site.write(&later);
    let folder = site.schema.path().to_str().unwrap();
    let told = site.replayed();
    // The edit of a person; the creation by the server had a short title.
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["entity"], &told[0]["seq"]),
        (&json!("note/one"), &json!(3))
    );
    assert_eq!(
        (&told[0]["who"], &told[0]["pointer"]),
        (&json!("hal"), &json!("/headline"))
    );
    assert_eq!(told[0]["rule"], "maxLength");
    let table = site.schema_command(&["replay", folder]);
    assert!(
        table.ends_with("1 of 4 edits would have been refused\n"),
        "{table}"
    );

    let told = site.differences();
    assert_eq!(told["kinds"], json!([]));
    assert_eq!(told["entities"][0]["entity"], "note/one");
    assert_eq!(told["entities"][0]["invalid"][0]["pointer"], "/headline");
}
