//! Frames: what of the server's cannot be understood, and how much fits into one of ours.

use indelible_engine::json;
use indelible_engine::limits::Limits;
use serde_json::{Map, Value};

/// Room in a frame for everything but the payload.
const OVERHEAD_BYTES: usize = 1_024;

/// How many bytes of changes, or of a value, one frame takes.
pub(crate) fn payload_bytes_max(limits: &Limits) -> usize {
    limits.frame_bytes_max.saturating_sub(OVERHEAD_BYTES)
}

/// The server sent something that is not a valid frame; the connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an invalid frame: {0}")]
pub struct BadFrame(pub(crate) String);

/// The JSON text in a field of a frame.
pub(crate) fn json_of(field: &str, text: &str) -> Result<Value, BadFrame> {
    let read = serde_json::from_str(text);
    read.map_err(|error| BadFrame(format!("{field} is not JSON: {}", json::said(&error))))
}

/// The JSON text in a field of a frame that must be an object.
pub(crate) fn object(field: &str, text: &str) -> Result<Map<String, Value>, BadFrame> {
    match json_of(field, text)? {
        Value::Object(object) => Ok(object),
        _ => Err(BadFrame(format!("{field} must be a JSON object"))),
    }
}
