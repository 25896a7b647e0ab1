//! The same requests to a server whose epochs end after every few writes and to one that begins none:
//! both answer alike, whatever version a request names.

use std::collections::BTreeMap;

use indelible_engine::id::Epoch;
use indelible_engine::protocol::{Mode, ServerFrame};
use indelible_server::config::{Config, SchemaPlace};
use serde_json::{Value, json};

use super::super::harness::{Answer, Http, Running};
use super::super::kills::Chance;
use super::super::schema_life::run_command;

const STEPS: usize = 150;
const SEEDS: u64 = 4;
const PAGE: &str = "/api/page/one";

/// A server, what its clients have read, and the ids of its items by their names.
struct World {
    server: Running,
    versions: Vec<String>,
    values: Vec<Value>,
    ids: Vec<(String, String)>,
}

/// A request, as far as it is the same in both worlds.
#[derive(Debug)]
struct Request {
    what: u64,
    which: u64,
    token: String,
    /// Which of the versions that were read the body is made from.
    read: usize,
    has_base: bool,
    condition: u64,
    place: Option<(&'static str, u64)>,
    strict: bool,
}

/// What is the same in an answer.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    body: Value,
}

fn config(config: &mut Config, operations: u64) {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/end_to_end/offline/schema"
    );
    config.schema = SchemaPlace::Folder(folder.into());
    let budgets = &mut config.budgets;
    (
        budgets.epoch_operations_min,
        budgets.epoch_operations_per_element,
    ) = (operations, 1);
    (budgets.epoch_bytes_min, budgets.epoch_overdue) = (u64::MAX, 1);
}

impl Request {
    fn random(dice: &mut Chance, step: usize, read: usize) -> Self {
        let what = match dice.below(18) {
            // Often, since it is by long texts that are short again that epochs end.
            16 => 6,
            17 => 8,
            what => what,
        };
        let back = dice.below(read.min(10) as u64) as usize;
        let place = (dice.below(4) == 0).then(|| {
            let option = ["preserve", "remove"][dice.below(2) as usize];
            (option, dice.below(8))
        });
        Self {
            what,
            which: dice.below(4),
            token: format!("n{step}"),
            read: read - 1 - back,
            // Of texts that others write at the same time only a document knows what is whose.
            has_base: dice.below(3) > 0 && !matches!(what, 6..=8 | 12 | 13),
            condition: dice.below(6),
            place,
            strict: dice.below(3) == 0,
        }
    }

    fn is_deletion(&self) -> bool {
        self.what == 14 && self.which == 0
    }

    /// A body made of what was read.
    fn body(&self, read: &Value) -> Value {
        let mut body = read.clone();
        body.as_object_mut().unwrap().remove("body");
        let label = ["x", "y"][self.which as usize % 2];
        match self.what {
            0 => body["title"] = json!(self.token),
            1 => body["slogan"] = json!(self.token),
            2 => body["address"] = json!({ "city": self.token }),
            3 => body["seo"]["words"] = json!(self.token),
            4 => body["labels"][label]["text"] = json!(self.token),
            5 => body["labels"][label] = Value::Null,
            // A history that outgrows its value.
            6 | 7 => body["body"] = json!(format!("{} ", self.token).repeat(20)),
            8 => body["body"] = json!(self.token),
            _ => self.steps(&mut body),
        }
        body
    }

    fn steps(&self, body: &mut Value) {
        let empty = json!([]);
        let steps = body
            .as_object_mut()
            .unwrap()
            .entry("steps")
            .or_insert(empty);
        let Some(steps) = steps.as_array_mut() else {
            return;
        };
        if steps.is_empty() || self.what == 9 {
            return steps.push(json!({ "name": self.token, "note": "new" }));
        }
        let at = by_name(steps)[self.which as usize % steps.len()];
        match self.what {
            10 | 11 => drop(steps.remove(at)),
            12 => steps[at]["note"] = json!(self.token),
            13 => steps[at]["note"] = Value::Null,
            _ => steps[at]["name"] = json!(self.token),
        }
    }

    /// A place among those that there were in what was read.
    fn place(which: u64, read: &Value) -> String {
        let steps = read["steps"].as_array().map_or(&[][..], Vec::as_slice);
        let order = by_name(steps);
        let step = order.get(which as usize % steps.len().max(1));
        let step = step.map(|at| &steps[*at]);
        match (which, step) {
            (0, _) => "/labels/x".to_owned(),
            (1, _) => "/labels/y/text".to_owned(),
            (2, _) => "/slogan".to_owned(),
            (3, Some(step)) => format!("/steps/{}/note", step["id"].as_str().unwrap()),
            (_, Some(step)) => format!("/steps/{}", step["id"].as_str().unwrap()),
            (_, None) => "/title".to_owned(),
        }
    }
}

/// The steps in an order that is the same in both worlds.
fn by_name(steps: &[Value]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|at| steps[*at]["name"].to_string());
    order
}

impl World {
    async fn new(operations: u64) -> Self {
        let server = Running::with(|own| config(own, operations)).await;
        let mut world = Self {
            server,
            versions: Vec::new(),
            values: Vec::new(),
            ids: Vec::new(),
        };
        let editor = world.editor(0);
        let answer = editor.get(PAGE).await;
        world.note(&answer);
        world
    }

    fn editor(&self, step: usize) -> Http {
        self.server.http_as(&format!("e{}", step % 7), &["editor"])
    }

    /// Remembers what a GET read.
    fn note(&mut self, answer: &Answer) {
        if answer.status == 200 {
            self.versions.push(answer.header("etag").to_owned());
            self.values.push(answer.body.clone());
        }
        for step in answer.body["steps"].as_array().into_iter().flatten() {
            let (id, name) = (step["id"].as_str().unwrap(), step["name"].as_str());
            let known = self.ids.iter().any(|(known, _)| known == id);
            if !known {
                self.ids
                    .push((id.to_owned(), name.unwrap_or("?").to_owned()));
            }
        }
    }

    async fn step(&mut self, step: usize, request: &Request) -> (Told, Told) {
        let editor = self.editor(step);
        let (version, value) = (&self.versions[request.read], &self.values[request.read]);
        let condition = match request.condition {
            0 => Some(("if-match", version.as_str())),
            _ if request.is_deletion() => Some(("if-match", "*")),
            1 => Some(("if-match", "*")),
            _ => None,
        };
        let mut headers: Vec<(&str, &str)> = condition.into_iter().collect();
        let answer = match request.what {
            _ if request.is_deletion() => editor.send("DELETE", PAGE, &headers, None).await,
            15 if request.which == 0 => {
                let path = format!("{PAGE}/undelete");
                editor.send("POST", &path, &[], None).await
            }
            _ => {
                if request.strict {
                    headers.push(("prefer", "handling=strict"));
                }
                let mut path = format!("{PAGE}?");
                if request.has_base {
                    path.push_str(&format!("base={}&", version.trim_matches('"')));
                }
                if let Some((option, which)) = request.place {
                    path.push_str(&format!("{option}={}", Request::place(which, value)));
                }
                let path = path.trim_end_matches(['?', '&']).to_owned();
                let body = Some(request.body(value));
                editor.send("PUT", &path, &headers, body).await
            }
        };
        let conditional = [("if-none-match", version.as_str())];
        let again = editor.send("GET", PAGE, &conditional, None).await;
        self.note(&editor.get(PAGE).await);
        (self.told(answer), self.told(again))
    }

    /// An answer without versions, and with items by the names that they first had.
    fn told(&self, answer: Answer) -> Told {
        let mut body = answer.body;
        if let Some(body) = body.as_object_mut() {
            body.remove("version");
        }
        // What comes back has the place that the body gives it, or the one that it had.
        let value = match body.get("value") {
            Some(_) => &mut body["value"],
            None => &mut body,
        };
        if let Some(steps) = value.get_mut("steps").and_then(Value::as_array_mut) {
            steps.sort_by_key(|step| step["name"].to_string());
        }
        let mut text = body.to_string();
        for (id, name) in &self.ids {
            text = text.replace(id, name);
        }
        Told {
            status: answer.status,
            body: serde_json::from_str(&text).unwrap(),
        }
    }
}

/// The present epoch of the page.
async fn epoch(server: &Running) -> Epoch {
    let mut follower = server.connect("eve", &["editor"]).await;
    follower
        .open(&"page/one".parse().unwrap(), Mode::Replica)
        .await;
    loop {
        if let ServerFrame::Snapshot { epoch, .. } = follower.next().await {
            return epoch;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_make_no_difference_to_answers() {
    let (mut statuses, mut epochs) = (BTreeMap::new(), 0);
    for seed in 0..SEEDS {
        let mut dice = Chance::new(seed);
        let (mut without, mut with) = (World::new(u64::MAX).await, World::new(40).await);
        for step in 0..STEPS {
            let request = Request::random(&mut dice, step, without.versions.len());
            let plain = without.step(step, &request).await;
            let renewed = with.step(step, &request).await;
            assert_eq!(plain, renewed, "seed {seed}, step {step}: {request:?}");
            *statuses.entry(plain.0.status).or_insert(0) += 1;
        }
        let editor = with.editor(0);
        let path = format!("{PAGE}/undelete");
        editor.send("POST", &path, &[], None).await;
        let epoch = epoch(&with.server).await;
        epochs += epoch.0 - Epoch::FIRST.0;
        without.server.stop().await;
        audit(with.server, epoch).await;
    }
    assert!(epochs > 8, "{epochs}");
    for status in [200, 204, 400, 404, 409, 412] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
}

/// The commands go through all epochs.
async fn audit(server: Running, epoch: Epoch) {
    let data = server.stop_and_keep().await;
    let dir = data.path().to_str().unwrap();
    let out = tempfile::tempdir().unwrap();
    let bundle = out.path().join("bundle.ndjson");
    let bundle = bundle.to_str().unwrap();
    run_command(&["export", "--data", dir, "--out", bundle]);
    let verdict = run_command(&["verify", bundle]);
    assert!(verdict.starts_with("good: "), "{verdict}");
    let past = |words: &[&str]| run_command(&[words, &["--data", dir]].concat());
    let history = past(&["history", "page/one", "--limit", "0"]);
    let begun = format!("{}:0", epoch.0);
    assert!(
        history.contains("1:1") && history.contains(&begun),
        "{history}"
    );
    assert!(past(&["at", "page/one", "1:1"]).contains("High Street"));
    assert!(!past(&["diff", "page/one", "1:1", "now", "--check"]).is_empty());
    assert!(past(&["blame", "page/one"]).contains("/title"));
}
