//! What everybody shares: the server, what is measured, what was said, and what went wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::dearest::ground::SCHEMA as THINGS;
use super::harness::{self, Http};
use super::process::Process;
use super::record::Record;

const BOARDS: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "board", "read": ["public"], "create": ["editor"],
                     "edit": ["editor"], "history": ["editor"] },
    "properties": {
        "title": { "type": "string" },
        "marks": { "type": "object", "additionalProperties": { "type": "string" } }
    }
}"#;

const NOTES: &str = r#"{
    "type": "object",
    "x-indelible": { "kind": "note", "read": ["public"], "create": ["editor"], "edit": ["editor"] },
    "properties": { "text": { "type": "string" } }
}"#;

/// What editors and followers meet at.
pub(crate) const BOARD_COUNT: usize = 50;
/// A page of notes that is too long for the buffers of a connection that is not read from.
const LONG_NOTES: usize = 8;
const LONG_BYTES: usize = 500_000;

/// What time it is in a soak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// People are coming in, and nothing is measured.
    Arriving,
    /// Only people are there.
    Quiet,
    /// Attackers are there, too.
    Attacked,
    /// The server is gone.
    Over,
}

/// What people wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// `/healthz`.
    Alive,
    /// A value over HTTP.
    Read,
    /// A value that is put over HTTP.
    Put,
    /// From a proposal to its acknowledgement.
    Edit,
    /// From an edit to where others are shown it.
    Shown,
}

pub(crate) type Times = BTreeMap<(What, Phase), Vec<Duration>>;

/// See the module.
pub(crate) struct Town {
    data: tempfile::TempDir,
    schema: tempfile::TempDir,
    process: RefCell<Process>,
    pub(crate) authority: String,
    began: Instant,
    pub(crate) phase: Cell<Phase>,
    pub(crate) times: RefCell<Times>,
    pub(crate) record: RefCell<Record>,
    pub(crate) faults: RefCell<BTreeMap<String, usize>>,
}

impl Town {
    pub(crate) async fn build() -> Self {
        let (data, schema) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (kind, text) in [("board", BOARDS), ("note", NOTES), ("things", THINGS)] {
            fs::write(schema.path().join(format!("{kind}.json")), text).unwrap();
        }
        let process = Process::start(data.path(), schema.path());
        let town = Self {
            authority: process.authority.clone(),
            data,
            schema,
            process: RefCell::new(process),
            began: Instant::now(),
            phase: Cell::new(Phase::Arriving),
            times: RefCell::default(),
            record: RefCell::default(),
            faults: RefCell::default(),
        };
        let http = town.http("mayor");
        for number in 0..BOARD_COUNT {
            let board = json!({ "title": format!("Board {number}"), "marks": {} });
            let made = http.post(&format!("/api/board?id=b{number}"), board).await;
            assert_eq!(made.status, 201, "{}", made.body);
        }
        for number in 0..LONG_NOTES {
            let note = json!({ "text": "x".repeat(LONG_BYTES) });
            let made = http.post(&format!("/api/note?id=a{number}"), note).await;
            assert_eq!(made.status, 201, "{}", made.body);
        }
        town
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.borrow().id()
    }

    pub(crate) fn token(&self, id: &str) -> String {
        let day = Duration::from_secs(24 * 3600);
        harness::token(self.data.path(), id, &["editor"], day)
    }

    pub(crate) fn http(&self, id: &str) -> Http {
        Http::to(&self.authority, Some(self.token(id)))
    }

    pub(crate) fn kill(&self) {
        self.process.borrow_mut().kill();
    }

    /// Another server on the same store.
    pub(crate) fn restarted(&self) -> Process {
        Process::start(self.data.path(), self.schema.path())
    }

    /// The time since the beginning, as marks hold it.
    pub(crate) fn micros(&self) -> u128 {
        self.began.elapsed().as_micros()
    }

    /// Notes how long somebody waited.
    pub(crate) fn note(&self, what: What, waited: Duration) {
        let mut times = self.times.borrow_mut();
        times
            .entry((what, self.phase.get()))
            .or_default()
            .push(waited);
    }

    /// Notes how long it was from when a mark was made until now.
    pub(crate) fn note_since(&self, micros: u128) {
        let waited = self.micros().saturating_sub(micros);
        let waited = Duration::from_micros(waited.try_into().unwrap_or(u64::MAX));
        self.note(What::Shown, waited);
    }

    /// Notes what must not be.
    pub(crate) fn fault(&self, fault: impl Into<String>) {
        *self.faults.borrow_mut().entry(fault.into()).or_default() += 1;
    }
}
