//! Frames of the server that cannot be understood, in sentences.

use indelible_engine::json;
use serde_json::{Map, Value};

/// Bytes that are no frame; the connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server sent what is no frame: {0}")]
pub struct BadFrame(pub(crate) String);

/// The JSON text in a field of a frame.
pub(crate) fn json_of(place: &str, text: &str) -> Result<Value, BadFrame> {
    let read = serde_json::from_str(text);
    read.map_err(|error| BadFrame(format!("{place} is not JSON: {}", json::said(&error))))
}

/// The JSON text in a field of a frame that is an object.
pub(crate) fn object(place: &str, text: &str) -> Result<Map<String, Value>, BadFrame> {
    match json_of(place, text)? {
        Value::Object(object) => Ok(object),
        _ => Err(BadFrame(format!("{place} must be a JSON object"))),
    }
}
