//! The catalogue of hostile changes and frames: data in `tests/data/vectors/hostile/*.json`.
//!
//! Owns how a case is written down and read. Each case stands on an entity of its own, named after
//! it: created by alice with the same content, edited by bob, then attacked. Genesis and creation
//! are deterministic, so the changes of a case fit wherever the schema and the content are these.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use indelible_engine::entity::Entity;
use indelible_engine::id::EntityId;
use indelible_engine::principal::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The code of cases that only look hostile.
pub const ADMITTED: &str = "admitted";

/// Who creates the entity of every case.
pub const CREATOR: &str = "alice";

/// The files with cases about changes, without their extension.
pub const CHANGE_FILES: [&str; 10] = [
    "chunks",
    "columns",
    "references",
    "operations",
    "predecessors",
    "policy",
    "items",
    "values",
    "proposals",
    "divided",
];

/// One attack on one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Names the case and its entity: `thing/NAME`.
    pub name: String,
    /// What would happen, or once did, without the check.
    pub guards: String,
    /// Honest proposals before the attack.
    pub setup: Vec<Step>,
    /// The attack.
    pub attack: Step,
    /// What the server says to it.
    pub expect: Expect,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The id of the principal; [`principal`] knows the roles.
    pub by: String,
    /// Its changes.
    pub changes: Vec<Bytes>,
    /// Whether they are said to be one edit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The stable code, or [`ADMITTED`].
    pub code: String,
    /// Rule and pointer of each violation; only where the policy decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
    /// How many changes before the refused one were admitted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub admitted: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Case {
    /// The entity that the case is about.
    #[must_use]
    pub fn entity(&self) -> EntityId {
        entity_of(&self.name)
    }

    /// Whether everything in the attack goes through.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.expect.code == ADMITTED
    }
}

impl Step {
    /// The changes as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        self.changes.iter().map(|bytes| bytes.0.clone()).collect()
    }
}

/// The entity of the case `name`.
#[must_use]
pub fn entity_of(name: &str) -> EntityId {
    format!("thing/{name}")
        .parse()
        .expect("names of cases are names of entities")
}

/// One attack on a connection: messages that are not frames, or useless frames.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameCase {
    /// Names the case.
    pub name: String,
    /// What would happen, or once did, without the check.
    pub guards: String,
    /// Whether the connection has said hello and was welcomed.
    pub greeted: bool,
    /// What is sent.
    pub messages: Vec<RawMessage>,
    /// The codes that are answered, in order, whatever the frames that carry them.
    pub answers: Vec<String>,
    /// The close code; `None`: the connection goes on.
    #[serde(default)]
    pub close: Option<u16>,
}

/// One WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawMessage {
    /// As frames are sent.
    Binary(Bytes),
    /// UTF-8.
    Text(Bytes),
}

/// All cases about frames.
#[must_use]
pub fn frame_cases() -> Vec<FrameCase> {
    serde_json::from_value(read(&file("frames"))).expect("the catalogue is well-formed")
}

/// Bytes as hexadecimal digits, where `[00*512]` stands for 512 times the byte 00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// As few equal bytes in a row are written out.
const RUN_BYTES_MIN: usize = 12;

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for run in self.0.chunk_by(|a, b| a == b) {
            if run.len() < RUN_BYTES_MIN {
                text.push_str(&hex::encode(run));
            } else {
                text.push_str(&format!("[{:02x}*{}]", run[0], run.len()));
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unpack(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("bytes are hexadecimal digits or [xx*n]"))
    }
}

fn unpack(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (index, part) in text.split('[').enumerate() {
        let digits = if index == 0 {
            part
        } else {
            let (run, digits) = part.split_once(']')?;
            let (pattern, times) = run.split_once('*')?;
            let pattern = hex::decode(pattern).ok()?;
            bytes.extend(pattern.repeat(times.parse().ok()?));
            digits
        };
        bytes.extend(hex::decode(digits).ok()?);
    }
    Some(bytes)
}

/// A principal of the catalogue, with its roles.
#[must_use]
pub fn principal(id: &str) -> Principal {
    let roles: &[&str] = match id {
        CREATOR | "carol" => &["editor", "chief"],
        "bob" | "mallory" => &["editor"],
        "victor" => &["viewer"],
        "audrey" => &["auditor"],
        other => panic!("the catalogue knows no {other}"),
    };
    Principal::new(id, roles.iter().copied())
}

/// The folder with the schema of the catalogue.
#[must_use]
pub fn schema_folder() -> PathBuf {
    package().join("data/hostile/schema")
}

/// What every entity of the catalogue is created with.
#[must_use]
pub fn content() -> Value {
    read(&package().join("data/hostile/content.json"))
}

/// The values of all fields that no editor may write.
#[must_use]
pub fn protected(entity: &Entity) -> BTreeMap<&'static str, Value> {
    let value = entity.presented();
    let at = |pointer| (pointer, value.pointer(pointer).cloned().unwrap_or_default());
    let mut protected: BTreeMap<&'static str, Value> = [
        "/code",
        "/rating",
        "/secret",
        "/seal",
        "/oath",
        "/merits",
        "/ranks",
        "/vault",
        "/place/plot",
        "/labels/x/owner",
        "/fixed",
        "/createdAt",
        "/createdBy",
    ]
    .map(at)
    .into();
    let guarded = value["guarded"].as_array().into_iter().flatten();
    let vase = guarded.filter(|item| item["id"] == "g1");
    protected.insert("worth", vase.map(|item| item["worth"].clone()).collect());
    protected
}

/// A file of the catalogue.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    package()
        .join("data/vectors/hostile")
        .join(format!("{name}.json"))
}

/// All cases about changes.
#[must_use]
pub fn cases() -> Vec<Case> {
    CHANGE_FILES
        .iter()
        .flat_map(|name| -> Vec<Case> {
            serde_json::from_value(read(&file(name))).expect("the catalogue is well-formed")
        })
        .collect()
}

/// A JSON file.
///
/// # Panics
/// When there is no such file.
#[must_use]
pub fn read(path: &std::path::Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The folder of this package, asked at run time: clones may share a build folder.
pub(crate) fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}
