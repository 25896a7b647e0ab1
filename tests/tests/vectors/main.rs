//! Golden vectors: the formats that cannot change later, byte for byte, in `tests/data/vectors/`.
//!
//! Guards against a format that changes by accident: then nobody could read a ledger, or talk to a
//! server, of an older version. Every vector is made here from values, and what is made must equal
//! the file; then the file is read back and must give the values. A file is written only when asked
//! for, with `INDELIBLE_BLESS=1 cargo test -p indelible-tests --test vectors`; a change to a vector
//! that was ever released is a new version of its format, not a new file.

mod actors;
mod bundle;
mod changes;
mod effects;
mod entities;
mod frames;
mod ledger;
mod positions;
mod refusal_codes;
mod schemas;
mod verdicts;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("data/vectors")
        .join(name)
}

/// Compares `made` with the file, or writes the file when asked to, and gives what the file holds.
fn golden(name: &str, made: &Value) -> Value {
    let path = path(name);
    let text = serde_json::to_string_pretty(made).expect("a value has a text") + "\n";
    if std::env::var_os("INDELIBLE_BLESS").is_some() {
        fs::write(&path, &text).expect("the folder of vectors can be written");
    }
    let file =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if file != text {
        let at = file
            .lines()
            .zip(text.lines())
            .position(|(old, new)| old != new);
        let at = at.unwrap_or_else(|| file.lines().count().min(text.lines().count()));
        panic!(
            "{name} differs from what this program makes, first in line {}:\n  file: {}\n  made: {}",
            at + 1,
            file.lines().nth(at).unwrap_or("(end)"),
            text.lines().nth(at).unwrap_or("(end)"),
        );
    }
    serde_json::from_str(&file).expect("it was written as JSON")
}

/// The bytes in a field of a vector.
fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    let text = vector[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {vector}"));
    hex::decode(text).expect("bytes are in hexadecimal digits")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list of vectors")
}
